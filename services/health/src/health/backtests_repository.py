"""The SQL of backtests: what was asked for, how far it is, and the facts that it reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from common.contracts import registry
from common.errors import NotFound
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

WAITING, RUNNING, DONE, FAILED, CANCELED = "waiting", "running", "done", "failed", "canceled"
UNDER_WAY = (WAITING, RUNNING)


@dataclass(frozen=True, slots=True)
class Backtest:
    """One backtest as it stands. `text`: the candidate; `book`: the definitions in force when it was asked for."""

    id: UUID
    state: str
    text: str
    model: str
    book: list[UUID]
    since: datetime
    until: datetime
    asked_at: datetime
    asked_by: str
    clients: int
    clients_done: int
    after: UUID
    attempts: int
    finished_at: datetime | None = None
    error: str | None = None
    report: dict[str, Any] | None = None


class Fact(NamedTuple):
    """A client event of the facts: times in microseconds since 1970, the first four are its place in the order."""

    time: int
    known: int
    sequence: int
    id: str
    name: str
    data: dict[str, Any]
    replaces: str | None


_COLUMNS = [f.name for f in fields(Backtest)]
_SELECT = f"SELECT {', '.join(_COLUMNS[:-1])}, report::text AS report FROM backtests"  # noqa: S608  (column names of our own)
_FACTS = text("""
WITH RECURSIVE down (root, id, depth) AS (
  SELECT u, u, 0 FROM unnest(CAST(:ids AS uuid[])) u
  UNION ALL
  SELECT down.root, l.from_client_id, down.depth + 1 FROM down
  JOIN client_links l ON l.into_client_id = down.id WHERE down.depth < 20)
SELECT d.root, f.type, f.event_id::text AS id, (extract(epoch FROM f.time) * 1000000)::bigint AS time,
       (extract(epoch FROM f.knowntime) * 1000000)::bigint AS known, f.sequence, f.replaces::text AS replaces,
       f.data::text AS data
FROM down d JOIN facts f ON f.client_id = d.id WHERE f.data IS NOT NULL AND f.knowntime <= :until
""")


async def ask(session: AsyncSession, asked: Backtest) -> None:
    """Keep a new one."""
    names = _COLUMNS[:-3]
    await session.execute(
        text(
            f"INSERT INTO backtests ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"  # noqa: S608  (column names of our own)
        ),
        {name: getattr(asked, name) for name in names},
    )


async def backtest(session: AsyncSession, backtest_id: UUID, *, lock: bool = False) -> Backtest:
    """Raises NotFound."""
    rows = await session.execute(
        text(_SELECT + " WHERE id = :id" + (" FOR UPDATE" if lock else "")), {"id": backtest_id}
    )
    row = rows.mappings().first()
    if row is None:
        raise NotFound("there is no such backtest")
    return _backtest(row)


async def page(session: AsyncSession, before: UUID | None, limit: int) -> list[Backtest]:
    """Newest first."""
    rows = await session.execute(
        text(_SELECT + " WHERE CAST(:before AS uuid) IS NULL OR id < :before ORDER BY id DESC LIMIT :limit"),
        {"before": before, "limit": limit},
    )
    return [_backtest(row) for row in rows.mappings()]


async def oldest(session: AsyncSession) -> Backtest | None:
    """The one to work on."""
    rows = await session.execute(text(_SELECT + " WHERE state IN ('waiting', 'running') ORDER BY id LIMIT 1"))
    row = rows.mappings().first()
    return _backtest(row) if row else None


async def count_under_way(session: AsyncSession) -> int:
    """Those that wait or run; who asks next waits for who asks now."""
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtext(current_schema() || ' backtests'))"))
    return int(await session.scalar(text("SELECT count(*) FROM backtests WHERE state IN ('waiting', 'running')")) or 0)


async def change(session: AsyncSession, backtest_id: UUID, **changes: Any) -> None:
    """Of one; `report` is JSON-ready."""
    if "report" in changes:
        changes["report"] = orjson.dumps(changes["report"]).decode()
    columns = ", ".join(
        f"{name} = CAST(:{name} AS json)" if name == "report" else f"{name} = :{name}" for name in changes
    )
    await session.execute(
        text(f"UPDATE backtests SET {columns} WHERE id = :id"),  # noqa: S608  (column names of our own)
        {**changes, "id": backtest_id},
    )


async def add_part(session: AsyncSession, backtest_id: UUID, nth: int, body: bytes) -> None:
    """The tracks of some clients."""
    await session.execute(
        text("INSERT INTO backtest_parts (backtest_id, nth, body) VALUES (:id, :nth, :body)"),
        {"id": backtest_id, "nth": nth, "body": body},
    )


async def parts(session: AsyncSession, backtest_id: UUID) -> list[bytes]:
    """All there are, in order."""
    rows = await session.scalars(
        text("SELECT body FROM backtest_parts WHERE backtest_id = :id ORDER BY nth"), {"id": backtest_id}
    )
    return list(rows)


async def drop_parts(session: AsyncSession, backtest_id: UUID) -> None:
    await session.execute(text("DELETE FROM backtest_parts WHERE backtest_id = :id"), {"id": backtest_id})


async def forget(session: AsyncSession, before: datetime) -> None:
    """Old ones that are over."""
    await session.execute(
        text("DELETE FROM backtests WHERE finished_at < :before AND state NOT IN ('waiting', 'running')"),
        {"before": before},
    )


async def count_clients(session: AsyncSession) -> int:
    """All that are or were with us."""
    return int(await session.scalar(text("SELECT count(*) FROM clients WHERE NOT test")) or 0)


async def clients_after(session: AsyncSession, after: UUID, limit: int) -> list[UUID]:
    """The next ones in id order, those that left included."""
    rows = await session.scalars(
        text("SELECT client_id FROM clients WHERE client_id > :after AND NOT test ORDER BY client_id LIMIT :limit"),
        {"after": after, "limit": limit},
    )
    return list(rows)


async def facts(session: AsyncSession, client_ids: Sequence[UUID], until: datetime) -> dict[str, list[Fact]]:
    """What was known of these clients by then, each in the order of the contracts."""
    result: dict[str, list[Fact]] = {str(client_id): [] for client_id in client_ids}
    for row in await session.execute(_FACTS, {"ids": sorted(client_ids), "until": until}):
        name = registry.body(row.type).type_name() if row.type in registry.bodies() else row.type
        fact = Fact(row.time, row.known, row.sequence, row.id, name, orjson.loads(row.data), row.replaces)
        result[str(row.root)].append(fact)
    for events in result.values():
        events.sort(key=lambda fact: fact[:4])
    return result


def _backtest(row: Any) -> Backtest:
    report = None if row["report"] is None else orjson.loads(row["report"])
    return Backtest(**{**row, "report": report, "book": list(row["book"])})
