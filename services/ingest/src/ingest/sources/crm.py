"""What CRMs have in common: a company's properties are fields of our client, a deal's stages are contracts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal, Self

from common.contracts import client
from common.contracts.client import ContactRole, Tier
from pydantic import Field, ValidationError, model_validator

from ingest.config import PROFILE_FIELDS, Source
from ingest.domain.currencies import minor_units
from ingest.domain.refs import Ref, bare_domain
from ingest.domain.statement import Unreadable
from ingest.domain.times import day
from ingest.sources import bodies

ContractEvent = Literal["contract_signed", "contract_renewed", "contract_cancelled", "expansion_requested"]
ContractField = Literal["mrr", "seats", "starts_on", "ends_on"]
OWNED = frozenset({"csm_email", "executive_sponsor_email"})


class CrmSource(Source):
    """Company properties and the words of choice that differ from one CRM's account to the next."""

    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "USD"
    """Of amounts that name none."""
    company_properties: dict[str, str] = {}
    company_refs: dict[str, str] = {}
    """Property → `source:kind`: other systems' ids that the CRM keeps, so that their feeds find the client."""
    tiers: dict[str, Tier] = {}
    owners: dict[str, str] = {}
    """The CRM's user id → e-mail address of our person."""
    contact_role_property: str = ""
    roles: dict[str, ContactRole] = {}
    deal_stages: dict[str, ContractEvent] = {}

    @model_validator(mode="after")
    def _known_fields(self) -> Self:
        for prop, name in self.company_properties.items():
            if name not in PROFILE_FIELDS:
                raise ValueError(f"company_properties: {prop} → {name}: no such field of a client")
        for prop, target in self.company_refs.items():
            if target.count(":") != 1:
                raise ValueError(f"company_refs: {prop} → {target}: write source:kind")
        return self


@dataclass(frozen=True, slots=True)
class Written:
    """A property's value as text; the currency where the CRM says one."""

    text: str
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Company:
    """What a company's properties say of our client."""

    said: dict[str, object] = field(default_factory=dict)
    refs: tuple[Ref, ...] = ()
    unreadable: dict[str, str] = field(default_factory=dict)
    """Property → why; the others count all the same."""

    @property
    def hints(self) -> dict[str, str]:
        return {name: str(self.said[name]) for name in ("name", "domain") if name in self.said}


def company(values: Mapping[str, Written], config: CrmSource) -> Company:
    """Of a record's properties those that are mapped; an owner who is not listed is not said."""
    found = Company(refs=tuple(ref for name, value in values.items() if (ref := company_ref(name, value.text, config))))
    for name, value in values.items():
        target = config.company_properties.get(name)
        if target is None or (target in OWNED and is_unlisted(value.text, config)):
            continue
        try:
            said = company_value(target, name, value.text, config, value.currency)
            client.ClientUpdated.model_validate({target: said})
            found.said[target] = said
        except Unreadable as unreadable:
            found.unreadable[name] = unreadable.reason
        except ValidationError as invalid:
            found.unreadable[name] = f"{name}: as {target}: {invalid.errors(include_url=False)[0]['msg']}"
    return found


def is_unlisted(owner: str, config: CrmSource) -> bool:
    """Whether this is the id of a person of ours whose address we were not told."""
    return owner not in config.owners and "@" not in owner


def company_ref(name: str, value: str, config: CrmSource) -> Ref | None:
    """The client's name in another system, where the CRM keeps it in this property."""
    other = bodies.identifier(value) if name in config.company_refs else None
    if other is None:
        return None
    source, kind = config.company_refs[name].split(":")
    return Ref(source, kind, other)


def company_value(target: str, name: str, value: str, config: CrmSource, currency: str | None = None) -> object:
    """The property's value as the client's field `target` holds it. Raises Unreadable."""
    converted: object
    if target in OWNED:
        converted = config.owners.get(value, value).lower()
        if "@" not in str(converted):
            raise Unreadable(f"{name}: {value[:80]!r} is no e-mail address")
    elif target == "mrr":
        converted = money(value, currency or config.currency)
    elif target == "tier":
        converted = _tier(value, config)
    else:
        convert = _CONVERT.get(target)
        converted = convert(value) if convert else value
    if converted is None:
        raise Unreadable(f"{name}: {value[:80]!r} cannot be read as {target}")
    return converted


def money(value: str, currency: str) -> dict[str, object] | None:
    """Major units as a CRM writes them → minor units; None for what is no amount."""
    try:
        amount = Decimal(value)
    except InvalidOperation:
        return None
    code = currency.upper()
    if not amount.is_finite() or abs(amount) > 10**13 or not re.fullmatch("[A-Z]{3}", code):
        return None
    return {"amount": int((amount * minor_units(code)).to_integral_value()), "currency": code}


def _tier(value: str, config: CrmSource) -> str | None:
    if value in config.tiers:
        return config.tiers[value].value
    return value.lower() if value.lower() in set(Tier) else None


def _iso(value: str) -> str | None:
    found = day(value)
    return found.isoformat() if found else None


_CONVERT: Mapping[str, Callable[[str], object]] = {
    "domain": bare_domain,
    "contract_started_on": _iso,
    "renewal_on": _iso,
    "seats": bodies.integer,
    "engagement": lambda value: value.lower() if value.lower() in set(client.Engagement) else None,
    "key_features": lambda value: [part.strip() for part in re.split("[;,]", value) if part.strip()],
    "test": lambda value: {"true": True, "false": False, "yes": True, "no": False}.get(value.lower()),
}
_ROLE_ORDER = [role.value for role in ContactRole]


def role(value: str | None, config: CrmSource) -> str:
    """A property may hold several; the weightiest counts. None of ours, or cleared: a user."""
    ours = {config.roles[part].value for part in (value or "").split(";") if part in config.roles}
    return min(ours, key=_ROLE_ORDER.index, default=ContactRole.USER.value)


def terms(values: Mapping[str, Written], fields: Mapping[str, ContractField], config: CrmSource) -> dict[str, object]:
    """What a deal's properties say of the contract. Raises Unreadable for one that cannot be read."""
    said: dict[str, object] = {}
    for name, target in fields.items():
        value = values.get(name)
        if value is None:
            continue
        converted: object
        if target == "mrr":
            converted = money(value.text, value.currency or config.currency)
        else:
            converted = bodies.integer(value.text) if target == "seats" else _iso(value.text)
        if converted is None:
            raise Unreadable(f"{name}: {value.text[:80]!r} cannot be read as {target}")
        said[target] = converted
    return said


def contract(
    event: ContractEvent, deal: str, on: date | None, said: Mapping[str, Any] | None = None, reason: str | None = None
) -> client.ClientEvent:
    """What a deal's stage amounts to, from the day `on` unless its own terms say another. Raises Unreadable."""
    if event == "expansion_requested":
        return client.ExpansionRequested()
    dated = {"starts_on": on, **(said or {})}
    if dated["starts_on"] is None or (event == "contract_cancelled" and on is None):
        raise Unreadable("the deal does not say when")
    if event == "contract_cancelled":
        why = reason[:1000] if reason else None
        return client.ContractCancelled.model_validate({"contract_id": deal, "effective_on": on, "reason": why})
    body = client.ContractSigned if event == "contract_signed" else client.ContractRenewed
    return body.model_validate({"contract_id": deal, **dated})
