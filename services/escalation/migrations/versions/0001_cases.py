"""Cases, their trail, and the procedures that they follow."""

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
    _procedures()
    _cases()
    op.create_table(
        "case_trail",
        sa.Column("case_id", sa.Uuid, sa.ForeignKey("cases.case_id", ondelete="CASCADE"), primary_key=True),
        sa.Column("nth", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("known_at", INSTANT, nullable=False, comment="Business time at which it was decided"),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("step", sa.Text),
        sa.Column("details", JSONB, nullable=False),
        sa.Column("caused_by", sa.Uuid, comment="The event that caused it, if one did"),
    )


def _procedures() -> None:
    op.create_table(
        "sop_versions",
        sa.Column("sop", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("body", JSONB, nullable=False, comment="The procedure as written; never changed once stored"),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("loaded_at", INSTANT, nullable=False),
        sa.Column("loaded_by", sa.Text, nullable=False),
    )
    op.create_table(
        "sops",
        sa.Column("sop", sa.Text, primary_key=True),
        sa.Column("active_version", sa.Integer, comment="For new cases; null: the procedure is retired"),
        sa.Column("file_sha256", sa.Text, comment="Content of the shipped file when it was last taken over"),
    )


def _cases() -> None:
    op.create_table(
        "cases",
        sa.Column("case_id", sa.Uuid, primary_key=True),
        sa.Column("client_id", sa.Uuid, nullable=False),
        sa.Column("flagged_client_id", sa.Uuid, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("sop", sa.Text, nullable=False),
        sa.Column("sop_version", sa.Integer, nullable=False),
        sa.Column("flag", JSONB, nullable=False),
        sa.Column("standing", JSONB, nullable=False, comment="Flags that stand over the client: id to episode"),
        sa.Column("steps", JSONB, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("paused_at", INSTANT),
        sa.Column("paused_until", INSTANT),
        sa.Column("csm", sa.Text),
        sa.Column("csm_named_by", sa.Text),
        sa.Column("executive_sponsor", sa.Text),
        sa.Column("executive_sponsor_named_by", sa.Text),
        sa.Column("closed_at", INSTANT),
        sa.Column("outcome", sa.Text),
        sa.Column("absorbed_by", sa.Uuid),
        sa.Column("happenings", sa.Integer, nullable=False),
        sa.Column("next_due_at", INSTANT, comment="Of the steps that wait; null when none does"),
        sa.Column("breached_steps", sa.Integer, nullable=False, comment="Missed and not done yet"),
        sa.ForeignKeyConstraint(["sop", "sop_version"], ["sop_versions.sop", "sop_versions.version"]),
        postgresql_with={"fillfactor": "70"},
    )
    not_closed = sa.text("state <> 'closed'")
    op.create_index("cases_one_open_a_client", "cases", ["client_id"], unique=True, postgresql_where=not_closed)
    op.create_index("cases_client", "cases", ["client_id", "opened_at"])
    op.create_index("cases_flagged_client", "cases", ["flagged_client_id"])
    op.create_index("cases_newest", "cases", ["opened_at", "case_id"])


def downgrade() -> None:
    for table in ("case_trail", "cases", "sops", "sop_versions"):
        op.drop_table(table)
    drop_plumbing_v1(op)
