"""A model on moments that it has not seen, beside what it has to beat: the figures of `loop churn backtest`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from churn.adapters import scorers
from churn.adapters.calibration import CERTAIN, Floats
from churn.dataset import Table
from churn.learning import curves, fitting, leads, measuring, rule
from churn.learning.fitting import Fitted
from churn.learning.measuring import Draws, Figure, Judged, figure

SEGMENT_CLIENTS = 50
SEGMENT_DRAWS = 1_000
"""The ends of intervals that hold together are rare draws."""
PERMUTED = 8
"""Fits to permuted labels."""
PERMUTED_ROWS = 15_000
"""Rows of such a fit: what there is nothing to find in need not be looked for everywhere."""

Report = dict[str, Any]
"""What `loop churn backtest --json` prints; see `report`."""


@dataclass(frozen=True)
class Tested:
    """The moments that test, the model's probabilities there, and those of its rivals by name."""

    table: Table
    p: Floats
    rivals: Mapping[str, Floats]
    level: Floats
    """By what factors chance may have moved all probabilities: the calibration's base rate, its clients drawn anew."""


def beside_rivals(learned: Table, test: Table, fitted: Fitted, others: Mapping[str, Floats] | None = None) -> Tested:
    """The model, a plain logistic regression and the two-signal rule of the same training window, and `others`."""
    plain = scorers.fit_plain(learned.features, learned.left)
    rivals = {"logistic": sure(_sigmoid(plain(test.features))), "rule": sure(rule.fit(learned)(test.features))}
    rivals |= {name: sure(p) for name, p in (others or {}).items()}
    return Tested(test, fitted(test.features), rivals, _level(learned.only(fitting.to_calibrate(learned))))


def _level(calibrated: Table) -> Floats:
    draws = Draws(calibrated.clients, SEGMENT_DRAWS)
    left = np.bincount(draws.owner, calibrated.left, len(draws.names))
    rows = np.bincount(draws.owner, minlength=len(draws.names))
    rates = [float(times @ left) / float(times @ rows) for times in draws.of_clients()]
    return np.asarray(np.array(rates) / calibrated.left.mean())


def report(found: Tested) -> Report:
    """Every figure as `{"value", "low", "high"}` with a 95 % interval, drawing clients with replacement."""
    table, p = found.table, found.p
    draws = Draws(table.clients)
    told: Report = {"n": len(table), **draws.figures(Judged(p, table.left).measures)}
    told["ece_noise_floor"] = measuring.ece_noise_floor(p)
    if table.moments_are_times:
        caught, lead_times = leads.figures(leads.leads(table, p, draws), draws)
        told |= {"recall_at_capacity": caught, "lead_time_days": lead_times}
    told["baselines"] = rivals([found], draws)
    told["segments"] = segments(found)
    told["curves"] = curves.of(p, table.left, table.clients, table.moments if table.moments_are_times else None)
    return told


def rivals(tested: Sequence[Tested], draws: Draws) -> dict[str, dict[str, Figure]]:
    """Each rival's own figures, and by how much its log-loss is above the model's on the same draws.

    Of several tests of the same rows, the means.
    """
    left = tested[0].table.left
    ours = [Judged(one.p, left) for one in tested]
    return {name: _rival(ours, [Judged(one.rivals[name], left) for one in tested], draws) for name in tested[0].rivals}


def _rival(ours: Sequence[Judged], theirs: Sequence[Judged], draws: Draws) -> dict[str, Figure]:
    def above(weights: Floats) -> float:
        gains = [two.log_loss(weights) - one.log_loss(weights) for one, two in zip(ours, theirs, strict=True)]
        return float(np.mean(gains))

    return draws.figures(lambda weights: {**means(theirs, weights), "log_loss_above_ours": above(weights)})


def means(judged: Sequence[Judged], weights: Floats) -> dict[str, float]:
    """All measures, as means over tests of the same rows."""
    found = [one.measures(weights) for one in judged]
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]}


def segments(found: Tested) -> list[dict[str, Any]]:
    """Each segment and tier of enough clients: what was said, what came, and the interval of the difference.

    The interval holds the chance of both windows: who is in the segment's test, and who was in the rows that gave all
    probabilities their level. The intervals hold together: 95 % for all segments at once (Bonferroni), or one of many
    is off by chance alone.
    """
    chosen = []
    for kind, names in found.table.groups.items():
        for name in np.unique(names[names != ""]):
            mine = names == name
            if len(np.unique(found.table.clients[mine])) >= SEGMENT_CLIENTS:
                chosen.append((kind, str(name), mine))
    level = 1 - 0.05 / max(1, len(chosen))
    return [{"kind": kind, "name": name, **_segment(found, mine, level)} for kind, name, mine in chosen]


def _segment(found: Tested, mine: NDArray[np.bool_], level: float) -> dict[str, Any]:
    said, left = found.p[mine], found.table.left[mine]
    draws = Draws(found.table.clients[mine], SEGMENT_DRAWS)
    by_client = [np.bincount(draws.owner, column, len(draws.names)) for column in (said, left, np.ones(len(said)))]
    off = []
    for times, moved in zip(draws.of_clients(), found.level, strict=True):
        summed, came, rows = (float(times @ column) for column in by_client)
        off.append((moved * summed - came) / rows)
    return {
        "clients": len(draws.names),
        "n": len(said),
        "said": round(float(said.mean()), measuring.DIGITS),
        "came": round(float(left.mean()), measuring.DIGITS),
        "difference": figure(float(said.mean() - left.mean()), off, level),
    }


def permuted_auc(learned: Table, test: Table) -> Figure:
    """AUC of trees that were fitted to shuffled outcomes: 0.5 and its noise, unless something leaks.

    One fit's AUC is far from 0.5 where chance has put it on a column that tells much, in either direction; so there are
    several, and the interval is that of their mean.
    """
    rng = np.random.default_rng(measuring.SEED)
    settings = scorers.TreeSettings(rounds=40)
    free = [replace(column, direction=0) for column in learned.columns]  # directions are knowledge, not data
    found = []
    for _ in range(PERMUTED):
        rows = rng.permutation(len(learned))[:PERMUTED_ROWS]
        shuffled = rng.permutation(learned.left)[: len(rows)]
        trees = scorers.fit_trees(learned.features[rows], shuffled, free, settings)
        found.append(measuring.auc(_sigmoid(trees.margins(test.features)), test.left))
    mean, noise = float(np.mean(found)), float(np.std(found, ddof=1) / np.sqrt(len(found)))
    return figure(mean, [mean - T_95 * noise, mean + T_95 * noise], level=1.0)


T_95 = 2.365
"""Student's t of eight fits."""


def grouped(learned: Table, test: Table, name: str) -> dict[str, Figure]:
    """The same test with every client judged by a model that has not seen that client at any moment."""
    fold = fitting.folds(np.concatenate([learned.clients, test.clients]), fitting.FEWER_FOLDS)
    of_learned, of_test = fold[: len(learned)], fold[len(learned) :]
    p = np.empty(len(test))
    for nth in range(fitting.FEWER_FOLDS):
        p[of_test == nth] = fitting.fit_named(learned.only(of_learned != nth), name)(test.features[of_test == nth])
    return Draws(test.clients).figures(Judged(p, test.left).measures)


def sure(p: Floats) -> Floats:
    """Away from 0 and 1, where one surprise costs a log-loss without end."""
    return np.asarray(np.clip(p, CERTAIN, 1 - CERTAIN))


def _sigmoid(margins: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(margins, -40, 40))))
