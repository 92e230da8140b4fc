"""Rows of source_secrets: sealed, at most two of a source active; the retired ones stay as their own audit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

ROTATING = 0x53454352
"""Advisory lock of whoever adds or retires a secret."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One secret: who added it when, who retired it when. `sealed` is empty once it is retired."""

    id: UUID
    source: str
    key_id: str
    sealed: bytes | None
    added_at: datetime
    added_by: str
    retired_at: datetime | None
    retired_by: str | None


_ACTIVE = text("""
SELECT id, source, key_id, sealed, added_at, added_by, retired_at, retired_by FROM source_secrets
WHERE retired_at IS NULL ORDER BY added_at DESC, id DESC
""")
_OF = text("""
SELECT id, source, key_id, sealed, added_at, added_by, retired_at, retired_by FROM source_secrets
WHERE source = :source ORDER BY added_at DESC, id DESC
""")


async def lock(session: AsyncSession) -> None:
    """One rotation at a time."""
    await session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": ROTATING})


async def active(session: AsyncSession) -> list[Kept]:
    """Those in force, of every source, the newest first."""
    rows = await session.execute(_ACTIVE)
    return [Kept(**row) for row in rows.mappings()]


async def of(session: AsyncSession, source: str) -> list[Kept]:
    """All there ever were of a source, the newest first."""
    rows = await session.execute(_OF, {"source": source})
    return [Kept(**row) for row in rows.mappings()]


async def add(session: AsyncSession, rows: Sequence[Kept]) -> None:
    for row in rows:
        await session.execute(
            text(
                "INSERT INTO source_secrets (id, source, key_id, sealed, added_at, added_by)"
                " VALUES (:id, :source, :key_id, :sealed, :added_at, :added_by)"
            ),
            {
                "id": row.id, "source": row.source, "key_id": row.key_id, "sealed": row.sealed,
                "added_at": row.added_at, "added_by": row.added_by,
            },
        )  # fmt: skip


async def retire(session: AsyncSession, ids: Sequence[UUID], *, at: datetime, by: str) -> None:
    """What is out of force is not kept, sealed or not; that it was there is."""
    await session.execute(
        text(
            "UPDATE source_secrets SET sealed = NULL, retired_at = :at, retired_by = :by"
            " WHERE id = ANY(:ids) AND retired_at IS NULL"
        ),
        {"ids": list(ids), "at": at, "by": by},
    )


async def reseal(session: AsyncSession, id_: UUID, *, key_id: str, sealed: bytes) -> None:
    """The same secret under the newest key."""
    await session.execute(
        text("UPDATE source_secrets SET sealed = :sealed, key_id = :key_id WHERE id = :id AND retired_at IS NULL"),
        {"id": id_, "sealed": sealed, "key_id": key_id},
    )
