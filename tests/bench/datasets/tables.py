"""Tables of a data set's folder: `NAME.csv.gz` or `NAME.csv`, read row by row with flat memory.

Whatever is wrong with one is a `DataError` that names the file and the line.
"""

from __future__ import annotations

import csv
import gzip
import heapq
import pickle
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import IO

SORTED_AT_ONCE = 100_000
"""Rows of a table without order that are held in memory; more go through temporary files."""
LARGEST = 2**53
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_SECOND = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")

Row = Sequence[str]


class DataError(Exception):
    """The folder is not laid out as the data set is; says file, line and what is wrong there."""


class Table:
    """One table of a folder. Raises DataError when it, or a column that is asked for, is missing."""

    def __init__(self, folder: Path, name: str, columns: Sequence[str]) -> None:
        found = [file for file in (folder / f"{name}.csv.gz", folder / f"{name}.csv") if file.is_file()]
        if not found:
            raise DataError(f"{folder} has neither {name}.csv.gz nor {name}.csv")
        self.file = found[0]
        self.line = 1
        self._columns = columns

    def rows(self) -> Iterator[Row]:
        """The columns asked for, in that order, of every row in the order of the file."""
        with self._open() as text, self.named_in_errors():
            reader = csv.reader(text, strict=True)
            header = next(reader, [])
            missing = [name for name in self._columns if name not in header]
            if missing:
                raise ValueError(f"there is no column {', '.join(missing)}")
            width, chosen = len(header), itemgetter(*(header.index(name) for name in self._columns))
            for row in reader:
                self.line = reader.line_num
                if len(row) != width:
                    raise ValueError(f"{len(row)} fields where the header has {width}")
                yield chosen(row)

    def rows_in_order(self, column: str, form: Callable[[str], str]) -> Iterator[Row]:
        """The same, ascending in one column, all of which has that form (`day`, `second`); those that are equal there
        stay in the order of the file."""
        key: Callable[[Row], str] = itemgetter(self._columns.index(column))
        if self._ascends(key, form):
            yield from self.rows()
            return
        for _, line, row in _sorted((key(row), self.line, row) for row in self.rows()):
            self.line = line
            yield row

    @contextmanager
    def named_in_errors(self) -> Iterator[None]:
        """What is wrong with a row's value is said with its file and line."""
        try:
            yield
        except (ValueError, csv.Error, OSError, EOFError) as error:
            raise DataError(f"{self.file}, line {self.line}: {error}") from error

    def _open(self) -> IO[str]:
        if self.file.suffix == ".gz":
            return gzip.open(self.file, "rt", encoding="utf-8", newline="")
        return self.file.open(encoding="utf-8", newline="")

    def _ascends(self, key: Callable[[Row], str], form: Callable[[str], str]) -> bool:
        before, ascends = "", True
        with self.named_in_errors():
            for row in self.rows():
                now = key(row)
                if now != before:
                    form(now)
                    ascends = ascends and now > before
                    before = now
        return ascends


Numbered = tuple[str, int, Row]


def _sorted(rows: Iterator[Numbered]) -> Iterator[Numbered]:
    """In order by merging sorted runs, of which only the last is in memory."""
    runs: list[Iterator[Numbered]] = []
    held: list[Numbered] = []
    for row in rows:
        held.append(row)
        if len(held) == SORTED_AT_ONCE:
            runs.append(_set_aside(sorted(held)))
            held = []
    return heapq.merge(*runs, iter(sorted(held)))


def _set_aside(run: list[Numbered]) -> Iterator[Numbered]:
    file = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the rows are read from it)
    for start in range(0, len(run), 1000):
        pickle.dump(run[start : start + 1000], file)
    file.seek(0)
    return _read_back(file, len(run))


def _read_back(file: IO[bytes], rows: int) -> Iterator[Numbered]:
    with file:
        for _ in range(0, rows, 1000):
            yield from pickle.load(file)


@cache
def day(text: str) -> str:
    """A calendar day as it is written, checked. Raises ValueError."""
    if not _DAY.fullmatch(text):
        raise ValueError(f"{text!r} is no day such as 2024-01-31")
    return date.fromisoformat(text).isoformat()


def second(text: str) -> str:
    """`2024-01-31 03:00:00`, which is in UTC, as RFC 3339. Raises ValueError."""
    if not _SECOND.fullmatch(text):
        raise ValueError(f"{text!r} is no moment such as 2024-01-31 03:00:00")
    return datetime.fromisoformat(text).isoformat() + "Z"


def optional_day(text: str) -> str | None:
    return day(text) if text else None


@cache
def count(text: str) -> int:
    """A whole number from 0. Raises ValueError."""
    if not (text.isascii() and text.isdigit()) or int(text) > LARGEST:
        raise ValueError(f"{text!r} is no count")
    return int(text)


@cache
def number(text: str) -> float:
    """A number from 0, whole or not. Raises ValueError."""
    if not re.fullmatch(r"\d{1,12}(\.\d+)?", text):
        raise ValueError(f"{text!r} is no number")
    return float(text)


@cache
def cents(text: str) -> int:
    """An amount as minor units; no more than two decimals. Raises ValueError."""
    found = re.fullmatch(r"(\d{1,12})(?:\.(\d{1,2})0*)?", text)
    if found is None:
        raise ValueError(f"{text!r} is no amount of money")
    return int(found[1]) * 100 + int((found[2] or "").ljust(2, "0"))


def name(text: str) -> str:
    """An id or a word of the source. Raises ValueError."""
    if not text or len(text) > 200 or not text.isprintable():
        raise ValueError(f"{text[:50]!r} is no name")
    return text


def one_of(text: str, known: Sequence[str]) -> str:
    if text not in known:
        raise ValueError(f"{text[:50]!r} is none of {', '.join(known)}")
    return text
