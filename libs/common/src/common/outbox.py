"""The outbox: what a transaction says is written with what it does, and sent afterwards by the relay.

Insert-only day partitions beside a narrow table of unsent ids (measured in plumbing.md). Rows stay 72 h after
they were sent, so that `loop republish` can send them again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from common import tracing
from common.clock import Clock, SystemClock
from common.contracts.base import Event, Origin
from common.contracts.rendering import Draft
from common.db import fetch

LIVE, IMPORT = 0, 1
KEPT = timedelta(hours=72)
PARTITIONS_AHEAD = 3
_wall: Clock = SystemClock()

_INSERT = text("""
WITH new AS (
  INSERT INTO outbox (day, event_id, lane, topic, key, headers, body, written_at)
  SELECT :day, u.event_id, u.lane, u.topic, u.key, u.headers::jsonb, u.body, :written_at
  FROM unnest(CAST(:event_ids AS uuid[]), CAST(:lanes AS smallint[]), CAST(:topics AS text[]),
              CAST(:keys AS text[]), CAST(:headers AS text[]), CAST(:bodies AS bytea[]))
       WITH ORDINALITY AS u(event_id, lane, topic, key, headers, body, nth)
  ORDER BY u.nth
  RETURNING seq, day, lane, written_at
), unsent AS (
  INSERT INTO outbox_unsent (seq, day, lane, written_at) SELECT seq, day, lane, written_at FROM new
)
SELECT pg_notify(current_schema() || '_outbox', '')
""")


_INSERT_RENDERED = """
WITH new AS (
  INSERT INTO outbox (day, event_id, lane, topic, key, headers, body, written_at)
  SELECT $1::date, u.event_id, $2::smallint, $3::text, u.key, ($4::jsonb[])[u.type], convert_to(u.body, 'UTF8'),
         $5::timestamptz
  FROM unnest(CAST($6::text AS uuid[]), CAST($7::text AS int[]), string_to_array($8, chr(31)),
              string_to_array($9, chr(31)))
       WITH ORDINALITY AS u(event_id, type, key, body, nth)
  ORDER BY u.nth
  RETURNING seq, day, lane, written_at
), unsent AS (
  INSERT INTO outbox_unsent (seq, day, lane, written_at) SELECT seq, day, lane, written_at FROM new
)
SELECT pg_notify(current_schema() || '_outbox', '')
"""
SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True)
class Message:
    """One Kafka record to be: any bytes, for what is not an event of ours (dead letters)."""

    event_id: UUID
    topic: str
    key: str
    headers: Mapping[str, str]
    body: bytes
    lane: int = LIVE


def headers_of(type_: str, traceparent: str | None) -> dict[str, str]:
    """Of an event's record: its type repeated, trace passed on."""
    trace = traceparent or tracing.current_traceparent()
    headers = {"ce_type": type_, "content-type": "application/cloudevents+json"}
    return {**headers, "traceparent": trace} if trace else headers


def message(event: Draft | Event[Any]) -> Message:
    """The record of an event, keyed by its subject."""
    return Message(
        event_id=event.id,
        topic=event.data.TOPIC,
        key=event.subject,
        headers=headers_of(event.type, event.traceparent),
        body=event.to_json(),
        lane=IMPORT if event.origin is Origin.IMPORT else LIVE,
    )


async def add(session: AsyncSession, events: Iterable[Draft | Event[Any]]) -> None:
    """Write events to the outbox in the caller's transaction, in the order given."""
    said = list(events)
    ways = {(event.data.TOPIC, event.origin, event.traceparent) for event in said}
    if len(ways) != 1:
        await add_messages(session, [message(event) for event in said])
        return
    [(topic, origin, trace)] = ways
    await add_rendered(
        session,
        topic,
        IMPORT if origin is Origin.IMPORT else LIVE,
        [str(event.id) for event in said],
        [event.type for event in said],
        [event.subject for event in said],
        [event.to_json().decode() for event in said],
        trace,
    )


async def add_messages(session: AsyncSession, messages: Sequence[Message]) -> None:
    """The same for ready-made records."""
    if not messages:
        return
    written_at = _wall.wall()
    await session.execute(
        _INSERT,
        {
            "day": written_at.date(),
            "written_at": written_at,
            "event_ids": [m.event_id for m in messages],
            "lanes": [m.lane for m in messages],
            "topics": [m.topic for m in messages],
            "keys": [m.key for m in messages],
            "headers": [orjson.dumps(dict(m.headers)).decode() for m in messages],
            "bodies": [m.body for m in messages],
        },
    )


async def add_rendered(
    session: AsyncSession,
    topic: str,
    lane: int,
    ids: Sequence[str],
    types: Sequence[str],
    keys: Sequence[str],
    bodies: Sequence[str],
    traceparent: str | None = None,
) -> None:
    """The same for many events of one topic, lane and trace that are JSON already, a column a field."""
    written_at = _wall.wall()
    numbered = {type_: nth for nth, type_ in enumerate(dict.fromkeys(types), 1)}
    headers = [orjson.dumps(headers_of(type_, traceparent)).decode() for type_ in numbered]
    await fetch(
        session, _INSERT_RENDERED, written_at.date(), lane, topic, headers, written_at, listed(ids),
        listed([str(numbered[type_]) for type_ in types]), joined(keys), joined(bodies),
    )  # fmt: skip


def listed(values: Sequence[str]) -> str:
    """An array literal of what needs no quotes: ids, numbers, moments."""
    return f"{{{','.join(values)}}}"


def joined(values: Sequence[str]) -> str:
    """For `string_to_array(…, chr(31))`. JSON holds no such character; elsewhere it becomes a space."""
    whole = SEPARATOR.join(values)
    if whole.count(SEPARATOR) >= len(values):
        return SEPARATOR.join([value.replace(SEPARATOR, " ") for value in values])
    return whole


async def republish(session: AsyncSession, since: datetime) -> int:
    """Mark every row written since then as unsent again; the same ids go out, consumers drop the repeats."""
    result = await session.execute(
        text("""
        WITH again AS (
          INSERT INTO outbox_unsent (seq, day, lane, written_at)
          SELECT seq, day, lane, written_at FROM outbox
          WHERE day >= :day AND written_at >= :since
            AND NOT EXISTS (SELECT 1 FROM outbox_parked p WHERE p.seq = outbox.seq)
          ON CONFLICT DO NOTHING RETURNING seq)
        SELECT count(*), pg_notify(current_schema() || '_outbox', '') FROM again
        """),
        {"day": since.date(), "since": since},
    )
    return int(result.one()[0])


async def live_age_seconds(session: AsyncSession) -> float:
    """Age of the oldest live row not yet on Kafka; imports slow down when it grows. 0 when nothing waits."""
    oldest = await session.scalar(
        text("SELECT written_at FROM outbox_unsent WHERE lane = :live ORDER BY seq LIMIT 1"), {"live": LIVE}
    )
    return (_wall.wall() - oldest).total_seconds() if oldest else 0.0


async def maintain(session: AsyncSession) -> None:
    """Create the partitions of the days ahead; drop those that are over 72 h old with nothing unsent."""
    today = _wall.wall().date()
    have = {
        str(name)
        for name in await session.scalars(
            text(
                "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
                " WHERE i.inhparent = 'outbox'::regclass"
            )
        )
    }
    in_default = set(await session.scalars(text("SELECT DISTINCT day FROM outbox_default")))
    for ahead in range(PARTITIONS_AHEAD + 1):
        day = today + timedelta(days=ahead)
        if partition_name(day) not in have and day not in in_default:
            await session.execute(
                text(
                    f"CREATE TABLE {partition_name(day)} PARTITION OF outbox"
                    f" FOR VALUES FROM ('{day}') TO ('{day + timedelta(days=1)}')"
                )
            )
    oldest_kept = (_wall.wall() - KEPT).date()
    unsent = set(await session.scalars(text("SELECT DISTINCT day FROM outbox_unsent")))
    for name in have - {"outbox_default"}:
        day = date.fromisoformat(name.removeprefix("outbox_d").replace("_", "-"))
        if day < oldest_kept and day not in unsent:
            await session.execute(text(f"DROP TABLE {name}"))
    await session.execute(
        text("DELETE FROM outbox_default WHERE day < :day AND seq NOT IN (SELECT seq FROM outbox_unsent)"),
        {"day": oldest_kept},
    )


def partition_name(day: date) -> str:
    return f"outbox_d{day.isoformat().replace('-', '_')}"
