"""The tables of the schema `ingest`, beside those of the plumbing."""

from __future__ import annotations

from common.tables import plumbing
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData()
plumbing(metadata)

Instant = DateTime(timezone=True)
_EMPTY = text("'{}'::jsonb")

clients = Table(
    "clients",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("created_at", Instant, nullable=False),
    Column("name", Text),
    Column("domain", Text),
    Column("profile", JSONB, nullable=False),
    Column("said_at", JSONB, nullable=False),
    Column("live_since", JSONB, nullable=False),
    Column("merged_into", Uuid),
    Column("unlinked_at", Instant),
    Column("forgotten", JSONB),
    Index("clients_domain", "domain"),
    Index("clients_name", "name"),
    Index("clients_merged", "merged_into", postgresql_where=text("merged_into IS NOT NULL")),
    postgresql_with={"fillfactor": "70"},
)
refs = Table(
    "refs",
    metadata,
    Column("source", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("client_id", Uuid, nullable=False),
    Column("alias", Text),
    Column("linked_at", Instant, nullable=False),
    Column("linked_by", Text, nullable=False),
    Column("explicit", Boolean, nullable=False, server_default=text("false")),
    Column("through", Text),
    Index("refs_client", "client_id"),
)
contacts = Table(
    "contacts",
    metadata,
    Column("client_id", Uuid, primary_key=True),
    Column("contact_id", Text, primary_key=True),
    Column("person", JSONB, nullable=False),
)
dedup_keys = Table(
    "dedup_keys",
    metadata,
    Column("source", Text, primary_key=True),
    Column("key", LargeBinary, primary_key=True),
    Column("seen_at", Instant, nullable=False),
    Index("dedup_keys_age", "seen_at", postgresql_using="brin"),
    postgresql_partition_by="HASH (key)",
)
raw_bodies = Table(
    "raw_bodies",
    metadata,
    Column("day", Date, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("source", Text, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("client_ids", ARRAY(Uuid), nullable=False),
    postgresql_partition_by="RANGE (day)",
)
texts = Table(
    "texts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("client_id", Uuid, nullable=False),
    Column("contact_id", Text),
    Column("said_at", Instant, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("texts_client", "client_id"),
)
unmatched = Table(
    "unmatched",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("source", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("ref", Text, nullable=False),
    Column("hints", JSONB, nullable=False, server_default=_EMPTY),
    Column("first_seen_at", Instant, nullable=False),
    Column("last_seen_at", Instant, nullable=False),
    Index("unmatched_age", "first_seen_at", "id"),
)
parked = Table(
    "parked",
    metadata,
    Column("event_id", Uuid, primary_key=True),
    Column("unmatched_id", Uuid, nullable=False),
    Column("refs", ARRAY(Text), nullable=False),
    Column("source", Text, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("origin", Text, nullable=False),
    Column("raw_day", Date),
    Column("raw_id", Uuid),
    Column("statement", JSONB, nullable=False),
    Column("domains", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")),
    Index("parked_unmatched", "unmatched_id"),
    Index("parked_refs", "refs", postgresql_using="gin"),
    Index("parked_domains", "domains", postgresql_using="gin"),
)
quarantine = Table(
    "quarantine",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("source", Text, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("reason", Text, nullable=False),
    Column("form", Text, nullable=False),
    Column("key", Text),
    Column("kind", Text),
    Column("headers", JSONB, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("resolved_at", Instant),
    Column("outcome", Text),
    Index("quarantine_open", "id", postgresql_where=text("resolved_at IS NULL")),
)
feeds = Table(
    "feeds",
    metadata,
    Column("source", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("last_received_at", Instant),
    Column("seen_said_at", Instant),
    Column("generation", BigInteger, nullable=False, server_default=text("0")),
    Column("counts", JSONB, nullable=False, server_default=_EMPTY),
    Column("last_refused_at", Instant),
    Column("last_refusal", Text),
    Column("last_event_at", Instant),
    Column("lag_seconds", Double),
    Column("last_failed_at", Instant),
    Column("last_failure", Text),
    Column("unknown_types", JSONB, nullable=False, server_default=_EMPTY),
)
source_secrets = Table(
    "source_secrets",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("source", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("sealed", LargeBinary),
    Column("added_at", Instant, nullable=False),
    Column("added_by", Text, nullable=False),
    Column("retired_at", Instant),
    Column("retired_by", Text),
    Index("source_secrets_source", "source"),
)
enrichments = Table(
    "enrichments",
    metadata,
    Column("source", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("asked", BigInteger, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("fetched_at", Instant),
    Column("failed_at", Instant),
    Column("failure", Text),
    Column("learnt", LargeBinary),
    Index("enrichments_due", "due_at", postgresql_where=text("state = 'waiting'")),
)
imports = Table(
    "imports",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("started_at", Instant, nullable=False),
    Column("started_by", Text, nullable=False),
    Column("finished_at", Instant),
    Column("lines", BigInteger, nullable=False, server_default=text("0")),
    Column("counts", JSONB, nullable=False, server_default=_EMPTY),
)
import_refusals = Table(
    "import_refusals",
    metadata,
    Column("import_id", Uuid, primary_key=True),
    Column("line", BigInteger, primary_key=True, autoincrement=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text, nullable=False),
)
import_spans = Table(
    "import_spans",
    metadata,
    Column("client_id", Uuid, primary_key=True),
    Column("starts_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
)
imported_ids = Table(
    "imported_ids",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("client_id", Uuid, nullable=False),
    postgresql_partition_by="HASH (id)",
)
said = Table(
    "said",
    metadata,
    Column("client_id", Uuid, primary_key=True),
    Column("root_id", Uuid, primary_key=True),
    Column("event_id", Uuid, nullable=False),
    Column("type", Text, nullable=False),
    Column("time", Instant, nullable=False),
    Column("knowntime", Instant, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("origin", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("via", Text),
    Column("raw_day", Date),
    Column("raw_id", Uuid),
    Column("data", Text, nullable=False),
    postgresql_partition_by="HASH (client_id)",
)
erased_refs = Table(
    "erased_refs",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("erased_at", Instant, nullable=False),
    Column("times", Integer, nullable=False),
)
merges = Table(
    "merges",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("from_client_id", Uuid, nullable=False),
    Column("into_client_id", Uuid, nullable=False),
    Column("merged_at", Instant, nullable=False),
    Column("undone_at", Instant),
    Column("refs", ARRAY(Text), nullable=False),
    Column("contacts", ARRAY(Text), nullable=False),
    Column("before", JSONB, nullable=False),
    Index("merges_from", "from_client_id"),
    Index("merges_into", "into_client_id"),
)
moves = Table(
    "moves",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("from_client_id", Uuid, nullable=False),
    Column("into_client_id", Uuid, nullable=False),
    Column("refs", ARRAY(Text), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("moved", BigInteger, nullable=False, server_default=text("0")),
    Column("imported_from", Instant),
    Column("imported_to", Instant),
    Column("finished_at", Instant),
    Index("moves_open", "from_client_id", postgresql_where=text("finished_at IS NULL")),
)
audit = Table(
    "audit",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("by", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("client_id", Uuid),
    Column("detail", JSONB, nullable=False),
    Index("audit_client", "client_id"),
)
OWN = (
    clients, refs, contacts, dedup_keys, raw_bodies, texts, unmatched, parked, quarantine, feeds, source_secrets,
    enrichments, imports,
    import_refusals, import_spans, imported_ids, said, erased_refs,
    merges, moves, audit,
)  # fmt: skip
