"""Client events in a few words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from common.contracts import client
from common.contracts.base import Data, Event

DAY_0 = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def happened(
    body: Data,
    client_id: UUID,
    *,
    at: datetime = DAY_0,
    known: datetime | None = None,
    sequence: int = 0,
    replaces: UUID | None = None,
    id: UUID | None = None,  # noqa: A002  (CloudEvents' own word)
) -> Event[Any]:
    """An event about a client, as ingest would publish it."""
    return Event.of(
        body,
        id=id or uuid4(),
        source="csl/ingest/test",
        subject=client_id,
        time=at,
        knowntime=known,
        sequence=sequence,
        replaces=replaces,
    )


def login(client_id: UUID, *, minutes: float = 0, count: int = 1, **more: Any) -> Event[Any]:
    """A login so many minutes after DAY_0."""
    return happened(client.LoggedIn(count=count), client_id, at=DAY_0 + timedelta(minutes=minutes), **more)
