"""HTTP use cases beside accepting: a person says whose a ref is, or has a body read again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from common.contracts.ids import derived_id
from common.errors import Conflict, NotFound, Refused
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ingest import accept, interpret
from ingest.accept import Moments
from ingest.config import Source
from ingest.domain.arrival import Arrival, Outcome
from ingest.domain.plan import Plan
from ingest.domain.reading import Reader
from ingest.domain.shared import SharedDomains
from ingest.domain.statement import SourceEvent
from ingest.domain.world import World
from ingest.repository import arriving, auditing, loading, queries, saving
from ingest.repository.arriving import Quarantined
from ingest.sources import bodies


async def assign(
    session: AsyncSession, unmatched_id: UUID, client_id: UUID, now: datetime, shared: SharedDomains, *, by: str
) -> int:
    """Give an unmatched ref to a client; what waited is said, in order, each with its own time. Returns how many.

    Raises NotFound, and Refused for a client that does not exist, or goes on under another id.
    """
    await session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": loading.LINKING})
    ref = await queries.unmatched_ref(session, unmatched_id)
    if ref is None:
        raise NotFound("no such unmatched ref")
    known = World(clients=await loading.lock(session, [client_id]), shared=shared)
    who = known.clients.get(client_id)
    if who is None:
        raise Refused("no client has this id", field="client_id")
    if who.merged_into is not None:
        raise Refused(f"this client was merged into {who.merged_into}", field="client_id")
    known.owners = await loading.owned_by(session, [client_id])
    owner = (await loading.owners(session, [ref])).get(ref)
    if owner is not None and owner.client_id != client_id:
        raise Conflict("this ref belongs to another client by now")
    plan = Plan(known)
    if owner is None:
        plan.assign(ref, who, now)
    else:
        plan.unanswered.append(ref)
    released = await accept.release(session, plan, now)
    await saving.save(session, plan, now=now, by=by)
    await saving.name_raw(session, plan.raw_clients)
    detail = {"ref": str(ref), "released": released}
    await auditing.note(session, "ref_assigned", at=now, by=by, client_id=client_id, detail=detail)
    return released


async def replay(
    session: AsyncSession, quarantine_id: UUID, sources: Mapping[str, Source], reader: Reader, at: Moments
) -> Outcome:
    """Read a quarantined body with today's mapping. Raises NotFound, Conflict, and Refused while it is unreadable."""
    held = await arriving.quarantined(session, quarantine_id, lock=True)
    if held.resolved_at is not None:
        raise Conflict(f"this was replayed before: {held.outcome}")
    source = sources.get(held.source)
    if source is None:
        raise Refused(f"the source {held.source} is not configured any more", field="source")
    arrival = _read_again(held, source, reader)
    broken = [arrival.unreadable, *(item.broken for item in arrival.items)]
    reason = next((why for why in broken if why), None)
    if reason is not None:
        raise Refused(f"still unreadable: {reason}", field="body")
    # strict: a body that contradicts what is known stays where it is, instead of being quarantined once more
    [receipt] = await accept.store(session, [replace(arrival, strict=True)], at, by="replay")
    outcome = receipt.outcomes.most_common(1)[0][0] if receipt.outcomes else Outcome.IGNORED
    await arriving.resolve(session, quarantine_id, outcome=outcome.value, at=at.now)
    return outcome


def _read_again(held: Quarantined, source: Source, reader: Reader) -> Arrival:
    """The original moment of receipt stays what it was; that a person understood it late is no fact of the client."""
    if held.form == "body":
        return interpret.arrival(source, held.body, held.headers, held.received_at, reader)
    event = SourceEvent(held.key or str(held.id), held.kind or "untyped", bodies.mapping(bodies.parse(held.body)))
    item = interpret.item(source, event, 0, reader)
    statements = tuple(
        replace(statement, id=statement.id or derived_id("ingest", source.name, event.key, nth))
        for nth, statement in enumerate(item.statements)
    )
    # its key was taken when it was quarantined
    return Arrival(source.name, held.received_at, items=[item._replace(key=None, statements=statements)])
