"""What became of a client: the label of a moment, and what is not known yet.

A moment's label is 1 if the client ended (see `life`) within the horizon after it, 0 if it is known that it did not,
and none (censored) while that is not known: never counted as stayed. A notice that was taken back does not count, nor
does one that says that all was done (`Rules.not_leaving`): such a client has gone, but it has not left us.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from churn.domain.life import LIFECYCLE, End, Life
from churn.domain.moments import DAY


@dataclass(frozen=True, slots=True)
class Rules:
    """Days: how far a label looks ahead, how long a client must have been one, how late a renewal may come.

    `not_leaving`: reasons (lower case) of notices that end a client without its having left, such as `completed`.
    """

    horizon_days: int = 90
    min_tenure_days: int = 30
    grace_days: int = 30
    not_leaving: frozenset[str] = frozenset()

    def left(self, end: End) -> bool:
        """Whether who ended like this is a leaver."""
        return end.reason is None or end.reason not in self.not_leaving


@dataclass(frozen=True, slots=True)
class Spell:
    """A stretch of being a client, in seconds; `end` is None while it lasts.

    `doubtful` is the contract's end when that is past or near and nobody can know yet whether it will be renewed.
    `taken_back`: what looked like an end and was none, as (second of it, second from which that is known): notices
    that were withdrawn, contracts that were renewed after they had run out.
    """

    start: int
    end: End | None
    doubtful: int | None = None
    taken_back: tuple[tuple[int, int], ...] = ()


class Label(NamedTuple):
    """1 left, 0 stayed; the second from which that is known; and the second at which the client left (0: stayed)."""

    left: int
    known_at: int
    left_at: int = 0


def spells(lifecycle: Iterable[tuple[int, str, Mapping[str, Any]]], known_until: int, rules: Rules) -> list[Spell]:
    """A client's spells from its lifecycle events (second, name, fact) in order, with hindsight up to `known_until`."""
    life = Life()
    found: list[Spell] = []
    start: int | None = None
    back: tuple[tuple[int, int], ...] = ()
    for at, name, data in lifecycle:
        if start is not None:
            # What one second brings counts together: revenue at 0 and the new contract, a notice and its reason.
            end = life.ended(at - 1, rules.grace_days)
            if end is not None:
                found.append(Spell(start, end, None, back))
                start = None
        ran_out = life.may_lapse()
        LIFECYCLE[name](life, data, at)
        if start is not None and ran_out is not None and ran_out < at and life.may_lapse() != ran_out:
            back = (*back, (ran_out, at))
        if start is None and life.ended(at, rules.grace_days) is None:
            start, back = _begin(found, name, at)
    if start is not None:
        end = life.ended(known_until, rules.grace_days)
        found.append(Spell(start, end, None if end else life.may_lapse(), back))
    return found


def _begin(found: list[Spell], name: str, at: int) -> tuple[int, tuple[tuple[int, int], ...]]:
    """A new spell, or the last one again when its notice was taken back."""
    if name == "cancellation_withdrawn" and found and found[-1].end and found[-1].end.kind == "notice":
        last = found.pop()
        given = last.end.at if last.end else at
        return last.start, (*last.taken_back, (given, at))
    return at, ()


def label(history: Sequence[Spell], moment: int, known_until: int, rules: Rules) -> Label | None:
    """What became of a client within the horizon; None: not a client at the moment, or not known yet.

    Rows whose horizon is not over are all left out, leavers too: taking those alone would bend the base rate. So a
    label is known at its horizon's end at the earliest, and later where a lapse waits for its grace, or a notice or a
    contract's end that fell into the horizon was taken back, or renewed, after it.
    """
    current = next((s for s in history if s.start <= moment and (s.end is None or moment < s.end.at)), None)
    horizon = moment + rules.horizon_days * DAY
    if current is None or horizon > known_until:
        return None
    if current.doubtful is not None and current.doubtful <= horizon:
        return None
    end, known_at = current.end, horizon
    if end is not None and end.kind == "lapse" and end.at <= horizon:
        known_at = max(known_at, end.at + rules.grace_days * DAY)
    for given, back in current.taken_back:
        if moment < given <= horizon:
            known_at = max(known_at, back)
    if end is None or end.at > horizon or not rules.left(end):
        return Label(0, known_at)
    return Label(1, known_at, end.at)
