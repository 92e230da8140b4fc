"""A client's past as a model may learn from it: features as known at each moment, with what became of the client.

Nothing known later than a moment reaches that moment's features: neither a later event, nor the correction or
withdrawal of an earlier one. Labels do look ahead; that is what they are for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from churn.domain import fold, health_track
from churn.domain.features import extract
from churn.domain.features.view import tenure_days
from churn.domain.health_track import HealthTrack
from churn.domain.labels import Rules, Spell, label, spells
from churn.domain.life import LIFECYCLE
from churn.domain.moments import DAY
from churn.domain.state import State

MICRO = 1_000_000


class Happened(NamedTuple):
    """A client event; the first four are its place in the order of contracts.md (times in microseconds)."""

    time: int
    known: int
    sequence: int
    id: str
    name: str
    data: Mapping[str, Any]
    replaces: str | None = None


class Scored(NamedTuple):
    """A health score and when it was known (microseconds)."""

    known: int
    data: Mapping[str, Any]


class Row(NamedTuple):
    """One line of a training table: seconds, what became of the client, and from which second on that is known."""

    moment: int
    label: int
    features: list[float]
    known_at: int = 0
    left_at: int = 0
    segment: str = ""
    tier: str = ""


def in_order(events: Iterable[Happened]) -> list[Happened]:
    """Sorted, each id once."""
    once = {event.id: event for event in events}
    return sorted(once.values(), key=lambda event: event[:4])


def rows(
    events: Sequence[Happened], scores: Sequence[Scored], moments: Sequence[int], known_until: int, rules: Rules
) -> list[Row]:
    """The rows of one client (events in order) at those moments (seconds, ascending) whose label is known."""
    history = _spells(events, known_until, rules)
    labelled = [(m, found) for m in moments if (found := label(history, m, known_until, rules)) is not None]
    if not labelled:
        return []
    told_late = _told_late(events)
    walk = walk_of(events, scores)
    result = []
    for moment, found in labelled:
        state, track = walk.to(moment)
        if not eligible(state, moment, rules):
            continue
        horizon = moment + rules.horizon_days * DAY
        known_at = max([found.known_at, *(known for time, known in told_late if time <= horizon)])
        features = extract(state, track, moment)
        groups = state.segment or "", state.tier or ""
        result.append(Row(moment, found.left, features, known_at, found.left_at, *groups))
    return result


def _told_late(events: Sequence[Happened]) -> list[tuple[int, int]]:
    """What of a client's life was known only after it had happened, or corrected: (second of it, second known)."""
    found = [(e.time, e.known) for e in events if e.known > e.time and e.name in LIFECYCLE]
    if any(e.replaces or e.name == "event_withdrawn" for e in events):
        times = {e.id: e.time for e in events if e.name in LIFECYCLE}
        corrections = ((e.replaces or e.data.get("event_id"), e.known) for e in events)
        found += [(times[id_], known) for id_, known in corrections if id_ in times]
    return [(time // MICRO, -(-known // MICRO)) for time, known in found]


def eligible(state: State, moment: int, rules: Rules) -> bool:
    """Whether a model speaks of this client now, and learns from it: not a test, not under notice, and no newcomer."""
    if state.test or state.life.ended(moment, rules.grace_days) is not None:
        return False
    return tenure_days(state, moment) >= rules.min_tenure_days


def grid(first: int, last: int, step_days: int, through: int = 0) -> list[int]:
    """Every so many days in (first, last], the same for all clients: one of the moments is `through` (a second)."""
    step = step_days * DAY
    return list(range(first + step - (first - through) % step, last + 1, step))


def effective(events: Sequence[Happened]) -> list[Happened]:
    """Without what another event of them withdraws or replaces."""
    gone = {e.replaces for e in events if e.replaces} | {
        e.data["event_id"] for e in events if e.name == "event_withdrawn"
    }
    return [e for e in events if e.id not in gone] if gone else list(events)


def _spells(events: Sequence[Happened], known_until: int, rules: Rules) -> list[Spell]:
    lifecycle = [(e.time // MICRO, e.name, e.data) for e in effective(events) if e.name in LIFECYCLE]
    return spells(lifecycle, known_until, rules)


def walk_of(events: Sequence[Happened], scores: Sequence[Scored]) -> Walk | Recall:
    """State and health of a client (events in order) from moment to moment, as known at each."""
    scores = sorted(scores, key=lambda s: s.known)
    return Walk(events, scores) if _plain(events) else Recall(events, scores)


def _plain(events: Sequence[Happened]) -> bool:
    """Whether everything was known when it happened and nothing was taken back: then one pass is enough."""
    return all(e.known == e.time and e.replaces is None and e.name != "event_withdrawn" for e in events)


class Walk:
    """Folds forward from moment to moment."""

    def __init__(self, events: Sequence[Happened], scores: Sequence[Scored]) -> None:
        self._events, self._scores = events, scores
        self._event = self._score = 0
        self._state, self._track = State(), HealthTrack()

    def to(self, moment: int) -> tuple[State, HealthTrack]:
        until = moment * MICRO
        while self._event < len(self._events) and self._events[self._event].time <= until:
            e = self._events[self._event]
            self._state = fold.apply(self._state, e.name, e.data, e.time // MICRO, e.id)
            self._event += 1
        while self._score < len(self._scores) and self._scores[self._score].known <= until:
            self._track = health_track.add(self._track, self._scores[self._score].data)
            self._score += 1
        return self._state, self._track


class Recall:
    """Folds anew for every moment from what was known then: for late, corrected and withdrawn events."""

    def __init__(self, events: Sequence[Happened], scores: Sequence[Scored]) -> None:
        self._events, self._scores = events, scores

    def to(self, moment: int) -> tuple[State, HealthTrack]:
        until = moment * MICRO
        known = effective([e for e in self._events if e.known <= until and e.time <= until])
        return Walk(known, self._scores).to(moment)
