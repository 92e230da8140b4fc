"""A CSV file as a header and rows of cells; whatever is wrong with it is said with its line and column."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

MISSING = frozenset({"", "na", "n/a", "nan", "null"})
"""Cells (lower case, without blanks around) in which nothing is said."""
DELIMITERS = ",;\t"
LONGEST_CELL = 100_000


class BadTableError(ValueError):
    """The file is no table that can be learned from; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Rows as they stand in the file, blanks around cells cut off; missing ones are empty."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]
    """The line of the file on which each row ends."""
    decimal_comma: bool
    """Semicolons between cells: then `29,85` is a number, as spreadsheets write it where a comma is decimal."""

    def column(self, name: str) -> list[str]:
        """Raises BadTableError for a column that is not there."""
        if name not in self.header:
            raise BadTableError(f"there is no column {name!r}; there are {', '.join(self.header)}")
        nth = self.header.index(name)
        return [row[nth] for row in self.rows]


def read(content: bytes) -> Cells:
    """Comma, semicolon or tab between cells, quotes around them where needed, UTF-8 with or without a mark.

    Raises BadTableError.
    """
    text = _text(content)
    first = text.lstrip("\r\n").split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=first.count)
    if delimiter not in first:
        raise BadTableError("line 1: one column only; columns are separated by , or ;")
    found = _rows(text, delimiter)
    try:
        _, header = next(found)
    except StopIteration:  # only blank lines
        raise BadTableError("the file is empty") from None
    _check_header(header)
    rows, lines = [], []
    for line, row in found:
        if len(row) != len(header):
            raise BadTableError(f"line {line}: {len(row)} cells, but the header has {len(header)}")
        rows.append(tuple("" if cell.lower() in MISSING else cell for cell in row))
        lines.append(line)
    if not rows:
        raise BadTableError("the file has a header and no row")
    return Cells(tuple(header), tuple(rows), tuple(lines), delimiter == ";")


def _text(content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadTableError(f"line {line}: not UTF-8; save the file as UTF-8") from error
    if "\x00" in text:
        raise BadTableError(f"line {text[: text.index(chr(0))].count(chr(10)) + 1}: a NUL character; this is no CSV")
    if not text.strip():
        raise BadTableError("the file is empty")
    return text


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    csv.field_size_limit(LONGEST_CELL)
    try:
        for row in reader:
            if row:
                yield reader.line_num, [cell.strip() for cell in row]
    except csv.Error as error:
        raise BadTableError(f"line {reader.line_num}: {error}") from error


def _check_header(header: list[str]) -> None:
    for nth, name in enumerate(header, 1):
        if not name:
            raise BadTableError(f"line 1, column {nth}: it has no name")
        if name in header[: nth - 1]:
            raise BadTableError(f"line 1, column {nth}: {name!r} is there twice")
