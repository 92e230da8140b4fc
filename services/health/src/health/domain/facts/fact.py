"""What a fact is: one number measured from a client's state at a moment, or the honest answer that there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from health.domain.journey import Template
from health.domain.state import ClientState, Mark

Params: TypeAlias = Mapping[str, int]


class At(NamedTuple):
    """The moment of a measurement (second, UTC day), and the journey that the client is on."""

    now: int
    day: int
    template: Template


class Measure(NamedTuple):
    """An integer in the fact's own scale, the day of its newest evidence, and the events behind it."""

    value: int
    day: int
    marks: tuple[Mark | None, ...]


@dataclass(frozen=True, slots=True)
class Fact:
    """A measured fact: `value / scale` is what people read, in `unit`; `say` puts it into words."""

    name: str
    measure: Callable[[ClientState, At, Params], Measure | None]
    families: tuple[str, ...]
    """Kinds of data it is made of; it is stale when a source of one of them is silent."""
    say: Callable[[int], str]
    scale: int = 1
    params: Params = field(default_factory=dict)
    """What a model may set, with its defaults: days and counts; `prior` is in the fact's scale.

    A fact that small counts would swing has a `prior`, what is usual for such clients, and beside it how much that
    weighs: `weight` or `shrink`, counted in what it measures (answers, tickets, days). At 0 it is the plain figure."""
    hourly: bool = False
    """Whether it changes within a UTC day by itself; only a client that keeps us waiting does."""
    most_days: int | None = None
    """The longest `window` for which a state remembers enough; None: any."""


def own_normal(first: int | None, day: int, *, least_weeks: int = 4) -> int:
    """Whole weeks of the client's own earlier 84 days that we know; 0 if too few to call them its normal.

    Windows of whole weeks hold every weekday equally often, so that weekends need no correction.
    """
    if first is None:
        return 0
    weeks = min(12, (day - 27 - first // 86400) // 7)
    return weeks if weeks >= least_weeks else 0


def shrunk_mean(answers: Iterable[tuple[int, int, Mark]], at: At, params: Params) -> Measure | None:
    """Mean of the values (day, value, mark; oldest first) of `window` days, as if `weight` more had been `prior`."""
    since = at.day - params["window"]
    within = [answer for answer in answers if answer[0] > since]
    if not within:
        return None
    total = sum(value for _, value, _ in within) + params["prior"] * params["weight"]
    marks = tuple(mark for _, _, mark in within[-3:])
    return Measure(total // (len(within) + params["weight"]), within[-1][0], marks)


def counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def percent(per_mille: int) -> str:
    return f"{round(per_mille / 10)}%"
