"""How onboardings go: the figures of each client, and the metrics of many against their targets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import NamedTuple

from health.domain import journey
from health.domain.journey import Template
from health.domain.moments import DAY
from health.domain.state import ClientState

FIRST_VALUE = "first_value"
CORE, CORE_MILESTONE = "core", "core_training_complete"
RED_AFTER, TRAINED_BY, WEEK_2, SIX_MONTHS, THREE_MONTHS = 45, 21, 14, 182, 91
"""Days after the contract's start from which a figure is known of a client."""
PROMOTER, DETRACTOR = 900, 600
"""NPS in thousandths of its scale: from 9 of 10, up to 6 of 10."""


class Target(NamedTuple):
    """Where a metric should be, and from where on it is a red flag. Lower is better where `red` is the larger."""

    target: float
    red: float

    def verdict(self, value: float | None) -> str | None:
        """on_target, between or red_flag; None where nothing was measured."""
        if value is None:
            return None
        sign = 1 if self.red > self.target else -1
        if sign * (value - self.red) > 0:
            return "red_flag"
        return "on_target" if sign * (value - self.target) <= 0 else "between"


class Counted(NamedTuple):
    """What a client's facts add up to between the contract's start and the hand-off."""

    logins: int = 0
    tickets: int = 0
    hours: float = 0.0
    hours_logged: int = 0
    touchpoints: int = 0
    automated: int = 0


@dataclass(frozen=True, slots=True)
class Onboarding:
    """The figures of one client; None: not known (yet). Shares from 0 to 1, spans in days."""

    first_win: float | None
    duration: float | None
    completed: bool | None
    due: int
    on_time: int
    satisfaction: float | None
    trained: bool | None
    tools: float | None
    stayed: bool | None
    expanded: bool | None
    nps: tuple[int, ...]
    counted: Counted


def window(state: ClientState, now: int) -> tuple[int, int] | None:
    """From the contract's start to the hand-off; without one up to the day on which that is a red flag."""
    if state.contract_start is None:
        return None
    start = state.contract_start * DAY
    until = state.handed_off if state.handed_off is not None else start + (RED_AFTER + 1) * DAY
    return start, max(start, min(until, now))


def onboarding(state: ClientState, template: Template, counted: Counted, now: int) -> Onboarding | None:
    """Of one client; None without a contract, and of a client that was onboarded before we heard of it."""
    start = state.contract_start
    if start is None or journey.onboarded_before_us(state):
        return None
    age = now // DAY - start
    items = journey.plan(state, template)
    ended = {phase.name: second for phase, second in journey.endings(state, template, items)}
    first_win = ended.get(FIRST_VALUE)
    by_name = {shipped.name for shipped in template.milestones if shipped.onboarding}
    due = [item for item in items if item.name in by_name and (item.done is not None or item.due_first <= now)]
    return Onboarding(
        first_win=None if first_win is None else _days(start, first_win),
        duration=None if state.handed_off is None else _days(start, state.handed_off),
        completed=True if state.handed_off is not None else False if age > RED_AFTER else None,
        due=len(due),
        on_time=sum(item.done is not None and item.done <= item.due_first for item in due),
        satisfaction=_mean(entry[1] / 100 for entry in state.surveys.get("onboarding", ())),
        trained=_trained(state, age),
        tools=_tools(state, start) if age >= WEEK_2 else None,
        stayed=None if age < SIX_MONTHS else state.notice is None or state.notice[1] > start + SIX_MONTHS,
        expanded=_expanded(state, start) if age >= THREE_MONTHS else None,
        nps=tuple(entry[1] for entry in state.surveys.get("nps", ())),
        counted=counted,
    )


def _days(start: int, second: int) -> float:
    return max(0, second - start * DAY) / DAY


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return fmean(found) if found else None


def _trained(state: ClientState, age: int) -> bool | None:
    entry = state.milestones.get(CORE_MILESTONE)
    done = entry is not None and entry[5] is not None
    done = done or any(required or course == CORE for course, (_, required) in state.trainings.items())
    return True if done else False if age > TRAINED_BY else None


def _tools(state: ClientState, start: int) -> float | None:
    key = state.profile.get("key_features")
    if not key or "usage" not in state.marks:
        return None
    used = [name for name in key if name in state.features and state.features[name][0] < start + WEEK_2]
    return len(used) / len(key)


def _expanded(state: ClientState, start: int) -> bool | None:
    """Whether it paid more after three months than at first; the first currency that it paid in."""
    if not state.mrr_log:
        return None
    currency = state.mrr_log[0][1]
    steps = [entry for entry in state.mrr_log if entry[1] == currency]
    later = [entry[2] for entry in steps if entry[0] <= start + THREE_MONTHS]
    return bool(later) and later[-1] > steps[0][2]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric over many clients. `n`: of how many clients it is, or of how many milestones, answers, touchpoints."""

    name: str
    group: str
    unit: str
    value: float | None
    n: int
    target: Target
    verdict: str | None


Figures = Sequence[Onboarding]
Measured = tuple[float | None, int]


def _median(pick: Callable[[Onboarding], float | None]) -> Callable[[Figures], Measured]:
    def measure(found: Figures) -> Measured:
        values = [value for one in found if (value := pick(one)) is not None]
        return (median(values) if values else None), len(values)

    return measure


def _average(pick: Callable[[Onboarding], float | None]) -> Callable[[Figures], Measured]:
    def measure(found: Figures) -> Measured:
        values = [value for one in found if (value := pick(one)) is not None]
        return _mean(values), len(values)

    return measure


def _percent(pick: Callable[[Onboarding], bool | float | None]) -> Callable[[Figures], Measured]:
    def measure(found: Figures) -> Measured:
        values = [100.0 * value for one in found if (value := pick(one)) is not None]
        return _mean(values), len(values)

    return measure


def _on_time(found: Figures) -> Measured:
    due = sum(one.due for one in found)
    return (100 * sum(one.on_time for one in found) / due if due else None), due


def _nps(found: Figures) -> Measured:
    scores = [score for one in found for score in one.nps]
    if not scores:
        return None, 0
    net = sum((score >= PROMOTER) - (score <= DETRACTOR) for score in scores)
    return 100 * net / len(scores), len(scores)


def _automated(found: Figures) -> Measured:
    touched = sum(one.counted.touchpoints for one in found)
    return (100 * sum(one.counted.automated for one in found) / touched if touched else None), touched


METRICS: Mapping[str, tuple[str, str, Target, Callable[[Figures], Measured]]] = {
    "time_to_first_win": ("speed", "days, median", Target(7, 10), _median(lambda one: one.first_win)),
    "onboarding_duration": ("speed", "days, median", Target(30, 45), _median(lambda one: one.duration)),
    "completion_rate": ("quality", "%", Target(90, 75), _percent(lambda one: one.completed)),
    "milestones_on_time": ("quality", "%", Target(85, 70), _on_time),
    "satisfaction": ("quality", "of 10, mean", Target(8, 7), _average(lambda one: one.satisfaction)),
    "core_training": ("engagement", "%", Target(90, 70), _percent(lambda one: one.trained)),
    "tools_by_week_2": ("engagement", "% of key features", Target(80, 60), _percent(lambda one: one.tools)),
    "logins": ("engagement", "a client, mean", Target(10, 5), _average(lambda one: one.counted.logins)),
    "clients_at_6_months": ("business", "%", Target(85, 70), _percent(lambda one: one.stayed)),
    "expanded_at_3_months": ("business", "%", Target(40, 20), _percent(lambda one: one.expanded)),
    "nps": ("business", "points", Target(50, 30), _nps),
    "our_hours": ("efficiency", "hours a client, mean", Target(10, 20),
                  _average(lambda one: one.counted.hours if one.counted.hours_logged else None)),
    "tickets": ("efficiency", "a client, mean", Target(5, 15), _average(lambda one: one.counted.tickets)),
    "touchpoints_automated": ("efficiency", "%", Target(70, 50), _automated),
}  # fmt: skip
"""Metric → group, unit, target and red flag unless the journey map says otherwise, how it is measured."""


def metrics(found: Figures, targets: Mapping[str, Target]) -> list[Metric]:
    """All of them, in their order; `targets`: what the journey map says."""
    rows = []
    for name, (group, unit, shipped, measure) in METRICS.items():
        value, n = measure(found)
        target = targets.get(name, shipped)
        shown = None if value is None else round(value, 2)
        rows.append(Metric(name, group, unit, shown, n, target, target.verdict(value)))
    return rows
