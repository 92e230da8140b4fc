"""Lines of an import, read: their events checked, words understood, ids derived. CPU only, so that a process can do it.

`python -m ingest.lines CONFIG_DIR` is such a process: frames of lines on its stdin, what they say on its stdout,
until the stdin ends (as it does when ingest dies, however it does).
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

import orjson
from common.contracts.errors import Refused
from common.contracts.ids import derived_id

from ingest import forms
from ingest.domain.history import Briefs, briefed
from ingest.domain.reading import Reader, with_reading
from ingest.domain.statement import Statement, Unreadable
from ingest.reading import make_reader
from ingest.sources import bodies

MAX_LINE = 1 << 20
FRAME = struct.Struct(">QI")
"""Number of the first line, bytes of all lines; the answer: 0, bytes of the JSON."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line, parsed; `refused` says why not."""

    number: int
    source: str = ""
    event_id: UUID | None = None
    statements: tuple[Statement, ...] = ()
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """What some lines say, by kind. Each is in the order of the file."""

    refused: Sequence[tuple[int, str]]
    briefs: Briefs
    whole: Sequence[int]
    """Numbers of the lines that create, link or change people: they are to be parsed where they are decided."""


def parse(number: int, raw: bytes, reader: Reader) -> Line:
    """One line; whatever is wrong with it is said, not raised."""
    if len(raw) > MAX_LINE:
        return Line(number, refused=f"the line is over {MAX_LINE} bytes")
    try:
        value = bodies.parse(raw)
        form = forms.read(value, imported=True)
        event_id = (
            forms.event_id(form.id, form.source)
            if form.id
            else derived_id("given", form.source, "sha256:" + bodies.digest(bodies.canonical(value)))
        )
    except Unreadable as unreadable:
        return Line(number, refused=unreadable.reason)
    except Refused as refused:
        return Line(number, refused=told(refused))
    except RecursionError:
        return Line(number, refused="nested too deep")
    read = tuple(with_reading(form.statement, reader))
    return Line(number, form.source, event_id, read)


def told(refused: Refused) -> str:
    return f"{refused.field}: {refused.detail}" if refused.field else refused.detail


def read(first: int, raws: Sequence[bytes], reader: Reader) -> Read:
    """Read lines numbered from `first`; empty ones count, and say nothing."""
    refused: list[tuple[int, str]] = []
    briefs = Briefs()
    whole: list[int] = []
    for number, raw in enumerate(raws, first):
        if not raw.strip():
            continue
        line = parse(number, raw, reader)
        if line.event_id is None:
            refused.append((number, line.refused or ""))
            continue
        found = briefed(number, line.source, line.statements, line.event_id)
        if found is None:
            whole.append(number)
            continue
        for brief in found:
            briefs.add(brief)
    return Read(refused, briefs, whole)


def dump(found: Read) -> bytes:
    """JSON; what `load` reads back."""
    return orjson.dumps([found.refused, found.briefs.columns, found.whole])


def load(raw: bytes) -> Read:
    refused, columns, whole = orjson.loads(raw)
    return Read([(number, reason) for number, reason in refused], Briefs(columns), whole)


def serve(reader: Reader, stdin: BinaryIO, stdout: BinaryIO) -> None:
    """Answer frames until there are no more."""
    while len(head := stdin.read(FRAME.size)) == FRAME.size:
        first, size = FRAME.unpack(head)
        answer = dump(read(first, stdin.read(size).split(b"\n"), reader))
        stdout.write(FRAME.pack(0, len(answer)) + answer)
        stdout.flush()


def main(arguments: Sequence[str]) -> None:
    serve(make_reader(Path(arguments[0])), sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main(sys.argv[1:])
