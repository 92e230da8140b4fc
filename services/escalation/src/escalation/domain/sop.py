"""A standard operating procedure: the steps of a case, how long each may take, and what proves it done. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from escalation.domain.hours import Hours


class Proof(StrEnum):
    """What a step asks for before it counts as done."""

    PEOPLE = "people"
    """A CSM and an executive sponsor of ours are named."""
    CALL = "call"
    """A call with the client is scheduled: time, attendees, invitation."""
    PLAN = "plan"
    """Actions with owners and dates, and the tracking item in the PM tool."""
    NOTE = "note"
    """A sentence by the person who did it (for steps that a team adds itself)."""


@dataclass(frozen=True, slots=True)
class StepRule:
    """One deadline of the procedure, counted from the flag."""

    step: str
    title: str
    due: timedelta
    due_soon: timedelta
    """How long before the deadline people are reminded; zero reminds nobody."""
    proof: Proof

    def due_at(self, hours: Hours, opened_at: datetime) -> datetime:
        return hours.after(opened_at, self.due)

    def due_soon_at(self, hours: Hours, opened_at: datetime) -> datetime:
        return hours.after(opened_at, self.due - self.due_soon)


@dataclass(frozen=True, slots=True)
class Sop:
    """One version of a procedure; a case keeps the version that it was opened with."""

    sop: str
    version: int
    title: str
    rules: frozenset[str]
    """Rules of a flag (threshold, capacity, scorecard) for which it opens a case."""
    tiers: frozenset[str]
    """Tiers of clients that it serves; empty: all, and those of unknown tier."""
    hours: Hours
    steps: tuple[StepRule, ...]

    def serves(self, rule: str, tier: str | None) -> bool:
        return rule in self.rules and (not self.tiers or tier in self.tiers)

    def rule(self, step: str) -> StepRule:
        return next(rule for rule in self.steps if rule.step == step)


def choose(sops: list[Sop], rule: str, tier: str | None) -> Sop | None:
    """The procedure for a flag: one made for the client's tier before a general one, then by name."""
    serving = [sop for sop in sops if sop.serves(rule, tier)]
    return min(serving, key=lambda sop: (not sop.tiers, sop.sop), default=None)
