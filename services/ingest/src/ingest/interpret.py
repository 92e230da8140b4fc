"""A post's bytes → an Arrival: unpack, split, map, read the words. Never raises for what a body holds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from common import logging
from common.ids import new_id
from pydantic import ValidationError

from ingest.config import Source
from ingest.domain.arrival import Arrival, Item, Lookup
from ingest.domain.reading import Reader, with_reading
from ingest.domain.statement import Ignored, SourceEvent, Statement, Unreadable
from ingest.enrichment import ENRICHED
from ingest.sources import VENDORS

log = logging.get(__name__)

MAPPING_FAILED = "our mapping failed"
KEPT_HEADERS = (
    "content-type", "content-encoding", "user-agent", "x-zendesk-webhook-invocation-id", "x-zendesk-webhook-id",
    "x-hubspot-signature-version",
)  # fmt: skip
"""Headers worth keeping with a body; signatures and secrets are not."""


def arrival(source: Source, body: bytes, headers: Mapping[str, str], received_at: datetime, reader: Reader) -> Arrival:
    """What a post of a source says."""
    kept = {name: value[:500] for name in (*KEPT_HEADERS, *source.kept_headers) if (value := headers.get(name))}
    result = Arrival(source.name, received_at, raw=body, raw_id=new_id(), headers=kept)
    result.join = VENDORS[source.vendor].join
    try:
        events = VENDORS[source.vendor].split(body, headers, source)
    except Unreadable as unreadable:
        result.unreadable = unreadable.reason
        return result
    except RecursionError:
        result.unreadable = "nested too deep"
        return result
    result.items = [item(source, event, position, reader) for position, event in enumerate(events)]
    return result


def item(source: Source, event: SourceEvent, position: int, reader: Reader) -> Item:
    """What one source event says; a value that our contract refuses makes it broken, not lost."""

    def made(
        statements: tuple[Statement, ...] = (),
        ignored: str | None = None,
        unknown: bool = False,
        broken: str | None = None,
    ) -> Item:
        lookups = _lookups(event, source) if broken is None else ()
        return Item(event.key, event.kind, position, event.body, statements, ignored, unknown, broken, lookups=lookups)

    try:
        said = VENDORS[source.vendor].interpret(event, source)
        if isinstance(said, Ignored):
            return made(ignored=said.reason, unknown=said.unknown)
        return made(tuple(part for statement in said for part in with_reading(statement, reader)))
    except Unreadable as unreadable:
        return made(broken=unreadable.reason)
    except ValidationError as invalid:
        return made(
            broken="; ".join(_told(error) for error in invalid.errors(include_url=False, include_input=False)[:5])
        )
    except Exception as error:  # the edge to strangers' bodies: the fault is ours, the event theirs
        log.error("mapping_failed", source=source.name, kind=event.kind, exc_info=error)
        return made(broken=f"{MAPPING_FAILED}: {type(error).__name__}")


def _lookups(event: SourceEvent, source: Source) -> tuple[Lookup, ...]:
    """What it leaves out; a fault in asking for more must not cost us what is there."""
    known = ENRICHED.get(source.vendor)
    if known is None:
        return ()
    try:
        return known.lookups(event, source)
    except Exception as error:  # the edge to strangers' bodies, as above
        log.error("lookups_failed", source=source.name, kind=event.kind, exc_info=error)
        return ()


def _told(error: object) -> str:
    found = error if isinstance(error, dict) else {}
    return f"{'.'.join(str(part) for part in found.get('loc', ()))}: {found.get('msg', '')}"
