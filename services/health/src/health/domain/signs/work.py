"""Early warnings from what is done: use of the product, approvals, invoices, and the score over months."""

from __future__ import annotations

from health.domain.model import POINT
from health.domain.moments import DAY
from health.domain.signs.sign import (
    RATIO,
    Finding,
    Kind,
    Params,
    Seen,
    Sign,
    counted,
    on_day,
    percent,
)
from health.domain.state import ClientState

WEEK = 7
HINDERING = frozenset({"high", "critical"})


def usage_dip(seen: Seen, params: Params) -> Finding | None:
    """Use in the last whole UTC days against the same weekdays of the weeks before; none while it is explained."""
    state = seen.state
    if state.first is None or explained(seen, params) is not None:
        return None
    days, end, what = state.logins, state.logins_end, "logins"
    if state.usage:
        days, end, what = state.usage, state.usage_end, "usage"
    recent = params["recent_days"]
    weeks = min(params["weeks"], (seen.day - recent - state.first // DAY) // WEEK)
    if weeks < params["least_weeks"]:
        return None
    first = seen.day - recent
    usual = [_amount(days, end, first - WEEK * nth, recent) for nth in range(1, weeks + 1)]
    if sum(1 for week in usual if week) < params["least_weeks"]:
        return None
    expected, real = sum(usual) // weeks, _amount(days, end, first, recent)
    scale = 100 if what == "usage" else 1
    shrink = scale * params["shrink"]
    ratio = RATIO * (real + shrink) // max(1, expected + shrink)
    if not seen.below(ratio, params):
        return None
    less = percent(max(0, RATIO - RATIO * real // max(1, expected)))
    text = f"{what} in the {recent} days from {on_day(first)} {'was' if what == 'usage' else 'were'} {less} below"
    text += f" the same weekdays of the {weeks} weeks before"
    return Finding(text, first * DAY, (state.marks.get("usage"), state.marks.get("login")))


def explained(seen: Seen, params: Params) -> str | None:
    """What makes a dip no surprise: a known end, a smaller plan, something of ours that hinders them."""
    state = seen.state
    if state.notice is not None:
        return "notice was given"
    if any(move < 0 and day > seen.day - params["explained_days"] for day, move, _ in state.plan_moves):
        return "they took a smaller plan"
    if any(severity in HINDERING for severity, *_ in state.blockers.values()):
        return "a blocker is open"
    return None


def _amount(days: list[int], end: int, first: int, count: int) -> int:
    """What was used on so many days from the first on; beyond what is remembered, nothing."""
    place = len(days) - 1 - end + first
    return sum(days[max(0, place) : max(0, place + count)])


def approvals_late(seen: Seen, params: Params) -> Finding | None:
    """Approvals given or still missing after their day, within `window_days`; without one they have `default_days`."""
    late = sorted(_late_approvals(seen.state, seen.day, params))
    if not late or not seen.above(len(late), params):
        return None
    missing = sum(1 for _, given, _ in late if not given)
    text = f"{counted(len(late), 'approval', 'approvals')} late in {params['window_days']} days"
    if missing:
        text += f", {missing} still missing"
    return Finding(text, (late[-1][0] + 1) * DAY, tuple(mark for *_, mark in late[-5:]))


def _late_approvals(state: ClientState, day: int, params: Params) -> list[tuple[int, int, str]]:
    """(day due, given?, mark) of each that is late."""
    late = []
    for asked, due, given, mark in state.approvals.values():
        until = due // DAY if due is not None else asked // DAY + params["default_days"]
        done = given // DAY if given is not None else day
        if until < done and until < day and done > day - params["window_days"]:
            late.append((until, int(given is not None), mark))
    return late


def invoice_ageing(seen: Seen, params: Params) -> Finding | None:
    """Days past due of the oldest unpaid invoice."""
    due, mark = min(seen.state.invoices.values(), default=(seen.day, None))
    if seen.day <= due or not seen.above(seen.day - due, params):
        return None
    others = sum(1 for day, _ in seen.state.invoices.values() if day < seen.day) - 1
    text = f"an invoice due on {on_day(due)} is unpaid"
    if others > 0:
        text += f", and {counted(others, 'other', 'others')} past due"
    since = (due + params["starts_at"]) * DAY
    return Finding(text, min(since, seen.now), (mark,))


def score_falling(seen: Seen, params: Params) -> Finding | None:
    """The straight line through the weekly scores of the model in force falls by so many points over its span."""
    run = [week for week in seen.weeks if week.day > seen.day - WEEK * params["weeks"]]
    for place in range(len(run) - 1, 0, -1):
        if (run[place - 1].model, run[place - 1].version) != (run[place].model, run[place].version):
            run = run[place:]
            break
    if len(run) < params["least_weeks"]:
        return None
    xs, ys = [week.day for week in run], [week.score for week in run]
    count, span = len(run), xs[-1] - xs[0]
    spread = count * sum(x * x for x in xs) - sum(xs) ** 2
    if not spread:
        return None
    slope = count * sum(x * y for x, y in zip(xs, ys, strict=True)) - sum(xs) * sum(ys)
    fallen = -slope * span // spread
    if not seen.above(fallen // POINT, params):
        return None
    text = f"the score fell from {ys[0] / POINT:.0f} to {ys[-1] / POINT:.0f} in {span // WEEK} weeks, and keeps falling"
    return Finding(text, xs[0] * DAY)


SIGNS = (
    Sign("usage_dip", Kind.EARLY_WARNING, usage_dip, "usage is back near its normal, or what it fell to is normal now",
         {"starts_at": RATIO, "ends_above": RATIO, "recent_days": 1, "weeks": 1, "least_weeks": 1, "shrink": 1,
          "explained_days": 1}, ("usage",)),
    Sign("approvals_late", Kind.EARLY_WARNING, approvals_late, "approvals come in time again",
         {"starts_at": 1, "ends_below": 1, "window_days": 1, "default_days": 1}, ("project",)),
    Sign("invoice_ageing", Kind.EARLY_WARNING, invoice_ageing, "no old invoice is unpaid",
         {"starts_at": 1, "ends_below": 1}, ("billing",)),
    Sign("score_falling", Kind.EARLY_WARNING, score_falling, "the score does not fall any more",
         {"starts_at": 1, "ends_below": 1, "weeks": 1, "least_weeks": 1}),
)  # fmt: skip
