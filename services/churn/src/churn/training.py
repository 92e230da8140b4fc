"""From a training table to a model that may speak: guarded, fitted, tested on later moments, judged, described."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from churn import card
from churn.adapters import risk_model
from churn.adapters.calibration import Floats
from churn.adapters.risk_model import RiskModel
from churn.adapters.stored_model import StoredModel
from churn.dataset import Table, Wish
from churn.learning import evaluating, fitting, gate, guards, windows
from churn.learning.evaluating import Report
from churn.learning.fitting import Fitted
from churn.learning.windows import TooLittleError, Windows

SIMULATED, OWN = "simulated", "own"
FEWEST_TO_TEST = 10
LINES = (0.3, 0.4, 0.5, 0.6, 0.7)


@dataclass(frozen=True)
class Trained:
    """A model with all that is to be known about it."""

    stored: StoredModel
    metrics: Report
    fingerprint: str
    trained_on: str
    horizon_days: int
    card: str

    @property
    def refused(self) -> Sequence[str]:
        """Why the gate keeps it out of service; empty if it may be promoted."""
        return [check["text"] for check in self.metrics["gate"]["checks"] if not check["passed"]]


@dataclass(frozen=True)
class InService:
    """The model that a new one has to beat."""

    version: str
    model: RiskModel
    known_until: int
    """Seconds; it may have learned from what happened until then, which is in its favour where that is in the test."""


def train(
    table: Table, wish: Wish, trained_on: str, times: Windows | None = None, in_service: InService | None = None
) -> Trained:
    """Fit and calibrate in the training window, measure and judge in the test window.

    Raises TooLittleError for data that cannot carry a model, guards.LeakError for data that knows what came later.
    """
    times = windows.chosen(table) if times is None else times
    learned, test = table.only(times.train(table, wish.rules.horizon_days)), table.only(times.test(table))
    fitting.enough(learned)
    if test.leavers < FEWEST_TO_TEST:
        raise TooLittleError(
            f"only {test.leavers} clients left in the moments that would test the model; {FEWEST_TO_TEST} are needed"
        )
    guards.check(learned, test)
    fitted = fitting.fit(learned)
    metrics = _report(learned, test, fitted, in_service) | _about(table, learned, test, fitted, times)
    stored = risk_model.pack(fitted.scorer, fitted.calibrate, [column.name for column in table.columns])
    fingerprint = learned.fingerprint()
    text = card.markdown(metrics, stored, trained_on=trained_on, fingerprint=fingerprint, wish=wish)
    return Trained(stored, metrics, fingerprint, trained_on, wish.rules.horizon_days, text)


def backtest(table: Table, wish: Wish, times: Windows) -> Report:
    """The same without a model at the end."""
    return train(table, wish, OWN, times).metrics


def rolling(table: Table, wish: Wish, origins: int) -> list[Report]:
    """Backtests from several origins: the second half of the moments, dealt into as many tests, one after the other.

    Raises TooLittleError when not even the last of them can be done; what an earlier one lacks is said in its place.
    """
    found: list[Report] = []
    for times in windows.rolling(table, origins):
        span = {"train_until": times.train_until, "test_from": times.test_from, "test_to": times.test_to}
        try:
            found.append({**span, **backtest(table, wish, times)})
        except TooLittleError as error:
            found.append({**span, "too_little": str(error)})
    if all("too_little" in report for report in found):
        raise TooLittleError(found[-1]["too_little"])
    return found


def _report(learned: Table, test: Table, fitted: Fitted, in_service: InService | None) -> Report:
    others = {"in_service": in_service.model.probabilities(test.features)} if in_service else {}
    told = evaluating.report(evaluating.beside_rivals(learned, test, fitted, others))
    told["permuted_auc"] = evaluating.permuted_auc(learned, test)
    told["grouped"] = evaluating.grouped(learned, test, fitted.name)
    told["gate"] = gate.judge(told).to_json()
    if in_service:
        told["in_service"] = {"version": in_service.version, "known_until": in_service.known_until}
    return told


def _about(table: Table, learned: Table, test: Table, fitted: Fitted, times: Windows) -> dict[str, Any]:
    """What the figures are about."""
    p = fitted(test.features)
    return {
        "above": {f"{line:.1f}": _above(p, test.left, line) for line in LINES},
        "model": fitted.name,
        "compared": {name: round(loss, 6) for name, loss in fitted.compared.items()},
        "rows": {"all": len(table), "fit": len(learned), "test": len(test)},
        "clients": len(set(table.clients)),
        "leavers": {"all": table.leavers, "fit": learned.leavers, "test": test.leavers},
        "moments": {"first": int(table.moments.min()), "last": int(table.moments.max())},
        "fit_until": int(learned.moments.max()),
        "train_until": times.train_until,
        "test_from": int(test.moments.min()),
        "test_to": int(test.moments.max()),
        "known_until": table.known_until,
        "sources": sorted(table.sources),
        "lines": table.lines,
        "refused": table.refused,
        "scores": table.scores,
        "guards": {"no_look_ahead": table.guarded},
        "importance": importance(test),
        "profile": profile(learned, fitted),
    }


def profile(learned: Table, fitted: Fitted) -> dict[str, Any]:
    """How each column and the prediction were spread where the model learned: drift is measured against it.

    Edges are quantiles (tenths); `shares` are those of the cells between them, the last that of missing.
    """
    spread = {
        column.name: _spread(learned.features[:, nth]) for nth, column in enumerate(learned.columns)
    }  # fmt: skip
    return {"columns": spread, "prediction": _spread(fitted(learned.features))}


def _spread(values: Floats) -> dict[str, list[float]]:
    missing = np.isnan(values)
    known = values[~missing]
    edges = np.unique(np.quantile(known, np.arange(1, 10) / 10)) if known.size else np.array([])
    counts = np.bincount(np.searchsorted(edges, known, side="right"), minlength=len(edges) + 1)
    shares = np.append(counts, missing.sum()) / len(values)
    return {"edges": [float(edge) for edge in edges], "shares": [round(float(share), 6) for share in shares]}


def _above(p: Floats, left: Floats, line: float) -> dict[str, float | int | None]:
    """What a threshold would have flagged: rows, share of leavers among them, share of all leavers."""
    chosen = p >= line
    return {
        "rows": int(chosen.sum()),
        "precision": round(float(left[chosen].mean()), 4) if chosen.any() else None,
        "recall": round(float(left[chosen].sum() / left.sum()), 4) if left.sum() else None,
    }


def importance(test: Table) -> dict[str, float]:
    """How well each column alone tells leavers apart on the test rows (AUC, 0.5 is nothing)."""
    scores = {}
    for nth, column in enumerate(test.columns):
        values = test.features[:, nth]
        there = ~np.isnan(values)
        if there.sum() >= 100:
            alone = guards.auc(values[there], test.left[there] > 0) if 0 < test.left[there].mean() < 1 else float("nan")
            if not np.isnan(alone):
                scores[column.name] = round(max(alone, 1 - alone), 4)
    return dict(sorted(scores.items(), key=lambda item: -item[1])[:20])


def offer(trained: Trained) -> Mapping[str, Any]:
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
