"""The SQL of rebuilding: the snapshot that is compared, the shadow tables, and taking over from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from common import inbox
from common.contracts.base import Order
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from health.domain.moments import moment_of, seconds_of
from health.domain.rebuilt import DayEnd
from health.domain.state import FOLD_VERSION

_STATE = ("client_id", "fold_version", "last_time", "last_knowntime", "last_sequence", "last_id", "body")
_DAY = ("client_id", "as_of", "model", "model_version", "journey", "score", "band", "confidence", "parts")


@dataclass
class Live:
    """What is kept of one client. `days` by second: what was restated last, else worked out at the import."""

    client_id: UUID
    fold_version: int = 0
    last: Order | None = None
    body: bytes | None = None
    restating: bool = False
    days: dict[int, DayEnd] = field(default_factory=dict)
    restated: set[int] = field(default_factory=set)
    """Which of the days were restated: these must be what the facts say now, others are what was known then."""


async def one_snapshot(session: AsyncSession) -> None:
    """Facts, states and evaluations of one moment; folding takes longer than a session may usually be idle."""
    await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    await session.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    await session.execute(text("SET LOCAL statement_timeout = 0"))


async def facts_a_client(session: AsyncSession) -> dict[UUID, int]:
    """Every client of which a fact or a state is here, with its number of facts."""
    await session.execute(text("SET LOCAL statement_timeout = 0"))
    rows = await session.execute(
        text(
            "SELECT client_id, sum(n)::bigint AS n FROM ("
            " SELECT client_id, count(*) AS n FROM facts WHERE data IS NOT NULL GROUP BY client_id"
            " UNION ALL SELECT client_id, 0 FROM states WHERE last_id IS NOT NULL) known GROUP BY client_id"
        )
    )
    return {inbox.plain(row.client_id): row.n for row in rows}


async def live(session: AsyncSession, client_ids: Sequence[UUID], since: datetime) -> dict[UUID, Live]:
    """What is kept of these clients, of days after `since`; an empty one for those of whom nothing is."""
    result = {client_id: Live(client_id) for client_id in client_ids}
    ids: dict[str, Any] = {"ids": list(client_ids)}
    for row in await session.execute(
        text(f"SELECT {', '.join(_STATE)} FROM states WHERE client_id = ANY(:ids) AND last_id IS NOT NULL"),  # noqa: S608  (our own column names)
        ids,
    ):
        known = result[inbox.plain(row.client_id)]
        known.fold_version, known.body = row.fold_version, row.body
        known.last = Order(row.last_time, row.last_knowntime, row.last_sequence, inbox.plain(row.last_id))
    restating = "SELECT client_id FROM clients WHERE client_id = ANY(:ids) AND restate_from IS NOT NULL"
    for client_id in await session.scalars(text(restating), ids):
        result[client_id].restating = True
    rows = await session.execute(
        text(
            f"SELECT {', '.join(_DAY[:-1])}, mode, parts::text AS parts FROM evaluations"  # noqa: S608  (our own column names)
            " WHERE client_id = ANY(:ids) AND as_of > :since AND mode IN ('historic', 'restated')"
            " AND journey IS NOT NULL ORDER BY client_id, as_of, mode"
        ),
        {**ids, "since": since},
    )
    for row in rows:
        second = seconds_of(row.as_of)
        result[row.client_id].days[second] = _day(row)
        if row.mode == "restated":
            result[row.client_id].restated.add(second)
    return result


def _day(row: Any) -> DayEnd:
    parts = [None if part is None else part[:2] for part in orjson.loads(row.parts)]
    return DayEnd(row.model, row.model_version, row.journey, row.score, row.band, row.confidence, parts)


async def make_tables(session: AsyncSession, into: str) -> None:
    """`into` is a checked name. Unlogged: whatever a crash takes is made again by the next rebuild."""
    await drop_tables(session, into)
    await session.execute(text(f"CREATE UNLOGGED TABLE {into}.states (LIKE states INCLUDING DEFAULTS)"))
    await session.execute(
        text(
            f"CREATE UNLOGGED TABLE {into}.day_ends (client_id uuid NOT NULL, as_of timestamptz NOT NULL,"
            " model text NOT NULL, model_version int NOT NULL, journey text NOT NULL, score int, band text NOT NULL,"
            " confidence smallint NOT NULL, parts json NOT NULL)"
        )
    )


async def drop_tables(session: AsyncSession, into: str) -> None:
    """Whatever an earlier rebuild left."""
    await session.execute(text(f"DROP TABLE IF EXISTS {into}.states, {into}.day_ends"))


async def write(
    session: AsyncSession,
    into: str,
    states: Sequence[tuple[UUID, Order | None, bytes]],
    days: Sequence[tuple[UUID, int, DayEnd]],
) -> None:
    """By COPY: a rebuild writes a row a client and day."""
    connection = (await (await session.connection()).get_raw_connection()).driver_connection
    if connection is None:
        raise RuntimeError("the session has no connection")
    rows = [
        (client_id, FOLD_VERSION, last.time, last.knowntime, last.sequence, last.id, body)
        for client_id, last, body in states
        if last is not None
    ]
    await connection.copy_records_to_table("states", schema_name=into, records=rows, columns=_STATE)
    await connection.copy_records_to_table(
        "day_ends",
        schema_name=into,
        records=[
            (client_id, moment_of(second), *day[:-1], orjson.dumps(day.parts).decode())
            for client_id, second, day in days
        ],
        columns=_DAY,
    )


async def take_states(session: AsyncSession, into: str, client_ids: Sequence[UUID]) -> None:
    """The rebuilt states; one that has moved on is marked to be folded again, one without facts goes."""
    ids = {"ids": list(client_ids)}
    await session.execute(text("SELECT 1 FROM states WHERE client_id = ANY(:ids) ORDER BY client_id FOR UPDATE"), ids)
    await session.execute(
        text(
            f"DELETE FROM states s WHERE client_id = ANY(:ids) AND NOT EXISTS (SELECT 1 FROM facts f"  # noqa: S608  (a checked name of ours)
            f" WHERE f.client_id = s.client_id) AND NOT EXISTS (SELECT 1 FROM {into}.states r"
            " WHERE r.client_id = s.client_id)"
        ),
        ids,
    )
    taken = ", ".join(
        f"{name} = CASE WHEN (s.last_time, s.last_knowntime, s.last_sequence, s.last_id)"
        " > (excluded.last_time, excluded.last_knowntime, excluded.last_sequence, excluded.last_id)"
        f" THEN {'0' if name == 'fold_version' else f's.{name}'} ELSE excluded.{name} END"
        for name in _STATE[1:]
    )
    await session.execute(
        text(
            f"INSERT INTO states AS s ({', '.join(_STATE)}) SELECT {', '.join(_STATE)} FROM {into}.states"  # noqa: S608  (a checked name of ours)
            f" WHERE client_id = ANY(:ids) ORDER BY client_id ON CONFLICT (client_id) DO UPDATE SET {taken}"
        ),
        ids,
    )


async def take_days(session: AsyncSession, into: str, days: Sequence[tuple[UUID, datetime]]) -> None:
    """Day ends that were kept otherwise, as restated ones; what was known then stays beside them."""
    if not days:
        return
    wanted = {"ids": [client_id for client_id, _ in days], "moments": [moment for _, moment in days]}
    named = "unnest(CAST(:ids AS uuid[]), CAST(:moments AS timestamptz[])) AS u(client_id, as_of)"
    await session.execute(
        text(
            f"DELETE FROM evaluations e USING {named} WHERE e.client_id = u.client_id AND e.as_of = u.as_of"  # noqa: S608  (our own words)
            " AND e.mode = 'restated'"
        ),
        wanted,
    )
    await session.execute(
        text(
            "INSERT INTO evaluations (client_id, as_of, mode, model, model_version, score, band, confidence,"  # noqa: S608  (our own words)
            " caused_by, parts, journey) SELECT client_id, as_of, 'restated', model, model_version, score, band,"
            f" confidence, ARRAY[]::uuid[], parts, journey FROM {into}.day_ends JOIN {named} USING (client_id, as_of)"
        ),
        wanted,
    )


async def look_now(session: AsyncSession, client_ids: Sequence[UUID], now: datetime) -> dict[UUID, int]:
    """Have these clients looked at at once; returns the generation of each one's timer."""
    rows = await session.execute(
        text(
            "UPDATE clients SET generation = generation + 1, next_look = :now"
            " WHERE client_id = ANY(:ids) AND NOT ended RETURNING client_id, generation"
        ),
        {"ids": list(client_ids), "now": now},
    )
    return {inbox.plain(row.client_id): row.generation for row in rows}
