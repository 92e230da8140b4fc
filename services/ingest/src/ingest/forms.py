"""Events as programs and people send them: POST /v1/events and the lines of an import (contracts.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from common.contracts import client
from common.contracts.errors import Refused
from common.contracts.ids import derived_id
from pydantic import ValidationError

from ingest.domain.refs import Ref, parse_subject
from ingest.domain.statement import Statement
from ingest.domain.times import moment

PREFIX = "csl.client."
BODIES: Mapping[str, type[client.ClientEvent]] = {body.TYPE: body for body in client.EVENTS}
OURS = (client.ClientErased, client.ContactErased, client.ClientsMerged, client.ClientsUnmerged, client.ImportFinished)
"""What only ingest itself says, through routes of their own."""
NAMING = (client.ClientRegistered, client.ClientUpdated)
DEFAULT_SOURCE = "api"
MAX_TEXT = 200_000
_PLANNED = (client.MilestonePlanned.TYPE, "milestone_planned")
_HINTS = frozenset({"name", "domain", "email"})
_SOURCE = re.compile(r"[\w.:/+@-]{1,200}")


@dataclass(frozen=True, slots=True)
class Form:
    """One event as sent, checked."""

    statement: Statement
    source: str
    id: str | None


def read(value: Any, *, imported: bool) -> Form:
    """Raises Refused with the field's name in the sender's words."""
    if not isinstance(value, dict):
        raise Refused("an event is a JSON object")
    if value.get("specversion", "1.0") != "1.0":
        raise Refused("only CloudEvents 1.0 is understood", field="specversion")
    if not str(value.get("datacontenttype", "application/json")).lower().startswith("application/json"):
        raise Refused("data is JSON here", field="datacontenttype")
    body = _type(value.get("type"))
    data, text = _data(value, body)
    subject = _subject(value, data, body)
    client_id, refs = (subject, ()) if isinstance(subject, UUID) else (None, (subject,))
    said = _body(body, data, refs)
    named = tuple(Ref(r.source, r.kind, r.id) for r in said.refs or ()) if isinstance(said, NAMING) else ()
    creates = isinstance(said, client.ClientRegistered)
    statement = Statement(
        refs=tuple(dict.fromkeys((*refs, *(named if creates else ())))),
        time=_time(value.get("time"), required=imported),
        data=said,
        links=named if isinstance(said, client.ClientUpdated) else (),
        creates=creates,
        client_id=client_id,
        text=text,
        hints=_hints(said),
    )
    return Form(statement, _source(value.get("source"), required=imported), _id(value.get("id")))


def owned(value: Any, owner: str | None) -> Any:
    """The event with the configured owner, where a milestone is planned without one; `owner` None: as it is."""
    if owner is None or not isinstance(value, dict) or value.get("type") not in _PLANNED:
        return value
    data = value.get("data")
    if not isinstance(data, dict) or data.get("owner_email") is not None:
        return value
    return {**value, "data": {**data, "owner_email": owner}}


def event_id(given: str, source: str) -> UUID:
    """A sender's id as ours: a UUID is taken as it is, any other text becomes one."""
    try:
        return UUID(given)
    except ValueError:
        return derived_id("given", source, given)


def _type(value: Any) -> type[client.ClientEvent]:
    """`csl.client.logged_in.v1`, or `logged_in` for short."""
    name = value if isinstance(value, str) else ""
    body = BODIES.get(name) or BODIES.get(f"{PREFIX}{name}.v1")
    if body is None:
        raise Refused(f"{name[:100]!r} is no type of client event", field="type")
    if body in OURS:
        raise Refused(f"{body.type_name()} is said by ingest alone, through a route of its own", field="type")
    return body


def _source(value: Any, *, required: bool) -> str:
    if value is None and not required:
        return DEFAULT_SOURCE
    name = value.removeprefix("csl/ingest/") if isinstance(value, str) else ""
    if not _SOURCE.fullmatch(name):
        raise Refused("source is the name of the system that says this", field="source")
    return name


def _id(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= 300:
        raise Refused("id is a text of up to 300 characters", field="id")
    return value


def _time(value: Any, *, required: bool) -> datetime | None:
    if value is None and not required:
        return None
    at = moment(value) if isinstance(value, str) and not value.strip().lstrip("-").isnumeric() else None
    if at is None:
        raise Refused("time is RFC 3339, such as 2026-03-02T09:00:00Z", field="time")
    return at


def _data(value: Mapping[str, Any], body: type[client.ClientEvent]) -> tuple[dict[str, Any], str | None]:
    data = value.get("data", {})
    if not isinstance(data, dict):
        raise Refused("data is a JSON object", field="data")
    text = data.get("text", value.get("text"))
    if text is None:
        return data, None
    if "reading" not in body.model_fields:
        raise Refused(f"{body.type_name()} carries no words", field="text")
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        raise Refused(f"text is a string of up to {MAX_TEXT} characters", field="text")
    return {name: part for name, part in data.items() if name not in {"text", "reading"}}, text


def _subject(value: Mapping[str, Any], data: Mapping[str, Any], body: type[client.ClientEvent]) -> UUID | Ref:
    given = value.get("subject")
    if given is None and body is client.ClientRegistered:
        refs = data.get("refs")
        first = refs[0] if isinstance(refs, list) and refs and isinstance(refs[0], dict) else {}
        given = "ref:" + ":".join(str(first.get(part, "")) for part in ("source", "kind", "id"))
    subject = parse_subject(given) if isinstance(given, str) else None
    if subject is None:
        raise Refused("subject is a client's id or ref:<source>:<kind>:<id>", field="subject")
    return subject


def _body(body: type[client.ClientEvent], data: dict[str, Any], refs: tuple[Ref, ...]) -> client.ClientEvent:
    if body is client.ClientRegistered:
        own = [{"source": r.source, "kind": r.kind, "id": r.id} for r in refs]
        given = data.get("refs", [])
        data = {**data, "refs": [*(r for r in own if r not in given), *given]} if isinstance(given, list) else data
    if body is client.MessageExchanged and data.get("direction") == "outbound":
        data = {"expects_reply": True, **data}
    try:
        orjson.dumps(data)  # what every service keeps it with, unknown fields too
        said = body.model_validate(data)
    except ValidationError as invalid:
        first = invalid.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in ("data", *first["loc"]))
        raise Refused(str(first["msg"]), field=where) from invalid
    except (RecursionError, TypeError) as error:
        raise Refused("nested too deep, or a number of more than 64 bits", field="data") from error
    if isinstance(said, client.MilestonePlanned) and not said.kpi.strip():
        raise Refused("a milestone needs a KPI", field="data.kpi")
    return said


def _hints(said: client.ClientEvent) -> dict[str, str]:
    known = type(said).model_fields.keys() & _HINTS  # asking a model for what it lacks is slow
    return {name: value for name in known if (value := getattr(said, name))}
