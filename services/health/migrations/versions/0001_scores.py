"""Models and journey maps, each client's score now and before, and the feeds they rest on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from common.migrations import create_plumbing_v1, drop_plumbing_v1
from sqlalchemy.dialects.postgresql import ARRAY, JSON

revision = "0001"
down_revision = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    create_plumbing_v1(op)
    _definitions()
    _clients()
    _evaluations()
    op.create_table(
        "feeds",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("last_received_at", INSTANT, nullable=False),
        sa.Column("every_seconds", sa.BigInteger, nullable=False),
        sa.Column("silent", sa.Boolean, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False, comment="Of the sweeps over its clients"),
    )


def _definitions() -> None:
    op.create_table(
        "definitions",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False, comment="model or journey"),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("text", sa.Text, nullable=False, comment="As written; never changed once stored"),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False, comment="The published version of its name"),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("published_at", INSTANT),
        sa.Column("published_by", sa.Text),
        sa.Column("reason", sa.Text, comment="Why it was published, in the words of who did"),
    )
    op.create_index("definitions_version", "definitions", ["kind", "name", "version"], unique=True)
    op.create_index("definitions_active", "definitions", ["kind", "name"], unique=True, postgresql_where="active")


def _clients() -> None:
    op.create_table(
        "clients",
        sa.Column("client_id", sa.Uuid, primary_key=True),
        sa.Column("name", sa.Text),
        sa.Column("tier", sa.Text),
        sa.Column("segment", sa.Text),
        sa.Column("csm_email", sa.Text),
        sa.Column("test", sa.Boolean, nullable=False),
        sa.Column("ended", sa.Boolean, nullable=False, comment="Its notice took effect: no timers, no alerts"),
        sa.Column("mrr", sa.BigInteger, nullable=False, comment="Minor units, in mrr_currency"),
        sa.Column("mrr_currency", sa.Text),
        sa.Column("phase", sa.Text),
        sa.Column("journey", sa.Text, comment="on_track, behind or stuck"),
        sa.Column("sources", ARRAY(sa.Text), nullable=False, comment="Sources whose silence concerns it"),
        sa.Column("model", sa.Text),
        sa.Column("model_version", sa.Integer),
        sa.Column("score", sa.Integer, comment="Sixteenths of a point"),
        sa.Column("band", sa.Text),
        sa.Column("known_band", sa.Text, comment="The last band but unknown"),
        sa.Column("confidence", sa.SmallInteger, nullable=False, comment="Per mille"),
        sa.Column("as_of", INSTANT, comment="Null: imported, not evaluated yet"),
        sa.Column("baseline_due", sa.Boolean, nullable=False, comment="An import is under way: nothing of it acts"),
        sa.Column(
            "late_told_until", INSTANT, nullable=False, comment="Milestones late up to then are told, or too old"
        ),
        sa.Column("restate_from", INSTANT, comment="Facts came late: day ends since then are to be worked out again"),
        sa.Column("next_look", INSTANT),
        sa.Column("generation", sa.BigInteger, nullable=False, comment="Of its timers; older ones are no-ops"),
        postgresql_with={"fillfactor": "60"},
    )
    op.create_index("clients_score", "clients", ["score", "client_id"])
    op.create_index("clients_mrr", "clients", ["mrr", "client_id"])
    op.create_index("clients_sources", "clients", ["sources"], postgresql_using="gin")


def _evaluations() -> None:
    op.create_table(
        "evaluations",
        sa.Column("client_id", sa.Uuid, primary_key=True),
        sa.Column("as_of", INSTANT, primary_key=True),
        sa.Column("mode", sa.Text, primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("model_version", sa.Integer, nullable=False),
        sa.Column("score", sa.Integer, comment="Sixteenths of a point"),
        sa.Column("band", sa.Text, nullable=False),
        sa.Column("confidence", sa.SmallInteger, nullable=False, comment="Per mille"),
        sa.Column("band_before", sa.Text, comment="Set where this evaluation changed the band"),
        sa.Column("cause", sa.Text),
        sa.Column("caused_by", ARRAY(sa.Uuid), nullable=False),
        sa.Column("parts", JSON, nullable=False, comment="By the model's signals: [fact, score, fresh, marks] or null"),
        postgresql_partition_by="RANGE (as_of)",
    )
    # Months are made ahead by a job; what lies before them (imported history) is kept here.
    op.execute("CREATE TABLE evaluations_default PARTITION OF evaluations DEFAULT")


def downgrade() -> None:
    for table in ("feeds", "evaluations", "clients", "definitions"):
        op.drop_table(table)
    drop_plumbing_v1(op)
