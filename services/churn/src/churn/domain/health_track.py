"""The client's health scores as they were known day by day: what churn keeps of health's `scored` events.

Not part of the fold over client events: a score is a statement of its own moment, and never restated. Whatever the
order of arrival, the last score of each day and model stays, so the track is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from churn.domain.moments import DAY, parse

KEPT_DAYS = 120
"""Longer than the longest slope (90 days)."""
SLACK_DAYS = 28
COMPONENTS = ("usage", "outcome", "relationship", "financial")
UNITS = 16
"""Scores are kept in sixteenths of a point, as health counts them."""
BELOW_TOP = frozenset({"amber", "red", "stable", "at_risk", "critical"})


@dataclass(slots=True)
class HealthTrack:
    """By day the last score of the day: [second, score, band, model, component scores …, confidence].

    Scores in sixteenths, confidence in thousandths (days of an earlier release are without).
    """

    days: dict[int, list[Any]] = field(default_factory=dict)


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


def until(track: HealthTrack, moment: int) -> list[list[Any]]:
    """Rows known at a moment under the model of the last of them, oldest first, `KEPT_DAYS` back at most.

    Trends never span models: an earlier model's scores are left out.
    """
    oldest = moment // DAY - KEPT_DAYS
    rows = sorted(row for day, row in track.days.items() if day > oldest and row[0] <= moment)
    return [row for row in rows if row[3] == rows[-1][3]] if rows else []


def slope(rows: list[list[Any]], moment: int, days: int) -> float | None:
    """Least-squares slope in points per 30 days over the last `days`; None below three days or a third of the span."""
    points = [((row[0] - moment) / DAY, row[1] / UNITS) for row in rows if row[0] > moment - days * DAY]
    if len(points) < 3 or points[-1][0] - points[0][0] < days / 3:
        return None
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread: float = sum((x - mean_x) ** 2 for x, _ in points)
    together: float = sum((x - mean_x) * (y - mean_y) for x, y in points)
    return 30 * together / spread


def to_plain(track: HealthTrack) -> dict[str, Any]:
    return asdict(track)


def from_plain(plain: Mapping[str, Any]) -> HealthTrack:
    return HealthTrack({int(day): list(row) for day, row in plain["days"].items()})


def _units(score: float | None) -> int | None:
    return None if score is None else round(score * UNITS)
