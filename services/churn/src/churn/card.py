"""The model card: what a model learned from, how good it is, and what it cannot know, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from churn.adapters.stored_model import StoredModel
from churn.dataset import Wish
from churn.domain.moments import moment_of

FIGURES = {
    "auc": "AUC (a leaver ranks above a stayer)",
    "pr_auc": "average precision",
    "lift_at_10": "lift in the riskiest tenth",
    "log_loss": "log-loss",
    "brier": "Brier score",
    "ece": "calibration error (ECE, ten equal bins)",
}


def markdown(metrics: Mapping[str, Any], stored: StoredModel, *, trained_on: str, fingerprint: str, wish: Wish) -> str:
    """The card of a model that was just trained."""
    parts = [
        "# Churn model card",
        *_warning(trained_on),
        _what(wish),
        "## Data",
        _data(metrics, wish),
        "## How good it is",
        (
            "Measured on the test moments: every label that was learned from was known before they began."
            " Intervals: 95 %, drawing clients with replacement."
        ),
        _figures(metrics),
        f"Calibrated probabilities would show an ECE of {metrics['ece_noise_floor']['value']} on as many rows.",
        "## What it said and what came",
        _reliability(metrics),
        "## What thresholds would have flagged",
        _thresholds(metrics),
        "## Columns that tell most on their own",
        _columns(metrics),
        "## Limits",
        _limits(metrics, trained_on),
        "## Made with",
        _made_with(stored, fingerprint),
    ]
    return "\n\n".join(parts) + "\n"


def _warning(trained_on: str) -> list[str]:
    if trained_on != "simulated":
        return []
    return ["**Trained on simulated data.** Its figures say nothing about real clients; do not act on them."]


def _what(wish: Wish) -> str:
    return (
        f"Probability that a client gives notice, lapses without renewal, or falls to no recurring revenue within"
        f" {wish.rules.horizon_days} days. Population: clients of at least {wish.rules.min_tenure_days} days that are"
        f" not under notice. Trees (XGBoost), monotone where the domain is sure, a logistic regression, or the mean of"
        f" both: whichever did best on clients it had not seen; calibrated on the last part of what was learned from."
    )


def _data(metrics: Mapping[str, Any], wish: Wish) -> str:
    rows, leavers = metrics["rows"], metrics["leavers"]
    return "\n".join(
        [
            (
                f"- {metrics['clients']} clients, {leavers['all']} of them left; {metrics['lines']} events,"
                f" {metrics['refused']} lines refused, {metrics['scores']} health scores"
            ),
            (
                f"- {rows['all']} moments of clients, every {wish.grid_days} days from"
                f" {_day(metrics['moments']['first'])} to {_day(metrics['moments']['last'])};"
                f" outcomes known until {_day(metrics['known_until'])}"
            ),
            (
                f"- fitted to {rows['fit']} rows ({leavers['fit']} leavers) until {_day(metrics['fit_until'])},"
                f" tested on {rows['test']} rows ({leavers['test']} leavers) from {_day(metrics['test_from'])}"
            ),
            f"- base rate of the test: {metrics['base_rate']['value']:.1%}",
        ]
    )


def _figures(metrics: Mapping[str, Any]) -> str:
    lines = ["| figure | value | from | to |", "|---|---|---|---|"]
    for name, words in FIGURES.items():
        figure = metrics[name]
        lines.append(f"| {words} | {figure['value']} | {figure['low']} | {figure['high']} |")
    return "\n".join(lines)


def _reliability(metrics: Mapping[str, Any]) -> str:
    lines = ["| rows | said | came |", "|---|---|---|"]
    lines += [f"| {b['n']} | {b['said']:.1%} | {b['came']:.1%} |" for b in metrics["curves"]["reliability"]]
    return "\n".join(lines)


def _thresholds(metrics: Mapping[str, Any]) -> str:
    lines = ["| probability from | rows | of them left | of all leavers |", "|---|---|---|---|"]
    for line, found in metrics["above"].items():
        lines.append(f"| {line} | {found['rows']} | {_share(found['precision'])} | {_share(found['recall'])} |")
    return "\n".join(lines)


def _columns(metrics: Mapping[str, Any]) -> str:
    lines = ["| column | AUC alone |", "|---|---|"]
    lines += [f"| `{name}` | {value} |" for name, value in list(metrics["importance"].items())[:12]]
    return "\n".join(lines)


def _limits(metrics: Mapping[str, Any], trained_on: str) -> str:
    own = "clients like those of the training data" if trained_on == "own" else "the simulated world, and nothing else"
    return "\n".join(
        [
            f"- It speaks about {own}, as long as they behave as they did until {_day(metrics['known_until'])}.",
            "- It finds what goes together with leaving, not what causes it; a reason is a hint, not a diagnosis.",
            "- At low base rates few clients reach a high probability; look at the riskiest, not only at the flagged.",
            "- Clients that were helped because of a flag and stayed make later data look as if flags were wrong.",
            "- What no connected source reports is missing, and missing data is not good news.",
        ]
    )


def _made_with(stored: StoredModel, fingerprint: str) -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in sorted(stored.libraries.items()))
    return "\n".join(
        [
            f"- model sha256 `{stored.sha256}`",
            f"- training table sha256 `{fingerprint}`",
            f"- {len(stored.features)} columns, calibration: {stored.calibration['method']}",
            f"- {libraries}",
        ]
    )


def _day(second: int) -> str:
    return moment_of(second).date().isoformat()


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"
