"""What reached us in one post, taken apart as far as that goes without knowing whose it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from common.contracts.base import Origin
from common.contracts.ids import derived_id

from ingest.domain.plan import Circumstance, Fate
from ingest.domain.statement import Statement

PER_ITEM = 100
"""Room in `sequence` for what one source event says: position · 100 + n."""


class Outcome(StrEnum):
    """What becomes of a source event. Every one received has exactly one of these."""

    MAPPED = "mapped"
    PARKED = "parked"
    QUARANTINED = "quarantined"
    IGNORED = "ignored"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class Lookup:
    """An object at the vendor that an event names and does not tell enough of."""

    kind: str
    id: str
    if_parked: bool = False
    """Only worth asking for while nobody knows whose it is."""


class Item(NamedTuple):
    """One source event: what it says, or why it says nothing to us."""

    key: str | None
    """Dedup key within the source; None: every one counts."""
    kind: str
    position: int
    body: Mapping[str, Any]
    statements: tuple[Statement, ...] = ()
    ignored: str | None = None
    unknown: bool = False
    broken: str | None = None
    source: str | None = None
    """Whose word it is, where that is another than the post's source."""
    lookups: tuple[Lookup, ...] = ()


@dataclass(slots=True)
class Arrival:
    """One post. `unreadable`: why the whole body is quarantined."""

    source: str
    received_at: datetime
    items: list[Item] = field(default_factory=list)
    raw: bytes | None = None
    raw_id: UUID | None = None
    join: Callable[[Sequence[Mapping[str, Any]]], bytes] | None = None
    """Puts the bodies of items together again."""
    headers: Mapping[str, str] = field(default_factory=dict)
    unreadable: str | None = None
    origin: Origin = Origin.LIVE
    recreate: bool = False
    erased: set[int] = field(default_factory=set)
    """Positions of items about erased people or clients: the body is kept without them."""
    strict: bool = False
    """All or nothing: a contradiction refuses the post (our own API), instead of being quarantined (vendors)."""
    _kept: tuple[date, UUID] | None = None

    def without_erased(self) -> bytes:
        """The post as it is kept."""
        if not self.erased or self.join is None:
            return self.raw or b""
        return self.join([item.body for item in self.items if item.position not in self.erased])

    def source_of(self, item: Item) -> str:
        return item.source or self.source

    def circumstance(self, item: Item, nth: int, statement: Statement, kept_on: date) -> Circumstance:
        """How a statement of an item came to us. `kept_on`: the day under which its raw body is kept."""
        source = self.source_of(item)
        cause = (item.key, nth) if item.key is not None else (self.raw_id, item.position, nth)
        return Circumstance(
            source=source,
            id=statement.id or derived_id("ingest", source, *cause),
            sequence=item.position * PER_ITEM + min(nth, PER_ITEM - 1),
            received_at=self.received_at,
            origin=self.origin,
            raw=self._raw(kept_on),
            recreate=self.recreate,
        )

    def _raw(self, day: date) -> tuple[date, UUID] | None:
        """Where the body is kept: one tuple for all that it says."""
        if self.raw_id is not None and self._kept != (day, self.raw_id):
            self._kept = (day, self.raw_id)
        return self._kept


@dataclass(slots=True)
class Receipt:
    """What became of a post."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    unknown: int = 0
    erased: int = 0
    """How many were about erased clients: they are ignored, and their raw bodies not kept."""
    unknown_kinds: Counter[str] = field(default_factory=Counter)
    """The vendor's names of the types that are unknown to us."""
    failure: str | None = None
    """Why something of it went into quarantine."""
    lookups: set[tuple[str, str, str]] = field(default_factory=set)
    """Source, kind and id of what is to be fetched from vendors."""
    newest: datetime | None = None
    """When the newest of it happened, by a clock that can be believed."""

    def happened(self, time: datetime | None) -> None:
        """Note when something of it happened."""
        if time is not None and (self.newest is None or time > self.newest):
            self.newest = time

    @property
    def duplicates(self) -> int:
        return self.outcomes[Outcome.DUPLICATE]

    @property
    def accepted(self) -> int:
        return sum(self.outcomes.values()) - self.duplicates


_MAPPED = [Fate.MAPPED]


def outcome_of(fates: list[Fate]) -> Outcome:
    """A source event is parked if any part of it waits; ignored if nothing of it counts."""
    if fates == _MAPPED:
        return Outcome.MAPPED
    if Fate.PARKED in fates:
        return Outcome.PARKED
    return Outcome.MAPPED if Fate.MAPPED in fates or not fates else Outcome.IGNORED
