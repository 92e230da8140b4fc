"""Refs: the names that outside systems have for our clients, and how they are written."""

from __future__ import annotations

import re
from typing import NamedTuple
from uuid import UUID

PREFIX = "ref:"
CLIENT_KINDS = frozenset({"company", "customer", "organization", "group", "account", "channel", "project"})
"""Kinds that name the client itself (a chat channel, a tracker's project is one client's); the others (contact, user …)
name something of it."""
MAX_PART = 300
_CONTROL = re.compile(r"[\x00-\x1f]")


class Ref(NamedTuple):
    """One name: which source, what kind of thing there, which id (always a string: ids pass 2^53).

    A tuple, because every event looks some up.
    """

    source: str
    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.source}:{self.kind}:{self.id}"

    @property
    def names_client(self) -> bool:
        return self.kind in CLIENT_KINDS


def parse_ref(value: str) -> Ref | None:
    """`ref:source:kind:id` or `source:kind:id` (colons, but no control characters in the id); else None."""
    parts = value.removeprefix(PREFIX).split(":", 2)
    if len(parts) != 3 or not all(0 < len(part) <= MAX_PART for part in parts) or _CONTROL.search(value):
        return None
    return Ref(*parts)


def own_name(client_id: UUID) -> Ref:
    """Our own id as a ref: how an event named its client, which may go on under another one meanwhile."""
    return Ref("csl", "client", str(client_id))


def parse_subject(value: str) -> UUID | Ref | None:
    """The subject of an event as people and programs write it: a client's id or a ref."""
    if value.startswith(PREFIX):
        return parse_ref(value)
    try:
        return UUID(value)
    except ValueError:
        return None


def mail_domain(email: str | None) -> str | None:
    """The domain of an address."""
    if not email or "@" not in email:
        return None
    domain = email.rsplit("@", 1)[1].strip().lower().rstrip(".>")
    return domain if "." in domain else None


def bare_domain(value: str | None) -> str | None:
    """`https://www.Acme.example/x` → `acme.example`."""
    if not value:
        return None
    host = value.strip().lower().split("://")[-1].split("/")[0].split(":")[0].removeprefix("www.").rstrip(".")
    return host if "." in host else None
