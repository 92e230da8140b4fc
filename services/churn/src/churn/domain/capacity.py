"""The capacity rule: once a week the riskiest few of each CSM are named, as many as a person can look after.

A calibrated probability of leaving within 90 days rarely reaches the threshold where few clients leave at all; yet
some clients are at several times the risk of the others. Nobody is named at the risk that everybody has.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from common.contracts.churn import Ranking

from churn.domain.policy import Capacity

WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A client with a calibrated probability. `set_aside`: a person has overridden its flag, its flag was cleared
    lately, or history alone is behind it: it counts for the mean but takes nobody's place."""

    client_id: UUID
    csm: str | None
    probability: float
    set_aside: bool = False


def choose(candidates: Collection[Candidate], rules: Capacity) -> dict[UUID, Ranking]:
    """Who is among the riskiest of its CSM, with its place. One who is flagged already keeps its place."""
    if not candidates or not rules.per_csm:
        return {}
    average = sum(c.probability for c in candidates) / len(candidates)
    least = bar(average, rules)
    groups: dict[str | None, list[Candidate]] = {}
    for candidate in candidates:
        groups.setdefault(candidate.csm, []).append(candidate)
    chosen: dict[UUID, Ranking] = {}
    for csm, group in groups.items():
        ranked = sorted((c for c in group if not c.set_aside), key=lambda c: (-c.probability, c.client_id))
        for place, candidate in enumerate(ranked[: rules.per_csm], start=1):
            if candidate.probability >= least:
                chosen[candidate.client_id] = Ranking(
                    csm=csm, place=place, named=rules.per_csm, clients=len(group), average=round(average, 6)
                )
    return chosen


def bar(average: float, rules: Capacity) -> float:
    """The probability that somebody must have to be named, by the mean of all clients."""
    return min(rules.min_lift * average, rules.min_probability)


def next_naming(now: datetime, rules: Capacity) -> datetime:
    """The first moment after `now` at which the week's riskiest are named (UTC)."""
    zone = ZoneInfo(rules.timezone)
    today = now.astimezone(zone).date()
    day = today + timedelta(days=(rules.weekday - today.weekday()) % 7)
    due = datetime.combine(day, time(rules.hour), zone).astimezone(UTC)
    if due > now:
        return due
    return datetime.combine(day + WEEK, time(rules.hour), zone).astimezone(UTC)
