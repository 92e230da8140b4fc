"""What happened to a case, in the words of the bus. Ids are derived, so that saying it again says the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from common.contracts import escalation as bus
from common.contracts.base import Event
from common.contracts.ids import derived_id

from escalation.domain.case import LOOP, Case, Happened, What
from escalation.domain.evidence import for_publication

SOURCE = "csl/escalation"

ONCE = frozenset({What.OPENED, What.CLOSED, What.STEP_DONE, What.STEP_BREACHED})
"""What happens at most once to a case or step; the others are told apart by their place in the trail."""


def event_of(case: Case, happened: Happened, nth: int, now: datetime, cause: Event[Any] | None) -> Event[Any] | None:
    """The event that says it; None for what stays in the case's trail."""
    body = _BODIES.get(happened.what)
    if body is None:
        return None
    said = body(case, happened, now)
    which = (happened.step or "",) if happened.what in ONCE else (happened.step or "", nth)
    return Event.of(
        said,
        id=derived_id(said.TYPE, case.case_id, *which),
        source=SOURCE,
        subject=case.client_id,
        time=happened.at,
        knowntime=max(now, happened.at),
        sequence=nth,
        caused_by=cause,
    )


def _about(case: Case, happened: Happened) -> dict[str, Any]:
    """What every event of a case says."""
    return {
        "case_id": case.case_id,
        "client_id": case.client_id,
        "flag_id": case.flag.flag_id,
        "sop": case.sop.sop,
        "sop_version": case.sop.version,
        "csm_email": case.csm.email if case.csm else None,
        "executive_sponsor_email": case.executive_sponsor.email if case.executive_sponsor else None,
        "as_of": happened.at,
    }


def _step(case: Case, happened: Happened) -> dict[str, Any]:
    step = case.step(happened.step or "")
    return {**_about(case, happened), "step": step.step, "due_at": step.due_at}


def _person(happened: Happened) -> str | None:
    """Who did it; nobody where the loop did."""
    return happened.by if happened.by != LOOP else None


def _deadlines(case: Case) -> tuple[bus.StepPlan, ...]:
    return tuple(bus.StepPlan(step=step.step, due_at=step.due_at) for step in case.steps if step.done_at is None)


def _opened(case: Case, happened: Happened, now: datetime) -> bus.CaseOpened:
    plan = tuple(bus.StepPlan(step=step.step, due_at=step.due_at) for step in case.steps)
    return bus.CaseOpened.model_validate({**case.flag.said, **_about(case, happened), "steps": plan})


def _assigned(case: Case, happened: Happened, now: datetime) -> bus.CaseAssigned:
    return bus.CaseAssigned(**_about(case, happened), by=_person(happened))


def _due(case: Case, happened: Happened, now: datetime) -> bus.StepDue:
    return bus.StepDue(**_step(case, happened), notice="due_soon")


def _done(case: Case, happened: Happened, now: datetime) -> bus.StepDone:
    shown = for_publication(happened.details["evidence"], case.ours())
    return bus.StepDone.model_validate(
        {
            **_step(case, happened),
            "evidence": shown,
            "done_at": happened.at,
            "by": _person(happened),
            "late": happened.details["late"],
        }
    )


def _breached(case: Case, happened: Happened, now: datetime) -> bus.StepBreached:
    late = max(0.0, (now - happened.at).total_seconds())
    return bus.StepBreached(**{**_step(case, happened), "due_at": happened.at}, late_seconds=late)


def _paused(case: Case, happened: Happened, now: datetime) -> bus.CasePaused:
    until = happened.details["until"]
    return bus.CasePaused(
        **_about(case, happened),
        by=_person(happened),
        reason=happened.details["reason"],
        until=datetime.fromisoformat(until) if until else None,
    )


def _resumed(case: Case, happened: Happened, now: datetime) -> bus.CaseResumed:
    return bus.CaseResumed(**_about(case, happened), by=_person(happened), steps=_deadlines(case))


def _closed(case: Case, happened: Happened, now: datetime) -> bus.CaseClosed:
    details = happened.details
    return bus.CaseClosed.model_validate(
        {
            **_about(case, happened),
            "by": _person(happened),
            "reason": details["reason"],
            "outcome": details["outcome"],
            **({"absorbed_by": details["absorbed_by"]} if details["absorbed_by"] else {}),
        }
    )


_BODIES: dict[What, Callable[[Case, Happened, datetime], Any]] = {
    What.OPENED: _opened,
    What.ASSIGNED: _assigned,
    What.STEP_DUE: _due,
    What.STEP_DONE: _done,
    What.STEP_BREACHED: _breached,
    What.PAUSED: _paused,
    What.RESUMED: _resumed,
    What.CLOSED: _closed,
}
