"""Facts of the client's business: what it says of budget, plans, changes and competitors, and when it pays."""

from __future__ import annotations

from health.domain.facts.fact import At, Fact, Measure, Params, counted
from health.domain.fold import remarks
from health.domain.state import ClientState, Mark

FREEZE, CUT, QUIET, MORE = -2, -1, 0, 1
_BUDGET = {remarks.BUDGET_FREEZE: FREEZE, remarks.BUDGET_DOWN: CUT, remarks.BUDGET_UP: MORE}
EARLIEST, LATEST = -30, 90
"""Days late of one payment are counted between these."""


def listened(state: ClientState) -> tuple[Mark, ...]:
    """Events that show that the client is listened to; without any, silence about a topic says nothing."""
    marks = state.marks
    heard = tuple(marks[topic] for topic in ("words", "meeting") if topic in marks)
    return heard or tuple(mentions[-1][1] for mentions in state.said.values() if mentions)[-1:]


def _count(topic: str, state: ClientState, at: At, params: Params) -> Measure | None:
    """Mentions in `window` days; 0 only of a client that is listened to."""
    since = at.day - params["window"]
    said = tuple(mark for day, mark in state.said.get(topic, ()) if day > since)
    marks = said[-3:] or listened(state)
    return Measure(len(said), at.day, marks) if marks else None


def budget_talk(state: ClientState, at: At, params: Params) -> Measure | None:
    """The latest word on its budget within `window` days: −2 frozen, −1 cut, 0 none, +1 more; of one day the worst."""
    since = at.day - params["window"]
    said = [(day, -where, mark) for topic, where in _BUDGET.items() for day, mark in state.said.get(topic, ())]
    latest = max(said, default=None)
    if latest is not None and latest[0] > since:
        return Measure(-latest[1], at.day, (latest[2],))
    marks = listened(state)
    return Measure(QUIET, at.day, marks) if marks else None


def organisation_changes(state: ClientState, at: At, params: Params) -> Measure | None:
    """Reorganisations heard of in `window` days."""
    return _count(remarks.ORGANISATION, state, at, params)


def competitor_mentions(state: ClientState, at: At, params: Params) -> Measure | None:
    """How often it spoke of a competitor in `window` days."""
    return _count(remarks.COMPETITOR, state, at, params)


def planning_ahead(state: ClientState, at: At, params: Params) -> Measure | None:
    """How often it planned ahead with us in `window` days."""
    return _count(remarks.PLANNING, state, at, params)


def invoice_timing(state: ClientState, at: At, params: Params) -> Measure | None:
    """Days late at which invoices of `window` days were paid, on average (below 0: early), or the age past due of the
    oldest unpaid one if that is more. Shrunk towards `prior` as if `weight` more had been paid then."""
    if "invoice" not in state.marks:
        return None
    since = at.day - params["window"]
    late = [(max(EARLIEST, min(LATEST, days)), mark) for day, days, mark in state.paid if day > since]
    oldest = min(state.invoices.values(), default=None)
    overdue = min(LATEST, at.day - oldest[0]) if oldest is not None else 0
    if not late and overdue <= 0:
        return None
    usual = params["prior"]
    if late:
        usual = (sum(days for days, _ in late) + usual * params["weight"]) // (len(late) + params["weight"])
    if oldest is not None and overdue > 0 and (not late or overdue > usual):
        return Measure(overdue, at.day, (oldest[1],))
    return Measure(usual, at.day, tuple(mark for _, mark in late[-3:]))


def _say_timing(days: int) -> str:
    if days > 0:
        return f"pays about {counted(days, 'day', 'days')} late"
    return f"pays about {counted(-days, 'day', 'days')} early" if days else "pays when it is due"


_BUDGETS = {FREEZE: "its budget is frozen", CUT: "its budget is being cut", QUIET: "no talk about its budget",
            MORE: "its budget grows"}  # fmt: skip
_HEARD = ("support", "conversation")

FACTS = (
    Fact("budget_talk", budget_talk, _HEARD, lambda v: _BUDGETS[v], 1, {"window": 90}),
    Fact("organisation_changes", organisation_changes, _HEARD,
         lambda v: f"reorganised {counted(v, 'time', 'times')} of late" if v else "no reorganisation heard of",
         1, {"window": 90}),
    Fact("competitor_mentions", competitor_mentions, _HEARD,
         lambda v: f"spoke of a competitor {counted(v, 'time', 'times')}" if v else "no word of a competitor",
         1, {"window": 90}),
    Fact("planning_ahead", planning_ahead, _HEARD,
         lambda v: f"planned ahead with us {counted(v, 'time', 'times')}" if v else "does not plan ahead with us",
         1, {"window": 90}),
    Fact("invoice_timing", invoice_timing, ("billing",), _say_timing, 1, {"window": 180, "prior": 0, "weight": 1}),
)  # fmt: skip
