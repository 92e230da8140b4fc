"""Timed use cases: deadlines that come near or pass, pauses that end, and the gauges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from common.clock import Clock
from common.db import Database
from common.process import Periodic
from common.timers import Timer, TimerHandler
from sqlalchemy.ext.asyncio import AsyncSession

from escalation import metrics, repository
from escalation.domain.case import State
from escalation.domain.inputs import Input, StepDueSoon, TimePassed
from escalation.telling import PAUSE_END, STEP_BREACH, STEP_DUE, Telling

COUNT_EVERY = 15.0


async def step_due(fired: Sequence[Timer], now: datetime, session: AsyncSession) -> None:
    """A deadline comes near; a timer of an earlier generation says nothing."""
    await _tell(fired, now, session, lambda timer: StepDueSoon(timer.payload["step"], timer.generation))


async def time_passed(fired: Sequence[Timer], now: datetime, session: AsyncSession) -> None:
    """A deadline passes or a pause ends. What is overdue by now is a question of the case, not of the timer."""
    await _tell(fired, now, session, lambda timer: TimePassed())


async def _tell(fired: Sequence[Timer], now: datetime, session: AsyncSession, given: Callable[[Timer], Input]) -> None:
    telling = Telling(now, await repository.lock(session, {UUID(timer.payload["case_id"]) for timer in fired}))
    for timer in fired:
        case_id = UUID(timer.payload["case_id"])
        if case_id in telling.cases:
            telling.tell(case_id, given(timer))
    await telling.write(session)


TIMERS: dict[str, TimerHandler] = {STEP_DUE: step_due, STEP_BREACH: time_passed, PAUSE_END: time_passed}


async def count_cases(database: Database, clock: Clock) -> None:
    """Bring the gauges up to date."""
    async with database.read() as session:
        by_state, breached = await repository.count_by_state(session)
    for state in (State.OPEN, State.PAUSED):
        metrics.OPEN_CASES.labels(state.value).set(by_state.get(state.value, 0))
    metrics.BREACHED_CASES.set(breached)


JOBS = [Periodic("count_cases", COUNT_EVERY, count_cases)]
