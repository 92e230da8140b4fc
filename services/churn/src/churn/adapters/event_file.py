"""Client events of a file in import form (NDJSON), by client, ready to be folded.

Hundreds of thousands of lines are read for one training, so the two kinds that make up most of a file are checked by
hand, just as their contract would check them; every other line goes through its contract.
"""

from __future__ import annotations

import gc
import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zlib import crc32

import orjson
from common.contracts import client, registry
from common.contracts.health import Scored as ScoredBody
from pydantic import ValidationError

from churn.domain.history import MICRO, Happened, Scored

PREFIX, SUFFIX = "csl.client.", ".v1"
NAMES = {body.TYPE: body.type_name() for body in client.EVENTS}
Words = Callable[[bytes], Iterable[bytes]]
"""Gives a line with the reading in place of its text, and after it lines of the remarks that follow from it."""
KEPT_REFUSALS = 20
LONGEST_ID = 300
LARGEST_COUNT = 2**53


@dataclass(slots=True)
class Lines:
    """What was read: events by client, and what could not be."""

    clients: dict[str, list[Happened]] = field(default_factory=dict)
    scores: dict[str, list[Scored]] = field(default_factory=dict)
    read: int = 0
    refused: int = 0
    refusals: list[str] = field(default_factory=list)
    sources: set[str] = field(default_factory=set)
    newest: int = 0
    """When the newest of all lines was known, other parts' lines too (microseconds)."""

    def refuse(self, number: int, why: str) -> None:
        self.refused += 1
        if len(self.refusals) < KEPT_REFUSALS:
            self.refusals.append(f"line {number}: {why}")


def read(
    lines: Sequence[bytes],
    who: Identities,
    *,
    part: int = 0,
    parts: int = 1,
    until: int | None = None,
    words: Words | None = None,
) -> Lines:
    """The events of every `parts`-th client (by hash), without what was known after `until` (microseconds).

    `words` reads what people wrote, where a line carries the text and not its reading.
    """
    found = Lines()
    with _no_collector():
        for number, line in enumerate(lines, start=1):
            if not line or line.isspace():
                continue
            try:
                raw = orjson.loads(line)
                key = who.keys.get(raw["subject"], raw["subject"])
                time = micros(raw["time"])
                known = micros(raw["knowntime"]) if "knowntime" in raw else time
                mine = crc32(who.homes.get(key, key).encode()) % parts == part
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                if part == 0:  # nobody's line: told once
                    found.refuse(number, why(error))
                continue
            if until is not None and known > until:
                continue
            found.newest = max(found.newest, known)
            if mine and words is not None and b'"text"' in line:
                for nth, read_line in enumerate(words(line)):
                    found.read -= nth > 0  # a remark that follows from a text is no line of the file
                    _take(found, number, key, Place(time, known), orjson.loads(read_line), read_line)
            elif mine:
                _take(found, number, key, Place(time, known), raw, line)
    return found


class Place(NamedTuple):
    """When something happened, and when that was known (microseconds)."""

    time: int
    known: int


def _take(found: Lines, number: int, key: str, place: Place, raw: Mapping[str, Any], line: bytes) -> None:
    """One line of one of our clients; what breaks its contract is refused, with the reason."""
    found.read += 1
    try:
        name = NAMES.get(raw["type"])
        if name is not None:
            data = fact_of(raw["type"], raw["data"])
            event_id = raw.get("id") or hashlib.blake2b(line, digest_size=10).hexdigest()
            event = Happened(*place, raw.get("sequence", 0), event_id, name, data, raw.get("replaces"))
            found.clients.setdefault(key, []).append(event)
            found.sources.add(raw["source"])
        elif raw["type"] == ScoredBody.TYPE:
            found.scores.setdefault(key, []).append(score_of(raw["data"]))
    except ValidationError as error:
        first = error.errors()[0]
        found.refuse(number, f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        found.refuse(number, why(error))


def why(error: Exception) -> str:
    """What is wrong with a line, for whoever wrote it."""
    if isinstance(error, orjson.JSONDecodeError):
        return f"this is not JSON ({error})"
    if isinstance(error, KeyError):
        return f"{error.args[0]} is missing"
    if isinstance(error, TypeError | AttributeError):
        return "this is not an event: an object with type, source, subject, time and data"
    return str(error)


def fact_of(type_: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body as facts keep it. Raises pydantic.ValidationError when it breaks the contract."""
    quick = _QUICK.get(type_)
    if quick is not None and quick(data):
        return data
    return registry.body(type_).model_validate(data).fact()


def score_of(data: Mapping[str, Any]) -> Scored:
    """A `scored` body and when it was known: at its own moment, whether it was worked out then or for an import."""
    return Scored(micros(data["as_of"]), data)


def micros(text: str) -> int:
    """Microseconds of an ISO 8601 time; one without a zone is refused, as contracts refuse it."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"time without a zone: {text}")
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * MICRO + delta.microseconds


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Identities:
    """Which subjects are one client (`keys`), and which clients are read together since they were merged (`homes`)."""

    keys: Mapping[str, str]
    homes: Mapping[str, str]


def identities(lines: Sequence[bytes]) -> Identities:
    """A registration says which refs are a client's own; a merge, which clients belong together."""
    refs: list[tuple[str, str]] = []
    merges: list[tuple[str, str]] = []
    for line in lines:
        if b"client_registered" in line or b"client_updated" in line:
            refs += _refs(line)
        elif b"clients_merged" in line:
            merges += _merges(line)
    keys = _joined(refs)
    return Identities(keys, _joined([(keys.get(a, a), keys.get(b, b)) for a, b in merges]))


def _joined(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Each name with the first of all names that are linked with it (ids before refs)."""
    parents: dict[str, str] = {}

    def root(name: str) -> str:
        while parents.get(name, name) != name:
            name = parents[name]
        return name

    for one, other in pairs:
        first, second = sorted((root(one), root(other)), key=lambda name: (name.startswith("ref:"), name))
        parents[second] = first
        parents.setdefault(first, first)
    return {name: root(name) for name in parents}


def _merges(line: bytes) -> Iterator[tuple[str, str]]:
    try:
        data = orjson.loads(line)["data"]
        yield str(data["from_client_id"]), str(data["into_client_id"])
    except (ValueError, KeyError, TypeError):
        return  # refused with its reason when its client is read


def _refs(line: bytes) -> Iterator[tuple[str, str]]:
    try:
        raw = orjson.loads(line)
        for ref in raw["data"].get("refs") or ():
            yield raw["subject"], f"ref:{ref['source']}:{ref['kind']}:{ref['id']}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return  # refused with its reason when its client is read


def _quick_login(data: Mapping[str, Any]) -> bool:
    contact, count = data.get("contact_id"), data.get("count", 1)
    return data.keys() <= {"contact_id", "count"} and (contact is None or _is_id(contact)) and _is_count(count)


def _quick_usage(data: Mapping[str, Any]) -> bool:
    if not data.keys() <= {"feature", "quantity", "active_users"}:
        return False
    quantity, users = data.get("quantity"), data.get("active_users", 0)
    return (
        _is_id(data.get("feature"))
        and type(quantity) in (int, float)
        and 0 <= quantity < math.inf  # type: ignore[operator]  # a number, by the line before
        and _is_count(users)
    )


def _is_id(value: Any) -> bool:
    return type(value) is str and 0 < len(value) <= LONGEST_ID and "\x00" not in value


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= LARGEST_COUNT


_QUICK: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    client.LoggedIn.TYPE: _quick_login,
    client.UsageRecorded.TYPE: _quick_usage,
}
"""Says yes only to bodies that their contract takes and keeps as they are; others go through the contract."""


@contextmanager
def _no_collector() -> Iterator[None]:
    """Without the cyclic collector, which would walk all lines read so far again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
