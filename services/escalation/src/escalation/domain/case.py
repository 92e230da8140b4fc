"""A case: the one open escalation of a client, its steps and its people. No IO, no clock.

What happens to a case is decided in `decide.py`; this is what it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from common.contracts.errors import NotFound
from common.contracts.ids import derived_id

from escalation.domain.sop import Proof, Sop, StepRule

LOOP = "loop"
"""Who did it, where no person did."""


class State(StrEnum):
    OPEN = "open"
    PAUSED = "paused"
    CLOSED = "closed"


class StepState(StrEnum):
    """What stands now. A step done late is done; that it was late stays in `breached_at`."""

    PENDING = "pending"
    DONE = "done"
    BREACHED = "breached"


class Outcome(StrEnum):
    SAVED = "saved"
    LEFT = "left"
    FALSE_ALARM = "false_alarm"
    OVERRIDDEN = "overridden"
    CLEARED = "cleared"


@dataclass(frozen=True, slots=True)
class Flag:
    """Why the case is there: what churn said when it raised the flag."""

    flag_id: UUID
    episode: int
    raised_at: datetime
    rule: str
    said: Mapping[str, Any] = field(default_factory=dict)
    """Probability, threshold, model and reasons as churn gave them, for people to read."""

    def case_id(self) -> UUID:
        """The case that this flag opens, however often it is told."""
        return derived_id("case", self.flag_id, self.episode)


@dataclass(frozen=True, slots=True)
class Person:
    """A colleague of the case. `by` is None where the client's record named them and no person confirmed it."""

    email: str
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One deadline of the case."""

    step: str
    due_at: datetime
    due_soon_at: datetime
    announced_at: datetime | None = None
    breached_at: datetime | None = None
    done_at: datetime | None = None
    done_by: str | None = None
    evidence: Mapping[str, Any] | None = None

    @property
    def state(self) -> StepState:
        if self.done_at is not None:
            return StepState.DONE
        return StepState.BREACHED if self.breached_at is not None else StepState.PENDING


@dataclass(frozen=True, slots=True)
class Pause:
    """The clock of the case stands still; `until` is when it goes on by itself."""

    since: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """Everything that decisions about a case rest on."""

    case_id: UUID
    client_id: UUID
    """The client that it belongs to now (a merge moves it)."""
    flagged_client_id: UUID
    """The client that was flagged; undoing a merge brings the case back to it."""
    flag: Flag
    opened_at: datetime
    sop: Sop
    steps: tuple[Step, ...]
    standing: Mapping[UUID, int]
    """Flags that stand over this client, with their episodes; the case ends when none is left."""
    generation: int = 1
    """Counts every move of the deadlines; a timer of an earlier generation does nothing."""
    pause: Pause | None = None
    csm: Person | None = None
    executive_sponsor: Person | None = None
    closed_at: datetime | None = None
    outcome: Outcome | None = None
    absorbed_by: UUID | None = None
    """The case of the surviving client into which this one was closed at a merge."""
    happenings: int = 0
    """How many things have happened to it: numbers its trail and its version."""

    @property
    def state(self) -> State:
        if self.closed_at is not None:
            return State.CLOSED
        return State.PAUSED if self.pause else State.OPEN

    def step(self, name: str) -> Step:
        found = next((step for step in self.steps if step.step == name), None)
        if found is None:
            known = ", ".join(step.step for step in self.steps)
            raise NotFound(f"the case has no step {name!r}; its steps are {known}")
        return found

    def rule(self, name: str) -> StepRule:
        return self.sop.rule(name)

    def pending(self) -> list[Step]:
        return [step for step in self.steps if step.state is StepState.PENDING]

    def undone(self, proof: Proof) -> list[Step]:
        """Steps that wait for this proof, breached ones too."""
        return [step for step in self.steps if step.done_at is None and self.rule(step.step).proof is proof]

    def with_step(self, step: Step) -> Case:
        steps = tuple(step if one.step == step.step else one for one in self.steps)
        return replace(self, steps=steps)

    def ours(self) -> list[str]:
        """Addresses of the case's people."""
        return [person.email for person in (self.csm, self.executive_sponsor) if person]


class What(StrEnum):
    """What can happen to a case: the words of its trail. Those of `PUBLISHED` go onto the bus as well."""

    OPENED = "case_opened"
    ASSIGNED = "case_assigned"
    STEP_DUE = "step_due"
    STEP_DONE = "step_done"
    STEP_BREACHED = "step_breached"
    PAUSED = "case_paused"
    RESUMED = "case_resumed"
    CLOSED = "case_closed"
    FLAG_NOTED = "flag_noted"
    FLAG_ENDED = "flag_ended"
    CALL_LOST = "call_lost"
    MOVED = "case_moved"


PUBLISHED = frozenset(What) - {What.FLAG_NOTED, What.FLAG_ENDED, What.CALL_LOST, What.MOVED}


@dataclass(frozen=True, slots=True)
class Happened:
    """One thing that happened to a case: a line of its trail."""

    what: What
    at: datetime
    by: str
    """A token's subject, or `loop`."""
    step: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
