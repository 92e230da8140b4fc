"""An event that was said of the wrong client: withdrawn there, said again of the right one. Pure.

Its own time stays, it is known from now on, and those that are moved together keep their order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from common.contracts import client, registry
from common.contracts.base import Event, Origin
from common.contracts.ids import derived_id

from ingest.domain.plan import Said
from ingest.domain.refs import Ref, parse_ref
from ingest.domain.world import Client, Person

PROFILES = (client.ClientRegistered, client.ClientUpdated)
PROFILE_TYPES = frozenset(body.TYPE for body in PROFILES)
PEOPLE_TYPES = frozenset(body.TYPE for body in client.EVENTS if issubclass(body, client.Contact | client.ContactMoved))
SOURCE = "csl/ingest"
_PREFIX = "csl/ingest/"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the ledger, as kept: `data` is without what names people."""

    client_id: UUID
    root: UUID
    event_id: UUID
    type: str
    time: datetime
    knowntime: datetime
    sequence: int
    origin: Origin
    source: str
    via: str | None
    raw: tuple[date, UUID] | None
    data: Mapping[str, Any]

    @property
    def source_name(self) -> str:
        return self.source.removeprefix(_PREFIX)

    @property
    def contact_id(self) -> str | None:
        """Whom it is about, where it is about a person."""
        return self.data.get("contact_id") if self.type in PEOPLE_TYPES else None


def withdrawn(line: Line, now: datetime) -> Event[client.EventWithdrawn]:
    """It never happened to this client."""
    return Event.of(
        client.EventWithdrawn(event_id=line.event_id),
        id=derived_id("withdrawn", line.event_id),
        source=line.source,
        subject=line.client_id,
        time=now,
    )


def said_again(
    line: Line, into: UUID, now: datetime, nth: int, person: Person | None, owned: Collection[Ref]
) -> Said | None:
    """The same of another client, whose refs are `owned`; None where it told of refs only, which have moved."""
    data = dict(line.data)
    if line.type in PROFILE_TYPES and "refs" in data:
        kept = [ref for ref in data["refs"] if _ref(ref) in owned]
        data = {**data, "refs": kept} if line.type == client.ClientRegistered.TYPE else _but(data, "refs")
        if not data:
            return None
    if person is not None and line.type in PEOPLE_TYPES:
        known = {"name": person.full_name, "email": person.email}
        personal = registry.body(line.type).personal_fields()
        data |= {name: value for name, value in known.items() if name in personal and value is not None}
    return _said(line, data, derived_id("moved", line.event_id, into), into, now, nth)


def without_refs(line: Line, gone: Collection[Ref], known: Collection[Ref], cause: UUID, now: datetime) -> Said | None:
    """A profile that named refs which are another client's now; None where it said nothing else.

    `known`: what the client is called anyway; saying only that again says nothing.
    """
    data = {**line.data, "refs": [ref for ref in line.data["refs"] if _ref(ref) not in gone]}
    if line.type == client.ClientUpdated.TYPE and all(_ref(ref) in known for ref in data["refs"]):
        data = _but(data, "refs")
    if not data:
        return None
    return _said(line, data, derived_id("unnamed", line.event_id, cause), line.client_id, now, line.sequence)


def names_of(line: Line) -> set[Ref]:
    """The refs that a profile names."""
    return {_ref(ref) for ref in line.data.get("refs") or ()}


def _said(line: Line, data: Mapping[str, Any], event_id: UUID, into: UUID, now: datetime, sequence: int) -> Said:
    event: Event[Any] = Event.of(
        registry.body(line.type).model_validate(data),
        id=event_id,
        source=line.source,
        subject=into,
        time=line.time,
        knowntime=now,
        origin=line.origin,
        sequence=sequence,
        replaces=line.event_id,
    )
    return Said(event, line.root, parse_ref(line.via) if line.via else None, line.raw)


def _ref(value: Mapping[str, Any]) -> Ref:
    return Ref(value["source"], value["kind"], value["id"])


def _but(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key != name}


def relearn(who: Client, lost: Iterable[Line], left: Iterable[Line]) -> None:
    """Forget what these lost lines taught of a client's profile, and take what the lines that are left say instead."""
    doubtful = set()
    for line in lost:
        if line.type in PROFILE_TYPES:
            at = line.time.isoformat()
            doubtful |= {name for name in line.data if who.said_at.get(name) == at}
        if line.origin is Origin.LIVE and who.live_since.get(line.source_name) == line.time.isoformat():
            who.live_since = _but(who.live_since, line.source_name)
            who.changed = True
    for name in doubtful:
        who.profile, who.said_at, who.changed = _but(who.profile, name), _but(who.said_at, name), True
    for line in left:
        if line.type in PROFILE_TYPES:
            who.learn({name: value for name, value in line.data.items() if name in doubtful}, line.time)


def learn(who: Client, lines: Iterable[Line]) -> None:
    """Take over what lines say that have become this client's."""
    for line in lines:
        if line.type in PROFILE_TYPES:
            who.learn(_but(line.data, "refs"), line.time)
        if line.origin is Origin.LIVE:
            hear(who, line.source_name, line.time.isoformat())


def hear(who: Client, source: str, since: str) -> None:
    """A source spoke live of the client since then, if not earlier."""
    if since < who.live_since.get(source, "~"):
        who.live_since = {**who.live_since, source: since}
        who.changed = True


def absorb(who: Client, other: Client) -> None:
    """What is known of a client that was merged into this one: the later word counts, field by field."""
    for name, value in other.profile.items():
        if name in other.said_at:
            who.learn({name: value}, datetime.fromisoformat(other.said_at[name]))
    for source, since in other.live_since.items():
        hear(who, source, since)
    if other.forgotten:
        who.forgotten, who.changed = {**other.forgotten, **who.forgotten}, True


def follows(refs: Collection[Ref], through: Mapping[Ref, str | None]) -> set[Ref]:
    """These refs and all that were linked because of them."""
    found, names = set(refs), {str(ref) for ref in refs}
    while fresh := {ref for ref, told in through.items() if told in names and ref not in found}:
        found |= fresh
        names |= {str(ref) for ref in fresh}
    return found
