"""The queue of deliveries: short claims with a lease, so that nothing is sent inside a transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from common.ids import new_id
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from notify.repository.deliveries import message_of

_CLAIM = text("""
WITH due AS (
  SELECT delivery_id FROM delivery_queue
  WHERE channel = :channel AND due_at <= :now AND (lease_until IS NULL OR lease_until <= :now)
  ORDER BY due_at, delivery_id LIMIT :limit FOR UPDATE SKIP LOCKED
), claimed AS (
  UPDATE delivery_queue q SET claim = :claim, lease_until = :until, attempts = attempts + 1,
    look_first = uncertain, uncertain = true, first_attempt_at = coalesce(first_attempt_at, :now)
  FROM due WHERE q.delivery_id = due.delivery_id
  RETURNING q.delivery_id, q.happened_at, q.queued_at, q.attempts, q.first_attempt_at, q.look_first
)
SELECT c.*, d.event_id, d.client_id, d.case_id, d.subject, d.kind, d.rule, d.channel, d.recipient, d.bounded,
       d.message, d.traceparent, d.correlation, d.signal_wall, d.rules_version
FROM claimed c JOIN deliveries d USING (happened_at, delivery_id) ORDER BY d.seq
""")


@dataclass(frozen=True, slots=True)
class Claimed:
    """One delivery that this sender, and no other, may send until its lease ends."""

    claim: UUID
    delivery_id: UUID
    happened_at: datetime
    queued_at: datetime
    attempts: int
    first_attempt_at: datetime
    look_first: bool
    event_id: UUID
    client_id: UUID | None
    case_id: UUID | None
    subject: str
    kind: str
    rule: str
    rules_version: int
    channel: str
    recipient: str
    bounded: bool
    message: dict[str, Any]
    traceparent: str | None
    correlation: str | None
    signal_wall: datetime


async def claim(session: AsyncSession, channel: str, *, now: datetime, until: datetime, limit: int) -> list[Claimed]:
    """Take due deliveries of a channel, oldest first; what another sender holds is left alone."""
    mine = new_id()
    result = await session.execute(
        _CLAIM, {"channel": channel, "now": now, "until": until, "limit": limit, "claim": mine}
    )
    return [Claimed(**{**row, "claim": mine, "message": message_of(row["message"])}) for row in result.mappings()]


async def finish(
    session: AsyncSession,
    claimed: Claimed,
    *,
    state: str,
    wall: datetime,
    reason: str | None = None,
    place: Mapping[str, str] | None = None,
) -> bool:
    """Take it out of the queue for good; False when the lease was lost meanwhile (another sender books)."""
    gone = await session.execute(
        text("DELETE FROM delivery_queue WHERE delivery_id = :id AND claim = :claim RETURNING 1"),
        {"id": claimed.delivery_id, "claim": claimed.claim},
    )
    if gone.first() is None:
        return False
    await session.execute(
        text(
            "UPDATE deliveries SET state = :state, reason = coalesce(:reason, reason), attempts = :attempts,"
            " last_error = coalesce(:reason, last_error), next_try_at = NULL, done_at = :wall,"
            " place = CAST(:place AS jsonb) WHERE happened_at = :happened_at AND delivery_id = :id"
        ),
        {
            "id": claimed.delivery_id,
            "happened_at": claimed.happened_at,
            "state": state,
            "reason": reason,
            "attempts": claimed.attempts,
            "wall": wall,
            "place": json.dumps(dict(place)) if place else None,
        },
    )
    return True


async def postpone(session: AsyncSession, claimed: Claimed, *, due_at: datetime, error: str, uncertain: bool) -> None:
    """Try again then; visible at once in `GET /v1/deliveries`."""
    kept = await session.execute(
        text(
            "UPDATE delivery_queue SET due_at = :due_at, lease_until = NULL, claim = NULL, uncertain = :uncertain"
            " WHERE delivery_id = :id AND claim = :claim RETURNING 1"
        ),
        {"id": claimed.delivery_id, "claim": claimed.claim, "due_at": due_at, "uncertain": uncertain},
    )
    if kept.first() is not None:
        await session.execute(
            text(
                "UPDATE deliveries SET attempts = :attempts, last_error = :error, next_try_at = :due_at"
                " WHERE happened_at = :happened_at AND delivery_id = :id"
            ),
            {
                "id": claimed.delivery_id,
                "happened_at": claimed.happened_at,
                "attempts": claimed.attempts,
                "error": error,
                "due_at": due_at,
            },
        )


async def release(session: AsyncSession, claimed: Claimed) -> None:
    """As if it had not been claimed."""
    await session.execute(
        text(
            "UPDATE delivery_queue SET lease_until = NULL, claim = NULL, uncertain = look_first,"
            " attempts = attempts - 1 WHERE delivery_id = :id AND claim = :claim"
        ),
        {"id": claimed.delivery_id, "claim": claimed.claim},
    )


async def queue_again(session: AsyncSession, delivery_ids: list[UUID], *, wall: datetime) -> list[UUID]:
    """Failed deliveries back into the queue; the next attempt looks at the target first."""
    result = await session.execute(
        text("""
        WITH again AS (
          UPDATE deliveries SET state = 'queued', reason = NULL, done_at = NULL
          WHERE delivery_id = ANY(:ids) AND state = 'failed'
          RETURNING delivery_id, happened_at, channel, recipient, client_id, attempts
        ), queued AS (
          INSERT INTO delivery_queue (delivery_id, happened_at, channel, recipient, client_id, queued_at, due_at,
                                      attempts, uncertain)
          SELECT delivery_id, happened_at, channel, recipient, client_id, :wall, :wall, attempts, true FROM again
        )
        SELECT delivery_id, channel, pg_notify(current_schema() || '_' || channel, '') FROM again
        """),
        {"ids": delivery_ids, "wall": wall},
    )
    return [row.delivery_id for row in result]


async def failed_ids(session: AsyncSession, channel: str | None, since: datetime | None) -> list[UUID]:
    result = await session.scalars(
        text(
            "SELECT delivery_id FROM deliveries WHERE state = 'failed'"
            " AND (CAST(:channel AS text) IS NULL OR channel = :channel)"
            " AND (CAST(:since AS timestamptz) IS NULL OR happened_at >= :since) ORDER BY seq LIMIT 10000"
        ),
        {"channel": channel, "since": since},
    )
    return list(result)


async def depth(session: AsyncSession) -> dict[str, tuple[int, datetime]]:
    """By channel: how many wait, and since when the oldest does."""
    result = await session.execute(
        text("SELECT channel, count(*) AS waiting, min(queued_at) AS since FROM delivery_queue GROUP BY channel")
    )
    return {row.channel: (row.waiting, row.since) for row in result}
