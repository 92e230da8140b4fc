"""The CRM's picture of each client: what it should say, what it says, when to write."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from common.ids import new_id
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from notify.domain.crm import Status


@dataclass(frozen=True, slots=True)
class Entry:
    """One client's row. `due_at` None: nothing to write."""

    client_id: UUID
    company_id: str | None
    wanted: Status
    written: Status | None = None
    written_at: datetime | None = None
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """A write-back that this worker may do until its lease ends."""

    claim: UUID
    client_id: UUID
    company_id: str
    wanted: Status
    attempts: int
    failing_since: datetime | None


def _status(value: Any) -> Status | None:
    if value is None:
        return None
    kept = json.loads(value) if isinstance(value, str) else value
    orders = {name: tuple(kept[name]) if kept.get(name) else None for name in ("health_order", "risk_order")}
    return Status(**{**kept, **orders})


async def lock(session: AsyncSession, client_ids: Sequence[UUID]) -> dict[UUID, Entry]:
    """Rows of these clients, locked in id order; clients without one are absent."""
    result = await session.execute(
        text(
            "SELECT client_id, company_id, wanted, written, written_at, due_at FROM crm_status"
            " WHERE client_id = ANY(:ids) ORDER BY client_id FOR UPDATE"
        ),
        {"ids": list(client_ids)},
    )
    return {
        row.client_id: Entry(
            row.client_id,
            row.company_id,
            _status(row.wanted) or Status(),
            _status(row.written),
            row.written_at,
            row.due_at,
        )
        for row in result
    }


async def save(session: AsyncSession, entries: Sequence[Entry]) -> None:
    """What is wanted and when; a write under way books itself and then looks again."""
    if not entries:
        return
    rows = sorted(entries, key=lambda entry: entry.client_id)
    await session.execute(
        text("""
        WITH saved AS (
          INSERT INTO crm_status AS s (client_id, company_id, wanted, due_at)
          SELECT u.id, u.company, u.wanted::jsonb, u.due
          FROM unnest(CAST(:ids AS uuid[]), CAST(:companies AS text[]), CAST(:wanted AS text[]),
                      CAST(:dues AS timestamptz[])) AS u(id, company, wanted, due)
          ON CONFLICT (client_id) DO UPDATE SET company_id = excluded.company_id, wanted = excluded.wanted,
            written = CASE WHEN s.company_id IS DISTINCT FROM excluded.company_id THEN NULL ELSE s.written END,
            -- A row that waits out a back-off keeps it: a newer state is written then.
            due_at = CASE WHEN s.failing_since IS NOT NULL AND s.due_at IS NOT NULL
                          THEN greatest(s.due_at, excluded.due_at) ELSE excluded.due_at END
        )
        SELECT pg_notify(current_schema() || '_crm', '')
        """),
        {
            "ids": [entry.client_id for entry in rows],
            "companies": [entry.company_id for entry in rows],
            "wanted": [json.dumps(asdict(entry.wanted)) for entry in rows],
            "dues": [entry.due_at for entry in rows],
        },
    )


async def drop(session: AsyncSession, client_ids: Sequence[UUID]) -> None:
    if client_ids:
        await session.execute(text("DELETE FROM crm_status WHERE client_id = ANY(:ids)"), {"ids": sorted(client_ids)})


async def claim(session: AsyncSession, *, now: datetime, until: datetime, limit: int) -> list[Write]:
    mine = new_id()
    result = await session.execute(
        text("""
        WITH due AS (
          SELECT client_id FROM crm_status
          WHERE due_at <= :now AND company_id IS NOT NULL AND (lease_until IS NULL OR lease_until <= :now)
          ORDER BY due_at, client_id LIMIT :limit FOR UPDATE SKIP LOCKED)
        UPDATE crm_status s SET claim = :claim, lease_until = :until, attempts = attempts + 1
        FROM due WHERE s.client_id = due.client_id
        RETURNING s.client_id, s.company_id, s.wanted, s.attempts, s.failing_since
        """),
        {"now": now, "until": until, "limit": limit, "claim": mine},
    )
    return [
        Write(mine, row.client_id, row.company_id, _status(row.wanted) or Status(), row.attempts, row.failing_since)
        for row in result
    ]


async def written(session: AsyncSession, write: Write, *, wall: datetime) -> Entry | None:
    """Book a write; returns the row as it is now, which may want more. None when the lease was lost."""
    result = await session.execute(
        text("""
        UPDATE crm_status SET written = CAST(:written AS jsonb), written_at = :wall, due_at = NULL, lease_until = NULL,
          claim = NULL, attempts = 0, failing_since = NULL, last_error = NULL, writes = writes + 1
        WHERE client_id = :id AND claim = :claim RETURNING company_id, wanted
        """),
        {"id": write.client_id, "claim": write.claim, "written": json.dumps(asdict(write.wanted)), "wall": wall},
    )
    row = result.one_or_none()
    if row is None:
        return None
    return Entry(write.client_id, row.company_id, _status(row.wanted) or Status(), write.wanted, wall)


async def failed(session: AsyncSession, write: Write, *, due_at: datetime | None, error: str, wall: datetime) -> None:
    """Try again at `due_at`; None: not before the next news of this client."""
    await session.execute(
        text(
            "UPDATE crm_status SET due_at = :due_at, lease_until = NULL, claim = NULL, last_error = :error,"
            " failing_since = CASE WHEN CAST(:due_at AS timestamptz) IS NULL THEN NULL"
            " ELSE coalesce(failing_since, :wall) END WHERE client_id = :id AND claim = :claim"
        ),
        {"id": write.client_id, "claim": write.claim, "due_at": due_at, "error": error, "wall": wall},
    )


async def page(session: AsyncSession, *, failing: bool, after: UUID | None, limit: int) -> list[Mapping[str, Any]]:
    result = await session.execute(
        text(
            "SELECT client_id, company_id, wanted, written, written_at, due_at, attempts, last_error, writes"
            " FROM crm_status WHERE (CAST(:after AS uuid) IS NULL OR client_id > :after)"
            " AND (NOT :failing OR last_error IS NOT NULL) ORDER BY client_id LIMIT :limit"
        ),
        {"after": after, "failing": failing, "limit": limit},
    )
    return [dict(row) for row in result.mappings()]


async def backlog(session: AsyncSession, now: datetime) -> tuple[int, datetime | None]:
    """How many writes are due or failing, and since when the oldest should have been done."""
    row = (
        await session.execute(
            text(
                "SELECT count(*) AS due, min(coalesce(failing_since, due_at)) AS since FROM crm_status"
                " WHERE due_at IS NOT NULL AND (due_at <= :now OR failing_since IS NOT NULL)"
                " AND company_id IS NOT NULL"
            ),
            {"now": now},
        )
    ).one()
    return int(row.due), row.since
