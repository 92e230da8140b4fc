"""What happens to a case: `decide(case, input, now)` → the case as it is then, and what happened. Pure.

The order in which the clock's own doings and other inputs are noticed does not matter: before any input takes
effect, every deadline that lies before it has been breached (`catch_up`). A timer that fires late, twice or after a
restart therefore changes nothing that was not true already.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from common.contracts.errors import Conflict, Refused

from escalation.domain import evidence as proofs
from escalation.domain import inputs
from escalation.domain.case import LOOP, Case, Happened, Outcome, Pause, Person, Step, What
from escalation.domain.client import Call, Client
from escalation.domain.sop import Proof

Decision = tuple[Case, list[Happened]]


def decide(case: Case | None, given: inputs.Input, now: datetime) -> Decision:
    """Raises Refused, NotFound or Conflict for what a person may not do; the loop's own inputs never raise.

    Without a case only `Flagged` is possible: it opens one. A closed case stays as it is.
    """
    if isinstance(given, inputs.Flagged):
        return _open(given) if case is None else _flagged_again(case, given, now)
    if case is None:
        raise ValueError(f"{type(given).__name__} needs a case")
    if case.closed_at is not None:
        if isinstance(given, _BY_PEOPLE):
            raise Conflict(f"the case was closed at {case.closed_at.isoformat()}: {case.outcome}")
        return case, []
    case, happened = _RULES[type(given)](case, given, now)
    return replace(case, happenings=case.happenings + len(happened)), happened


def catch_up(case: Case, at: datetime) -> Decision:
    """What the clock alone has done to an open case by `at`: a pause's end, then each missed deadline, once."""
    happened: list[Happened] = []
    if case.pause and case.pause.until and case.pause.until <= at:
        case, happened = _resume(case, case.pause.until, LOOP)
    if case.pause:
        return case, happened
    for step in sorted(case.pending(), key=lambda step: step.due_at):
        if step.due_at <= at:
            case = case.with_step(replace(step, breached_at=step.due_at))
            happened.append(Happened(What.STEP_BREACHED, step.due_at, LOOP, step.step))
    return case, happened


def _open(given: inputs.Flagged) -> Decision:
    """The clock starts at the flag, not at the moment we hear of it."""
    at = given.flag.raised_at
    case = Case(
        case_id=given.flag.case_id(),
        client_id=given.client_id,
        flagged_client_id=given.flagged_client_id,
        flag=given.flag,
        opened_at=at,
        sop=given.sop,
        steps=tuple(
            Step(rule.step, rule.due_at(given.sop.hours, at), rule.due_soon_at(given.sop.hours, at))
            for rule in given.sop.steps
        ),
        standing={given.flag.flag_id: given.flag.episode},
    )
    case, _ = _people_from_record(case, given.client)
    happened = [Happened(What.OPENED, at, LOOP, details=dict(given.flag.said))]
    case, called = _call_from_record(case, given.client)
    happened += called
    return replace(case, happenings=len(happened)), happened


def _flagged_again(case: Case, given: inputs.Flagged, now: datetime) -> Decision:
    """One case a client: another flag is noted, and the case then ends only when none is left standing."""
    flag = given.flag
    if case.closed_at is not None or case.standing.get(flag.flag_id, 0) >= flag.episode:
        return case, []
    case = replace(case, standing={**case.standing, flag.flag_id: flag.episode}, happenings=case.happenings + 1)
    details = {"flag_id": str(flag.flag_id), "episode": flag.episode, "rule": flag.rule}
    return case, [Happened(What.FLAG_NOTED, flag.raised_at, LOOP, details=details)]


def _flag_ended(case: Case, given: inputs.FlagEnded, now: datetime) -> Decision:
    if case.standing.get(given.flag_id, given.episode + 1) > given.episode:
        return case, []
    case, happened = catch_up(case, given.at)
    standing = {flag: episode for flag, episode in case.standing.items() if flag != given.flag_id}
    case = replace(case, standing=standing)
    if standing:
        details = {"flag_id": str(given.flag_id), "outcome": given.outcome, "reason": given.reason}
        return case, [*happened, Happened(What.FLAG_ENDED, given.at, given.by, details=details)]
    case, closed = _close(case, given.at, given.by, given.outcome, given.reason)
    return case, happened + closed


def _client_told(case: Case, given: inputs.ClientTold, now: datetime) -> Decision:
    case, changed = _people_from_record(case, given.client)
    happened = [_assigned(case, now, LOOP)] if changed else []
    case, called = _call_from_record(case, given.client)
    case, lost = _call_lost(case, given.client, now)
    happened += called + lost
    notice = given.client.notice
    if notice and notice.known_at >= case.opened_at:
        at = max(notice.given_at, case.opened_at)
        case, breached = catch_up(case, at)
        case, closed = _close(case, at, LOOP, Outcome.LEFT, f"notice given, effective {notice.effective_on}")
        happened += breached + closed
    return case, happened


def _people_from_record(case: Case, client: Client) -> tuple[Case, bool]:
    """The client's record proposes the case's people until a person names them."""

    def proposed(named: Person | None, email: str | None) -> Person | None:
        if email is None or (named and (named.by is not None or named.email == email)):
            return named
        return Person(email)

    csm = proposed(case.csm, client.csm_email)
    sponsor = proposed(case.executive_sponsor, client.executive_sponsor_email)
    changed = (csm, sponsor) != (case.csm, case.executive_sponsor)
    return replace(case, csm=csm, executive_sponsor=sponsor), changed


def _call_from_record(case: Case, client: Client) -> Decision:
    """A root-cause call in the calendar that lies after the case's opening completes the call step."""
    happened: list[Happened] = []
    fitting = [call for call in client.calls if call.starts_at > case.opened_at and not call.cancelled]
    if not fitting:
        return case, happened
    call = min(fitting, key=lambda call: (call.scheduled_at, call.meeting_id))
    for waiting in case.undone(Proof.CALL):
        at = max(call.scheduled_at, case.opened_at)
        case, breached = catch_up(case, at)
        case, done = _done(case, waiting.step, at, LOOP, _shown(call))
        happened += breached + done
    return case, happened


def _shown(call: Call) -> dict[str, Any]:
    return {
        "time": call.starts_at.isoformat(),
        "attendees": list(call.attendees),
        "invitation": call.meeting_id,
        "meeting_id": call.meeting_id,
    }


def _call_lost(case: Case, client: Client, now: datetime) -> Decision:
    """A call that proved its step and was then cancelled: the step stays done, people are shown that it was."""
    happened = []
    for step in case.steps:
        evidence = step.evidence or {}
        call = client.call(evidence.get("meeting_id", ""))
        if call and call.cancelled and "cancelled" not in evidence:
            case = case.with_step(replace(step, evidence={**evidence, "cancelled": True}))
            happened.append(Happened(What.CALL_LOST, now, LOOP, step.step, {"meeting_id": call.meeting_id}))
    return case, happened


def _completed(case: Case, given: inputs.Completed, now: datetime) -> Decision:
    step = case.step(given.step)
    terms = proofs.Terms(case.opened_at, given.own_domains)
    shown = proofs.check(case.rule(step.step).proof, given.evidence, terms)
    if step.done_at is not None:
        if step.evidence == shown:
            return case, []
        raise Conflict(f"{step.step} was done at {step.done_at.isoformat()} by {step.done_by}")
    case, happened = catch_up(case, now)
    if case.rule(step.step).proof is Proof.PEOPLE:
        case, assigned = _name(case, shown["csm"], shown["executive_sponsor"], now, given.by)
        happened += assigned
    case, done = _done(case, step.step, now, given.by, shown)
    return case, happened + done


def _assign(case: Case, given: inputs.Assigned, now: datetime) -> Decision:
    """Once a person has spoken and both are named, the step that asks for people is done."""
    if given.csm is None and given.executive_sponsor is None:
        raise Refused("name a csm, an executive_sponsor, or both", field="csm")
    terms = proofs.Terms(case.opened_at, given.own_domains)
    csm = proofs.email_of_ours(given.csm, "csm", terms) if given.csm is not None else None
    sponsor = (
        proofs.email_of_ours(given.executive_sponsor, "executive_sponsor", terms)
        if given.executive_sponsor is not None
        else None
    )
    case, happened = catch_up(case, now)
    case, assigned = _name(case, csm, sponsor, now, given.by)
    happened += assigned
    if case.csm and case.executive_sponsor:
        shown = {"csm": case.csm.email, "executive_sponsor": case.executive_sponsor.email}
        for waiting in case.undone(Proof.PEOPLE):
            case, done = _done(case, waiting.step, now, given.by, shown)
            happened += done
    return case, happened


def _name(case: Case, csm: str | None, sponsor: str | None, now: datetime, by: str) -> Decision:
    before = (case.csm, case.executive_sponsor)
    case = replace(
        case,
        csm=_named(case.csm, csm, by),
        executive_sponsor=_named(case.executive_sponsor, sponsor, by),
    )
    changed = before != (case.csm, case.executive_sponsor)
    return case, [_assigned(case, now, by)] if changed else []


def _named(before: Person | None, email: str | None, by: str) -> Person | None:
    """Naming the same person again changes nothing, unless it confirms what only the record had said."""
    if email is None or (before and before.email == email and before.by is not None):
        return before
    return Person(email, by)


def _assigned(case: Case, at: datetime, by: str) -> Happened:
    details = {
        "csm_email": case.csm.email if case.csm else None,
        "executive_sponsor_email": case.executive_sponsor.email if case.executive_sponsor else None,
    }
    return Happened(What.ASSIGNED, at, by, details=details)


def _done(case: Case, name: str, at: datetime, by: str, shown: dict[str, Any]) -> Decision:
    step = replace(case.step(name), done_at=at, done_by=by, evidence=shown)
    details = {"evidence": shown, "late": step.breached_at is not None}
    return case.with_step(step), [Happened(What.STEP_DONE, at, by, name, details)]


def _pause(case: Case, given: inputs.Paused, now: datetime) -> Decision:
    if given.until and given.until <= now:
        raise Refused("a pause ends in the future", field="until")
    case, happened = catch_up(case, now)
    if case.pause:
        raise Conflict(f"the case is paused since {case.pause.since.isoformat()}")
    case = replace(case, pause=Pause(now, given.until), generation=case.generation + 1)
    details = {"reason": given.reason, "until": given.until.isoformat() if given.until else None}
    return case, [*happened, Happened(What.PAUSED, now, given.by, details=details)]


def _resumed(case: Case, given: inputs.Resumed, now: datetime) -> Decision:
    case, happened = catch_up(case, now)
    if case.pause is None:
        if happened:  # the pause had run out by itself a moment ago
            return case, happened
        raise Conflict("the case is not paused")
    case, resumed = _resume(case, now, given.by)
    return case, happened + resumed


def _resume(case: Case, at: datetime, by: str) -> Decision:
    """Each open deadline moves by the time that the pause took from it; a missed one stays missed."""
    if case.pause is None:
        raise ValueError("only a paused case resumes")
    hours, since = case.sop.hours, case.pause.since
    case = replace(case, pause=None, generation=case.generation + 1)
    for step in case.pending():
        due_at = hours.after(at, hours.between(since, step.due_at))
        soon_at = step.due_soon_at
        if soon_at > since:
            soon_at = hours.after(at, hours.between(since, soon_at))
        case = case.with_step(replace(step, due_at=due_at, due_soon_at=soon_at))
    return case, [Happened(What.RESUMED, at, by)]


def _closed(case: Case, given: inputs.Closed, now: datetime) -> Decision:
    if given.outcome not in BY_HAND:
        raise Refused(f"a person closes a case as {', '.join(BY_HAND)}", field="outcome")
    if not given.reason.strip():
        raise Refused("say why the case is closed", field="reason")
    case, happened = catch_up(case, now)
    case, closed = _close(case, now, given.by, given.outcome, given.reason.strip())
    return case, happened + closed


def _close(
    case: Case, at: datetime, by: str, outcome: Outcome, reason: str, absorbed_by: UUID | None = None
) -> Decision:
    at = max(at, case.opened_at)
    details = {"outcome": outcome, "reason": reason, "absorbed_by": str(absorbed_by) if absorbed_by else None}
    case = replace(case, closed_at=at, outcome=outcome, absorbed_by=absorbed_by, pause=None)
    return case, [Happened(What.CLOSED, at, by, details=details)]


def _moved(case: Case, given: inputs.ClientMoved, now: datetime) -> Decision:
    if case.client_id == given.client_id:
        return case, []
    details = {"from_client_id": str(case.client_id), "into_client_id": str(given.client_id)}
    return replace(case, client_id=given.client_id), [Happened(What.MOVED, now, LOOP, details=details)]


def _absorbed(case: Case, given: inputs.Absorbed, now: datetime) -> Decision:
    """Its flag is no longer its own to stand for: what becomes of the client is the surviving case's to say."""
    case, happened = catch_up(case, now)
    reason = f"its client was merged with one whose case {given.into} goes on"
    case, closed = _close(case, now, LOOP, Outcome.CLEARED, reason, absorbed_by=given.into)
    return case, happened + closed


def _flags_taken(case: Case, given: inputs.FlagsTaken, now: datetime) -> Decision:
    standing = {**given.standing, **case.standing}
    details = {"absorbed": str(given.absorbed), "flags": [str(flag) for flag in given.standing]}
    return replace(case, standing=standing), [Happened(What.FLAG_NOTED, now, LOOP, details=details)]


def _due_soon(case: Case, given: inputs.StepDueSoon, now: datetime) -> Decision:
    """Said once, before the deadline; after it the breach speaks."""
    case, happened = catch_up(case, now)
    step = case.step(given.step)
    stale = given.generation != case.generation or case.pause is not None
    if stale or step not in case.pending() or step.announced_at or now < step.due_soon_at:
        return case, happened
    case = case.with_step(replace(step, announced_at=now))
    return case, [*happened, Happened(What.STEP_DUE, now, LOOP, step.step)]


def _time_passed(case: Case, given: inputs.TimePassed, now: datetime) -> Decision:
    return catch_up(case, now)


BY_HAND = (Outcome.SAVED, Outcome.LEFT, Outcome.FALSE_ALARM)
"""Outcomes that a person may give; the others follow from the flag."""

_BY_PEOPLE = (inputs.Completed, inputs.Assigned, inputs.Paused, inputs.Resumed, inputs.Closed)

_RULES: dict[type, Callable[[Case, Any, datetime], Decision]] = {
    inputs.FlagEnded: _flag_ended,
    inputs.ClientTold: _client_told,
    inputs.ClientMoved: _moved,
    inputs.Absorbed: _absorbed,
    inputs.FlagsTaken: _flags_taken,
    inputs.Completed: _completed,
    inputs.Assigned: _assign,
    inputs.Paused: _pause,
    inputs.Resumed: _resumed,
    inputs.Closed: _closed,
    inputs.StepDueSoon: _due_soon,
    inputs.TimePassed: _time_passed,
}
