"""The rule that a model has to beat: two signals, each shown or not, and how often who shows them left.

What a team would do without a model. The signals are the two cuts that told most in the training window, of different
reasons, so it is as good as a rule of its size can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from churn.adapters.calibration import Floats
from churn.dataset import Table

CUTS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95)
"""Quantiles at which a column may be cut."""
SMOOTHING = 20.0
"""Rows at the base rate that every cell is given, so that a cell of few clients is not certain of anything."""


@dataclass(frozen=True, slots=True)
class Signal:
    """Shows where a column is at or above a value; a missing one never shows."""

    column: int
    at_least: float

    def shown(self, rows: Floats) -> NDArray[np.bool_]:
        return np.asarray(rows[:, self.column] >= self.at_least)


@dataclass(frozen=True)
class Rule:
    """Signals and the share that left, by which of them show."""

    signals: tuple[Signal, ...]
    shares: Floats

    def __call__(self, rows: Floats) -> Floats:
        """Probabilities."""
        return self.shares[_cells(self.signals, rows)]


def fit(table: Table) -> Rule:
    """The best first signal, then the best second beside it, by log-loss on what is learned from."""
    signals: tuple[Signal, ...] = ()
    cuts = _cuts(table)
    for _ in range(2):
        taken = {table.columns[signal.column].reason for signal in signals}
        open_ = [cut for cut in cuts if table.columns[cut.column].reason not in taken]
        if not open_:
            break
        signals = (*signals, min(open_, key=lambda cut: _loss(table, (*signals, cut))))
    return Rule(signals, _shares(table, signals))


def _cuts(table: Table) -> list[Signal]:
    found = []
    for column in range(table.features.shape[1]):
        values = table.features[:, column]
        known = values[~np.isnan(values)]
        if known.size:
            found += [Signal(column, float(cut)) for cut in np.unique(np.quantile(known, CUTS))[::-1]]
    return found


def _cells(signals: Sequence[Signal], rows: Floats) -> NDArray[np.int64]:
    cells = np.zeros(len(rows), dtype=np.int64)
    for nth, signal in enumerate(signals):
        cells += signal.shown(rows).astype(np.int64) << nth
    return cells


def _shares(table: Table, signals: Sequence[Signal]) -> Floats:
    cells, number = _cells(signals, table.features), 1 << len(signals)
    left = np.bincount(cells, table.left, number) + SMOOTHING * table.left.mean()
    return np.asarray(left / (np.bincount(cells, minlength=number) + SMOOTHING))


def _loss(table: Table, signals: Sequence[Signal]) -> float:
    p = _shares(table, signals)[_cells(signals, table.features)]
    return float(-np.mean(table.left * np.log(p) + (1 - table.left) * np.log1p(-p)))
