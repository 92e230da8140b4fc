"""Tell cases things, then write down all that came of it at once: cases, trail, events, timers.

Every path to a case (events, timers, requests) goes through here: load and lock, `tell`, `write`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from common import outbox, timers
from common.contracts.base import Event
from common.timers import Timer
from sqlalchemy.ext.asyncio import AsyncSession

from escalation import metrics, repository
from escalation.domain.case import Case, Happened, State, What
from escalation.domain.decide import decide
from escalation.domain.inputs import Flagged, Input
from escalation.events import event_of
from escalation.repository import TrailLine

STEP_DUE, STEP_BREACH, PAUSE_END = "step_due", "step_breach", "pause_end"
"""Kinds of timers."""


@dataclass
class Telling:
    """One transaction's worth of decisions."""

    now: datetime
    cases: dict[UUID, Case]
    """As they are after what was told so far."""
    _lines: list[TrailLine] = field(default_factory=list)
    _events: list[Event[Any]] = field(default_factory=list)
    _timers: list[Timer] = field(default_factory=list)
    _changed: set[UUID] = field(default_factory=set)

    def open(self, given: Flagged, cause: Event[Any] | None = None) -> Case:
        """Begin the case of a flag."""
        case, happened = decide(None, given, self.now)
        metrics.CASES_OPENED.labels(given.flag.rule).inc()
        self._book(case, happened, cause)
        self._timers += timers_of(case)
        return case

    def tell(self, case_id: UUID, given: Input, cause: Event[Any] | None = None) -> Case:
        """Raises what `decide` raises."""
        before = self.cases[case_id]
        case, happened = decide(before, given, self.now)
        self._book(case, happened, cause)
        if case.generation != before.generation:
            self._timers += timers_of(case)
        return case

    def _book(self, case: Case, happened: list[Happened], cause: Event[Any] | None) -> None:
        if not happened:
            return
        self.cases[case.case_id] = case
        self._changed.add(case.case_id)
        first = case.happenings - len(happened) + 1
        for nth, one in enumerate(happened, first):
            self._lines.append(TrailLine(case.case_id, nth, one, self.now, cause.id if cause else None))
            event = event_of(case, one, nth, self.now, cause)
            if event is not None:
                self._events.append(event)

    async def write(self, session: AsyncSession) -> None:
        """Everything in a few statements, in the caller's transaction."""
        if not self._changed:
            return
        await repository.save(session, [self.cases[case_id] for case_id in self._changed])
        await repository.add_trail(session, self._lines)
        await outbox.add(session, self._events)
        await timers.schedule(session, self._timers)
        for line in self._lines:
            _count(line.happened, self.now)


def timers_of(case: Case) -> Iterator[Timer]:
    """What must fire for a case as it is: its generation makes all earlier timers void."""
    if case.state is State.CLOSED:
        return
    about: Mapping[str, Any] = {"case_id": str(case.case_id)}
    if case.pause:
        if case.pause.until:
            yield Timer(PAUSE_END, str(case.case_id), case.generation, case.pause.until, about)
        return
    for step in case.pending():
        owner, payload = f"{case.case_id}/{step.step}", {**about, "step": step.step}
        if step.due_soon_at < step.due_at and step.announced_at is None:
            yield Timer(STEP_DUE, owner, case.generation, step.due_soon_at, payload)
        yield Timer(STEP_BREACH, owner, case.generation, step.due_at, payload)


def _count(happened: Happened, now: datetime) -> None:
    step = happened.step or ""
    if happened.what is What.STEP_BREACHED:
        metrics.STEP_BREACHES.labels(step).inc()
        metrics.STEP_LATENESS.labels(step).observe(max(now - happened.at, timedelta(0)).total_seconds())
    elif happened.what is What.STEP_DONE:
        metrics.STEPS_DONE.labels(step, "true" if happened.details["late"] else "false").inc()
    elif happened.what is What.CLOSED:
        metrics.CASES_CLOSED.labels(happened.details["outcome"]).inc()
