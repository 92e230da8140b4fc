"""Tables of the schema `churn`, beside the shared ones of common.tables."""

from __future__ import annotations

from common.tables import plumbing
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB

Instant = DateTime(timezone=True)

metadata = MetaData()
plumbing(metadata)

risks = Table(
    "risks",
    metadata,
    Column("client_id", Uuid, primary_key=True),
    Column("due_on", Date, comment="Business day from which the client waits to be assessed; null: never again"),
    Column("live", Boolean, nullable=False, server_default=sql("false"), comment="Did something live since then"),
    Column("baseline", Boolean, nullable=False, server_default=sql("false"), comment="Next is the one after an import"),
    Column("importing_until", Instant, comment="Wall time until which an import is taken to run"),
    Column("held", Boolean, nullable=False, server_default=sql("false")),
    Column("flag", JSONB),
    Column("override", JSONB),
    Column("episode", Integer, nullable=False, server_default=sql("0")),
    Column("assessments", BigInteger, nullable=False, server_default=sql("0"), comment="How many there were"),
    Column("probability", Double),
    Column("last", JSONB, comment="The body of the last assessment"),
    Column("ended", JSONB, comment="How the client ended, if it did"),
    Column("assessed_at", Instant, comment="Business time of the last assessment"),
    Column("quiet", Boolean, nullable=False, server_default=sql("false"), comment="Nothing live since an import"),
    Column("cooling", JSONB, comment="The flag that was cleared lately, and until when the client is left alone"),
    Column("groups", JSONB, comment="All contributions of the last assessment by reason code, with `base`"),
    Column("csm", Text, comment="Who of ours looks after the client"),
    Column("first_at", BigInteger, comment="Second of the first thing known of the client"),
    Column("kinds", Text, comment="Kinds of data ever seen of the client, with commas between"),
    Column("mrr", BigInteger, comment="Monthly recurring revenue when last assessed, minor units of `currency`"),
    Column("currency", Text, comment="ISO 4217"),
    Index("risks_due", "due_on", "client_id", postgresql_where=sql("due_on IS NOT NULL")),
    postgresql_with={"fillfactor": "50"},
)

health_days = Table(
    "health_days",
    metadata,
    Column("client_id", Uuid, primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False, comment="UTC days since 1970-01-01"),
    Column("at", BigInteger, nullable=False, comment="Second of the day's last score"),
    Column("score", Integer, nullable=False, comment="Sixteenths of a point"),
    Column("band", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("parts", ARRAY(Integer), nullable=False, comment="Component scores in sixteenths, null where absent"),
    postgresql_with={"fillfactor": "70"},
)

assessments = Table(
    "assessments",
    metadata,
    Column("client_id", Uuid, primary_key=True),
    Column("as_of", Instant, primary_key=True),
    Column("event_id", Uuid, primary_key=True),
    Column("body", JSONB, nullable=False),
    Column("groups", JSONB, comment="All contributions by reason code (log-odds), with `base`"),
    postgresql_partition_by="RANGE (as_of)",
)

flags = Table(
    "flags",
    metadata,
    Column("flag_id", Uuid, primary_key=True),
    Column("episode", Integer, primary_key=True, autoincrement=False),
    Column("client_id", Uuid, nullable=False),
    Column("rule", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("probability", Double),
    Column("raised_at", Instant, nullable=False),
    Column("cleared_at", Instant),
    Column("cleared_because", Text),
    Column("points", Double),
    Column("csm", Text, comment="Who looked after the client when it was raised"),
    Column("due_at", Instant, comment="End of its horizon"),
    Column("case_at", Instant, comment="When a case was opened for it"),
    Column("outcome", Text, comment="`left`, `stayed`, `stayed_after_case`, `unknown`; null until the horizon is over"),
    Column("outcome_at", Instant, comment="When the outcome was found, or last corrected"),
    Column("left_at", Instant, comment="When the client left, if it did within the horizon"),
    Column("left_by", Text, comment="`notice`, `mrr_zero`, `lapse`"),
    Index("flags_client", "client_id", "raised_at"),
    Index("flags_raised", "raised_at", "flag_id", "episode"),
)

overrides = Table(
    "overrides",
    metadata,
    Column("override_id", Uuid, primary_key=True),
    Column("client_id", Uuid, nullable=False),
    Column("flag_id", Uuid, nullable=False),
    Column("episode", Integer, nullable=False),
    Column("by", Text, nullable=False),
    Column("reason_code", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("probability", Double, comment="The model's own number when it was made"),
    Column("made_at", Instant, nullable=False),
    Column("until", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("ended_because", Text),
    Column("ended_by", Text, comment="Who took it back, if a person did"),
    Column("points", Double),
    Index("overrides_client", "client_id", "made_at"),
)

models = Table(
    "models",
    metadata,
    Column("model_id", Uuid, primary_key=True),
    Column("version", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("features", JSONB, nullable=False),
    Column("calibration", JSONB, nullable=False),
    Column("libraries", JSONB, nullable=False),
    Column("trained_on", Text, nullable=False, comment="`simulated` or `own`"),
    Column("fingerprint", Text, nullable=False, comment="sha256 of the training table"),
    Column("horizon_days", Integer, nullable=False),
    Column("metrics", JSONB, nullable=False),
    Column("card", Text, nullable=False, comment="Markdown"),
)

promotions = Table(
    "promotions",
    metadata,
    Column("nth", BigInteger, Identity(), primary_key=True),
    Column("model_id", Uuid, ForeignKey("models.model_id"), comment="null: the scorecard"),
    Column("action", Text, nullable=False, comment="`promoted`, `rolled_back` or `fell_back`"),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Instant, nullable=False),
)

model_checks = Table(
    "model_checks",
    metadata,
    Column("model_id", Uuid, ForeignKey("models.model_id"), primary_key=True),
    Column("day", Date, primary_key=True, comment="Business day (UTC)"),
    Column("clients", Integer, nullable=False, comment="Whose columns were looked at"),
    Column("prediction_psi", Double, nullable=False),
    Column("feature_psi", JSONB, nullable=False, comment="By column"),
    Column("noise_psi", Double, nullable=False, comment="What so many clients show without drift"),
    Column("predictions", Integer, nullable=False, comment="Matured, one a client"),
    Column("expected", Double, nullable=False, comment="Leavers that they expected"),
    Column("came", Integer, nullable=False, comment="Leavers that came"),
    Column("low", Integer, nullable=False, comment="99 % band of leavers"),
    Column("high", Integer, nullable=False),
    Column("judged", Boolean, nullable=False, comment="Whether there were enough to say anything"),
    Column("broken", Boolean, nullable=False, comment="Whether the leavers lay outside the band"),
)
