"""From a margin (log-odds) to a probability that means what it says: Platt, or isotonic where there are many rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ENOUGH_FOR_ISOTONIC = 1_000
"""Leavers among the calibration rows; with fewer, isotonic steps follow single clients."""
CERTAIN = 1e-4
"""No probability is nearer to 0 or 1 than this: nobody is certain of what a client will do."""


class Calibration(Protocol):
    """How margins become probabilities."""

    def __call__(self, margin: Floats) -> Floats: ...

    def to_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Platt:
    """p = 1 ÷ (1 + e^−(slope · margin + offset))"""

    slope: float
    offset: float

    def __call__(self, margin: Floats) -> Floats:
        return _kept_uncertain(_sigmoid(self.slope * margin + self.offset))

    def to_json(self) -> dict[str, Any]:
        return {"method": "platt", "slope": self.slope, "offset": self.offset}


@dataclass(frozen=True, slots=True)
class Isotonic:
    """Monotone steps through (margin, probability), linear between."""

    margins: tuple[float, ...]
    probabilities: tuple[float, ...]

    def __call__(self, margin: Floats) -> Floats:
        return _kept_uncertain(np.interp(margin, self.margins, self.probabilities))

    def to_json(self) -> dict[str, Any]:
        return {"method": "isotonic", "margins": list(self.margins), "probabilities": list(self.probabilities)}


def from_json(value: Mapping[str, Any]) -> Calibration:
    """Raises ValueError, KeyError or TypeError for what is none: an unknown method, or no rising probabilities."""
    if value["method"] == "platt":
        slope, offset = float(value["slope"]), float(value["offset"])
        if not (np.isfinite([slope, offset]).all() and slope > 0):
            raise ValueError("its slope is above 0, and both are numbers")
        return Platt(slope, offset)
    if value["method"] == "isotonic":
        return _isotonic([float(one) for one in value["margins"]], [float(one) for one in value["probabilities"]])
    raise ValueError(f"unknown calibration {value['method']!r}")


def _isotonic(margins: Sequence[float], probabilities: Sequence[float]) -> Isotonic:
    if not margins or len(margins) != len(probabilities) or not np.isfinite([*margins, *probabilities]).all():
        raise ValueError("it has a probability for each margin")
    if (np.diff(margins) < 0).any() or (np.diff(probabilities) < 0).any():
        raise ValueError("its steps rise")
    if probabilities[0] < 0 or probabilities[-1] > 1:
        raise ValueError("its probabilities lie between 0 and 1")
    return Isotonic(tuple(margins), tuple(probabilities))


def fit(margin: Floats, left: Floats) -> Calibration:
    """Calibrate on rows that the model was not fitted to."""
    return _fit_isotonic(margin, left) if left.sum() >= ENOUGH_FOR_ISOTONIC else _fit_platt(margin, left)


def _fit_platt(margin: Floats, left: Floats) -> Platt:
    """Newton's method on the log-loss, with Platt's smoothed targets; the slope is kept positive."""
    positives, negatives = float(left.sum()), float(len(left) - left.sum())
    target = np.where(left > 0, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    design = np.column_stack([margin, np.ones_like(margin)])
    weights = np.array([1.0, 0.0])
    for _ in range(100):
        p = _sigmoid(design @ weights)
        gradient = design.T @ (p - target) + np.array([1e-6 * (weights[0] - 1), 0.0])
        curvature = (design * (p * (1 - p))[:, None]).T @ design + np.diag([1e-6, 1e-9])
        step = np.linalg.solve(curvature, gradient)
        weights = weights - np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-10:
            break
    return Platt(max(1e-3, float(weights[0])), float(weights[1]))


def _fit_isotonic(margin: Floats, left: Floats) -> Isotonic:
    from sklearn.isotonic import IsotonicRegression

    found = IsotonicRegression(out_of_bounds="clip").fit(margin, left)
    return Isotonic(tuple(map(float, found.X_thresholds_)), tuple(map(float, found.y_thresholds_)))


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(x, -40, 40))))


def _kept_uncertain(p: Floats) -> Floats:
    return np.asarray(np.clip(p, CERTAIN, 1 - CERTAIN))
