"""From a training table to a model with its calibration, figures and card; nothing is looked at that a fit has seen."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from churn import card
from churn.adapters import calibration, evaluation, xgboost_model
from churn.adapters.calibration import Floats
from churn.adapters.stored_model import StoredModel
from churn.dataset import Table, Wish
from churn.domain.features import NAMES
from churn.domain.moments import DAY

ENOUGH_LEAVERS = 50
"""With fewer a model would learn single clients by heart: the scorecard stays in service."""
CALIBRATION_SHARE = 0.3
"""The last part of the moments, by time, on which the model is calibrated."""
FEWEST_TO_CALIBRATE = 10
SIMULATED, OWN = "simulated", "own"


class TooLittleError(ValueError):
    """The data cannot carry a model; the text says what is missing."""


@dataclass(frozen=True)
class Trained:
    """A model with all that is to be known about it."""

    stored: StoredModel
    metrics: Mapping[str, Any]
    fingerprint: str
    trained_on: str
    horizon_days: int
    card: str


@dataclass(frozen=True)
class Split:
    """By time: rows to fit to, rows to calibrate on, and whether a horizon lies between them."""

    fit: NDArray[np.bool_]
    calibrate: NDArray[np.bool_]
    embargoed: bool


def train(table: Table, wish: Wish, trained_on: str) -> Trained:
    """Fit, calibrate on the last slice of time, and measure there. Raises TooLittleError."""
    if table.leavers < ENOUGH_LEAVERS:
        raise TooLittleError(
            f"only {table.leavers} clients left within the horizon of a moment whose outcome is known; "
            f"{ENOUGH_LEAVERS} are needed, until then the scorecard speaks"
        )
    split = split_by_time(table, wish)
    fit, last = table.only(split.fit), table.only(split.calibrate)
    booster = xgboost_model.train(fit.features, fit.left)
    margins = xgboost_model.margins(booster, last.features)
    calibrated = calibration.fit(margins, last.left)
    metrics = _metrics(table, fit, last, margins, split)
    stored = xgboost_model.pack(booster, calibrated)
    fingerprint = table.fingerprint()
    text = card.markdown(metrics, stored, trained_on=trained_on, fingerprint=fingerprint, wish=wish)
    return Trained(stored, metrics, fingerprint, trained_on, wish.rules.horizon_days, text)


def split_by_time(table: Table, wish: Wish) -> Split:
    """The last moments calibrate. Labels of the rows before them are known before they begin, where that leaves enough.

    Raises TooLittleError when the calibration slice has too few leavers to say anything.
    """
    moments = np.unique(table.moments)
    begins = moments[int(len(moments) * (1 - CALIBRATION_SHARE))]
    later = table.moments >= begins
    if len(set(table.clients[later & (table.left > 0)])) < FEWEST_TO_CALIBRATE:
        raise TooLittleError(f"fewer than {FEWEST_TO_CALIBRATE} clients left in the last part of the data")
    apart = table.moments <= begins - wish.rules.horizon_days * DAY
    if table.only(apart).leavers >= ENOUGH_LEAVERS:
        return Split(apart, later, embargoed=True)
    return Split(~later, later, embargoed=False)


def _metrics(table: Table, fit: Table, last: Table, margins: Floats, split: Split) -> dict[str, Any]:
    probabilities = crossed(margins, last)
    return {
        "n": len(last),
        "base_rate": round(float(last.left.mean()), 5),
        **evaluation.figures(probabilities, last.left, last.clients),
        "ece_noise_floor": round(evaluation.ece_noise_floor(probabilities), 5),
        "reliability": evaluation.reliability(probabilities, last.left),
        "above": {f"{line:.1f}": _above(probabilities, last.left, line) for line in (0.3, 0.4, 0.5, 0.6, 0.7)},
        "rows": {"all": len(table), "fit": len(fit), "calibration": len(last)},
        "clients": len(set(table.clients)),
        "leavers": {"all": table.leavers, "fit": fit.leavers, "calibration": last.leavers},
        "embargoed": split.embargoed,
        "moments": {"first": int(table.moments.min()), "last": int(table.moments.max())},
        "fit_until": int(fit.moments.max()),
        "calibrated_from": int(last.moments.min()),
        "known_until": table.known_until,
        "lines": table.lines,
        "refused": table.refused,
        "scores": table.scores,
        "importance": _importance(last),
    }


def crossed(margins: Floats, last: Table) -> Floats:
    """Probabilities of the calibration rows, each client's by a calibration that did not see it."""
    _, owner = np.unique(last.clients, return_inverse=True)
    half = np.random.default_rng(xgboost_model.SEED).permutation(owner.max() + 1)[owner] % 2
    probabilities = np.empty(len(margins))
    for side in (0, 1):
        others = half != side
        probabilities[half == side] = calibration.fit(margins[others], last.left[others])(margins[half == side])
    return probabilities


def _above(p: Floats, left: Floats, line: float) -> dict[str, float | int | None]:
    """What a threshold would have flagged: rows, share of leavers among them, share of all leavers."""
    chosen = p >= line
    return {
        "rows": int(chosen.sum()),
        "precision": round(float(left[chosen].mean()), 4) if chosen.any() else None,
        "recall": round(float(left[chosen].sum() / left.sum()), 4) if left.sum() else None,
    }


def _importance(last: Table) -> dict[str, float]:
    """How well each column alone tells leavers apart on the calibration rows (AUC, 0.5 is nothing)."""
    scores = {}
    for column, name in enumerate(NAMES):
        values = last.features[:, column]
        there = ~np.isnan(values)
        if there.sum() >= 100:
            alone = evaluation.auc(values[there], last.left[there])
            if not np.isnan(alone):
                scores[name] = round(max(alone, 1 - alone), 4)
    return dict(sorted(scores.items(), key=lambda item: -item[1])[:20])


def offer(trained: Trained) -> dict[str, Any]:
    """The body of `POST /v1/models`."""
    stored = trained.stored
    return {
        "content_base64": base64.b64encode(stored.content).decode(),
        "sha256": stored.sha256,
        "features": list(stored.features),
        "calibration": dict(stored.calibration),
        "libraries": dict(stored.libraries),
        "trained_on": trained.trained_on,
        "fingerprint": trained.fingerprint,
        "horizon_days": trained.horizon_days,
        "metrics": dict(trained.metrics),
        "card": trained.card,
    }
