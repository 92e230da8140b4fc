"""Merges, moved links, erased people, and the audit of all that."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)


UP: tuple[str, ...] = (
    "ALTER TABLE clients ADD COLUMN merged_into UUID, ADD COLUMN unlinked_in BIGINT, ADD COLUMN forgotten JSONB",
    "CREATE INDEX clients_merged ON clients (merged_into) WHERE merged_into IS NOT NULL",
    # as domain/refs.py reads a domain: without scheme, path, port and www.
    """
    UPDATE clients SET domain = nullif(regexp_replace(split_part(split_part(regexp_replace(lower(trim(domain)),
      '^[a-z]+://', ''), '/', 1), ':', 1), '^www[.]', ''), '') WHERE domain IS NOT NULL
    """,
    "ALTER TABLE refs ADD COLUMN explicit BOOLEAN DEFAULT false NOT NULL, ADD COLUMN through TEXT",
    "ALTER TABLE parked ADD COLUMN domains TEXT[] DEFAULT '{}'::text[] NOT NULL",
    "CREATE INDEX parked_domains ON parked USING gin (domains)",
    """
    CREATE TABLE merges (
      id UUID NOT NULL PRIMARY KEY, from_client_id UUID NOT NULL, into_client_id UUID NOT NULL,
      merged_at TIMESTAMP WITH TIME ZONE NOT NULL, undone_at TIMESTAMP WITH TIME ZONE, refs TEXT[] NOT NULL,
      contacts TEXT[] NOT NULL, before JSONB NOT NULL)
    """,
    "CREATE INDEX merges_from ON merges (from_client_id)",
    "CREATE INDEX merges_into ON merges (into_client_id)",
    """
    CREATE TABLE moves (
      id UUID NOT NULL PRIMARY KEY, from_client_id UUID NOT NULL, into_client_id UUID NOT NULL, refs TEXT[] NOT NULL,
      started_at TIMESTAMP WITH TIME ZONE NOT NULL, moved BIGINT DEFAULT 0 NOT NULL,
      imported_from TIMESTAMP WITH TIME ZONE, imported_to TIMESTAMP WITH TIME ZONE,
      finished_at TIMESTAMP WITH TIME ZONE)
    """,
    "CREATE INDEX moves_open ON moves (from_client_id) WHERE finished_at IS NULL",
    """
    CREATE TABLE audit (
      id UUID NOT NULL PRIMARY KEY, at TIMESTAMP WITH TIME ZONE NOT NULL, by TEXT NOT NULL, action TEXT NOT NULL,
      client_id UUID, detail JSONB NOT NULL)
    """,
    "CREATE INDEX audit_client ON audit (client_id)",
)
DOWN: tuple[str, ...] = (
    "DROP TABLE audit",
    "DROP TABLE moves",
    "DROP TABLE merges",
    "ALTER TABLE parked DROP COLUMN domains",
    "ALTER TABLE refs DROP COLUMN explicit, DROP COLUMN through",
    "DROP INDEX clients_merged",
    "ALTER TABLE clients DROP COLUMN merged_into, DROP COLUMN unlinked_in, DROP COLUMN forgotten",
)
