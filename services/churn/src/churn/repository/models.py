"""The registry of models: what was stored, what is in service, and who decided so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from churn.adapters.stored_model import StoredModel

_COLUMNS = (
    "model_id, version, kind, created_at, created_by, sha256, features, calibration, libraries, trained_on,"
    " fingerprint, horizon_days, metrics"
)


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A model of the registry, without its bytes."""

    model_id: UUID
    version: str
    kind: str
    created_at: datetime
    created_by: str
    sha256: str
    features: Sequence[str]
    calibration: Mapping[str, Any]
    libraries: Mapping[str, str]
    trained_on: str
    fingerprint: str
    horizon_days: int
    metrics: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Promotion:
    """Who put what in service, and why; `model_id` None is the scorecard."""

    nth: int
    model_id: UUID | None
    action: str
    by: str
    reason: str
    at: datetime


async def add(session: AsyncSession, record: ModelRecord, content: bytes, card: str) -> None:
    await session.execute(
        text(f"""
        INSERT INTO models ({_COLUMNS}, content, card)
        VALUES (:model_id, :version, :kind, :created_at, :created_by, :sha256, CAST(:features AS jsonb),
                CAST(:calibration AS jsonb), CAST(:libraries AS jsonb), :trained_on, :fingerprint, :horizon_days,
                CAST(:metrics AS jsonb), :content, :card)
        """),  # noqa: S608  (our own column names)
        {
            **{name: getattr(record, name) for name in _COLUMNS.replace(" ", "").split(",")},
            **{
                name: orjson.dumps(getattr(record, name)).decode()
                for name in ("features", "calibration", "libraries", "metrics")
            },
            "content": content,
            "card": card,
        },
    )


async def find(session: AsyncSession, model_id: UUID) -> ModelRecord | None:
    rows = await session.execute(
        text(f"SELECT {_COLUMNS} FROM models WHERE model_id = :id"),  # noqa: S608  (our own column names)
        {"id": model_id},
    )
    row = rows.mappings().first()
    return ModelRecord(**row) if row else None


async def stored(session: AsyncSession, model_id: UUID) -> StoredModel:
    """The bytes and what is needed to read them."""
    row = (
        await session.execute(
            text("SELECT content, sha256, features, calibration, libraries, kind FROM models WHERE model_id = :id"),
            {"id": model_id},
        )
    ).one()
    return StoredModel(row.content, row.sha256, tuple(row.features), row.calibration, row.libraries, row.kind)


async def card(session: AsyncSession, model_id: UUID) -> str | None:
    found: str | None = await session.scalar(text("SELECT card FROM models WHERE model_id = :id"), {"id": model_id})
    return found


async def page(session: AsyncSession, before: tuple[datetime, UUID] | None, limit: int) -> list[ModelRecord]:
    """Newest first."""
    beyond = "" if before is None else "WHERE (created_at, model_id) < (:at, :id)"
    rows = await session.execute(
        text(f"SELECT {_COLUMNS} FROM models {beyond} ORDER BY created_at DESC, model_id DESC LIMIT :limit"),  # noqa: S608  (our own column names)
        {"limit": limit} if before is None else {"limit": limit, "at": before[0], "id": before[1]},
    )
    return [ModelRecord(**row) for row in rows.mappings()]


async def versions_of_day(session: AsyncSession, day: str) -> int:
    """How many models of that day there are (versions are `<day>.<n>`)."""
    number = await session.scalar(text("SELECT count(*) FROM models WHERE version LIKE :like"), {"like": f"{day}.%"})
    return int(number or 0)


async def serialise(session: AsyncSession) -> None:
    """One registration or promotion at a time, until the transaction ends."""
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtext(current_schema() || '_registry'))"))


async def promote(
    session: AsyncSession, model_id: UUID | None, *, action: str, by: str, reason: str, at: datetime
) -> None:
    await session.execute(
        text(
            "INSERT INTO promotions (model_id, action, by, reason, at) VALUES (:model_id, :action, :by, :reason, :at)"
        ),
        {"model_id": model_id, "action": action, "by": by, "reason": reason, "at": at},
    )


async def promotions(session: AsyncSession, limit: int = 100) -> list[Promotion]:
    """The last decisions, newest first; the first of them is in force."""
    rows = await session.execute(
        text("SELECT nth, model_id, action, by, reason, at FROM promotions ORDER BY nth DESC LIMIT :limit"),
        {"limit": limit},
    )
    return [Promotion(*row) for row in rows]


async def in_force(session: AsyncSession) -> tuple[int, str] | None:
    """The decision in force, and the version of its model's row (empty for the scorecard): changes when either does."""
    row = (
        await session.execute(
            text(
                "SELECT p.nth, coalesce(CAST(m.xmin AS text), '') FROM promotions p LEFT JOIN models m USING (model_id)"
                " ORDER BY p.nth DESC LIMIT 1"
            )
        )
    ).first()
    return (row[0], row[1]) if row else None


async def in_service(session: AsyncSession) -> Promotion | None:
    """The decision in force, None while there was none."""
    return next(iter(await promotions(session, 1)), None)
