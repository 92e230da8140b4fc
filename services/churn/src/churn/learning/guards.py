"""Guards against learning from the future: what fails one of them is not trained on.

A model that has seen what came later looks brilliant in every figure and knows nothing. So a sample of every data set
is computed again with another future, every column is asked whether it alone knows the outcome, and outcomes that are
shuffled have to teach nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from churn.adapters import scorers
from churn.domain.history import MICRO, Happened, in_order
from churn.domain.moments import DAY, moment_of

if TYPE_CHECKING:
    from churn.dataset import Table

Floats = NDArray[np.float64]
Features = Callable[[str, Sequence[Happened], int], Sequence[float] | None]
"""Features of a client (by its key) with these events (in order) at a moment (seconds); None: it is none then."""
Pipeline = Callable[["Table", "Table"], Floats]
"""Learns from the first table, and says the risks of the second one's rows."""

TELLTALE = 0.95
"""AUC from which a column alone is taken for the outcome in disguise."""
TELLTALE_ROWS = 50_000
FEWEST_TELLTALE_LEAVERS = 10
SAMPLED_MOMENTS = 2
"""So many of a client's moments are worked out again."""
PERMUTED_ROWS, PERMUTED_ROUNDS, PERMUTED_FITS = 20_000, 30, 4
SIGMAS = 4.5
"""Chance alone goes beyond this less than once in a hundred thousand trainings."""


class LeakError(ValueError):
    """The data or the features know what came later; the text says which, and of which client."""


def no_look_ahead(
    key: str,
    events: Sequence[Happened],
    rows: Mapping[int, Sequence[float]],
    features: Features,
    names: Sequence[str],
) -> int:
    """A client's rows (features by moment) must be the same when what was known later is removed, edited or added to.

    Looks at some of the moments and returns at how many. Raises LeakError with the name of the feature.
    """
    moments = _spread(sorted(rows))
    for moment in moments:
        for change, changed in other_futures(events, moment):
            after = features(key, changed, moment)
            _compare(names, rows[moment], after, f"{change} (client {key}, {moment_of(moment):%Y-%m-%d})")
    return len(moments)


def other_futures(events: Sequence[Happened], moment: int) -> Iterator[tuple[str, list[Happened]]]:
    """What might have come to be known after a moment instead, each with its name."""
    cut = moment * MICRO
    known = [e for e in events if e.known <= cut]
    later = [e for e in events if e.known > cut]
    yield "when what was known later is removed", known
    if later:
        yield "when what was known later is edited", in_order([*known, *map(_edited, later)])
    yield "when more is told later", in_order([*known, *later, *_told_late(known, cut)])


def _told_late(known: Sequence[Happened], cut: int) -> Iterator[Happened]:
    """The same again a week later, the same told a week late, one taken back and one corrected."""
    week = 7 * DAY * MICRO
    for nth, e in enumerate(known[-40:]):
        when = max(e.time, cut) + week
        yield e._replace(time=when, known=when, id=f"again-{nth}", replaces=None)
        yield e._replace(known=cut + week, id=f"late-{nth}", replaces=None)
    if known:
        taken, mended = known[-1], known[len(known) // 2]
        yield Happened(cut + week, cut + week, 0, "taken-back", "event_withdrawn", {"event_id": taken.id})
        yield _edited(mended)._replace(known=cut + week, id="mended", replaces=mended.id)


def _edited(event: Happened) -> Happened:
    """The same event with other numbers."""
    return event._replace(data={name: _other(value) for name, value in event.data.items()})


def _other(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return type(value)(value * 3 + 1) if value < MOST_EDITED else value


MOST_EDITED = 10**9


def _compare(names: Sequence[str], before: Sequence[float], after: Sequence[float] | None, when: str) -> None:
    if after is None:
        raise LeakError(f"whether there is a row changes {when}")
    for name, one, other in zip(names, before, after, strict=True):
        if one != other and not (math.isnan(one) and math.isnan(other)):
            raise LeakError(f"{name} changes from {one:g} to {other:g} {when}")


def _spread(moments: Sequence[int]) -> list[int]:
    """Some of the moments, from the middle on: there is a past and a future."""
    later = moments[len(moments) // 3 :]
    return list(later[:: max(1, len(later) // SAMPLED_MOMENTS)][:SAMPLED_MOMENTS])


def check(learned: Table, test: Table) -> None:
    """What a training has to pass before it is believed. Raises LeakError."""
    no_row_twice(learned, test)
    no_telltale(learned)
    nothing_from_shuffled(learned, test)


def no_telltale(table: Table) -> None:
    """No column alone, by its value or by being missing, tells who leaves. Raises LeakError with the column's name."""
    chosen = np.random.default_rng(scorers.SEED).permutation(len(table))[:TELLTALE_ROWS]
    left = table.left[chosen] > 0
    if min(left.sum(), (~left).sum()) < FEWEST_TELLTALE_LEAVERS:
        return
    for nth, column in enumerate(table.columns):
        values = table.features[chosen, nth]
        found = max(_apart(values, left, missing) for missing in (-np.inf, np.inf))
        if found > TELLTALE:
            raise LeakError(
                f"{column.name} alone tells who leaves (AUC {found:.3f}): it knows the outcome, so it is not used; "
                "take it out, or say how it was known at the moment"
            )


def _apart(values: Floats, left: NDArray[np.bool_], missing: float) -> float:
    """AUC of one column in its better direction."""
    found = auc(np.where(np.isnan(values), missing, values), left)
    return max(found, 1 - found)


def auc(values: Floats, left: NDArray[np.bool_]) -> float:
    """Chance that a leaver's value is the higher one."""
    _, owner, ties = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(ties) - (ties - 1) / 2)[owner]
    positives = int(left.sum())
    return float((ranks[left].sum() - positives * (positives + 1) / 2) / (positives * (len(left) - positives)))


def no_row_twice(learned: Table, test: Table) -> None:
    """No row that is learned from tests, too. Raises LeakError."""
    known = set(zip(learned.clients.tolist(), learned.moments.tolist(), strict=True))
    both = [row for row in zip(test.clients.tolist(), test.moments.tolist(), strict=True) if row in known]
    if both:
        client, moment = min(both)
        raise LeakError(
            f"{len(both)} rows are learned from and tested on: client {client}, {moment_of(moment):%Y-%m-%d} is one"
        )


def nothing_from_shuffled(learned: Table, test: Table, pipeline: Pipeline | None = None) -> None:
    """What learns from shuffled outcomes must not tell shuffled outcomes of others. Raises LeakError.

    `pipeline` is given both tables with their outcomes shuffled and returns its risks of the second one's rows.
    """
    rng = np.random.default_rng(scorers.SEED)
    found, noise = [], []
    for _ in range(PERMUTED_FITS):
        one, other = (_shuffled(table, rng) for table in (learned, test))
        positives = int(other.left.sum())
        if not one.left.any() or not positives or positives == len(other):
            return
        found.append(auc(np.asarray((pipeline or _trees)(one, other)), other.left > 0))
        noise.append((len(other) + 1) / (12 * positives * (len(other) - positives)))
    mean, sigma = float(np.mean(found)), math.sqrt(sum(noise)) / len(noise)
    if abs(mean - 0.5) > SIGMAS * sigma:
        raise LeakError(f"shuffled outcomes are told apart (AUC {mean:.3f} ± {sigma:.3f}): outcomes reach the features")


def _shuffled(table: Table, rng: np.random.Generator) -> Table:
    rows = np.zeros(len(table), dtype=np.bool_)
    rows[rng.permutation(len(table))[:PERMUTED_ROWS]] = True
    return replace(table.only(rows), left=rng.permutation(table.left[rows]))


def _trees(learned: Table, test: Table) -> Floats:
    settings = scorers.TreeSettings(rounds=PERMUTED_ROUNDS)
    trees = scorers.fit_trees(learned.features, learned.left, learned.columns, settings)
    return np.asarray(trees.margins(test.features))
