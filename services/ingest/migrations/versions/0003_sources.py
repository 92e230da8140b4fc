"""Secrets of sources, what is known of their feeds, and the objects that are to be fetched from vendors."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)


UP: tuple[str, ...] = (
    (
        "CREATE TABLE source_secrets ( id UUID NOT NULL, source TEXT NOT NULL, key_id TEXT NOT NULL, sealed BYTEA,"
        " added_at TIMESTAMP WITH TIME ZONE NOT NULL, added_by TEXT NOT NULL, retired_at TIMESTAMP WITH TIME ZONE,"
        " retired_by TEXT, PRIMARY KEY (id) )"
    ),
    "CREATE INDEX source_secrets_source ON source_secrets (source)",
    "ALTER TABLE feeds ADD COLUMN last_event_at TIMESTAMP WITH TIME ZONE",
    "ALTER TABLE feeds ADD COLUMN lag_seconds DOUBLE PRECISION",
    "ALTER TABLE feeds ADD COLUMN last_failed_at TIMESTAMP WITH TIME ZONE",
    "ALTER TABLE feeds ADD COLUMN last_failure TEXT",
    "ALTER TABLE feeds ADD COLUMN unknown_types JSONB DEFAULT '{}'::jsonb NOT NULL",
    (
        "CREATE TABLE enrichments ( source TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,"
        " state TEXT NOT NULL, asked_at TIMESTAMP WITH TIME ZONE NOT NULL, asked BIGINT NOT NULL,"
        " due_at TIMESTAMP WITH TIME ZONE NOT NULL, attempts INTEGER DEFAULT 0 NOT NULL,"
        " fetched_at TIMESTAMP WITH TIME ZONE, failed_at TIMESTAMP WITH TIME ZONE, failure TEXT, learnt BYTEA,"
        " PRIMARY KEY (source, kind, id) )"
    ),
    "CREATE INDEX enrichments_due ON enrichments (due_at) WHERE state = 'waiting'",
)
DOWN: tuple[str, ...] = (
    "DROP TABLE enrichments",
    "ALTER TABLE feeds DROP COLUMN unknown_types",
    "ALTER TABLE feeds DROP COLUMN last_failure",
    "ALTER TABLE feeds DROP COLUMN last_failed_at",
    "ALTER TABLE feeds DROP COLUMN lag_seconds",
    "ALTER TABLE feeds DROP COLUMN last_event_at",
    "DROP TABLE source_secrets",
)
