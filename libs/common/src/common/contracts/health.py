"""Scores, band changes, late milestones and named signs: what health publishes."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from common.contracts.base import Data
from common.contracts.client.delivery import Milestone, Phase
from common.contracts.fields import (
    UUID,
    Boolean,
    Count,
    Email,
    Fraction,
    Identifier,
    Number,
    Quantity,
    Score,
    Text,
    UtcDatetime,
    Value,
)

TOPIC = "csl.health.scores.v1"


class Mode(StrEnum):
    """Whether a result was known when it says, or was worked out later."""

    LIVE = "live"
    HISTORIC = "historic"
    """A moment of an imported span."""
    RESTATED = "restated"
    """A past moment evaluated again: late, withdrawn or merged events. Kept for reading, never published."""


class Band(StrEnum):
    """Classes of a score. Green, amber, red: loop and onboarding; the next four: experience; unknown: all."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"
    HEALTHY = "healthy"
    STABLE = "stable"
    AT_RISK = "at_risk"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


class Cause(StrEnum):
    """Why a score moved."""

    BEHAVIOUR = "behaviour"
    TIME = "time"
    LATE_DATA = "late_data"
    MISSING_DATA = "missing_data"
    MODEL = "model"


class Component(Value):
    """One component of a score: its weight in the model (per cent), its own score, and its freshness."""

    name: Annotated[Identifier, Field(examples=["usage"])]
    weight: Annotated[Quantity, Field(examples=[35])]
    score: Score | None = None
    fresh: Boolean


class Move(Value):
    """One cause of the difference between two scores, in words that a CSM would use."""

    kind: Cause
    signal: Annotated[Identifier, Field(examples=["days_since_login"])] | None = None
    delta: Annotated[Number, Field(examples=[-6.25])]
    text: Annotated[Text, Field(examples=["no login for 12 days"])]
    events: tuple[UUID, ...] = ()


class Evaluation(Data):
    """A score with its band, its parts and its confidence."""

    TOPIC: ClassVar[str] = TOPIC
    client_id: UUID
    mode: Mode
    model: Annotated[Identifier, Field(examples=["loop"])]
    model_version: Annotated[Count, Field(examples=[1])]
    score: Score | None = None
    band: Band
    band_before: Band | None = None
    cause: Cause | None = None
    confidence: Fraction
    components: tuple[Component, ...]
    as_of: UtcDatetime
    caused_by: tuple[UUID, ...]
    """Ids of the client events that this result is the answer to, each in exactly one result."""


class Scored(Evaluation):
    """A client was scored: one per client and batch, changed or not."""

    TYPE: ClassVar[str] = "csl.health.scored.v1"
    held: UUID | None = None
    """The hold that keeps a move for the worse from being said: score, band and components are those said before it."""


class BandChanged(Evaluation):
    """A client's band changed, live."""

    TYPE: ClassVar[str] = "csl.health.band_changed.v1"
    score_before: Score | None = None
    last_known_band: Band | None = None
    """The last band but `unknown`: what a client that leaves `unknown` is compared with."""
    moves: tuple[Move, ...] = ()
    """What moved the score, strongest first."""


class AboutMilestone(Data):
    """Whose milestone it is, and what is to be reached."""

    TOPIC: ClassVar[str] = TOPIC
    client_id: UUID
    mode: Mode = Mode.LIVE
    milestone: Milestone
    phase: Phase | None = None
    owner_email: Email | None = None
    kpi: Annotated[Identifier, Field(examples=["first automation runs daily"])] | None = None


class MilestoneLate(AboutMilestone):
    """A milestone is late by `days_late` days (0, 3 and 7)."""

    TYPE: ClassVar[str] = "csl.health.milestone_late.v1"
    due_at: UtcDatetime
    days_late: Annotated[Count, Field(examples=[3])]
    as_of: UtcDatetime
    due_at_first: UtcDatetime | None = None
    """Before anybody rescheduled it."""
    rescheduled: Annotated[Count, Field(examples=[1])] | None = None
    """How often it was moved."""


class MilestoneDue(AboutMilestone):
    """A milestone that is not done comes due in `days_left` days: its owner is reminded."""

    TYPE: ClassVar[str] = "csl.health.milestone_due.v1"
    due_at: UtcDatetime
    days_left: Annotated[Count, Field(examples=[1])]
    as_of: UtcDatetime


class NextMilestone(Value):
    """What is to be done next: the open milestone that is due first."""

    milestone: Milestone
    phase: Phase | None = None
    owner_email: Email | None = None
    kpi: Annotated[Identifier, Field(examples=["1 required course completed"])] | None = None
    due_at: UtcDatetime


class MilestoneReached(AboutMilestone):
    """A milestone was hit, by a rule of the journey map or because somebody said so; it triggers the next step."""

    TYPE: ClassVar[str] = "csl.health.milestone_reached.v1"
    kpi_value: Annotated[Number, Field(examples=[1.0])] | None = None
    due_at: UtcDatetime
    due_at_first: UtcDatetime
    """Before anybody rescheduled it."""
    rescheduled: Annotated[Count, Field(examples=[0])]
    reached_at: UtcDatetime
    days_late: Annotated[Count, Field(examples=[0])]
    """Whole days after its first due time."""
    next: NextMilestone | None = None
    as_of: UtcDatetime
    caused_by: tuple[UUID, ...] = ()


class PhaseReason(StrEnum):
    """Why a client is in another phase than before."""

    RULE = "rule"
    """What ends the phase before was met: it moved on."""
    RENEWAL = "renewal"
    """The journey map brings it back to a phase while its renewal is ahead."""
    CORRECTED = "corrected"
    """Facts behind it were withdrawn, merged or set right."""
    TEMPLATE = "template"
    """Its journey map is another, without the phase that it was in."""
    PERSON = "person"
    """Somebody said so, and why."""


class PhaseChanged(Data):
    """A client is in another phase of its journey, live."""

    TYPE: ClassVar[str] = "csl.health.phase_changed.v1"
    TOPIC: ClassVar[str] = TOPIC
    client_id: UUID
    mode: Mode = Mode.LIVE
    phase_before: Phase | None = None
    phase: Phase
    reason: PhaseReason
    text: Annotated[Text, Field(examples=["Kick-off & provisioning ended: Access provisioned"])]
    journey: Annotated[Identifier, Field(examples=["standard"])]
    journey_version: Annotated[Count, Field(examples=[1])]
    since: UtcDatetime
    """When what moved it happened."""
    by: Annotated[Identifier, Field(examples=["maya@ours.example"])] | None = None
    """Who said so, where a person did."""
    as_of: UtcDatetime
    caused_by: tuple[UUID, ...] = ()


class SignKind(StrEnum):
    """What a sign tells of."""

    EARLY_WARNING = "early_warning"
    """The client."""
    ABOUT_US = "about_us"
    """How we treat the client."""
    RHYTHM = "rhythm"
    """What its tier was promised, and is due."""
    DISAGREEMENT = "disagreement"
    """Health contradicts risk, money or the CSM's own view."""


class Sign(Data):
    """A named, explained condition of a client."""

    TOPIC: ClassVar[str] = TOPIC
    client_id: UUID
    mode: Mode = Mode.LIVE
    sign: Annotated[Identifier, Field(examples=["usage_dip"])]
    text: Annotated[Text, Field(examples=["usage fell by 48 % against the 28 days before"])]
    started_at: UtcDatetime
    as_of: UtcDatetime
    caused_by: tuple[UUID, ...] = ()
    kind: SignKind | None = None
    about: Annotated[Identifier, Field(examples=["meeting-17"])] | None = None
    """What tells several of one sign apart: the meeting, or which side is the brighter one."""
    definition: Annotated[Identifier, Field(examples=["standard"])] | None = None
    definition_version: Annotated[Count, Field(examples=[1])] | None = None
    """The definition of signs under which it began or ended."""


class SignStarted(Sign):
    """A sign began, and was noticed live: `started_at` says since when it holds, `as_of` when it was noticed."""

    TYPE: ClassVar[str] = "csl.health.sign_started.v1"


class SignEnded(Sign):
    """A sign that was published is over."""

    TYPE: ClassVar[str] = "csl.health.sign_ended.v1"
    ended_at: UtcDatetime


class ChangesHeld(Data):
    """One feed or one publication would move too many clients to a worse band at once: that waits for a person.

    Said once a hold; key and subject are the hold's id with `hold:` before it.
    """

    TYPE: ClassVar[str] = "csl.health.changes_held.v1"
    TOPIC: ClassVar[str] = TOPIC
    hold_id: UUID
    source: Annotated[Identifier, Field(examples=["segment"])] | None = None
    """The feed that moves them; else it is a publication."""
    model: Annotated[Identifier, Field(examples=["loop"])] | None = None
    """The model or journey map that was published, with its version."""
    model_version: Annotated[Count, Field(examples=[2])] | None = None
    moved: Annotated[Count, Field(examples=[120])]
    """Clients that it moved to a worse band so far, those before it was noticed included."""
    clients: Annotated[Count, Field(examples=[1000])]
    limit_percent: Annotated[Quantity, Field(examples=[10])]
    as_of: UtcDatetime


EVENTS: tuple[type[Data], ...] = (
    Scored,
    BandChanged,
    MilestoneLate,
    MilestoneDue,
    MilestoneReached,
    PhaseChanged,
    SignStarted,
    SignEnded,
    ChangesHeld,
)
