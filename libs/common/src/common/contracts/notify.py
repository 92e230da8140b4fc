"""What became of each message to a person: what notify publishes."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from common.contracts.base import Data
from common.contracts.fields import UUID, Count, Identifier, Text, UtcDatetime

TOPIC = "csl.notify.deliveries.v1"


class Delivery(Data):
    """One message to one recipient on one channel; recipients are people of ours, a channel, or our CRM."""

    TOPIC: ClassVar[str] = TOPIC
    delivery_id: UUID
    client_id: UUID | None = None
    channel: Annotated[Identifier, Field(examples=["slack"])]
    recipient: Annotated[Identifier, Field(examples=["maya@ours.example"])]
    rule: Annotated[Identifier, Field(examples=["band_worse"])]
    reason: Annotated[Text, Field(examples=["quiet until Monday 8:00"])] | None = None
    case_id: UUID | None = None
    as_of: UtcDatetime | None = None


class Delivered(Delivery):
    """A message reached its channel."""

    TYPE: ClassVar[str] = "csl.notify.delivered.v1"
    attempts: Annotated[Count, Field(examples=[1])] | None = None


class Failed(Delivery):
    """A message could not be delivered, after all attempts."""

    TYPE: ClassVar[str] = "csl.notify.failed.v1"
    attempts: Annotated[Count, Field(examples=[8])] | None = None


class Suppressed(Delivery):
    """A message was held back by a rule; `reason` says by which."""

    TYPE: ClassVar[str] = "csl.notify.suppressed.v1"


class Acted(Delivery):
    """A person acted on a message: pressed a button, or said whether it helped."""

    TYPE: ClassVar[str] = "csl.notify.acted.v1"
    action: Annotated[Identifier, Field(examples=["acknowledged"])] | None = None
    by: Annotated[Identifier, Field(examples=["maya@ours.example"])] | None = None


EVENTS: tuple[type[Data], ...] = (Delivered, Failed, Suppressed, Acted)
