"""Risk with its reasons, flags, and what people decided about them: what churn publishes."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from common.contracts.base import Data
from common.contracts.fields import (
    UUID,
    Boolean,
    Count,
    Fraction,
    Identifier,
    Number,
    Text,
    UtcDatetime,
    Value,
)
from common.contracts.health import Mode

TOPIC = "csl.churn.risk.v1"


class Reason(Value):
    """One group of contributions to a risk, in words; positive raises the risk."""

    code: Annotated[Identifier, Field(examples=["sponsor_left"])]
    text: Annotated[Text, Field(examples=["the sponsor left on 12 Oct"])]
    contribution: Annotated[Number, Field(examples=[0.83])]


class Risk(Data):
    """The risk of a client at a moment."""

    TOPIC: ClassVar[str] = TOPIC
    client_id: UUID
    mode: Mode
    probability: Fraction | None = None
    """Probability of churn within the horizon; None while uncalibrated, when `points` counts the signs."""
    points: Annotated[Number, Field(examples=[7])] | None = None
    threshold: Annotated[Number, Field(examples=[0.6])]
    """Where a flag is raised, on the scale of `probability`, or of `points` where that is None."""
    horizon_days: Annotated[Count, Field(examples=[90])]
    model: Annotated[Identifier, Field(examples=["xgboost"])]
    model_version: Annotated[Identifier, Field(examples=["2026-03-02.1"])]
    calibrated: Boolean
    simulated: Boolean | None = None
    """True where the model was trained on simulated data: a demo's number, never a real one."""
    reasons: tuple[Reason, ...]
    as_of: UtcDatetime


class Assessed(Risk):
    """A client's risk was worked out."""

    TYPE: ClassVar[str] = "csl.churn.assessed.v1"


class Rule(StrEnum):
    """What raised a flag."""

    THRESHOLD = "threshold"
    CAPACITY = "capacity"
    SCORECARD = "scorecard"


class FlagEvent(Risk):
    """Something happened to a flag."""

    flag_id: UUID
    episode: Annotated[Count, Field(examples=[1])]
    rule: Rule


class FlagRaised(FlagEvent):
    """A client is likely to leave."""

    TYPE: ClassVar[str] = "csl.churn.flag_raised.v1"


class FlagCleared(FlagEvent):
    """The risk behind a flag has passed, or the client is gone (`reason` says which)."""

    TYPE: ClassVar[str] = "csl.churn.flag_cleared.v1"
    reason: Annotated[Text, Field(examples=["risk_fell"])] | None = None


class OverrideEvent(FlagEvent):
    """A person's decision about a flag."""

    by: Annotated[Identifier, Field(examples=["maya@ours.example"])]
    reason_code: Annotated[Identifier, Field(examples=["known_context"])]
    note: Annotated[Text, Field(examples=["merger closes in May; they signed a letter of intent"])]
    until: UtcDatetime


class FlagOverridden(OverrideEvent):
    """A person who knows more than the model downgraded a flag until a date."""

    TYPE: ClassVar[str] = "csl.churn.flag_overridden.v1"


class OverrideEnded(OverrideEvent):
    """An override is over: expired, taken back, or overtaken by a rising risk."""

    TYPE: ClassVar[str] = "csl.churn.override_ended.v1"
    ended_because: Annotated[Identifier, Field(examples=["expired"])] | None = None


EVENTS: tuple[type[Data], ...] = (Assessed, FlagRaised, FlagCleared, FlagOverridden, OverrideEnded)
