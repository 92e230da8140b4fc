"""The client's health scores as they were known day by day: what churn keeps of health's `scored` events.

Not part of the fold over client events: a score is a statement of its own moment, and never restated. Whatever the
order of arrival, the last score of each day and model stays, so the track is the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import mul
from typing import Any

from churn.domain.moments import DAY, parse

KEPT_DAYS = 98
"""A week longer than anything looks back (90 days), for clients that are scored once a week."""
SLACK_DAYS = 28
COMPONENTS = ("usage", "outcome", "relationship", "financial")
UNITS = 16
"""Scores are kept in sixteenths of a point, as health counts them."""
BELOW_TOP = frozenset({"amber", "red", "stable", "at_risk", "critical"})


Score = Sequence[Any]
"""[second, score, band, model, component scores …, confidence]"""


@dataclass(slots=True)
class HealthTrack:
    """By day the last score of the day.

    Scores in sixteenths, confidence in thousandths (days of an earlier release are without). Components and confidence
    are only asked of the last day, so older days may be without them.
    """

    days: dict[int, Score] = field(default_factory=dict)


def add(track: HealthTrack, data: Mapping[str, Any]) -> HealthTrack:
    """Take in the fact of a `scored` event. Restated ones and those without a score leave the track as it is."""
    if data.get("mode") == "restated" or data.get("score") is None:
        return track
    at = parse(data["as_of"])
    day = at // DAY
    known = track.days.get(day)
    if known is None or known[0] <= at:
        parts = {c["name"]: c.get("score") for c in data.get("components") or ()}
        row: list[Any] = [at, _units(data["score"]), data["band"], data["model"]]
        confidence = data.get("confidence")
        row += [_units(parts.get(name)) for name in COMPONENTS]
        track.days[day] = [*row, None if confidence is None else round(1000 * confidence)]
    if len(track.days) > KEPT_DAYS + SLACK_DAYS:
        newest = max(track.days)
        track.days = {d: row for d, row in track.days.items() if d > newest - KEPT_DAYS}
    return track


def until(track: HealthTrack, moment: int) -> list[Score]:
    """Rows known at a moment under the model of the last of them, oldest first, `KEPT_DAYS` back at most.

    Trends never span models: an earlier model's scores are left out.
    """
    days, oldest = track.days, moment // DAY - KEPT_DAYS
    rows = [days[day] for day in sorted(days) if day > oldest]
    while rows and rows[-1][0] > moment:
        rows.pop()
    return [row for row in rows if row[3] == rows[-1][3]] if rows else []


def slope(at: Sequence[float], scores: Sequence[int], days: int) -> float | None:
    """Least-squares slope in points per 30 days of scores (sixteenths) at those days, both oldest first.

    None below three scores, or where they span less than a third of the `days`.
    """
    number = len(at)
    if number < 3 or at[-1] - at[0] < days / 3:
        return None
    moves = [score - scores[0] for score in scores]  # so that a score that stays has no slope, not even by rounding
    sum_x = sum(at)
    spread: float = number * sum(map(mul, at, at)) - sum_x * sum_x
    together: float = number * sum(map(mul, at, moves)) - sum_x * sum(moves)
    return 30 / UNITS * together / spread


def _units(score: float | None) -> int | None:
    return None if score is None else round(score * UNITS)
