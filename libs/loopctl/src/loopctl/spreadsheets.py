"""A CSV file as lines of an import, by the map of its source: streamed, however long it is."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, TextIO
from uuid import NAMESPACE_OID, UUID, uuid5

import orjson
from ingest.domain.statement import Ignored, Unreadable
from ingest.sources import bodies, load_source
from ingest.sources.mapped import MappedSource, history
from ingest.sources.segment import slug
from pydantic import ValidationError

from loopctl.errors import WrongUsage

DELIMITERS = ",;\t|"
FALLBACK = "cp1252"
"""What spreadsheets wrote before UTF-8, and some still do."""
BLOCK = 1 << 16
MAX_CELL = 1 << 20
KEPT = 1000
"""Rows that are told one by one; beyond, they are counted."""
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_UNDECODED = re.compile("[\udc80-\udcff]")
_SEPARATOR_ROW = re.compile(r"\ufeff?sep=(.)\r?\n?", re.IGNORECASE)


@dataclass(slots=True)
class Report:
    """Rows that never became lines."""

    refused: int = 0
    skipped: int = 0
    told: list[dict[str, Any]] = field(default_factory=list)

    def tell(self, row: int, outcome: str, reason: str) -> None:
        if outcome == "refused":
            self.refused += 1
        else:
            self.skipped += 1
        if len(self.told) < KEPT:
            self.told.append({"row": row, "outcome": outcome, "reason": reason})


class Spreadsheet:
    """One CSV file. Rows are counted as a spreadsheet shows them: the first, with the names, is row 1.

    Each row takes the same number of lines, blank where it says less, so that a line's number tells its row.
    """

    unit = "row"

    def __init__(self, file: Path, mapping: Path) -> None:
        self._file, self._mapping = file, mapping
        self._source = _source(mapping)
        self._each = self._source.map.most_statements
        self.size = max(1, file.stat().st_size)
        self.report = Report()
        self.rows = 0
        """Rows that hold anything, the names apart."""

    @cached_property
    def id(self) -> UUID:
        """The same rows under the same map are the same import; a mended map makes another one of them."""
        with self._file.open("rb") as content:
            rows = hashlib.file_digest(content, "sha256").hexdigest()
        return uuid5(NAMESPACE_OID, f"{rows} {self._source.name} {bodies.digest(self._mapping.read_bytes())}")

    def _text(self, raw: BinaryIO) -> io.TextIOWrapper:
        """What cannot be decoded is carried along, so that its own row is refused and no other."""
        return io.TextIOWrapper(raw, self._encoding, errors="surrogateescape", newline="")

    def row_of(self, line: int) -> int:
        """Which row a line came from."""
        return (line - 1) // self._each + 1

    def holds_anything(self) -> bool:
        """Whether there is a row below the names, were it one that cannot be read."""
        return any(block.strip() for block, _ in self.blocks(0)) or self.rows + self.report.refused > 0

    def blocks(self, after: int) -> Iterator[tuple[bytes, int]]:
        """Lines behind the first `after`, and how far into the file they reach. Raises WrongUsage."""
        self.report, self.rows = Report(), 0
        number, block = 0, bytearray()
        with self._file.open("rb") as raw, self._text(raw) as text:
            for row, said in self._rows(text):
                lines = [*said, *[b"\n"] * (self._each - len(said))]
                assert self.row_of(number + 1) == row  # noqa: S101  (or refused lines would be told of other rows)
                block += b"".join(lines[max(0, after - number) :])
                number += self._each
                if len(block) >= BLOCK:
                    yield bytes(block), raw.tell()
                    block.clear()
        yield bytes(block), self.size

    def _rows(self, text: TextIO) -> Iterator[tuple[int, list[bytes]]]:
        """(row, its lines); the row of names, and one that says nothing, with none."""
        try:
            first = text.readline()
        except UnicodeDecodeError as error:
            self._end(1, error)
            return
        hint = _SEPARATOR_ROW.fullmatch(first)
        delimiter = self._source.csv.delimiter if self._source.csv else None
        start = 1
        if hint:  # what Excel writes for itself
            delimiter, start, first = delimiter or hint.group(1), 2, ""
            yield 1, []
        reader = csv.reader(_again(first, text), delimiter=delimiter or _delimiter(first), strict=True)
        columns: dict[str, str] = {}
        row = start - 1
        while True:
            row += 1
            try:
                cells = next(reader, None)
            except (csv.Error, UnicodeDecodeError) as error:
                self._end(row, error)
                return
            if cells is None:
                return
            if not columns:
                columns = _columns(cells)
                yield row, []
            else:
                yield row, self._lines(row, columns, cells)

    def _end(self, row: int, error: Exception) -> None:
        self.report.tell(row, "refused", f"it cannot be read, nor can what follows: {error}")

    def _lines(self, row: int, columns: Mapping[str, str], cells: list[str]) -> list[bytes]:
        if not any(map(str.strip, cells)):
            return []
        self.rows += 1
        if len(cells) > len(columns) and any(map(str.strip, cells[len(columns) :])):
            self.report.tell(row, "refused", f"it has {len(cells)} cells, and there are {len(columns)} columns")
            return []
        if _UNDECODED.search("".join(cells)):
            self.report.tell(
                row, "refused", f"it holds bytes that are no {self._encoding}; `csv: {{ encoding: … }}` helps"
            )
            return []
        filled = {
            name: text.replace("\x00", bodies.REPLACEMENT)
            for name, cell in zip(columns, cells, strict=False)
            if (text := cell.strip())
        }
        try:
            said = history.lines(filled, self._source, columns)
        except Unreadable as unreadable:
            self.report.tell(row, "refused", unreadable.reason)
            return []
        except ValidationError as invalid:
            first = invalid.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            self.report.tell(row, "refused", f"{where}: {first['msg']}")
            return []
        if isinstance(said, Ignored):
            self.report.tell(row, "skipped", said.reason)
            return []
        return [orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in said]

    @cached_property
    def _encoding(self) -> str:
        configured = self._source.csv.encoding if self._source.csv else None
        return configured or _told_by(self._file)


def _source(mapping: Path) -> MappedSource:
    if not mapping.exists():
        known = ", ".join(sorted(file.stem for file in mapping.parent.glob("*-csv.yaml")))
        raise WrongUsage(f"there is no {mapping.name} beside the other sources; for files of rows there are {known}")
    try:
        source = load_source(mapping)
    except ValueError as wrong:
        raise WrongUsage(str(wrong)) from wrong
    if not isinstance(source, MappedSource) or source.csv is None:
        raise WrongUsage(f"{mapping.name} does not say how rows are read: it has no `csv:`")
    return source


def _told_by(file: Path) -> str:
    """By the mark at its beginning; else UTF-8 if all of it is, UTF-16 by its zeros, or what came before."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with file.open("rb") as content:
        head = content.read(BLOCK)
        for mark, encoding in _MARKS:
            if head.startswith(mark):
                return encoding
        if b"\x00" in head:
            return "utf-16-le" if head[1:200:2].count(0) > head[0:200:2].count(0) else "utf-16-be"
        try:
            while head:
                decoder.decode(head)
                head = content.read(BLOCK)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return FALLBACK
    return "utf-8"


def _again(first: str, rest: TextIO) -> Iterator[str]:
    if first:
        yield first
    yield from iter(rest.readline, "")


def _delimiter(first: str) -> str:
    """The commonest of the candidates outside quotes; a file of one column has none, and any will do."""
    bare = re.sub(r'"[^"]*"', "", first)
    return max(DELIMITERS, key=bare.count)


def _columns(cells: list[str]) -> dict[str, str]:
    """`contract_start` → `Contract start`, in order. Raises WrongUsage where two columns have one name."""
    names = [slug(cell) if cell.strip() else f"column_{nth}" for nth, cell in enumerate(cells, start=1)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise WrongUsage(f"several columns are called {', '.join(twice)}")
    return {name: cell.strip() or name for name, cell in zip(names, cells, strict=True)}


csv.field_size_limit(MAX_CELL)
