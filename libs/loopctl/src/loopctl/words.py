"""Files of events may carry words (`text`) where the bus carries what ingest read in them: ingest's own reader fills
that in, so that a file is understood as the live stream would be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from common.contracts import registry
from ingest.domain.reading import remarks
from ingest.reading import make_reader


def with_readings(lines: Iterable[bytes], config_dir: Path) -> Iterator[bytes]:
    """The lines with `reading` in place of `text`, and the remarks that follow from a text's topics after it.

    A line that cannot be read as JSON is passed on as it is: whoever reads the events says what is wrong with it.
    """
    words = words_of(config_dir)
    for line in lines:
        if b'"text"' in line:
            yield from words(line)
        else:
            yield line


def words_of(config_dir: Path) -> Callable[[bytes], Iterator[bytes]]:
    """The same line by line; ingest's word lists are read when the first text comes."""
    read: Callable[[str], tuple[dict[str, Any], tuple[str, ...]]] | None = None

    def words(line: bytes) -> Iterator[bytes]:
        nonlocal read
        read = read or _reader(config_dir)
        try:
            yield from _read(orjson.loads(line), read)
        except (ValueError, KeyError, TypeError, AttributeError):
            yield line

    return words


def _reader(config_dir: Path) -> Callable[[str], tuple[dict[str, Any], tuple[str, ...]]]:
    ingest = make_reader(config_dir)

    @cache
    def read(text: str) -> tuple[dict[str, Any], tuple[str, ...]]:
        reading = ingest.read(text)
        return reading.model_dump(mode="json", exclude_none=True), tuple(reading.topics)

    return read


def _read(event: dict[str, Any], read: Callable[[str], tuple[dict[str, Any], tuple[str, ...]]]) -> Iterator[bytes]:
    data = dict(event.get("data") or {})
    text = data.pop("text", event.pop("text", None))
    if not isinstance(text, str) or "reading" in data:
        yield orjson.dumps({**event, "data": data})
        return
    reading, topics = read(text)
    yield orjson.dumps({**event, "data": {**data, "reading": reading}})
    body = registry.body(_type(event["type"])).model_validate(data)
    for nth, remark in enumerate(remarks(body, topics), start=1):
        said = {key: value for key, value in event.items() if key != "id"}
        said["type"], said["sequence"] = remark.TYPE, event.get("sequence", 0) + nth
        yield orjson.dumps({**said, "data": remark.model_dump(mode="json", exclude_none=True)})


def _type(name: str) -> str:
    return name if name.startswith("csl.") else f"csl.client.{name}.v1"
