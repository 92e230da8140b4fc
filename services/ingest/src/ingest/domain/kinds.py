"""What an event's type means to a plan. Asked of classes, once: an instance of pydantic's is asked ten times as slowly,
and every event is asked several times.
"""

from __future__ import annotations

from typing import NamedTuple

from common.contracts import client

ADDITIVE = (client.LoggedIn, client.UsageRecorded, client.HoursLogged, client.TouchpointRecorded)
"""Events that add up: said by history and by a live feed, they would count twice."""


class Kind(NamedTuple):
    """A type of event, or none."""

    profile: bool
    registers: bool
    person: bool
    """Says something of a person that is remembered."""
    additive: bool


_KINDS: dict[type, Kind] = {}


def kind_of(said: object) -> Kind:
    """Of an event's body, or of None."""
    body = type(said)
    found = _KINDS.get(body)
    if found is None:
        found = _KINDS[body] = Kind(
            profile=issubclass(body, client.Profile),
            registers=issubclass(body, client.ClientRegistered),
            person=issubclass(body, client.Contact | client.ContactMoved),
            additive=issubclass(body, ADDITIVE),
        )
    return found
