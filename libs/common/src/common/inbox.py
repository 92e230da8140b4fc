"""Facts, which are the inbox too: (client, event id) is there once, so a repeat has no effect."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from common.contracts import client, registry
from common.contracts.base import Data, Event, Origin

_TAKE = text("""
INSERT INTO facts (client_id, event_id, type, time, knowntime, sequence, origin, source, replaces, data)
SELECT u.client_id, u.event_id, u.type, u.time, u.knowntime, u.sequence, u.origin, u.source, u.replaces,
       u.data::jsonb
FROM unnest(CAST(:client_ids AS uuid[]), CAST(:event_ids AS uuid[]), CAST(:types AS text[]),
            CAST(:times AS timestamptz[]), CAST(:knowntimes AS timestamptz[]), CAST(:sequences AS int[]),
            CAST(:origins AS text[]), CAST(:sources AS text[]), CAST(:replaces AS uuid[]), CAST(:datas AS text[]))
     AS u(client_id, event_id, type, time, knowntime, sequence, origin, source, replaces, data)
WHERE NOT EXISTS (SELECT 1 FROM erased_clients e WHERE e.client_id = u.client_id)
ORDER BY u.client_id, u.event_id
ON CONFLICT DO NOTHING
RETURNING client_id, event_id
""")

_LOAD = text("""
SELECT client_id, event_id, type, time, knowntime, sequence, origin, source, replaces, data::text AS data
FROM facts WHERE client_id = ANY(:client_ids) AND data IS NOT NULL
""")


async def take(
    session: AsyncSession, events: Sequence[Event[Any]], *, keep: Collection[type[Data]]
) -> list[Event[Any]]:
    """Store what is new and return it, in the order given; repeats and erased clients' events fall away.

    The body is kept (without what names people) for types in `keep`; of others only that they were seen.
    Events whose subject is no client (feeds) pass as they are: their handlers are harmless to repeat.
    """
    about_clients: dict[tuple[UUID, UUID], Event[Any]] = {}
    for event in events:
        if is_about_client(event):
            about_clients.setdefault((event.client_id, event.id), event)
    if not about_clients:
        return list(events)
    fresh = {
        (row[0], row[1]) for row in await session.execute(_TAKE, _columns(about_clients.values(), frozenset(keep)))
    }
    result = []
    for event in events:
        if not is_about_client(event):
            result.append(event)
        elif (event.client_id, event.id) in fresh:
            fresh.discard((event.client_id, event.id))
            result.append(event)
    return result


def _columns(events: Collection[Event[Any]], keep: frozenset[type[Data]]) -> dict[str, list[Any]]:
    return {
        "client_ids": [e.client_id for e in events],
        "event_ids": [e.id for e in events],
        "types": [e.type for e in events],
        "times": [e.time for e in events],
        "knowntimes": [e.knowntime for e in events],
        "sequences": [e.sequence for e in events],
        "origins": [e.origin.value for e in events],
        "sources": [e.source for e in events],
        "replaces": [e.replaces for e in events],
        "datas": [orjson.dumps(e.data.fact()).decode() if type(e.data) in keep else None for e in events],
    }


async def load(session: AsyncSession, client_ids: Iterable[UUID]) -> list[Event[Any]]:
    """All kept facts of these clients as events, in the order of contracts.md."""
    rows = await session.execute(_LOAD, {"client_ids": list(client_ids)})
    return sorted((_event(row) for row in rows), key=lambda event: event.order)


def is_about_client(event: Event[Any]) -> bool:
    """Whether the subject is a client's id (else it is a source's name)."""
    try:
        return bool(event.client_id)
    except ValueError:
        return False


def plain(value: UUID) -> UUID:
    """The standard library's UUID: asyncpg gives a subclass, which JSON writers refuse."""
    return UUID(int=value.int)


def _event(row: Any) -> Event[Any]:
    # model_construct: the row was validated when it was taken, and a fold reads many of them
    return Event.model_construct(
        id=plain(row.event_id),
        source=row.source,
        type=row.type,
        subject=str(row.client_id),
        time=row.time,
        knowntime=row.knowntime,
        sequence=row.sequence,
        origin=Origin(row.origin),
        replaces=row.replaces and plain(row.replaces),
        data=registry.body(row.type).model_validate(orjson.loads(row.data)),
        specversion="1.0",
        datacontenttype="application/json",
        dataschema=None,
        traceparent=None,
        correlationid=None,
        causationid=None,
    )


def pseudonym(erased: Event[client.ContactErased]) -> str:
    """What stands for an erased person from then on, in every service the same; nobody can tell who it was."""
    return f"erased-{erased.id}"


async def forget_contact(session: AsyncSession, client_ids: Collection[UUID], contact_id: str, name: str) -> None:
    """Put `name` for a contact's id wherever the facts of these clients hold it. What they say stays the same."""
    rows = await session.execute(
        text(
            "SELECT client_id, event_id, data::text AS data FROM facts"
            " WHERE client_id = ANY(:ids) AND position(:quoted in data::text) > 0 FOR UPDATE"
        ),
        {"ids": sorted(client_ids), "quoted": orjson.dumps(contact_id).decode()},
    )
    changed = [(row.client_id, row.event_id, renamed(orjson.loads(row.data), {contact_id: name})) for row in rows]
    if changed:
        await session.execute(
            text(
                "UPDATE facts f SET data = u.data::jsonb"
                " FROM unnest(CAST(:clients AS uuid[]), CAST(:events AS uuid[]), CAST(:datas AS text[]))"
                " AS u(client_id, event_id, data) WHERE f.client_id = u.client_id AND f.event_id = u.event_id"
            ),
            {
                "clients": [client_id for client_id, _, _ in changed],
                "events": [event_id for _, event_id, _ in changed],
                "datas": [orjson.dumps(data).decode() for _, _, data in changed],
            },
        )


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """A JSON value in which whole strings are replaced."""
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, Mapping):
        return {key: renamed(part, names) for key, part in value.items()}
    return [renamed(part, names) for part in value] if isinstance(value, list) else value


async def erase(session: AsyncSession, client_ids: Sequence[UUID], *, at: Any) -> None:
    """Delete what is held of clients, and remember that they are gone: their late events are dropped."""
    ids = {"ids": list(client_ids)}
    await session.execute(
        text(
            "INSERT INTO erased_clients (client_id, erased_at) SELECT u, :at FROM unnest(CAST(:ids AS uuid[])) u"
            " ON CONFLICT DO NOTHING"
        ),
        {**ids, "at": at},
    )
    await session.execute(text("DELETE FROM facts WHERE client_id = ANY(:ids)"), ids)
    await session.execute(text("DELETE FROM states WHERE client_id = ANY(:ids)"), ids)
    await session.execute(
        text("DELETE FROM client_links WHERE from_client_id = ANY(:ids) OR into_client_id = ANY(:ids)"), ids
    )
