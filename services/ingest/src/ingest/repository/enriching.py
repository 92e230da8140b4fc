"""Rows of enrichments: objects of vendors that a webhook only named, until they are fetched. Times are wall time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ingest.domain.refs import Ref

WAITING, DONE, GONE, FAILED = "waiting", "done", "gone", "failed"
SOON = timedelta(seconds=1)
"""How long an ask waits for more of the same: an array of changes of one object is one look-up."""
FRESH = timedelta(seconds=60)
"""What was fetched is not fetched again for so long, however often it is asked for."""

_ASK = text("""
INSERT INTO enrichments (source, kind, id, state, asked_at, asked, due_at)
SELECT u.source, u.kind, u.id, 'waiting', :at, 1, :soon
FROM unnest(CAST(:sources AS text[]), CAST(:kinds AS text[]), CAST(:ids AS text[])) AS u(source, kind, id)
ON CONFLICT (source, kind, id) DO UPDATE SET state = 'waiting', asked_at = excluded.asked_at,
  asked = enrichments.asked + 1,
  attempts = CASE WHEN enrichments.state = 'waiting' THEN enrichments.attempts ELSE 0 END,
  due_at = CASE WHEN enrichments.state = 'waiting' THEN enrichments.due_at
    ELSE greatest(excluded.due_at, enrichments.fetched_at + CAST(:fresh AS interval)) END
""")
_CLAIM = text("""
WITH due AS (
  SELECT source, kind, id FROM enrichments
  WHERE state = 'waiting' AND due_at <= :now AND source = :source
  ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED)
UPDATE enrichments e SET due_at = :lease, attempts = e.attempts + 1 FROM due
WHERE (e.source, e.kind, e.id) = (due.source, due.kind, due.id)
RETURNING e.source, e.kind, e.id, e.asked, e.attempts, e.learnt
""")
_FETCHED = text("""
UPDATE enrichments SET fetched_at = :now, attempts = 0, learnt = coalesce(:learnt, learnt),
  state = CASE WHEN asked = :asked THEN :state ELSE 'waiting' END, due_at = CAST(:now AS timestamptz) + :fresh
WHERE source = :source AND kind = :kind AND id = :id
""")
_PUT_OFF = text("""
UPDATE enrichments SET due_at = :due, failed_at = :now, failure = :failure, state = :state, attempts = :attempts
WHERE source = :source AND kind = :kind AND id = :id
""")
_FORGET = text("""
DELETE FROM enrichments e USING unnest(CAST(:sources AS text[]), CAST(:kinds AS text[]), CAST(:ids AS text[]))
  AS u(source, kind, id) WHERE (e.source, e.kind, e.id) = (u.source, u.kind, u.id)
""")
_COUNTS = text("SELECT source, kind, state, count(*) AS objects FROM enrichments GROUP BY source, kind, state")
_LAST = text("""
SELECT source, max(fetched_at) AS fetched_at, max(failed_at) AS failed_at,
  (array_agg(failure ORDER BY failed_at DESC) FILTER (WHERE failed_at IS NOT NULL))[1] AS failure
FROM enrichments GROUP BY source
""")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One object that this worker fetches now. `asked` numbers the askings it answers."""

    source: str
    kind: str
    id: str
    asked: int
    attempts: int
    learnt: bytes | None
    """Digest of what it said the last time."""

    @property
    def key(self) -> dict[str, str]:
        return {"source": self.source, "kind": self.kind, "id": self.id}


async def ask(session: AsyncSession, objects: Collection[tuple[str, str, str]], at: datetime) -> None:
    """Want these objects (source, kind, id), in the transaction that stores who named them."""
    if objects:
        rows = sorted(objects)
        await session.execute(
            _ASK,
            {
                "sources": [source for source, _, _ in rows],
                "kinds": [kind for _, kind, _ in rows],
                "ids": [id_ for _, _, id_ in rows],
                "at": at,
                "soon": at + SOON,
                "fresh": FRESH,
            },
        )


async def claim(session: AsyncSession, source: str, now: datetime, *, lease: timedelta, limit: int) -> list[Wanted]:
    """Take what is due of this source; who dies with it lets it go when the lease ends."""
    rows = await session.execute(_CLAIM, {"source": source, "now": now, "lease": now + lease, "limit": limit})
    return [Wanted(**row) for row in rows.mappings()]


async def fetched(
    session: AsyncSession, wanted: Wanted, now: datetime, *, state: str, learnt: bytes | None = None
) -> None:
    """It is done, unless it was asked for again meanwhile."""
    await session.execute(
        _FETCHED,
        {**wanted.key, "asked": wanted.asked, "now": now, "state": state, "learnt": learnt, "fresh": FRESH},
    )


async def put_off(
    session: AsyncSession, wanted: Wanted, now: datetime, *, due: datetime, failure: str, state: str, attempts: int
) -> None:
    """It could not be fetched; `state` failed gives it up until it is asked for again."""
    await session.execute(
        _PUT_OFF,
        {**wanted.key, "now": now, "due": due, "failure": failure[:300], "state": state, "attempts": attempts},
    )


async def forget(session: AsyncSession, refs: Sequence[Ref]) -> None:
    """Nothing more is asked about an erased client's things."""
    await session.execute(
        _FORGET,
        {"sources": [ref.source for ref in refs], "kinds": [ref.kind for ref in refs], "ids": [ref.id for ref in refs]},
    )


async def waiting(session: AsyncSession) -> dict[str, int]:
    """How many are still to be fetched, by source; 0 where all are."""
    rows = await session.execute(
        text("SELECT source, count(*) FILTER (WHERE state = 'waiting') AS waiting FROM enrichments GROUP BY source")
    )
    return {row.source: int(row.waiting) for row in rows}


async def states(session: AsyncSession) -> dict[str, dict[str, Any]]:
    """By source: how many objects of each kind in each state, when one was last fetched, and what failed last."""
    found: dict[str, dict[str, Any]] = {}
    for row in await session.execute(_LAST):
        since_then = row.failed_at is not None and (row.fetched_at is None or row.failed_at > row.fetched_at)
        found[row.source] = {
            "counts": {},
            "fetched_at": row.fetched_at,
            "failed_at": row.failed_at if since_then else None,
            "failure": row.failure if since_then else None,
        }
    for row in await session.execute(_COUNTS):
        if row.source in found:
            found[row.source]["counts"].setdefault(row.state, {})[row.kind] = row.objects
    return found
