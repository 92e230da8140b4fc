"""A feature table that a team brings from its warehouse: one row a client, or one a client and moment.

Numbers are taken as they are. Words become a column for each level that is frequent in the rows learned from, and one
for all others together; so what a test row holds changes nothing of how rows are read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from churn.adapters import csv_file, scorers
from churn.adapters.calibration import Floats
from churn.adapters.csv_file import BadTableError, Cells
from churn.dataset import Table
from churn.domain.columns import Column
from churn.domain.moments import parse

LEFT = frozenset({"yes", "y", "true", "t", "1", "1.0", "churned", "churn", "left", "exited", "cancelled", "canceled"})
STAYED = frozenset({"no", "n", "false", "f", "0", "0.0", "retained", "not churned", "stayed", "active", "renewed"})
MOST_LEVELS = 20
RARE_ROWS = 20
"""A level of fewer rows learned from …"""
RARE_SHARE = 0.01
"""… or of a smaller share of them goes with the others."""
NEARLY = 0.95
"""A text column in which this share of cells are numbers has wrong cells; one of which it are unique names rows."""
OTHER = "other"
FOLDS, REPEATS = 5, 3

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
_COMMA_NUMBER = re.compile(r"[+-]?\d+,\d+", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d([T ].*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Numbers:
    """A column of numbers; NaN where nothing is said."""

    name: str
    values: Floats


@dataclass(frozen=True, slots=True)
class Words:
    """A column of words; empty where nothing is said."""

    name: str
    cells: NDArray[np.str_]


@dataclass(frozen=True)
class OwnTable:
    """Columns as the file has them. `left` is NaN where it is not known yet: such rows are scored, not learned from."""

    clients: NDArray[np.str_]
    left: Floats
    columns: tuple[Numbers | Words, ...]
    moments: NDArray[np.int64] | None = None
    """Seconds; None: the table has no time."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Columns that are not learned from, and why."""

    def __len__(self) -> int:
        return len(self.left)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Rows whose outcome is known."""
        return ~np.isnan(self.left)


def read(content: bytes, label: str, time: str | None = None, client: str | None = None) -> OwnTable:
    """The table of a CSV file: `label` says who left, `time` (ISO dates) when a row was so, `client` whose it is.

    Without `client` each row is one of its own. Raises BadTableError.
    """
    cells = csv_file.read(content)
    chosen = [name for name in (label, time, client) if name is not None]
    if len(set(chosen)) < len(chosen):
        raise BadTableError("label, time and id must be columns of their own")
    left = _labels(cells, label)
    moments = _moments(cells, time) if time is not None else None
    clients = _names(cells, client) if client is not None else [f"row {line}" for line in cells.lines]
    kept: list[Numbers | Words] = []
    left_out: dict[str, str] = {}
    for name in cells.header:
        if name in chosen:
            continue
        column = _column(cells, name)
        why = _useless(column)
        if why:
            left_out[name] = why
        else:
            kept.append(column)
    if not kept:
        raise BadTableError("beside the label no column holds anything that can be learned from")
    return OwnTable(np.array(clients, dtype=np.str_), left, tuple(kept), moments, left_out)


def _labels(cells: Cells, name: str) -> Floats:
    found = np.full(len(cells.rows), np.nan)
    for row, text in enumerate(cells.column(name)):
        said = text.lower()
        if said in LEFT or said in STAYED:
            found[row] = said in LEFT
        elif said:
            raise BadTableError(
                f"{_at(cells, row, name)}: {text!r} does not say whether the client left: use yes or no"
            )
    kinds = set(found[~np.isnan(found)])
    if len(kinds) < 2:
        raise BadTableError(f"column {name!r}: {'every' if kinds else 'no'} row says {_said(kinds)}; both are needed")
    return found


def _said(kinds: set[float]) -> str:
    if not kinds:
        return "whether the client left"
    return "that the client left" if 1.0 in kinds else "that the client stayed"


def _moments(cells: Cells, name: str) -> NDArray[np.int64]:
    found = []
    for row, text in enumerate(cells.column(name)):
        try:
            found.append(parse(text))
        except ValueError as error:
            raise BadTableError(f"{_at(cells, row, name)}: {text!r} is no date like 2026-03-01") from error
    return np.array(found, dtype=np.int64)


def _names(cells: Cells, name: str) -> list[str]:
    found = cells.column(name)
    for row, text in enumerate(found):
        if not text:
            raise BadTableError(f"{_at(cells, row, name)}: no client is named")
    return found


def _column(cells: Cells, name: str) -> Numbers | Words:
    texts = cells.column(name)
    values = np.array([_number(text, cells.decimal_comma) for text in texts])
    there = np.array([bool(text) for text in texts])
    wrong = there & np.isnan(values)
    if not wrong.any():
        return Numbers(name, values)
    if wrong.sum() <= (1 - NEARLY) * there.sum():
        row = int(np.flatnonzero(wrong)[0])
        raise BadTableError(
            f"{_at(cells, row, name)}: {texts[row]!r} is no number, but {there.sum() - wrong.sum()} other cells are;"
            " correct it, leave it empty, or leave the column out"
        )
    return Words(name, np.array(texts, dtype=np.str_))


def _number(text: str, decimal_comma: bool) -> float:
    """NaN for what is none."""
    if decimal_comma and _COMMA_NUMBER.fullmatch(text):
        text = text.replace(",", ".")
    value = float(text) if _NUMBER.fullmatch(text) else np.nan
    return value if np.isfinite(value) else np.nan


def _at(cells: Cells, row: int, name: str) -> str:
    return f"line {cells.lines[row]}, column {name!r}"


def _useless(column: Numbers | Words) -> str:
    """Why nothing can be learned from it; empty where something can."""
    if isinstance(column, Numbers):
        known = column.values[~np.isnan(column.values)]
        missing = len(column.values) - len(known)
    else:
        known = column.cells[column.cells != ""]
        missing = len(column.cells) - len(known)
    different = len(np.unique(known))
    if not different:
        return "it is empty"
    if different == 1 and not missing:
        return "it says the same in every row"
    if isinstance(column, Words):
        if all(_DAY.fullmatch(cell) for cell in known):
            return "it holds dates; bring the number of days since or until then"
        if different > MOST_LEVELS and different >= NEARLY * len(known):
            return "nearly every row has a text of its own"
    return ""


@dataclass(frozen=True)
class Encoding:
    """How rows become numbers: the levels of each column of words, most frequent first; the rest is `other`."""

    levels: Mapping[str, tuple[str, ...]]

    def table(self, own: OwnTable) -> Table:
        """All rows of a table. A level never seen is `other`; where there are no others, none of the known ones."""
        nothing = np.empty((len(own), 0))
        names, parts = [], []
        for column in own.columns:
            for name, values in self._numbers(column):
                names.append(Column(name, column.name))
                parts.append(values)
        moments = np.zeros(len(own), dtype=np.int64) if own.moments is None else own.moments
        features = np.column_stack([nothing, *parts])
        timed = own.moments is not None
        return Table(own.clients, moments, own.left, features, tuple(names), moments_are_times=timed)

    def _numbers(self, column: Numbers | Words) -> Iterator[tuple[str, Floats]]:
        if isinstance(column, Numbers):
            yield column.name, column.values
            return
        nothing = column.cells == ""
        rest = ~nothing
        for level in self.levels[column.name]:
            if level != OTHER:
                rest = rest & (column.cells != level)
        for level in self.levels[column.name]:
            here = rest if level == OTHER else column.cells == level
            yield f"{column.name} = {level}", np.where(nothing, np.nan, here.astype(np.float64))


def encoding(own: OwnTable, rows: NDArray[np.bool_]) -> Encoding:
    """Learned from some of the rows: which levels are frequent there. Labels play no part."""
    return Encoding({c.name: _levels(c.cells[rows]) for c in own.columns if isinstance(c, Words)})


def _levels(cells: NDArray[np.str_]) -> tuple[str, ...]:
    counts = Counter(cells[cells != ""].tolist())
    least = max(RARE_ROWS, RARE_SHARE * len(cells))
    frequent = [
        level
        for level, number in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        if number >= least and level.lower() != OTHER
    ][:MOST_LEVELS]
    return tuple(frequent) if len(frequent) == len(counts) else (*frequent, OTHER)


@dataclass(frozen=True)
class Fold:
    """What is learned from and what is judged; the columns are those that the rows learned from give."""

    repeat: int
    learned: Table
    test: Table
    rows: NDArray[np.int64]
    """Of the own table: those of `test`."""


def dealt(own: OwnTable, folds: int = FOLDS, repeats: int = REPEATS) -> Iterator[Fold]:
    """Repeated folds over the rows whose outcome is known: every row is judged once a repeat.

    Clients are dealt whole, leavers and stayers evenly.
    """
    known = np.flatnonzero(own.known)
    for repeat in range(repeats):
        fold = _folds(own.clients[known], own.left[known], folds, scorers.SEED + repeat)
        for nth in range(folds):
            others, here = _mask(own, known[fold != nth]), _mask(own, known[fold == nth])
            table = encoding(own, others).table(own)
            yield Fold(repeat, table.only(others), table.only(here), np.flatnonzero(here))


def _mask(own: OwnTable, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    chosen = np.zeros(len(own), dtype=np.bool_)
    chosen[rows] = True
    return chosen


def _folds(clients: NDArray[np.str_], left: Floats, folds: int, seed: int) -> NDArray[np.int64]:
    """For each row the fold of its client."""
    names, owner = np.unique(clients, return_inverse=True)
    leaver = np.bincount(owner, left, len(names)) > 0
    rng = np.random.default_rng(seed)
    fold = np.empty(len(names), dtype=np.int64)
    for mine in (np.flatnonzero(leaver), np.flatnonzero(~leaver)):
        fold[rng.permutation(mine)] = np.arange(len(mine)) % folds
    return fold[owner]


def alone(own: OwnTable) -> Table:
    """Each column as one number a row, to ask whether it gives the label away by itself.

    Words become the share of leavers of their level in the other half of the clients: two halves, or a level of one
    row would know that row's label.
    """
    known = own.known
    _, owner = np.unique(own.clients, return_inverse=True)
    half = np.random.default_rng(scorers.SEED).permutation(owner.max() + 1)[owner] % 2
    parts = [
        column.values[known]
        if isinstance(column, Numbers)
        else _shares(column.cells[known], own.left[known], half[known])
        for column in own.columns
    ]
    columns = tuple(Column(column.name, column.name) for column in own.columns)
    moments = np.zeros(int(known.sum()), dtype=np.int64)
    return Table(own.clients[known], moments, own.left[known], np.column_stack(parts), columns)


def _shares(cells: NDArray[np.str_], left: Floats, half: NDArray[np.int64]) -> Floats:
    """By row the share of leavers of its level in the other half, drawn to that of all; NaN where nothing is said."""
    names, level = np.unique(cells, return_inverse=True)
    found = np.empty(len(cells))
    for mine in (0, 1):
        others, base = half != mine, float(left.mean())
        gone = np.bincount(level[others], left[others], len(names))
        share = (gone + base) / (np.bincount(level[others], minlength=len(names)) + 1)
        found[~others] = share[level[~others]]
    return np.where(cells == "", np.nan, found)
