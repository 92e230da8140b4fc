"""Tables of the schema `health`, beside the shared ones of common.tables."""

from __future__ import annotations

from common.tables import plumbing
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ARRAY, JSON

Instant = DateTime(timezone=True)

metadata = MetaData()
plumbing(metadata)

definitions = Table(
    "definitions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False, comment="model or journey"),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("text", Text, nullable=False, comment="As written; never changed once stored"),
    Column("sha256", Text, nullable=False),
    Column("active", Boolean, nullable=False, comment="The published version of its name"),
    Column("created_at", Instant, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("published_at", Instant),
    Column("published_by", Text),
    Column("reason", Text, comment="Why it was published, in the words of who did"),
    Index("definitions_version", "kind", "name", "version", unique=True),
    Index("definitions_active", "kind", "name", unique=True, postgresql_where=sql("active")),
)

clients = Table(
    "clients",
    metadata,
    Column("client_id", Uuid, primary_key=True),
    Column("name", Text),
    Column("tier", Text),
    Column("segment", Text),
    Column("csm_email", Text),
    Column("test", Boolean, nullable=False),
    Column("ended", Boolean, nullable=False, comment="Its notice took effect: no timers, no alerts"),
    Column("mrr", BigInteger, nullable=False, comment="Minor units, in mrr_currency"),
    Column("mrr_currency", Text),
    Column("phase", Text),
    Column("journey", Text, comment="on_track, behind or stuck"),
    Column("sources", ARRAY(Text), nullable=False, comment="Sources whose silence concerns it"),
    Column("model", Text),
    Column("model_version", Integer),
    Column("score", Integer, comment="Sixteenths of a point"),
    Column("band", Text),
    Column("known_band", Text, comment="The last band but unknown"),
    Column("confidence", SmallInteger, nullable=False, comment="Per mille"),
    Column("as_of", Instant, comment="Null: imported, not evaluated yet"),
    Column("baseline_due", Boolean, nullable=False, comment="An import is under way: nothing of it acts"),
    Column("late_told_until", Instant, nullable=False, comment="Milestones late up to then are told, or too old"),
    Column("restate_from", Instant, comment="Facts came late: day ends since then are to be worked out again"),
    Column("next_look", Instant),
    Column("generation", BigInteger, nullable=False, comment="Of its timers; older ones are no-ops"),
    Index("clients_score", "score", "client_id"),
    Index("clients_mrr", "mrr", "client_id"),
    Index("clients_sources", "sources", postgresql_using="gin"),
    postgresql_with={"fillfactor": "60"},
)

evaluations = Table(
    "evaluations",
    metadata,
    Column("client_id", Uuid, primary_key=True),
    Column("as_of", Instant, primary_key=True),
    Column("mode", Text, primary_key=True),
    Column("model", Text, nullable=False),
    Column("model_version", Integer, nullable=False),
    Column("score", Integer, comment="Sixteenths of a point"),
    Column("band", Text, nullable=False),
    Column("confidence", SmallInteger, nullable=False, comment="Per mille"),
    Column("band_before", Text, comment="Set where this evaluation changed the band"),
    Column("cause", Text),
    Column("caused_by", ARRAY(Uuid), nullable=False),
    Column("parts", JSON, nullable=False, comment="By the model's signals: [fact, score, fresh, marks] or null"),
    Column("journey", Text),
    postgresql_partition_by="RANGE (as_of)",
)

feeds = Table(
    "feeds",
    metadata,
    Column("source", Text, primary_key=True),
    Column("last_received_at", Instant, nullable=False),
    Column("every_seconds", BigInteger, nullable=False),
    Column("silent", Boolean, nullable=False),
    Column("generation", BigInteger, nullable=False, comment="Of the sweeps over its clients"),
)
