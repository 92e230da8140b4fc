"""Files of history in the import form: what clients of the past did, for training, and what ours did until now.

Where a training file holds words, it holds their reading too, made by the very code that reads live texts in ingest
(once a sentence): so the file says of the same words what the live stream says of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from loopctl.demo.behaviour import Happening
from loopctl.demo.population import Past, Present, past_happenings
from loopctl.demo.portfolio import Member


@dataclass(frozen=True, slots=True)
class Read:
    """What ingest reads in words: the `reading`, and the events that follow from its topics (name, body)."""

    reading: Mapping[str, Any]
    inferred: tuple[tuple[str, Mapping[str, Any]], ...] = ()


Reader = Callable[[str], Read]
MEGABYTE = 1 << 20


def line(who: Member, happening: Happening) -> bytes:
    """One line of the import form."""
    event: dict[str, Any] = {
        "type": f"csl.client.{happening.name}.v1",
        "source": happening.source,
        "subject": str(who.client_id),
        "time": happening.at,
        "data": happening.data,
    }
    if happening.text is not None:
        event["text"] = happening.text
    return orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z)


def training_lines(population: Past, reader: Reader) -> Iterator[bytes]:
    """The past, client by client, each in order of time."""
    read = cache(reader)
    for who, happenings in past_happenings(population):
        for happening in happenings:
            if happening.text is None:
                yield line(who, happening)
            else:
                yield from (line(who, one) for one in understood(happening, read(happening.text)))


def understood(happening: Happening, read: Read) -> Iterator[Happening]:
    """A happening with its words read, and what follows from them."""
    yield replace(happening, data={**happening.data, "reading": read.reading}, text=None)
    for name, body in read.inferred:
        yield replace(happening, name=name, data=dict(body), text=None)


def history_lines(population: Present) -> Iterator[bytes]:
    """What our clients did before the play began."""
    for number, who in enumerate(population.members):
        for happening in population.happenings(number):
            if happening.at < population.began:
                yield line(who, happening)


def write(file: Path, lines: Iterable[bytes]) -> int:
    """Write a file at once (a reader never sees half of it); how many lines."""
    count = 0
    unfinished = file.with_suffix(".unfinished")
    with unfinished.open("wb", buffering=MEGABYTE) as out:
        for content in lines:
            out.write(content)
            count += 1
    unfinished.replace(file)
    return count
