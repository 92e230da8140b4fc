"""The SQL of models and journey maps, and the book of what is published."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from common.contracts.ids import derived_id
from common.errors import NotFound
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from health import definitions, signs_definition
from health.book import Book
from health.domain.model import Model
from health.domain.variants import of_name

MODEL, JOURNEY, SIGNS = "model", "journey", "signs"


@dataclass(frozen=True)
class Definition:
    """A version of a model, a journey map or the signs, without its text."""

    id: UUID
    kind: str
    name: str
    version: int
    active: bool
    created_at: datetime
    created_by: str
    published_at: datetime | None
    published_by: str | None
    reason: str | None


_FIELDS = "id, kind, name, version, active, created_at, created_by, published_at, published_by, reason"
_INSERT = text(f"""
INSERT INTO definitions (id, kind, name, version, text, sha256, active, created_at, created_by)
VALUES (:id, :kind, :name, :version, :text, :digest, false, :now, :by) RETURNING {_FIELDS}
""")  # noqa: S608  (our own column names)
_PUBLISH = text(f"""
UPDATE definitions SET active = true, published_at = :now, published_by = :by, reason = :reason
WHERE id = :id RETURNING {_FIELDS}
""")  # noqa: S608  (column names of our own; values are parameters)
_cached: dict[tuple[UUID, ...], Book] = {}
"""The one book last used in this process: texts are immutable, so the ids say whether it still holds."""
_models: dict[tuple[str, int], Model] = {}
"""Older versions, as history names them."""


async def book(session: AsyncSession) -> Book:
    """What is published, as this transaction sees it."""
    ids = tuple(await in_force(session))
    known = _cached.get(ids)
    if known is None:
        known = await _read_book(session, ids)
        _cached.clear()
        _cached[ids] = known
    return known


async def in_force(session: AsyncSession) -> list[UUID]:
    """All that is published now."""
    return list(await session.scalars(text("SELECT id FROM definitions WHERE active ORDER BY kind, name")))


async def book_of(session: AsyncSession, ids: Sequence[UUID]) -> Book:
    """These versions together, published or not."""
    return await _read_book(session, tuple(ids))


async def serialize(session: AsyncSession) -> None:
    """One transaction at a time changes what is in force."""
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtext('health definitions'))"))


async def _read_book(session: AsyncSession, ids: tuple[UUID, ...]) -> Book:
    rows = await session.execute(
        text("SELECT kind, version, text FROM definitions WHERE id = ANY(:ids) ORDER BY kind, name"),
        {"ids": list(ids)},
    )
    models, journeys, signs = [], [], None
    for row in rows:
        if row.kind == MODEL:
            models.append(definitions.model_from(row.text).compiled(row.version))
        elif row.kind == SIGNS:
            signs = signs_definition.signs_from(row.text).compiled(row.version)
        else:
            journeys.append(definitions.journey_from(row.text).compiled(row.version))
    return Book(tuple(models), tuple(journeys), signs)


async def model(session: AsyncSession, name: str, version: int, variant: str | None = None) -> Model:
    """One version of a model, published or not: as it is for everybody, or for a segment and tier (`variants`).

    Raises NotFound.
    """
    known = _models.get((name, version))
    if known is None:
        row = await session.scalar(
            text("SELECT text FROM definitions WHERE kind = 'model' AND name = :name AND version = :version"),
            {"name": name, "version": version},
        )
        if row is None:
            raise NotFound(f"there is no version {version} of the model {name}")
        known = _models[(name, version)] = definitions.model_from(row).compiled(version)
    return of_name(known, variant)


async def add(session: AsyncSession, kind: str, name: str, body: str, *, by: str, now: datetime) -> Definition:
    """A new version; the same text again is the version that it was."""
    digest = hashlib.sha256(body.encode()).hexdigest()
    await serialize(session)
    known = await session.execute(
        text(f"SELECT {_FIELDS} FROM definitions WHERE kind = :kind AND name = :name AND sha256 = :digest"),  # noqa: S608  (column names of our own; values are parameters)
        {"kind": kind, "name": name, "digest": digest},
    )
    if (row := known.first()) is not None:
        return _definition(row)
    version = await session.scalar(
        text("SELECT coalesce(max(version), 0) + 1 FROM definitions WHERE kind = :kind AND name = :name"),
        {"kind": kind, "name": name},
    )
    inserted = await session.execute(
        _INSERT,
        {
            "id": derived_id("definition", kind, name, version),
            "kind": kind,
            "name": name,
            "version": version,
            "text": body,
            "digest": digest,
            "now": now,
            "by": by,
        },
    )
    return _definition(inserted.one())


async def publish(session: AsyncSession, definition_id: UUID, *, by: str, reason: str, now: datetime) -> Definition:
    """Make a version the one in force; publishing an older one takes the newer back. Raises NotFound."""
    await serialize(session)
    await session.execute(
        text(
            "UPDATE definitions SET active = false FROM (SELECT kind, name FROM definitions WHERE id = :id) this"
            " WHERE definitions.kind = this.kind AND definitions.name = this.name AND active"
        ),
        {"id": definition_id},
    )
    published = await session.execute(
        _PUBLISH,
        {"id": definition_id, "now": now, "by": by, "reason": reason},
    )
    if (row := published.first()) is None:
        raise NotFound("there is no such model")
    return _definition(row)


async def versions(session: AsyncSession, kind: str) -> list[Definition]:
    """All versions, newest first."""
    rows = await session.execute(
        text(f"SELECT {_FIELDS} FROM definitions WHERE kind = :kind ORDER BY name, version DESC"),  # noqa: S608  (column names of our own; values are parameters)
        {"kind": kind},
    )
    return [_definition(row) for row in rows]


async def read(session: AsyncSession, definition_id: UUID) -> tuple[Definition, str]:
    """A version with its text. Raises NotFound."""
    result = await session.execute(
        text(f"SELECT {_FIELDS}, text FROM definitions WHERE id = :id"),  # noqa: S608  (column names of our own; values are parameters)
        {"id": definition_id},
    )
    if (row := result.first()) is None:
        raise NotFound("there is no such model")
    return _definition(row), row.text


def _definition(row: Any) -> Definition:
    return Definition(**{name: getattr(row, name) for name in Definition.__dataclass_fields__})
