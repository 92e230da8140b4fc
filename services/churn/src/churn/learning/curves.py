"""What a model's probabilities would have meant in use, as small arrays: the curves of its card and of thresholds.

`p` are calibrated probabilities of rows that no fit has seen, `left` what came (1 left, 0 stayed), `clients` whose row
it is, `moments` its second. Intervals are 95 %: by drawing clients with replacement, since the rows of one client are
not independent; in bins, and where all or none left (every draw says the same then), by Wilson's formula with as many
trials as there are clients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from churn.adapters.calibration import Floats
from churn.domain.moments import DAY

THRESHOLDS = tuple(round(0.05 * nth, 2) for nth in range(1, 19))
"""0.05 … 0.9"""
SHARES = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5)
"""Of the clients at a moment, the riskiest: what a capacity comes to."""
POINTS = 40
"""Of a ranked curve, closer together where few are chosen."""
BINS = 10
DRAWS = 200
SEED = 20_260
NORMAL = 1.959964
"""Standard deviations to either side that hold 95 %."""

Curve = list[dict[str, Any]]


def of(
    p: Floats, left: Floats, clients: NDArray[Any], moments: NDArray[np.int64] | None = None, mrr: Floats | None = None
) -> dict[str, Any]:
    """All curves, ready for JSON. Without moments (a table without time) nothing is said about weeks and capacity.

    `mrr` (recurring revenue by row, one currency, NaN unknown) adds which share of the revenue that left was seen.
    """
    names, clients = np.unique(clients, return_inverse=True)  # numbers are compared quicker than names
    found: dict[str, Any] = {
        "rows": len(p),
        "clients": len(names),
        "base_rate": _round(left.mean()),
        "reliability": reliability(p, left, clients),
        "ranked": ranked(p, left, clients),
        "thresholds": thresholds(p, left, clients, moments, mrr),
    }
    if moments is not None:
        found["clients_a_moment"] = _round(len(p) / len(np.unique(moments)))
        found["capacity"] = capacity(p, left, clients, moments)
    return found


def reliability(p: Floats, left: Floats, clients: NDArray[Any], bins: int = BINS) -> Curve:
    """By bins of as many rows each (ties stay together): rows, clients, mean probability, share that left."""
    index = np.searchsorted(np.sort(p), p) * bins // len(p)
    curve = []
    for mine in (index == b for b in range(bins)):
        if not mine.any():
            continue
        came, whose = float(left[mine].mean()), len(np.unique(clients[mine]))
        low, high = wilson(came, whose)
        curve.append(
            {
                "n": int(mine.sum()),
                "clients": whose,
                "said": _round(p[mine].mean()),
                "came": _round(came),
                "low": _round(low),
                "high": _round(high),
            }
        )
    return curve


def wilson(share: float, trials: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share seen in so many trials; (0, 1) without any."""
    if trials <= 0:
        return 0.0, 1.0
    square = NORMAL**2
    centre = (share + square / (2 * trials)) / (1 + square / trials)
    half = NORMAL / (1 + square / trials) * np.sqrt(share * (1 - share) / trials + square / (4 * trials**2))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def ranked(p: Floats, left: Floats, clients: NDArray[Any]) -> Curve:
    """The riskiest first: precision and recall (hence gain and lift) of the top of all rows, however large it is."""
    descending = np.sort(p)[::-1]
    places = np.unique(np.geomspace(1, len(p), POINTS).round().astype(np.int64)) - 1
    cuts = np.unique(descending[places])[::-1]
    return _measured(p, left, clients, cuts)


def thresholds(
    p: Floats,
    left: Floats,
    clients: NDArray[Any],
    moments: NDArray[np.int64] | None = None,
    mrr: Floats | None = None,
    at: Sequence[float] = THRESHOLDS,
) -> Curve:
    """What each threshold would have chosen; with moments also how many stood and how many were new in a week."""
    curve = _measured(p, left, clients, np.array(at))
    for point in curve:
        above = p >= point["from"]
        if moments is not None:
            point |= _weekly(above, clients, moments)
        if mrr is not None:
            lost = np.where(np.isnan(mrr), 0.0, mrr) * left
            point["revenue_recall"] = _round(lost[above].sum() / lost.sum()) if lost.sum() else None
    return curve


def capacity(
    p: Floats, left: Floats, clients: NDArray[Any], moments: NDArray[np.int64], shares: Sequence[float] = SHARES
) -> Curve:
    """What naming the riskiest share of the clients at each moment would have chosen."""
    # A share of n clients names ⌈share × n⌉ of them: those whose place is below it, at least one.
    cuts = np.nextafter(-np.array(shares), 0.0)
    points = _measured(-_places(p, moments), left, clients, cuts, p)
    return [{"share_of_clients": share, **point} for share, point in zip(shares, points, strict=True)]


def _places(p: Floats, moments: NDArray[np.int64]) -> Floats:
    """Each row's place among those of its moment, as a share of them: 0 is the riskiest."""
    order = np.lexsort((-p, moments))
    _, starts, sizes = np.unique(moments[order], return_index=True, return_counts=True)
    place = np.empty(len(p))
    place[order] = (np.arange(len(p)) - np.repeat(starts, sizes)) / np.repeat(sizes, sizes)
    return place


def _measured(rank: Floats, left: Floats, clients: NDArray[Any], cuts: Floats, p: Floats | None = None) -> Curve:
    """For each cut what is at or above it: rows, what was said of them, precision and recall with intervals."""
    p = rank if p is None else p
    names, owner = np.unique(clients, return_inverse=True)
    above = np.column_stack([np.bincount(owner, rank >= cut, len(names)) for cut in cuts])
    hits = np.column_stack([np.bincount(owner, (rank >= cut) * left, len(names)) for cut in cuts])
    leaving = np.bincount(owner, left, len(names))
    leavers = int((leaving > 0).sum())
    even = np.full(len(names), 1 / len(names))
    draws = np.random.default_rng(SEED).multinomial(len(names), even, DRAWS).astype(np.float64)
    precisions = _shares(draws @ hits, draws @ above)
    recalls = _shares(draws @ hits, (draws @ leaving)[:, None])
    curve = []
    for nth, cut in enumerate(cuts):
        rows, mine = int(above[:, nth].sum()), rank >= cut
        caught, whose = int((hits[:, nth] > 0).sum()), int((above[:, nth] > 0).sum())
        curve.append(
            {
                "from": _round(p[mine].min() if rank is not p and rows else cut),
                "rows": rows,
                "share": _round(rows / len(rank)),
                "said": _round(p[mine].mean()) if rows else None,
                "precision": _figure(hits[:, nth].sum(), rows, precisions[:, nth], whose),
                "recall": _figure(hits[:, nth].sum(), leaving.sum(), recalls[:, nth], leavers),
                "leavers_caught": caught,
            }
        )
    return curve


def _weekly(above: NDArray[np.bool_], clients: NDArray[Any], moments: NDArray[np.int64]) -> dict[str, float | None]:
    """`standing`: clients above at a moment, on average; `new_a_week`: those that were not above the moment before.

    Who is above at the very first moment is not new: nobody knows since when. Where most clients are there at one
    moment only, nothing is told of new ones.
    """
    order = np.lexsort((moments, clients))
    over, when, who = above[order], moments[order], clients[order]
    before = np.concatenate([[False], over[:-1] & (who[1:] == who[:-1])])
    first, last = int(moments.min()), int(moments.max())
    new = int((over & ~before & (when > first)).sum())
    weeks = (last - first) / (7 * DAY)
    seldom_once = len(clients) >= 2 * len(np.unique(clients))
    return {
        "standing": _round(above.sum() / len(np.unique(moments))),
        "new_a_week": _round(new / weeks) if weeks and seldom_once else None,
    }


def costs(points: Sequence[Mapping[str, Any]], base_rate: float, ratio: float) -> list[tuple[float, float]]:
    """(threshold, cost a client) by the points of a ranked curve.

    The unit is what contacting one leaver saves (share saved × value of a client); `ratio` is the cost of one contact
    in that unit. Leavers not contacted cost 1, everybody contacted costs the ratio. For calibrated probabilities it is
    lowest at the threshold that equals the ratio.
    """
    found = [(1.0, base_rate)]
    for point in points:
        recall = point["recall"]["value"] or 0.0
        found.append((point["from"], base_rate * (1 - recall) + ratio * point["share"]))
    return found


def _shares(part: Floats, whole: Floats) -> Floats:
    with np.errstate(invalid="ignore"):  # 0 ÷ 0: a draw without any says nothing, which NaN says
        return np.asarray(part / whole, dtype=np.float64)


def _figure(part: float, whole: float, draws: Floats, trials: int) -> dict[str, float | None]:
    good = draws[~np.isnan(draws)]
    if not whole or not good.size:
        return {"value": None, "low": None, "high": None}
    low, high = wilson(part / whole, trials) if part in (0, whole) else np.quantile(good, [0.025, 0.975])
    return {"value": _round(part / whole), "low": _round(low), "high": _round(high)}


def _round(value: Any) -> float:
    return round(float(value), 5)
