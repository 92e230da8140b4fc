"""What a sign is: a named condition of a client, and what it looks at. Judged at a moment, pure, explained in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from health.domain.moments import DAY, date_of, moment_of
from health.domain.state import ClientState, Mark

RATIO = 1000
"""Scale of ratios in settings: 0.5 is written, 500 is reckoned with."""

Params: TypeAlias = Mapping[str, int]


class Kind(StrEnum):
    """What a sign tells of."""

    EARLY_WARNING = "early_warning"
    """The client."""
    ABOUT_US = "about_us"
    """How we treat the client."""
    RHYTHM = "rhythm"
    """What its tier was promised, and is due."""
    DISAGREEMENT = "disagreement"
    """Two of health, risk, money and the CSM's own view contradict each other."""


class Health(NamedTuple):
    """The client as last scored; the score in sixteenths, None while nothing is known."""

    score: int | None
    band: str


class Risk(NamedTuple):
    """What churn said last. `probability` in per mille, None while uncalibrated; `share`: per mille of the threshold
    that the probability, or else the scorecard's points, come to. A moment in seconds."""

    probability: int | None
    share: int
    as_of: int
    simulated: bool


class WeekScore(NamedTuple):
    """A score at the end of a week (`day` is the Monday after it), in sixteenths, and the model that gave it."""

    day: int
    score: int
    model: str
    version: int


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often a tier is met, in days; None: as needed. Which kinds of meeting count as what."""

    review_days: Mapping[str, int | None]
    check_in_days: Mapping[str, int | None]
    unknown_tier: str
    reviews: frozenset[str]
    agenda_for: frozenset[str]
    summary_for: frozenset[str]


@dataclass(frozen=True, slots=True)
class Seen:
    """All that signs look at. `on`: what of this sign is there already, by `Finding.about`."""

    state: ClientState
    now: int
    day: int
    rhythm: Rhythm
    health: Health | None = None
    risk: Risk | None = None
    weeks: tuple[WeekScore, ...] = ()
    on: frozenset[str] = frozenset()

    def above(self, value: int, params: Params, about: str = "") -> bool:
        """High is bad: begins at `starts_at`, and is over only below `ends_below`, so that it does not flap."""
        return value >= params["ends_below" if about in self.on else "starts_at"]

    def below(self, value: int, params: Params, about: str = "") -> bool:
        """Low is bad: begins at `starts_at` or less, and is over only above `ends_above`."""
        return value <= params["ends_above" if about in self.on else "starts_at"]


class Finding(NamedTuple):
    """A sign that is there: a sentence of facts, the second since which it holds (not after now), the events behind
    it. `about` tells several of one sign apart: a meeting's id, or which side is the brighter one."""

    text: str
    since: int
    marks: tuple[Mark | None, ...] = ()
    about: str = ""


Answer: TypeAlias = Finding | tuple[Finding, ...] | None


@dataclass(frozen=True, slots=True)
class Sign:
    """A condition: how to look for it, its settings with their scales, and what is said when it is over."""

    name: str
    kind: Kind
    look: Callable[[Seen, Params], Answer]
    over: str
    params: Mapping[str, int] = field(default_factory=dict)
    """Setting → scale: 1 for days, hours, counts and points, RATIO for ratios."""
    families: tuple[str, ...] = ()
    """Kinds of data it rests on: while a source of one of them is silent it neither begins nor ends."""
    hours: bool = False
    """Whether it may begin or end within a UTC day though nothing happens (`instants`); others change at midnight."""

    def find(self, seen: Seen, params: Params) -> tuple[Finding, ...]:
        return findings(self.look(seen, params))


def findings(answer: Answer) -> tuple[Finding, ...]:
    if answer is None:
        return ()
    return (answer,) if isinstance(answer, Finding) else answer


def on_day(day: int) -> str:
    """`4 Nov`, as people write it."""
    date = date_of(day)
    return f"{date.day} {date:%b}"


def at_second(second: int) -> str:
    """`4 Nov, 09:00 UTC`."""
    return f"{on_day(second // DAY)}, {moment_of(second):%H:%M} UTC"


def counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def percent(per_mille: int) -> str:
    return f"{round(per_mille / 10)} %"


def mean(total: int, count: int) -> float:
    return total / count if count else 0.0
