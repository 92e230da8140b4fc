"""What a batch of statements touches, loaded with a handful of queries; clients are locked in id order."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

import orjson
from common.contracts import client
from common.db import fetch
from common.errors import Unavailable
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ingest.domain.forgetting import address_refs
from ingest.domain.kinds import kind_of
from ingest.domain.linking import domains_of
from ingest.domain.refs import Ref
from ingest.domain.shared import SharedDomains
from ingest.domain.statement import Statement
from ingest.domain.world import Client, Erasure, Owner, Person, World

LINKING = 0x4C494E4B
"""Advisory lock of whoever may link or park a ref: else one could park what another has just linked."""

_OWNERS = """
SELECT r.source, r.kind, r.id, r.client_id, r.alias, r.explicit
FROM unnest($1::text[], $2::text[], $3::text[]) AS u(source, kind, id)
JOIN refs r ON r.source = u.source AND r.kind = u.kind AND r.id = u.id
"""
_OWNED_BY = text("SELECT source, kind, id, client_id, alias, explicit FROM refs WHERE client_id = ANY(:ids)")
_LOOK = """
SELECT id, created_at, profile::text, said_at::text, live_since::text, merged_into, forgotten::text,
  CASE WHEN unlinked_in IS NULL THEN false ELSE
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint - unlinked_in BETWEEN 0 AND 100000 END
FROM clients WHERE id = ANY($1) ORDER BY id"""
_LOCK = f"{_LOOK} FOR UPDATE"
_BY_DOMAIN = text("SELECT domain, id FROM clients WHERE domain = ANY(:domains) AND merged_into IS NULL")
_NAMED = text("SELECT id, merged_into FROM clients WHERE id = ANY(:ids)")
_ERASED_REFS = text("SELECT digest, erased_at, times FROM erased_refs WHERE digest = ANY(:digests)")
_ERASED_CLIENTS = text("SELECT client_id FROM erased_clients WHERE client_id = ANY(:ids)")
_PEOPLE = text("""
SELECT c.client_id, c.contact_id, c.person::text AS person
FROM unnest(CAST(:clients AS uuid[]), CAST(:contacts AS text[])) AS u(client_id, contact_id)
JOIN contacts c ON c.client_id = u.client_id AND c.contact_id = u.contact_id
""")


class Moved(Unavailable):
    """A client was erased, merged or lost a ref between our look and our lock; the transaction is to start again."""

    def __init__(self) -> None:
        super().__init__("a client was changed meanwhile")


async def world(session: AsyncSession, statements: Sequence[Statement], shared: SharedDomains | None = None) -> World:
    """Everything that deciding on these statements may ask for. Raises Moved.

    The order of locks is the same for everybody: first LINKING, if anything unknown is spoken of, then all clients
    in id order. With `shared`, refs that nobody knows may be linked by their domains.
    """
    refs = {ref for s in statements for ref in _refs(s)}
    named = {s.client_id for s in statements if s.client_id}
    found = World(owners=await owners(session, refs), shared=shared)
    linking = bool(refs - found.owners.keys()) or any(_teaches_domain(s) for s in statements)
    unknown = await _name(session, found, named)
    if linking or unknown:
        linking = True
        await session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LINKING})
        found.owners = await owners(session, refs)
        unknown = await _name(session, found, named)
    fitting = await _by_domain(session, found, statements) if linking else set()
    owning = {owner.client_id for owner in found.owners.values()}
    named = {found.root(id_) for id_ in named}
    found.clients = await lock(session, owning | named | fitting)
    await _settled(session, found, refs, owning | (named - unknown))
    if linking:
        await _erasures(session, found, refs | {r for s in statements for r in address_refs(s)}, named)
    if fitting or any(ref.names_client and ref not in found.owners for s in statements for ref in s.links):
        found.owners |= await owned_by(session, list(found.clients))
    await people(session, found, statements)
    return found


def _teaches_domain(statement: Statement) -> bool:
    """What waits for that domain is to be released by whoever says it."""
    data = statement.data
    return kind_of(data).profile and isinstance(data, client.Profile) and data.domain is not None


async def _name(session: AsyncSession, found: World, named: Collection[UUID]) -> set[UUID]:
    """Note under which id the clients named by ours go on since they were merged; returns the ids that nobody has."""
    asked, unknown = {id_: id_ for id_ in named}, set[UUID]()
    while asked:
        rows = {r.id: r.merged_into for r in await session.execute(_NAMED, {"ids": sorted(set(asked.values()))})}
        unknown |= {at for at in asked.values() if at not in rows}
        asked = {id_: rows[at] for id_, at in asked.items() if rows.get(at)}
        found.merged |= asked
    return unknown


async def _settled(session: AsyncSession, found: World, refs: Collection[Ref], expected: set[UUID]) -> None:
    """Who was erased, merged, or had a ref taken away while we waited for the lock makes us look again.

    Raises Moved.
    """
    if not expected <= found.clients.keys() or any(one.merged_into for one in found.clients.values()):
        raise Moved
    if any(one.unsettled for one in found.clients.values()):
        now = await owners(session, refs)
        if any(now.get(ref) != owner for ref, owner in found.owners.items() if ref in refs):
            raise Moved


async def _by_domain(session: AsyncSession, found: World, statements: Sequence[Statement]) -> set[UUID]:
    """Ask whose the domains are that come with refs nobody knows; returns the clients that may be meant."""
    if found.shared is None:
        return set()
    asking = [s for s in statements if s.client_id is None and not any(ref in found.owners for ref in s.refs)]
    return await ask_domains(session, found, {d for s in asking for d in domains_of(s.hints).values()})


async def ask_domains(session: AsyncSession, found: World, domains: Collection[str]) -> set[UUID]:
    """Which clients have these domains now; one that was renamed in this very transaction counts as renamed."""
    wanted = [domain for domain in domains if found.shared is None or domain not in found.shared]
    if not wanted:
        return set()
    meant: set[UUID] = set()
    for row in await session.execute(_BY_DOMAIN, {"domains": wanted}):
        renamed = found.clients.get(row.id)
        if renamed is None or renamed.domain == row.domain:
            found.by_domain.setdefault(row.domain, set()).add(row.id)
            meant.add(row.id)
    return meant


async def extend(session: AsyncSession, known: World, statements: Sequence[Statement]) -> None:
    """The same for statements that were parked: their clients are locked already, by those who found them."""
    missing = {ref for s in statements for ref in _refs(s)} - known.owners.keys()
    for ref, owner in (await owners(session, missing)).items():
        known.owners.setdefault(ref, owner)
    await ask_domains(session, known, {d for s in statements for d in domains_of(s.hints).values()})
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
    return _by_ref(await fetch(session, _OWNERS, *map(list, zip(*refs, strict=True))))


async def owned_by(session: AsyncSession, client_ids: Sequence[UUID]) -> dict[Ref, Owner]:
    """All refs of these clients."""
    return _by_ref(await session.execute(_OWNED_BY, {"ids": list(client_ids)}))


def _by_ref(rows: Any) -> dict[Ref, Owner]:
    return {Ref(source, kind, id_): Owner(*owner) for source, kind, id_, *owner in rows}


async def lock(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, Client]:
    """Lock clients in id order."""
    return _clients(await fetch(session, _LOCK, list(ids))) if ids else {}


async def look(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, Client]:
    """The same without a lock: for what is not changed here."""
    return _clients(await fetch(session, _LOOK, list(ids))) if ids else {}


def _clients(rows: Iterable[Any]) -> dict[UUID, Client]:
    """By id. Fields by position: there may be one for every event."""
    read = orjson.loads
    return {
        id_: Client(
            id_, created_at, read(profile), read(said_at), read(live), False, merged, read(gone) if gone else {}, lost
        )
        for id_, created_at, profile, said_at, live, merged, gone, lost in rows
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
    moving = any(s.moves for s in statements)
    asked = {
        (who, contact)
        for s in statements
        if (contact := _contact(s))
        for who in (known.clients if moving else _perhaps(known, s))
    }
    if not asked:
        return
    rows = await session.execute(_PEOPLE, {"clients": [who for who, _ in asked], "contacts": [c for _, c in asked]})
    for row in rows:
        known.people.setdefault((row.client_id, row.contact_id), Person(**orjson.loads(row.person)))


def _perhaps(known: World, statement: Statement) -> Collection[UUID]:
    """Whose it may be: its owner's, where that is known before anything is decided."""
    owner = statement.client_id
    if owner is None:
        owner = next((known.owners[ref].client_id for ref in statement.refs if ref in known.owners), None)
    if owner is None or owner not in known.clients or known.clients[owner].merged_into is not None:
        return known.clients
    return (owner,)


def _contact(statement: Statement) -> str | None:
    if statement.contact:
        return statement.contact.contact_id
    data = statement.data
    if kind_of(data).person and isinstance(data, client.Contact | client.ContactMoved):
        return data.contact_id
    return None


def digest(ref: Ref) -> bytes:
    """An erased ref is remembered without being kept."""
    return hashlib.sha256(f"{ref.source}\x1f{ref.kind}\x1f{ref.id}".encode()).digest()


def person_json(person: Person) -> str:
    return orjson.dumps(asdict(person)).decode()
