"""Use cases: erase a client, or a person of one, here and by `client_erased` and `contact_erased` everywhere."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from common import inbox, outbox
from common.contracts import client
from common.contracts.base import Event
from common.contracts.ids import derived_id
from common.errors import Conflict, NotFound
from common.ids import new_id
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ingest.config import Source
from ingest.domain.forgetting import digest_of
from ingest.domain.moving import SOURCE
from ingest.domain.refs import Ref
from ingest.domain.statement import Ignored, SourceEvent, Statement, Unreadable
from ingest.domain.traces import Traces, same_person
from ingest.domain.world import Person
from ingest.repository import auditing, erasing_clients, erasing_people, loading, merging
from ingest.sources import VENDORS, bodies

Sources = Mapping[str, Source]


async def erase_client(session: AsyncSession, client_id: UUID, sources: Sources, now: datetime, *, by: str) -> None:
    """Erase a client and all that were merged into it. Again for an erased one: nothing.

    Raises NotFound, and Conflict for one that goes on under another.
    """
    await session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": loading.LINKING})
    family = await merging.family(session, client_id)
    known = await loading.lock(session, family)
    if client_id not in known:
        if await erasing_clients.is_erased(session, client_id):
            return
        raise NotFound("no such client")
    if into := known[client_id].merged_into:
        raise Conflict(f"this client was merged into {into}: erase that one, or take the merge back first")
    for one in family:
        await _erase_one(session, one, sources, now)
    await auditing.note(session, "client_erased", at=now, by=by, client_id=client_id, detail={"ids": family})


async def _erase_one(session: AsyncSession, client_id: UUID, sources: Sources, now: datetime) -> None:
    refs = frozenset(await erasing_clients.refs_of(session, client_id))
    for held in await erasing_clients.raw_bodies(session, client_id):
        source = sources.get(held.source)
        rest = (
            _without(held.body, source, lambda event, s: _names(event, s, refs)) if source and not held.alone else None
        )
        await erasing_clients.rewrite_raw(session, held, rest, client_id)
        await erasing_people.unhook(session, [held.id])
    async for body in erasing_people.bodies_that_may_name(session, ()):
        rest = _without_client(body.body, sources.get(body.source), body.source, refs)
        if rest != body.body:
            await erasing_people.rewrite_raw(session, body, rest)
    for row in await erasing_people.quarantined(session):
        if _stands_in(row.body, row.source, refs):
            await erasing_people.drop_quarantined(session, row.id)
    await erasing_clients.forget(session, client_id, sorted(refs), now)
    await erasing_clients.forget_outbox(session, client_id)
    said: Event[client.ClientErased] = Event.of(
        client.ClientErased(), id=derived_id("client_erased", client_id), source=SOURCE, subject=client_id, time=now
    )
    await outbox.add(session, [said])


def _without_client(body: bytes, source: Source | None, name: str, refs: Collection[Ref]) -> bytes | None:
    """A body of which nobody knew whose it is, without what names the client by one of its ids at that source."""
    if not _stands_in(body, name, refs):
        return body
    if source is None:
        return None
    return _without(body, source, lambda event, s: _stands_in(bodies.dump(event.body), s.name, refs))


def _stands_in(body: bytes, source: str, refs: Collection[Ref]) -> bool:
    """Whether one of the ids at that source stands in a body, as a value of its own where it is JSON."""
    ids = {ref.id for ref in refs if ref.source == source}
    try:
        return any(str(part) in ids for part in erasing_people.scalars(bodies.parse(body)))
    except (Unreadable, RecursionError):
        return any(id_.encode() in body for id_ in ids)


async def erase_contact(
    session: AsyncSession,
    contact_id: str,
    sources: Sources,
    now: datetime,
    *,
    by: str,
    client_id: UUID | None = None,
    source: str | None = None,
) -> None:
    """Erase a person: the contact, and the same client's other contacts that are the same human.

    What the client did through them stays (a login, a ticket), said of nobody. Again for an erased one: nothing.
    Raises NotFound, and Conflict where the id names people of several clients.
    """
    await session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": loading.LINKING})
    found = await erasing_people.clients_with(session, contact_id, client_id, source)
    if not found:
        if await erasing_people.is_forgotten(session, digest_of(contact_id), client_id):
            return
        raise NotFound("no such contact")
    if len(found) > 1:
        raise Conflict(f"this id names people of several clients: say client_id= {', '.join(map(str, found))}")
    [owner] = found
    family = await merging.family(session, owner)
    await loading.lock(session, family)
    erased = await _erased_events(session, owner, contact_id, now)
    traces = await _traces(session, owner, {e.data.contact_id: inbox.pseudonym(e) for e in erased})
    count = await _clear(session, traces, family, sources, now)
    await outbox.add(session, erased)
    detail = {"contacts": sorted(traces.names.values()), **count}
    await auditing.note(session, "contact_erased", at=now, by=by, client_id=owner, detail=detail)


async def _erased_events(
    session: AsyncSession, owner: UUID, contact_id: str, now: datetime
) -> list[Event[client.ContactErased]]:
    people = await erasing_people.people(session, owner)
    person = people.get(contact_id, Person())
    same = [contact_id, *sorted(c for c, p in people.items() if c != contact_id and same_person(person, p))]
    return [
        Event.of(
            client.ContactErased(contact_id=one), id=new_id(), source=SOURCE, subject=owner, time=now, sequence=nth
        )
        for nth, one in enumerate(same)
    ]


async def _traces(session: AsyncSession, owner: UUID, names: Mapping[str, str]) -> Traces:
    people = await erasing_people.people(session, owner)
    refs = frozenset(
        ref for ref in await erasing_clients.refs_of(session, owner) if ref.id in names and not ref.names_client
    )
    return Traces(owner, names, refs, tuple(people[one] for one in names if one in people))


async def _clear(
    session: AsyncSession, traces: Traces, family: Collection[UUID], sources: Sources, now: datetime
) -> dict[str, int]:
    changed: list[UUID] = []
    async for held in erasing_people.bodies_that_may_name(session, family):
        rest = _without_person(held.body, sources.get(held.source), traces)
        if rest != held.body:
            changed.append(held.id)
            await erasing_people.rewrite_raw(session, held, rest)
    await erasing_people.unhook(session, changed)
    for row in await erasing_people.quarantined(session):
        rest = _without_person(row.body, sources.get(row.source), traces)
        if rest != row.body:
            changed.append(row.id)
            await erasing_people.rewrite_quarantined(session, row.id, rest)
    words = await erasing_people.clear_words(session, traces, family)
    parked = await erasing_people.clear_parked(session, traces)
    await erasing_people.clear_ledger(session, traces, family)
    await erasing_people.rewrite_outbox(session, traces, family)
    await erasing_people.clear_the_rest(session, traces)
    await erasing_people.remember(session, traces, family, now)
    return {"bodies": len(changed), "texts": words, "parked": parked}


def _without_person(body: bytes, source: Source | None, traces: Traces) -> bytes | None:
    """A body without the events about a person, and without name and address in the others; None: nothing is left."""
    if source is not None:
        left = _without(body, source, lambda event, s: _about(event, s, traces), unsure=body)
        if left is None:
            return None
        body = left
    masked = traces.masked_bytes(body)
    return masked if masked == body or source is None else _parsed_mask(body, traces) or masked


def _parsed_mask(body: bytes, traces: Traces) -> bytes | None:
    """JSON is masked by its strings, so that it stays JSON."""
    try:
        return bodies.dump(traces.masked_json(bodies.parse(body)))
    except (Unreadable, RecursionError):
        return None


def _about(event: SourceEvent, source: Source, traces: Traces) -> bool:
    said = _said(event, source)
    if said is None:
        return traces.named_in(event.body, source.name)
    return any(traces.is_about(statement) for statement in said)


def _without(
    body: bytes, source: Source, gone: Callable[[SourceEvent, Source], bool], *, unsure: bytes | None = None
) -> bytes | None:
    """A body without some of its events; None: nothing is left. `unsure`: what one becomes that cannot be read."""
    vendor = VENDORS[source.vendor]
    try:
        events = vendor.split(body, {}, source)
    except (Unreadable, RecursionError):
        return unsure
    kept = [event.body for event in events if not gone(event, source)]
    if len(kept) == len(events):
        return body
    return vendor.join(kept) if kept else None


def _names(event: SourceEvent, source: Source, refs: Collection[Ref]) -> bool:
    """Whether an event names a client; what we do not map we cannot ascribe, and it goes."""
    said = _said(event, source)
    return said is None or any(ref in refs for statement in said for ref in (*statement.refs, *statement.links))


def _said(event: SourceEvent, source: Source) -> list[Statement] | None:
    """What an event says; None where it cannot be told."""
    try:
        said: Any = VENDORS[source.vendor].interpret(event, source)
    except (Unreadable, ValueError, ArithmeticError, RecursionError):
        return None
    return None if isinstance(said, Ignored) else said
