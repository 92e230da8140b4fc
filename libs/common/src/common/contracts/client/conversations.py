"""Tickets, messages, surveys and meetings."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from common.contracts.client.base import ClientEvent, Reading, Side
from common.contracts.fields import (
    Boolean,
    ContactId,
    Email,
    Identifier,
    Number,
    Person,
    Quantity,
    TextRef,
    UtcDatetime,
    Value,
)

TicketId = Annotated[Identifier, Field(examples=["zendesk-35436"])]
MessageId = Annotated[Identifier, Field(examples=["msg-88120"])]
MeetingId = Annotated[Identifier, Field(examples=["mtg-2041"])]


class Survey(StrEnum):
    """Kinds of survey."""

    NPS = "nps"
    CSAT = "csat"
    CES = "ces"
    ONBOARDING = "onboarding"


class SurveySent(ClientEvent):
    """A survey went out."""

    TYPE: ClassVar[str] = "csl.client.survey_sent.v1"
    survey: Survey
    contact_id: ContactId | None = None
    occasion: Annotated[Identifier, Field(examples=["day_7"])] | None = None


class SurveyAnswered(ClientEvent):
    """A survey was answered: `score` on the scale from `scale_min` to `scale_max`, both included."""

    TYPE: ClassVar[str] = "csl.client.survey_answered.v1"
    survey: Survey
    contact_id: ContactId | None = None
    occasion: Annotated[Identifier, Field(examples=["day_7"])] | None = None
    score: Annotated[Number, Field(examples=[9])]
    scale_min: Annotated[Number, Field(examples=[0])]
    scale_max: Annotated[Number, Field(examples=[10])]
    reading: Reading | None = None
    text_ref: TextRef | None = None

    @model_validator(mode="after")
    def _on_its_scale(self) -> Self:
        if not self.scale_min < self.scale_max:
            raise ValueError("scale_min must be below scale_max")
        if not self.scale_min <= self.score <= self.scale_max:
            raise ValueError("score lies outside scale_min … scale_max")
        return self


class Priority(StrEnum):
    """How urgent a ticket is."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


class Author(StrEnum):
    """Who wrote or changed something."""

    CLIENT = "client"
    US = "us"
    SYSTEM = "system"


class Csat(Value):
    """A rating of one ticket; the scale begins at its vendor's lowest rating, `scale_min` (1 if absent)."""

    score: Annotated[Number, Field(examples=[4])]
    scale_max: Annotated[Number, Field(examples=[5])]
    scale_min: Number | None = None


class TicketOpened(ClientEvent):
    """The client opened a ticket."""

    TYPE: ClassVar[str] = "csl.client.ticket_opened.v1"
    ticket_id: TicketId
    priority: Priority
    contact_id: ContactId | None = None
    reading: Reading | None = None
    text_ref: TextRef | None = None


class TicketChange(ClientEvent):
    """What changed on a ticket; a reading is the mood of `author`, so only the client's is the client's."""

    ticket_id: TicketId
    author: Author | None = None
    status: Annotated[Identifier, Field(examples=["pending"])] | None = None
    priority: Priority | None = None
    csat: Csat | None = None
    reading: Reading | None = None
    text_ref: TextRef | None = None


class TicketUpdated(TicketChange):
    """Something was said or changed on a ticket."""

    TYPE: ClassVar[str] = "csl.client.ticket_updated.v1"


class TicketResolved(TicketChange):
    """A ticket was resolved."""

    TYPE: ClassVar[str] = "csl.client.ticket_resolved.v1"


class MessageExchanged(ClientEvent):
    """A message between the client and us; `person_email` is ours."""

    TYPE: ClassVar[str] = "csl.client.message_exchanged.v1"
    message_id: MessageId
    channel: Annotated[Identifier, Field(examples=["email"])]
    direction: Literal["inbound", "outbound"]
    contact_id: ContactId | None = None
    person_email: Email | None = None
    thread_id: Annotated[Identifier, Field(examples=["thr-401"])] | None = None
    in_reply_to: MessageId | None = None
    expects_reply: Boolean | None = None
    """Whether we wait for an answer; ingest fills in true for a direct outbound message."""
    reading: Reading | None = None
    text_ref: TextRef | None = None


class MeetingKind(StrEnum):
    """What a meeting is for."""

    KICKOFF = "kickoff"
    CHECK_IN = "check_in"
    REVIEW = "review"
    QBR = "qbr"
    ROOT_CAUSE = "root_cause"
    RENEWAL = "renewal"
    EXECUTIVE = "executive"
    INFORMAL = "informal"


class MeetingScheduled(ClientEvent):
    """A meeting with the client is in the calendar."""

    TYPE: ClassVar[str] = "csl.client.meeting_scheduled.v1"
    meeting_id: MeetingId
    kind: MeetingKind
    starts_at: UtcDatetime
    ends_at: UtcDatetime | None = None
    attendees: tuple[Person, ...] | None = None
    agenda_sent_at: UtcDatetime | None = None


class MeetingHeld(ClientEvent):
    """A meeting took place; `inferred` if its end passed and nobody had cancelled it."""

    TYPE: ClassVar[str] = "csl.client.meeting_held.v1"
    meeting_id: MeetingId
    kind: MeetingKind | None = None
    attended: tuple[Person, ...]
    absent: tuple[Person, ...] | None = None
    minutes: Annotated[Quantity, Field(examples=[45])] | None = None
    summary_sent_at: UtcDatetime | None = None
    inferred: Boolean | None = None


class MeetingCancelled(ClientEvent):
    """A meeting was called off."""

    TYPE: ClassVar[str] = "csl.client.meeting_cancelled.v1"
    meeting_id: MeetingId
    by: Side
    notice_hours: Annotated[Number, Field(examples=[2.5])] | None = None
    """Hours before its start; negative for one called off after it should have begun."""


EVENTS: tuple[type[ClientEvent], ...] = (
    SurveySent,
    SurveyAnswered,
    TicketOpened,
    TicketUpdated,
    TicketResolved,
    MessageExchanged,
    MeetingScheduled,
    MeetingHeld,
    MeetingCancelled,
)
