"""The SQL of journeys: the phases each client went through, and blockers over all clients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from uuid import UUID

import orjson
from common import folding, inbox
from common.contracts import client
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from health.domain.blockers import Said
from health.domain.onboardings import Counted

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


_STARTED = text("""
SELECT client_id FROM clients WHERE started_on >= :since AND started_on < :until AND NOT test AND as_of IS NOT NULL
ORDER BY client_id
""")
# Facts of merged clients lie under their old ids; what was withdrawn is read once, not for every fact.
_COUNTED = text(f"""
WITH RECURSIVE span AS (
  SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:begins AS timestamptz[]), CAST(:ends AS timestamptz[]))
    AS u(root, begins, ends)),
member (root, id, depth) AS (
  SELECT root, root, 0 FROM span
  UNION ALL
  SELECT m.root, l.from_client_id, m.depth + 1 FROM member m
  JOIN client_links l ON l.into_client_id = m.id WHERE m.depth < 20),
gone AS MATERIALIZED (
  SELECT (data->>'event_id')::uuid AS id FROM facts
  WHERE type = '{client.EventWithdrawn.TYPE}' AND client_id IN (SELECT id FROM member)
  UNION SELECT replaces FROM facts WHERE replaces IS NOT NULL AND client_id IN (SELECT id FROM member))
SELECT s.root,
  coalesce(sum(coalesce((f.data->>'count')::bigint, 1)) FILTER (WHERE f.type = '{client.LoggedIn.TYPE}'), 0) AS logins,
  count(*) FILTER (WHERE f.type = '{client.TicketOpened.TYPE}') AS tickets,
  coalesce(sum((f.data->>'hours')::float) FILTER (WHERE f.type = '{client.HoursLogged.TYPE}'), 0) AS hours,
  count(*) FILTER (WHERE f.type = '{client.HoursLogged.TYPE}') AS hours_logged,
  count(*) FILTER (WHERE f.type = '{client.TouchpointRecorded.TYPE}') AS touchpoints,
  count(*) FILTER (WHERE f.type = '{client.TouchpointRecorded.TYPE}' AND (f.data->>'automated')::bool) AS automated
FROM span s JOIN member m ON m.root = s.root
JOIN facts f ON f.client_id = m.id AND f.time >= s.begins AND f.time < s.ends AND f.data IS NOT NULL
WHERE f.type IN ('{client.LoggedIn.TYPE}', '{client.TicketOpened.TYPE}', '{client.HoursLogged.TYPE}',
                 '{client.TouchpointRecorded.TYPE}')
  AND f.event_id NOT IN (SELECT id FROM gone WHERE id IS NOT NULL)
GROUP BY s.root
""")  # noqa: S608  (our own constants)


async def started(session: AsyncSession, since: date, until: date) -> list[UUID]:
    """Clients whose contract began in a span of days, without test clients and those not looked at yet."""
    return list(await session.scalars(_STARTED, {"since": since, "until": until}))


async def counted(session: AsyncSession, spans: Mapping[UUID, tuple[datetime, datetime]]) -> dict[UUID, Counted]:
    """What the facts of clients add up to, each in its own span; clients without any are absent."""
    rows = await session.execute(
        _COUNTED,
        {
            "ids": list(spans),
            "begins": [begins for begins, _ in spans.values()],
            "ends": [ends for _, ends in spans.values()],
        },
    )
    return {
        inbox.plain(row.root): Counted(
            int(row.logins), row.tickets, row.hours, row.hours_logged, row.touchpoints, row.automated
        )
        for row in rows
    }
