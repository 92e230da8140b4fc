"""Any vendor, by its file in deploy/config/sources (docs/sources/mapped.md): no code of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from ingest.domain.statement import Ignored, SourceEvent, Statement, Unreadable
from ingest.sources import bodies, signatures
from ingest.sources.mapped import schemes
from ingest.sources.mapped.settings import EVENT, MappedSource

JOINED = "csl:events"
"""Under which events stand that were left of a body after an erasure."""
ENVELOPE = "envelope"


def verify(request: signatures.Request, secret: bytes, now: datetime, config: MappedSource) -> None:
    if config.signature is None:
        raise signatures.Refusal("this source takes files only: it has no signature")
    schemes.verify(config.signature, request, secret, now, config.secret_header)


def split(body: bytes, headers: Mapping[str, str], config: MappedSource) -> list[SourceEvent]:
    value = _read(body, config)
    joined = value.get(JOINED) if isinstance(value, dict) and value.keys() == {JOINED} else None
    if joined is None:
        return taken_apart(value, headers, config)
    return _events(_objects(joined), headers, config)


def taken_apart(value: Any, headers: Mapping[str, str], config: MappedSource) -> list[SourceEvent]:
    """The events of a body, or of a row. Raises Unreadable."""
    items = _objects(value if config.map.split is None else config.map.split(value))
    if config.map.envelope:
        around = {name: take(value, headers) for name, take in config.map.envelope}
        items = [{**item, ENVELOPE: around} for item in items]
    return _events(items, headers, config)


def _objects(found: Any) -> list[Mapping[str, Any]]:
    items = found if isinstance(found, list) else [found]
    if not all(isinstance(item, dict) for item in items):
        raise Unreadable("expected an object, or a list of objects")
    return items


def _events(items: Sequence[Mapping[str, Any]], headers: Mapping[str, str], config: MappedSource) -> list[SourceEvent]:
    """Each with its dedup key and kind. Raises Unreadable where one has no kind."""
    take, events = config.map.kind, []
    for item in items:
        kind = EVENT if take is None else bodies.text(take(item, headers))
        if kind is None:
            raise Unreadable("it does not say what kind of event it is")
        events.append(SourceEvent(_key(item, headers, config, alone=len(items) == 1), kind[:200], item))
    return events


def _read(body: bytes, config: MappedSource) -> Any:
    if config.body == "json" or body.lstrip().startswith(b'{"' + JOINED.encode()):
        return bodies.parse(body)
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=1000)
    except ValueError as error:
        raise Unreadable(f"no form: {str(error)[:200]}") from error
    return bodies.parse(bodies.dump(dict(pairs)))


def _key(item: Mapping[str, Any], headers: Mapping[str, str], config: MappedSource, *, alone: bool) -> str:
    """What tells repeats; the content, where what the file names is not there.

    A header is one for all events of a post, so that their content must tell them apart.
    """
    parts = [bodies.identifier(take(item, headers)) for take in config.map.key]
    if not parts or not all(parts):
        return "sha256:" + _content(item, config)
    key = ":".join(part for part in parts if part)
    return key if alone or not config.map.key_in_header else f"{key}:{_content(item, config)}"


def _content(item: Mapping[str, Any], config: MappedSource) -> str:
    """Of what the vendor sent: a change of our own `envelope` must not make old events new."""
    own = {name: part for name, part in item.items() if name != ENVELOPE} if config.map.envelope else item
    return bodies.digest(bodies.canonical(own))


def join(items: Sequence[Mapping[str, Any]]) -> bytes:
    return bodies.dump({JOINED: list(items)})


def interpret(event: SourceEvent, config: MappedSource) -> list[Statement] | Ignored:
    rules = config.map.rules_of(event.kind)
    if rules is None:
        return Ignored(f"{event.kind} is not read", unknown=not config.map.ignores(event.kind))
    said = [rule.said(event.body) for rule in rules if rule.applies(event.body)]
    return said or Ignored(f"{event.kind}: nothing in it is read")


__all__ = ["MappedSource", "interpret", "join", "split", "taken_apart", "verify"]
