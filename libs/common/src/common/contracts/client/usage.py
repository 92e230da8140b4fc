"""What the client does with the product, and what it gets out of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from common.contracts.client.base import ClientEvent
from common.contracts.fields import Boolean, Bound, ContactId, Count, Day, Identifier, Number, Quantity

Kpi = Annotated[Identifier, Field(examples=["hours_saved_per_week"])]


class LoggedIn(ClientEvent):
    """Somebody of the client logged in, `count` times."""

    TYPE: ClassVar[str] = "csl.client.logged_in.v1"
    contact_id: ContactId | None = None
    count: Annotated[Count, Field(examples=[1])] = 1


class UsageRecorded(ClientEvent):
    """A feature was used."""

    TYPE: ClassVar[str] = "csl.client.usage_recorded.v1"
    feature: Annotated[Identifier, Field(examples=["reports"])]
    quantity: Annotated[Quantity, Field(examples=[17])]
    active_users: Annotated[Count, Field(examples=[6])] | None = None
    period_start: Bound | None = None


class KpiDirection(StrEnum):
    """Which way is better."""

    UP = "up"
    DOWN = "down"


class KpiTargetSet(ClientEvent):
    """What the client wants to reach, agreed with it."""

    TYPE: ClassVar[str] = "csl.client.kpi_target_set.v1"
    kpi: Kpi
    unit: Annotated[Identifier, Field(examples=["hours"])]
    direction: KpiDirection
    baseline: Annotated[Number, Field(examples=[2.0])]
    target: Annotated[Number, Field(examples=[12.0])]
    due_on: Day | None = None
    agreed_in: Literal["kickoff", "qbr"] | None = None


class KpiReported(ClientEvent):
    """A KPI's value; return on investment is the KPI `roi`."""

    TYPE: ClassVar[str] = "csl.client.kpi_reported.v1"
    kpi: Kpi
    value: Annotated[Number, Field(examples=[9.5])]
    period_end: Bound | None = None


class TrainingCompleted(ClientEvent):
    """A course was completed."""

    TYPE: ClassVar[str] = "csl.client.training_completed.v1"
    course: Annotated[Identifier, Field(examples=["core"])]
    contact_id: ContactId | None = None
    required: Boolean | None = None


EVENTS: tuple[type[ClientEvent], ...] = (
    LoggedIn,
    UsageRecorded,
    KpiTargetSet,
    KpiReported,
    TrainingCompleted,
)
