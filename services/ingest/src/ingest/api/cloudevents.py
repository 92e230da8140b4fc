"""The CloudEvents HTTP binding: structured, batch and binary mode (github.com/cloudevents/spec, http-protocol-binding).

Whatever the mode, what comes out is the event as JSON has it, for forms.py to read.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from common.contracts.errors import Refused

from ingest.domain.statement import Unreadable
from ingest.sources import bodies

STRUCTURED, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
PREFIX = "ce-"
REQUIRED = ("specversion", "id", "source", "type")
"""Attributes that every CloudEvent has (CloudEvents 1.0, "Required attributes")."""
_JSON = re.compile(r"(?:application|text)/(?:[\w.+-]+\+)?json")
_ESCAPED = re.compile(r"\\(.)")


def read(headers: Mapping[str, str], raw: bytes) -> list[Any]:
    """The events of a request, in any mode or in none. Raises Refused with index and field.

    `headers` by lower-case name, as HTTP carries them (Latin-1).
    """
    media = media_type(headers.get("content-type", ""))
    if media.startswith("application/cloudevents"):
        return _structured(media, raw)
    attributes = {name[len(PREFIX) :]: value for name, value in headers.items() if name.startswith(PREFIX)}
    if any(name in attributes for name in REQUIRED):
        return [_binary(attributes, media, raw)]
    value = _parse(raw, "body")
    return value if isinstance(value, list) else [value]


def media_type(content_type: str) -> str:
    """Without parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def is_batch(headers: Mapping[str, str]) -> bool:
    """A batch of the binding may be empty; an array of our own form may not."""
    return media_type(headers.get("content-type", "")) == BATCH


def _structured(media: str, raw: bytes) -> list[Any]:
    if media not in (STRUCTURED, BATCH):
        raise Refused(f"only {STRUCTURED} and {BATCH} are understood", field="content-type")
    value = _parse(raw, "body")
    if media == STRUCTURED:
        return [_checked(value, 0)]
    if not isinstance(value, list):
        raise Refused(f"{BATCH} is an array", field="body")
    return [_checked(event, index) for index, event in enumerate(value)]


def _binary(attributes: Mapping[str, str], media: str, raw: bytes) -> dict[str, Any]:
    """Attributes are headers, the body is `data`, its type `datacontenttype`."""
    if media and not _JSON.fullmatch(media):
        raise Refused("data is JSON here", field="0.datacontenttype")
    # as a JSON body would be cleaned of what Postgres cannot hold
    value: dict[str, Any] = bodies.parse(bodies.dump({n: _header(v) for n, v in attributes.items() if n != "data"}))
    if raw:
        value["data"] = _parse(raw, "0.data")
    return _checked(value, 0)


def _checked(value: Any, index: int) -> dict[str, Any]:
    event: dict[str, Any] = value if isinstance(value, dict) else {}
    if event is not value:
        raise Refused("an event is a JSON object", field=str(index))
    for name in REQUIRED:
        if not isinstance(event.get(name), str) or not event[name]:
            raise Refused(f"a CloudEvent has {name}, a text", field=f"{index}.{name}")
    if "data_base64" in event:
        event = _unpacked(event, index)
    content = event.get("datacontenttype")
    if isinstance(content, str) and _JSON.fullmatch(media_type(content)):
        return {name: value for name, value in event.items() if name != "datacontenttype"}
    return event


def _unpacked(event: Mapping[str, Any], index: int) -> dict[str, Any]:
    """Producers that hold their data as bytes send JSON this way, too."""
    field = f"{index}.data_base64"
    if event.get("data") is not None:
        raise Refused("either data or data_base64", field=field)
    try:
        raw = base64.b64decode(event["data_base64"], validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise Refused("not base64", field=field) from error
    return {**{name: value for name, value in event.items() if name != "data_base64"}, "data": _parse(raw, field)}


def _header(value: str) -> str:
    """Section 3.1.3.2: quotes taken off, then percent-decoded as UTF-8; what is none becomes U+FFFD."""
    text = value.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = _ESCAPED.sub(r"\1", text[1:-1])
    return unquote_to_bytes(text.encode("latin-1", "replace")).decode("utf-8", "replace")


def _parse(raw: bytes, field: str) -> Any:
    try:
        return bodies.parse(raw)
    except Unreadable as unreadable:
        raise Refused(unreadable.reason, field=field) from unreadable
