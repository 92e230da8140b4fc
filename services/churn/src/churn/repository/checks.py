"""What drift and matured predictions showed, by day; and what there is to look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from churn.domain.moments import date_of


@dataclass(frozen=True, slots=True)
class ModelCheck:
    """One day's look at the model in service."""

    model_id: UUID
    day: date
    clients: int
    prediction_psi: float
    feature_psi: Mapping[str, float]
    noise_psi: float
    predictions: int
    expected: float
    came: int
    low: int
    high: int
    judged: bool
    broken: bool


async def exists(session: AsyncSession, model_id: UUID, day: date) -> bool:
    found = await session.scalar(
        text("SELECT 1 FROM model_checks WHERE model_id = :model_id AND day = :day"),
        {"model_id": model_id, "day": day},
    )
    return found is not None


async def add(session: AsyncSession, check: ModelCheck) -> bool:
    """Keep a day's look; False if another process was quicker."""
    values = {name: getattr(check, name) for name in check.__slots__}
    result = await session.execute(
        text("""
        INSERT INTO model_checks (model_id, day, clients, prediction_psi, feature_psi, noise_psi, predictions,
                                  expected, came, low, high, judged, broken)
        VALUES (:model_id, :day, :clients, :prediction_psi, CAST(:feature_psi AS jsonb), :noise_psi, :predictions,
                :expected, :came, :low, :high, :judged, :broken)
        ON CONFLICT DO NOTHING RETURNING 1
        """),
        {**values, "feature_psi": orjson.dumps(dict(check.feature_psi)).decode()},
    )
    return result.first() is not None


async def of_model(session: AsyncSession, model_id: UUID, limit: int) -> list[ModelCheck]:
    """Newest first."""
    rows = await session.execute(
        text(
            "SELECT model_id, day, clients, prediction_psi, feature_psi, noise_psi, predictions, expected, came, low,"
            " high, judged, broken FROM model_checks WHERE model_id = :id ORDER BY day DESC LIMIT :limit"
        ),
        {"id": model_id, "limit": limit},
    )
    return [ModelCheck(**row) for row in rows.mappings()]


async def clients_after(session: AsyncSession, after: UUID | None, limit: int) -> list[UUID]:
    """Ids of all clients ever assessed, in order, those that have left too."""
    rows = await session.scalars(
        text("SELECT client_id FROM risks WHERE client_id > :after ORDER BY client_id LIMIT :limit"),
        {"after": after or UUID(int=0), "limit": limit},
    )
    return list(rows)


async def said_on(session: AsyncSession, days: Mapping[UUID, int], version: str) -> dict[UUID, tuple[datetime, float]]:
    """What a model last said of each client on its day (UTC, since 1970): when, and the probability."""
    if not days:
        return {}
    starts = [datetime.combine(date_of(day), datetime.min.time(), UTC) for day in days.values()]
    rows = await session.execute(
        text("""
        SELECT DISTINCT ON (a.client_id) a.client_id, a.as_of, CAST(a.body ->> 'probability' AS float8)
        FROM unnest(CAST(:ids AS uuid[]), CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[]))
             AS u(client_id, starts, ends)
        JOIN assessments a ON a.client_id = u.client_id AND a.as_of >= u.starts AND a.as_of < u.ends
        WHERE a.body ->> 'model_version' = :version AND a.body ->> 'probability' IS NOT NULL
        ORDER BY a.client_id, a.as_of DESC
        """),
        {"ids": list(days), "starts": starts, "ends": [s + timedelta(days=1) for s in starts], "version": version},
    )
    return {client_id: (as_of, probability) for client_id, as_of, probability in rows}


async def forget(session: AsyncSession, before: date) -> None:
    await session.execute(text("DELETE FROM model_checks WHERE day < :before"), {"before": before})
