"""A client at a moment: the state, the health track and the moment, with what several features need made once."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from churn.domain import health_track
from churn.domain.health_track import HealthTrack
from churn.domain.moments import DAY
from churn.domain.state import State

MISSING = math.nan
WEEKS = 16
"""Weeks that windows reach back: four of now, twelve of the client's own baseline."""
NOW_WEEKS = 4
BASELINE_WEEKS = 12
SPAN_DAYS, BEFORE_DAYS = 42, 84
"""Of what people write and how they answer: now, and what it is held against."""
ENOUGH_BASELINE_WEEKS = 3
"""With fewer weeks of its own past a client has no baseline, and its trends are missing."""


class Spans(NamedTuple):
    """How many and their sum, in the last 42 days and in the 84 before."""

    number: int
    total: int
    number_before: int
    total_before: int

    @property
    def mean(self) -> float:
        return self.total / self.number if self.number else MISSING

    @property
    def mean_before(self) -> float:
        return self.total_before / self.number_before if self.number_before else MISSING


class View:
    """What features are computed from. Nothing in it is later than `moment` (seconds)."""

    __slots__ = (
        "baseline_weeks",
        "health",
        "health_days",
        "health_scores",
        "life",
        "login_weeks",
        "memo",
        "moment",
        "ratings",
        "state",
        "tenure_days",
        "today",
        "usage_days",
        "usage_weeks",
    )

    def __init__(self, state: State, track: HealthTrack, moment: int) -> None:
        self.state = state
        self.life = state.life
        self.moment = moment
        self.today = moment // DAY
        self.tenure_days = tenure_days(state, moment)
        first = state.first_at if state.first_at is not None else moment
        observed = (moment - first) // (7 * DAY)
        self.baseline_weeks = min(BASELINE_WEEKS, observed - NOW_WEEKS)
        self.login_weeks, _ = weekly(state.logins, self.today)
        self.usage_weeks, self.usage_days = weekly(state.usage, self.today)
        self.health = health_track.until(track, moment)
        self.health_days: list[float] = [(row[0] - moment) / DAY for row in self.health]
        """When each was known: days from `moment`, so none is above 0."""
        self.health_scores: list[int] = [row[1] for row in self.health]
        self.ratings = state.ratings
        self.memo: dict[Any, Any] = {}
        """What several features share and is worked out by the first of them."""

    def has(self, kind: str) -> bool:
        """Whether the client ever had this kind of data: what was never seen is missing, not zero."""
        return kind in self.state.seen

    def marks(self, kind: str, days: int) -> int:
        """On how many days of the last `days` something of this kind happened."""
        marks = self.state.marks.get(kind)
        if not marks:
            return 0
        since = self.moment - days * DAY
        return len({at // DAY for at, _ in marks if at > since})

    def last_mark(self, kind: str) -> int | None:
        """When something of this kind last happened."""
        marks = self.state.marks.get(kind)
        return marks[-1][0] if marks else None

    def value(self, of: Callable[[View], float]) -> float:
        """A feature's value, worked out once."""
        found = self.memo.get(of)
        if found is None:
            found = self.memo[of] = of(self)
        known: float = found
        return known

    def spans(self, kind: str) -> Spans:
        """What was summed in the last 42 days and in the 84 before, of one of the state's `Sums` (by its name)."""
        found = self.memo.get(kind)
        if found is None:
            found = self.memo[kind] = _spans(getattr(self.state, kind), self.today)
        known: Spans = found
        return known

    def scores(self, days: int) -> tuple[list[float], list[int]]:
        """Of the last `days` when health was scored (days from `moment`) and how (sixteenths), oldest first."""
        first = bisect_right(self.health_days, -days)
        return self.health_days[first:], self.health_scores[first:]

    def days_since(self, second: int | None) -> float:
        return MISSING if second is None else (self.moment - second) / DAY


def tenure_days(state: State, moment: int) -> float:
    """Days since the contract began, else since the first event; missing for a client never heard of."""
    starts = [at for at in (state.life.started, state.first_at) if at is not None]
    return (moment - min(starts)) / DAY if starts else MISSING


def weekly(buckets: Mapping[int, int], today: int) -> tuple[list[int], list[int]]:
    """Sums of the last `WEEKS` weeks, and on how many days of each there was anything; index 0 ends today."""
    weeks, days = [0] * WEEKS, [0] * WEEKS
    oldest = today - 7 * WEEKS
    for day, quantity in buckets.items():
        if quantity and oldest < day <= today:
            week = (today - day) // 7
            weeks[week] += quantity
            days[week] += 1
    return weeks, days


def _spans(sums: Mapping[int, list[int]], today: int) -> Spans:
    now = total = before = total_before = 0
    recent, oldest = today - SPAN_DAYS, today - SPAN_DAYS - BEFORE_DAYS
    for day, (number, summed) in sums.items():
        if recent < day <= today:
            now += number
            total += summed
        elif oldest < day <= recent:
            before += number
            total_before += summed
    return Spans(now, total, before, total_before)


def count_over(buckets: Mapping[int, int], today: int, first: int, last: int) -> int:
    """How much was counted from `first` to `last` days ago (0 is today)."""
    newest, oldest = today - first, today - last
    return sum([quantity for day, quantity in buckets.items() if oldest <= day <= newest])


def log_ratio(now: float, before: float, floor: float = 1.0) -> float:
    """ln of now against before, both raised by `floor` so that small counts do not swing it."""
    return math.log((now + floor) / (before + floor))


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else MISSING


def or_missing(value: Any) -> float:
    return MISSING if value is None else float(value)
