"""How good probabilities are, each figure with the interval that chance alone could explain (client bootstrap)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from churn.adapters.calibration import Floats

Figure: TypeAlias = dict[str, float | None]
"""`{"value", "low", "high"}`: the figure and its 95 % interval."""
BINS = 10
REPEATS = 200
SEED = 20_260
TOP = 0.10


def auc(p: Floats, left: Floats) -> float:
    """Chance that a leaver has a higher probability than a stayer; NaN without both."""
    positives, negatives = left.sum(), len(left) - left.sum()
    if not positives or not negatives:
        return float("nan")
    _, owner, ties = np.unique(p, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(ties) - (ties - 1) / 2)[owner]
    return float((ranks[left > 0].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def pr_auc(p: Floats, left: Floats) -> float:
    """Average precision."""
    order = np.argsort(-p, kind="stable")
    hits = left[order]
    found = np.cumsum(hits)
    if not found.size or not found[-1]:
        return float("nan")
    return float((found / np.arange(1, len(hits) + 1) * hits).sum() / found[-1])


def lift(p: Floats, left: Floats) -> float:
    """Share of leavers in the riskiest tenth ÷ share of leavers among all."""
    top = max(1, int(len(p) * TOP))
    base = left.mean()
    return float(left[np.argsort(-p, kind="stable")[:top]].mean() / base) if base else float("nan")


def log_loss(p: Floats, left: Floats) -> float:
    return float(-np.mean(left * np.log(p) + (1 - left) * np.log1p(-p)))


def brier(p: Floats, left: Floats) -> float:
    return float(np.mean((p - left) ** 2))


def ece(p: Floats, left: Floats) -> float:
    """Expected calibration error over ten equal bins of probability."""
    index = _bin(p)
    weights = np.bincount(index, minlength=BINS)
    gaps = np.abs(np.bincount(index, p, BINS) - np.bincount(index, left, BINS))
    return float(gaps.sum() / weights.sum())


def ece_noise_floor(p: Floats) -> float:
    """The error that perfectly calibrated probabilities would show on as many rows, by simulation."""
    rng = np.random.default_rng(SEED)
    return float(np.mean([ece(p, (rng.random(len(p)) < p).astype(float)) for _ in range(50)]))


def reliability(p: Floats, left: Floats) -> list[dict[str, float]]:
    """For each filled bin: how many, what was said, what came."""
    index = _bin(p)
    return [
        {"n": int(mine.sum()), "said": float(p[mine].mean()), "came": float(left[mine].mean())}
        for mine in (index == b for b in range(BINS))
        if mine.any()
    ]


def _bin(p: Floats) -> NDArray[np.int64]:
    return np.minimum((p * BINS).astype(np.int64), BINS - 1)


MEASURES: dict[str, Callable[[Floats, Floats], float]] = {
    "auc": auc,
    "pr_auc": pr_auc,
    "lift_at_10": lift,
    "log_loss": log_loss,
    "brier": brier,
    "ece": ece,
}


def figures(p: Floats, left: Floats, clients: NDArray[Any]) -> dict[str, Figure]:
    """All measures; intervals by drawing clients, since the rows of one client are not independent."""
    names, owner = np.unique(clients, return_inverse=True)
    order = np.argsort(owner, kind="stable")
    starts = np.searchsorted(owner[order], np.arange(len(names) + 1))
    rng = np.random.default_rng(SEED)
    draws: dict[str, list[float]] = {name: [] for name in MEASURES}
    for _ in range(REPEATS):
        chosen = rng.integers(0, len(names), len(names))
        rows = order[np.concatenate([np.arange(starts[c], starts[c + 1]) for c in chosen])]
        for name, measure in MEASURES.items():
            draws[name].append(measure(p[rows], left[rows]))
    return {name: _figure(measure(p, left), draws[name]) for name, measure in MEASURES.items()}


def _figure(value: float, draws: list[float]) -> Figure:
    good = np.array([d for d in draws if not np.isnan(d)])
    if np.isnan(value) or not good.size:
        return {"value": None, "low": None, "high": None}
    low, high = np.quantile(good, [0.025, 0.975])
    return {"value": round(value, 5), "low": round(float(low), 5), "high": round(float(high), 5)}
