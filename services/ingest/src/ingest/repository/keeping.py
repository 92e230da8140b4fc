"""Partitions and gauges: what is kept how long, and how much waits."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

AHEAD = 3
PREFIX = "raw_bodies_d"
DEFAULT = "raw_bodies_default"


async def maintain_raw(session: AsyncSession, today: date, retention: timedelta) -> None:
    """Make the partitions of the days ahead; drop the days past the retention."""
    have = {
        str(name)
        for name in await session.scalars(
            text(
                "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
                " WHERE i.inhparent = 'raw_bodies'::regclass"
            )
        )
    }
    held = set(await session.scalars(text("SELECT DISTINCT day FROM raw_bodies_default")))
    for ahead in range(AHEAD + 1):
        day = today + timedelta(days=ahead)
        # a day whose rows went to the default partition already stays there: it cannot be split off in place
        if partition(day) not in have and day not in held:
            following = day + timedelta(days=1)
            await session.execute(
                text(
                    f"CREATE TABLE {partition(day)} PARTITION OF raw_bodies"
                    f" FOR VALUES FROM ('{day}') TO ('{following}')"
                )
            )
    for name in have - {DEFAULT}:
        if _day(name) < today - retention:
            await session.execute(text(f"DROP TABLE {name}"))
    await session.execute(text("DELETE FROM raw_bodies_default WHERE day < :day"), {"day": today - retention})


def partition(day: date) -> str:
    return PREFIX + day.isoformat().replace("-", "_")


def _day(name: str) -> date:
    return date.fromisoformat(name.removeprefix(PREFIX).replace("_", "-"))


async def backlog(session: AsyncSession) -> tuple[int, int, int]:
    """Unmatched refs, parked events, open bodies of the quarantine."""
    row = (
        await session.execute(
            text(
                "SELECT (SELECT count(*) FROM unmatched), (SELECT count(*) FROM parked),"
                " (SELECT count(*) FROM quarantine WHERE resolved_at IS NULL)"
            )
        )
    ).one()
    return int(row[0]), int(row[1]), int(row[2])


async def feed_states(session: AsyncSession) -> list[tuple[str, str, datetime | None]]:
    rows = await session.execute(text("SELECT source, state, last_received_at FROM feeds"))
    return [(row.source, row.state, row.last_received_at) for row in rows]
