"""Risks with their flags and history, health by day, overrides, and the registry of models."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from common.migrations import create_plumbing_v1, drop_plumbing_v1
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    create_plumbing_v1(op)
    _risks()
    _decisions()
    _registry()


def _risks() -> None:
    op.create_table(
        "risks",
        sa.Column("client_id", sa.Uuid, primary_key=True),
        sa.Column(
            "due_on", sa.Date, comment="Business day from which the client waits to be assessed; null: never again"
        ),
        sa.Column(
            "live", sa.Boolean, nullable=False, server_default=sa.text("false"), comment="Did something live since then"
        ),
        sa.Column(
            "baseline",
            sa.Boolean,
            nullable=False,
            server_default=sa.text("false"),
            comment="Next is the one after an import",
        ),
        sa.Column("importing_until", INSTANT, comment="Wall time until which an import is taken to run"),
        sa.Column("held", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column("flag", JSONB),
        sa.Column("override", JSONB),
        sa.Column("episode", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column(
            "assessments", sa.BigInteger, nullable=False, server_default=sa.text("0"), comment="How many there were"
        ),
        sa.Column("probability", sa.Double),
        sa.Column("last", JSONB, comment="The body of the last assessment"),
        sa.Column("ended", JSONB, comment="How the client ended, if it did"),
        sa.Column("assessed_at", INSTANT, comment="Business time of the last assessment"),
        postgresql_with={"fillfactor": "50"},
    )
    op.create_index("risks_due", "risks", ["due_on", "client_id"], postgresql_where=sa.text("due_on IS NOT NULL"))
    op.create_table(
        "health_days",
        sa.Column("client_id", sa.Uuid, primary_key=True),
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False, comment="UTC days since 1970-01-01"),
        sa.Column("at", sa.BigInteger, nullable=False, comment="Second of the day's last score"),
        sa.Column("score", sa.Integer, nullable=False, comment="Sixteenths of a point"),
        sa.Column("band", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column(
            "parts", sa.ARRAY(sa.Integer), nullable=False, comment="Component scores in sixteenths, null where absent"
        ),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_table(
        "assessments",
        sa.Column("client_id", sa.Uuid, primary_key=True),
        sa.Column("as_of", INSTANT, primary_key=True),
        sa.Column("event_id", sa.Uuid, primary_key=True),
        sa.Column("body", JSONB, nullable=False),
        sa.Column("groups", JSONB, comment="All contributions by reason code (log-odds), with `base`"),
        postgresql_partition_by="RANGE (as_of)",
    )
    op.execute("CREATE TABLE assessments_default PARTITION OF assessments DEFAULT")


def _decisions() -> None:
    op.create_table(
        "flags",
        sa.Column("flag_id", sa.Uuid, primary_key=True),
        sa.Column("episode", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("client_id", sa.Uuid, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("model_version", sa.Text, nullable=False),
        sa.Column("probability", sa.Double),
        sa.Column("raised_at", INSTANT, nullable=False),
        sa.Column("cleared_at", INSTANT),
        sa.Column("cleared_because", sa.Text),
    )
    op.create_index("flags_client", "flags", ["client_id", "raised_at"])
    op.create_table(
        "overrides",
        sa.Column("override_id", sa.Uuid, primary_key=True),
        sa.Column("client_id", sa.Uuid, nullable=False),
        sa.Column("flag_id", sa.Uuid, nullable=False),
        sa.Column("episode", sa.Integer, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("reason_code", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("probability", sa.Double, comment="The model's own number when it was made"),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.Column("until", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT),
        sa.Column("ended_because", sa.Text),
    )
    op.create_index("overrides_client", "overrides", ["client_id", "made_at"])


def _registry() -> None:
    op.create_table(
        "models",
        sa.Column("model_id", sa.Uuid, primary_key=True),
        sa.Column("version", sa.Text, nullable=False, unique=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("features", JSONB, nullable=False),
        sa.Column("calibration", JSONB, nullable=False),
        sa.Column("libraries", JSONB, nullable=False),
        sa.Column("trained_on", sa.Text, nullable=False, comment="`simulated` or `own`"),
        sa.Column("fingerprint", sa.Text, nullable=False, comment="sha256 of the training table"),
        sa.Column("horizon_days", sa.Integer, nullable=False),
        sa.Column("metrics", JSONB, nullable=False),
        sa.Column("card", sa.Text, nullable=False, comment="Markdown"),
    )
    op.create_table(
        "promotions",
        sa.Column("nth", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("model_id", sa.Uuid, sa.ForeignKey("models.model_id"), comment="null: the scorecard"),
        sa.Column("action", sa.Text, nullable=False, comment="`promoted` or `rolled_back`"),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
    )


def downgrade() -> None:
    for table in ("promotions", "models", "overrides", "flags", "assessments", "health_days", "risks"):
        op.drop_table(table)
    drop_plumbing_v1(op)
