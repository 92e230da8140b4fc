"""The client's people, and what people say about the relationship."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from common.contracts.base import PERSONAL
from common.contracts.client.base import ClientEvent, Reading
from common.contracts.fields import Boolean, ContactId, Email, Identifier, Integer, Name, TextRef


class ContactRole(StrEnum):
    """What a contact is for us."""

    SPONSOR = "sponsor"
    CHAMPION = "champion"
    DECISION_MAKER = "decision_maker"
    USER = "user"
    OTHER = "other"


class Contact(ClientEvent):
    """A person at the client. Name and address are kept by ingest alone."""

    contact_id: ContactId
    name: Annotated[Name | None, PERSONAL, Field(examples=["Ada Okafor"])] = None
    email: Annotated[Email | None, PERSONAL, Field(examples=["ada@northwind.example"])] = None
    role: ContactRole


class ContactAdded(Contact):
    """A person at the client is known from now on."""

    TYPE: ClassVar[str] = "csl.client.contact_added.v1"


class ContactUpdated(Contact):
    """What is known of a person at the client changed."""

    TYPE: ClassVar[str] = "csl.client.contact_updated.v1"


class ContactMoved(ClientEvent):
    """A contact's place at the client changed."""

    contact_id: ContactId
    role_before: ContactRole | None = None
    role_after: ContactRole | None = None


class ContactRoleChanged(ContactMoved):
    """A contact has another role."""

    TYPE: ClassVar[str] = "csl.client.contact_role_changed.v1"


class ContactLeft(ContactMoved):
    """A contact left the client."""

    TYPE: ClassVar[str] = "csl.client.contact_left.v1"


class SponsorChanged(ClientEvent):
    """The client has another sponsor, or none."""

    TYPE: ClassVar[str] = "csl.client.sponsor_changed.v1"
    contact_before: ContactId | None = None
    contact_after: ContactId | None = None


class Remark(ClientEvent):
    """A thing said or seen: entered by a person, or inferred by ingest from the topics of a text."""

    contact_id: ContactId | None = None
    minor: Boolean | None = None
    inferred: Boolean | None = None
    reading: Reading | None = None
    text_ref: TextRef | None = None


class OrganisationChanged(Remark):
    """The client reorganised: new owners, leaders or structure."""

    TYPE: ClassVar[str] = "csl.client.organisation_changed.v1"


class CompetitorMentioned(Remark):
    """The client spoke of a competitor of ours."""

    TYPE: ClassVar[str] = "csl.client.competitor_mentioned.v1"


class LegalInvolved(Remark):
    """The client brought lawyers in; `minor` if the matter is small."""

    TYPE: ClassVar[str] = "csl.client.legal_involved.v1"


class PlanningDiscussed(Remark):
    """The client plans ahead with us."""

    TYPE: ClassVar[str] = "csl.client.planning_discussed.v1"


class FeedbackGiven(Remark):
    """The client told us frankly what it thinks."""

    TYPE: ClassVar[str] = "csl.client.feedback_given.v1"


class ConflictResolved(Remark):
    """A conflict with the client is settled."""

    TYPE: ClassVar[str] = "csl.client.conflict_resolved.v1"


class CsmSentimentGiven(ClientEvent):
    """The CSM's own feeling about the client, 1 (bad) to 5 (good)."""

    TYPE: ClassVar[str] = "csl.client.csm_sentiment_given.v1"
    score: Annotated[Integer, Field(ge=1, le=5, examples=[3])]
    by: Annotated[Identifier, Field(examples=["maya@ours.example"])]
    reading: Reading | None = None
    text_ref: TextRef | None = None


class ReferralKind(StrEnum):
    """What the client gave."""

    REFERRAL = "referral"
    TESTIMONIAL = "testimonial"
    CASE_STUDY = "case_study"


class ReferralGiven(ClientEvent):
    """The client spoke for us."""

    TYPE: ClassVar[str] = "csl.client.referral_given.v1"
    kind: ReferralKind
    contact_id: ContactId | None = None


EVENTS: tuple[type[ClientEvent], ...] = (
    ContactAdded,
    ContactUpdated,
    ContactRoleChanged,
    ContactLeft,
    SponsorChanged,
    OrganisationChanged,
    CompetitorMentioned,
    LegalInvolved,
    PlanningDiscussed,
    FeedbackGiven,
    ConflictResolved,
    CsmSentimentGiven,
    ReferralGiven,
)
