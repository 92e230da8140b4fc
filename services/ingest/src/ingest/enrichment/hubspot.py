"""HubSpot's webhooks are one property each, and creations are bare ids: the rest is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from common.contracts import client

from ingest.domain.arrival import Lookup
from ingest.domain.refs import Ref
from ingest.domain.statement import ContactChange, SourceEvent, Statement, Unreadable
from ingest.sources import bodies, crm
from ingest.sources.crm import Written
from ingest.sources.hubspot import PRIORITIES, HubspotSource

KINDS = ("company", "contact", "deal", "ticket")
CONTACT = ("firstname", "lastname", "email")
TICKET = ("subject", "content", "hs_ticket_priority", "source_type")
THEIRS = frozenset({"EMAIL", "FORM", "CHAT"})
"""Sources of a ticket whose words are the client's; one made by hand or by phone holds an agent's."""


def lookups(event: SourceEvent, config: HubspotSource) -> tuple[Lookup, ...]:
    """A created object whole; any other while nobody knows whose it is; a ticket's words for who wrote them."""
    kind, _, what = event.kind.partition(".")
    found = bodies.identifier(event.body.get("objectId"))
    name = bodies.text(event.body.get("propertyName")) or ""
    if kind not in KINDS or found is None or name.startswith(config.own_property_prefix):
        return ()
    if what == "creation":
        return (Lookup(kind, found),)
    if what != "propertyChange":
        return ()
    if (kind, name) == ("ticket", "content"):
        return (Lookup(kind, found),)
    value = bodies.text(event.body.get("propertyValue"))
    unlisted = config.company_properties.get(name) in crm.OWNED and value and crm.is_unlisted(value, config)
    return (Lookup(kind, found, if_parked=not (kind == "company" and unlisted)),)


def properties(kind: str, config: HubspotSource) -> list[str]:
    """What is asked for of an object."""
    if kind == "company":
        return sorted({*config.company_properties, *config.company_refs})
    if kind == "contact":
        return [*CONTACT, *([config.contact_role_property] if config.contact_role_property else [])]
    return list(TICKET) if kind == "ticket" else ["dealname"]


def unlisted_owners(values: Mapping[str, Any], config: HubspotSource) -> list[str]:
    """Properties of a company that hold the id of a person of ours whose address we were not told."""
    return [
        name
        for name, field in config.company_properties.items()
        if field in crm.OWNED and (value := bodies.identifier(values.get(name))) and crm.is_unlisted(value, config)
    ]


def learnt(kind: str, found: Mapping[str, Any], config: HubspotSource, now: datetime) -> list[Statement]:
    """As of now: HubSpot does not say since when each property is what it is."""
    id_ = bodies.identifier(found.get("id"))
    if id_ is None:
        raise Unreadable("the object's id is missing")
    ref, values = Ref(config.name, kind, id_), bodies.mapping(found.get("properties"))
    if kind == "company":
        return _company(ref, values, config, now)
    owner = _company_of(found, config)
    refs, links = ((owner, ref), (ref,)) if owner else ((ref,), ())
    if kind == "contact":
        return [_contact(ref, refs, links, values, config, now)]
    if kind == "ticket":
        return _ticket(ref, refs, links, values, now)
    return [Statement(refs, now, links=links)] if owner else []


def _company(ref: Ref, values: Mapping[str, Any], config: HubspotSource, now: datetime) -> list[Statement]:
    written = {name: Written(text) for name, value in values.items() if (text := bodies.text(value))}
    company = crm.company(written, config)
    said: list[Statement] = []
    if company.said:
        said.append(Statement((ref,), now, client.ClientUpdated.model_validate(company.said), hints=company.hints))
    if company.refs:
        said.append(Statement((ref,), now, links=company.refs))
    return said


def _contact(
    ref: Ref,
    refs: tuple[Ref, ...],
    links: tuple[Ref, ...],
    values: Mapping[str, Any],
    config: HubspotSource,
    now: datetime,
) -> Statement:
    role, email = bodies.text(values.get(config.contact_role_property)), bodies.text(values.get("email"))
    change = ContactChange(
        ref.id,
        first_name=bodies.text(values.get("firstname")),
        last_name=bodies.text(values.get("lastname")),
        email=email,
        role=crm.role(role, config) if role else None,
    )
    return Statement(refs, now, contact=change, links=links, hints={"email": email} if email else {})


def _ticket(
    ref: Ref, refs: tuple[Ref, ...], links: tuple[Ref, ...], values: Mapping[str, Any], now: datetime
) -> list[Statement]:
    priority = PRIORITIES.get((bodies.text(values.get("hs_ticket_priority")) or "").upper())
    theirs = (bodies.text(values.get("source_type")) or "").upper() in THEIRS
    words = "\n".join(part for name in ("subject", "content") if (part := bodies.text(values.get(name))))
    said = client.TicketUpdated(
        ticket_id=ref.id,
        author=client.Author.CLIENT if theirs else None,
        priority=client.Priority(priority) if priority else None,
    )
    if not theirs and priority is None:
        return [Statement(refs, now, links=links)] if links else []
    return [Statement(refs, now, said, links=links, text=words or None if theirs else None)]


def _company_of(found: Mapping[str, Any], config: HubspotSource) -> Ref | None:
    """The primary company (`contact_to_company`, without `_unlabeled`), or the only one; of several equals, none."""
    listed = bodies.mapping(bodies.mapping(found.get("associations")).get("companies")).get("results")
    results = [bodies.mapping(one) for one in listed] if isinstance(listed, list) else []
    primary = [one for one in results if str(one.get("type", "")).endswith("_to_company")]
    ids = {id_ for one in primary or results if (id_ := bodies.identifier(one.get("id")))}
    return Ref(config.name, "company", ids.pop()) if len(ids) == 1 else None
