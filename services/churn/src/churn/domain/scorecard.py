"""Risk while no model may speak: points over early-warning signs, never a percentage.

A flag needs enough points **and** signs from at least two families: one bad week of one kind is not a leaving client.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from churn.domain.assessment import Level, level_of
from churn.domain.features import NAMES
from churn.domain.policy import Scorecard

MODEL = "scorecard"
_INDEX = {name: i for i, name in enumerate(NAMES)}


@dataclass(frozen=True, slots=True)
class Tally:
    """Points by reason, and how many families of signs show."""

    by_reason: Mapping[str, float]
    families: frozenset[str]
    level: Level

    @property
    def points(self) -> float:
        return sum(self.by_reason.values())


def tally(features: list[float], card: Scorecard) -> Tally:
    """Count the signs that show. Of several signs of one reason the heaviest counts, so nothing counts twice."""
    shown = [sign for sign in card.signs if sign.shows(features[_INDEX[sign.feature]])]
    by_reason: dict[str, float] = {}
    for sign in shown:
        by_reason[sign.reason] = max(by_reason.get(sign.reason, 0.0), float(sign.points))
    families = frozenset(sign.family for sign in shown)
    level = level_of(sum(by_reason.values()), card.flag_at, card.clear_below)
    if level is Level.HIGH and len(families) < card.min_families:
        level = Level.BETWEEN
    return Tally(by_reason, families, level)
