"""What churn remembers of a client: a bounded, pure fold over its client events (`fold.apply`).

Counts live in buckets by UTC day and are kept for `KEPT_DAYS`; lists and maps have an upper size, the oldest go first.
So a state stays at a few kilobytes however long and busy a client's history is.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from churn.domain.life import Life
from churn.domain.moments import DAY, day_of

KEPT_DAYS = 200
"""Longer than the longest window that a feature looks at (28 days and the 84 before them)."""
PRUNE_EVERY_DAYS = 28
KEPT_MARKS = 24
KEPT_RATINGS = 12
KEPT_FEATURES = 64
KEPT_OPEN = 100
KEPT_CONTACTS = 150

Days = dict[int, int]
Sums = dict[int, list[int]]
"""By day: [how many, their sum]."""
Mark = list[Any]
"""[second, event id]: something worth naming that happened."""


@dataclass(slots=True)
class State:
    """See the module; `fold` says which event writes what."""

    first_at: int | None = None
    last_at: int = 0
    pruned_day: int = 0
    test: bool = False
    tier: str | None = None
    csm: str | None = None
    """E-mail address of ours."""
    segment: str | None = None
    engagement: str | None = None
    handed_off: bool = False
    key_features: list[str] = field(default_factory=list)
    life: Life = field(default_factory=Life)
    logins: Days = field(default_factory=dict)
    usage: Days = field(default_factory=dict)
    """Quantities of all features together, rounded to whole units."""
    users: Days = field(default_factory=dict)
    """Most active users reported on the day."""
    features: dict[str, int] = field(default_factory=dict)
    """By feature a bit mask of the days of use; bit 0 is `feature_floor`."""
    feature_floor: int = 0
    tickets: Days = field(default_factory=dict)
    open_tickets: dict[str, list[Any]] = field(default_factory=dict)
    """[opened at, priority, event id]"""
    mood: Sums = field(default_factory=dict)
    """Sentiment of what client people wrote, in thousandths (−1000 … 1000)."""
    words: Sums = field(default_factory=dict)
    """Words of their messages."""
    replies: Sums = field(default_factory=dict)
    """Minutes that they took to answer us."""
    asked_at: int | None = None
    """When we asked the oldest thing they have not answered."""
    ratings: dict[str, list[list[Any]]] = field(default_factory=dict)
    """By survey: [second, score in thousandths of its scale, event id]."""
    csm_sentiment: list[int] | None = None
    """[second, 1–5]"""
    contacts: dict[str, list[Any]] = field(default_factory=dict)
    """[role, left at or None]"""
    engaged: dict[str, int] = field(default_factory=dict)
    """When each of their people was last seen doing something."""
    meetings: dict[str, int] = field(default_factory=dict)
    """Start of each meeting that is planned."""
    milestones: dict[str, list[Any]] = field(default_factory=dict)
    """[original due, due, done at or None]"""
    worth: dict[str, list[Any]] = field(default_factory=dict)
    """Of milestones that say how much they count: [weight, KPI value when done or None], as they were told."""
    kpis: dict[str, list[Any]] = field(default_factory=dict)
    """[baseline, target, value or None]"""
    blockers: dict[str, list[Any]] = field(default_factory=dict)
    """[severity 1–4, since, event id]"""
    waiting: dict[str, int | None] = field(default_factory=dict)
    """Due times of approvals asked for and deliverables promised (`approval:…`, `deliverable:…`)."""
    invoices: dict[str, list[Any]] = field(default_factory=dict)
    """Unpaid ones: [due at, event id]"""
    marks: dict[str, list[Mark]] = field(default_factory=dict)
    """By kind, oldest first: see `fold` for the kinds."""
    seen: list[str] = field(default_factory=list)
    """Kinds of data that this client has ever had; what was never seen is missing, not zero."""


DAY_KEYED = ("logins", "usage", "users", "tickets", "mood", "words", "replies")


def new_day(state: State, at: int) -> None:
    """Move on to an event at this second; now and then forget what no window reaches any more."""
    if state.first_at is None:
        state.first_at = at
        state.pruned_day = day_of(at)
        state.feature_floor = day_of(at) - 1
    state.last_at = max(state.last_at, at)
    today = day_of(at)
    if today - state.pruned_day >= PRUNE_EVERY_DAYS:
        _prune(state, today)


def _prune(state: State, today: int) -> None:
    state.pruned_day = today
    floor = today - KEPT_DAYS
    for name in DAY_KEYED:
        buckets = getattr(state, name)
        for day in [day for day in buckets if day < floor]:
            del buckets[day]
    if floor > state.feature_floor:
        shift = floor - state.feature_floor
        state.features = {name: days >> shift for name, days in state.features.items() if days >> shift}
        state.feature_floor = floor
    keep(state.milestones, KEPT_OPEN)


def see(state: State, kind: str) -> None:
    if kind not in state.seen:
        state.seen.append(kind)


def mark(state: State, kind: str, at: int, event_id: str) -> None:
    """Note that something happened; of many the last `KEPT_MARKS` are kept."""
    marks = state.marks.setdefault(kind, [])
    marks.append([at, event_id])
    del marks[:-KEPT_MARKS]


def count(buckets: Days, at: int, quantity: int) -> None:
    day = at // DAY
    buckets[day] = buckets.get(day, 0) + quantity


def total(sums: Sums, at: int, value: int) -> None:
    bucket = sums.setdefault(at // DAY, [0, 0])
    bucket[0] += 1
    bucket[1] += value


def keep(entries: dict[str, Any], size: int) -> None:
    """Forget the oldest entries beyond `size`."""
    while len(entries) > size:
        del entries[next(iter(entries))]


def to_plain(state: State) -> dict[str, Any]:
    """The state as a mapping that JSON can carry: day buckets as days and values beside each other, hexadecimal masks.

    Parts are shared with the state, not copied: write it out before folding on.
    """
    plain = {name: getattr(state, name) for name in _FIELDS}
    for name in DAY_KEYED:
        plain[name] = [list(plain[name]), list(plain[name].values())]
    plain["features"] = {name: f"{days:x}" for name, days in state.features.items()}
    plain["life"] = {name: getattr(state.life, name) for name in _LIFE_FIELDS}
    return plain


def from_plain(plain: dict[str, Any]) -> State:
    """The inverse of `to_plain`."""
    values = {name: plain[name] for name in _FIELDS}
    for name in DAY_KEYED:
        days, buckets = values[name]
        values[name] = dict(zip(days, buckets, strict=True))
    values["features"] = {name: int(days, 16) for name, days in values["features"].items()}
    values["life"] = Life(**values["life"])
    return State(**values)


_FIELDS = tuple(f.name for f in fields(State))
_LIFE_FIELDS = tuple(f.name for f in fields(Life))
