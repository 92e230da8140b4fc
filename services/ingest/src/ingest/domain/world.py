"""What ingest knows of clients while it decides: loaded before, saved after, no IO between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from common.contracts.client import Profile

from ingest.domain.refs import Ref, bare_domain
from ingest.domain.shared import SharedDomains

PROFILE = frozenset(Profile.model_fields)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a ref is. `alias`: what the ref stands for at its source (a charge's invoice)."""

    client_id: UUID
    alias: str | None = None
    explicit: bool = False
    """A person said so: no source takes it away again."""
    by: str | None = field(default=None, compare=False)
    """The rule that linked it, where one did; else whoever brought the statement."""
    through: Ref | None = field(default=None, compare=False)
    """The ref that told whose this one is: if that was wrong, so is this."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """A ref whose client was erased: the last time, and how often."""

    at: datetime
    times: int


@dataclass(slots=True)
class Client:
    """One client: its profile, field by field as last said, and since when each source speaks of it."""

    id: UUID
    created_at: datetime
    profile: dict[str, Any] = field(default_factory=dict)
    said_at: dict[str, str] = field(default_factory=dict)
    live_since: dict[str, str] = field(default_factory=dict)
    changed: bool = False
    merged_into: UUID | None = None
    forgotten: Mapping[str, str] = field(default_factory=dict)
    """Erased people: digest of the contact's id or address → when."""
    unsettled: bool = False
    """Whether a ref was taken from it by one of the latest 100,000 transactions: what was read of its refs before its
    lock may be out of date."""

    key: str = field(init=False)
    """Its id, written: every event of it bears it."""

    def __post_init__(self) -> None:
        self.key = str(self.id)

    @property
    def domain(self) -> str | None:
        """The domain by which refs are linked, however it was written."""
        return bare_domain(self.profile.get("domain"))

    def learn(self, said: Mapping[str, Any], time: datetime) -> None:
        """Take over what is newer than what is known, field by field: events come late and out of order."""
        at = time.isoformat()
        for name, value in said.items():
            if name in PROFILE and value is not None and at >= self.said_at.get(name, ""):
                self.profile[name] = value
                self.said_at[name] = at
                self.changed = True

    def heard(self, source: str, time: datetime) -> None:
        """The first live event of a source: imports of that source end here."""
        if source not in self.live_since:
            self.live_since[source] = time.isoformat()
            self.changed = True

    def first_live(self, source: str | None = None) -> datetime | None:
        """When live events began, of one source or of any."""
        if source is not None:
            found = self.live_since.get(source)
            return datetime.fromisoformat(found) if found else None
        return min((datetime.fromisoformat(at) for at in self.live_since.values()), default=None)


@dataclass(slots=True)
class Person:
    """A contact as known so far."""

    name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    role: str = "user"
    left: bool = False

    @property
    def full_name(self) -> str | None:
        joined = " ".join(part for part in (self.first_name, self.last_name) if part)
        return joined or self.name


@dataclass(slots=True)
class World:
    """The rows that a batch of statements touches."""

    owners: dict[Ref, Owner] = field(default_factory=dict)
    clients: dict[UUID, Client] = field(default_factory=dict)
    erasures: dict[Ref, Erasure] = field(default_factory=dict)
    erased_clients: set[UUID] = field(default_factory=set)
    people: dict[tuple[UUID, str], Person] = field(default_factory=dict)
    merged: dict[UUID, UUID] = field(default_factory=dict)
    """Ids by which clients are still named → the client they were merged into in the end."""
    shared: SharedDomains | None = None
    """None: no ref is linked by a domain here."""
    by_domain: dict[str, set[UUID]] = field(default_factory=dict)
    """Clients of the domains that were asked for."""

    def root(self, client_id: UUID) -> UUID:
        return self.merged.get(client_id, client_id)
