"""Sentences about paying and staying."""

from __future__ import annotations

from collections.abc import Mapping

from health.domain.facts.fact import counted
from health.domain.facts.financial import TALKED
from health.domain.moments import DAY
from health.domain.words.sight import Farewell, Sight, Teller, changed, days, listed, rounded

TODAY, PAST = "today", "past"


def days_overdue(before: Sight | None, after: Sight) -> str:
    was = None if before is None or not before.value else days(before.value)
    if not after.value:
        return changed("no invoice overdue any more" if was else "no invoice overdue", "", was)
    overdue = sorted((due, name) for name, (due, _) in after.state.invoices.items() if due < after.at.day)
    told = f"invoice {listed([overdue[0][1]])} is {days(after.value)} overdue" if overdue else days(after.value)
    more = f", {len(overdue) - 1} more are too" if len(overdue) > 2 else ", one more is too" if len(overdue) > 1 else ""
    return changed(told + more, days(after.value), was)


def payment_problems(before: Sight | None, after: Sight) -> str:
    since = after.at.day - after.params["window"]
    failed = [name for day, name, _ in after.state.failed_payments if day > since]
    disputed = list(after.state.disputes)
    parts = []
    if failed:
        names = listed(list(dict.fromkeys(failed)))
        parts.append(f"{counted(len(failed), 'failed payment', 'failed payments')} ({names})")
    if disputed:
        parts.append(f"{counted(len(disputed), 'disputed invoice', 'disputed invoices')} ({listed(disputed)})")
    was = str(before.value) if before is not None and before.value else None
    return changed(" and ".join(parts) or "no failed or disputed payment", str(len(failed) + len(disputed)), was)


def mrr_trend(before: Sight | None, after: Sight) -> str:
    now, was = _gap(after), None if before is None else _gap(before)
    span = f"{after.params['window']} days"
    return changed(f"MRR {now} in {span}" if now == "unchanged" else f"MRR {now} on {span} ago", now, was)


def _gap(sight: Sight) -> str:
    gap = rounded(sight.value - 1000, 10)
    return "unchanged" if gap == 0 else f"{abs(gap)}% {'up' if gap > 0 else 'down'}"


def renewal_runway(before: Sight | None, after: Sight) -> str:
    now, was = _left(after), None if before is None else _left(before)
    if after.value >= TALKED:
        was = f"{was} ahead and no talk" if was is not None and was != now else was
        renewed = after.state.renewed
        signed = renewed is not None and after.measure is not None and renewed[1] in after.measure.marks
        return changed("contract renewed" if signed else "the renewal is being talked about", now, was)
    on = "" if after.state.renewal is None else f" on {after.day(after.state.renewal)}"
    when = (
        f"renewal{on}, in {now}," if _ahead(after) > 0 else "renewal today" if now == TODAY else f"renewal{on} is past"
    )
    return changed(f"{when} and nobody talks about it", now, was)


def _left(sight: Sight) -> str:
    if sight.value >= TALKED:
        return "talked about"
    ahead = _ahead(sight)
    return days(ahead) if ahead > 0 else PAST if ahead else TODAY


def _ahead(sight: Sight) -> int:
    """Days to the renewal: the fact itself ends at 0, and before the figure that stands for being talked about."""
    return sight.value if sight.state.renewal is None else int(sight.state.renewal - sight.at.day)


def plan_change(before: Sight | None, after: Sight) -> str:
    moves = [day for day, step, _ in after.state.plan_moves if (step > 0) == (after.value > 0)]
    on = f" on {after.day(moves[-1])}" if moves else ""
    if after.state.notice is not None:
        _, effective, _ = after.state.notice
        return f"notice given on {after.day(after.state.notice[0] // DAY)}, to leave on {after.day(effective)}"
    if after.value < 0:
        return f"took a smaller plan{on}"
    if after.value > 0:
        return f"took or asked for more{on}"
    old = f"is {after.params['window']} days old"
    was = {-2: "notice withdrawn", -1: f"the smaller plan {old}", 1: f"the larger plan {old}"}
    return "plan unchanged" if before is None or not before.value else f"plan unchanged: {was[before.value]}"


TELLERS: Mapping[str, Teller] = {
    "days_overdue": days_overdue,
    "payment_problems": payment_problems,
    "mrr_trend": mrr_trend,
    "renewal_runway": renewal_runway,
    "plan_change": plan_change,
}
FAREWELLS: Mapping[str, Farewell] = {}
