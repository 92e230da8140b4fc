"""Rows of imports: progress, what was not taken, which ids are in, and which clients await their import_finished."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from common import outbox
from common.contracts import client
from common.errors import NotFound
from common.outbox import IMPORT, joined, listed
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ingest.domain.history import Entries

_HOW_FAR = text("SELECT lines FROM imports WHERE id = :id FOR UPDATE")
_NOTE = text("""
UPDATE imports i SET lines = greatest(i.lines, :line), counts = i.counts || (
  SELECT coalesce(jsonb_object_agg(n.key, n.value::bigint + coalesce((i.counts ->> n.key)::bigint, 0)), '{}'::jsonb)
  FROM jsonb_each_text(CAST(:counts AS jsonb)) n)
WHERE i.id = :id
""")
_TOLD = text("""
INSERT INTO import_refusals (import_id, line, outcome, reason)
SELECT :id, u.line, u.outcome, u.reason
FROM unnest(CAST(:lines AS bigint[]), CAST(:outcomes AS text[]), CAST(:reasons AS text[])) AS u(line, outcome, reason)
ON CONFLICT (import_id, line) DO UPDATE SET outcome = excluded.outcome, reason = excluded.reason
""")
_MENDED = text("""
DELETE FROM import_refusals WHERE import_id = :id AND line = ANY(:lines) RETURNING line, outcome
""")
_ALREADY = text("""
SELECT i.id::text FROM unnest(CAST(CAST(:ids AS text) AS uuid[])) AS u(id) JOIN imported_ids i ON i.id = u.id
""")
_TAKE_IDS = text("""
WITH taken AS (
  INSERT INTO imported_ids (id, client_id)
  SELECT u.id, u.client_id
  FROM unnest(CAST(CAST(:ids AS text) AS uuid[]), CAST(CAST(:clients AS text) AS uuid[])) AS u(id, client_id)
  ON CONFLICT DO NOTHING RETURNING 1)
SELECT count(*) FROM taken
""")
_SAID = text("""
INSERT INTO said (client_id, root_id, event_id, type, time, knowntime, sequence, origin, source, via, data)
SELECT u.client_id, u.id, u.id, u.type, u.time, u.knowntime, u.sequence, 'import', u.source, u.via, u.data
FROM unnest(CAST(CAST(:ids AS text) AS uuid[]), CAST(CAST(:clients AS text) AS uuid[]),
            string_to_array(:types, chr(31)), CAST(CAST(:times AS text) AS timestamptz[]),
            CAST(CAST(:knowntimes AS text) AS timestamptz[]), CAST(CAST(:sequences AS text) AS int[]),
            string_to_array(:sources, chr(31)), string_to_array(:vias, chr(31), ''),
            string_to_array(:facts, chr(31)))
     AS u(id, client_id, type, time, knowntime, sequence, source, via, data)
ON CONFLICT (client_id, root_id) DO UPDATE SET event_id = excluded.event_id, type = excluded.type,
  time = excluded.time, knowntime = excluded.knowntime, data = excluded.data, via = excluded.via
""")
_SPANS = text("""
DELETE FROM import_spans WHERE client_id = ANY(:ids) RETURNING client_id, starts_at, ends_at
""")
_LOCK = text("SELECT id FROM clients WHERE id = ANY(:ids) ORDER BY id FOR UPDATE")


class Raced(Exception):  # noqa: N818  (an answer, not a fault of the program)
    """Another import stored some of the same lines at the same moment; the chunk is to be tried again."""


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when a client's history was imported since its last import_finished."""

    client_id: UUID
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Report:
    """An import as it stands."""

    import_id: UUID
    started_at: datetime
    finished_at: datetime | None
    lines: int
    counts: Mapping[str, int]
    told: Sequence[tuple[int, str, str]]


async def begin(session: AsyncSession, import_id: UUID, *, by: str, at: datetime) -> None:
    """Start an import, or go on with one: what a first run counted stays counted."""
    await session.execute(
        text(
            "INSERT INTO imports (id, started_at, started_by) VALUES (:id, :at, :by)"
            " ON CONFLICT (id) DO UPDATE SET finished_at = NULL"
        ),
        {"id": import_id, "at": at, "by": by},
    )


async def note(
    session: AsyncSession,
    import_id: UUID,
    lines: range,
    outcomes: Mapping[int, str],
    told: Sequence[tuple[int, str, str]],
) -> None:
    """Progress, in the chunk's own transaction: what it says is stored is stored.

    `outcomes`: of each line that is not blank; `told`: why some were not taken. A line counts once, however often it is
    sent: what became of it first stays, unless it was not taken then and is now.
    """
    before: int = await session.scalar(_HOW_FAR, {"id": import_id}) or 0
    counts = Counter(outcome for number, outcome in outcomes.items() if number > before)
    counts["blank"] = max(0, lines.stop - max(lines.start, before + 1)) - counts.total()
    if lines.start <= before:
        reasons = {number for number, _, _ in told}
        now_taken = [number for number in outcomes if number <= before and number not in reasons]
        for row in await session.execute(_MENDED, {"id": import_id, "lines": now_taken}):
            counts.update({row.outcome: -1, outcomes[row.line]: 1})
        told = [entry for entry in told if entry[0] > before]
    await session.execute(_NOTE, {"id": import_id, "line": lines[-1], "counts": json.dumps(counts)})
    if told:
        await session.execute(
            _TOLD,
            {
                "id": import_id,
                "lines": [number for number, _, _ in told],
                "outcomes": [outcome for _, outcome, _ in told],
                "reasons": [reason.replace("\x00", "")[:500] for _, _, reason in told],
            },
        )


async def already(session: AsyncSession, ids: Sequence[str]) -> set[str]:
    """Which of these events an import brought before."""
    if not ids:
        return set()
    return set(await session.scalars(_ALREADY, {"ids": listed(ids)}))


async def take_ids(session: AsyncSession, taken: Mapping[str, str]) -> None:
    """Remember these events, and whose they are, for ever. Raises Raced."""
    if not taken:
        return
    ids = sorted(taken)
    stored = await session.scalar(_TAKE_IDS, {"ids": listed(ids), "clients": listed([taken[id_] for id_ in ids])})
    if stored != len(ids):
        raise Raced


async def write(session: AsyncSession, entries: Entries) -> None:
    """Rendered events into the ledger and the outbox.

    Columns travel as one text each: the driver looks at every element of a list, the database splits a text at once.
    """
    if not entries.ids:
        return
    await session.execute(
        _SAID,
        {
            "ids": listed(entries.ids),
            "clients": listed(entries.clients),
            "types": joined(entries.types),
            "times": listed(entries.times),
            "knowntimes": listed(entries.knowntimes),
            "sequences": listed(list(map(str, entries.sequences))),
            "sources": joined(entries.sources),
            "vias": joined(entries.vias),
            "facts": joined(entries.facts),
        },
    )
    await outbox.add_rendered(
        session, client.TOPIC, IMPORT, entries.ids, entries.types, entries.clients, entries.bodies
    )


async def unsent_reaches(session: AsyncSession, limit: int) -> bool:
    """Whether about so many imported events wait for Kafka: they are sent in order, so the ends tell."""
    found = await session.scalar(
        text("SELECT max(seq) - min(seq) + 1 FROM outbox_unsent WHERE lane = :lane"), {"lane": IMPORT}
    )
    return int(found or 0) >= limit


async def take_spans(session: AsyncSession, limit: int) -> list[Span]:
    """Spans of up to `limit` clients, whose rows are locked first, as everywhere: order per client is commit order."""
    ids = list(
        await session.scalars(text("SELECT client_id FROM import_spans ORDER BY client_id LIMIT :n"), {"n": limit})
    )
    if not ids:
        return []
    await session.execute(_LOCK, {"ids": ids})
    rows = await session.execute(_SPANS, {"ids": ids})
    return sorted((Span(r.client_id, r.starts_at, r.ends_at) for r in rows), key=lambda span: span.client_id)


async def end(session: AsyncSession, import_id: UUID, *, at: datetime) -> None:
    await session.execute(text("UPDATE imports SET finished_at = :at WHERE id = :id"), {"id": import_id, "at": at})


async def report(session: AsyncSession, import_id: UUID, *, limit: int, after: int = 0) -> Report:
    """Raises NotFound. Of the lines not taken, `limit` from `after` on."""
    row = (
        await session.execute(
            text("SELECT id, started_at, finished_at, lines, counts::text AS counts FROM imports WHERE id = :id"),
            {"id": import_id},
        )
    ).first()
    if row is None:
        raise NotFound("no such import")
    told = await session.execute(
        text(
            "SELECT line, outcome, reason FROM import_refusals WHERE import_id = :id AND line > :after"
            " ORDER BY line LIMIT :limit"
        ),
        {"id": import_id, "after": after, "limit": limit},
    )
    return Report(
        row.id, row.started_at, row.finished_at, row.lines, json.loads(row.counts),
        [(t.line, t.outcome, t.reason) for t in told],
    )  # fmt: skip
