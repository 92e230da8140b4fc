"""Words for what escalation says: a case, its people, its deadlines."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from common.contracts import escalation

from notify.domain.card import CaseCard, deadline
from notify.domain.message import Fact, Message, chance, moment, span, spoken
from notify.domain.wording.context import SIMULATED, Context, name_of, sentence, worded
from notify.domain.wording.risk import reasons

STEPS = {
    "assign": "Name a CSM and an executive sponsor",
    "root_cause_call": "Schedule the root-cause call",
    "mitigation_plan": "Agree on the mitigation plan",
}
"""The shipped SOP's steps; others are spoken as they are named."""


def step_name(step: str) -> str:
    return STEPS.get(step, sentence(spoken(step)))


def _deadlines(case: CaseCard | None, context: Context) -> tuple[str, ...]:
    """What is still to be done on a case, first deadline first."""
    if case is None:
        return ()
    return tuple(_deadline(step, deadline(due), context) for step, due in case.steps.items())


def _deadline(step: str, due: datetime, context: Context) -> str:
    left = f"in {span(due - context.now)}" if due > context.now else f"overdue by {span(context.now - due)}"
    return f"{step_name(step)}: by {moment(due, context.tz)} ({left})"


def case_of(data: escalation.Case | escalation.CaseAssigned, context: Context) -> CaseCard | None:
    return context.card.case(data.case_id) if context.card else None


def _people(data: Any, context: Context) -> tuple[Fact, ...]:
    case = case_of(data, context)
    csm = data.csm_email or (case and case.csm)
    sponsor = data.executive_sponsor_email or (case and case.sponsor)
    return Fact("Case CSM", csm or "not named yet"), Fact("Executive sponsor", sponsor or "not named yet")


def case_opened(data: escalation.CaseOpened, context: Context) -> Message:
    why, against = reasons(data.reasons)
    risk = f"Risk of leaving: {chance(data.probability)}. " if data.probability is not None else ""
    steps = tuple(_deadline(plan.step, plan.due_at, context) for plan in data.steps)
    opening = f"{risk}The clock runs: {len(steps)} steps have a deadline." if steps else f"{risk}A case is open."
    return worded(
        context,
        f"Case opened for {name_of(context)}: first step due {_first_due(data, context)}",
        changed=(opening,),
        deadlines=steps,
        why=why,
        against=against,
        facts=_people(data, context),
        notes=(SIMULATED,) if data.simulated else (),
    )


def _first_due(data: escalation.CaseOpened, context: Context) -> str:
    return moment(min(plan.due_at for plan in data.steps), context.tz) if data.steps else "soon"


def case_assigned(data: escalation.CaseAssigned, context: Context) -> Message:
    return worded(
        context,
        f"You are on the case of {name_of(context)}",
        changed=(f"Named by {data.by}." if data.by else "Named on the case.",),
        deadlines=_deadlines(case_of(data, context), context),
        facts=_people(data, context),
    )


def step_due(data: escalation.StepDue, context: Context) -> Message:
    step, left = step_name(data.step), span(data.due_at - context.now)
    if data.notice == "due_soon":
        title = f"{name_of(context)}: {left} left to “{_lowered(step)}”"
    else:
        title = f"{name_of(context)}: {_lowered(step)} by {moment(data.due_at, context.tz)}"
    return worded(
        context,
        title,
        changed=(_deadline(data.step, data.due_at, context),),
        deadlines=_others(data, context),
        facts=_people(data, context),
    )


def _lowered(step: str) -> str:
    return step[:1].lower() + step[1:]


def _others(data: escalation.StepEvent, context: Context) -> tuple[str, ...]:
    case = case_of(data, context)
    if case is None:
        return ()
    later = {step: due for step, due in case.steps.items() if step != data.step}
    return _deadlines(replace(case, steps=later), context)


def step_done(data: escalation.StepDone, context: Context) -> Message:
    by = f" by {data.by}" if data.by else ""
    return worded(
        context,
        f"{name_of(context)}: done: {_lowered(step_name(data.step))}",
        changed=(f"Completed{by}.",),
        deadlines=_others(data, context),
        facts=_people(data, context),
    )


def step_breached(data: escalation.StepBreached, context: Context) -> Message:
    return worded(
        context,
        f"Deadline missed for {name_of(context)}: {_lowered(step_name(data.step))}",
        changed=(f"It was due {moment(data.due_at, context.tz)}. The step stays open until it is done.",),
        deadlines=_others(data, context),
        facts=_people(data, context),
    )


def case_moved(data: escalation.Decision, context: Context) -> Message:
    verb = "paused" if isinstance(data, escalation.CasePaused) else "running again"
    changed = [f"Because: {data.reason}"] if data.reason else []
    if data.by:
        changed.append(f"Decided by {data.by}.")
    return worded(
        context, f"The case of {name_of(context)} is {verb}", changed=tuple(changed), facts=_people(data, context)
    )


ENDINGS = {
    escalation.Outcome.SAVED: "{name} is saved: the case is closed",
    escalation.Outcome.LEFT: "{name} has left: the case is closed",
    escalation.Outcome.FALSE_ALARM: "False alarm at {name}: the case is closed",
    escalation.Outcome.OVERRIDDEN: "The case of {name} is closed: its flag was overridden",
    escalation.Outcome.CLEARED: "The case of {name} is closed: the risk has passed",
}


def case_closed(data: escalation.CaseClosed, context: Context) -> Message:
    changed = [sentence(data.reason)] if data.reason else []
    if data.by:
        changed.append(f"Closed by {data.by}.")
    title = ENDINGS[data.outcome].format(name=name_of(context))
    return worded(context, title, changed=tuple(changed), facts=_people(data, context))
