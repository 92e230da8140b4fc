"""The SQL of the breaker: who moved whom for the worse, holds, and the clients under them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from common.contracts.health import Band
from common.errors import NotFound
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from health.domain.blast import WINDOW
from health.domain.hold import Held, Hold
from health.telling import points
from health.views import HeldNote

KEPT_CAUSES = 50
"""Events remembered behind a held move; the first ones moved it."""

_HOLD = ", ".join(f.name for f in fields(Hold))
_HELD = [f.name for f in fields(Held)]
_KEEP = text(
    f"INSERT INTO held AS h ({', '.join(_HELD)}) SELECT {', '.join(_HELD)}"  # noqa: S608  (column names of our own)
    " FROM json_populate_recordset(NULL::held, CAST(:rows AS json)) ORDER BY client_id"
    " ON CONFLICT (client_id) DO UPDATE SET hold_id = excluded.hold_id, since = excluded.since, band = excluded.band,"
    " cause = excluded.cause, caused_by = excluded.caused_by, moves = excluded.moves, components = excluded.components"
)
_SELECT_HELD = (
    "SELECT client_id, hold_id, since, band, cause, caused_by, moves::text AS moves, components::text AS components"
    " FROM held"
)


async def serialize(session: AsyncSession, movers: Sequence[str]) -> None:
    """One transaction at a time counts what a mover moved; who comes next sees what it counted."""
    for mover in movers:
        await session.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || ' breaker ' || :mover, 0))"),
            {"mover": mover},
        )


async def note_worsened(
    session: AsyncSession, mover: str, client_ids: Iterable[UUID], now: datetime, since: datetime
) -> int:
    """Remember these moves, and count the clients that the mover moved since then, these included."""
    await session.execute(
        text(
            "INSERT INTO worsened (mover, client_id, at) SELECT :mover, u, :now FROM unnest(CAST(:ids AS uuid[])) u"
            " ORDER BY u ON CONFLICT (mover, client_id) DO UPDATE SET at = greatest(worsened.at, excluded.at)"
        ),
        {"mover": mover, "ids": sorted(client_ids), "now": now},
    )
    counted = await session.scalar(
        text("SELECT count(*) FROM worsened WHERE mover = :mover AND at > :since"), {"mover": mover, "since": since}
    )
    return int(counted or 0)


async def forget_worsened(session: AsyncSession, before: datetime) -> None:
    """What is too old to be counted, but for a publication that is being weighed."""
    await session.execute(
        text(
            "DELETE FROM worsened w WHERE at < :before AND NOT EXISTS"
            " (SELECT 1 FROM holds h WHERE h.mover = w.mover AND h.state = 'weighing')"
        ),
        {"before": before},
    )


async def count_clients(session: AsyncSession) -> int:
    """Clients that are with us and were scored: what a share of clients is a share of."""
    found = await session.scalar(
        text("SELECT count(*) FROM clients WHERE NOT ended AND NOT test AND as_of IS NOT NULL")
    )
    return int(found or 0)


async def undecided(session: AsyncSession, mover: str) -> Hold | None:
    """The hold that stops this mover now."""
    rows = await session.execute(
        text(f"SELECT {_HOLD} FROM holds WHERE mover = :mover AND state IN ('weighing', 'open')"),  # noqa: S608  (column names of our own)
        {"mover": mover},
    )
    row = rows.mappings().first()
    return Hold(**row) if row else None


async def let_through(session: AsyncSession, mover: str, now: datetime) -> bool:
    """Whether a person said within the last hour that what this mover does is real."""
    found = await session.scalar(
        text(
            "SELECT EXISTS (SELECT 1 FROM holds WHERE mover = :mover AND state = 'released' AND told_at IS NOT NULL"
            " AND decided_at > :since)"
        ),
        {"mover": mover, "since": now - WINDOW},
    )
    return bool(found)


async def open_hold(session: AsyncSession, hold: Hold) -> None:
    """A new one."""
    await session.execute(
        text(
            f"INSERT INTO holds ({_HOLD}) VALUES ({', '.join(':' + f.name for f in fields(Hold))})"  # noqa: S608  (column names of our own)
        ),
        {f.name: getattr(hold, f.name) for f in fields(Hold)},
    )


async def change(session: AsyncSession, hold: Hold, **changes: Any) -> Hold:
    """The hold with some of its columns changed."""
    await session.execute(
        text(f"UPDATE holds SET {', '.join(f'{name} = :{name}' for name in changes)} WHERE id = :id"),  # noqa: S608  (column names of our own)
        {**changes, "id": hold.id},
    )
    return replace(hold, **changes)


async def supersede(session: AsyncSession, movers: Sequence[str], now: datetime, *, by: str, reason: str) -> None:
    """Another version was published: what these would have moved is worked out anew under that one."""
    await session.execute(
        text(
            "UPDATE holds SET state = 'superseded', decided_at = :now, decided_by = :by, reason = :reason"
            " WHERE mover = ANY(:movers) AND state IN ('weighing', 'open', 'discarded')"
        ),
        {"movers": list(movers), "now": now, "by": by, "reason": reason},
    )


async def hold(session: AsyncSession, hold_id: UUID, *, lock: bool = False) -> Hold:
    """Raises NotFound."""
    rows = await session.execute(
        text(f"SELECT {_HOLD} FROM holds WHERE id = :id" + (" FOR UPDATE" if lock else "")),  # noqa: S608  (column names of our own)
        {"id": hold_id},
    )
    row = rows.mappings().first()
    if row is None:
        raise NotFound("there is no such hold")
    return Hold(**row)


async def holds(session: AsyncSession, ids: Iterable[UUID]) -> dict[UUID, Hold]:
    """By id."""
    rows = await session.execute(
        text(f"SELECT {_HOLD} FROM holds WHERE id = ANY(:ids)"),  # noqa: S608  (column names of our own)
        {"ids": sorted(set(ids))},
    )
    return {row["id"]: Hold(**row) for row in rows.mappings()}


async def page(session: AsyncSession, states: Sequence[str], before: UUID | None, limit: int) -> list[Hold]:
    """Newest first."""
    rows = await session.execute(
        text(
            f"SELECT {_HOLD} FROM holds WHERE state = ANY(:states)"  # noqa: S608  (column names of our own)
            " AND (CAST(:before AS uuid) IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit"
        ),
        {"states": list(states), "before": before, "limit": limit},
    )
    return [Hold(**row) for row in rows.mappings()]


async def count_held(session: AsyncSession, hold_ids: Iterable[UUID]) -> dict[UUID, int]:
    """Clients that each hold still holds."""
    rows = await session.execute(
        text("SELECT hold_id, count(*) AS clients FROM held WHERE hold_id = ANY(:ids) GROUP BY hold_id"),
        {"ids": sorted(set(hold_ids))},
    )
    return {row.hold_id: row.clients for row in rows}


async def held(session: AsyncSession, client_ids: Iterable[UUID]) -> dict[UUID, Held]:
    """Moves that are held, by client."""
    rows = await session.execute(text(f"{_SELECT_HELD} WHERE client_id = ANY(:ids)"), {"ids": sorted(set(client_ids))})
    return {row.client_id: _held(row) for row in rows}


async def note(session: AsyncSession, client_id: UUID) -> HeldNote | None:
    """What is still said of a held client; None for all others."""
    row = (
        await session.execute(
            text(
                "SELECT h.hold_id, holds.state, h.since, c.band, c.score FROM held h"
                " JOIN holds ON holds.id = h.hold_id JOIN clients c ON c.client_id = h.client_id"
                " WHERE h.client_id = :id"
            ),
            {"id": client_id},
        )
    ).first()
    if row is None:
        return None
    band = None if row.band is None else Band(row.band)
    return HeldNote(hold_id=row.hold_id, state=row.state, since=row.since, band_said=band, score_said=points(row.score))


async def held_under(session: AsyncSession, hold_id: UUID, after: UUID, limit: int) -> list[Held]:
    """Clients of one hold in id order, some at a time."""
    rows = await session.execute(
        text(f"{_SELECT_HELD} WHERE hold_id = :hold AND client_id > :after ORDER BY client_id LIMIT :limit"),
        {"hold": hold_id, "after": after, "limit": limit},
    )
    return [_held(row) for row in rows]


async def keep(session: AsyncSession, rows: Sequence[Held]) -> None:
    """Hold these clients, in one statement."""
    if not rows:
        return
    values = [
        {**{name: getattr(row, name) for name in _HELD}, "caused_by": row.caused_by[:KEPT_CAUSES]} for row in rows
    ]
    await session.execute(_KEEP, {"rows": orjson.dumps(values, default=str).decode()})


async def let_go(session: AsyncSession, client_ids: Iterable[UUID]) -> None:
    """These are held no more."""
    if ids := sorted(set(client_ids)):
        await session.execute(text("DELETE FROM held WHERE client_id = ANY(:ids)"), {"ids": ids})


async def count_open(session: AsyncSession) -> tuple[int, int]:
    """Holds that wait for a person, and clients that are held or were discarded."""
    row = (
        await session.execute(
            text(
                "SELECT (SELECT count(*) FROM holds WHERE state = 'open') AS open, (SELECT count(*) FROM held) AS held"
            )
        )
    ).one()
    return row.open, row.held


def _held(row: Any) -> Held:
    return Held(
        row.client_id, row.hold_id, row.since, row.band, row.cause, list(row.caused_by),
        orjson.loads(row.moves), orjson.loads(row.components),
    )  # fmt: skip
