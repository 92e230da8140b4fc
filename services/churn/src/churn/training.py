"""From a training table to a model with its calibration, figures and card; nothing is looked at that a fit has seen."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from churn import card
from churn.adapters import evaluation, risk_model
from churn.adapters.calibration import Floats
from churn.adapters.stored_model import StoredModel
from churn.dataset import Table, Wish
from churn.learning import fitting, windows
from churn.learning.fitting import Fitted
from churn.learning.windows import TooLittleError, Windows

SIMULATED, OWN = "simulated", "own"


@dataclass(frozen=True)
class Trained:
    """A model with all that is to be known about it."""

    stored: StoredModel
    metrics: Mapping[str, Any]
    fingerprint: str
    trained_on: str
    horizon_days: int
    card: str


def train(table: Table, wish: Wish, trained_on: str, times: Windows | None = None) -> Trained:
    """Fit and calibrate in the training window, measure in the test window. Raises TooLittleError."""
    times = windows.chosen(table) if times is None else times
    learned, test = table.only(times.train(table, wish.rules.horizon_days)), table.only(times.test(table))
    if not test.leavers:
        raise TooLittleError("nobody left in the moments that would test the model")
    fitted = fitting.fit(learned)
    metrics = _metrics(table, learned, test, fitted, times)
    stored = risk_model.pack(fitted.scorer, fitted.calibrate, [column.name for column in table.columns])
    fingerprint = learned.fingerprint()
    text = card.markdown(metrics, stored, trained_on=trained_on, fingerprint=fingerprint, wish=wish)
    return Trained(stored, metrics, fingerprint, trained_on, wish.rules.horizon_days, text)


def _metrics(table: Table, learned: Table, test: Table, fitted: Fitted, times: Windows) -> dict[str, Any]:
    probabilities = fitted(test.features)
    return {
        "n": len(test),
        "base_rate": round(float(test.left.mean()), 5),
        **evaluation.figures(probabilities, test.left, test.clients),
        "ece_noise_floor": round(evaluation.ece_noise_floor(probabilities), 5),
        "reliability": evaluation.reliability(probabilities, test.left),
        "above": {f"{line:.1f}": _above(probabilities, test.left, line) for line in (0.3, 0.4, 0.5, 0.6, 0.7)},
        "model": fitted.name,
        "compared": {name: round(loss, 6) for name, loss in fitted.compared.items()},
        "rows": {"all": len(table), "fit": len(learned), "test": len(test)},
        "clients": len(set(table.clients)),
        "leavers": {"all": table.leavers, "fit": learned.leavers, "test": test.leavers},
        "moments": {"first": int(table.moments.min()), "last": int(table.moments.max())},
        "fit_until": int(learned.moments.max()),
        "train_until": times.train_until,
        "test_from": int(test.moments.min()),
        "known_until": table.known_until,
        "lines": table.lines,
        "refused": table.refused,
        "scores": table.scores,
        "importance": _importance(test),
    }


def _above(p: Floats, left: Floats, line: float) -> dict[str, float | int | None]:
    """What a threshold would have flagged: rows, share of leavers among them, share of all leavers."""
    chosen = p >= line
    return {
        "rows": int(chosen.sum()),
        "precision": round(float(left[chosen].mean()), 4) if chosen.any() else None,
        "recall": round(float(left[chosen].sum() / left.sum()), 4) if left.sum() else None,
    }


def _importance(test: Table) -> dict[str, float]:
    """How well each column alone tells leavers apart on the test rows (AUC, 0.5 is nothing)."""
    scores = {}
    for nth, column in enumerate(test.columns):
        values = test.features[:, nth]
        there = ~np.isnan(values)
        if there.sum() >= 100:
            alone = evaluation.auc(values[there], test.left[there])
            if not np.isnan(alone):
                scores[column.name] = round(max(alone, 1 - alone), 4)
    return dict(sorted(scores.items(), key=lambda item: -item[1])[:20])


def offer(trained: Trained) -> dict[str, Any]:
    """The body of `POST /v1/models`."""
    stored = trained.stored
    return {
        "content_base64": base64.b64encode(stored.content).decode(),
        "sha256": stored.sha256,
        "kind": stored.kind,
        "features": list(stored.features),
        "calibration": dict(stored.calibration),
        "libraries": dict(stored.libraries),
        "trained_on": trained.trained_on,
        "fingerprint": trained.fingerprint,
        "horizon_days": trained.horizon_days,
        "metrics": dict(trained.metrics),
        "card": trained.card,
    }
