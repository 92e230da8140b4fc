"""What a batch of statements touches, loaded with a handful of queries; clients are locked in id order."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

import orjson
from common.contracts import client
from common.errors import Unavailable
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ingest.domain.refs import Ref
from ingest.domain.statement import Statement
from ingest.domain.world import Client, Erasure, Owner, Person, World

LINKING = 0x4C494E4B
"""Advisory lock of whoever may link or park a ref: else one could park what another has just linked."""

_OWNERS = text("""
SELECT r.source, r.kind, r.id, r.client_id, r.alias
FROM unnest(CAST(:sources AS text[]), CAST(:kinds AS text[]), CAST(:ids AS text[])) AS u(source, kind, id)
JOIN refs r ON r.source = u.source AND r.kind = u.kind AND r.id = u.id
""")
_OWNED_BY = text("SELECT source, kind, id, client_id, alias FROM refs WHERE client_id = ANY(:ids)")
_LOCK = text("""
SELECT id, created_at, profile::text AS profile, said_at::text AS said_at, live_since::text AS live_since
FROM clients WHERE id = ANY(:ids) ORDER BY id FOR UPDATE
""")
_ERASED_REFS = text("SELECT digest, erased_at, times FROM erased_refs WHERE digest = ANY(:digests)")
_ERASED_CLIENTS = text("SELECT client_id FROM erased_clients WHERE client_id = ANY(:ids)")
_PEOPLE = text("""
SELECT client_id, contact_id, person::text AS person FROM contacts
WHERE client_id = ANY(:clients) AND contact_id = ANY(:contacts)
""")


class Moved(Unavailable):
    """A client was erased between our look and our lock; the transaction is to be tried again from its start."""

    def __init__(self) -> None:
        super().__init__("a client was erased meanwhile")


async def world(session: AsyncSession, statements: Sequence[Statement]) -> World:
    """Everything that deciding on these statements may ask for. Raises Moved.

    The order of locks is the same for everybody: first LINKING, if anything unknown is spoken of, then all clients
    in id order.
    """
    refs = {ref for s in statements for ref in _refs(s)}
    named = {s.client_id for s in statements if s.client_id}
    found = World(owners=await owners(session, refs))
    linking = bool(refs - found.owners.keys()) or not await _all_known(session, named)
    if linking:
        await session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LINKING})
        found.owners = await owners(session, refs)
    owning = {owner.client_id for owner in found.owners.values()}
    found.clients = await lock(session, owning | named)
    if not owning <= found.clients.keys() or (not linking and not named <= found.clients.keys()):
        raise Moved
    if linking:
        await _erasures(session, found, refs, named)
    if any(ref.names_client and ref not in found.owners for s in statements for ref in s.links):
        found.owners |= await owned_by(session, list(found.clients))
    await people(session, found, statements)
    return found


async def _all_known(session: AsyncSession, ids: Collection[UUID]) -> bool:
    if not ids:
        return True
    known = await session.scalar(text("SELECT count(*) FROM clients WHERE id = ANY(:ids)"), {"ids": list(ids)})
    return int(known or 0) == len(ids)


async def extend(session: AsyncSession, known: World, statements: Sequence[Statement]) -> None:
    """The same for statements that were parked: their clients are locked already, by those who found them."""
    missing = {ref for s in statements for ref in _refs(s)} - known.owners.keys()
    for ref, owner in (await owners(session, missing)).items():
        known.owners.setdefault(ref, owner)
    await people(session, known, statements)


def _refs(statement: Statement) -> Iterable[Ref]:
    yield from statement.refs
    yield from statement.links
    if statement.fill:
        yield statement.fill[1]


async def owners(session: AsyncSession, refs: Collection[Ref]) -> dict[Ref, Owner]:
    """Who owns which of these refs."""
    if not refs:
        return {}
    listed = list(refs)
    rows = await session.execute(
        _OWNERS,
        {"sources": [r.source for r in listed], "kinds": [r.kind for r in listed], "ids": [r.id for r in listed]},
    )
    return _by_ref(rows)


async def owned_by(session: AsyncSession, client_ids: Sequence[UUID]) -> dict[Ref, Owner]:
    """All refs of these clients."""
    return _by_ref(await session.execute(_OWNED_BY, {"ids": list(client_ids)}))


def _by_ref(rows: Any) -> dict[Ref, Owner]:
    return {Ref(r.source, r.kind, r.id): Owner(r.client_id, r.alias) for r in rows}


async def lock(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, Client]:
    """Lock clients in id order."""
    if not ids:
        return {}
    return {
        row.id: Client(
            id=row.id,
            created_at=row.created_at,
            profile=orjson.loads(row.profile),
            said_at=orjson.loads(row.said_at),
            live_since=orjson.loads(row.live_since),
        )
        for row in await session.execute(_LOCK, {"ids": list(ids)})
    }


async def _erasures(session: AsyncSession, found: World, refs: Collection[Ref], named: Collection[UUID]) -> None:
    digests = {digest(ref): ref for ref in refs if ref not in found.owners}
    if digests:
        for row in await session.execute(_ERASED_REFS, {"digests": list(digests)}):
            found.erasures[digests[bytes(row.digest)]] = Erasure(row.erased_at, row.times)
    unknown = [id_ for id_ in named if id_ not in found.clients]
    if unknown:
        found.erased_clients = set(await session.scalars(_ERASED_CLIENTS, {"ids": unknown}))


async def people(session: AsyncSession, known: World, statements: Sequence[Statement]) -> None:
    """The contacts that statements speak of, unless they are known already."""
    contacts = {contact for s in statements if (contact := _contact(s))}
    if not contacts or not known.clients:
        return
    rows = await session.execute(_PEOPLE, {"clients": list(known.clients), "contacts": list(contacts)})
    for row in rows:
        known.people.setdefault((row.client_id, row.contact_id), Person(**orjson.loads(row.person)))


def _contact(statement: Statement) -> str | None:
    if statement.contact:
        return statement.contact.contact_id
    data = statement.data
    return data.contact_id if isinstance(data, client.Contact | client.ContactMoved) else None


def digest(ref: Ref) -> bytes:
    """An erased ref is remembered without being kept."""
    return hashlib.sha256(f"{ref.source}\x1f{ref.kind}\x1f{ref.id}".encode()).digest()


def person_json(person: Person) -> str:
    return orjson.dumps(asdict(person)).decode()
