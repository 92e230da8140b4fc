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
  last_refused_at = coalesce(u.refused_at, f.last_refused_at), last_refusal = coalesce(u.refusal, f.last_refusal)
FROM unnest(CAST(:sources AS text[]), CAST(:counts AS text[]), CAST(:refused AS timestamptz[]),
            CAST(:refusals AS text[])) AS u(source, counts, refused_at, refusal)
WHERE f.source = u.source
""")


class Noted(Protocol):
    """What was noted of a source since the last writing."""

    counts: Any
    refused_at: datetime | None
    refusal: str | None


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
            "refusals": [noted[name].refusal for name in names],
        },
    )
    await timers.schedule(session, due)
    await outbox.add(session, events)


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
