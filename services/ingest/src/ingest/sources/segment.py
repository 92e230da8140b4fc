"""Segment (docs/sources/segment.md): what people do in the product; the group id names the client."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from common.contracts import client

from ingest.config import Source
from ingest.domain.refs import Ref, bare_domain
from ingest.domain.statement import ContactChange, Ignored, SourceEvent, Statement, Unreadable
from ingest.domain.times import moment
from ingest.sources import bodies, signatures


class SegmentSource(Source):
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


def verify(request: signatures.Request, secret: bytes, now: datetime, config: SegmentSource) -> None:
    """The signature covers the body; of a batch, the first event only, so that a batch must know the secret, too.

    Segment sends no timestamp: repeats are caught by messageId.
    """
    given = signatures.header(request, "X-Signature")
    if signatures.same(signatures.sha1_hex(secret, request.body), given):
        return
    first = _first_of_batch(request.body)
    if first is None or not any(signatures.same(signatures.sha1_hex(secret, form), given) for form in first):
        raise signatures.Refusal("the signature does not match")
    shown = request.headers.get(config.secret_header.lower(), "")
    if not signatures.same(secret.decode("utf-8", "replace"), shown):
        raise signatures.Refusal(f"only a batch's first event is signed: {config.secret_header} must hold the secret")


def _first_of_batch(body: bytes) -> tuple[bytes, ...] | None:
    """The first event as it stands in the body, and as JSON.stringify writes it."""
    try:
        text = body.decode("utf-8-sig")
        start = re.match(r'\s*(?:\{\s*"batch"\s*:\s*)?\[\s*', text)
        if start is None:
            return None
        first, end = json.JSONDecoder().raw_decode(text, start.end())
        return text[start.end() : end].encode(), bodies.dump(first)
    except (ValueError, RecursionError):
        return None


def split(body: bytes, headers: Mapping[str, str], config: Source) -> list[SourceEvent]:
    value = bodies.parse(body)
    items = value.get("batch", [value]) if isinstance(value, dict) else value
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Unreadable("expected an event, an array of events, or {batch: [...]}")
    return [SourceEvent(_key(item), (bodies.text(item.get("type")) or "untyped")[:200], item) for item in items]


def join(items: Sequence[Mapping[str, Any]]) -> bytes:
    return bodies.dump({"batch": list(items)})


def _key(item: Mapping[str, Any]) -> str:
    """The messageId; of calls about people with the call's name, because Segment's own specification shows an identify
    and a group call of one messageId."""
    message, kind = bodies.identifier(item.get("messageId")), bodies.text(item.get("type"))
    if message is None:
        return "sha256:" + bodies.digest(bodies.dump(item))
    return f"{kind}:{message}" if kind in {"identify", "group"} else message


def interpret(event: SourceEvent, config: SegmentSource) -> list[Statement] | Ignored:
    mapped = _KINDS.get(event.kind)
    if mapped is None:
        return Ignored(f"{event.kind} calls are not read", unknown=event.kind not in _SILENT)
    return mapped(event.body, config)


def _when(item: Mapping[str, Any]) -> datetime | None:
    """Segment's `timestamp` has the device's wrong clock taken out; `originalTimestamp` has not."""
    return moment(item.get("timestamp"))


def _group(item: Mapping[str, Any], config: SegmentSource) -> Ref | None:
    context, properties = bodies.mapping(item.get("context")), bodies.mapping(item.get("properties"))
    company = bodies.mapping(bodies.mapping(item.get("traits")).get("company"))
    for value in (item.get("groupId"), context.get("groupId"), properties.get("groupId"), company.get("id")):
        found = bodies.identifier(value)
        if found:
            return Ref(config.name, "group", found)
    return None


def _person(item: Mapping[str, Any], config: SegmentSource) -> Ref | None:
    found = bodies.identifier(item.get("userId"))
    return Ref(config.name, "user", found) if found else None


def _who(item: Mapping[str, Any], config: SegmentSource) -> tuple[tuple[Ref, ...], tuple[Ref, ...]]:
    group, person = _group(item, config), _person(item, config)
    refs = tuple(ref for ref in (group, person) if ref)
    return refs, ((person,) if group and person else ())


def _tracked(item: Mapping[str, Any], config: SegmentSource) -> list[Statement] | Ignored:
    name = bodies.text(item.get("event"))
    if name is None:
        raise Unreadable("a track call names its event")
    if name in config.ignore:
        return Ignored("ignored by configuration")
    refs, links = _who(item, config)
    if not refs:
        return Ignored("anonymous: neither user nor group")
    said = _meaning(name, item, config)
    return [Statement(refs, _when(item), said, links=links)] if said else Ignored("not a listed feature")


def _meaning(name: str, item: Mapping[str, Any], config: SegmentSource) -> client.ClientEvent | None:
    contact = bodies.identifier(item.get("userId"))
    properties = bodies.mapping(item.get("properties"))
    if name in config.logins:
        count = _whole(properties.get(config.quantity_property))
        return client.LoggedIn(contact_id=contact, count=1 if count is None else count)
    if name in config.trainings:
        course = bodies.identifier(properties.get(config.trainings[name])) or slug(name)
        return client.TrainingCompleted(course=course, contact_id=contact)
    feature = config.features.get(name) or (None if config.only_listed else slug(name))
    if feature is None:
        return None
    quantity = _amount(properties.get(config.quantity_property))
    users = _whole(properties.get(config.users_property))
    return client.UsageRecorded(feature=feature, quantity=1 if quantity is None else quantity, active_users=users)


def _amount(value: Any) -> float | None:
    """A number, also one written as text; None for what measures nothing."""
    if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,15}(?:\.[0-9]{1,15})?\s*", value, re.ASCII):
        return float(value)
    countable = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**53
    return value if countable else None


def _whole(value: Any) -> int | None:
    """A count, as aggregates of a warehouse give it; None for anything that counts nothing."""
    found = bodies.integer(value)
    return found if found is not None and 0 <= found < 2**53 else None


def slug(name: str) -> str:
    """`Report Exported` → `report_exported`."""
    return re.sub(r"\W+", "_", name.lower()).strip("_")[:100] or "unnamed"


def _identified(item: Mapping[str, Any], config: SegmentSource) -> list[Statement] | Ignored:
    person = _person(item, config)
    if person is None:
        return Ignored("anonymous: no userId")
    refs, _ = _who(item, config)
    traits = bodies.mapping(item.get("traits"))
    email = bodies.text(traits.get("email"))
    contact = ContactChange(
        person.id,
        name=bodies.text(traits.get("name")),
        first_name=bodies.text(traits.get("firstName")),
        last_name=bodies.text(traits.get("lastName")),
        email=email,
    )
    return [Statement(refs, _when(item), contact=contact, links=(person,), hints={"email": email} if email else {})]


def _grouped(item: Mapping[str, Any], config: SegmentSource) -> list[Statement] | Ignored:
    """A person belongs to a client; the client itself is described by the CRM, not by traits."""
    group, person = _group(item, config), _person(item, config)
    if group is None:
        raise Unreadable("a group call names its group")
    traits = bodies.mapping(item.get("traits"))
    hints = {"name": name} if (name := bodies.text(traits.get("name"))) else {}
    domain = bare_domain(bodies.text(traits.get("domain")) or bodies.text(traits.get("website")))
    if domain:
        hints["domain"] = domain
    return [Statement((group,), _when(item), links=(person,) if person else (), hints=hints)]


_KINDS: dict[str, Callable[[Mapping[str, Any], SegmentSource], list[Statement] | Ignored]] = {
    "track": _tracked,
    "identify": _identified,
    "group": _grouped,
}
_SILENT = frozenset({"page", "screen", "alias", "delete"})
