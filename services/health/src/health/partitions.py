"""Months of `evaluations`: made ahead, dropped when they are too old. Imported history lies in the default one."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

MONTHS_AHEAD = 2


async def tend(session: AsyncSession, now: datetime, months_kept: int) -> None:
    """A month that already has rows in the default partition stays there: nothing is moved under load."""
    first = now.year * 12 + now.month - 1
    existing = set(
        await session.scalars(
            text(
                "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
                " WHERE i.inhparent = 'evaluations'::regclass"
            )
        )
    )
    for month in range(first, first + MONTHS_AHEAD + 1):
        if _name(month) not in existing and not await _in_default(session, month):
            await session.execute(
                text(
                    f"CREATE TABLE {_name(month)} PARTITION OF evaluations"
                    f" FOR VALUES FROM ('{_begin(month)}') TO ('{_begin(month + 1)}')"
                )
            )
    oldest = first - months_kept
    for name in existing - {"evaluations_default"}:
        if _month(name) < oldest:
            await session.execute(text(f"DROP TABLE {name}"))
    await session.execute(
        text("DELETE FROM evaluations_default WHERE as_of < CAST(:oldest AS timestamptz)"),
        {"oldest": datetime.fromisoformat(f"{_begin(oldest)}+00:00")},
    )


async def _in_default(session: AsyncSession, month: int) -> bool:
    return bool(
        await session.scalar(
            text(
                "SELECT EXISTS (SELECT 1 FROM evaluations_default"
                " WHERE as_of >= CAST(:begin AS timestamptz) AND as_of < CAST(:end AS timestamptz))"
            ),
            {
                "begin": datetime.fromisoformat(f"{_begin(month)}+00:00"),
                "end": datetime.fromisoformat(f"{_begin(month + 1)}+00:00"),
            },
        )
    )


def _begin(month: int) -> str:
    return f"{month // 12:04d}-{month % 12 + 1:02d}-01"


def _name(month: int) -> str:
    return f"evaluations_m{_begin(month)[:7].replace('-', '_')}"


def _month(name: str) -> int:
    year, month = name.removeprefix("evaluations_m").split("_")
    return int(year) * 12 + int(month) - 1
