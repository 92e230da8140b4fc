"""deploy/config/sources.yaml: which sources there are and how each one's words map to ours. Read once at start."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from common.contracts.client import ContactRole, Profile, Tier
from pydantic import BaseModel, ConfigDict, Field, model_validator

PROFILE_FIELDS = frozenset(Profile.model_fields)
ContractEvent = Literal["contract_signed", "contract_renewed", "expansion_requested"]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SourceBase(_Model):
    """What every source has, whoever the vendor."""

    name: str = ""
    """Set from the key in the file."""
    public_url: str = ""
    """The whole URL that was given to the vendor, where its signature covers the URL; empty: as served."""
    limit_bytes: Annotated[int, Field(gt=0, le=32 << 20)] = 1 << 20
    expected_every_minutes: Annotated[int, Field(gt=0)] = 24 * 60
    """The longest silence that is normal; after it the feed is published as silent."""


class HubspotSource(SourceBase):
    """Company properties and the words of choice that differ from portal to portal."""

    vendor: Literal["hubspot"]
    signature: Literal["v1", "v2", "v3"] = "v3"
    own_app_id: str = ""
    """The app that writes our status back; its changes come home as webhooks and are dropped."""
    own_property_prefix: str = "csl_"
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "USD"
    company_properties: dict[str, str] = {}
    company_refs: dict[str, str] = {}
    """Property → `source:kind`: other systems' ids that the CRM keeps, so that their feeds find the client."""
    tiers: dict[str, Tier] = {}
    owners: dict[str, str] = {}
    """HubSpot owner id → e-mail address of our person."""
    contact_role_property: str = "hs_buying_role"
    roles: dict[str, ContactRole] = {}
    deal_stages: dict[str, ContractEvent] = {}
    ticket_closed_stages: list[str] = ["4"]

    @model_validator(mode="after")
    def _known_fields(self) -> Self:
        for prop, field in self.company_properties.items():
            if field not in PROFILE_FIELDS:
                raise ValueError(f"company_properties: {prop} → {field}: no such field of a client")
        for prop, target in self.company_refs.items():
            if target.count(":") != 1:
                raise ValueError(f"company_refs: {prop} → {target}: write source:kind")
        return self


class StripeSource(SourceBase):
    """Where Stripe's objects say which client they belong to."""

    vendor: Literal["stripe"]
    client_ref_metadata: str = "client_ref"
    """Key in a customer's metadata that holds `source:kind:id` or our own client id."""


class ZendeskSource(SourceBase):
    """Nothing to set: Zendesk's words are fixed."""

    vendor: Literal["zendesk"]


class SegmentSource(SourceBase):
    """Which tracked events are logins, trainings, features."""

    vendor: Literal["segment"]
    logins: list[str] = []
    trainings: dict[str, str] = {}
    """Event → the property that names the course."""
    features: dict[str, str] = {}
    """Event → feature; others become a feature of their own name unless `only_listed`."""
    ignore: list[str] = []
    only_listed: bool = False
    quantity_property: str = "quantity"
    """How often, where one event stands for many (a nightly aggregate); of logins, too."""
    users_property: str = "active_users"
    secret_header: str = "x-csl-secret"  # noqa: S105  (a header's name)
    """Segment signs the first event of a batch only; a batch needs this header, too, to hold the secret."""


Source = Annotated[HubspotSource | StripeSource | ZendeskSource | SegmentSource, Field(discriminator="vendor")]


class Sources(_Model):
    """The whole file."""

    sources: dict[str, Source]

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        if isinstance(value, dict) and isinstance(value.get("sources"), dict):
            for name, source in value["sources"].items():
                if isinstance(source, dict):
                    source["name"] = name
        return value


class Lexicon(_Model):
    """deploy/config/lexicon.yaml: words and phrases of business that a general mood scorer does not know."""

    version: str
    valence: dict[str, float]
    """Word → −4 … 4, VADER's scale."""
    topics: dict[str, list[str]]
    """Topic → phrases; `(a|b)` are alternatives, a `?` after them makes them optional."""
    negations: list[str] = []
    stopwords: dict[str, list[str]] = {}
    """Language → its commonest small words, by which it is recognised."""


def load_sources(directory: Path) -> dict[str, Source]:
    """Raises pydantic.ValidationError or OSError: a service with a wrong map does not start."""
    return Sources.model_validate(yaml.safe_load((directory / "sources.yaml").read_text())).sources


def load_lexicon(directory: Path) -> Lexicon:
    return Lexicon.model_validate(yaml.safe_load((directory / "lexicon.yaml").read_text()))
