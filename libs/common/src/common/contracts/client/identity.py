"""Who a client is, and what happens to its record as a whole."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from common.contracts.client.base import ClientEvent
from common.contracts.fields import (
    UUID,
    Boolean,
    Bound,
    ContactId,
    Count,
    Day,
    Email,
    Identifier,
    Money,
    Name,
    Value,
)


class Tier(StrEnum):
    """How closely we look after a client."""

    STRATEGIC = "strategic"
    CORE = "core"
    STANDARD = "standard"


class Engagement(StrEnum):
    """Whether the client uses a product of ours or runs projects with us."""

    PRODUCT = "product"
    PROJECT = "project"


class Ref(Value):
    """The name of a client in an outside system."""

    source: Annotated[Identifier, Field(examples=["hubspot"])]
    kind: Annotated[Identifier, Field(examples=["company"])]
    id: Annotated[Identifier, Field(examples=["18412397"])]


class Profile(ClientEvent):
    """What is known of a client; absent means not said, not empty."""

    name: Annotated[Name, Field(examples=["Northwind Labs"])] | None = None
    domain: Annotated[Identifier, Field(examples=["northwind.example"])] | None = None
    tier: Tier | None = None
    segment: Annotated[Identifier, Field(examples=["mid_market"])] | None = None
    industry: Annotated[Name, Field(examples=["logistics"])] | None = None
    engagement: Engagement | None = None
    timezone: Annotated[Identifier, Field(examples=["Europe/Berlin"])] | None = None
    csm_email: Email | None = None
    executive_sponsor_email: Email | None = None
    contract_started_on: Day | None = None
    renewal_on: Day | None = None
    mrr: Money | None = None
    seats: Annotated[Count, Field(examples=[40])] | None = None
    key_features: Annotated[tuple[Identifier, ...], Field(examples=[["reports", "automation"]])] | None = None
    test: Boolean | None = None


class ClientRegistered(Profile):
    """A client is known from now on, under the refs given."""

    TYPE: ClassVar[str] = "csl.client.client_registered.v1"
    refs: tuple[Ref, ...]


class ClientUpdated(Profile):
    """Something about a client was changed where it is kept; only what changed is said."""

    TYPE: ClassVar[str] = "csl.client.client_updated.v1"
    refs: tuple[Ref, ...] | None = None


class ClientHandedOff(ClientEvent):
    """Onboarding is over: the client went from onboarding to its CSM."""

    TYPE: ClassVar[str] = "csl.client.client_handed_off.v1"


class EventWithdrawn(ClientEvent):
    """An earlier event never happened: mapping fixed, link corrected, or raw body found wrong."""

    TYPE: ClassVar[str] = "csl.client.event_withdrawn.v1"
    event_id: UUID


class ClientsMerged(ClientEvent):
    """Two records are one client; published once under each id."""

    TYPE: ClassVar[str] = "csl.client.clients_merged.v1"
    from_client_id: UUID
    into_client_id: UUID
    moved: tuple[UUID, ...] | None = None
    """Ids of events that went over, where not all did."""


class ClientsUnmerged(ClientEvent):
    """A merge is taken back; published once under each id."""

    TYPE: ClassVar[str] = "csl.client.clients_unmerged.v1"
    from_client_id: UUID
    into_client_id: UUID
    moved: tuple[UUID, ...] | None = None


class ContactErased(ClientEvent):
    """A person is erased; every service deletes what names it."""

    TYPE: ClassVar[str] = "csl.client.contact_erased.v1"
    contact_id: ContactId


class ClientErased(ClientEvent):
    """A client is erased; every service deletes what it holds of it."""

    TYPE: ClassVar[str] = "csl.client.client_erased.v1"


class ImportFinished(ClientEvent):
    """The history of one client is in; only now are imported spans evaluated."""

    TYPE: ClassVar[str] = "csl.client.import_finished.v1"
    import_id: UUID
    from_: Annotated[Bound, Field(alias="from")]
    to: Bound


EVENTS: tuple[type[ClientEvent], ...] = (
    ClientRegistered,
    ClientUpdated,
    ClientHandedOff,
    EventWithdrawn,
    ClientsMerged,
    ClientsUnmerged,
    ContactErased,
    ClientErased,
    ImportFinished,
)
