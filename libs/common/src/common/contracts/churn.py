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
    Email,
    Fraction,
    Identifier,
    Number,
    Quantity,
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
    events: tuple[Identifier, ...] | None = None
    """Ids of the client events that the sentence is made of, where they are single ones."""


class Change(Value):
    """A group whose contribution moved since the assessment before, in words as they hold now."""

    code: Annotated[Identifier, Field(examples=["sponsor_left"])]
    text: Annotated[Text, Field(examples=["the sponsor left on 12 Oct"])]
    contribution: Annotated[Number, Field(examples=[0.83])]
    """As it is now."""
    change: Annotated[Number, Field(examples=[0.61])]
    """Now less before; positive: it raises the risk more, or lowers it less."""


class Ranking(Value):
    """Where a client stood among all of its CSM when the riskiest of the week were named."""

    csm: Email | None = None
    """None: the clients without a CSM, who are ranked among each other."""
    place: Annotated[Count, Field(examples=[2])]
    named: Annotated[Count, Field(examples=[3])]
    """How many are named a CSM and week at most."""
    clients: Annotated[Count, Field(examples=[41])]
    average: Annotated[Fraction, Field(examples=[0.031])]
    """Mean probability of all clients at that moment: what nobody is named for."""


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
    changes: tuple[Change, ...] | None = None
    """What moved since the assessment before, most first; absent where that was by another model, or there is none."""
    compared_to: UtcDatetime | None = None
    """When that assessment was."""
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
    """A client is likely to leave (`threshold`), shows risk signs (`scorecard`), or is among the riskiest of its CSM
    this week (`capacity`)."""

    TYPE: ClassVar[str] = "csl.churn.flag_raised.v1"
    ranking: Ranking | None = None
    """Of the capacity rule, when the week's riskiest are named."""
    because: Annotated[Identifier, Field(examples=["expired"])] | None = None
    """Why a flag that stood already is raised again: its override `expired`, was `withdrawn` or overtaken
    (`risk_rose`), or a client that was named as one of the riskiest `reached_threshold`."""


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
    ended_by: Annotated[Identifier, Field(examples=["maya@ours.example"])] | None = None
    """Who took it back, if a person did."""


class ModelFellBack(Data):
    """What a model said did not come true, so it went out of service by itself.

    Said once; key and subject are the model's id with `model:` before it.
    """

    TYPE: ClassVar[str] = "csl.churn.model_fell_back.v1"
    TOPIC: ClassVar[str] = TOPIC
    model_id: UUID
    model_version: Annotated[Identifier, Field(examples=["2026-03-02.1"])]
    fell_back_to: Annotated[Identifier, Field(examples=["scorecard"])]
    """Version of the model in service now, or `scorecard`."""
    predictions: Annotated[Count, Field(examples=[812])]
    """Of how many clients a prediction's horizon is over."""
    expected: Annotated[Quantity, Field(examples=[31.4])]
    """Leavers among them by the model's probabilities."""
    came: Annotated[Count, Field(examples=[64])]
    low: Annotated[Count, Field(examples=[18])]
    """99 % band of the leavers."""
    high: Annotated[Count, Field(examples=[47])]
    as_of: UtcDatetime


EVENTS: tuple[type[Data], ...] = (Assessed, FlagRaised, FlagCleared, FlagOverridden, OverrideEnded, ModelFellBack)
