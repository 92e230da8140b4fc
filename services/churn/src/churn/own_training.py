"""From a team's own table to a model with figures, verdict and card: the same as from events, by folds or by time.

Without time there are no later moments to test on, so every row is judged by models that have not seen its client, in
repeated folds; the model itself is then fitted to all rows whose outcome is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from churn import card, own_table, training
from churn.adapters import calibration, risk_model, scorers
from churn.adapters.calibration import Floats
from churn.adapters.stored_model import StoredModel
from churn.dataset import Table, Wish
from churn.learning import evaluating, fitting, gate, guards, measuring, windows
from churn.learning.evaluating import Report, Tested
from churn.learning.measuring import Draws, Judged
from churn.own_table import FOLDS, REPEATS, Fold, OwnTable
from churn.training import Trained


@dataclass(frozen=True)
class Own:
    """The model of an own table, and what it says of each row."""

    trained: Trained
    risks: Floats
    """By row: of rows whose outcome is known by models that had not seen them, of others by the model; NaN for the
    rows that it learned from, where the table has time."""


def train(own: OwnTable, label: str, wish: Wish | None = None) -> Own:
    """Learn from the table and judge what was learned; `wish` gives horizon and windows of a table with time.

    Raises TooLittleError for a table that cannot carry a model, guards.LeakError for one with a column that gives the
    label away.
    """
    guards.no_telltale(own_table.alone(own))
    return _by_folds(own, label) if own.moments is None else _by_time(own, label, wish or Wish())


def cross_validated(own: OwnTable, folds: int = FOLDS, repeats: int = REPEATS) -> tuple[list[Tested], list[list[Fold]]]:
    """By repeat the known rows in their order with what was said of them unseen, and the folds it was said in.

    Encoding, choice, calibration and fit see the other folds only, and so do the rivals.
    """
    tested, dealt = [], []
    found = list(own_table.dealt(own, folds, repeats))
    for repeat in range(repeats):
        mine = [fold for fold in found if fold.repeat == repeat]
        judged = [evaluating.beside_rivals(one.learned, one.test, fitting.fit(one.learned)) for one in mine]
        order = np.argsort(np.concatenate([fold.rows for fold in mine]))
        rivals = {
            name: np.concatenate([one.rivals[name] for one in judged])[order] for name in judged[0].rivals
        }  # fmt: skip
        p = np.concatenate([one.p for one in judged])[order]
        tested.append(Tested(_bare(own), p, rivals, np.mean([one.level for one in judged], axis=0)))
        dealt.append(mine)
    return tested, dealt


def _bare(own: OwnTable) -> Table:
    """The known rows without columns: each fold has its own."""
    known = own.known
    moments, nothing = np.zeros(int(known.sum()), dtype=np.int64), np.empty((int(known.sum()), 0))
    return Table(own.clients[known], moments, own.left[known], nothing, (), moments_are_times=False)


def _by_folds(own: OwnTable, label: str) -> Own:
    known = own.known
    table = own_table.encoding(own, known).table(own)
    learned = table.only(known)
    fitting.enough(learned)
    tested, dealt = cross_validated(own)
    fitted = fitting.fit(learned)
    metrics = _folded(own, tested, dealt) | {
        "model": fitted.name,
        "compared": {name: round(loss, 6) for name, loss in fitted.compared.items()},
        "importance": training.importance(learned),
        **_about(own, label),
    }
    stored = risk_model.pack(fitted.scorer, fitted.calibrate, [column.name for column in table.columns])
    risks = fitted(table.features)
    risks[known] = tested[0].p
    return Own(_trained(metrics, stored, learned.fingerprint(), 0), risks)


def _folded(own: OwnTable, tested: Sequence[Tested], dealt: Sequence[Sequence[Fold]]) -> Report:
    """Figures, the rivals' among them, are means over the repeats; curves are those of the first."""
    first, left = tested[0], own.left[own.known]
    told = evaluating.report(first)
    draws = Draws(first.table.clients)
    judged = [Judged(one.p, left) for one in tested]

    place = np.cumsum(own.known) - 1  # of a row of the table among the known ones
    parts = [
        (place[fold.rows], Judged(one.p[place[fold.rows]], left[place[fold.rows]]))
        for one, folds in zip(tested, dealt, strict=True)
        for fold in folds
    ]

    def of_folds(weights: Floats) -> dict[str, float]:
        return {"auc": float(np.mean([part.measures(weights[rows])["auc"] for rows, part in parts]))}

    told |= draws.figures(lambda weights: evaluating.means(judged, weights))
    told["baselines"] = evaluating.rivals(tested, draws)
    floors = [measuring.ece_noise_floor(one.p) for one in tested]
    told["ece_noise_floor"] = {name: _mean([floor[name] for floor in floors]) for name in floors[0]}
    folds = {"folds": len(dealt[0]), "repeats": len(tested), "number": len(parts), **draws.figures(of_folds)}
    told |= {"folds": folds, "permuted_auc": evaluating.permuted_auc(dealt[0][0].learned, dealt[0][0].test)}
    return told | {"gate": gate.judge(told).to_json()}


def _mean(values: Sequence[float | None]) -> float:
    return round(float(np.mean([value for value in values if value is not None])), measuring.DIGITS)


def _by_time(own: OwnTable, label: str, wish: Wish) -> Own:
    known = own.known
    rough = own_table.encoding(own, known).table(own)
    times = windows.chosen(
        rough.only(known), train_until=wish.train_until, test_from=wish.test_from, test_to=wish.test_to
    )
    learned = known & times.train(rough, wish.rules.horizon_days)
    table = own_table.encoding(own, learned).table(own)
    found = training.train(table.only(known), wish, training.OWN, times)
    metrics = {**found.metrics, **_about(own, label)}
    metrics["rows"] = {**found.metrics["rows"], "all": len(own)}
    stored = found.stored
    margins = scorers.load(stored.kind, stored.content, len(table.columns)).margins(table.features)
    risks = calibration.from_json(stored.calibration)(margins)
    risks[learned] = np.nan
    return Own(_trained(metrics, stored, found.fingerprint, wish.rules.horizon_days), risks)


def _about(own: OwnTable, label: str) -> dict[str, Any]:
    """What the figures are about."""
    known = own.known
    rows, leavers = int(known.sum()), len(set(own.clients[known & (own.left > 0)]))
    told: dict[str, Any] = {
        "table": {
            "label": label,
            "columns": len(own.columns),
            "not_known": int((~known).sum()),
            "left_out": dict(own.left_out),
        },
        "clients": len(set(own.clients)),
    }
    if own.moments is None:
        told["rows"] = {"all": len(own), "fit": rows, "test": rows}
        told["leavers"] = {"all": leavers, "fit": leavers, "test": leavers}
    return told


def _trained(metrics: Report, stored: StoredModel, fingerprint: str, horizon_days: int) -> Trained:
    text = card.markdown(metrics, stored, trained_on=training.OWN, fingerprint=fingerprint, wish=None)
    return Trained(stored, metrics, fingerprint, training.OWN, horizon_days, text)
