"""From files of events to a training table: read by two processes, each half of the clients, by the domain's code."""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from churn.adapters import event_file
from churn.adapters.calibration import Floats
from churn.adapters.event_file import Identities, Lines, Words
from churn.domain.columns import Column
from churn.domain.features import COLUMNS, NAMES, extract
from churn.domain.history import MICRO, Happened, Row, Scored, eligible, grid, in_order, rows, walk_of
from churn.domain.labels import Rules
from churn.domain.moments import DAY
from churn.learning import guards

WORKERS = 2
GRID_DAYS = 7

GUARDED = 8
"""So many clients of each process are worked out again with another future."""

Replay = Callable[[str, Sequence[Happened], int], Iterable[Scored]]
"""Works out a client's health scores from its events up to a second, where no file of scores is given."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What table is wanted. `until` (microseconds): nothing known later is used.

    With windows (seconds) only their moments are worked out: those whose horizon is over by `train_until`, and those
    from `test_from` (one of them) to `test_to`. Without, all moments are.
    """

    rules: Rules = field(default_factory=Rules)
    grid_days: int = GRID_DAYS
    until: int | None = None
    workers: int = WORKERS
    train_until: int | None = None
    test_from: int | None = None
    test_to: int | None = None

    def moments(self, first: int, known_until: int) -> list[int]:
        """Those of the grid, for a client first heard of at `first`, whose outcome can be known and is of use."""
        horizon = self.rules.horizon_days * DAY
        test_from = self.train_until if self.test_from is None else self.test_from
        found = grid(first, self.last_moment(known_until), self.grid_days, test_from or 0)
        if self.train_until is None or test_from is None:
            return found
        return [m for m in found if m + horizon <= self.train_until or m >= test_from]

    def last_moment(self, known_until: int) -> int:
        """No later one is looked at."""
        last = known_until - self.rules.horizon_days * DAY
        return last if self.test_to is None else min(last, self.test_to)


@dataclass(frozen=True)
class Table:
    """Rows sorted by client and moment; `features` are (rows, columns), NaN where not known; moments in seconds."""

    clients: NDArray[np.str_]
    moments: NDArray[np.int64]
    left: Floats
    features: Floats
    columns: tuple[Column, ...] = COLUMNS
    lines: int = 0
    refused: int = 0
    refusals: tuple[str, ...] = ()
    sources: frozenset[str] = frozenset()
    scores: int = 0
    known_until: int = 0
    known_at: NDArray[np.int64] | None = None
    """By row the second from which its label is known; None: a horizon after its moment."""
    left_at: NDArray[np.int64] | None = None
    """By row the second at which a leaver left, 0 for who stayed."""
    guarded: int = 0
    """How many rows were worked out again with another future, and came out the same."""
    groups: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)
    """`segment` and `tier` by row, as known at its moment; empty where not known."""
    moments_are_times: bool = True
    """False for a table without time, whose moments are all alike."""

    def __len__(self) -> int:
        return len(self.left)

    @property
    def leavers(self) -> int:
        """Clients, not rows."""
        return len(set(self.clients[self.left > 0]))

    def only(self, chosen: NDArray[np.bool_]) -> Table:
        """Some of the rows."""
        return Table(
            self.clients[chosen],
            self.moments[chosen],
            self.left[chosen],
            self.features[chosen],
            self.columns,
            known_at=None if self.known_at is None else self.known_at[chosen],
            left_at=None if self.left_at is None else self.left_at[chosen],
            groups={kind: names[chosen] for kind, names in self.groups.items()},
            moments_are_times=self.moments_are_times,
        )

    def fingerprint(self) -> str:
        """sha256 of all that a model could learn from it."""
        digest = hashlib.sha256("\n".join(column.name for column in self.columns).encode())
        digest.update("\n".join(self.clients).encode())
        for column in (self.moments, self.left, self.features):
            digest.update(np.ascontiguousarray(column).tobytes())
        return digest.hexdigest()


def build(
    events: bytes, scores: bytes | None, wish: Wish, replay: Replay | None = None, words: Words | None = None
) -> Table:
    """The training table of a file of client events.

    Health scores come from a file of theirs or are worked out on the way (`replay`); texts whose reading is not in the
    file are read on the way (`words`).
    """
    _SHARED[:] = [events.split(b"\n"), scores.split(b"\n") if scores else [], wish, replay, words]
    try:
        if wish.workers == 1 or "fork" not in multiprocessing.get_all_start_methods():
            parts = [_part(part) for part in range(wish.workers)]
        else:
            with multiprocessing.get_context("fork").Pool(wish.workers) as pool:
                parts = pool.map(_part, range(wish.workers), chunksize=1)
    finally:
        _SHARED.clear()
    return _joined(parts)


_SHARED: list[Any] = []
"""What forked workers see without it being copied to them."""


def _part(part: int) -> Table:
    lines, score_lines, wish, replay, words = _SHARED
    who = event_file.identities(lines)
    found = event_file.read(lines, who, part=part, parts=wish.workers, until=wish.until, words=words)
    known = event_file.read(score_lines, who, part=part, parts=wish.workers, until=wish.until)
    clients = _families({key: in_order(events) for key, events in sorted(found.clients.items())}, who)
    found.clients.clear()
    until = (wish.until if wish.until is not None else found.newest) // MICRO
    health = _Health({**found.scores, **known.scores}, replay, wish.last_moment(until))
    return _table(clients, health, found, wish, until)


@dataclass(frozen=True, slots=True)
class _Health:
    """Scores of clients: those of the files, else worked out client by client, so that they need not be kept."""

    given: Mapping[str, Sequence[Scored]]
    replay: Replay | None
    last: int

    def of(self, key: str, events: Sequence[Happened], until: int | None = None) -> list[Scored]:
        if self.given or self.replay is None:
            return list(self.given.get(key, ()))
        until = self.last if until is None else until
        return list(self.replay(key, [e for e in events if e.known <= until * MICRO], until))


def _table(clients: dict[str, list[Happened]], health: _Health, found: Lines, wish: Wish, known_until: int) -> Table:
    names: list[str] = []
    told: list[Row] = []
    features: list[NDArray[np.float64]] = []
    number = looked = 0
    guarded = set(list(clients)[:: max(1, len(clients) // GUARDED)][:GUARDED])
    for key in list(clients):
        events = clients.pop(key)
        scores = health.of(key, events)
        number += len(scores)
        mine = rows(events, scores, wish.moments(events[0].time // MICRO, known_until), known_until, wish.rules)
        if key in guarded:
            known = {row.moment: row.features for row in mine}
            looked += guards.no_look_ahead(key, events, known, _again(health, wish.rules), NAMES)
        names += [key] * len(mine)
        features += [np.array(row.features) for row in mine]
        told += [row._replace(features=[]) for row in mine]
    return Table(
        clients=np.array(names, dtype=np.str_),
        moments=np.array([row.moment for row in told], dtype=np.int64),
        left=np.array([row.label for row in told], dtype=np.float64),
        features=np.array(features, dtype=np.float64).reshape(-1, len(NAMES)),
        lines=found.read,
        refused=found.refused,
        refusals=tuple(found.refusals),
        sources=frozenset(found.sources),
        scores=number,
        guarded=looked,
        known_until=known_until,
        known_at=np.array([row.known_at for row in told], dtype=np.int64),
        left_at=np.array([row.left_at for row in told], dtype=np.int64),
        groups={
            "segment": np.array([row.segment for row in told], dtype=np.str_),
            "tier": np.array([row.tier for row in told], dtype=np.str_),
        },
    )


def _again(health: _Health, rules: Rules) -> guards.Features:
    """A client's features from whatever events, health scores included."""

    def features(key: str, events: Sequence[Happened], moment: int) -> list[float] | None:
        state, track = walk_of(events, health.of(key, events, moment)).to(moment)
        return extract(state, track, moment) if eligible(state, moment, rules) else None

    return features


def _families(clients: Mapping[str, list[Happened]], who: Identities) -> dict[str, list[Happened]]:
    """Merged clients: what was known of the one becomes known of the other when they are merged, not before.

    The one that went away gives no rows of its own: what became of it cannot be told from what became of the other.
    """
    result = dict(clients)
    for key, events in clients.items():
        for event in events:
            if (
                event.name != "clients_merged"
                or who.keys.get(event.data["from_client_id"], event.data["from_client_id"]) != key
            ):
                continue
            into = who.keys.get(event.data["into_client_id"], event.data["into_client_id"])
            taken = [e._replace(known=max(e.known, event.known)) for e in events if e.id != event.id]
            result[into] = in_order([*result.get(into, ()), *taken])
            result.pop(key, None)
            break
    return result


def _joined(parts: Sequence[Table]) -> Table:
    clients = np.concatenate([p.clients for p in parts])
    moments = np.concatenate([p.moments for p in parts])
    order = np.lexsort((moments, clients))
    return Table(
        clients=clients[order],
        moments=moments[order],
        left=np.concatenate([p.left for p in parts])[order],
        features=_sorted_in(parts, order),
        lines=sum(p.lines for p in parts),
        refused=sum(p.refused for p in parts),
        refusals=tuple(text for p in parts for text in p.refusals),
        sources=frozenset().union(*(p.sources for p in parts)),
        scores=sum(p.scores for p in parts),
        guarded=sum(p.guarded for p in parts),
        known_until=max(p.known_until for p in parts),
        known_at=np.concatenate([p.known_at for p in parts if p.known_at is not None])[order],
        left_at=np.concatenate([p.left_at for p in parts if p.left_at is not None])[order],
        groups={kind: np.concatenate([p.groups[kind] for p in parts])[order] for kind in ("segment", "tier")},
    )


def _sorted_in(parts: Sequence[Table], order: NDArray[np.int64]) -> Floats:
    """The parts' features in that order; they are by far the most of a table, so they are copied once."""
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    found = np.empty((len(order), parts[0].features.shape[1]))
    begins = 0
    for part in parts:
        found[place[begins : begins + len(part)]] = part.features
        begins += len(part)
    return found
