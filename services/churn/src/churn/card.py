"""The model card: what a model learned from, how good it is, and what it cannot know, in Markdown with its plots.

A plot stands in the text by its name; the pictures themselves come last, so that the text can be read as it is. What
the test had nothing of (a table without time has no weeks) is left out.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from churn import card_about, card_plots
from churn.adapters.stored_model import StoredModel
from churn.card_about import share, table
from churn.dataset import Wish

FIGURES = {
    "auc": "AUC (a leaver ranks above a stayer)",
    "pr_auc": "average precision",
    "lift_at_10": "lift in the riskiest tenth",
    "log_loss": "log-loss",
    "brier": "Brier score",
    "ece": "calibration error (ECE, ten equal bins)",
    "recall_at_capacity": "leavers among the riskiest tenth before they left",
}
RIVALS = {"logistic": "logistic regression", "rule": "two-signal rule", "in_service": "the model in service"}
SHOWN_THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)

Metrics = Mapping[str, Any]


@dataclass
class Plots:
    """What has been drawn so far, by name."""

    metrics: Metrics
    drawn: dict[str, str] = field(default_factory=dict)

    def __call__(self, name: str, draw: Callable[[Metrics], str | None], alt: str) -> Iterator[str]:
        """The plot's place in the text, if there is something to draw."""
        picture = draw(self.metrics)
        if picture is not None:
            self.drawn[name] = picture
            yield f"![{alt}][{name}]"


def markdown(
    metrics: Metrics, stored: StoredModel, *, trained_on: str, fingerprint: str, wish: Wish | None = None
) -> str:
    """The card of a model that was just trained. Without a wish it is that of a team's own table."""
    plot = Plots(metrics)
    parts = [
        "# Churn model card",
        *card_about.warning(trained_on),
        card_about.what(metrics, wish),
        *_verdict(metrics),
        "## Data",
        card_about.data(metrics, wish),
        "## How good it is",
        card_about.how_tested(metrics),
        *_quality(metrics, plot),
        *_use(metrics, plot),
        *_headed("## Candidates compared", _compared(metrics)),
        "## Guards against leaks",
        card_about.guards(metrics),
        *_headed("## Columns that tell most on their own", _columns(metrics)),
        "## Limits",
        card_about.limits(metrics, trained_on),
        "## Made with",
        card_about.made_with(stored, fingerprint),
        *(f"[{name}]: {_uri(picture)}" for name, picture in plot.drawn.items()),
    ]
    return "\n\n".join(parts) + "\n"


def _quality(metrics: Metrics, plot: Plots) -> Iterator[str]:
    yield _figures(metrics)
    yield from _notes(metrics)
    yield "## What it said and what came"
    yield from plot("reliability", card_plots.reliability, "Reliability: said against came")
    yield from _reliability(metrics)
    yield "## Finding the leavers"
    yield from plot("precision-recall", card_plots.precision_recall, "Precision and recall")
    yield from plot("gain", card_plots.gain, "Gain: share of leavers by share looked at")


def _use(metrics: Metrics, plot: Plots) -> Iterator[str]:
    early = plot("lead-times", card_plots.lead_times, "Alerted two weeks ahead")
    yield from _headed("## How early", early, _early(metrics))
    yield "## Where to draw the line"
    yield from _line_notes(metrics)
    yield from plot("alerts", card_plots.alerts, "Alerts by threshold")
    yield from plot("cost", card_plots.cost, "Cost by threshold")
    yield from _thresholds(metrics)
    off = plot("segments", card_plots.segments, "Said less came, by segment")
    yield from _headed("## Segments", off, _segments(metrics))


def _headed(heading: str, *parts: Iterator[str]) -> list[str]:
    """A section, if there is anything in it."""
    found = [block for part in parts for block in part]
    return [heading, *found] if found else []


def _uri(picture: str) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(picture.encode()).decode()}"


def _verdict(metrics: Metrics) -> Iterator[str]:
    gate = metrics.get("gate")
    if gate is None:
        return
    yield "## Verdict"
    own = "table" in metrics  # nothing of such a model goes into service
    if gate["passed"]:
        yield "**Passed the gate.**" if own else "**Passed the gate:** it may be put in service."
    else:
        kept = "do not act on its risks." if own else "it is kept out of service."
        yield f"**Failed the gate:** {kept} What was not shown is marked."
    yield "\n".join(f"- {'shown' if check['passed'] else '**not shown**'}: {check['text']}" for check in gate["checks"])


def _figures(metrics: Metrics) -> str:
    rivals = [name for name in RIVALS if name in metrics.get("baselines", {})]
    rows = []
    for name, words in FIGURES.items():
        if name not in metrics:
            continue
        theirs = [metrics["baselines"][rival].get(name) for rival in rivals]
        rows.append([words, _figure(metrics[name]), *(_figure(one) for one in theirs)])
    return table(["figure", "this model", *(RIVALS[name] for name in rivals)], rows)


def _figure(figure: Mapping[str, float | None] | None) -> str:
    if figure is None or figure["value"] is None:
        return "–"
    if figure["low"] is None:
        return _n(figure["value"])
    return f"{_n(figure['value'])} ({_n(figure['low'])} … {_n(figure['high'])})"


def _n(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}" if abs(value) >= 1 else f"{value:.3f}"


def _notes(metrics: Metrics) -> Iterator[str]:
    floor = metrics["ece_noise_floor"]["value"]
    yield f"Perfectly calibrated probabilities would show an ECE of {floor:.3f} on as many rows, by chance alone."
    folds = metrics.get("folds")
    if folds:
        yield f"Mean AUC of the {folds['number']} folds: {_figure(folds['auc'])}."
    grouped = metrics.get("grouped")
    if grouped:
        yield (
            f"On clients that it has not seen at any moment: AUC {_figure(grouped['auc'])},"
            f" calibration error {_figure(grouped['ece'])}."
        )


def _reliability(metrics: Metrics) -> Iterator[str]:
    bins = metrics["curves"]["reliability"]
    rows = [
        [b["n"], b["clients"], share(b["said"]), f"{share(b['came'])} ({share(b['low'])} … {share(b['high'])})"]
        for b in bins
    ]
    yield table(["rows", "clients", "said", "came"], rows)
    yield "Intervals count clients, not rows: the moments of one client are not independent."


def _early(metrics: Metrics) -> Iterator[str]:
    told = metrics.get("lead_time_days")
    if not told or told["share_14d"]["value"] is None:
        return
    median = told["median"]
    yield (
        f"The riskiest tenth of each moment is alerted. Of the leavers that were alerted, half were alerted"
        f" {_figure(median)} days before they left, or earlier. Alerted 14 days ahead or earlier:"
        f" {_shares(told['share_14d'])} of all leavers, and {_shares(told['control_share_14d'])} of those who stayed"
        " and were clients at the same moments."
    )


def _shares(figure: Mapping[str, float | None]) -> str:
    if figure["low"] is None:
        return share(figure["value"])
    return f"{share(figure['value'])} ({share(figure['low'])} … {share(figure['high'])})"


def _line_notes(metrics: Metrics) -> Iterator[str]:
    yield (
        "Say a contact costs r times what it brings with somebody who would have left (share saved × value of the"
        " client): then contacting pays from a probability of r on."
        + ("" if "table" in metrics else " `GET /v1/thresholds` works it out for the clients there are now.")
    )
    if _weekly(metrics["curves"]):
        yield "Alerts are told for 1,000 clients; an alert is a client that was not above the threshold before."


def _thresholds(metrics: Metrics) -> Iterator[str]:
    curves = metrics["curves"]
    weekly = _weekly(curves)
    rows = []
    for point in curves["thresholds"]:
        if point["from"] not in SHOWN_THRESHOLDS:
            continue
        row = [f"{point['from']:.0%}", point["rows"]]
        if weekly:
            new = point["new_a_week"]
            row.append("–" if new is None else f"{1_000 * new / curves['clients_a_moment']:.2f}")
        rows.append([*row, share(point["said"]), _shares(point["precision"]), _shares(point["recall"])])
    head = ["probability from", "rows", *(["new a week"] if weekly else []), "said", "of them left", "of all leaving"]
    yield table(head, rows)


def _weekly(curves: Metrics) -> bool:
    return any(point.get("new_a_week") is not None for point in curves["thresholds"])


def _segments(metrics: Metrics) -> Iterator[str]:
    told = metrics.get("segments")
    if not told:
        return
    rows = []
    for one in told:
        off = one["difference"]
        off_by = off["low"] is not None and not off["low"] <= 0 <= off["high"]
        said = [share(one["said"]), share(one["came"]), f"{_points(off['low'])} … {_points(off['high'])}"]
        rows.append([f"{one['kind']} {one['name']}", one["clients"], one["n"], *said, "**off**" if off_by else "ok"])
    yield table(["segment", "clients", "rows", "said", "came", "difference between", ""], rows)
    yield "Intervals hold for all segments at once. Segments of fewer than 50 clients are not judged."


def _points(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:+.1f}"


def _compared(metrics: Metrics) -> Iterator[str]:
    compared = metrics.get("compared")
    if not compared:
        return
    ranked = sorted(compared.items(), key=lambda pair: pair[1])
    chosen = metrics.get("model")
    yield table(
        ["candidate", "log-loss", ""],
        [[name, f"{loss:.5f}", "chosen" if name == chosen else ""] for name, loss in ranked],
    )
    yield "On clients that each had not seen; the test had no part in the choice."


def _columns(metrics: Metrics) -> Iterator[str]:
    rows = [[f"`{name}`", value] for name, value in list((metrics.get("importance") or {}).items())[:12]]
    if rows:
        yield table(["column", "AUC alone"], rows)
