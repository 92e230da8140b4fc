"""The two forms in which Salesforce tells of records: outbound messages (SOAP) and change events (JSON)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml import ElementTree as SafeTree

from ingest.domain.statement import SourceEvent, Unreadable
from ingest.domain.times import moment
from ingest.sources import bodies
from ingest.sources.crm import Written

HEADER, NOTIFICATION = "ChangeEventHeader", "Notification"
MESSAGE = "MESSAGE"
"""The change of a record in an outbound message, which does not say whether the record is new."""
NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


@dataclass(frozen=True, slots=True)
class Record:
    """A record as one event shows it. `changed`: the fields that are new in it; None: all that are there."""

    kind: str
    id: str
    change: str
    fields: Mapping[str, Any]
    changed: frozenset[str] | None
    at: datetime | None

    def says(self, name: str) -> bool:
        """Whether the field's value is news; an enriched change event repeats fields that did not change."""
        return name in self.fields and (self.changed is None or name in self.changed)

    def text(self, name: str) -> str | None:
        return as_text(self.fields.get(name))

    def written(self) -> dict[str, Written]:
        """Every field that is news, as text."""
        currency = self.text("CurrencyIsoCode")
        texts = {name: as_text(value) for name, value in self.fields.items() if self.says(name)}
        return {name: Written(value, currency) for name, value in texts.items() if value is not None}


def is_xml(body: bytes) -> bool:
    """Outbound messages come as XML, change events as JSON."""
    return body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"


def events(body: bytes) -> Iterator[SourceEvent]:
    """One event a record and change. Raises Unreadable."""
    if is_xml(body):
        notifications = _notifications(body)
        yield from (_notified(item) for item in notifications)
        return
    value = bodies.parse(body)
    if value == []:
        raise Unreadable("an empty list")
    for item in value if isinstance(value, list) else [value]:
        yield from _told(item)


def record(event: SourceEvent) -> Record:
    """Raises Unreadable for one that names no record."""
    kind, _, change = event.kind.partition(".")
    if HEADER in event.body:
        header = bodies.mapping(event.body[HEADER])
        ids = header.get("recordIds")
        found = bodies.identifier(ids[0]) if isinstance(ids, list) and ids else None
        fields = {name: value for name, value in event.body.items() if name != HEADER}
        at, changed = moment(header.get("commitTimestamp")), _changed(header, change)
    else:
        notification = bodies.mapping(event.body.get(NOTIFICATION))
        fields = dict(bodies.mapping(notification.get("fields")))
        found, changed = bodies.identifier(fields.get("Id")), None
        at = moment(fields.get("LastModifiedDate")) or moment(fields.get("SystemModstamp"))
    if found is None:
        raise Unreadable("the record's id is missing")
    return Record(kind, long_id(found), change, fields, changed, at)


def alone(event: SourceEvent, name: str) -> SourceEvent:
    """The event reduced to one field of its record, as an update of that field."""
    shown = record(event)
    old = bodies.mapping(event.body.get(HEADER))
    key = f"{event.key}:{name}"
    header = {
        "entityName": shown.kind,
        "changeType": "UPDATE",
        "recordIds": [shown.id],
        "commitTimestamp": shown.at.isoformat() if shown.at else None,
        "changeOrigin": old.get("changeOrigin"),
        "changedFields": [name],
        "key": key,
    }
    kept = {key: shown.fields[key] for key in (name, "CurrencyIsoCode") if key in shown.fields}
    return SourceEvent(key, f"{shown.kind}.UPDATE", {HEADER: header, **kept})


def without(event: SourceEvent, names: frozenset[str]) -> SourceEvent:
    """The event without some fields of its record."""
    if HEADER in event.body:
        return SourceEvent(event.key, event.kind, {k: v for k, v in event.body.items() if k not in names})
    notification = bodies.mapping(event.body.get(NOTIFICATION))
    fields = {k: v for k, v in bodies.mapping(notification.get("fields")).items() if k not in names}
    return SourceEvent(event.key, event.kind, {NOTIFICATION: {**notification, "fields": fields}})


def organisation(body: bytes) -> str | None:
    """The org that an outbound message names; change events name none."""
    if not is_xml(body):
        return None
    try:
        found = next((e.text for e in _parsed(body).iter() if _local(e) == "OrganizationId"), None)
    except Unreadable:
        return None
    return long_id(found.strip()) if found else None


def long_id(value: str) -> str:
    """15 characters that mind their case → the 18 that need not (Salesforce, "ID Field Type"): one record, one id."""
    if not re.fullmatch("[0-9A-Za-z]{15}", value, re.ASCII):
        return value
    marks = (sum(char.isupper() << place for place, char in enumerate(value[i : i + 5])) for i in (0, 5, 10))
    return value + "".join(ALPHABET[mark] for mark in marks)


def as_text(value: Any) -> str | None:
    """A field's value as text; picklists with several values joined by `;`, compound fields are none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ";".join(part for item in value if (part := bodies.text(item))) or None
    return bodies.text(value)


def _changed(header: Mapping[str, Any], change: str) -> frozenset[str] | None:
    """`changedFields` names parts of compound fields as `Name.LastName`."""
    named = header.get("changedFields")
    if change != "UPDATE" or not isinstance(named, list) or not named:
        return None
    return frozenset(name.partition(".")[0] for name in named if isinstance(name, str))


def _told(item: Any) -> Iterator[SourceEvent]:
    """A change event: bare, as CometD (`data.payload`), or as an event relay (`detail.payload`) wraps it."""
    payload = bodies.mapping(item)
    for wrapping in ("data", "detail", "payload"):
        if wrapping in payload and HEADER not in payload:
            payload = bodies.mapping(payload[wrapping])
    if NOTIFICATION in payload:
        yield _notified(payload)
        return
    header = payload.get(HEADER)
    if not isinstance(header, dict):
        raise Unreadable("neither an outbound message nor a change event (ChangeEventHeader)")
    kind, change = bodies.text(header.get("entityName")), bodies.text(header.get("changeType"))
    if kind is None or change is None:
        raise Unreadable("a change event names its entityName and changeType")
    ids = header.get("recordIds")
    for found in ids if isinstance(ids, list) and ids else [None]:
        own = {**payload, HEADER: {**header, "recordIds": [found]}}
        yield SourceEvent(_key(own, kind, found), f"{kind}.{change}"[:200], own)


def _key(payload: Mapping[str, Any], kind: str, found: Any) -> str:
    """A transaction numbers its changes; each is told of every record that it touched alike."""
    header = payload[HEADER]
    if isinstance(header.get("key"), str):
        return str(header["key"])[:1000]
    parts = [bodies.identifier(header.get(name)) for name in ("transactionKey", "sequenceNumber")]
    if None in parts:
        return "sha256:" + bodies.digest(bodies.canonical(payload))
    return f"{parts[0]}:{parts[1]}:{kind}:{found}"[:1000]


def _notified(item: Mapping[str, Any]) -> SourceEvent:
    notification = bodies.mapping(item[NOTIFICATION])
    key = bodies.identifier(notification.get("Id")) or "sha256:" + bodies.digest(bodies.canonical(notification))
    kind = bodies.text(notification.get("object")) or "untyped"
    return SourceEvent(key, f"{kind[:180]}.{MESSAGE}", {NOTIFICATION: notification})


def _parsed(body: bytes) -> Element:
    """Raises Unreadable, also for entity bombs and anything else that a document type can hold."""
    try:
        found: Element = SafeTree.fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise Unreadable(f"not XML that we read: {type(error).__name__}: {str(error)[:200]}") from error
    return found


def _notifications(body: bytes) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    root = _parsed(body)
    for part in root.iter():
        if _local(part) != NOTIFICATION:
            continue
        children = {_local(child): child for child in part}
        thing = children.get("sObject")
        if thing is None:
            raise Unreadable("a notification holds no sObject")
        fields = {_local(field): None if field.get(NIL) in {"true", "1"} else field.text for field in thing}
        number = children["Id"].text if "Id" in children else None
        kind = (thing.get(TYPE) or "").rpartition(":")[2]
        found.append({NOTIFICATION: {"Id": number, "object": kind or None, "fields": fields}})
    if not found:
        raise Unreadable("no outbound message: it holds no notification")
    return found


def _local(part: Element) -> str:
    return str(part.tag).rpartition("}")[2]
