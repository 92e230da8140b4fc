"""What the HTTP edge takes and gives."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from common.contracts.base import UtcDatetime
from common.contracts.fields import Text
from pydantic import BaseModel, ConfigDict, Field

from notify.domain.rules import Channel
from notify.repository.deliveries import message_of

State = Literal["queued", "delivered", "failed", "suppressed"]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DeliveryView(BaseModel):
    """One message to one recipient on one channel, and what became of it."""

    delivery_id: UUID
    client_id: UUID | None
    client: str = Field(examples=["Northwind Labs"])
    case_id: UUID | None
    event_id: UUID
    kind: str = Field(examples=["band_changed"])
    rule: str = Field(examples=["score_below_60"])
    rules_version: int
    channel: Channel
    recipient: str = Field(examples=["maya@ours.example"])
    title: str = Field(examples=["Northwind Labs is red: health 52.1 (was 71.4)"])
    state: State
    reason: str | None = Field(description="why it was suppressed, or failed for good")
    attempts: int
    last_error: str | None
    next_try_at: datetime | None = Field(description="wall time of the next attempt, while it is being retried")
    happened_at: datetime = Field(description="when what it tells of happened (business time)")
    planned_at: datetime
    done_at: datetime | None = Field(description="wall time of delivery, failure or suppression")
    place: dict[str, str] | None = Field(description="the target's own name for it: Slack channel and ts, Message-ID")


class Action(BaseModel):
    action: str
    by: str
    note: str | None
    at: datetime


class DeliveryDetail(DeliveryView):
    """The same with the message itself and what people answered."""

    message: dict[str, Any]
    text: str = Field(description="as plain text")
    actions: list[Action]


def view(row: dict[str, Any]) -> DeliveryView:
    message = message_of(row["message"])
    fields = {name: row[name] for name in DeliveryView.model_fields if name in row}
    place = message_of(row["place"]) if row["place"] is not None else None
    return DeliveryView(**{**fields, "client": message["client"], "title": message["title"], "place": place})


class RuleView(BaseModel):
    """One rule as it is in force."""

    name: str
    on: str
    when: dict[str, Any]
    to: list[str]
    channels: list[Channel]
    tone: str
    throttle_seconds: float | None
    throttle_per: list[str]
    stale_after_seconds: float
    bounded: bool
    next: list[str]


class RulesView(BaseModel):
    """All rules in order (the first that matches speaks), and their version."""

    version: int
    sha256: str
    limit_messages: int
    limit_seconds: float
    items: list[RuleView]
    next: str | None = None


class PreferenceForm(_Form):
    """What a person of ours asks for. What is left out is set back to "as the rules say"."""

    channels: list[Channel] | None = Field(default=None, description="null: all that a rule names")
    muted: list[str] = Field(default_factory=list, max_length=50, description="names of rules")
    quiet_until: UtcDatetime | None = None
    timezone: str | None = Field(default=None, max_length=60, examples=["Europe/Berlin"])


class PreferenceView(BaseModel):
    person: str
    channels: list[Channel] | None
    muted: list[str]
    quiet_until: datetime | None
    timezone: str | None
    version: int
    updated_at: datetime
    updated_by: str


class QuietForm(_Form):
    """`quiet_until` null ends the quiet."""

    quiet_until: UtcDatetime | None
    reason: Text | None = None


class QuietView(BaseModel):
    client_id: UUID
    quiet_until: datetime | None
    reason: str | None
    updated_at: datetime
    updated_by: str


class FeedbackForm(_Form):
    """Whether a message helped."""

    action: Literal["useful", "not_useful", "acknowledged"]
    note: Text | None = None


class FeedbackView(BaseModel):
    delivery_id: UUID
    action: str
    by: str
    recorded: bool = Field(description="false: it was known already")


class RetryForm(_Form):
    """Which failed deliveries go back into the queue: all, or those of a channel, or since a moment."""

    channel: Channel | None = None
    since: UtcDatetime | None = None


class Retried(BaseModel):
    queued: int


class CrmView(BaseModel):
    """What the CRM says of a client, and what it should say."""

    client_id: UUID
    company_id: str | None
    wanted: dict[str, Any]
    written: dict[str, Any] | None
    written_at: datetime | None
    due_at: datetime | None
    attempts: int
    last_error: str | None
    writes: int
