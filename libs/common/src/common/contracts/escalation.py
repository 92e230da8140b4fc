"""Cases and their steps: what escalation publishes; each event names the case's people."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from common.contracts.base import Data
from common.contracts.churn import Reason
from common.contracts.fields import (
    UUID,
    Boolean,
    Count,
    Email,
    Fraction,
    Identifier,
    Json,
    Number,
    Quantity,
    Text,
    UtcDatetime,
    Value,
)

TOPIC = "csl.escalation.cases.v1"

StepName = Annotated[Identifier, Field(examples=["root_cause_call"])]


class Outcome(StrEnum):
    """How a case ended."""

    SAVED = "saved"
    LEFT = "left"
    FALSE_ALARM = "false_alarm"
    OVERRIDDEN = "overridden"
    CLEARED = "cleared"


class StepPlan(Value):
    """A step and its deadline."""

    step: StepName
    due_at: UtcDatetime


class Case(Data):
    """What every event of a case says."""

    TOPIC: ClassVar[str] = TOPIC
    case_id: UUID
    client_id: UUID
    flag_id: UUID
    sop: Annotated[Identifier, Field(examples=["churn-risk"])]
    sop_version: Annotated[Count, Field(examples=[1])]
    csm_email: Email | None = None
    executive_sponsor_email: Email | None = None
    as_of: UtcDatetime | None = None


class CaseOpened(Case):
    """A flag opened a case; `reasons` are the flag's."""

    TYPE: ClassVar[str] = "csl.escalation.case_opened.v1"
    steps: tuple[StepPlan, ...] = ()
    reasons: tuple[Reason, ...] = ()
    probability: Fraction | None = None
    points: Number | None = None
    simulated: Boolean | None = None


class StepEvent(Case):
    """Something happened to a step."""

    step: StepName
    due_at: UtcDatetime
    evidence: Json | None = None


class StepDue(StepEvent):
    """A step waits for its people: just assigned, or due soon."""

    TYPE: ClassVar[str] = "csl.escalation.step_due.v1"
    notice: Literal["assigned", "due_soon"] = "assigned"


class StepDone(StepEvent):
    """A step was completed, with its evidence."""

    TYPE: ClassVar[str] = "csl.escalation.step_done.v1"
    done_at: UtcDatetime | None = None
    by: Annotated[Identifier, Field(examples=["maya@ours.example"])] | None = None


class StepBreached(StepEvent):
    """A step's deadline passed; said once, and the step stays open."""

    TYPE: ClassVar[str] = "csl.escalation.step_breached.v1"
    late_seconds: Annotated[Quantity, Field(examples=[0.4])] | None = None


class Decision(Case):
    """What a person (or a rule) decided about a case."""

    step: StepName | None = None
    due_at: UtcDatetime | None = None
    by: Annotated[Identifier, Field(examples=["maya@ours.example"])] | None = None
    reason: Annotated[Text, Field(examples=["the client is on holiday until Monday"])] | None = None


class CasePaused(Decision):
    """A case's clock was stopped."""

    TYPE: ClassVar[str] = "csl.escalation.case_paused.v1"
    until: UtcDatetime | None = None


class CaseResumed(Decision):
    """A case's clock runs again; `steps` are the deadlines from now on."""

    TYPE: ClassVar[str] = "csl.escalation.case_resumed.v1"
    steps: tuple[StepPlan, ...] = ()


class CaseClosed(Decision):
    """A case is over."""

    TYPE: ClassVar[str] = "csl.escalation.case_closed.v1"
    outcome: Outcome
    evidence: Json | None = None


class CaseAssigned(Data):
    """A case's people were named, or changed."""

    TYPE: ClassVar[str] = "csl.escalation.case_assigned.v1"
    TOPIC: ClassVar[str] = TOPIC
    case_id: UUID
    client_id: UUID
    flag_id: UUID | None = None
    sop: Identifier | None = None
    sop_version: Count | None = None
    csm_email: Email | None = None
    executive_sponsor_email: Email | None = None
    by: Annotated[Identifier, Field(examples=["maya@ours.example"])] | None = None
    as_of: UtcDatetime | None = None


EVENTS: tuple[type[Data], ...] = (
    CaseOpened,
    CaseAssigned,
    StepDue,
    StepDone,
    StepBreached,
    CasePaused,
    CaseResumed,
    CaseClosed,
)
