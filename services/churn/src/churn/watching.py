"""Whether the model in service still fits: once a business day its drift, and what came of its matured predictions.

A model whose leavers lie outside the 99 % band of what it said goes out of service by itself, back to the one before it
(in the end to the scorecard): nobody should act on probabilities that are known to be wrong until somebody has time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from common import folding, logging, outbox
from common.clock import Clock
from common.contracts.base import Event
from common.contracts.churn import ModelFellBack
from common.contracts.ids import derived_id
from common.db import Database
from sqlalchemy.ext.asyncio import AsyncSession

from churn import metrics, service
from churn.assessing import SOURCE
from churn.client_fold import FOLD
from churn.domain import drift, features
from churn.domain.drift import Matured, Spread
from churn.domain.features import View
from churn.domain.history import eligible
from churn.domain.labels import Rules
from churn.domain.moments import DAY, seconds
from churn.domain.state import State
from churn.registry import Registry, Serving
from churn.repository import checks, models, risks
from churn.repository.checks import ModelCheck
from churn.repository.models import ModelRecord

log = logging.get(__name__)

PAGE = 200
"""Clients read at once."""
KEPT = timedelta(days=400)


@dataclass(slots=True)
class _Look:
    """What one walk over all clients gathers."""

    columns: Mapping[str, Spread]
    prediction: Spread
    since: datetime
    """When the model was put in service last: what it said before was judged before, and a person brought it back."""
    clients: int = 0
    matured: list[tuple[float, bool]] = field(default_factory=list)


@dataclass(frozen=True)
class Watching:
    """Looks at the model in service; `registry` is the process's own."""

    registry: Registry
    rules: Rules

    async def run(self, database: Database, clock: Clock) -> None:
        """Once a business day, whoever of the replicas is first; and the gauges from what was seen last."""
        await self.registry.prepare(database)
        now = clock.now()
        async with database.read() as session:
            serving = await self.registry.current(session)
            done = serving is None or await checks.exists(session, serving.record.model_id, now.date())
        if serving is not None and not done and serving.record.metrics.get("profile"):
            await self._look(database, serving, now)
        async with database.read() as session:
            serving = await self.registry.current(session)
            last = await checks.of_model(session, serving.record.model_id, 1) if serving else []
        _show(serving.record.version if serving else service.SCORECARD, last)

    async def _look(self, database: Database, serving: Serving, now: datetime) -> None:
        profile = serving.record.metrics["profile"]
        columns = {name: drift.spread_of(spread) for name, spread in profile["columns"].items()}
        async with database.read() as session:
            decision = await models.in_service(session)
        since = decision.at if decision else now
        look = _Look(columns, drift.spread_of(profile["prediction"]), since)
        after: UUID | None = None
        while True:
            async with database.read() as session:
                ids = await checks.clients_after(session, after, PAGE)
                if not ids:
                    break
                await self._page(session, look, serving, ids, now)
            after = ids[-1]
        await self._keep(database, serving.record, look, now)

    async def _page(
        self, session: AsyncSession, look: _Look, serving: Serving, ids: Sequence[UUID], now: datetime
    ) -> None:
        moment, today = seconds(now), seconds(now) // DAY
        states = {i: one.state for i, one in (await folding.read(session, FOLD, ids)).items()}
        tracks = await risks.tracks(session, ids, today)
        views = [
            View(state, tracks[client_id], moment)
            for client_id, state in states.items()
            if state.first_at is not None and eligible(state, moment, self.rules)
        ]
        await asyncio.to_thread(_count, look, serving, views)
        horizon = serving.record.horizon_days
        days = {client_id: drift.judged_day(client_id, today, horizon) for client_id in states}
        said = await checks.said_on(session, days, serving.record.version)
        for client_id, (as_of, probability) in said.items():
            if as_of < look.since:
                continue
            left = self._left(states[client_id], seconds(as_of), moment, horizon)
            if left is not None:
                look.matured.append((probability, left))

    def _left(self, state: State, said_at: int, now: int, horizon_days: int) -> bool | None:
        """Whether the client left within the horizon; None while a lapse waits for its grace.

        Who left and came back since counts as having stayed: the state has forgotten the end.
        """
        over = said_at + horizon_days * DAY
        end = state.life.ended(now, self.rules.grace_days)
        if end is None:
            lapses = state.life.may_lapse()
            return None if lapses is not None and lapses <= over else False
        return said_at < end.at <= over and self.rules.left(end)

    async def _keep(self, database: Database, record: ModelRecord, look: _Look, now: datetime) -> None:
        found = drift.matured(look.matured)
        psi = {name: round(spread.psi(), 4) for name, spread in look.columns.items()} if look.clients else {}
        check = ModelCheck(
            model_id=record.model_id,
            day=now.date(),
            clients=look.clients,
            prediction_psi=round(look.prediction.psi(), 4),
            feature_psi=dict(sorted(psi.items(), key=lambda item: (-item[1], item[0]))),
            noise_psi=round(drift.noise(len(look.prediction.shares), look.clients), 4),
            predictions=found.predictions,
            expected=round(found.expected, 3),
            came=found.came,
            low=found.low,
            high=found.high,
            judged=found.judged,
            broken=found.broken,
        )
        async with database.transaction() as session:
            if await checks.add(session, check) and found.broken:
                await fall_back(session, record, found, now)
            await checks.forget(session, (now - KEPT).date())
        log.info("model_checked", version=record.version, prediction_psi=check.prediction_psi, broken=check.broken)


def _count(look: _Look, serving: Serving, views: Sequence[View]) -> None:
    """In a thread: two hundred clients' features take a while."""
    rows = [features.values(view) for view in views]
    if not rows:
        return
    look.clients += len(rows)
    for name, values in _columns(rows):
        if name in look.columns:
            for value in values:
                look.columns[name].add(value)
    for probability in serving.model.probabilities(rows):
        look.prediction.add(float(probability))


def _columns(rows: Sequence[Sequence[float]]) -> Iterator[tuple[str, tuple[float, ...]]]:
    yield from zip(features.NAMES, zip(*rows, strict=True), strict=True)


async def fall_back(session: AsyncSession, record: ModelRecord, found: Matured, now: datetime) -> None:
    """Take the model out of service, unless somebody was quicker; told on the bus, and kept with the decisions."""
    await models.serialise(session)
    in_force = await models.in_service(session)
    if in_force is None or in_force.model_id != record.model_id:
        return
    reason = (
        f"of {found.predictions} clients whose horizon is over, {found.came} left; "
        f"the model's probabilities allow {found.low} to {found.high}"
    )
    before = await service.go_back(session, action="fell_back", by=SOURCE, reason=reason, now=now)
    said = ModelFellBack(
        model_id=record.model_id,
        model_version=record.version,
        fell_back_to=before.version if before else service.SCORECARD,
        predictions=found.predictions,
        expected=round(found.expected, 3),
        came=found.came,
        low=found.low,
        high=found.high,
        as_of=now,
    )
    event: Event[Any] = Event.of(
        said,
        id=derived_id(ModelFellBack.TYPE, record.model_id, now.date().isoformat()),
        source=SOURCE,
        subject=f"model:{record.model_id}",
        time=now,
    )
    await outbox.add(session, [event])
    metrics.MODEL_FELL_BACK.inc()
    log.error("model_fell_back", version=record.version, to=said.fell_back_to, reason=reason)


def _show(version: str, last: Sequence[ModelCheck]) -> None:
    for gauge in (metrics.FEATURE_DRIFT, metrics.PREDICTION_DRIFT, metrics.CALIBRATION_RATIO):
        gauge.clear()
    for check in last:
        if check.clients >= drift.FEWEST:
            metrics.PREDICTION_DRIFT.labels(version).set(check.prediction_psi)
            for name, psi in check.feature_psi.items():
                metrics.FEATURE_DRIFT.labels(version, name).set(psi)
        if check.judged:
            metrics.CALIBRATION_RATIO.labels(version).set(check.came / check.expected)
