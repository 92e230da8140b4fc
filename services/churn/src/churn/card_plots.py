"""The plots of a model card, from the metrics of its test; None where the test had nothing of the kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from churn.learning.curves import costs
from churn.plots import Axis, Plot, Ranged, Row, axis, rows

Metrics = Mapping[str, Any]
RATIOS = ((0.05, "one", "5 %"), (0.15, "two", "15 %"), (0.4, "three", "40 %"))
"""Cost of a contact as a share of what it saves on a leaver."""
PER = 1_000
"""Clients that alerts are told for."""
SHOWN_SEGMENTS = 16
LONGEST_NAME = 24


def reliability(metrics: Metrics) -> str | None:
    bins = _curves(metrics).get("reliability")
    if not bins:
        return None
    points = [Ranged(b["said"], b["came"], b["low"], b["high"]) for b in bins]
    top = max([p.high for p in points] + [p.x for p in points])
    crowded = sum(p.x < top / 10 for p in points) > len(points) / 2
    x = replace(axis("said: mean probability of a group of rows", [top], most=1.0), root=crowded)
    y = replace(
        axis("came: share that left" + (", on a scale of square roots" if crowded else ""), [top], most=1.0),
        root=crowded,
    )
    plot = Plot(
        "What it said and what came",
        f"{len(points)} groups of rows; the nearer to the diagonal, the better calibrated. Bars: 95 % intervals.",
        x,
        y,
    )
    return plot.line([(0, 0), (x.high, y.high)], "soft", "perfect", "4 4").dots(points, "one", "the model").svg()


def precision_recall(metrics: Metrics) -> str | None:
    points = [point for point in _ranked(metrics) if point["precision"]["value"] is not None]
    if not points:
        return None
    base = metrics["curves"]["base_rate"]
    curve = [_ranged(point["recall"]["value"] or 0.0, point["precision"]) for point in points]
    plot = Plot(
        "Precision and recall",
        f"Of those chosen the share that leaves, by the share of leavers among them. Choosing blindly: {base:.1%}.",
        Axis("recall: share of the leaving rows that are chosen", 1.0),
        axis("precision", [p.high for p in curve if p.x > 0.02] or [1.0], most=1.0),
    )
    plot.band(curve, "one").line([(p.x, p.y) for p in curve], "one", "the model")
    return plot.line([(0, base), (1, base)], "soft", "choosing blindly", "4 4").svg()


def gain(metrics: Metrics) -> str | None:
    points = _ranked(metrics)
    if not points:
        return None
    curve = [Ranged(0, 0, 0, 0), *(_ranged(point["share"], point["recall"]) for point in points)]
    tenth = _at_tenth(points)
    plot = Plot(
        "Gain: how many leavers the riskiest hold",
        f"The riskiest tenth of the rows holds {tenth:.0%} of the leaving ones: a lift of {tenth * 10:.1f}.",
        Axis("share of the rows that are looked at, the riskiest first", 1.0),
        Axis("share of the leaving rows", 1.0),
    )
    plot.line([(0, 0), (1, 1)], "soft", "blindly", "4 4")
    plot.band(curve, "one").line([(p.x, p.y) for p in curve], "one", "the model")
    return plot.mark((0.1, tenth), "one", f"lift {tenth * 10:.1f} in the riskiest tenth", below=True).svg()


def _at_tenth(points: Sequence[Metrics]) -> float:
    """Recall of the riskiest tenth, on the line between the points beside it."""
    before, recall = 0.0, 0.0
    for point in points:
        share, now = point["share"], point["recall"]["value"] or 0.0
        if share >= 0.1:
            return float(recall + (now - recall) * (0.1 - before) / (share - before))
        before, recall = share, now
    return recall


def lead_times(metrics: Metrics) -> str | None:
    told = metrics.get("lead_time_days") or {}
    names = (("share_14d", "leavers", "one"), ("control_share_14d", "those who stayed", "two"))
    shown = [_row(name, told[key], tone) for key, name, tone in names if (told.get(key) or {}).get("value") is not None]
    if len(shown) < len(names):
        return None
    return rows(
        "Alerted two weeks ahead or earlier",
        "Share of leavers among the riskiest tenth 14 days before they left or earlier, beside clients who stayed.",
        axis("share alerted", [row.high for row in shown], most=1.0),
        shown,
    )


def cost(metrics: Metrics) -> str | None:
    points = _ranked(metrics)
    if not points:
        return None
    base = 100 * metrics["curves"]["base_rate"]
    top, ceiling = min(1.0, max(point["from"] for point in points) * 1.1), 1.5 * base
    plot = Plot(
        "What a threshold costs",
        "Contacts made and leavers missed, by the threshold; the lowest point of each line is the best.",
        Axis("threshold: probability from which clients are contacted", top),
        axis("cost of 100 rows, in leavers that could have been saved", [ceiling], share=False),
    )
    plot.line([(0, base), (top, base)], "soft", "contacting nobody", "4 4")
    for ratio, tone, name in RATIOS:
        line = [(t, 100 * c) for t, c in costs(points, metrics["curves"]["base_rate"], ratio)]
        best = min(line, key=lambda point: point[1])
        plot.line([(t, c) for t, c in line if t <= top and c <= plot.y.high], tone, f"a contact at {name}")
        if best[1] < base:
            plot.mark(best, tone, f"from {best[0]:.0%}")
    return plot.svg()


def alerts(metrics: Metrics) -> str | None:
    told = [p for p in _curves(metrics).get("thresholds", ()) if p.get("new_a_week") is not None]
    scale = PER / (_curves(metrics).get("clients_a_moment") or PER)
    if not told:
        return None
    new = [(p["from"], p["new_a_week"] * scale) for p in told]
    standing = [(p["from"], p["standing"] * scale) for p in told]
    plot = Plot(
        f"Alerts by threshold, of {PER:,} clients",
        "New alerts a week, and how many clients are above the threshold at a time.",
        Axis("threshold", 0.9),
        axis("clients", [y for _, y in (*new, *standing)], share=False),
    )
    return plot.line(standing, "soft", "above it at a time", "4 4").line(new, "one", "new a week").svg()


def segments(metrics: Metrics) -> str | None:
    told = [s for s in metrics.get("segments") or () if s["difference"]["low"] is not None]
    if not told:
        return None
    shown = [
        _row(_short(s["name"]), s["difference"], "one" if _around_zero(s["difference"]) else "bad")
        for s in told[:SHOWN_SEGMENTS]
    ]
    widest = max(max(abs(row.low), abs(row.high)) for row in shown) or 0.01
    return rows(
        "Said less came, by segment",
        "Mean probability less the share that left; an interval that does not hold 0 is off.",
        Axis("said − came (percentage points)", widest, -widest),
        shown,
        zero=True,
    )


def _curves(metrics: Metrics) -> Metrics:
    return metrics.get("curves") or {}


def _ranked(metrics: Metrics) -> Sequence[Metrics]:
    """Empty where nobody left in the test."""
    points: Sequence[Metrics] = _curves(metrics).get("ranked") or ()
    return [] if any(point["recall"]["value"] is None for point in points) else points


def _ranged(x: float, figure: Metrics) -> Ranged:
    value = figure["value"] or 0.0
    return Ranged(x, value, *(value if figure[name] is None else figure[name] for name in ("low", "high")))


def _row(name: str, figure: Metrics, tone: str) -> Row:
    place = _ranged(0, figure)
    return Row(name, place.y, place.low, place.high, tone)


def _around_zero(figure: Metrics) -> bool:
    return bool(figure["low"] <= 0 <= figure["high"])


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
