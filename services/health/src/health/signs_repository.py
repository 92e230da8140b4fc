"""The SQL of signs: those that are open, their history, and what people ask of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


@dataclass
class Row:
    """A row of `signs`: one condition of one client, from when we noticed it to when it ended."""

    client_id: UUID
    sign: str
    about: str
    noticed_at: datetime
    kind: str
    started_at: datetime
    text: str
    told: bool
    definition: str
    definition_version: int
    caused_by: list[UUID] = field(default_factory=list)
    ended_at: datetime | None = None
    ended_text: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        return (self.sign, self.about)


_COLUMNS = [f.name for f in fields(Row)]
_KEY = ("client_id", "sign", "about", "noticed_at")
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM signs"  # noqa: S608  (column names of our own class)
_SAVE = text(
    f"INSERT INTO signs ({', '.join(_COLUMNS)})"  # noqa: S608  (column names of our own class)
    f" SELECT {', '.join(_COLUMNS)} FROM json_populate_recordset(NULL::signs, CAST(:rows AS json))"
    f" ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET"
    f" {', '.join(f'{c} = excluded.{c}' for c in _COLUMNS if c not in _KEY)}"
)


async def open_of(session: AsyncSession, client_ids: Iterable[UUID]) -> dict[UUID, list[Row]]:
    """The signs that these clients show. Who holds a client's state holds these rows too."""
    rows = await session.execute(
        text(f"{_SELECT} WHERE client_id = ANY(:ids) AND ended_at IS NULL ORDER BY client_id, sign, about"),
        {"ids": list(client_ids)},
    )
    found: dict[UUID, list[Row]] = {}
    for row in rows.mappings():
        found.setdefault(row["client_id"], []).append(Row(**row))
    return found


async def save(session: AsyncSession, rows: Sequence[Row]) -> None:
    """Upsert in one statement; what ended comes first, so that the same sign may begin again in the same breath."""
    for group in ([row for row in rows if row.ended_at is not None], [row for row in rows if row.ended_at is None]):
        values = [{name: getattr(row, name) for name in _COLUMNS} for row in sorted(group, key=_order)]
        if values:
            await session.execute(_SAVE, {"rows": orjson.dumps(values, default=str).decode()})


def _order(row: Row) -> tuple[UUID, str, str, datetime]:
    return (row.client_id, row.sign, row.about, row.noticed_at)


async def close(session: AsyncSession, client_ids: Iterable[UUID], now: datetime, why: str) -> None:
    """In silence: of clients that were merged into others, which show these signs themselves now."""
    await session.execute(
        text("UPDATE signs SET ended_at = :now, ended_text = :why WHERE client_id = ANY(:ids) AND ended_at IS NULL"),
        {"ids": list(client_ids), "now": now, "why": why},
    )


async def delete(session: AsyncSession, client_ids: Iterable[UUID]) -> None:
    """Of erased clients."""
    await session.execute(text("DELETE FROM signs WHERE client_id = ANY(:ids)"), {"ids": list(client_ids)})


async def forget(session: AsyncSession, before: datetime) -> None:
    """What ended long ago, some at a time."""
    await session.execute(
        text(
            "DELETE FROM signs WHERE (client_id, sign, about, noticed_at) IN"
            " (SELECT client_id, sign, about, noticed_at FROM signs WHERE noticed_at < :before"
            " AND ended_at < :before ORDER BY noticed_at LIMIT 5000)"
        ),
        {"before": before},
    )


async def count_open(session: AsyncSession, client_ids: Iterable[UUID]) -> dict[UUID, int]:
    """Open signs by client; clients without any are absent."""
    rows = await session.execute(
        text(
            "SELECT client_id, count(*) AS signs FROM signs WHERE client_id = ANY(:ids) AND ended_at IS NULL"
            " GROUP BY client_id"
        ),
        {"ids": list(client_ids)},
    )
    return {row.client_id: row.signs for row in rows}


@dataclass(frozen=True)
class Filter:
    """Which signs a list shows; None: all. `csm_email` and `tier` are the client's."""

    client_id: UUID | None = None
    kind: str | None = None
    sign: str | None = None
    open: bool | None = None
    csm_email: str | None = None
    tier: str | None = None


_CONDITIONS = {
    "client_id": "s.client_id = :client_id",
    "kind": "s.kind = :kind",
    "sign": "s.sign = :sign",
    "open": "(s.ended_at IS NULL) = :open",
    "csm_email": "c.csm_email = :csm_email",
    "tier": "c.tier = :tier",
}

Position = tuple[datetime, UUID, str, str]
"""(noticed_at, client_id, sign, about) of the last row of the page before."""


async def page(
    session: AsyncSession, wanted: Filter, after: Position | None, limit: int
) -> list[tuple[Row, str | None]]:
    """Signs with their clients' names, latest noticed first."""
    values: dict[str, Any] = {name: value for name in _CONDITIONS if (value := getattr(wanted, name)) is not None}
    conditions = ["true", *(_CONDITIONS[name] for name in values)]
    if after is not None:
        conditions.append(
            "(s.noticed_at, s.client_id, s.sign, s.about) < (:noticed_at, :after_id, :after_sign, :after_about)"
        )
        values |= dict(zip(("noticed_at", "after_id", "after_sign", "after_about"), after, strict=True))
    columns = ", ".join(f"s.{name}" for name in _COLUMNS)
    rows = await session.execute(
        text(
            f"SELECT {columns}, c.name AS client_name FROM signs s LEFT JOIN clients c USING (client_id)"  # noqa: S608  (our own words)
            f" WHERE {' AND '.join(conditions)}"
            " ORDER BY s.noticed_at DESC, s.client_id DESC, s.sign DESC, s.about DESC LIMIT :limit"
        ),
        {**values, "limit": limit},
    )
    return [(Row(**{n: row[n] for n in _COLUMNS}), row["client_name"]) for row in rows.mappings()]
