"""People correct whose something is: two records are one client, or were not; a ref was linked to the wrong one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from common import outbox
from common.contracts import client
from common.contracts.base import Event
from common.contracts.ids import derived_id
from common.errors import Conflict, NotFound, Refused
from common.ids import new_id
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ingest import accept, carrying
from ingest.domain import moving
from ingest.domain.plan import Circumstance, Plan
from ingest.domain.refs import Ref, own_name
from ingest.domain.shared import SharedDomains
from ingest.domain.world import Client, World
from ingest.repository import auditing, ledger, loading, merging, saving
from ingest.repository.merging import Merge, Move

MOST_TOLD = 10_000
"""Ids of moved events that one event may list; beyond it (400 kB) the moved events speak for themselves."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What a change moved; `done` is false while a timer carries the rest."""

    from_client_id: UUID | None
    into_client_id: UUID
    events: int
    done: bool = True


async def merge(
    session: AsyncSession, from_id: UUID, into_id: UUID, now: datetime, shared: SharedDomains, *, by: str
) -> None:
    """Two records are one client, which goes on under `into_id`: refs, people, what waits, all later events.

    Events said before stay under the id they were said under; every service folds both. Raises NotFound, Refused,
    Conflict.
    """
    if from_id == into_id:
        raise Refused("a client is not merged into itself", field="from_client_id")
    here = await _both(session, from_id, into_id, shared)
    gone, survivor = here.clients.pop(from_id), here.clients[into_id]
    refs = frozenset(await loading.owned_by(session, [from_id]))
    before = {"profile": survivor.profile, "said_at": survivor.said_at, "live_since": survivor.live_since}
    before = {name: dict(value) for name, value in before.items()}
    contacts = frozenset(await merging.share_people(session, from_id, into_id))
    await merging.hand_over(session, refs, into_id)
    await merging.point(session, from_id, into_id)
    await merging.keep_merge(session, Merge(new_id(), from_id, into_id, refs, contacts, before), now)
    await outbox.add(session, _both_told(client.ClientsMerged(from_client_id=from_id, into_client_id=into_id), now))
    here.owners = await loading.owned_by(session, [into_id])
    plan = Plan(here)
    plan.domains = {domain for domain in (gone.domain, survivor.domain) if domain}
    moving.absorb(survivor, gone)
    await merging.remember_forgotten(session, survivor)
    await accept.release(session, plan, now)
    await saving.save(session, plan, now=now, by=by)
    await saving.name_raw(session, plan.raw_clients)
    detail = {"from_client_id": from_id, "into_client_id": into_id, "refs": len(refs)}
    await auditing.note(session, "clients_merged", at=now, by=by, client_id=into_id, detail=detail)


async def unmerge(session: AsyncSession, from_id: UUID, now: datetime, shared: SharedDomains, *, by: str) -> Moved:
    """They were two after all: its refs go back, and what they told since the merge is said of it.

    Raises NotFound, and Conflict where it is not merged, or the survivor was itself merged since.
    """
    into_id = await merging.merged_into(session, from_id)
    if into_id is None:
        raise Conflict("this client is not merged into another")
    here = await _both(session, from_id, into_id, shared, apart=True)
    stays = here.clients[into_id]
    merges = await merging.standing(session, into_id)
    undone = next(one for one in merges if one.from_client_id == from_id)
    through = await merging.through(session, into_id)
    own = {own_name(one) for one in await merging.family(session, from_id)}
    refs = frozenset(moving.follows((undone.refs & through.keys()) | own, through))
    told = await ledger.ids_told_by(session, into_id, refs, MOST_TOLD + 1)
    await merging.hand_over(session, refs, from_id)
    await merging.unsettle(session, into_id)
    await merging.point(session, from_id, None)
    await merging.undo(session, undone.id, now)
    moved = tuple(told) if len(told) <= MOST_TOLD else None
    body = client.ClientsUnmerged(from_client_id=from_id, into_client_id=into_id, moved=moved)
    await outbox.add(session, _both_told(body, now))
    await _restore(session, stays, merges, undone, refs)
    plan = Plan(here)
    move = Move(new_id(), into_id, from_id, refs)
    count, done = await carrying.begin(session, move, plan, now, newer=True)
    borrowed = undone.contacts - await ledger.people_told_of(session, into_id, undone.contacts)
    await merging.drop_people(session, into_id, borrowed)
    await saving.save(session, plan, now=now, by=by)
    await saving.name_raw(session, plan.raw_clients)
    detail = {
        "from_client_id": from_id, "into_client_id": into_id, "refs": len(refs - own), "events": len(told),
    }  # fmt: skip
    await auditing.note(session, "clients_unmerged", at=now, by=by, client_id=into_id, detail=detail)
    return Moved(into_id, from_id, count, done)


async def _restore(
    session: AsyncSession, who: Client, merges: list[Merge], undone: Merge, refs: Collection[Ref]
) -> None:
    """The survivor's own profile: as before its first merge, with what was said since of it and of who stays."""
    before = merges[0].before
    who.profile, who.said_at, who.live_since = (dict(before[k]) for k in ("profile", "said_at", "live_since"))
    who.changed = True
    others = [one.from_client_id for one in merges if one.id != undone.id]
    for other in (await loading.look(session, others)).values():
        moving.absorb(who, other)
    told = {str(ref) for ref in refs}
    lines = [line for line in await ledger.profiles(session, who.id) if line.via not in told]
    for line in lines:
        who.learn({name: value for name, value in line.data.items() if name != "refs"}, line.time)
    for source, since in (await ledger.first_live(session, who.id, refs)).items():
        moving.hear(who, source.removeprefix("csl/ingest/"), since.isoformat())


async def move(
    session: AsyncSession, ref: Ref, into_id: UUID, now: datetime, shared: SharedDomains, *, by: str
) -> Moved:
    """A person says whose a ref is: what it told of another client is withdrawn there and said of this one.

    Refs that were linked because of it follow. An unknown ref is linked, and what waited for it released. No source
    takes it away again. Raises NotFound, Refused, and Conflict where the ref is what its client was created under.
    """
    await _linking(session)
    owner = (await loading.owners(session, [ref])).get(ref)
    if owner is None:
        return await _assign(session, ref, into_id, now, shared, by=by)
    from_id = owner.client_id
    if from_id == into_id:
        await merging.said_by_person(session, ref, by=by, at=now)
        return Moved(None, into_id, 0)
    here = await _both(session, from_id, into_id, shared, field="client_id")
    through = await merging.through(session, from_id)
    refs = frozenset(moving.follows({ref}, through))
    await _not_its_foundation(session, from_id, refs, through.keys() - refs)
    named = await _named_at(session, from_id, refs)
    await merging.hand_over(session, refs, into_id)
    await merging.said_by_person(session, ref, by=by, at=now)
    await merging.unsettle(session, from_id)
    here.owners = await loading.owned_by(session, [into_id])
    plan = Plan(here)
    count, done = await carrying.begin(session, Move(new_id(), from_id, into_id, refs), plan, now, newer=False)
    if any(one.names_client for one in refs):
        source, time = named or (ref.source, now)
        how = Circumstance(source, derived_id("moved", ref, into_id, now), 0, now)
        plan.name(here.clients[into_id], time, how)
    await accept.release(session, plan, now)
    await saving.save(session, plan, now=now, by=by)
    await saving.name_raw(session, plan.raw_clients)
    detail = {"ref": str(ref), "from_client_id": from_id, "into_client_id": into_id, "refs": len(refs)}
    await auditing.note(session, "ref_moved", at=now, by=by, client_id=into_id, detail=detail)
    return Moved(from_id, into_id, count, done)


async def _named_at(session: AsyncSession, client_id: UUID, refs: Collection[Ref]) -> tuple[str, datetime] | None:
    """Which source first gave a client these names, and when: it is when the right one should have had them."""
    family = await merging.family(session, client_id)
    lines = [line for one in family for line in await ledger.profiles(session, one)]
    found = [(line.time, line.source_name) for line in lines if moving.names_of(line) & set(refs)]
    return min(found)[::-1] if found else None


async def must_own(session: AsyncSession, client_id: UUID, ref: Ref) -> None:
    """Raises NotFound where the ref is not this client's."""
    await _linking(session)
    owner = (await loading.owners(session, [ref])).get(ref)
    if owner is None or owner.client_id != client_id:
        raise NotFound("this client has no such ref")


async def _assign(
    session: AsyncSession, ref: Ref, into_id: UUID, now: datetime, shared: SharedDomains, *, by: str
) -> Moved:
    here = World(clients=await loading.lock(session, [into_id]), shared=shared)
    who = _present(here, into_id, "client_id")
    here.owners = await loading.owned_by(session, [into_id])
    plan = Plan(here)
    plan.assign(ref, who, now)
    released = await accept.release(session, plan, now)
    await saving.save(session, plan, now=now, by=by)
    await saving.name_raw(session, plan.raw_clients)
    detail = {"ref": str(ref), "released": released}
    await auditing.note(session, "ref_assigned", at=now, by=by, client_id=into_id, detail=detail)
    return Moved(None, into_id, released)


async def _not_its_foundation(
    session: AsyncSession, client_id: UUID, refs: Collection[Ref], left: Collection[Ref]
) -> None:
    names = {str(ref) for ref in refs}
    for one in await merging.family(session, client_id):
        profiles = await ledger.profiles(session, one)
        registered = [line.via for line in profiles if line.type == client.ClientRegistered.TYPE]
        if registered and all(via in names for via in registered):
            raise Conflict(
                "its client was created under this ref: merge the two clients, or take a merge back, instead"
            )
    if not any(ref.names_client for ref in left):
        raise Conflict("its client is known by this ref and no other: merge the two clients instead")


async def _linking(session: AsyncSession) -> None:
    await session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": loading.LINKING})


async def _both(
    session: AsyncSession, from_id: UUID, into_id: UUID, shared: SharedDomains, *, apart: bool = False,
    field: str = "from_client_id",
) -> World:  # fmt: skip
    """Both clients, locked; `apart`: the one is merged into the other as yet. Raises NotFound, Refused, Conflict."""
    await _linking(session)
    families = {*await merging.family(session, from_id), *await merging.family(session, into_id)}
    here = World(clients=await loading.lock(session, {from_id, into_id, *families}), shared=shared)
    _present(here, into_id, None if field != "client_id" else field)
    if from_id not in here.clients:
        raise Refused("no client has this id", field=field)
    if not apart:
        _present(here, from_id, field)
    if await merging.under_way(session, [from_id, into_id]):
        raise Conflict("events of one of these clients are still being moved: try again in a moment")
    return here


def _present(here: World, client_id: UUID, field: str | None) -> Client:
    who = here.clients.get(client_id)
    if who is None and field is None:
        raise NotFound("no such client")
    if who is None:
        raise Refused("no client has this id", field=field)
    if who.merged_into is not None:
        raise Conflict(f"this client was merged into {who.merged_into}")
    return who


def _both_told(
    body: client.ClientsMerged | client.ClientsUnmerged, now: datetime
) -> list[Event[client.ClientsMerged | client.ClientsUnmerged]]:
    """Published once under each id. Taken back at the very moment it was done, it is undone: hence the sequence."""
    ids = (body.from_client_id, body.into_client_id)
    sequence = int(isinstance(body, client.ClientsUnmerged))
    return [
        Event.of(
            body,
            id=derived_id(body.TYPE, *ids, now, subject),
            source=moving.SOURCE,
            subject=subject,
            time=now,
            sequence=sequence,
        )
        for subject in ids
    ]
