"""The words of a model card: what the model is about, what it learned from, what it cannot know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from churn.adapters.stored_model import StoredModel
from churn.dataset import Wish
from churn.domain.moments import moment_of

Metrics = Mapping[str, Any]
SHOWN_LEFT_OUT = SHOWN_SOURCES = 20


def warning(trained_on: str) -> list[str]:
    if trained_on != "simulated":
        return []
    return ["**Trained on simulated data.** Its figures say nothing about real clients; do not act on them."]


def what(metrics: Metrics, wish: Wish | None) -> str:
    model = (
        f"The model is {cell(metrics.get('model', 'not named'))}. Of trees (XGBoost), a logistic regression and the"
        " means of both it did best on clients it had not seen; then its probabilities were calibrated."
    )
    if wish is None:
        return f"Probability that a row's label is yes, from a table that a team brought. {model}"
    return (
        f"Probability that a client gives notice, lapses without renewal, or falls to no recurring revenue within"
        f" {wish.rules.horizon_days} days. Population: clients of at least {wish.rules.min_tenure_days} days that are"
        f" not under notice. {model} Trees are monotone where the domain is sure; classes are not re-weighted."
    )


def data(metrics: Metrics, wish: Wish | None) -> str:
    rows, leavers = metrics["rows"], metrics["leavers"]
    told = [f"{metrics['clients']:,} clients, {leavers['all']:,} of them left"]
    if wish is None:
        told += _own_table(metrics)
    else:
        told[0] += (
            f"; {metrics['lines']:,} events, {metrics['refused']:,} lines refused, {metrics['scores']:,} health scores"
        )
        if metrics.get("sources"):
            told.append(f"sources: {', '.join(cell(source) for source in metrics['sources'][:SHOWN_SOURCES])}")
        told.append(
            f"{rows['all']:,} moments of clients, every {wish.grid_days} days from"
            f" {_day(metrics['moments']['first'])} to {_day(metrics['moments']['last'])}; outcomes known until"
            f" {_day(metrics['known_until'])}"
        )
    if "fit_until" in metrics:
        told.append(
            f"fitted to {rows['fit']:,} rows ({leavers['fit']:,} leavers) until {_day(metrics['fit_until'])}, tested on"
            f" {rows['test']:,} rows ({leavers['test']:,} leavers) from {_day(metrics['test_from'])}"
        )
    told.append(f"base rate of the test: {share(metrics['base_rate']['value'])} of the rows")
    return listed(told)


def _own_table(metrics: Metrics) -> list[str]:
    own = metrics["table"]
    told = [f"{metrics['rows']['all']:,} rows, {own['columns']} columns; label `{cell(own['label'])}`"]
    if own["not_known"]:
        told.append(f"{own['not_known']:,} rows whose label is empty: they were given a risk, not learned from")
    left_out = list(own["left_out"].items())
    told += [f"left out: `{cell(name)}` ({cell(why)})" for name, why in left_out[:SHOWN_LEFT_OUT]]
    return told


def how_tested(metrics: Metrics) -> str:
    intervals = "In brackets 95 % intervals, drawing clients with replacement."
    folds = metrics.get("folds")
    if folds:
        return (
            f"The table has no time: {folds['repeats']} times {folds['folds']} folds, every row judged by models that"
            f" had seen neither it nor its client, nor how its words are spread. Figures are means over the repeats."
            f" {intervals}"
        )
    return (
        "Measured on the test moments: every label that was learned from was known before they began."
        f" {intervals} Rivals learned from the same rows."
    )


def guards(metrics: Metrics) -> str:
    """What was looked for. A training that fails one of these stops, so a card tells what was found below the line."""
    told = []
    strongest = next(iter((metrics.get("importance") or {}).items()), None)
    if strongest:
        told.append(
            f"no column alone tells who leaves (AUC above 0.95): the strongest is `{cell(strongest[0])}` with"
            f" {strongest[1]}"
        )
    shuffled = metrics.get("permuted_auc")
    if shuffled and shuffled["value"] is not None:
        told.append(
            f"nothing is found in shuffled outcomes: AUC {shuffled['value']:.3f} ({shuffled['low']:.3f} …"
            f" {shuffled['high']:.3f})"
        )
    looked = (metrics.get("guards") or {}).get("no_look_ahead")
    if looked:
        told.append(
            f"features of {looked} moments were computed again with what came later removed, edited and added to:"
            " none changed"
        )
    told.append("no row is learned from and tested on")
    return listed(told)


def limits(metrics: Metrics, trained_on: str) -> str:
    own = (
        "clients like those of the training data"
        if trained_on == "own"
        else "clients of the simulated world, and nobody else"
    )
    until = f" until {_day(metrics['known_until'])}" if metrics.get("known_until") else " in that data"
    told = [
        f"It speaks about {own}, as long as these behave as they did{until}.",
        "It finds what goes together with leaving, not what causes it; a reason is a hint, not a diagnosis.",
        "At low base rates few clients reach a high probability; look at the riskiest, not only at the flagged.",
        "Clients that were helped because of a flag and stayed make later data look as if flags were wrong.",
        "What no connected source reports is missing, and missing data is not good news.",
    ]
    if metrics.get("folds"):
        told.append(
            "The table says nothing about time: whether its columns were known before the client left, nobody can see"
            " from it, and how well the model does on later clients is not measured."
        )
    return listed(told)


def made_with(stored: StoredModel, fingerprint: str) -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in sorted(stored.libraries.items()))
    return listed(
        [
            f"model sha256 `{stored.sha256}`",
            f"training table sha256 `{fingerprint}`",
            f"{len(stored.features)} columns, calibration: {stored.calibration['method']}",
            libraries,
        ]
    )


# Marks


def listed(items: Sequence[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(cell(one) for one in row) + " |" for row in rows)])


def cell(value: Any) -> str:
    """Words of the data between marks of ours: they must not end a cell, a row or a code."""
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return " ".join(text.replace("|", "/").split())


def share(value: float | None) -> str:
    if value is None:
        return "–"
    near = min(value, 1 - value)
    return f"{value:.1%}" if 0 < near < 0.0095 or 0 < value < 0.0995 else f"{value:.0%}"


def _day(second: int) -> str:
    return moment_of(second).date().isoformat()
