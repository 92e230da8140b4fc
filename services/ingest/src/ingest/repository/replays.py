"""Rows of replays: what is to be read again, what was said of it, and how far one is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from common.errors import NotFound
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ingest.domain.moving import PEOPLE_TYPES, Line
from ingest.repository.ledger import line_of
from ingest.repository.saving import unpack

PREVIEWING, PREVIEWED, PUBLISHING, DONE = "previewing", "previewed", "publishing", "done"
BODIES = 50
BYTES = 512 << 10
"""Compressed, of the bodies of one transaction."""

_BODIES = text("""
SELECT day, id, received_at, headers::text AS headers, body FROM (
  SELECT day, id, received_at, headers, body, row_number() OVER w AS nth, sum(octet_length(body)) OVER w AS size
  FROM (SELECT day, id, received_at, headers, body FROM raw_bodies
        WHERE source = :source AND day >= :first AND (day, id) > (:day, :id)
          AND received_at >= :since AND received_at <= :until
        ORDER BY day, id LIMIT :most) b
  WINDOW w AS (ORDER BY day, id)) c
WHERE nth = 1 OR size <= :bytes ORDER BY day, id
""")
_LINE = """
SELECT s.client_id, s.root_id, s.event_id, s.type, s.time, s.knowntime, s.sequence, s.origin, s.source, s.via,
       s.raw_day, s.raw_id, s.data
"""
_BY_RAW = text(_LINE + " FROM said s WHERE s.raw_id = ANY(:raws) ORDER BY s.sequence, s.root_id")
_ELSEWHERE = text("""
SELECT DISTINCT s.root_id
FROM unnest(CAST(:clients AS uuid[]), CAST(:roots AS uuid[])) AS u(client_id, root_id)
JOIN clients c ON c.id = u.client_id OR c.merged_into = u.client_id
JOIN said s ON s.client_id = c.id AND s.root_id = u.root_id
WHERE s.raw_id IS NULL OR s.raw_id <> ALL(:raws)
""")
_TOLD_OF = text("""
SELECT s.client_id, s.data::jsonb ->> 'contact_id' AS contact_id, max(s.time) AS time FROM said s
WHERE s.client_id = ANY(:clients) AND s.type = ANY(:types) AND s.data::jsonb ->> 'contact_id' = ANY(:contacts)
GROUP BY 1, 2
""")
_SPEND = text("""
INSERT INTO withdrawn_roots (root_id, client_id, event_id)
SELECT * FROM unnest(CAST(:roots AS uuid[]), CAST(:clients AS uuid[]), CAST(:events AS uuid[]))
ON CONFLICT (root_id) DO UPDATE SET client_id = excluded.client_id, event_id = excluded.event_id
""")
_RESOLVE = text("""
UPDATE quarantine q SET resolved_at = :at, outcome = 'mapped'
FROM unnest(CAST(:keys AS text[]), CAST(:kinds AS text[]), CAST(:received AS timestamptz[]))
     AS u(key, kind, received_at)
WHERE q.resolved_at IS NULL AND q.form = 'event' AND q.source = :source AND q.received_at = u.received_at
  AND q.key IS NOT DISTINCT FROM u.key AND q.kind IS NOT DISTINCT FROM u.kind
""")
_REPLAY = """
SELECT id, source, since, until, readings, state, asked_by, asked_at, published_by, finished_at, at_day, at_id,
       counts::text AS counts, types::text AS types, samples::text AS samples, preview::text AS preview
FROM replays
"""


@dataclass(frozen=True, slots=True)
class Body:
    """A post as it came."""

    day: date
    id: UUID
    received_at: datetime
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Replay:
    """One replay as it stands. `counts`, `types` and `samples` are of the run that its state names."""

    id: UUID
    source: str
    since: datetime
    until: datetime
    readings: bool
    state: str
    asked_by: str
    asked_at: datetime
    published_by: str | None
    finished_at: datetime | None
    at: tuple[date, UUID] | None
    """Day and id of the last body read."""
    counts: Mapping[str, int]
    types: Mapping[str, Mapping[str, int]]
    samples: Sequence[Mapping[str, Any]]
    preview: Mapping[str, Any] | None
    """Counts and types of the dry run, once it is being published."""


async def ask(session: AsyncSession, replay: Replay) -> None:
    """Keep a new one."""
    await session.execute(
        text(
            "INSERT INTO replays (id, source, since, until, readings, state, asked_by, asked_at, published_by)"
            " VALUES (:id, :source, :since, :until, :readings, :state, :asked_by, :asked_at, :published_by)"
        ),
        {name: getattr(replay, name) for name in (
            "id", "source", "since", "until", "readings", "state", "asked_by", "asked_at", "published_by"
        )},
    )  # fmt: skip


async def replay(session: AsyncSession, replay_id: UUID, *, lock: bool = False) -> Replay:
    """Raises NotFound."""
    row = (
        await session.execute(text(_REPLAY + " WHERE id = :id" + (" FOR UPDATE" if lock else "")), {"id": replay_id})
    ).first()
    if row is None:
        raise NotFound("no such replay")
    return _replay(row)


async def replays(session: AsyncSession, *, before: UUID | None, limit: int) -> list[Replay]:
    """Newest first."""
    rows = await session.execute(
        text(_REPLAY + " WHERE CAST(:before AS uuid) IS NULL OR id < :before ORDER BY id DESC LIMIT :limit"),
        {"before": before, "limit": limit},
    )
    return [_replay(row) for row in rows]


async def running(session: AsyncSession, *, lock: UUID | None = None) -> Replay | None:
    """The oldest that is under way. With `lock`, that one, locked, unless another worker is at it."""
    under_way = " WHERE state IN ('previewing', 'publishing')"
    if lock is None:
        row = (await session.execute(text(_REPLAY + under_way + " ORDER BY id LIMIT 1"))).first()
    else:
        row = (
            await session.execute(text(_REPLAY + under_way + " AND id = :id FOR UPDATE SKIP LOCKED"), {"id": lock})
        ).first()
    return _replay(row) if row else None


async def publish(session: AsyncSession, replay_id: UUID, *, by: str) -> None:
    """From its first body again, and for good this time; what the dry run found is kept beside."""
    await session.execute(
        text(
            "UPDATE replays SET state = 'publishing', published_by = :by, at_day = NULL, at_id = NULL,"
            " preview = jsonb_build_object('counts', counts, 'types', types), counts = '{}', types = '{}',"
            " samples = '[]', finished_at = NULL WHERE id = :id"
        ),
        {"id": replay_id, "by": by},
    )


async def note(session: AsyncSession, replay_id: UUID, at: tuple[date, UUID]) -> None:
    """How far it is now, in the transaction of what was done."""
    await session.execute(
        text("UPDATE replays SET at_day = :day, at_id = :at WHERE id = :id"),
        {"id": replay_id, "day": at[0], "at": at[1]},
    )


async def keep_tally(
    session: AsyncSession,
    replay_id: UUID,
    counts: Mapping[str, int],
    types: Mapping[str, Mapping[str, int]],
    samples: Sequence[Mapping[str, Any]],
) -> None:
    """What it has found so far, likewise."""
    await session.execute(
        text(
            "UPDATE replays SET counts = CAST(:counts AS jsonb), types = CAST(:types AS jsonb),"
            " samples = CAST(:samples AS jsonb) WHERE id = :id"
        ),
        {
            "id": replay_id,
            "counts": json.dumps(dict(counts)),
            "types": json.dumps({kind: dict(found) for kind, found in types.items()}),
            "samples": json.dumps(list(samples), default=str),
        },
    )


async def end(session: AsyncSession, replay_id: UUID, *, state: str, at: datetime) -> None:
    await session.execute(
        text("UPDATE replays SET state = :state, finished_at = :at WHERE id = :id"),
        {"id": replay_id, "state": state, "at": at},
    )


async def bodies(session: AsyncSession, asked: Replay) -> list[Body]:
    """The next posts in order of receipt: few, and not large together.

    Days are of the wall, which business time never passes: no earlier day holds what was received since.
    """
    day, id_ = asked.at or (asked.since.date(), UUID(int=0))
    rows = await session.execute(
        _BODIES,
        {
            "source": asked.source, "first": asked.since.date(), "day": day, "id": id_, "since": asked.since,
            "until": asked.until, "most": BODIES, "bytes": BYTES,
        },
    )  # fmt: skip
    return [Body(r.day, r.id, r.received_at, json.loads(r.headers), unpack(r.body)) for r in rows]


async def told_by(session: AsyncSession, raws: Sequence[UUID]) -> list[Line]:
    """What these posts made us say, as it is in force."""
    return [line_of(row) for row in await session.execute(_BY_RAW, {"raws": list(raws)})]


async def told_elsewhere(session: AsyncSession, asked: Sequence[tuple[UUID, UUID]], raws: Sequence[UUID]) -> set[UUID]:
    """Of (client, root) those roots that another post said, or a person."""
    pairs = {"clients": [client for client, _ in asked], "roots": [root for _, root in asked], "raws": list(raws)}
    return set(await session.scalars(_ELSEWHERE, pairs)) if asked else set()


async def last_told(
    session: AsyncSession, clients: Sequence[UUID], contacts: Sequence[str]
) -> dict[tuple[UUID, str], datetime]:
    """When the last thing was said of each of these people."""
    if not contacts:
        return {}
    rows = await session.execute(
        _TOLD_OF, {"clients": list(clients), "contacts": list(contacts), "types": sorted(PEOPLE_TYPES)}
    )
    return {(row.client_id, row.contact_id): row.time for row in rows}


async def spent(session: AsyncSession, roots: Sequence[UUID]) -> dict[UUID, UUID]:
    """Roots whose event was withdrawn → that event's id."""
    rows = await session.execute(
        text("SELECT root_id, event_id FROM withdrawn_roots WHERE root_id = ANY(:roots)"), {"roots": list(roots)}
    )
    return {row.root_id: row.event_id for row in rows}


async def spend(session: AsyncSession, withdrawn: Sequence[Line]) -> None:
    """Remember withdrawn events, and forget their words."""
    lines = sorted(withdrawn, key=lambda line: line.root)
    if not lines:
        return
    await session.execute(
        _SPEND,
        {
            "roots": [line.root for line in lines],
            "clients": [line.client_id for line in lines],
            "events": [line.event_id for line in lines],
        },
    )
    texts = [ref for line in lines if (ref := line.data.get("text_ref"))]
    await session.execute(text("DELETE FROM texts WHERE id = ANY(CAST(:ids AS uuid[]))"), {"ids": texts})


async def resolve(
    session: AsyncSession, source: str, mapped: Sequence[tuple[str | None, str, datetime]], *, at: datetime
) -> None:
    """Events (key, kind, receipt) that were in quarantine and are read now."""
    if mapped:
        await session.execute(
            _RESOLVE,
            {
                "source": source, "at": at, "keys": [key for key, _, _ in mapped],
                "kinds": [kind for _, kind, _ in mapped], "received": [received for _, _, received in mapped],
            },
        )  # fmt: skip


async def quarantined(session: AsyncSession, asked: Replay, after: UUID, limit: int) -> list[UUID]:
    """Whole posts of the same time that could not be read then, and that nobody has resolved."""
    found = await session.scalars(
        text(
            "SELECT id FROM quarantine WHERE resolved_at IS NULL AND form = 'body' AND source = :source"
            " AND received_at >= :since AND received_at <= :until AND id > :after ORDER BY id LIMIT :limit"
        ),
        {"source": asked.source, "since": asked.since, "until": asked.until, "after": after, "limit": limit},
    )
    return list(found)


def _replay(row: Any) -> Replay:
    return Replay(
        id=row.id, source=row.source, since=row.since, until=row.until, readings=row.readings, state=row.state,
        asked_by=row.asked_by, asked_at=row.asked_at, published_by=row.published_by, finished_at=row.finished_at,
        at=(row.at_day, row.at_id) if row.at_day else None, counts=json.loads(row.counts),
        types=json.loads(row.types), samples=json.loads(row.samples),
        preview=json.loads(row.preview) if row.preview else None,
    )  # fmt: skip
