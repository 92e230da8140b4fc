"""Replays of raw bodies."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)


UP: tuple[str, ...] = (
    """
    CREATE TABLE replays (
      id UUID PRIMARY KEY, source TEXT NOT NULL, since TIMESTAMP WITH TIME ZONE NOT NULL,
      until TIMESTAMP WITH TIME ZONE NOT NULL, readings BOOLEAN NOT NULL, state TEXT NOT NULL,
      asked_by TEXT NOT NULL, asked_at TIMESTAMP WITH TIME ZONE NOT NULL, published_by TEXT,
      finished_at TIMESTAMP WITH TIME ZONE, at_day DATE, at_id UUID,
      counts JSONB DEFAULT '{}'::jsonb NOT NULL, types JSONB DEFAULT '{}'::jsonb NOT NULL,
      samples JSONB DEFAULT '[]'::jsonb NOT NULL, preview JSONB)
    """,
    "CREATE INDEX replays_running ON replays (id) WHERE state IN ('previewing', 'publishing')",
    """
    CREATE TABLE withdrawn_roots (
      root_id UUID PRIMARY KEY, client_id UUID NOT NULL, event_id UUID NOT NULL)
    """,
    "CREATE INDEX withdrawn_roots_client ON withdrawn_roots (client_id)",
    "CREATE INDEX said_raw ON said (raw_id) WHERE raw_id IS NOT NULL",
)
DOWN: tuple[str, ...] = ("DROP INDEX said_raw", "DROP TABLE withdrawn_roots", "DROP TABLE replays")
