"""Scores of the past from a file of client events, without a database: what churn is trained and tested on.

The same fold, the same model and the same journey as live; only how facts get there is another, since a file has
hundreds of thousands of them. At each moment counts what was known then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, Protocol

from common.contracts import client, registry

from health import definitions
from health.book import Book
from health.domain import past
from health.domain.evaluate import Evaluation, evaluate
from health.domain.fold import RULES, Rule, step
from health.domain.fold.stamp import Stamp
from health.domain.model import POINT
from health.domain.moments import DAY, moment_of
from health.domain.state import ClientState

EPOCH = 719163 * DAY
"""1970-01-01 as `moments` count."""
MICRO = 1_000_000
WEEK = 7


class Happened(Protocol):
    """A client event as a file's reader gives it: times in microseconds since 1970, the body as plain JSON."""

    @property
    def time(self) -> int: ...
    @property
    def known(self) -> int: ...
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def data(self) -> Mapping[str, Any]: ...
    @property
    def replaces(self) -> str | None: ...


class Replayed(NamedTuple):
    """A score of the past: the second (since 1970) at which it counts, and the body of a `scored` event."""

    second: int
    data: dict[str, Any]


def shipped_book(config_dir: Path) -> Book:
    """The models and journeys of a configuration folder, as version 1 each."""
    models, journeys = definitions.shipped(config_dir / "health")
    return Book(
        tuple(definitions.model_from(text).compiled(1) for text in models),
        tuple(definitions.journey_from(text).compiled(1) for text in journeys),
    )


def replay(
    events: Sequence[Happened], book: Book, client_id: str, *, until: int, every_days: int = WEEK
) -> Iterator[Replayed]:
    """One client's scores at every UTC midnight of the grid, up to the second `until` (since 1970).

    `events` in the order of the contracts. Nothing is scored after the client's end.
    """
    if not events:
        return
    moments = past.day_ends(EPOCH + events[0].time // MICRO, EPOCH + until, every_days)
    walk = _forward(events) if _plain(events) else _recalled(events)
    for moment in moments:
        state = walk(moment)
        if state.first is None:
            continue
        if past.ended(state, moment):
            return
        model, template = book.choice(state)
        yield Replayed(moment - EPOCH, scored(client_id, evaluate(model, state, moment, None, template)))


def scored(client_id: str, result: Evaluation) -> dict[str, Any]:
    """The body of a historic `scored` event, as JSON."""
    fresh = result.component_fresh()
    return {
        "client_id": client_id,
        "mode": "historic",
        "model": result.model.name,
        "model_version": result.model.version,
        "score": None if result.score is None else result.score / POINT,
        "band": result.band,
        "confidence": result.confidence / 1000,
        "components": [
            {"name": part.name, "weight": part.weight, "score": None if own is None else own / POINT, "fresh": fresh[n]}
            for n, (part, own) in enumerate(zip(result.model.components, result.component_scores(), strict=True))
        ],
        "as_of": moment_of(result.now).isoformat(),
        "caused_by": [],
    }


def _plain(events: Sequence[Happened]) -> bool:
    """Whether all was known when it happened and nothing was taken back: then one pass is enough."""
    return all(e.known == e.time and e.replaces is None and e.name != "event_withdrawn" for e in events)


def _forward(events: Sequence[Happened]) -> Callable[[int], ClientState]:
    """Folds on from moment to moment."""
    state = ClientState()
    position = 0

    def to(moment: int) -> ClientState:
        nonlocal position
        before = (moment - EPOCH) * MICRO
        while position < len(events) and events[position].time < before:
            _take(state, events[position])
            position += 1
        return state

    return to


def _recalled(events: Sequence[Happened]) -> Callable[[int], ClientState]:
    """Folds anew for each moment from what was known then: for late, corrected and withdrawn events."""

    def to(moment: int) -> ClientState:
        before = (moment - EPOCH) * MICRO
        return _forward(effective(e for e in events if e.known < before))(moment)

    return to


def effective(events: Iterable[Happened]) -> list[Happened]:
    """Without what others of them replace or withdraw."""
    known = list(events)
    gone = {e.replaces for e in known} | {e.data.get("event_id") for e in known if e.name == "event_withdrawn"}
    return [e for e in known if e.id not in gone]


def _take(state: ClientState, event: Happened) -> None:
    second = EPOCH + event.time // MICRO
    body, rule = _BODIES.get(event.name, (None, None))
    data = None if rule is None or body is None else body(event.data)
    step(state, rule, data, Stamp(second, second // DAY, event.id.replace("-", "")))


def _login(data: Mapping[str, Any]) -> Any:
    return SimpleNamespace(contact_id=data.get("contact_id"), count=data.get("count", 1))


def _usage(data: Mapping[str, Any]) -> Any:
    return SimpleNamespace(
        feature=data["feature"], quantity=data["quantity"], active_users=data.get("active_users"), period_start=None
    )


_BODIES: dict[str, tuple[Callable[[Mapping[str, Any]], Any], Rule]] = {
    kind.type_name(): (registry.body(kind.TYPE).model_validate, RULES[kind]) for kind in client.EVENTS if kind in RULES
}
"""How each kind of event is read, and its rule. Logins and uses make up most of a file: they are read by hand."""
_BODIES[client.LoggedIn.type_name()] = (_login, RULES[client.LoggedIn])
_BODIES[client.UsageRecorded.type_name()] = (_usage, RULES[client.UsageRecorded])
