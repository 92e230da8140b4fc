"""What holds clients up: six kinds that are known by name, others as their reporters call them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil
from statistics import median
from typing import NamedTuple
from uuid import UUID

from common.contracts.client import BlockerLogged, BlockerResolved

KINDS = {
    "client_unresponsive": "Client unresponsive",
    "missing_assets": "Missing assets or credentials",
    "technical_setup": "Technical set-up",
    "unclear_objectives": "Unclear objectives",
    "stakeholder_alignment": "Stakeholder alignment",
    "client_resources": "Client resources",
}
HOUR = 3600.0


def titled(kind: str) -> str:
    """A kind as people read it."""
    return KINDS.get(kind, kind.replace("_", " "))


class Said(NamedTuple):
    """A blocker was logged or resolved."""

    client_id: UUID
    at: datetime
    body: BlockerLogged | BlockerResolved


@dataclass(frozen=True, slots=True)
class Blocker:
    """From when it was logged to when it was resolved; logged again after that, it is another one."""

    client_id: UUID
    blocker_id: str
    kind: str
    severity: str
    owner_email: str | None
    impact_days: float | None
    opened_at: datetime
    resolved_at: datetime | None = None
    root_cause: str | None = None
    prevention: str | None = None

    @property
    def hours_to_resolve(self) -> float | None:
        """None while it is open."""
        if self.resolved_at is None:
            return None
        return round((self.resolved_at - self.opened_at).total_seconds() / HOUR, 2)


def blockers(said: Iterable[Said]) -> list[Blocker]:
    """In the order in which they were opened; `said` in the order of the facts."""
    found: list[Blocker] = []
    open_now: dict[tuple[UUID, str], int] = {}
    for client_id, at, body in said:
        key = (client_id, body.blocker_id)
        nth = open_now.get(key)
        if isinstance(body, BlockerResolved):
            if nth is not None:
                found[open_now.pop(key)] = replace(
                    found[nth], resolved_at=at, root_cause=body.root_cause, prevention=body.prevention
                )
        elif nth is not None:  # said again: what is known of it now
            found[nth] = replace(_opened(client_id, at, body), opened_at=found[nth].opened_at)
        else:
            open_now[key] = len(found)
            found.append(_opened(client_id, at, body))
    return found


def _opened(client_id: UUID, at: datetime, body: BlockerLogged) -> Blocker:
    return Blocker(client_id, body.blocker_id, body.kind, body.severity.value, body.owner_email, body.impact_days, at)


class Told(NamedTuple):
    """A cause, or a way to prevent it, and how many blockers named it."""

    text: str
    blockers: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """Blockers of one kind. Hours of the resolved ones; days as estimated when they were logged."""

    kind: str
    title: str
    known: bool
    """Whether it is one of the six."""
    count: int
    open: int
    critical: int
    clients: int
    median_hours: float | None
    p90_hours: float | None
    impact_days: float
    root_causes: tuple[Told, ...]
    prevention: tuple[Told, ...]


def statistics(found: Sequence[Blocker], *, most: int = 5) -> list[Statistics]:
    """The six kinds first, then others, those with the most blockers first. `most`: causes named of each kind."""
    others = sorted({blocker.kind for blocker in found} - KINDS.keys())
    rows = [_of_kind(kind, [b for b in found if b.kind == kind], most) for kind in (*KINDS, *others)]
    return sorted(rows, key=lambda row: (not row.known, -row.count))


def _of_kind(kind: str, found: Sequence[Blocker], most: int) -> Statistics:
    hours = sorted(h for b in found if (h := b.hours_to_resolve) is not None)
    return Statistics(
        kind=kind,
        title=titled(kind),
        known=kind in KINDS,
        count=len(found),
        open=sum(b.resolved_at is None for b in found),
        critical=sum(b.severity == "critical" for b in found),
        clients=len({b.client_id for b in found}),
        median_hours=round(median(hours), 2) if hours else None,
        p90_hours=hours[ceil(0.9 * len(hours)) - 1] if hours else None,
        impact_days=sum(b.impact_days or 0 for b in found),
        root_causes=_told((b.root_cause for b in found), most),
        prevention=_told((b.prevention for b in found), most),
    )


def _told(texts: Iterable[str | None], most: int) -> tuple[Told, ...]:
    """The same words count once, however they are cased and spaced."""
    spelled: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for text in texts:
        words = " ".join((text or "").split())
        if words:
            spelled.setdefault(words.casefold(), words)
            counts[words.casefold()] += 1
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Told(spelled[key], count) for key, count in ranked[:most])
