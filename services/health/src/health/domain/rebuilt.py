"""A client worked out again from nothing but its facts, and where that differs from what was kept of it. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from common.contracts.base import Event

from health.domain import past
from health.domain.evaluate import Evaluation, evaluate
from health.domain.fold import apply
from health.domain.moments import DAY, moment_of, seconds_of
from health.domain.past import Choice
from health.domain.state import FIELDS, ClientState, dump, load


class DayEnd(NamedTuple):
    """An evaluation at a UTC midnight, as both sides of a comparison hold it. `parts`: [fact, score] by signal."""

    model: str
    model_version: int
    journey: str
    score: int | None
    band: str
    confidence: int
    parts: Sequence[Sequence[int | None] | None]


@dataclass(frozen=True)
class Rebuilt:
    """A client's state after its last fact, and its day ends (by second), all from facts alone."""

    body: bytes
    days: Mapping[int, DayEnd]
    results: Sequence[Evaluation]


def rebuild(events: Iterable[Event[Any]], choose: Choice, *, since: int, until: int) -> Rebuilt:
    """`events`: the effective facts in order. Day ends lie after the first fact and in (since, until] (seconds)."""
    state = ClientState()
    waiting = iter(events)
    upcoming = next(waiting, None)
    results = []
    if upcoming is not None:
        for moment in past.day_ends(max(since, seconds_of(upcoming.time)), until):
            while upcoming is not None and seconds_of(upcoming.time) < moment:
                apply(state, upcoming)
                upcoming = next(waiting, None)
            model, template = choose(state)
            results.append(evaluate(model, state, moment, None, template))
    while upcoming is not None:
        apply(state, upcoming)
        upcoming = next(waiting, None)
    return Rebuilt(dump(state), {result.now: day_end(result) for result in results}, results)


def day_end(result: Evaluation) -> DayEnd:
    """An evaluation without the events behind it."""
    return DayEnd(
        result.model.name,
        result.model.version,
        result.template.label,
        result.score,
        result.band,
        result.confidence,
        [
            None if measure is None else [measure.value, score]
            for measure, score in zip(result.measures, result.scores, strict=True)
        ],
    )


def state_differences(live: bytes, rebuilt: bytes) -> list[str]:
    """Names of the fields that differ, with both values cut short; empty if the states are the same, bit for bit."""
    if live == rebuilt:
        return []
    try:
        one = load(live)
    except ValueError:
        return ["the kept state is unreadable, or of another shape"]
    two = load(rebuilt)
    found = [
        f"{name}: kept {_short(getattr(one, name))}, from facts {_short(getattr(two, name))}"
        for name in FIELDS
        if getattr(one, name) != getattr(two, name)
    ]
    return found or ["the same values in another order"]


def day_differences(live: Mapping[int, DayEnd], rebuilt: Mapping[int, DayEnd]) -> tuple[int, list[tuple[int, str]]]:
    """How many day ends both sides hold under the same model and journey; those that differ, by second, in words.

    A day end that was kept under another version says nothing about the facts: it is not compared.
    """
    compared = 0
    found = []
    for second in sorted(live):
        kept, again = live[second], rebuilt.get(second)
        if again is None:
            found.append((second, f"{_day(second)}: kept, though no fact was there"))
        elif kept[:3] == again[:3]:
            compared += 1
            if kept != again:
                found.append((second, f"{_day(second)}: kept {_said(kept)}, from facts {_said(again)}"))
    return compared, found


def digest(client_id: bytes, *parts: object) -> bytes:
    """SHA-256 of one client; `together` makes one of all."""
    told = b"\n".join(part if isinstance(part, bytes) else json.dumps(part).encode() for part in parts)
    return hashlib.sha256(client_id + told).digest()


def together(digests: Iterable[bytes]) -> str:
    """One hash of all clients, whatever order they were worked out in."""
    return hashlib.sha256(b"".join(sorted(digests))).hexdigest()


def _said(day: DayEnd) -> str:
    return f"{day.band} {'–' if day.score is None else day.score / 16} (confidence {day.confidence / 1000})"


def _day(second: int) -> str:
    return f"end of {moment_of(second - DAY):%Y-%m-%d}"


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
