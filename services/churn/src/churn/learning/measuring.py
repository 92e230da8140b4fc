"""How good probabilities are, each figure with the interval that chance alone could explain.

Every measure takes weights, so that drawing clients with replacement (the rows of one client are not independent)
needs no sorting again: Efron & Tibshirani 1993, clusters as units. AUC: Hanley & McNeil 1982; ECE: Naeini et al. 2015.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from churn.adapters.calibration import Floats

Figure: TypeAlias = dict[str, float | None]
"""`{"value", "low", "high"}`: the figure and its 95 % interval; null where it has none."""
BINS = 10
REPEATS = 200
SEED = 20_260
TOP = 0.10
DIGITS = 5


class Judged:
    """Probabilities against outcomes (1 left, 0 stayed): measures under weights of the rows."""

    def __init__(self, p: Floats, left: Floats) -> None:
        self.p, self.left = p, left
        self._levels, self._level = np.unique(-p, return_inverse=True)
        self._bin = np.minimum((p * BINS).astype(np.int64), BINS - 1)
        self._loss = -(left * np.log(p) + (1 - left) * np.log1p(-p))
        self._square = (p - left) ** 2

    def measures(self, weights: Floats) -> dict[str, float]:
        """All of them; NaN for what needs leavers and stayers where one kind is missing."""
        left, stayed = self._by_level(weights)
        total = float(weights.sum())
        return {
            "base_rate": float(left.sum()) / total,
            "auc": _auc(left, stayed),
            "pr_auc": _pr_auc(left, stayed),
            "lift_at_10": _lift(left, stayed),
            "log_loss": float(weights @ self._loss) / total,
            "brier": float(weights @ self._square) / total,
            "ece": self._ece(weights),
        }

    def log_loss(self, weights: Floats) -> float:
        return float(weights @ self._loss) / float(weights.sum())

    def _by_level(self, weights: Floats) -> tuple[Floats, Floats]:
        """Weight of leavers and of stayers at each probability, the highest first."""
        number = len(self._levels)
        all_ = np.asarray(np.bincount(self._level, weights, number), dtype=np.float64)
        left = np.asarray(np.bincount(self._level, weights * self.left, number), dtype=np.float64)
        return left, all_ - left

    def _ece(self, weights: Floats) -> float:
        said = np.bincount(self._bin, weights * self.p, BINS)
        came = np.bincount(self._bin, weights * self.left, BINS)
        return float(np.abs(said - came).sum() / weights.sum())


def _auc(left: Floats, stayed: Floats) -> float:
    """Chance that a leaver has a higher probability than a stayer."""
    if not left.sum() or not stayed.sum():
        return float("nan")
    below = stayed.sum() - np.cumsum(stayed)
    return float((left * (below + stayed / 2)).sum() / (left.sum() * stayed.sum()))


def _pr_auc(left: Floats, stayed: Floats) -> float:
    """Average precision: rows of one probability are found together."""
    if not left.sum():
        return float("nan")
    found, all_ = np.cumsum(left), np.cumsum(left + stayed)
    precision = np.divide(found, all_, out=np.zeros_like(found), where=all_ > 0)
    return float((left * precision).sum() / left.sum())


def _lift(left: Floats, stayed: Floats) -> float:
    """Share of leavers in the riskiest tenth ÷ share among all; of a probability on its edge a part counts."""
    if not left.sum():
        return float("nan")
    all_ = left + stayed
    room = TOP * all_.sum() - (np.cumsum(all_) - all_)
    taken = np.clip(np.divide(room, all_, out=np.zeros_like(all_), where=all_ > 0), 0, 1)
    return float((taken * left).sum() / left.sum() / TOP)


def auc(p: Floats, left: Floats) -> float:
    """AUC of all rows alike; NaN without both kinds."""
    return Judged(p, left).measures(np.ones(len(p)))["auc"] if len(p) else float("nan")


def ece_noise_floor(p: Floats) -> Figure:
    """The error that perfectly calibrated probabilities would show on as many rows, by simulation."""
    rng = np.random.default_rng(SEED)
    index = np.minimum((p * BINS).astype(np.int64), BINS - 1)
    said = np.bincount(index, p, BINS)
    found = [
        float(np.abs(said - np.bincount(index, rng.random(len(p)) < p, BINS)).sum() / len(p)) for _ in range(REPEATS)
    ]
    return figure(float(np.mean(found)), found)


class Draws:
    """Clients drawn with replacement, the same draws for all that is compared."""

    def __init__(self, clients: NDArray[np.str_], repeats: int = REPEATS) -> None:
        self.names, self.owner = np.unique(clients, return_inverse=True)
        self.repeats = repeats

    def of_clients(self) -> Iterator[Floats]:
        """How often each client (in the order of `names`) was drawn."""
        rng = np.random.default_rng(SEED)
        number = len(self.names)
        for _ in range(self.repeats):
            yield np.bincount(rng.integers(0, number, number), minlength=number).astype(np.float64)

    def figures(self, measures: Callable[[Floats], Mapping[str, float]]) -> dict[str, Figure]:
        """Measures of rows under weights, with intervals."""
        values = measures(np.ones(len(self.owner)))
        drawn: dict[str, list[float]] = {name: [] for name in values}
        for times in self.of_clients():
            for name, value in measures(times[self.owner]).items():
                drawn[name].append(value)
        if "ece" in drawn:
            drawn["ece"] = _without_drawn_noise(values["ece"], drawn["ece"])
        return {name: figure(value, drawn[name]) for name, value in values.items()}


def _without_drawn_noise(value: float, draws: Sequence[float]) -> list[float]:
    """A calibration error's draws about the error itself: clients drawn anew add their own noise to a sum of absolute
    differences, so that all draws may lie above it. They are moved by as much as they are above it on average."""
    moved = value - float(np.mean(draws))
    return [max(0.0, draw + moved) for draw in draws]


def figure(value: float, draws: Sequence[float], level: float = 0.95) -> Figure:
    """A figure with the middle `level` of what was drawn; null where there is none."""
    good = np.array([one for one in draws if not np.isnan(one)])
    if np.isnan(value):
        return {"value": None, "low": None, "high": None}
    if not good.size:
        return {"value": round(value, DIGITS), "low": None, "high": None}
    low, high = np.quantile(good, [(1 - level) / 2, (1 + level) / 2])
    return {"value": round(value, DIGITS), "low": round(float(low), DIGITS), "high": round(float(high), DIGITS)}
