"""What a client is ranked and compared by, what became of its flags, and overrides that were taken back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    for column in _risks():
        op.add_column("risks", column)
    for column in _flags():
        op.add_column("flags", column)
    op.create_index("flags_raised", "flags", ["raised_at", "flag_id", "episode"])
    op.add_column("overrides", sa.Column("ended_by", sa.Text, comment="Who took it back, if a person did"))
    op.add_column("overrides", sa.Column("points", sa.Double))
    op.execute("UPDATE flags SET due_at = raised_at + interval '90 days'")
    op.execute(
        "INSERT INTO timers (kind, owner, generation, due_at, payload)"
        " SELECT 'flag_outcome', flag_id || '/' || episode, 1, due_at,"
        " jsonb_build_object('flag_id', flag_id, 'episode', episode, 'client_id', client_id) FROM flags"
        " ON CONFLICT DO NOTHING"
    )


def _risks() -> list[sa.Column]:  # type: ignore[type-arg]  # of several types
    return [
        sa.Column(
            "quiet",
            sa.Boolean,
            nullable=False,
            server_default=sa.text("false"),
            comment="Nothing live since an import",
        ),
        sa.Column(
            "cooling", JSONB, comment="The flag that was cleared lately, and until when the client is left alone"
        ),
        sa.Column("groups", JSONB, comment="All contributions of the last assessment by reason code, with `base`"),
        sa.Column("csm", sa.Text, comment="Who of ours looks after the client"),
        sa.Column("first_at", sa.BigInteger, comment="Second of the first thing known of the client"),
        sa.Column("kinds", sa.Text, comment="Kinds of data ever seen of the client, with commas between"),
    ]


def _flags() -> list[sa.Column]:  # type: ignore[type-arg]  # of several types
    return [
        sa.Column("points", sa.Double),
        sa.Column("csm", sa.Text, comment="Who looked after the client when it was raised"),
        sa.Column("due_at", INSTANT, comment="End of its horizon"),
        sa.Column("case_at", INSTANT, comment="When a case was opened for it"),
        sa.Column(
            "outcome",
            sa.Text,
            comment="`left`, `stayed`, `stayed_after_case`, `unknown`; null until the horizon is over",
        ),
        sa.Column("outcome_at", INSTANT, comment="When the outcome was found, or last corrected"),
        sa.Column("left_at", INSTANT, comment="When the client left, if it did within the horizon"),
        sa.Column("left_by", sa.Text, comment="`notice`, `mrr_zero`, `lapse`"),
    ]


def downgrade() -> None:
    op.drop_column("overrides", "points")
    op.drop_column("overrides", "ended_by")
    op.drop_index("flags_raised", "flags")
    op.execute("DELETE FROM timers WHERE kind = 'flag_outcome'")
    for name in ("left_by", "left_at", "outcome_at", "outcome", "case_at", "due_at", "csm", "points"):
        op.drop_column("flags", name)
    for name in ("kinds", "first_at", "csm", "groups", "cooling", "quiet"):
        op.drop_column("risks", name)
