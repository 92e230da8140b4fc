"""The tables that the plumbing keeps in every service's schema. SQL in `common` names them without a schema:
each connection's search_path is its service's own.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

Instant = DateTime(timezone=True)


def plumbing(metadata: MetaData) -> None:
    """Add the shared tables to a service's metadata (Alembic compares migrations with it)."""
    _bus(metadata)
    _facts(metadata)
    _clients(metadata)
    _timers(metadata)


def _bus(metadata: MetaData) -> None:
    Table(
        "consumer_offsets",
        metadata,
        Column("topic", Text, primary_key=True),
        Column("partition", Integer, primary_key=True),
        Column("next_offset", BigInteger, nullable=False),
    )
    Table(
        "outbox",
        metadata,
        Column("day", Date, primary_key=True),
        Column("seq", BigInteger, Identity(), primary_key=True),
        Column("event_id", Uuid, nullable=False),
        Column("lane", SmallInteger, nullable=False),
        Column("topic", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("headers", JSONB, nullable=False),
        Column("body", LargeBinary, nullable=False),
        Column("written_at", Instant, nullable=False),
        postgresql_partition_by="RANGE (day)",
    )
    Table(
        "outbox_unsent",
        metadata,
        Column("seq", BigInteger, primary_key=True, autoincrement=False),
        Column("day", Date, nullable=False),
        Column("lane", SmallInteger, nullable=False),
        Column("written_at", Instant, nullable=False),
        Index("outbox_unsent_lane", "lane", "seq"),
    )
    Table(
        "outbox_parked",
        metadata,
        Column("seq", BigInteger, primary_key=True, autoincrement=False),
        Column("day", Date, nullable=False),
        Column("reason", Text, nullable=False),
        Column("parked_at", Instant, nullable=False),
    )


def _facts(metadata: MetaData) -> None:
    Table(
        "facts",
        metadata,
        Column("client_id", Uuid, primary_key=True),
        Column("event_id", Uuid, primary_key=True),
        Column("type", Text, nullable=False),
        Column("time", Instant, nullable=False),
        Column("knowntime", Instant, nullable=False),
        Column("sequence", Integer, nullable=False),
        Column("origin", Text, nullable=False),
        Column("source", Text, nullable=False),
        Column("replaces", Uuid),
        Column("data", JSONB),
        postgresql_partition_by="HASH (client_id)",
    )
    Table(
        "states",
        metadata,
        Column("client_id", Uuid, primary_key=True),
        Column("fold_version", Integer, nullable=False),
        Column("last_time", Instant),
        Column("last_knowntime", Instant),
        Column("last_sequence", Integer),
        Column("last_id", Uuid),
        Column("body", LargeBinary, nullable=False),
        postgresql_with={"fillfactor": "50"},
    )


def _clients(metadata: MetaData) -> None:
    Table(
        "client_links",
        metadata,
        Column("from_client_id", Uuid, primary_key=True),
        Column("into_client_id", Uuid),
        Column("time", Instant, nullable=False),
        Column("knowntime", Instant, nullable=False),
        Column("sequence", Integer, nullable=False),
        Column("event_id", Uuid, nullable=False),
        Index("client_links_into", "into_client_id"),
    )
    Table(
        "erased_clients",
        metadata,
        Column("client_id", Uuid, primary_key=True),
        Column("erased_at", Instant, nullable=False),
    )


def _timers(metadata: MetaData) -> None:
    Table(
        "timers",
        metadata,
        Column("kind", Text, primary_key=True),
        Column("owner", Text, primary_key=True),
        Column("generation", BigInteger, primary_key=True),
        Column("due_at", Instant, nullable=False),
        Column("payload", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
        Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
        Column("retry_at", Instant),
        Column("parked_at", Instant),
        Column("last_error", Text),
        Index("timers_due", "due_at", postgresql_where=text("parked_at IS NULL")),
    )
    Table(
        "idempotency_keys",
        metadata,
        Column("subject", Text, primary_key=True),
        Column("key", Text, primary_key=True),
        Column("request_sha256", Text, nullable=False),
        Column("status", SmallInteger),
        Column("body", LargeBinary),
        Column("created_at", Instant, nullable=False),
        Index("idempotency_keys_age", "created_at"),
    )
