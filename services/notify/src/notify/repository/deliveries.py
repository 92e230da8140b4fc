"""Deliveries: what was planned, and what became of each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

QUEUED, DELIVERED, FAILED, SUPPRESSED = "queued", "delivered", "failed", "suppressed"
STATES = (QUEUED, DELIVERED, FAILED, SUPPRESSED)


@dataclass(frozen=True, slots=True)
class Row:
    """One delivery to be stored."""

    happened_at: datetime
    delivery_id: UUID
    event_id: UUID
    client_id: UUID | None
    case_id: UUID | None
    subject: str
    kind: str
    rule: str
    channel: str
    recipient: str
    bounded: bool
    reason: str | None
    message: str
    traceparent: str | None
    correlation: str | None
    signal_wall: datetime


_ADD = text("""
WITH new AS (
  INSERT INTO deliveries (happened_at, delivery_id, event_id, client_id, case_id, subject, kind, rule, rules_version,
                          channel, recipient, bounded, state, reason, message, traceparent, correlation, planned_at,
                          signal_wall, done_at)
  SELECT u.happened_at, u.delivery_id, u.event_id, u.client_id, u.case_id, u.subject, u.kind, u.rule, :rules_version,
         u.channel, u.recipient, u.bounded, CASE WHEN u.reason IS NULL THEN 'queued' ELSE 'suppressed' END, u.reason,
         u.message::jsonb, u.traceparent, u.correlation, :now, u.signal_wall,
         CASE WHEN u.reason IS NULL THEN NULL ELSE CAST(:wall AS timestamptz) END
  FROM unnest(CAST(:happened_at AS timestamptz[]), CAST(:delivery_id AS uuid[]), CAST(:event_id AS uuid[]),
              CAST(:client_id AS uuid[]), CAST(:case_id AS uuid[]), CAST(:subject AS text[]), CAST(:kind AS text[]),
              CAST(:rule AS text[]), CAST(:channel AS text[]), CAST(:recipient AS text[]),
              CAST(:bounded AS boolean[]), CAST(:reason AS text[]), CAST(:message AS text[]),
              CAST(:traceparent AS text[]), CAST(:correlation AS text[]), CAST(:signal_wall AS timestamptz[]))
       WITH ORDINALITY
       AS u(happened_at, delivery_id, event_id, client_id, case_id, subject, kind, rule, channel, recipient, bounded,
            reason, message, traceparent, correlation, signal_wall, nth)
  ORDER BY u.nth
  ON CONFLICT DO NOTHING
  RETURNING delivery_id, happened_at, channel, recipient, client_id, state
), queued AS (
  INSERT INTO delivery_queue (delivery_id, happened_at, channel, recipient, client_id, queued_at, due_at)
  SELECT delivery_id, happened_at, channel, recipient, client_id, :wall, :wall FROM new WHERE state = 'queued'
)
SELECT delivery_id, pg_notify(current_schema() || '_' || channel, '') FROM new
""")


async def add(
    session: AsyncSession, rows: Sequence[Row], *, rules_version: int, now: datetime, wall: datetime
) -> set[UUID]:
    """Store what is new and queue what is not held back; returns the ids that were new."""
    if not rows:
        return set()
    columns = {name: [getattr(row, name) for row in rows] for name in Row.__slots__}
    result = await session.execute(_ADD, {**columns, "rules_version": rules_version, "now": now, "wall": wall})
    return {row.delivery_id for row in result}


_SHOWN = (
    "seq, delivery_id, event_id, client_id, case_id, kind, rule, rules_version, channel, recipient, state, reason,"
    " message, happened_at, planned_at, attempts, last_error, next_try_at, done_at, place"
)
FILTERS: Mapping[str, str] = {
    "client_id": "client_id = :client_id",
    "case_id": "case_id = :case_id",
    "state": "state = :state",
    "channel": "channel = :channel",
    "recipient": "recipient = :recipient",
    "rule": "rule = :rule",
    "since": "happened_at >= :since",
    "until": "happened_at < :until",
    "before": "seq < :before",
}


async def page(session: AsyncSession, filters: Mapping[str, Any], limit: int) -> list[dict[str, Any]]:
    """Deliveries, newest first; filters that are None do not count."""
    given = {name: value for name, value in filters.items() if value is not None}
    where = " AND ".join(FILTERS[name] for name in given) or "true"
    result = await session.execute(
        text(f"SELECT {_SHOWN} FROM deliveries WHERE {where} ORDER BY seq DESC LIMIT :limit"),  # noqa: S608  (our own names)
        {**given, "limit": limit},
    )
    return [dict(row) for row in result.mappings()]


async def get(session: AsyncSession, delivery_id: UUID) -> dict[str, Any] | None:
    result = await session.execute(
        text(f"SELECT {_SHOWN}, subject, correlation, traceparent FROM deliveries WHERE delivery_id = :id"),  # noqa: S608  (our own names)
        {"id": delivery_id},
    )
    row = result.mappings().one_or_none()
    return dict(row) if row else None


async def counts(session: AsyncSession, since: datetime) -> dict[tuple[str, str], int]:
    """Bounded messages by (channel, recipient) that happened since then and were not held back."""
    result = await session.execute(
        text(
            "SELECT channel, recipient, count(*) AS messages FROM deliveries"
            " WHERE happened_at > :since AND bounded AND state <> 'suppressed' GROUP BY channel, recipient"
        ),
        {"since": since},
    )
    return {(row.channel, row.recipient): row.messages for row in result}


async def erase(session: AsyncSession, client_ids: Sequence[UUID]) -> None:
    """Everything that names these clients."""
    for table in ("delivery_queue", "deliveries", "told", "quiet_clients", "crm_status", "feedback"):
        await session.execute(text(f"DELETE FROM {table} WHERE client_id = ANY(:ids)"), {"ids": sorted(client_ids)})  # noqa: S608  (our own names)
    await session.execute(
        text("DELETE FROM timers WHERE payload->>'client_id' = ANY(:ids)"), {"ids": [str(c) for c in client_ids]}
    )


async def reached_otherwise(
    session: AsyncSession, *, happened_at: datetime, event_id: UUID, recipient: str, except_id: UUID
) -> bool:
    """Whether the same news reached, or may still reach, the same person on another channel.

    Bookings about one person and event go one after the other, so that two failures see each other.
    """
    await session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"{event_id} {recipient}"}
    )
    found = await session.scalar(
        text(
            "SELECT 1 FROM deliveries WHERE happened_at = :happened_at AND event_id = :event_id"
            " AND recipient = :recipient AND delivery_id <> :except_id AND state IN ('queued', 'delivered') LIMIT 1"
        ),
        {"happened_at": happened_at, "event_id": event_id, "recipient": recipient, "except_id": except_id},
    )
    return found is not None


async def remember_action(
    session: AsyncSession,
    *,
    feedback_id: UUID,
    delivery_id: UUID,
    client_id: UUID | None,
    action: str,
    by: str,
    note: str | None,
    at: datetime,
) -> bool:
    """What a person said about a message; False when this was known already."""
    result = await session.execute(
        text(
            "INSERT INTO feedback (feedback_id, delivery_id, client_id, action, by, note, at)"
            " VALUES (:feedback_id, :delivery_id, :client_id, :action, :by, :note, :at)"
            " ON CONFLICT DO NOTHING RETURNING 1"
        ),
        {
            "feedback_id": feedback_id,
            "delivery_id": delivery_id,
            "client_id": client_id,
            "action": action,
            "by": by,
            "note": note,
            "at": at,
        },
    )
    return result.first() is not None


async def actions(session: AsyncSession, delivery_id: UUID) -> list[dict[str, Any]]:
    result = await session.execute(
        text("SELECT action, by, note, at FROM feedback WHERE delivery_id = :id ORDER BY at"), {"id": delivery_id}
    )
    return [dict(row) for row in result.mappings()]


# Partitions: a month each


def month_of(at: date) -> date:
    return at.replace(day=1)


def following(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def partition(month: date) -> str:
    return f"deliveries_m{month:%Y_%m}"


async def keep_partitions(session: AsyncSession, today: date, oldest: date) -> None:
    """Have the months from this one on; drop those that end before `oldest` and have nothing left to send."""
    names = await session.scalars(
        text(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = 'deliveries'::regclass"
        )
    )
    have = {str(name) for name in names}
    month = month_of(today)
    for _ in range(3):
        after = following(month)
        if partition(month) not in have and not await _strays(session, month, after):
            await session.execute(
                text(
                    f"CREATE TABLE {partition(month)} PARTITION OF deliveries"
                    f" FOR VALUES FROM ('{month}') TO ('{after}')"
                )
            )
        month = after
    for name in sorted(have - {"deliveries_default"}):
        end = following(date.fromisoformat(name.removeprefix("deliveries_m").replace("_", "-") + "-01"))
        waiting = await session.scalar(text(f"SELECT 1 FROM {name} WHERE state = 'queued' LIMIT 1"))  # noqa: S608  (our own names)
        if end <= oldest and not waiting:
            await session.execute(text(f"DROP TABLE {name}"))
    await session.execute(
        text("DELETE FROM deliveries_default WHERE happened_at < :oldest AND state <> 'queued'"), {"oldest": oldest}
    )


async def _strays(session: AsyncSession, start: date, end: date) -> bool:
    """Rows of the month that went to the default partition before there was one for it."""
    found = await session.scalar(
        text("SELECT 1 FROM deliveries_default WHERE happened_at >= :start AND happened_at < :end LIMIT 1"),
        {"start": start, "end": end},
    )
    return found is not None


def message_of(value: Any) -> dict[str, Any]:
    """JSONB as asyncpg gives it: decoded already, or text."""
    return dict(json.loads(value)) if isinstance(value, str) else dict(value)
