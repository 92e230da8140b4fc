"""Family *health*: score, components and trend, as they were known, under one model."""

from __future__ import annotations

from churn.domain.features.view import MISSING, View
from churn.domain.health_track import BELOW_TOP, COMPONENTS, UNITS, Score, slope
from churn.domain.moments import DAY

FRESH_DAYS = 35
"""A score older than this says nothing of now."""
_FIRST_COMPONENT = 4
_CONFIDENCE = _FIRST_COMPONENT + len(COMPONENTS)


def health_score(view: View) -> float:
    """The last score, 0 … 100."""
    row = _last(view)
    return row[1] / UNITS if row else MISSING


def health_slope_30(view: View) -> float:
    """Points per 30 days over the last 30 days (35, so that weekly scores give five points)."""
    return _slope(view, 35)


def health_slope_90(view: View) -> float:
    """Points per 30 days over the last 90 days."""
    return _slope(view, 90)


def health_drop(view: View) -> float:
    """The last score less the best of the last 90 days (≤ 0)."""
    row = _last(view)
    if row is None:
        return MISSING
    _, scores = view.scores(90)
    return (scores[-1] - max(scores)) / UNITS


def days_below_top(view: View) -> float:
    """Days since the client was last in its model's best band, up to 90; `unknown` is looked through."""
    row = _last(view)
    if row is None:
        return MISSING
    since = None
    for known in reversed(view.health):
        if known[2] in BELOW_TOP:
            since = known[0]
        elif known[2] != "unknown":
            break
    return 0.0 if since is None else min(90.0, (view.moment - since) / DAY)


def days_in_band(view: View) -> float:
    """Days since the score came into the band it is in, up to 90, under its model."""
    if _last(view) is None:
        return MISSING
    since, band = view.moment, view.health[-1][2]
    for known in reversed(view.health):
        if known[2] != band:
            break
        since = known[0]
    return min(90.0, (view.moment - since) / DAY)


def health_confidence(view: View) -> float:
    """How much of the score's model was known and fresh, 0 … 1."""
    row = _last(view)
    return row[_CONFIDENCE] / 1000 if row and len(row) > _CONFIDENCE and row[_CONFIDENCE] is not None else MISSING


def _component(name: str) -> int:
    return _FIRST_COMPONENT + COMPONENTS.index(name)


def component_usage(view: View) -> float:
    """Score of the health component usage."""
    return _of(view, "usage")


def component_outcome(view: View) -> float:
    """Score of the health component outcome."""
    return _of(view, "outcome")


def component_relationship(view: View) -> float:
    """Score of the health component relationship."""
    return _of(view, "relationship")


def component_financial(view: View) -> float:
    """Score of the health component financial."""
    return _of(view, "financial")


def _of(view: View, name: str) -> float:
    row = _last(view)
    value = row[_component(name)] if row and len(row) > _component(name) else None
    return MISSING if value is None else value / UNITS


def _last(view: View) -> Score | None:
    row = view.health[-1] if view.health else None
    return row if row and view.moment - row[0] <= FRESH_DAYS * DAY else None


def _slope(view: View, days: int) -> float:
    found = slope(*view.scores(days), days)
    return MISSING if found is None else found
