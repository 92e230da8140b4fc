"""What became of a client: the label of a moment, and what is not known yet.

A moment's label is 1 if the client ended (see `life`) within the horizon after it, 0 if it is known that it did not,
and none (censored) while that is not known: never counted as stayed. A notice that was taken back does not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from churn.domain.life import LIFECYCLE, End, Life
from churn.domain.moments import DAY


@dataclass(frozen=True, slots=True)
class Rules:
    """Days: how far a label looks ahead, how long a client must have been one, how late a renewal may come."""

    horizon_days: int = 90
    min_tenure_days: int = 30
    grace_days: int = 30


@dataclass(frozen=True, slots=True)
class Spell:
    """A stretch of being a client, in seconds; `end` is None while it lasts.

    `doubtful` is the contract's end when that is past or near and nobody can know yet whether it will be renewed.
    """

    start: int
    end: End | None
    doubtful: int | None = None


def spells(lifecycle: Iterable[tuple[int, str, Mapping[str, Any]]], known_until: int, rules: Rules) -> list[Spell]:
    """A client's spells from its lifecycle events (second, name, fact) in order, with hindsight up to `known_until`."""
    life = Life()
    found: list[Spell] = []
    start: int | None = None
    for at, name, data in lifecycle:
        if start is not None:
            end = life.ended(at, rules.grace_days)
            if end is not None:
                found.append(Spell(start, end))
                start = None
        LIFECYCLE[name](life, data, at)
        if start is None and life.ended(at, rules.grace_days) is None:
            start = _begin(found, name, at)
    if start is not None:
        end = life.ended(known_until, rules.grace_days)
        found.append(Spell(start, end, None if end else life.may_lapse()))
    return found


def _begin(found: list[Spell], name: str, at: int) -> int:
    """A new spell, or the last one again when its notice was taken back."""
    if name == "cancellation_withdrawn" and found and found[-1].end and found[-1].end.kind == "notice":
        return found.pop().start
    return at


def label(history: list[Spell], moment: int, known_until: int, rules: Rules) -> int | None:
    """1 left, 0 stayed, None: not a client at the moment, or not known yet.

    Rows whose horizon is not over are all left out, leavers too: taking those alone would bend the base rate.
    """
    current = next((s for s in history if s.start <= moment and (s.end is None or moment < s.end.at)), None)
    horizon = moment + rules.horizon_days * DAY
    if current is None or horizon > known_until:
        return None
    if current.doubtful is not None and current.doubtful <= horizon:
        return None
    return int(current.end is not None and current.end.at <= horizon)
