"""The SQL of a client's past: evaluations as they were kept, and what was in force when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from health.repository import Row

Resolution = Literal["all", "day", "week"]

_ROW = ", ".join(field.name for field in fields(Row))


class Wanted(NamedTuple):
    """Which evaluations; None: no bound. Of a day or week the last one that was kept, and the last restated one."""

    since: datetime | None
    until: datetime | None
    modes: Sequence[str]
    resolution: Resolution


@dataclass(frozen=True, slots=True)
class Kept:
    """An evaluation, the start of its day or week, and the model of the item before where that was another."""

    row: Row
    span: datetime
    model_before: str | None
    version_before: int | None


class Publication(NamedTuple):
    """A version came into force."""

    at: datetime
    kind: str
    name: str
    definition_id: UUID


async def history(
    session: AsyncSession, client_id: UUID, wanted: Wanted, after: tuple[datetime, str] | None, limit: int
) -> list[Kept]:
    """Newest first, at most `limit`. `after`: position of the last item of the page before. Restated ones have a
    line of their own beside the others (live and historic)."""
    values: dict[str, Any] = {"client_id": client_id, "modes": list(wanted.modes), "limit": limit}
    conditions = ["client_id = :client_id", "mode = ANY(:modes)"]
    for name, sign, value in (("since", ">=", wanted.since), ("until", "<=", wanted.until)):
        if value is not None:
            conditions.append(f"as_of {sign} :{name}")
            values[name] = value
    each = wanted.resolution == "all"
    span = "as_of" if each else f"date_trunc('{wanted.resolution}', as_of - interval '1 microsecond')"
    distinct = "as_of, mode" if each else "span, restated"
    position = ""
    if after is not None:
        position = "WHERE (as_of, mode) < (:as_of, :mode)" if each else "WHERE span < :as_of"
        values |= {"as_of": after[0]} | ({"mode": after[1]} if each else {})
    rows = await session.execute(
        text(f"""
        SELECT * FROM (
          SELECT *, lag(model) OVER line AS model_before, lag(model_version) OVER line AS version_before FROM (
            SELECT DISTINCT ON ({distinct}) * FROM (
              SELECT {_ROW}, {span} AS span, mode = 'restated' AS restated FROM evaluations
              WHERE {" AND ".join(conditions)}) every
            ORDER BY {distinct}, as_of DESC, mode DESC) found
          WINDOW line AS (PARTITION BY restated ORDER BY as_of, mode)) told
        {position} ORDER BY span DESC, restated, as_of DESC, mode DESC LIMIT :limit
        """),  # noqa: S608  (our own words; values are parameters)
        values,
    )
    return [_kept(row) for row in rows.mappings()]


def _kept(row: Any) -> Kept:
    known = Row(**{field.name: row[field.name] for field in fields(Row)})
    before = (row["model_before"], row["version_before"])
    same = before[0] is None or before == (known.model, known.model_version)
    return Kept(known, row["span"], *((None, None) if same else before))


async def kept_at(session: AsyncSession, client_id: UUID, moment: datetime) -> Row | None:
    """What had been said last at a moment: live, or of an imported span."""
    row = (
        (
            await session.execute(
                text(
                    f"SELECT {_ROW} FROM evaluations WHERE client_id = :client_id AND as_of <= :moment"  # noqa: S608  (column names of our own)
                    " AND mode IN ('live', 'historic') ORDER BY as_of DESC, mode DESC LIMIT 1"
                ),
                {"client_id": client_id, "moment": moment},
            )
        )
        .mappings()
        .first()
    )
    return Row(**row) if row is not None else None


async def first_live(session: AsyncSession, client_id: UUID) -> datetime | None:
    """Since when a client is scored live."""
    found: datetime | None = await session.scalar(
        text("SELECT min(as_of) FROM evaluations WHERE client_id = :client_id AND mode = 'live'"),
        {"client_id": client_id},
    )
    return found


async def publications(session: AsyncSession, kinds: Sequence[str]) -> list[Publication]:
    """All that was ever put in force, in the order in which it was."""
    rows = await session.execute(
        text("SELECT at, kind, name, definition_id FROM publications WHERE kind = ANY(:kinds) ORDER BY at, id"),
        {"kinds": list(kinds)},
    )
    return [Publication(*row) for row in rows]
