"""Facts of the component `outcome`: does the client get what it came for, when it was promised."""

from __future__ import annotations

from health.domain import journey
from health.domain.facts.fact import At, Fact, Measure, Params, percent
from health.domain.moments import DAY
from health.domain.state import ClientState

RATIO = 1000
ROI = "roi"


def kpi_attainment(state: ClientState, at: At, params: Params) -> Measure | None:
    """Mean over the agreed KPIs of (value − baseline) ÷ (target − baseline), per mille, each within 0 … 1500."""
    attained, newest, marks = [], 0, []
    for kpi, (up, baseline, target, _, value, day, _, mark) in state.kpis.items():
        if kpi == ROI or target is None or value is None:
            continue
        way = target - baseline
        if way:
            attained.append(max(0, min(1500, RATIO * (value - baseline) // way)))
        else:  # "keep it where it is": held or lost
            attained.append(RATIO if (value >= target if up else value <= target) else 0)
        newest = max(newest, day)
        marks.append(mark)
    if not attained:
        return None
    return Measure(sum(attained) // len(attained), newest, tuple(marks))


def milestones_on_time(state: ClientState, at: At, params: Params) -> Measure | None:
    """Of the milestones due by now: the share completed by their due time, per mille; half for a late completion.

    `forget` days after its due time a milestone no longer counts: last year's delay says nothing about today. While
    nobody ever reported a milestone or a hand-off of the client, those of the journey map do not count, since that is a
    habit of ours and not its health; those that were planned for it by name do.
    """
    marks = (state.marks.get("milestone"), state.marks.get("hand_off"))
    unreported = marks == (None, None)
    if unreported:
        names = at.template.names
        marks = tuple(
            e[8] for n, e in state.milestones.items() if n not in names and e[3] is not None and e[3] <= at.now
        )
    if not marks:
        return None
    since = at.now - params["forget"] * DAY
    due, points = journey.punctuality(state, at.template, at.now, since, by_name=unreported)
    if not due:
        return None
    return Measure(RATIO * points // (2 * due), at.day, marks)


def return_on_investment(state: ClientState, at: At, params: Params) -> Measure | None:
    """The last reported KPI `roi`, in thousandths."""
    entry = state.kpis.get(ROI)
    if entry is None or entry[4] is None:
        return None
    return Measure(entry[4], entry[5], (entry[7],))


FACTS = (
    Fact("kpi_attainment", kpi_attainment, ("outcome",), lambda v: f"agreed KPIs reached to {percent(v)}", RATIO),
    Fact("milestones_on_time", milestones_on_time, ("contract",),
         lambda v: f"{percent(v)} of the due milestones on time", RATIO, {"forget": 180}),
    Fact("return_on_investment", return_on_investment, ("outcome",), lambda v: f"reported ROI {v / RATIO:.1f}", RATIO),
)  # fmt: skip
