"""The SQL of lists and histories, for people to read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from health.repository import Client

Sort = Literal["score", "-score", "mrr", "-mrr", "name", "-name", "as_of", "-as_of"]

_KEYS = {
    "score": ("coalesce(score, -1)", "integer"),
    "mrr": ("mrr", "bigint"),
    "name": ("lower(coalesce(name, ''))", "text"),
    "as_of": ("coalesce(as_of, 'epoch')", "timestamptz"),
}


@dataclass(frozen=True)
class Filter:
    """Which clients a list shows; None: all."""

    band: str | None = None
    tier: str | None = None
    segment: str | None = None
    csm_email: str | None = None
    phase: str | None = None
    journey: str | None = None
    name: str | None = None
    ended: bool | None = False
    test: bool | None = None


async def page(
    session: AsyncSession, wanted: Filter, sort: Sort, after: tuple[Any, UUID] | None, limit: int
) -> list[tuple[Client, Any]]:
    """Rows with their sort values. `after`: value and id of the last row of the page before."""
    key, kind = _KEYS[sort.removeprefix("-")]
    down = sort.startswith("-")
    conditions, values = _conditions(wanted)
    if after is not None:
        conditions.append(f"({key}, client_id) {'<' if down else '>'} (CAST(:value AS {kind}), :after)")
        value = datetime.fromisoformat(after[0]) if kind == "timestamptz" and isinstance(after[0], str) else after[0]
        values |= {"value": value, "after": after[1]}
    direction = "DESC" if down else "ASC"
    rows = await session.execute(
        text(
            f"SELECT *, {key} AS sort_value FROM clients WHERE {' AND '.join(conditions)}"  # noqa: S608  (our own words)
            f" ORDER BY {key} {direction}, client_id {direction} LIMIT :limit"
        ),
        {**values, "limit": limit},
    )
    result = []
    for row in rows.mappings():
        known = dict(row)
        value = known.pop("sort_value")
        result.append((Client(**known), value))
    return result


def _conditions(wanted: Filter) -> tuple[list[str], dict[str, Any]]:
    conditions, values = ["true"], {}
    for column in ("band", "tier", "segment", "csm_email", "phase", "journey", "ended", "test"):
        value = getattr(wanted, column)
        if value is not None:
            conditions.append(f"{column} = :{column}")
            values[column] = value
    if wanted.name is not None:
        conditions.append("strpos(lower(name), lower(:name)) > 0")
        values["name"] = wanted.name
    return conditions, values
