"""Canonical events in import form (NDJSON), and what the converters' commands have in common.

A day's happenings are said at its last second: until then nobody could have counted them. A term begins, and a paid one
ends, with the first second of its day. Standard library only, so that a converter runs with any Python.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from tests.bench.datasets.tables import DataError, day

AT_ONCE = 2000
"""Lines a write."""

Timed = tuple[str, str]
"""(time, line): streams of them are merged by time."""


def start_of(day: str) -> str:
    return f"{day}T00:00:00Z"


def end_of(day: str) -> str:
    return f"{day}T23:59:59Z"


def subject(source: str, client: str) -> str:
    return f"ref:{source}:account:{client}"


def usd(cents: int) -> dict[str, Any]:
    return {"amount": cents, "currency": "USD"}


class Speaker:
    """Says a client's events; those of one instant are numbered, so that their order is known wherever it is read."""

    def __init__(self, source: str, client: str) -> None:
        self._source, self._subject, self._client = source, subject(source, client), client
        self._last: tuple[str, int] = ("", 0)

    def registered(self, time: str, **profile: Any) -> Timed:
        """The line that introduces the ref which all others go by."""
        refs = [{"source": self._source, "kind": "account", "id": self._client}]
        return self.say("client_registered", time, {**profile, "refs": refs})

    def say(self, kind: str, time: str, data: dict[str, Any], *, sequence: int | None = None, text: str = "") -> Timed:
        """`sequence` where more than this speaker is heard in that second; `text` are the client's words."""
        before, number = self._last
        number = (number + 1 if before == time else 0) if sequence is None else sequence
        self._last = (time, number)
        value: dict[str, Any] = {
            "type": f"csl.client.{kind}.v1", "source": self._source, "subject": self._subject, "time": time,
        }  # fmt: skip
        if number:
            value["sequence"] = number
        value["data"] = data
        if text:
            value["text"] = text
        return time, json.dumps(value, separators=(",", ":"), ensure_ascii=False)


class Usage:
    """Says uses, which are most of a file: put together from parts that are made once."""

    def __init__(self, source: str, clients: Iterable[str]) -> None:
        self._heads = {
            client: json.dumps(
                {"type": "csl.client.usage_recorded.v1", "source": source, "subject": subject(source, client)},
                separators=(",", ":"), ensure_ascii=False,
            )[:-1] + ',"time":"'
            for client in clients
        }  # fmt: skip
        self._features: dict[str, str] = {}

    def __contains__(self, client: str) -> bool:
        return client in self._heads

    def say(self, client: str, time: str, feature: str, quantity: int, users: int | None = None, nth: int = 0) -> Timed:
        """`nth` tells apart uses that are alike in all else: of identical lines an import takes one."""
        shown = self._features.get(feature)
        if shown is None:
            if not feature:
                raise ValueError("a feature without a name")
            shown = self._features[feature] = json.dumps(feature, ensure_ascii=False)
        active = "" if users is None else f',"active_users":{users}'
        number = f'"sequence":{nth},' if nth else ""
        return (
            time,
            f'{self._heads[client]}{time}",{number}"data":{{"feature":{shown},"quantity":{quantity}{active}}}}}',
        )


class Left:
    """Rows of clients that the folder does not introduce: counted and told, since a part of a data set has such."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._first: dict[str, str] = {}

    def out(self, file: Path, line: int, why: str) -> None:
        name = f"{file.name}: {why}"
        self._rows[name] = self._rows.get(name, 0) + 1
        self._first.setdefault(name, f"line {line}")

    def told(self) -> list[str]:
        return [f"left out {rows} rows of {name} (first: {self._first[name]})" for name, rows in self._rows.items()]


Convert = Callable[[Path, argparse.Namespace, Left], Iterable[str]]


def run(convert: Convert, doc: str, options: Callable[[argparse.ArgumentParser], object]) -> int:
    """The command: prints the lines of a folder. 1 for a folder that is not laid out so, 2 for wrong usage."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0], epilog=doc.partition("\n")[2],
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("folder", type=Path, help="folder laid out like the one in ../shared/data")
    parser.add_argument("--clients", type=_number, metavar="N", help="only the first N clients of the folder")
    parser.add_argument(
        "--until", type=_day, metavar="DAY", help="say nothing that was known later than this day began"
    )
    options(parser)
    given = parser.parse_args()
    left = Left()
    try:
        lines = convert(given.folder, given, left)
        _print(iter(lines))
    except DataError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # who reads has read enough
        return 0
    for told in left.told():
        print(told, file=sys.stderr)
    return 0


def _print(lines: Iterator[str]) -> None:
    out = sys.stdout.buffer
    while block := list(islice(lines, AT_ONCE)):
        out.write(("\n".join(block) + "\n").encode())
    out.flush()


def _number(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of clients")
    return int(text)


def _day(text: str) -> str:
    try:
        return day(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
