"""The audit: who changed whose something is, and who was erased. Rows are never changed; they name no person."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from common.ids import new_id
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


async def note(
    session: AsyncSession, action: str, *, at: datetime, by: str, client_id: UUID | None, detail: Mapping[str, Any]
) -> None:
    """One line, in the transaction of what it tells of."""
    await session.execute(
        text(
            "INSERT INTO audit (id, at, by, action, client_id, detail)"
            " VALUES (:id, :at, :by, :action, :client_id, CAST(:detail AS jsonb))"
        ),
        {
            "id": new_id(), "at": at, "by": by, "action": action, "client_id": client_id,
            "detail": json.dumps(dict(detail), default=str),
        },
    )  # fmt: skip


async def lines(
    session: AsyncSession, *, before: UUID | None, limit: int, client_id: UUID | None, action: str | None
) -> list[dict[str, Any]]:
    """Newest first."""
    rows = await session.execute(
        text("""
        SELECT id, at, by, action, client_id, detail::text AS detail FROM audit
        WHERE (CAST(:before AS uuid) IS NULL OR id < :before)
          AND (CAST(:client AS uuid) IS NULL OR client_id = :client)
          AND (CAST(:action AS text) IS NULL OR action = :action)
        ORDER BY id DESC LIMIT :limit
        """),
        {"before": before, "limit": limit, "client": client_id, "action": action},
    )
    return [{**row, "detail": json.loads(row["detail"])} for row in rows.mappings()]
