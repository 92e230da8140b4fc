"""The SQL of publications: which definition was put in force when, by whom and why."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

PUBLISH, TAKE_BACK = "publish", "take_back"


@dataclass(frozen=True, slots=True)
class Publication:
    """A version was put in force. `difference`: what it would change, in figures, as shown before."""

    id: UUID
    definition_id: UUID
    kind: str
    name: str
    version: int
    before_id: UUID | None
    action: str
    at: datetime
    by: str
    reason: str
    difference: dict[str, Any] | None = None


_COLUMNS = [f.name for f in fields(Publication)]


async def note(session: AsyncSession, publication: Publication) -> None:
    """Keep it."""
    values = {name: getattr(publication, name) for name in _COLUMNS}
    body = None if publication.difference is None else orjson.dumps(publication.difference).decode()
    await session.execute(
        text(
            f"INSERT INTO publications ({', '.join(_COLUMNS)})"  # noqa: S608  (column names of our own)
            f" VALUES ({', '.join(f':{name}' for name in _COLUMNS[:-1])}, CAST(:difference AS json))"
        ),
        {**values, "difference": body},
    )


async def in_force(session: AsyncSession, kind: str, name: str) -> UUID | None:
    """The version of this name that is in force."""
    found: UUID | None = await session.scalar(
        text("SELECT id FROM definitions WHERE kind = :kind AND name = :name AND active"), {"kind": kind, "name": name}
    )
    return found


async def last(session: AsyncSession, kind: str, name: str) -> datetime | None:
    """When a version of this name was put in force last."""
    found: datetime | None = await session.scalar(
        text("SELECT max(at) FROM publications WHERE kind = :kind AND name = :name"), {"kind": kind, "name": name}
    )
    return found


async def versions(session: AsyncSession, kind: str, name: str) -> list[UUID]:
    """All versions of a name."""
    rows = await session.scalars(
        text("SELECT id FROM definitions WHERE kind = :kind AND name = :name"), {"kind": kind, "name": name}
    )
    return list(rows)


async def before(session: AsyncSession, definition_id: UUID) -> UUID | None:
    """What was in force before this version was published; taking back does not count as publishing."""
    found: UUID | None = await session.scalar(
        text("""
        WITH this AS (SELECT kind, name, at, id FROM publications
                      WHERE definition_id = :id AND action = 'publish' ORDER BY at DESC, id DESC LIMIT 1)
        SELECT p.definition_id FROM publications p JOIN this ON (p.kind, p.name) = (this.kind, this.name)
        WHERE (p.at, p.id) < (this.at, this.id) AND p.definition_id <> :id ORDER BY p.at DESC, p.id DESC LIMIT 1
        """),
        {"id": definition_id},
    )
    return found


async def page(session: AsyncSession, after: tuple[datetime, UUID] | None, limit: int) -> list[Publication]:
    """Newest first."""
    rows = await session.execute(
        text(
            f"SELECT {', '.join(_COLUMNS[:-1])}, difference::text AS difference FROM publications"  # noqa: S608  (column names of our own)
            " WHERE CAST(:at AS timestamptz) IS NULL OR (at, id) < (:at, CAST(:id AS uuid))"
            " ORDER BY at DESC, id DESC LIMIT :limit"
        ),
        {"at": after[0] if after else None, "id": after[1] if after else None, "limit": limit},
    )
    return [
        Publication(**{**row, "difference": None if row["difference"] is None else orjson.loads(row["difference"])})
        for row in rows.mappings()
    ]
