"""Everything that can be told to a case. Pure values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from escalation.domain.case import Flag, Outcome
from escalation.domain.client import Client
from escalation.domain.sop import Sop


@dataclass(frozen=True, slots=True)
class Flagged:
    """Churn raised a flag over the client."""

    flag: Flag
    client_id: UUID
    """The client as merged."""
    flagged_client_id: UUID
    sop: Sop
    client: Client = field(default_factory=Client)


@dataclass(frozen=True, slots=True)
class FlagEnded:
    """The flag was cleared by the risk falling, or overridden by a person."""

    flag_id: UUID
    episode: int
    outcome: Outcome
    at: datetime
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class ClientTold:
    """What is known of the client changed: people, calls, notice."""

    client: Client


@dataclass(frozen=True, slots=True)
class ClientMoved:
    """By a merge, or its undoing, the case belongs to another client id."""

    client_id: UUID


@dataclass(frozen=True, slots=True)
class Absorbed:
    """Two merged clients had a case each: this one goes on inside the other."""

    into: UUID


@dataclass(frozen=True, slots=True)
class FlagsTaken:
    """The counterpart of Absorbed: the surviving case answers for the other's flags too."""

    standing: Mapping[UUID, int]
    absorbed: UUID


@dataclass(frozen=True, slots=True)
class Completed:
    """A person says that a step is done, and shows it."""

    step: str
    evidence: Mapping[str, Any]
    by: str
    own_domains: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Assigned:
    """A person names the case's people; None leaves one as it is."""

    csm: str | None
    executive_sponsor: str | None
    by: str
    own_domains: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Paused:
    """A person stops the case's clock."""

    by: str
    reason: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Resumed:
    """A person lets the case's clock go on."""

    by: str


@dataclass(frozen=True, slots=True)
class Closed:
    """A person ends the case."""

    by: str
    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True)
class StepDueSoon:
    """The timer before a deadline."""

    step: str
    generation: int


@dataclass(frozen=True, slots=True)
class TimePassed:
    """The timer of a deadline, or of a pause's end: whatever is overdue by now has happened."""


Input = (
    Flagged
    | FlagEnded
    | ClientTold
    | ClientMoved
    | Absorbed
    | FlagsTaken
    | Completed
    | Assigned
    | Paused
    | Resumed
    | Closed
    | StepDueSoon
    | TimePassed
)
