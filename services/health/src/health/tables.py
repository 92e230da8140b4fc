"""Tables of the schema `health`, beside the shared ones of common.tables."""

from __future__ import annotations

from common.tables import plumbing
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    Identity,
    Index,
    Integer,
    LargeBinary,
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
    Column("phase_since", Instant),
    Column("phase_overruled", Text, comment="What the rules said when a person said otherwise"),
    Column("journey", Text, comment="on_track, behind or stuck"),
    Column("reached", ARRAY(Text), nullable=False, server_default=sql("'{}'::text[]"), comment="Milestones"),
    Column("started_on", Date, comment="The contract's start"),
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
    Column("hold_id", Uuid, comment="A move for the worse of it is held back, or was discarded"),
    Column("signs_version", Integer, comment="The definition under which its signs were last looked for"),
    Column("risk", JSON, comment="As churn said last: [per mille or null, per mille of threshold, second, simulated]"),
    Column("weeks", JSON, comment="Scores at the ends of weeks: [day, sixteenths, model, version]"),
    Index("clients_score", "score", "client_id"),
    Index("clients_mrr", "mrr", "client_id"),
    Index("clients_sources", "sources", postgresql_using="gin"),
    Index("clients_started_on", "started_on"),
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
    Column("held", Uuid, comment="The hold that kept this from being said"),
    Column("variant", Text, comment="Segment/tier with weights or priors of its own; null: those for all"),
    postgresql_partition_by="RANGE (as_of)",
)

signs = Table(
    "signs",
    metadata,
    Column("client_id", Uuid, primary_key=True),
    Column("sign", Text, primary_key=True),
    Column("about", Text, primary_key=True, comment="The meeting, or which side is brighter; empty: only one"),
    Column("noticed_at", Instant, primary_key=True, comment="When we saw it; started_at: since when it holds"),
    Column("kind", Text, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("text", Text, nullable=False, comment="While it is open, as it reads now"),
    Column("ended_text", Text),
    Column("told", Boolean, nullable=False, comment="Whether it was published: what an import brought was not"),
    Column("definition", Text, nullable=False),
    Column("definition_version", Integer, nullable=False),
    Column("caused_by", ARRAY(Uuid), nullable=False),
    Index("signs_open", "client_id", "sign", "about", unique=True, postgresql_where=sql("ended_at IS NULL")),
    Index("signs_noticed", "noticed_at", "client_id", "sign", "about"),
    postgresql_with={"fillfactor": "70"},
)

phases = Table(
    "phases",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("client_id", Uuid, nullable=False),
    Column("phase", Text, nullable=False),
    Column("phase_before", Text),
    Column("entered_at", Instant, nullable=False, comment="When what moved the client happened"),
    Column("noted_at", Instant, nullable=False, comment="When we said so"),
    Column("reason", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("by", Text, comment="The person who said so"),
    Column("journey", Text, nullable=False, comment="Journey map, name:version"),
    Index("phases_client", "client_id", "id"),
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

publications = Table(
    "publications",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("definition_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("before_id", Uuid, comment="The definition that was in force until then"),
    Column("action", Text, nullable=False, comment="publish or take_back"),
    Column("at", Instant, nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("difference", JSON, comment="What it would change, as shown before"),
    Index("publications_name", "kind", "name", "at"),
)

holds = Table(
    "holds",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("mover", Text, nullable=False, comment="feed:<source> or definition:<id>"),
    Column("state", Text, nullable=False, comment="weighing, open, released, discarded or superseded"),
    Column("opened_at", Instant, nullable=False),
    Column("told_at", Instant, comment="When whoever is on call was told; once"),
    Column("moved", Integer, nullable=False, comment="Clients it moved to a worse band, when that was told or decided"),
    Column("clients", Integer, nullable=False, comment="Of how many"),
    Column("percent", Float, nullable=False, comment="The limit then"),
    Column("decided_at", Instant),
    Column("decided_by", Text),
    Column("reason", Text),
    Index("holds_undecided", "mover", unique=True, postgresql_where=sql("state IN ('weighing', 'open')")),
    Index("holds_mover", "mover", "decided_at"),
)

held = Table(
    "held",
    metadata,
    Column("client_id", Uuid, primary_key=True),
    Column("hold_id", Uuid, nullable=False),
    Column("since", Instant, nullable=False),
    Column("band", Text, nullable=False, comment="As worked out; what was last said stays in `clients`"),
    Column("cause", Text, nullable=False),
    Column("caused_by", ARRAY(Uuid), nullable=False),
    Column("moves", JSON, nullable=False, comment="What moved the score: [kind, signal, delta, text, marks]"),
    Column("components", JSON, nullable=False, comment="As last said"),
    Index("held_hold", "hold_id", "client_id"),
)

worsened = Table(
    "worsened",
    metadata,
    Column("mover", Text, primary_key=True),
    Column("client_id", Uuid, primary_key=True),
    Column("at", Instant, nullable=False, comment="When it last moved this client to a worse band, told or held"),
    Index("worsened_at", "at"),
)

backtests = Table(
    "backtests",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("state", Text, nullable=False, comment="waiting, running, done, failed or canceled"),
    Column("text", Text, nullable=False, comment="The candidate, as written"),
    Column("model", Text, nullable=False),
    Column("book", ARRAY(Uuid), nullable=False, comment="The definitions in force when it was asked for"),
    Column("since", Instant, nullable=False),
    Column("until", Instant, nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("clients", Integer, nullable=False),
    Column("clients_done", Integer, nullable=False),
    Column("after", Uuid, nullable=False, comment="The last client done"),
    Column("attempts", Integer, nullable=False, comment="Failures in a row"),
    Column("finished_at", Instant),
    Column("error", Text),
    Column("report", JSON),
    Index("backtests_under_way", "id", postgresql_where=sql("state IN ('waiting', 'running')")),
)

backtest_parts = Table(
    "backtest_parts",
    metadata,
    Column("backtest_id", Uuid, primary_key=True),
    Column("nth", Integer, primary_key=True),
    Column("body", LargeBinary, nullable=False, comment="Bands of some clients, week by week"),
)

Index(
    "facts_of_blockers",
    metadata.tables["facts"].c.type,
    metadata.tables["facts"].c.time,
    postgresql_where=sql(
        "type IN ('csl.client.blocker_logged.v1', 'csl.client.blocker_resolved.v1', 'csl.client.event_withdrawn.v1')"
    ),
)
