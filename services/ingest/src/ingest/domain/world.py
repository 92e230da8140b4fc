"""What ingest knows of clients while it decides: loaded before, saved after, no IO between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from common.contracts.client import Profile

from ingest.domain.refs import Ref

PROFILE = frozenset(Profile.model_fields)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a ref is. `alias`: what the ref stands for at its source (a charge's invoice)."""

    client_id: UUID
    alias: str | None = None


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
