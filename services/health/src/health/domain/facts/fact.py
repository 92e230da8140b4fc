"""What a fact is: one number measured from a client's state at a moment, or the honest answer that there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    """What a model may set, with its defaults (days, counts, in the fact's scale where it is a value)."""
    hourly: bool = False
    """Whether it changes within a UTC day by itself; only a client that keeps us waiting does."""


def own_normal(first: int | None, day: int, *, least_weeks: int = 4) -> int:
    """Whole weeks of the client's own earlier 84 days that we know; 0 if too few to call them its normal.

    Windows of whole weeks hold every weekday equally often, so that weekends need no correction.
    """
    if first is None:
        return 0
    weeks = min(12, (day - 27 - first // 86400) // 7)
    return weeks if weeks >= least_weeks else 0


def counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def percent(per_mille: int) -> str:
    return f"{round(per_mille / 10)}%"
