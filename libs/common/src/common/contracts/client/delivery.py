"""The work we do with the client: milestones, blockers, approvals, deliverables, scope, hours."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from common.contracts.client.base import ClientEvent, Reading, Side
from common.contracts.fields import (
    Boolean,
    Count,
    Email,
    Identifier,
    Number,
    Quantity,
    Text,
    TextRef,
    UtcDatetime,
)

Milestone = Annotated[Identifier, Field(examples=["first_automation_live"])]
BlockerId = Annotated[Identifier, Field(examples=["blk-12"])]
ApprovalId = Annotated[Identifier, Field(examples=["apr-7"])]
DeliverableId = Annotated[Identifier, Field(examples=["dlv-3"])]


class Phase(StrEnum):
    """Where a client is on its journey."""

    KICKOFF = "kickoff"
    FIRST_VALUE = "first_value"
    ADOPTION = "adoption"
    VALUE_VALIDATION = "value_validation"
    EXPANSION = "expansion"


class MilestonePlanned(ClientEvent):
    """A milestone with its owner, its KPI and its due time; one without all three is refused."""

    TYPE: ClassVar[str] = "csl.client.milestone_planned.v1"
    milestone: Milestone
    phase: Phase
    owner_email: Email
    kpi: Annotated[Identifier, Field(examples=["first automation runs daily"])]
    due_at: UtcDatetime


class MilestoneCompleted(ClientEvent):
    """A milestone was hit."""

    TYPE: ClassVar[str] = "csl.client.milestone_completed.v1"
    milestone: Milestone
    kpi_value: Annotated[Number, Field(examples=[1.0])] | None = None


class MilestoneRescheduled(ClientEvent):
    """A milestone is due at another time; the original due time is kept and counts."""

    TYPE: ClassVar[str] = "csl.client.milestone_rescheduled.v1"
    milestone: Milestone
    due_before: UtcDatetime | None = None
    due_after: UtcDatetime
    reason: Annotated[Text, Field(examples=["their data arrives a week later"])] | None = None


class Severity(StrEnum):
    """How much a blocker holds up."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class BlockerLogged(ClientEvent):
    """Something holds the client up."""

    TYPE: ClassVar[str] = "csl.client.blocker_logged.v1"
    blocker_id: BlockerId
    kind: Annotated[
        Identifier,
        Field(
            description="client_unresponsive, missing_assets, technical_setup, unclear_objectives, "
            "stakeholder_alignment, client_resources, or a kind of your own",
            examples=["missing_assets"],
        ),
    ]
    severity: Severity
    owner_email: Email | None = None
    impact_days: Annotated[Quantity, Field(examples=[5])] | None = None
    reading: Reading | None = None
    text_ref: TextRef | None = None


class BlockerResolved(ClientEvent):
    """A blocker is out of the way."""

    TYPE: ClassVar[str] = "csl.client.blocker_resolved.v1"
    blocker_id: BlockerId
    root_cause: Annotated[Text, Field(examples=["nobody there owned the export"])] | None = None
    prevention: Annotated[Text, Field(examples=["name the data owner in the kickoff"])] | None = None


class ApprovalRequested(ClientEvent):
    """We asked the client to approve something."""

    TYPE: ClassVar[str] = "csl.client.approval_requested.v1"
    approval_id: ApprovalId
    item: Annotated[Text, Field(examples=["dashboard draft"])] | None = None
    due_at: UtcDatetime | None = None


class ApprovalGiven(ClientEvent):
    """The client approved."""

    TYPE: ClassVar[str] = "csl.client.approval_given.v1"
    approval_id: ApprovalId
    item: Annotated[Text, Field(examples=["dashboard draft"])] | None = None
    due_at: UtcDatetime | None = None


class DeliverableDue(ClientEvent):
    """A deliverable of ours has a due time."""

    TYPE: ClassVar[str] = "csl.client.deliverable_due.v1"
    deliverable_id: DeliverableId
    due_at: UtcDatetime | None = None
    revisions: Annotated[Count, Field(examples=[0])] | None = None


class DeliverableCompleted(ClientEvent):
    """A deliverable of ours is done."""

    TYPE: ClassVar[str] = "csl.client.deliverable_completed.v1"
    deliverable_id: DeliverableId
    due_at: UtcDatetime | None = None
    revisions: Annotated[Count, Field(examples=[2])] | None = None


class ScopeSize(StrEnum):
    """How much of the scope changed."""

    MINOR = "minor"
    MAJOR = "major"


class ScopeChanged(ClientEvent):
    """The scope of the work was changed or questioned."""

    TYPE: ClassVar[str] = "csl.client.scope_changed.v1"
    size: ScopeSize
    by: Side
    reading: Reading | None = None
    text_ref: TextRef | None = None


class TouchpointRecorded(ClientEvent):
    """We were in touch with the client, by a person or by a program."""

    TYPE: ClassVar[str] = "csl.client.touchpoint_recorded.v1"
    kind: Annotated[Identifier, Field(examples=["welcome_mail"])]
    automated: Boolean
    person_email: Email | None = None


class HoursLogged(ClientEvent):
    """One of us worked for the client."""

    TYPE: ClassVar[str] = "csl.client.hours_logged.v1"
    hours: Annotated[Quantity, Field(examples=[1.5])]
    person_email: Email | None = None


EVENTS: tuple[type[ClientEvent], ...] = (
    MilestonePlanned,
    MilestoneCompleted,
    MilestoneRescheduled,
    BlockerLogged,
    BlockerResolved,
    ApprovalRequested,
    ApprovalGiven,
    DeliverableDue,
    DeliverableCompleted,
    ScopeChanged,
    TouchpointRecorded,
    HoursLogged,
)
