"""The tables of the schema `notify`, beside those that the plumbing keeps."""

from __future__ import annotations

from common.tables import Instant, plumbing
from sqlalchemy import BigInteger, Boolean, Column, Identity, Index, Integer, MetaData, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData()
plumbing(metadata)

Table(
    "deliveries",
    metadata,
    # The event's own time, so that (happened_at, delivery_id) is as unique as the id itself.
    Column("happened_at", Instant, primary_key=True),
    Column("delivery_id", Uuid, primary_key=True),
    Column("seq", BigInteger, Identity(), nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("client_id", Uuid),
    Column("case_id", Uuid),
    Column("subject", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("rules_version", Integer, nullable=False),
    Column("channel", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("bounded", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("message", JSONB, nullable=False),
    Column("traceparent", Text),
    Column("correlation", Text),
    Column("planned_at", Instant, nullable=False),
    Column("signal_wall", Instant, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("last_error", Text),
    Column("next_try_at", Instant),
    Column("done_at", Instant),
    Column("place", JSONB),
    Index("deliveries_id", "delivery_id"),
    Index("deliveries_seq", "seq"),
    Index("deliveries_client", "client_id", "seq"),
    Index("deliveries_recipient", "channel", "recipient", "happened_at"),
    postgresql_partition_by="RANGE (happened_at)",
)

Table(
    "delivery_queue",
    metadata,
    Column("delivery_id", Uuid, primary_key=True),
    Column("happened_at", Instant, nullable=False),
    Column("channel", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("client_id", Uuid),
    Column("queued_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("lease_until", Instant),
    Column("claim", Uuid),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("first_attempt_at", Instant),
    # An attempt was begun whose outcome is not known: look at the target before the next one.
    Column("uncertain", Boolean, nullable=False, server_default=text("false")),
    Column("look_first", Boolean, nullable=False, server_default=text("false")),
    Index("delivery_queue_due", "channel", "due_at"),
    Index("delivery_queue_client", "client_id"),
    postgresql_with={"fillfactor": "70"},
)

Table(
    "told",
    metadata,
    Column("client_id", Uuid, primary_key=True),
    Column("rule_group", Text, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("last_at", Instant, nullable=False),
)

Table(
    "preferences",
    metadata,
    Column("person", Text, primary_key=True),
    Column("channels", ARRAY(Text)),
    Column("muted", ARRAY(Text), nullable=False),
    Column("quiet_until", Instant),
    Column("timezone", Text),
    Column("version", Integer, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("updated_by", Text, nullable=False),
)

Table(
    "quiet_clients",
    metadata,
    Column("client_id", Uuid, primary_key=True),
    Column("quiet_until", Instant),
    Column("reason", Text),
    Column("updated_at", Instant, nullable=False),
    Column("updated_by", Text, nullable=False),
)

Table(
    "rules_versions",
    metadata,
    Column("version", Integer, Identity(), primary_key=True),
    Column("sha256", Text, nullable=False, unique=True),
    Column("body", JSONB, nullable=False),
    Column("loaded_at", Instant, nullable=False),
)

Table(
    "crm_status",
    metadata,
    Column("client_id", Uuid, primary_key=True),
    Column("company_id", Text),
    Column("wanted", JSONB, nullable=False),
    Column("written", JSONB),
    Column("written_at", Instant),
    Column("due_at", Instant),
    Column("lease_until", Instant),
    Column("claim", Uuid),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("failing_since", Instant),
    Column("last_error", Text),
    Column("writes", Integer, nullable=False, server_default=text("0")),
    Index("crm_status_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    postgresql_with={"fillfactor": "70"},
)

Table(
    "feedback",
    metadata,
    Column("feedback_id", Uuid, primary_key=True),
    Column("delivery_id", Uuid, nullable=False),
    Column("client_id", Uuid),
    Column("action", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("note", Text),
    Column("at", Instant, nullable=False),
    Index("feedback_delivery", "delivery_id"),
    Index("feedback_client", "client_id"),
)
