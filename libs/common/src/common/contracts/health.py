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


class BandChanged(Evaluation):
    """A client's band changed, live."""

    TYPE: ClassVar[str] = "csl.health.band_changed.v1"
    score_before: Score | None = None
    last_known_band: Band | None = None
    """The last band but `unknown`: what a client that leaves `unknown` is compared with."""
    moves: tuple[Move, ...] = ()
    """What moved the score, strongest first."""


class MilestoneLate(Data):
    """A milestone is late by `days_late` days (0, 3 and 7)."""

    TYPE: ClassVar[str] = "csl.health.milestone_late.v1"
    TOPIC: ClassVar[str] = TOPIC
    client_id: UUID
    mode: Mode = Mode.LIVE
    milestone: Milestone
    phase: Phase | None = None
    owner_email: Email | None = None
    kpi: Annotated[Identifier, Field(examples=["first automation runs daily"])] | None = None
    due_at: UtcDatetime
    days_late: Annotated[Count, Field(examples=[3])]
    as_of: UtcDatetime


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


class SignStarted(Sign):
    """An early-warning sign began."""

    TYPE: ClassVar[str] = "csl.health.sign_started.v1"


class SignEnded(Sign):
    """An early-warning sign is over."""

    TYPE: ClassVar[str] = "csl.health.sign_ended.v1"
    ended_at: UtcDatetime


EVENTS: tuple[type[Data], ...] = (Scored, BandChanged, MilestoneLate, SignStarted, SignEnded)
