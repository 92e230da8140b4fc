"""Pipedrive's webhooks name organisations, persons and users by id: who they are is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ingest.domain.arrival import Lookup
from ingest.domain.refs import Ref
from ingest.domain.statement import Ignored, SourceEvent, Statement, Unreadable
from ingest.sources import bodies, crm, pipedrive
from ingest.sources.pipedrive import PipedriveSource

KINDS = ("organization", "person", "deal")


def lookups(event: SourceEvent, config: PipedriveSource) -> tuple[Lookup, ...]:
    """An organisation whose owner is a bare id; while nobody knows whose it is, the organisation, or what names it."""
    kind, _, action = event.kind.partition(".")
    now = bodies.mapping(event.body.get("data")) or bodies.mapping(event.body.get("current"))
    if action not in {"create", "change"}:
        return ()
    if kind == "organization":
        found = bodies.identifier(now.get("id"))
        return (Lookup(kind, found, if_parked=not unlisted_owners(now, config)),) if found else ()
    if kind not in {"person", "deal", "activity"}:
        return ()
    return _whose(kind, now)


def _whose(kind: str, now: Mapping[str, Any]) -> tuple[Lookup, ...]:
    """Its organisation; without one in the body, the thing itself or the person, which may name one."""
    for field, what in (("org_id", "organization"), ("person_id", "person"), ("deal_id", "deal")):
        found = _id(now.get(field))
        if found and what != kind:
            return (Lookup(what, found, if_parked=True),)
    own = _id(now.get("id"))
    return (Lookup(kind, own, if_parked=True),) if own and kind in KINDS else ()


def _id(value: Any) -> str | None:
    """v1 wraps the ids of others."""
    return bodies.identifier(value.get("value", value.get("id")) if isinstance(value, dict) else value)


def unlisted_owners(values: Mapping[str, Any], config: PipedriveSource) -> list[str]:
    """Fields of an organisation that hold the id of a user of ours whose address we were not told."""
    return [
        name
        for name, field in config.company_properties.items()
        if field in crm.OWNED and (value := bodies.identifier(values.get(name))) and crm.is_unlisted(value, config)
    ]


def learnt(kind: str, found: Mapping[str, Any], config: PipedriveSource, now: datetime) -> list[Statement]:
    """Organisations and persons by the mapping of their webhooks, as if all of it were new; of a deal, whose it is."""
    id_ = bodies.identifier(found.get("id"))
    if id_ is None:
        raise Unreadable("the object's id is missing")
    if kind == "deal":
        owner = _id(found.get("org_id"))
        links = (Ref(config.name, "deal", id_),)
        return [Statement((Ref(config.name, "organization", owner),), now, links=links)] if owner else []
    body = {"meta": {"entity": kind, "action": "change", "timestamp": now.isoformat()}, "data": found}
    event = SourceEvent("", f"{kind}.change", body)
    if kind == "organization":
        event = _readable(event, config)
    said = pipedrive.interpret(event, config)
    return [] if isinstance(said, Ignored) else said


def _readable(event: SourceEvent, config: PipedriveSource) -> SourceEvent:
    """Without fields that the mapping cannot read: their webhook is in quarantine already, for a person to mend."""
    [first, *_] = pipedrive.split(bodies.dump(event.body), {}, config)
    return SourceEvent("", event.kind, first.body)
