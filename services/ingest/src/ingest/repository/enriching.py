"""Rows of enrichments: objects of vendors that a webhook only named, until they are fetched."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_COUNTS = text("SELECT source, kind, state, count(*) AS count FROM enrichments GROUP BY source, kind, state")
_LAST = text("""
SELECT source, max(fetched_at) AS fetched_at, max(failed_at) AS failed_at,
  (array_agg(failure ORDER BY failed_at DESC) FILTER (WHERE failed_at IS NOT NULL))[1] AS failure
FROM enrichments GROUP BY source
""")
WAITING, DONE, GONE, FAILED = "waiting", "done", "gone", "failed"


async def states(session: AsyncSession) -> dict[str, dict[str, Any]]:
    """By source: how many objects of each kind in each state, when one was last fetched, and what failed last."""
    found: dict[str, dict[str, Any]] = {}
    for row in await session.execute(_LAST):
        since_then = row.failed_at is not None and (row.fetched_at is None or row.failed_at > row.fetched_at)
        failed_at: datetime | None = row.failed_at if since_then else None
        found[row.source] = {
            "counts": {},
            "fetched_at": row.fetched_at,
            "failed_at": failed_at,
            "failure": row.failure if since_then else None,
        }
    for row in await session.execute(_COUNTS):
        if row.source in found:
            found[row.source]["counts"].setdefault(row.state, {})[row.kind] = row.count
    return found
