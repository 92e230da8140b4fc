"""What became of a flag: whether the client left within the horizon that the flag spoke of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt
from typing import NamedTuple

from churn.domain.labels import Rules, Spell, label
from churn.domain.moments import DAY

Z95 = 1.96


class Outcome(StrEnum):
    """How a flag ended. Whether a case saved the client nobody can know; that there was one is said."""

    LEFT = "left"
    STAYED = "stayed"
    STAYED_AFTER_CASE = "stayed_after_case"
    UNKNOWN = "unknown"
    """No client of ours at that moment, as is known by now: its notice was older than the flag."""


class Fate(NamedTuple):
    """What is known of a flag's end by now; `outcome` is None until it can be known, `again` at the earliest."""

    outcome: Outcome | None
    left_at: int | None = None
    left_by: str | None = None
    again: int | None = None


def fate(history: Sequence[Spell], raised_at: int, known_until: int, rules: Rules, *, case: bool) -> Fate:
    """What became of the client within the horizon after a flag (seconds), by its spells as they are known now."""
    horizon = raised_at + rules.horizon_days * DAY
    if known_until < horizon:
        return Fate(None, again=horizon)
    found = label(history, raised_at, known_until, rules)
    current = next((s for s in history if s.start <= raised_at and (s.end is None or raised_at < s.end.at)), None)
    if found is None:
        if current is not None and current.doubtful is not None:
            return Fate(None, again=current.doubtful + rules.grace_days * DAY)
        return Fate(Outcome.UNKNOWN)
    if found.left and current is not None and current.end is not None:
        return Fate(Outcome.LEFT, current.end.at, current.end.kind)
    return Fate(Outcome.STAYED_AFTER_CASE if case else Outcome.STAYED)


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many, with the 95 % interval (Wilson), which holds for few as well."""

    count: int
    of: int

    @property
    def value(self) -> float | None:
        return round(self.count / self.of, 4) if self.of else None

    def interval(self) -> tuple[float, float] | None:
        """None where there is nothing to share."""
        if not self.of:
            return None
        p, n = self.count / self.of, self.of
        middle = (p + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
        half = Z95 / (1 + Z95**2 / n) * sqrt(p * (1 - p) / n + Z95**2 / (4 * n**2))
        return round(max(0.0, middle - half), 4), round(min(1.0, middle + half), 4)
