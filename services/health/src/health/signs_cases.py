"""What else moves signs beside scores: the risk that churn sees, and imported history. Nothing is scored here, so that
health and churn never answer each other for ever: churn assesses upon `scored`, which an assessment never causes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from common import folding
from common.contracts import churn
from common.contracts.base import Event
from common.contracts.health import Mode
from common.dispatch import Batch
from sqlalchemy.ext.asyncio import AsyncSession

from health.domain import past
from health.domain.evaluate import Evaluation
from health.domain.fold import FOLD
from health.domain.moments import DAY, seconds_of
from health.domain.signs import Risk
from health.repository import Client
from health.scoring import Scoring
from health.signs import WEEKS


async def assessed(batch: Batch, session: AsyncSession) -> None:
    """Keep each client's last risk; where it moved, look whether health now contradicts it."""
    latest: dict[UUID, Event[churn.Assessed]] = {}
    for event in sorted(batch.events, key=lambda e: e.data.as_of):
        if event.data.mode is Mode.LIVE:
            latest[event.client_id] = event
    roots = await folding.roots_of(session, set(latest))
    states = await folding.lock(session, FOLD, latest)
    scoring = await Scoring.begin(session, list(states), batch.now)
    for client_id, event in latest.items():
        row, folded = scoring.clients.get(roots[client_id]), states.get(roots[client_id])
        if row is None or folded is None or row.as_of is None:
            continue  # not scored yet, or only imported so far; churn says it again within a day
        if _keep_risk(row, event.data) and not row.ended:
            scoring.signs.look(row, folded.state, quiet=row.baseline_due or row.signs_version is None)
    await folding.save(session, FOLD, [folded for folded in states.values() if folded.refolded])
    await scoring.write(session)


def _keep_risk(row: Client, data: churn.Assessed) -> bool:
    """Whether it is another risk than the one known; an older one than that is dropped."""
    risk = risk_of(data)
    known = Risk(*row.risk) if row.risk is not None else None
    if known is not None and risk.as_of < known.as_of:
        return False
    row.risk = list(risk)
    return known is None or known[:2] != risk[:2]


def risk_of(data: churn.Risk) -> Risk:
    """In integers: per mille, and per mille of the threshold."""
    sure = data.calibrated and data.probability is not None
    value = (data.probability if sure else data.points) or 0.0
    share = round(1000 * value / data.threshold) if data.threshold > 0 else 0
    probability = round(1000 * value) if sure else None
    return Risk(probability, share, seconds_of(data.as_of), bool(data.simulated))


async def after_history(session: AsyncSession, spans: Mapping[UUID, Sequence[Evaluation]], now: datetime) -> None:
    """Put the weeks of imported spans before the live ones, and look again in silence: their trend is history too."""
    states = await folding.lock(session, FOLD, spans)
    scoring = await Scoring.begin(session, list(states), now)
    for client_id, folded in states.items():
        row = scoring.clients.get(client_id)
        if row is None or row.as_of is None or client_id not in spans:
            continue
        weeks = {week[0]: week for week in _weeks_of(spans[client_id])}
        weeks |= {week[0]: week for week in row.weeks or []}
        row.weeks = [weeks[day] for day in sorted(weeks)][-WEEKS:]
        if not row.ended:
            scoring.signs.look(row, folded.state, quiet=True)
    await folding.save(session, FOLD, [folded for folded in states.values() if folded.refolded])
    await scoring.write(session)


def _weeks_of(results: Sequence[Evaluation]) -> list[list[Any]]:
    return [
        [result.now // DAY, result.score, result.model.name, result.model.version]
        for result in results
        if past.is_week_end(result.now) and result.score is not None
    ]
