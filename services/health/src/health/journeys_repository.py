"""The SQL of journeys: the phases each client went through, and blockers over all clients."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from uuid import UUID

import orjson
from common import folding
from common.contracts import client
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from health.domain.blockers import Said

FIRST_SEEN = "first_seen"


@dataclass(frozen=True)
class Stay:
    """A row of `phases`: a client came into a phase. `noted_at` is when we said so, `entered_at` when it happened."""

    client_id: UUID
    phase: str
    phase_before: str | None
    entered_at: datetime
    noted_at: datetime
    reason: str
    text: str
    by: str | None
    journey: str


_STAY = [field.name for field in fields(Stay)]
_NOTE = text(
    f"INSERT INTO phases ({', '.join(_STAY)})"  # noqa: S608  (column names of our own; values are parameters)
    f" SELECT {', '.join(_STAY)} FROM json_populate_recordset(NULL::phases, CAST(:rows AS json)) r"
    f" WHERE reason <> '{FIRST_SEEN}' OR NOT EXISTS (SELECT 1 FROM phases p WHERE p.client_id = r.client_id)"
)


async def note(session: AsyncSession, stays: Iterable[Stay]) -> None:
    """Append; what a client went through before we heard of it only where nothing is kept of it yet."""
    rows = [asdict(stay) for stay in stays]
    if rows:
        await session.execute(_NOTE, {"rows": orjson.dumps(rows, default=str).decode()})


async def stays(session: AsyncSession, client_id: UUID) -> list[Stay]:
    """All phases of a client, as they were noted."""
    rows = await session.execute(
        text(f"SELECT {', '.join(_STAY)} FROM phases WHERE client_id = :id ORDER BY id"),  # noqa: S608  (our own columns)
        {"id": client_id},
    )
    return [Stay(**row) for row in rows.mappings()]


_BODIES: dict[str, type[client.BlockerLogged | client.BlockerResolved]] = {
    client.BlockerLogged.TYPE: client.BlockerLogged,
    client.BlockerResolved.TYPE: client.BlockerResolved,
}
# The types stand in the SQL itself: only then can the planner use the index on facts of blockers.
BLOCKERS = text(f"""
SELECT f.client_id, f.event_id, f.type, f.time, f.replaces, f.data::text AS data FROM facts f
WHERE f.data IS NOT NULL AND f.time >= :since
  AND (f.type = '{client.BlockerLogged.TYPE}' AND f.time < :until OR f.type = '{client.BlockerResolved.TYPE}')
  AND NOT EXISTS (SELECT 1 FROM clients c WHERE c.client_id = f.client_id AND c.test)
ORDER BY f.time, f.knowntime, f.sequence, f.event_id
""")  # noqa: S608  (our own constants)
_GONE = text(f"""
SELECT (data->>'event_id')::uuid FROM facts
WHERE type = '{client.EventWithdrawn.TYPE}' AND data->>'event_id' = ANY(CAST(:ids AS text[]))
""")  # noqa: S608  (our own constants)


async def blockers(session: AsyncSession, since: datetime, until: datetime) -> list[Said]:
    """What was said of blockers of all clients but test ones from `since` on: opened before `until`, resolved any time.

    Without what was withdrawn or moved; under the ids that merged clients go by now.
    """
    rows = (await session.execute(BLOCKERS, {"since": since, "until": until})).all()
    gone = {row.replaces for row in rows if row.replaces is not None}
    gone |= set(await session.scalars(_GONE, {"ids": [str(row.event_id) for row in rows]}))
    roots = await folding.roots_of(session, {row.client_id for row in rows})
    return [
        Said(roots[row.client_id], row.time, _BODIES[row.type].model_validate_json(row.data))
        for row in rows
        if row.event_id not in gone
    ]
