"""What a source says, between its own words and our events: who is not yet decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from common.contracts import registry
from common.contracts.base import Data

from ingest.domain.refs import Ref


class Unreadable(Exception):  # noqa: N818  (a finding about a body, not a fault of ours)
    """A signed body that we cannot make sense of; it is quarantined, never refused."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SourceEvent(NamedTuple):
    """One event of a vendor's body: its dedup key, the vendor's name for it, and the object itself."""

    key: str
    kind: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ignored:
    """An event that has nothing to say to us; `unknown` if we have never heard of its type."""

    reason: str
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class ContactChange:
    """What a source tells of a person; the rest of the person is known to us already, or not at all."""

    contact_id: str
    name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    role: str | None = None
    left: bool = False


@dataclass(slots=True)
class Statement:
    """One thing said about a client. Never changed; not frozen, because freezing doubles what making one costs.

    `refs` are names of the client, tried in order; `links` are further names that belong to whoever it is.
    Exactly one of `data` (an event's body) and `contact` is said; with neither, only the links are.
    """

    refs: tuple[Ref, ...]
    time: datetime | None
    data: Data | None = None
    contact: ContactChange | None = None
    links: tuple[Ref, ...] = ()
    alias: str | None = None
    """What the links stand for at their source (the invoice that a charge pays)."""
    fill: tuple[str, Ref] | None = None
    """A field of `data` to take from the alias of a ref, where that is known."""
    creates: bool = False
    """Whether this may bring a client into being: a CRM's creation, an import, our own API."""
    moves: bool = False
    """Whether the links may be taken from another client: the CRM said so."""
    client_id: UUID | None = None
    """The client, where the sender named it by our own id."""
    text: str | None = None
    hints: Mapping[str, str] = field(default_factory=dict)
    """name, domain, email: what helps a person to say who an unmatched ref is."""
    id: UUID | None = None
    """The event's id, where the sender gave one."""

    @property
    def shown_as(self) -> Ref | None:
        """The ref under which it waits when nobody knows whose it is."""
        first = self.refs[0] if self.refs else None
        return next((ref for ref in self.refs if ref.names_client), first)


def dump(statement: Statement) -> dict[str, Any]:
    """JSON-ready; what `load` reads back."""
    return {
        "refs": [_ref(ref) for ref in statement.refs],
        "time": statement.time.isoformat() if statement.time else None,
        "type": statement.data.TYPE if statement.data else None,
        "data": statement.data.model_dump(mode="json", exclude_none=True, by_alias=True) if statement.data else None,
        "contact": _contact(statement.contact) if statement.contact else None,
        "links": [_ref(ref) for ref in statement.links],
        "alias": statement.alias,
        "fill": [statement.fill[0], _ref(statement.fill[1])] if statement.fill else None,
        "moves": statement.moves,
        "text": statement.text,
        "hints": dict(statement.hints),
        "id": str(statement.id) if statement.id else None,
    }


def load(value: Mapping[str, Any]) -> Statement:
    """A parked statement; what may create a client is never parked, so `creates` stays false."""
    return Statement(
        refs=tuple(Ref(*ref) for ref in value["refs"]),
        time=datetime.fromisoformat(value["time"]) if value["time"] else None,
        data=registry.body(value["type"]).model_validate(value["data"]) if value["type"] else None,
        contact=ContactChange(**value["contact"]) if value["contact"] else None,
        links=tuple(Ref(*ref) for ref in value["links"]),
        alias=value["alias"],
        fill=(value["fill"][0], Ref(*value["fill"][1])) if value["fill"] else None,
        moves=value["moves"],
        text=value["text"],
        hints=value["hints"],
        id=UUID(value["id"]) if value["id"] else None,
    )


def _ref(ref: Ref) -> list[str]:
    return [ref.source, ref.kind, ref.id]


def _contact(contact: ContactChange) -> dict[str, Any]:
    return {name: getattr(contact, name) for name in ContactChange.__slots__}
