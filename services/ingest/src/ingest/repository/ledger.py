"""The ledger: every client event we said, by client. Replays compare with it, merges and moved links say it again.

Without what names people (that is in `contacts`) and without words (those are in `texts`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

import orjson
from common import outbox
from common.contracts import client
from common.contracts.base import Origin
from common.contracts.rendering import Draft, instant, rendered, written, written_fact
from common.db import fetch
from common.outbox import joined, listed
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ingest.domain.moving import PEOPLE_TYPES, PROFILE_TYPES, Line
from ingest.domain.plan import Said
from ingest.domain.refs import Ref

NULL = "NULL"
_WRITE = """
INSERT INTO said (client_id, root_id, event_id, type, time, knowntime, sequence, origin, source, via, raw_day, raw_id,
                  data)
SELECT * FROM unnest(
  CAST($1::text AS uuid[]), CAST($2::text AS uuid[]), CAST($3::text AS uuid[]), string_to_array($4, chr(31)),
  CAST($5::text AS timestamptz[]), CAST($6::text AS timestamptz[]), CAST($7::text AS int[]),
  string_to_array($8, chr(31)), string_to_array($9, chr(31)), $10::text[], CAST($11::text AS date[]),
  CAST($12::text AS uuid[]), string_to_array($13, chr(31)))
ON CONFLICT (client_id, root_id) DO UPDATE SET event_id = excluded.event_id, type = excluded.type,
  time = excluded.time, knowntime = excluded.knowntime, data = excluded.data, via = excluded.via,
  raw_day = excluded.raw_day, raw_id = excluded.raw_id
"""


@dataclass(slots=True)
class Columns:
    """Lines to be entered, a column a field, each written as the database reads it."""

    clients: list[str] = field(default_factory=list)
    roots: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    times: list[str] = field(default_factory=list)
    knowntimes: list[str] = field(default_factory=list)
    sequences: list[str] = field(default_factory=list)
    origins: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    vias: list[str | None] = field(default_factory=list)
    raw_days: list[str] = field(default_factory=list)
    raw_ids: list[str] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)
    """The events' JSON, for the outbox."""


def columns(said: Iterable[Said]) -> Columns:
    """What is said, written once for ledger and bus."""
    into = Columns()
    raw: tuple[date, UUID] | None = None
    day = raw_id = NULL
    known, known_written = None, ""
    for event, root, via, kept in said:
        if event.knowntime is not known:
            known, known_written = event.knowntime, instant(event.knowntime)
        if kept is not raw:
            raw, day, raw_id = kept, *((kept[0].isoformat(), str(kept[1])) if kept else (NULL, NULL))
        id_, time, data = str(event.id), instant(event.time), event.data
        json = written(data)
        into.clients.append(event.subject)
        into.ids.append(id_)
        into.roots.append(id_ if root is event.id else str(root))
        into.types.append(event.type)
        into.times.append(time)
        into.knowntimes.append(known_written)
        into.sequences.append(str(event.sequence))
        into.origins.append(event.origin)
        into.sources.append(event.source)
        into.vias.append(str(via) if via else None)
        into.raw_days.append(day)
        into.raw_ids.append(raw_id)
        into.facts.append(written_fact(data) if data.personal_fields() else json)
        into.bodies.append(
            rendered(
                id_, event.source, event.type, event.subject, time, known_written, event.origin, event.sequence, json,
                event.claimedtime,
            )
            if isinstance(event, Draft)
            else event.to_json().decode()
        )  # fmt: skip
    return into


async def write(session: AsyncSession, said: Sequence[Said], told: Columns | None = None) -> None:
    """Enter what is being said, in the caller's transaction. A root said again (corrected) keeps one line.

    `told`: the same, where it is written already.
    """
    if not said:
        return
    told = told or columns(said)
    if len(set(told.roots)) < len(said):
        told = columns({(s.event.subject, s.root): s for s in said}.values())
    await fetch(
        session, _WRITE, listed(told.clients), listed(told.roots), listed(told.ids), joined(told.types),
        listed(told.times), listed(told.knowntimes), listed(told.sequences), joined(told.origins),
        joined(told.sources), told.vias, listed(told.raw_days), listed(told.raw_ids), joined(told.facts),
    )  # fmt: skip


async def say(session: AsyncSession, said: Sequence[Said]) -> None:
    """Enter it, and hand it to the bus, in the order given."""
    for origin in Origin:
        part = [s for s in said if s.event.origin is origin]
        if not part:
            continue
        told = columns(part)
        await write(session, part, told)
        lane = outbox.IMPORT if origin is Origin.IMPORT else outbox.LIVE
        await outbox.add_rendered(session, client.TOPIC, lane, told.ids, told.types, told.clients, told.bodies)


_LINE = """
SELECT client_id, root_id, event_id, type, time, knowntime, sequence, origin, source, via, raw_day, raw_id, data
FROM said
"""


async def told_by(session: AsyncSession, client_ids: Collection[UUID], refs: Collection[Ref], limit: int) -> list[Line]:
    """What these refs made us say of clients, in the order of contracts.md, the first `limit` lines of it."""
    rows = await session.execute(
        text(
            _LINE
            + " WHERE client_id = ANY(:ids) AND via = ANY(:vias)"
            + " ORDER BY time, knowntime, sequence, event_id LIMIT :limit"
        ),
        {"ids": sorted(client_ids), "vias": sorted(map(str, refs)), "limit": limit},
    )
    return [line_of(row) for row in rows]


async def ids_told_by(session: AsyncSession, client_id: UUID, refs: Collection[Ref], limit: int) -> list[UUID]:
    """Ids of the events in force that these refs made us say."""
    found = await session.scalars(
        text(
            "SELECT event_id FROM said WHERE client_id = :id AND via = ANY(:vias)"
            " ORDER BY time, knowntime, sequence, event_id LIMIT :limit"
        ),
        {"id": client_id, "vias": sorted(map(str, refs)), "limit": limit},
    )
    return list(found)


async def profiles(session: AsyncSession, client_id: UUID) -> list[Line]:
    """What was said of a client's profile and refs, in order."""
    rows = await session.execute(
        text(_LINE + " WHERE client_id = :id AND type = ANY(:types) ORDER BY time, knowntime, sequence, event_id"),
        {"id": client_id, "types": sorted(PROFILE_TYPES)},
    )
    return [line_of(row) for row in rows]


async def people_told_of(session: AsyncSession, client_id: UUID, contacts: Collection[str]) -> set[str]:
    """Those of these contacts of whom anything is said as people of this client."""
    found = await session.scalars(
        text(
            "SELECT DISTINCT CAST(data AS jsonb) ->> 'contact_id' FROM said"
            " WHERE client_id = :id AND type = ANY(:types) AND CAST(data AS jsonb) ->> 'contact_id' = ANY(:contacts)"
        ),
        {"id": client_id, "types": sorted(PEOPLE_TYPES), "contacts": sorted(contacts)},
    )
    return set(found)


async def first_live(session: AsyncSession, client_id: UUID, without: Collection[Ref] = ()) -> dict[str, datetime]:
    """When each source's first live word of a client happened, in the order in which the words came.

    What the refs in `without` told does not count.
    """
    rows = await session.execute(
        text(
            "SELECT DISTINCT ON (source) source, time FROM said WHERE client_id = :id AND origin = 'live'"
            " AND (via IS NULL OR via <> ALL(:vias)) ORDER BY source, knowntime, sequence, event_id"
        ),
        {"id": client_id, "vias": sorted(map(str, without))},
    )
    return {row.source: row.time for row in rows}


async def history_after(
    session: AsyncSession, client_id: UUID, types: Collection[str], since: Mapping[str, datetime]
) -> list[Line]:
    """Imported events of these types from a time when their source (`csl/ingest/…`) already spoke live."""
    if not since:
        return []
    rows = await session.execute(
        text(
            _LINE
            + " JOIN unnest(CAST(:sources AS text[]), CAST(:since AS timestamptz[])) AS live (live_source, live_at)"
            " ON source = live_source AND time > live_at"
            " WHERE client_id = :id AND origin = 'import' AND type = ANY(:types)"
        ),
        {"id": client_id, "types": sorted(types), "sources": list(since), "since": list(since.values())},
    )
    return [line_of(row) for row in rows]


async def strike(session: AsyncSession, client_id: UUID, roots: Iterable[UUID]) -> None:
    """Lines that are no longer in force for a client."""
    await session.execute(
        text("DELETE FROM said WHERE client_id = :id AND root_id = ANY(:roots)"),
        {"id": client_id, "roots": sorted(roots)},
    )


def line_of(row: Any) -> Line:
    """A row of the ledger."""
    return Line(
        client_id=row.client_id,
        root=row.root_id,
        event_id=row.event_id,
        type=row.type,
        time=row.time,
        knowntime=row.knowntime,
        sequence=row.sequence,
        origin=Origin(row.origin),
        source=row.source,
        via=row.via,
        raw=(row.raw_day, row.raw_id) if row.raw_id else None,
        data=orjson.loads(row.data),
    )
