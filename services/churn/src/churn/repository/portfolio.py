"""What all clients stand at now, in one statement: for choosing thresholds. No lock."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from churn.domain.thresholds import Standing


@dataclass(frozen=True, slots=True)
class Portfolio:
    """Clients that are assessed, by what assesses them: a model, or the scorecard in points."""

    standing: list[Standing]
    points: list[float]


async def read(session: AsyncSession) -> Portfolio:
    """Everybody who is a client now and was assessed."""
    rows = await session.execute(
        text("""
        SELECT client_id, csm, probability, mrr, currency, CAST(last->>'points' AS float8) AS points
        FROM risks WHERE ended IS NULL AND due_on IS NOT NULL AND last IS NOT NULL ORDER BY client_id
        """)
    )
    found = Portfolio([], [])
    for row in rows:
        if row.probability is not None:
            found.standing.append(Standing(row.client_id, row.csm, row.probability, row.mrr, row.currency))
        elif row.points is not None:
            found.points.append(row.points)
    return found
