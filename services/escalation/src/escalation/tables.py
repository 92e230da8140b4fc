"""Tables of the schema `escalation`, beside the shared ones of common.tables."""

from __future__ import annotations

from common.tables import plumbing
from sqlalchemy import Column, DateTime, ForeignKey, ForeignKeyConstraint, Index, Integer, MetaData, Table, Text, Uuid
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB

Instant = DateTime(timezone=True)

metadata = MetaData()
plumbing(metadata)

sop_versions = Table(
    "sop_versions",
    metadata,
    Column("sop", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("body", JSONB, nullable=False, comment="The procedure as written; never changed once stored"),
    Column("sha256", Text, nullable=False),
    Column("loaded_at", Instant, nullable=False),
    Column("loaded_by", Text, nullable=False),
)

sops = Table(
    "sops",
    metadata,
    Column("sop", Text, primary_key=True),
    Column("active_version", Integer, comment="For new cases; null: the procedure is retired"),
    Column("file_sha256", Text, comment="Content of the shipped file when it was last taken over"),
)

cases = Table(
    "cases",
    metadata,
    Column("case_id", Uuid, primary_key=True),
    Column("client_id", Uuid, nullable=False),
    Column("flagged_client_id", Uuid, nullable=False),
    Column("state", Text, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("sop", Text, nullable=False),
    Column("sop_version", Integer, nullable=False),
    Column("flag", JSONB, nullable=False),
    Column("standing", JSONB, nullable=False, comment="Flags that stand over the client: id to episode"),
    Column("steps", JSONB, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("paused_at", Instant),
    Column("paused_until", Instant),
    Column("csm", Text),
    Column("csm_named_by", Text),
    Column("executive_sponsor", Text),
    Column("executive_sponsor_named_by", Text),
    Column("closed_at", Instant),
    Column("outcome", Text),
    Column("absorbed_by", Uuid),
    Column("happenings", Integer, nullable=False),
    Column("next_due_at", Instant, comment="Of the steps that wait; null when none does"),
    Column("breached_steps", Integer, nullable=False, comment="Missed and not done yet"),
    ForeignKeyConstraint(["sop", "sop_version"], ["sop_versions.sop", "sop_versions.version"]),
    Index("cases_one_open_a_client", "client_id", unique=True, postgresql_where=sql("state <> 'closed'")),
    Index("cases_client", "client_id", "opened_at"),
    Index("cases_flagged_client", "flagged_client_id"),
    Index("cases_newest", "opened_at", "case_id"),
    postgresql_with={"fillfactor": "70"},
)

case_trail = Table(
    "case_trail",
    metadata,
    Column("case_id", Uuid, ForeignKey("cases.case_id", ondelete="CASCADE"), primary_key=True),
    Column("nth", Integer, primary_key=True, autoincrement=False),
    Column("what", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("known_at", Instant, nullable=False, comment="Business time at which it was decided"),
    Column("by", Text, nullable=False),
    Column("step", Text),
    Column("details", JSONB, nullable=False),
    Column("caused_by", Uuid, comment="The event that caused it, if one did"),
)
