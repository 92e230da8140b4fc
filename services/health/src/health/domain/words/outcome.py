"""Sentences about what the client gets out of it, and when."""

from __future__ import annotations

from collections.abc import Mapping

from health.domain import journey
from health.domain.facts.outcome import ROI
from health.domain.journey import Item
from health.domain.moments import DAY
from health.domain.words.sight import Farewell, Sight, Teller, changed, cut, listed, rounded, tenths, written

RATIO = 1000


def kpi_attainment(before: Sight | None, after: Sight) -> str:
    now = _attained(after)
    former = None if before is None else _attained(before)
    if len(now) == 1:
        ((kpi, reached),) = now.items()
        was = None if former is None or kpi not in former else f"{former[kpi]}%"
        return changed(f"KPI {_kpi(kpi)} at {reached}% of its target", f"{reached}%", was)
    mean = f"{rounded(after.value, 10)}%"
    told = changed(f"agreed KPIs reached to {mean}", mean, None if before is None else f"{rounded(before.value, 10)}%")
    moved = [(k, v) for k, v in now.items() if former is None or former.get(k) != v]
    return f"{told}: {listed([f'{_kpi(k)} {v}%' for k, v in moved], composed=True)}" if moved else told


def _kpi(name: str) -> str:
    return cut(name.replace("_", " "))


def _attained(sight: Sight) -> dict[str, int]:
    """KPI → per cent of the way from its baseline to its target, as the fact counts it."""
    found = {}
    for kpi, (up, baseline, target, _, value, *_) in sight.state.kpis.items():
        if kpi == ROI or target is None or value is None:
            continue
        way = target - baseline
        reached = RATIO * (value - baseline) // way if way else RATIO * (value >= target if up else value <= target)
        found[kpi] = rounded(max(0, min(1500, reached)), 10)
    return found


def milestones_on_time(before: Sight | None, after: Sight) -> str:
    due, late = _due(after)
    told = f"{len(due) - len(late)} of {len(due)} due milestones on time"
    if before is not None:
        due_before, late_before = _due(before)
        figure = f"{len(due_before) - len(late_before)} of {len(due_before)}"
        told = changed(told, f"{len(due) - len(late)} of {len(due)}", figure)
    if not late:
        return told
    today = after.at.day
    newest = sorted(late, key=lambda item: -item.due)
    names = [f"{cut(item.title)} (due {written((item.due - 1) // DAY, today)})" for item in newest]
    return f"{told}; late: {listed(names, composed=True)}"


def _due(sight: Sight) -> tuple[list[Item], list[Item]]:
    """The milestones that the fact counts, and those of them that are or were late."""
    since = sight.at.now - sight.params.get("forget", 0) * DAY
    items = journey.plan(sight.state, sight.at.template)
    due = [
        item for item in items
        if (item.done is None and item.due <= sight.at.now) or (item.done is not None and item.due >= since)
    ]  # fmt: skip
    return due, [item for item in due if item.done is None or item.done > item.due]


def return_on_investment(before: Sight | None, after: Sight) -> str:
    figure = tenths(after.value, RATIO)
    return changed(f"reported ROI {figure}", figure, None if before is None else tenths(before.value, RATIO))


TELLERS: Mapping[str, Teller] = {
    "kpi_attainment": kpi_attainment,
    "milestones_on_time": milestones_on_time,
    "return_on_investment": return_on_investment,
}
FAREWELLS: Mapping[str, Farewell] = {
    "milestones_on_time": lambda after: "no milestone was due lately",
    "kpi_attainment": lambda after: "no agreed KPI has a value any more",
}
