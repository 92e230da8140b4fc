"""Arrivals → one transaction: dedup, identity, canonical events, raw bodies, quarantine. Nothing is sent here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from common.contracts.errors import Refused
from common.ids import new_id
from sqlalchemy.ext.asyncio import AsyncSession

from ingest.domain.arrival import Arrival, Item, Outcome, Receipt, outcome_of
from ingest.domain.plan import Fate, Plan
from ingest.domain.shared import SharedDomains
from ingest.domain.times import clamp
from ingest.repository import arriving, enriching, loading, saving
from ingest.repository.arriving import Quarantined
from ingest.repository.saving import RawBody
from ingest.sources import bodies


class Contradicted(Refused):
    """A `strict` post contradicts what is known; its neighbours in the batch do not."""

    def __init__(self, refused: Refused, position: int, arrival: Arrival) -> None:
        super().__init__(refused.detail, field=f"{position}.{refused.field or 'subject'}")
        self.arrival = arrival


@dataclass(frozen=True, slots=True)
class Moments:
    """Business time for what is said of clients, wall time for what is kept how long."""

    now: datetime
    wall: datetime


async def store(
    session: AsyncSession,
    arrivals: Sequence[Arrival],
    at: Moments,
    *,
    by: str = "webhook",
    shared: SharedDomains | None = None,
) -> list[Receipt]:
    """Store posts that arrived together; one receipt each. Raises Contradicted for a `strict` arrival.

    With `shared` (the domains that say nothing), new refs may be linked by the domains that come with them.
    """
    receipts = [Receipt() for _ in arrivals]
    new = await _without_duplicates(session, arrivals, receipts, at)
    plan = Plan(await loading.world(session, [s for items in new for item in items for s in item.statements], shared))
    broken: list[Quarantined] = []
    for arrival, items, receipt in zip(arrivals, new, receipts, strict=True):
        _decide(plan, arrival, items, receipt, broken, at)
    await release(session, plan, at.now)
    await saving.save(session, plan, now=at.now, by=by)
    await arriving.quarantine(session, broken)
    await enriching.ask(session, set().union(*(receipt.lookups for receipt in receipts)), at.wall)
    wanted = [len(items) > receipt.erased for items, receipt in zip(new, receipts, strict=True)]
    await _keep(session, plan, [a for a, keep in zip(arrivals, wanted, strict=True) if keep], at)
    return receipts


async def _without_duplicates(
    session: AsyncSession, arrivals: Sequence[Arrival], receipts: Sequence[Receipt], at: Moments
) -> list[list[Item]]:
    """Keys repeated inside the batch are removed first; then the table says which were seen before."""
    digests = [[_dedup_key(a, item) for item in a.items] for a in arrivals]
    asked = {
        key: arrival.source_of(item)
        for arrival, keys in zip(arrivals, digests, strict=True)
        for item, key in zip(arrival.items, keys, strict=True)
        if key is not None
    }
    unseen = await arriving.fresh(session, asked, at.wall)
    new: list[list[Item]] = []
    for arrival, keys, receipt in zip(arrivals, digests, receipts, strict=True):
        kept: list[Item] = []
        for item, key in zip(arrival.items, keys, strict=True):
            if key is not None and key not in unseen:
                receipt.outcomes[Outcome.DUPLICATE] += 1
                continue
            if key is not None:
                unseen.discard(key)
            kept.append(item)
        new.append(kept)
    return new


def _dedup_key(arrival: Arrival, item: Item) -> bytes | None:
    return arriving.digest(arrival.source_of(item), item.key) if item.key is not None else None


def _decide(
    plan: Plan, arrival: Arrival, items: Sequence[Item], receipt: Receipt, broken: list[Quarantined], at: Moments
) -> None:
    if arrival.unreadable is not None:
        receipt.outcomes[Outcome.QUARANTINED] += 1
        receipt.failure = arrival.unreadable
        broken.append(_whole(arrival, arrival.unreadable))
        return
    for item in items:
        ignored = item.ignored is not None
        outcome = Outcome.IGNORED if ignored else _decide_item(plan, arrival, item, receipt, broken, at)
        receipt.outcomes[outcome] += 1
        receipt.unknown += item.unknown
        if item.unknown:
            receipt.unknown_kinds[item.kind] += 1
        parked = outcome is Outcome.PARKED
        if item.lookups:
            wanted = [one for one in item.lookups if parked or not one.if_parked]
            receipt.lookups |= {(arrival.source, one.kind, one.id) for one in wanted}


def _decide_item(
    plan: Plan, arrival: Arrival, item: Item, receipt: Receipt, broken: list[Quarantined], at: Moments
) -> Outcome:
    reason = item.broken
    if reason is None:
        try:
            fates = _take(plan, arrival, item, at)
            if Fate.ERASED in fates:
                receipt.erased += 1
                arrival.erased.add(item.position)
            receipt.happened(_newest(arrival, item))
            return outcome_of(fates)
        except Refused as refused:
            if arrival.strict:
                raise Contradicted(refused, item.position, arrival) from refused
            reason = refused.detail
    receipt.failure = f"{item.kind}: {reason}"
    broken.append(
        Quarantined(
            id=new_id(),
            source=arrival.source,
            received_at=arrival.received_at,
            reason=reason,
            form="event",
            body=bodies.dump(item.body),
            headers=arrival.headers,
            key=item.key,
            kind=item.kind,
        )
    )
    return Outcome.QUARANTINED


def _newest(arrival: Arrival, item: Item) -> datetime | None:
    """When it happened there; impossible times tell nothing of how far behind a feed is."""
    newest = None
    for statement in item.statements:
        time, impossible = clamp(statement.time, arrival.received_at)
        if not impossible and (newest is None or time > newest):
            newest = time
    return newest


def _take(plan: Plan, arrival: Arrival, item: Item, at: Moments) -> list[Fate]:
    fates, today = [], at.wall.date()
    for nth, statement in enumerate(item.statements):
        fates.append(plan.take(statement, arrival.circumstance(item, nth, statement, today)))
    return fates


def _whole(arrival: Arrival, reason: str) -> Quarantined:
    return Quarantined(
        id=new_id(), source=arrival.source, received_at=arrival.received_at, reason=reason, form="body",
        body=arrival.raw or b"", headers=arrival.headers,
    )  # fmt: skip


async def release(session: AsyncSession, plan: Plan, now: datetime) -> int:
    """Say what waited for the refs and domains that have just found an owner; that may give owners to further refs."""
    released = 0
    while plan.unanswered or plan.domains:
        refs, plan.unanswered = plan.unanswered, []
        domains, plan.domains = plan.domains, set()
        await loading.ask_domains(session, plan.world, domains)
        released += plan.release_own(now)
        waiting = await saving.waiting(session, refs, domains if plan.world.shared is not None else ())
        if not waiting:
            continue
        await loading.extend(session, plan.world, [p.statement for p in waiting])
        found = plan.release(waiting, now)
        await saving.unpark(session, found)
        released += len(found)
    return released


async def _keep(session: AsyncSession, plan: Plan, arrivals: Sequence[Arrival], at: Moments) -> None:
    """Raw bodies of what said anything new, and not only of erased clients; the unreadable are in the quarantine."""
    today = at.wall.date()
    named: dict[UUID, set[UUID]] = {raw_id: ids for (day, raw_id), ids in plan.raw_clients.items() if day == today}
    kept = [
        RawBody(a.raw_id, a.source, a.received_at, a.headers, a.without_erased())
        for a in arrivals
        if a.raw is not None and a.raw_id is not None and a.unreadable is None
    ]
    await saving.keep_raw(session, kept, named, today)
    fresh = {b.id for b in kept}
    await saving.name_raw(session, {key: ids for key, ids in plan.raw_clients.items() if key[1] not in fresh})
