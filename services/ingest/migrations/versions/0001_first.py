"""The first schema of ingest."""

from __future__ import annotations

from alembic import op
from common.migrations import create_plumbing_v1, drop_plumbing_v1

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

PARTITIONS = 8
TABLES = (
    (
        "CREATE TABLE clients ( id UUID NOT NULL, created_at TIMESTAMP WITH TIME ZONE NOT NULL, name "
        "TEXT, domain TEXT, profile JSONB NOT NULL, said_at JSONB NOT NULL, live_since JSONB NOT NULL, "
        "PRIMARY KEY (id) ) WITH (fillfactor = 70)"
    ),
    "CREATE INDEX clients_domain ON clients (domain)",
    "CREATE INDEX clients_name ON clients (name)",
    (
        "CREATE TABLE refs ( source TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, client_id UUID "
        "NOT NULL, alias TEXT, linked_at TIMESTAMP WITH TIME ZONE NOT NULL, linked_by TEXT NOT NULL, "
        "PRIMARY KEY (source, kind, id) )"
    ),
    "CREATE INDEX refs_client ON refs (client_id)",
    (
        "CREATE TABLE contacts ( client_id UUID NOT NULL, contact_id TEXT NOT NULL, person JSONB NOT "
        "NULL, PRIMARY KEY (client_id, contact_id) )"
    ),
    (
        "CREATE TABLE dedup_keys ( source TEXT NOT NULL, key BYTEA NOT NULL, seen_at TIMESTAMP WITH TIME"
        " ZONE NOT NULL, PRIMARY KEY (source, key) ) PARTITION BY HASH (key)"
    ),
    "CREATE INDEX dedup_keys_age ON dedup_keys USING brin (seen_at)",
    (
        "CREATE TABLE raw_bodies ( day DATE NOT NULL, id UUID NOT NULL, source TEXT NOT NULL, "
        "received_at TIMESTAMP WITH TIME ZONE NOT NULL, headers JSONB NOT NULL, body BYTEA NOT NULL, "
        "client_ids UUID[] NOT NULL, PRIMARY KEY (day, id) ) PARTITION BY RANGE (day)"
    ),
    (
        "CREATE TABLE texts ( id UUID NOT NULL, client_id UUID NOT NULL, contact_id TEXT, said_at "
        "TIMESTAMP WITH TIME ZONE NOT NULL, body BYTEA NOT NULL, PRIMARY KEY (id) )"
    ),
    "CREATE INDEX texts_client ON texts (client_id)",
    (
        "CREATE TABLE unmatched ( id UUID NOT NULL, source TEXT NOT NULL, kind TEXT NOT NULL, ref TEXT "
        "NOT NULL, hints JSONB DEFAULT '{}'::jsonb NOT NULL, first_seen_at TIMESTAMP WITH TIME ZONE NOT "
        "NULL, last_seen_at TIMESTAMP WITH TIME ZONE NOT NULL, PRIMARY KEY (id) )"
    ),
    "CREATE INDEX unmatched_age ON unmatched (first_seen_at, id)",
    (
        "CREATE TABLE parked ( event_id UUID NOT NULL, unmatched_id UUID NOT NULL, refs TEXT[] NOT NULL,"
        " source TEXT NOT NULL, sequence INTEGER NOT NULL, received_at TIMESTAMP WITH TIME ZONE NOT "
        "NULL, origin TEXT NOT NULL, raw_day DATE, raw_id UUID, statement JSONB NOT NULL, PRIMARY KEY "
        "(event_id) )"
    ),
    "CREATE INDEX parked_refs ON parked USING gin (refs)",
    "CREATE INDEX parked_unmatched ON parked (unmatched_id)",
    (
        "CREATE TABLE quarantine ( id UUID NOT NULL, source TEXT NOT NULL, received_at TIMESTAMP WITH "
        "TIME ZONE NOT NULL, reason TEXT NOT NULL, form TEXT NOT NULL, key TEXT, kind TEXT, headers "
        "JSONB NOT NULL, body BYTEA NOT NULL, resolved_at TIMESTAMP WITH TIME ZONE, outcome TEXT, "
        "PRIMARY KEY (id) )"
    ),
    "CREATE INDEX quarantine_open ON quarantine (id) WHERE resolved_at IS NULL",
    (
        "CREATE TABLE feeds ( source TEXT NOT NULL, state TEXT NOT NULL, last_received_at TIMESTAMP WITH"
        " TIME ZONE, seen_said_at TIMESTAMP WITH TIME ZONE, generation BIGINT DEFAULT 0 NOT NULL, counts"
        " JSONB DEFAULT '{}'::jsonb NOT NULL, last_refused_at TIMESTAMP WITH TIME ZONE, last_refusal "
        "TEXT, PRIMARY KEY (source) )"
    ),
    (
        "CREATE TABLE imports ( id UUID NOT NULL, started_at TIMESTAMP WITH TIME ZONE NOT NULL, "
        "started_by TEXT NOT NULL, finished_at TIMESTAMP WITH TIME ZONE, lines BIGINT DEFAULT 0 NOT "
        "NULL, counts JSONB DEFAULT '{}'::jsonb NOT NULL, PRIMARY KEY (id) )"
    ),
    (
        "CREATE TABLE import_refusals ( import_id UUID NOT NULL, line BIGINT NOT NULL, outcome TEXT NOT "
        "NULL, reason TEXT NOT NULL, PRIMARY KEY (import_id, line) )"
    ),
    (
        "CREATE TABLE import_spans ( client_id UUID NOT NULL, starts_at TIMESTAMP WITH TIME ZONE NOT "
        "NULL, ends_at TIMESTAMP WITH TIME ZONE NOT NULL, PRIMARY KEY (client_id) )"
    ),
    "CREATE TABLE imported_ids ( id UUID NOT NULL, client_id UUID NOT NULL, PRIMARY KEY (id) ) PARTITION BY HASH (id)",
    (
        "CREATE TABLE erased_refs ( digest BYTEA NOT NULL, erased_at TIMESTAMP WITH TIME ZONE NOT NULL, "
        "times INTEGER NOT NULL, PRIMARY KEY (digest) )"
    ),
)


def upgrade() -> None:
    create_plumbing_v1(op)
    for statement in TABLES:
        op.execute(statement)
    for table in ("dedup_keys", "imported_ids"):
        for part in range(PARTITIONS):
            op.execute(
                f"CREATE TABLE {table}_p{part} PARTITION OF {table} "
                f"FOR VALUES WITH (MODULUS {PARTITIONS}, REMAINDER {part})"
            )
    op.execute("CREATE TABLE raw_bodies_default PARTITION OF raw_bodies DEFAULT")


def downgrade() -> None:
    for statement in TABLES:
        if statement.startswith("CREATE TABLE"):
            op.execute(f"DROP TABLE {statement.split()[2]}")
    drop_plumbing_v1(op)
