"""From rows to a calibrated model: candidates compared, the best calibrated and fitted, all inside the training window.

Clients are dealt into folds, and every candidate speaks of each client's rows without having seen that client. By those
margins the candidate is chosen (log-loss) and, on the last part by time, calibrated; then it is fitted to all rows
(Platt 1999 takes margins from cross-validation for the same reason: those of rows that were fitted to are too sure).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from churn.adapters import calibration, scorers
from churn.adapters.calibration import Calibration, Floats
from churn.adapters.scorers import Mean, Scorer, TreeSettings
from churn.dataset import Table
from churn.learning.windows import TooLittleError, last_part

ENOUGH_LEAVERS = 50
"""With fewer a model would learn single clients by heart: the scorecard stays in service."""
LEAVERS_TO_CALIBRATE = 100
"""The last part of the rows is begun earlier until it has so many, as far as there are: with forty leavers chance alone
moves all probabilities by a sixth, which is more than a year usually does."""
FOLDS = 5
FEWER_FOLDS = 3
MANY_ROWS = 30_000
"""From so many rows on fewer folds tell the same."""

Fit = Callable[[Table], Scorer]


def line(table: Table) -> Scorer:
    return scorers.fit_line(table.features, table.left)


def trees(settings: TreeSettings) -> Fit:
    def fit(table: Table) -> Scorer:
        return scorers.fit_trees(table.features, table.left, table.columns, settings)

    return fit


SINGLE: Mapping[str, Fit] = {
    "logistic": line,
    "xgboost 100 trees": trees(TreeSettings(rounds=100)),
    "xgboost 160 trees": trees(TreeSettings(rounds=160)),
}
MEANS = tuple((name, "logistic") for name in SINGLE if name != "logistic")
"""Candidates made of two: their margins are the means of what the two said."""


@dataclass(frozen=True)
class Fitted:
    """The chosen model with its calibration, and how each candidate did on clients that it had not seen."""

    scorer: Scorer
    calibrate: Calibration
    name: str
    compared: Mapping[str, float]
    """Log-loss by candidate; the lowest was chosen."""

    def __call__(self, rows: Floats) -> Floats:
        """Probabilities."""
        return self.calibrate(self.scorer.margins(rows))


def fit(table: Table, *, candidates: Mapping[str, Fit] = SINGLE, name: str | None = None) -> Fitted:
    """Choose, calibrate and fit; with a `name` that candidate is taken. Raises TooLittleError."""
    if name is None:
        enough(table)
    unseen = _margins_of_unseen(table, candidates)
    compared = {name: _log_loss(margins, table.left) for name, margins in unseen.items()}
    name = name or min(compared, key=lambda one: (compared[one], one))
    recent = to_calibrate(table)
    calibrated = calibration.fit(unseen[name][recent], table.left[recent])
    parts = tuple(candidates[part](table) for part in name.split(" + "))
    chosen: Scorer = parts[0] if len(parts) == 1 else Mean(parts)
    return Fitted(chosen, calibrated, name, compared)


def to_calibrate(table: Table) -> NDArray[np.bool_]:
    """The rows on whose margins probabilities are calibrated: the last part by time."""
    return last_part(table, leavers=LEAVERS_TO_CALIBRATE)


def enough(table: Table) -> None:
    """Raises TooLittleError where a model would learn single clients by heart."""
    if table.leavers < ENOUGH_LEAVERS:
        raise TooLittleError(
            f"only {table.leavers} clients left within the horizon of a moment that can be learned from; "
            f"{ENOUGH_LEAVERS} are needed, until then the scorecard speaks"
        )


def fit_named(table: Table, name: str) -> Fitted:
    """The same without a choice: the candidate of that name. Raises TooLittleError."""
    return fit(table, candidates={part: SINGLE[part] for part in name.split(" + ")}, name=name)


def folds(clients: NDArray[np.str_], number: int) -> NDArray[np.int64]:
    """For each row the fold of its client; always the same for the same clients."""
    names, owner = np.unique(clients, return_inverse=True)
    dealt = np.random.default_rng(scorers.SEED).permutation(len(names)) % number
    return np.asarray(dealt[owner])


def _margins_of_unseen(table: Table, candidates: Mapping[str, Fit]) -> dict[str, Floats]:
    number = FOLDS if len(table) < MANY_ROWS else FEWER_FOLDS
    fold = folds(table.clients, number)
    found = {name: np.empty(len(table)) for name in candidates}
    for nth in range(number):
        here, others = table.only(fold == nth), table.only(fold != nth)
        for name, fit_one in candidates.items():
            found[name][fold == nth] = fit_one(others).margins(here.features)
    for one, other in MEANS:
        if one in candidates and other in candidates:
            found[f"{one} + {other}"] = (found[one] + found[other]) / 2
    return found


def _log_loss(margins: Floats, left: Floats) -> float:
    return float(np.mean(np.logaddexp(0, margins) - left * margins))
