"""Tracks of clients for a backtest: one pass over a client's events, both models on the same states."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from common.errors import Refused

from health.book import Book
from health.domain import past
from health.domain.backtest import ABSENT, CODES, Grid, Track
from health.domain.evaluate import Alike, evaluate, evaluate_beside, measured_alike
from health.domain.model import Model
from health.domain.moments import moment_of, seconds_of
from health.domain.state import ClientState
from health.recall import EPOCH, MICRO, Happened, Recall

WEEKS = timedelta(weeks=52)
"""What is looked at unless said otherwise."""
COMPLETED = "completed"
"""A cancellation for this reason ends a client that got what it came for: it is no leaver."""
MOST_MOMENTS = 260
"""Five years of weeks."""


def grid(since: datetime | None, until: datetime | None, known_until: datetime) -> Grid:
    """The ends of Sundays in a span, at most up to what is known. Raises Refused for none, and for too many."""
    end = min(until or known_until, known_until)
    start = since or end - WEEKS
    if start >= end:
        raise Refused("`from` must lie before `to`, and before now", field="from")
    moments = past.day_ends(seconds_of(start), seconds_of(end), past.WEEK)
    if not moments:
        raise Refused("no week ends in this span", field="from")
    if len(moments) > MOST_MOMENTS:
        raise Refused(f"a backtest looks at {MOST_MOMENTS} weeks at most, not at {len(moments)}", field="from")
    return Grid(moments, seconds_of(known_until))


@dataclass
class Comparison:
    """A candidate beside what is in force; both with the same journey maps."""

    in_force: Book
    candidate: Book
    _alike: dict[tuple[int, int], tuple[Model, Model, tuple[Alike, ...]]] = field(default_factory=dict)

    def track(self, client: str, events: Sequence[Happened], moments: Sequence[int]) -> Track | None:
        """A client's bands at the moments, by both; None for a test client. `events` in the order of the contracts."""
        recall = Recall(events)
        first = EPOCH + events[0].time // MICRO if events else 0
        both = (bytearray(), bytearray())
        for moment in moments:
            codes = (ABSENT, ABSENT)
            if first < moment:
                state = recall.to(moment)
                if state.profile.get("test"):
                    return None
                if state.first is not None and not past.ended(state, moment):
                    codes = self._bands(state, moment)
            for side, code in zip(both, codes, strict=True):
                side.append(code)
        return Track(client, bytes(both[0]), bytes(both[1]), _notice(events, first, moments))

    def _bands(self, state: ClientState, moment: int) -> tuple[int, int]:
        model, template = self.in_force.choice(state)
        other = self.candidate.model_for(state)
        known = evaluate(model, state, moment, None, template)
        if other is model:
            return (CODES[known.band],) * 2
        beside = evaluate_beside(other, state, known, self._shared(other, model))
        return CODES[known.band], CODES[beside.band]

    def _shared(self, other: Model, model: Model) -> tuple[Alike, ...]:
        found = self._alike.get((id(other), id(model)))
        if found is None or found[0] is not other or found[1] is not model:
            found = self._alike[id(other), id(model)] = (other, model, measured_alike(other, model))
        return found[2]


def _notice(events: Iterable[Happened], first: int, moments: Sequence[int]) -> int | None:
    """The second of the first notice that was not taken back, after the client was first looked at."""
    since = next((moment for moment in moments if moment > first), first)
    standing: list[int] = []
    gone = {e.replaces for e in events if e.replaces} | {
        e.data.get("event_id") for e in events if e.name == "event_withdrawn"
    }
    for event in events:
        if event.id in gone:
            continue
        if event.name == "contract_cancelled" and event.data.get("reason") != COMPLETED:
            standing.append(EPOCH + event.time // MICRO)
        elif event.name == "cancellation_withdrawn" and standing:
            standing.pop()
    return next((second for second in standing if second > since), None)


def labels(moments: Sequence[int]) -> list[str]:
    """The moments as people read them."""
    return [moment_of(moment).isoformat() for moment in moments]


def with_moments(report: dict[str, Any], grid: Grid) -> dict[str, Any]:
    """A report that names its moments."""
    named = labels(grid.moments)
    for side in report["alerts_per_week"].values():
        side["weeks"] = [{"week_ending": name, **week} for name, week in zip(named, side["weeks"], strict=True)]
    return {
        "from": named[0],
        "to": named[-1],
        "known_until": moment_of(grid.known_until).isoformat(),
        **report,
    }


def packed(tracks: Iterable[Track]) -> list[list[Any]]:
    """As JSON keeps them."""
    return [[t.client, t.in_force.hex(), t.candidate.hex(), t.notice] for t in tracks]


def unpacked(rows: Iterable[Sequence[Any]]) -> Iterator[Track]:
    """The inverse of `packed`."""
    for client, in_force, candidate, notice in rows:
        yield Track(client, bytes.fromhex(in_force), bytes.fromhex(candidate), notice)
