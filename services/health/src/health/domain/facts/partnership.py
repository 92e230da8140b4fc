"""Facts of a partnership: do several people know each other, is an executive near, is it frank and does it settle."""

from __future__ import annotations

from health.domain.facts.business import listened
from health.domain.facts.engagement import days_since, said_days
from health.domain.facts.fact import At, Fact, Measure, Params, counted, percent
from health.domain.fold.remarks import CONFLICT_RESOLVED, FEEDBACK
from health.domain.moments import DAY
from health.domain.state import ClientState

RATIO = 1000
EXECUTIVES = frozenset({"sponsor", "decision_maker"})
SEVERE = frozenset({"critical", "high"})


def executive_access(state: ClientState, at: At, params: Params) -> Measure | None:
    """Days since a sponsor or decision maker of theirs was heard, or an executive meeting was held; 999: has left."""
    days = days_since(state, at, EXECUTIVES, product=False)
    meeting = state.meetings.get("executive")
    marks = [state.marks.get("people"), state.marks.get("heard")]
    if meeting is not None and meeting[1] is not None:
        met = max(0, at.day - meeting[1] // DAY)
        days, marks = (met, [meeting[3]]) if days is None or met < days else (days, marks)
    return None if days is None else Measure(days, at.day, tuple(marks))


def threads(state: ClientState, at: At, params: Params) -> Measure | None:
    """Threads between the two houses in `window` days: their people who spoke with us, or ours, whichever are fewer.

    Where nobody ever said who of ours it was, theirs alone count.
    """
    if not state.spoke and not state.ours:
        return None
    since = at.day - params["window"]
    theirs = sum(1 for day in state.spoke.values() if day > since)
    ours = sum(1 for day in state.ours.values() if day > since)
    marks = (state.marks.get("heard"), state.marks.get("touch"))
    return Measure(min(theirs, ours) if state.ours else theirs, at.day, marks)


def candid_feedback(state: ClientState, at: At, params: Params) -> Measure | None:
    """How often it told us frankly what it thinks, in `window` days; 0 only of a client that is listened to."""
    since = at.day - params["window"]
    said = tuple(mark for day, mark in state.said.get(FEEDBACK, ()) if day > since)
    marks = said[-3:] or listened(state)
    return Measure(len(said), at.day, marks) if marks else None


def conflicts_resolved(state: ClientState, at: At, params: Params) -> Measure | None:
    """Conflicts settled in `window` days ÷ (those and what is open), per mille; None where there was no conflict.

    Open are disputed invoices and blockers of high or critical severity. Shrunk towards `prior`.
    """
    since = at.day - params["window"]
    settled = [mark for day, mark in state.said.get(CONFLICT_RESOLVED, ()) if day > since]
    disputes = [mark for _, mark in state.disputes.values()]
    unsettled = len(disputes) + sum(1 for blocker in state.blockers.values() if blocker[0] in SEVERE)
    if not settled and not unsettled:
        return None
    weight = params["weight"]
    value = (RATIO * len(settled) + params["prior"] * weight) // (len(settled) + unsettled + weight)
    return Measure(value, at.day, (*settled[-2:], *disputes[-2:], state.marks.get("blocker")))


def _say_threads(count: int) -> str:
    if count == 1:
        return "a single thread holds us together"
    return f"{count} threads between their people and ours" if count else "nobody there speaks with us"


FACTS = (
    Fact("executive_access", executive_access, ("people", "conversation"), lambda v: said_days(v, "executive")),
    Fact("threads", threads, ("conversation",), _say_threads, 1, {"window": 90}),
    Fact("candid_feedback", candid_feedback, ("support", "conversation"),
         lambda v: f"frank feedback {counted(v, 'time', 'times')} of late" if v else "no frank feedback of late",
         1, {"window": 90}),
    Fact("conflicts_resolved", conflicts_resolved, ("conversation", "billing"),
         lambda v: f"about {percent(v)} of the conflicts settled", RATIO, {"window": 180, "prior": 700, "weight": 1}),
)  # fmt: skip
