"""Facts of the component `financial`: does the client pay, does it pay more or less, does it mean to stay."""

from __future__ import annotations

from health.domain.facts.fact import At, Fact, Measure, Params, counted, percent
from health.domain.moments import DAY
from health.domain.state import ClientState

RATIO = 1000
TALKED = 999
"""Days of runway of a client with which the renewal is being talked about."""


def days_overdue(state: ClientState, at: At, params: Params) -> Measure | None:
    """Days past due of the oldest unpaid invoice; 0 if none is past due."""
    if "invoice" not in state.marks:
        return None
    oldest = min(state.invoices.values(), default=None)
    if oldest is None or oldest[0] >= at.day:
        return Measure(0, at.day, (state.marks["invoice"],))
    return Measure(at.day - oldest[0], at.day, (oldest[1],))


def payment_problems(state: ClientState, at: At, params: Params) -> Measure | None:
    """Failed payments of `window` days not made good since, and open disputes."""
    if "invoice" not in state.marks:
        return None
    since = at.day - params["window"]
    marks = [mark for day, _, mark in state.failed_payments if day > since]
    marks += [mark for _, mark in state.disputes.values()]
    return Measure(len(marks), at.day, (*marks[-3:], state.marks["invoice"]))


def mrr_trend(state: ClientState, at: At, params: Params) -> Measure | None:
    """MRR against `window` days ago, per mille; of several currencies the one that fares worst: they are not summed."""
    if not state.mrr_log:
        return None
    then, now, marks = {}, {}, {}
    for day, currency, total, mark in state.mrr_log:
        if day <= at.day - params["window"] or currency not in then:
            then[currency] = total
        now[currency], marks[currency] = total, mark
    ratios = {
        currency: RATIO * total // then[currency] if then[currency] else (RATIO if not total else 2 * RATIO)
        for currency, total in now.items()
    }
    worst = min(ratios, key=lambda currency: (ratios[currency], currency))
    return Measure(min(ratios[worst], 2 * RATIO), state.mrr_log[-1][0], (marks[worst],))


def renewal_runway(state: ClientState, at: At, params: Params) -> Measure | None:
    """Days to the renewal while nobody talks about it; 999 when a renewal meeting is held, planned or needless."""
    if state.renewal is None:
        return None
    since = at.day - params["talk"]
    meeting = state.meetings.get("renewal")
    if meeting is not None and max(meeting[2] or 0, (meeting[1] or 0) // DAY) > since:
        return Measure(TALKED, at.day, (meeting[3],))
    if state.renewed is not None and state.renewed[0] // DAY > since:
        return Measure(TALKED, at.day, (state.renewed[1],))
    return Measure(max(0, min(TALKED - 1, state.renewal - at.day)), at.day, (state.marks.get("renewal"),))


def plan_change(state: ClientState, at: At, params: Params) -> Measure | None:
    """−2 notice given, −1 took less in `window` days, 0 unchanged, +1 took or asked for more."""
    if state.notice is not None:
        return Measure(-2, at.day, (state.notice[2],))
    moves = [(step, mark) for day, step, mark in state.plan_moves if day > at.day - params["window"]]
    if moves:
        step = sum(step for step, _ in moves)
        return Measure((step > 0) - (step < 0), at.day, tuple(mark for _, mark in moves[-3:]))
    if "mrr" in state.marks:
        return Measure(0, at.day, (state.marks["mrr"],))
    return None


def _say_runway(days: int) -> str:
    if days >= TALKED:
        return "the renewal is being talked about, or signed"
    if not days:
        return "the renewal is due, or past, and nobody talks about it"
    left = f"{counted(days, 'day', 'days')}" if days < TALKED - 1 else f"{days} days or more"
    return f"{left} to renewal and nobody talks about it"


_PLANS = {-2: "notice given", -1: "took a smaller plan", 0: "plan unchanged", 1: "wants or took more"}

FACTS = (
    Fact("days_overdue", days_overdue, ("billing",),
         lambda v: f"oldest unpaid invoice {counted(v, 'day', 'days')} past due" if v else "no invoice past due"),
    Fact("payment_problems", payment_problems, ("billing",),
         lambda v: f"{counted(v, 'failed or disputed payment', 'failed or disputed payments')}" if v
         else "no failed or disputed payment", 1, {"window": 60}),
    Fact("mrr_trend", mrr_trend, ("billing", "contract"),
         lambda v: f"MRR at {percent(v)} of three months ago", RATIO, {"window": 90}),
    Fact("renewal_runway", renewal_runway, ("contract",), _say_runway, 1, {"talk": 120}),
    Fact("plan_change", plan_change, ("billing", "contract"), lambda v: _PLANS[v], 1, {"window": 90}),
)  # fmt: skip
