"""Rows of feeds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from common import outbox, timers
from common.contracts.base import Event
from common.timers import Timer
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ingest.config import Source
from ingest.domain.feed import Feed, FeedState

_NEW = text("""
INSERT INTO feeds (source, state) SELECT u, 'waiting' FROM unnest(CAST(:sources AS text[])) u ON CONFLICT DO NOTHING
""")
_LOCK = text("""
SELECT source, state, last_received_at, seen_said_at, generation FROM feeds
WHERE source = ANY(:sources) ORDER BY source FOR UPDATE
""")
_STATE = text("""
UPDATE feeds f SET state = u.state, last_received_at = u.last, seen_said_at = u.said, generation = u.generation
FROM unnest(CAST(:sources AS text[]), CAST(:states AS text[]), CAST(:lasts AS timestamptz[]),
            CAST(:saids AS timestamptz[]), CAST(:generations AS bigint[])) AS u(source, state, last, said, generation)
WHERE f.source = u.source
""")
_COUNT = text("""
UPDATE feeds f SET
  counts = f.counts || (
    SELECT coalesce(jsonb_object_agg(n.key, n.value::bigint + coalesce((f.counts ->> n.key)::bigint, 0)), '{}'::jsonb)
    FROM jsonb_each_text(u.counts::jsonb) n),
  last_refused_at = coalesce(u.refused_at, f.last_refused_at), last_refusal = coalesce(u.refusal, f.last_refusal),
  last_event_at = greatest(u.event_at, f.last_event_at), lag_seconds = coalesce(u.lag, f.lag_seconds),
  last_failed_at = coalesce(u.failed_at, f.last_failed_at), last_failure = coalesce(u.failure, f.last_failure),
  unknown_types = CASE WHEN u.unknown = '{}' THEN f.unknown_types ELSE (
    SELECT jsonb_object_agg(m.kind, jsonb_build_object('count', m.count, 'last_at', m.last_at)) FROM (
      SELECT t.key AS kind, sum((t.value ->> 'count')::bigint) AS count, max(t.value ->> 'last_at') AS last_at
      FROM (SELECT * FROM jsonb_each(f.unknown_types) UNION ALL SELECT * FROM jsonb_each(u.unknown::jsonb)) t
      GROUP BY t.key ORDER BY max(t.value ->> 'last_at') DESC, t.key LIMIT :most) m) END
FROM unnest(CAST(:sources AS text[]), CAST(:counts AS text[]), CAST(:refused AS timestamptz[]),
            CAST(:refusals AS text[]), CAST(:events AS timestamptz[]), CAST(:lags AS float8[]),
            CAST(:failed AS timestamptz[]), CAST(:failures AS text[]), CAST(:unknown AS text[]))
     AS u(source, counts, refused_at, refusal, event_at, lag, failed_at, failure, unknown)
WHERE f.source = u.source
""")
MOST_TYPES = 100
"""Unknown types that are kept of a source; the ones not heard of for longest go first."""


class Noted(Protocol):
    """What was noted of a source since the last writing."""

    counts: Any
    refused_at: datetime | None
    refusal: str | None
    event_at: datetime | None
    lag: float | None
    failed_at: datetime | None
    failure: str | None
    unknown: Any
    unknown_at: datetime | None


async def lock(session: AsyncSession, names: Sequence[str], sources: Mapping[str, Source]) -> dict[str, Feed]:
    """Feeds in name order, made where they are new."""
    await session.execute(_NEW, {"sources": list(names)})
    rows = await session.execute(_LOCK, {"sources": list(names)})
    return {row.source: _feed(row, sources) for row in rows}


def _feed(row: Any, sources: Mapping[str, Source]) -> Feed:
    source = sources.get(row.source)
    return Feed(
        source=row.source,
        expected_every=timedelta(minutes=source.expected_every_minutes if source else 24 * 60),
        state=FeedState(row.state),
        last_received_at=row.last_received_at,
        seen_said_at=row.seen_said_at,
        generation=row.generation,
    )


async def save(
    session: AsyncSession,
    known: Mapping[str, Feed],
    noted: Mapping[str, Noted],
    events: Iterable[Event[Any]],
    due: Sequence[Timer],
) -> None:
    """State, counts, what is said, and the deadlines."""
    await save_states(session, list(known.values()))
    names = sorted(noted)
    await session.execute(
        _COUNT,
        {
            "sources": names,
            "counts": [json.dumps(dict(noted[name].counts)) for name in names],
            "refused": [noted[name].refused_at for name in names],
            "refusals": [_storable(noted[name].refusal) for name in names],
            "events": [noted[name].event_at for name in names],
            "lags": [noted[name].lag for name in names],
            "failed": [noted[name].failed_at for name in names],
            "failures": [_storable(noted[name].failure) for name in names],
            "unknown": [_unknown(noted[name]) for name in names],
            "most": MOST_TYPES,
        },
    )
    await timers.schedule(session, due)
    await outbox.add(session, events)


def _unknown(page: Noted) -> str:
    at = page.unknown_at.isoformat() if page.unknown_at else ""
    return json.dumps({_storable(kind): {"count": count, "last_at": at} for kind, count in page.unknown.items()})


def _storable(text_: str | None) -> str | None:
    """Postgres holds neither NUL nor lone surrogates, and the words of a refusal may be a stranger's."""
    return text_.replace("\x00", "").encode("utf-8", "replace").decode() if text_ is not None else None


async def save_states(session: AsyncSession, known: Sequence[Feed]) -> None:
    rows = sorted(known, key=lambda feed: feed.source)
    await session.execute(
        _STATE,
        {
            "sources": [f.source for f in rows],
            "states": [f.state.value for f in rows],
            "lasts": [f.last_received_at for f in rows],
            "saids": [f.seen_said_at for f in rows],
            "generations": [f.generation for f in rows],
        },
    )
