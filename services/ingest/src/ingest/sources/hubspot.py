"""HubSpot CRM webhooks (docs/sources/hubspot.md): arrays of up to 100 small changes, ids instead of objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from common.contracts import client

from ingest.config import Source
from ingest.domain.refs import Ref
from ingest.domain.statement import ContactChange, Ignored, SourceEvent, Statement, Unreadable
from ingest.domain.times import moment
from ingest.sources import bodies, crm, signatures
from ingest.sources.crm import CrmSource

WINDOW = timedelta(minutes=5)
OBJECTS = {"0-1": "contact", "0-2": "company", "0-3": "deal", "0-5": "ticket"}
"""objectTypeId of the generic subscriptions (`object.creation`), which replace `company.creation` and its like."""
PRIORITIES = {"LOW": "low", "MEDIUM": "normal", "HIGH": "high", "URGENT": "urgent"}
# HubSpot signs the URI with these decoded (developers.hubspot.com, "Validating requests", v3)
_DECODED = {"%3A": ":", "%2F": "/", "%3F": "?", "%40": "@", "%21": "!", "%24": "$", "%27": "'", "%28": "(",
            "%29": ")", "%2A": "*", "%2C": ",", "%3B": ";"}  # fmt: skip


class HubspotSource(CrmSource):
    """Which signature the app uses, and what it writes itself."""

    vendor: Literal["hubspot"]
    signature: Literal["v1", "v2", "v3"] = "v3"
    own_app_id: str = ""
    """The app that writes our status back; its changes come home as webhooks and are dropped."""
    own_property_prefix: str = "csl_"
    contact_role_property: str = "hs_buying_role"
    ticket_closed_stages: list[str] = ["4"]


def verify(request: signatures.Request, secret: bytes, now: datetime, config: HubspotSource) -> None:
    """The one version that the source is set to: accepting any would make the weakest the rule."""
    if config.signature == "v3":
        return _verify_v3(request, secret, now)
    given = signatures.header(request, "X-HubSpot-Signature")
    if config.signature == "v1":
        expected = [signatures.plain_sha256_hex(secret, request.body)]
    else:
        method = request.method.encode()
        expected = [signatures.plain_sha256_hex(secret, method, url.encode(), request.body) for url in request.urls]
    if not any(signatures.same(value, given) for value in expected):
        raise signatures.Refusal(f"the {config.signature} signature does not match")
    return None


def _verify_v3(request: signatures.Request, secret: bytes, now: datetime) -> None:
    stamp = signatures.header(request, "X-HubSpot-Request-Timestamp")
    given = signatures.header(request, "X-HubSpot-Signature-v3")
    signatures.fresh(stamp, now, WINDOW)
    for url in request.urls:
        parts = (request.method.encode(), decoded(url).encode(), request.body, stamp.encode())
        if signatures.same(signatures.sha256_base64(secret, *parts), given):
            return
    raise signatures.Refusal("the v3 signature does not match")


def decoded(url: str) -> str:
    return re.sub("%[0-9A-Fa-f]{2}", lambda found: _DECODED.get(found[0].upper(), found[0]), url)


def split(body: bytes, headers: Mapping[str, str], config: Source) -> list[SourceEvent]:
    value = bodies.parse(body)
    items = value if isinstance(value, list) else [value]
    if not all(isinstance(item, dict) for item in items):
        raise Unreadable("expected an array of events")
    return [SourceEvent(_key(item), _kind(item), item) for item in items]


def join(items: Sequence[Mapping[str, Any]]) -> bytes:
    return bodies.dump(list(items))


def _key(item: Mapping[str, Any]) -> str:
    """`eventId` alone is not unique; a body without any of the parts is its own key."""
    parts = [item.get(name) for name in ("portalId", "subscriptionId", "objectId", "occurredAt", "eventId")]
    if item.get("eventId") is None or all(part is None for part in parts[:4]):
        return "sha256:" + bodies.digest(bodies.dump({k: v for k, v in item.items() if k != "attemptNumber"}))
    return ":".join(str(part) for part in parts)


def _kind(item: Mapping[str, Any]) -> str:
    kind = bodies.text(item.get("subscriptionType")) or bodies.text(item.get("eventType")) or "untyped"
    if kind.startswith("object."):
        # an association has two objects, and tells their types apart from one another
        type_id = str(item.get("objectTypeId") or item.get("fromObjectTypeId"))
        owner = OBJECTS.get(type_id, type_id)
        return f"{owner}.{kind.removeprefix('object.')}"[:200]
    return kind[:200]


def interpret(event: SourceEvent, config: HubspotSource) -> list[Statement] | Ignored:
    mapped = _KINDS.get(event.kind)
    if mapped is None:
        return _KNOWN_SILENT.get(event.kind) or Ignored(f"unknown type {event.kind}", unknown=True)
    if _own_write(event.body, config):
        return Ignored("our own write-back")
    return mapped(event.body, config)


def _own_write(item: Mapping[str, Any], config: HubspotSource) -> bool:
    """`appId` names the app that is told, on every event; who changed it is in `sourceId`."""
    name = bodies.text(item.get("propertyName")) or ""
    if name.startswith(config.own_property_prefix):
        return True
    by_app = bodies.text(item.get("changeSource")) == "INTEGRATION" and bool(name)
    return by_app and bool(config.own_app_id) and bodies.text(item.get("sourceId")) == config.own_app_id


def _ref(item: Mapping[str, Any], config: HubspotSource, kind: str, field: str = "objectId") -> Ref:
    found = bodies.identifier(item.get(field))
    if found is None:
        raise Unreadable(f"{field} is missing")
    return Ref(config.name, kind, found)


def _when(item: Mapping[str, Any]) -> datetime | None:
    return moment(item.get("occurredAt"))


def _company_created(item: Mapping[str, Any], config: HubspotSource) -> list[Statement] | Ignored:
    ref = _ref(item, config, "company")
    known = client.Ref(source=ref.source, kind=ref.kind, id=ref.id)
    return [Statement((ref,), _when(item), client.ClientRegistered(refs=(known,)), creates=True)]


def _company_changed(item: Mapping[str, Any], config: HubspotSource) -> list[Statement] | Ignored:
    ref, name = _ref(item, config, "company"), bodies.text(item.get("propertyName")) or ""
    value = bodies.text(item.get("propertyValue"))
    if name in config.company_refs:
        other = crm.company_ref(name, value or "", config)
        return [Statement((ref,), _when(item), links=(other,))] if other else Ignored("a ref was cleared")
    field = config.company_properties.get(name)
    if field is None:
        return Ignored(f"property {name[:100]} is not mapped")
    if value is None:
        return Ignored("a property was cleared")
    if name == "hubspot_owner_id" and value not in config.owners:
        return Ignored(f"owner {value[:40]} is not listed under owners")
    said = {field: crm.company_value(field, name, value, config)}
    hints: dict[str, str] = {key: str(said[key]) for key in ("name", "domain") if key in said}
    return [Statement((ref,), _when(item), client.ClientUpdated.model_validate(said), hints=hints)]


def _contact_created(item: Mapping[str, Any], config: HubspotSource) -> list[Statement] | Ignored:
    ref = _ref(item, config, "contact")
    return [Statement((ref,), _when(item), contact=ContactChange(ref.id))]


def _contact_changed(item: Mapping[str, Any], config: HubspotSource) -> list[Statement] | Ignored:
    ref, name = _ref(item, config, "contact"), bodies.text(item.get("propertyName")) or ""
    value = bodies.text(item.get("propertyValue"))
    if name == config.contact_role_property:
        change = ContactChange(ref.id, role=crm.role(value, config))
    elif name in _CONTACT_FIELDS and value:
        change = _CONTACT_FIELDS[name](ref.id, value)
    else:
        return Ignored(f"property {name[:100]} is not mapped" if value else "a property was cleared")
    hints = {"email": value} if name == "email" and value else {}
    return [Statement((ref,), _when(item), contact=change, hints=hints)]


_CONTACT_FIELDS: Mapping[str, Callable[[str, str], ContactChange]] = {
    "firstname": lambda who, value: ContactChange(who, first_name=value),
    "lastname": lambda who, value: ContactChange(who, last_name=value),
    "email": lambda who, value: ContactChange(who, email=value),
}


def _contact_gone(item: Mapping[str, Any], config: HubspotSource) -> list[Statement] | Ignored:
    ref = _ref(item, config, "contact")
    return [Statement((ref,), _when(item), contact=ContactChange(ref.id, left=True))]


def _associated(item: Mapping[str, Any], config: HubspotSource) -> list[Statement] | Ignored:
    """Which company a contact, deal or ticket belongs to: the only place where HubSpot says so by itself."""
    kind_from, kind_to = _sides(item)
    if None in {kind_from, kind_to} or (kind_from == "company") == (kind_to == "company"):
        return Ignored("an association that names no company")
    company, other = ("fromObjectId", "toObjectId") if kind_from == "company" else ("toObjectId", "fromObjectId")
    thing = _ref(item, config, str(kind_to if kind_from == "company" else kind_from), other)
    owner = _ref(item, config, "company", company)
    if item.get("associationRemoved") is True:
        if thing.kind != "contact":
            return Ignored("an association was removed")
        return [Statement((owner,), _when(item), contact=ContactChange(thing.id, left=True))]
    contact = ContactChange(thing.id) if thing.kind == "contact" else None
    return [Statement((owner,), _when(item), contact=contact, links=(thing,), moves=True)]


def _sides(item: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The kinds of the two objects: by their type ids in generic subscriptions, by name in the classic ones."""
    by_id = OBJECTS.get(str(item.get("fromObjectTypeId"))), OBJECTS.get(str(item.get("toObjectTypeId")))
    if by_id != (None, None):
        return by_id
    named = (bodies.text(item.get("associationType")) or "").lower().split("_to_")
    known = [kind if kind in OBJECTS.values() else None for kind in named]
    return (known[0], known[1]) if len(known) == 2 else (None, None)


def _deal_changed(item: Mapping[str, Any], config: HubspotSource) -> list[Statement] | Ignored:
    ref, at = _ref(item, config, "deal"), _when(item)
    if item.get("propertyName") != "dealstage":
        return Ignored("only a deal's stage is read")
    event = config.deal_stages.get(bodies.text(item.get("propertyValue")) or "")
    if event is None:
        return Ignored("the stage is not mapped")
    return [Statement((ref,), at, crm.contract(event, ref.id, at.date() if at else None))]


def _ticket_created(item: Mapping[str, Any], config: HubspotSource) -> list[Statement] | Ignored:
    ref = _ref(item, config, "ticket")
    return [Statement((ref,), _when(item), client.TicketOpened(ticket_id=ref.id, priority=client.Priority.NORMAL))]


def _ticket_changed(item: Mapping[str, Any], config: HubspotSource) -> list[Statement] | Ignored:
    ref, name = _ref(item, config, "ticket"), bodies.text(item.get("propertyName"))
    value, at = bodies.text(item.get("propertyValue")), _when(item)
    if name == "hs_ticket_priority" and value and value.upper() in PRIORITIES:
        priority = client.Priority(PRIORITIES[value.upper()])
        return [Statement((ref,), at, client.TicketUpdated(ticket_id=ref.id, priority=priority))]
    if name == "hs_pipeline_stage" and value:
        closed = value in config.ticket_closed_stages
        body = client.TicketResolved if closed else client.TicketUpdated
        return [Statement((ref,), at, body(ticket_id=ref.id, status="closed" if closed else value))]
    if name == "content" and value:
        # who wrote it is not said; an agent may have: it is no one's mood until enriched
        return [Statement((ref,), at, client.TicketUpdated(ticket_id=ref.id))]
    return Ignored(f"property {str(name)[:100]} is not mapped")


_KINDS: dict[str, Callable[[Mapping[str, Any], HubspotSource], list[Statement] | Ignored]] = {
    "company.creation": _company_created,
    "company.propertyChange": _company_changed,
    "company.associationChange": _associated,
    "contact.creation": _contact_created,
    "contact.propertyChange": _contact_changed,
    "contact.deletion": _contact_gone,
    "contact.associationChange": _associated,
    "deal.propertyChange": _deal_changed,
    "deal.associationChange": _associated,
    "ticket.creation": _ticket_created,
    "ticket.propertyChange": _ticket_changed,
    "ticket.associationChange": _associated,
}
_KNOWN_SILENT = {
    "company.deletion": Ignored("a deleted company is not a lost client: erase or cancel it here"),
    "company.merge": Ignored("merge the clients here: POST /v1/clients/{id}/merge"),
    "contact.merge": Ignored("contacts are not merged"),
    "contact.privacyDeletion": Ignored("erase the contact here: DELETE /v1/contacts/{id}"),
    **{f"{kind}.restore": Ignored("restored") for kind in OBJECTS.values()},
    "deal.creation": Ignored("only a deal's stage is read"),
    "deal.deletion": Ignored("only a deal's stage is read"),
    "deal.merge": Ignored("only a deal's stage is read"),
    "ticket.deletion": Ignored("a deleted ticket keeps its history"),
    "ticket.merge": Ignored("a merged ticket keeps its history"),
}
