"""Rebuilding: states and day ends from the facts into a shadow schema, compared with what is live, and swapped in.

Facts and states commit together, so in one snapshot a live state is the fold of its facts, bit for bit; whatever
differs is a fault of ours or of the disk. `loop health rebuild` runs this beside the service, chunk by chunk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from common import folding, timers
from common.contracts.base import Event, Order
from common.db import Database
from common.timers import Timer
from sqlalchemy.ext.asyncio import AsyncSession

from health import definitions_repository
from health import rebuild_repository as repository
from health.domain import rebuilt
from health.domain.moments import moment_of, seconds_of
from health.domain.rebuilt import Rebuilt
from health.domain.state import FOLD_VERSION
from health.rebuild_repository import Live
from health.scoring import LOOK

FACTS_AT_ONCE = 20_000
"""A chunk is as many clients as have about so many facts."""
CLIENTS_AT_ONCE = 500

Family = tuple[UUID, tuple[UUID, ...]]
"""A client, and all ids that are folded into it (itself included)."""


@dataclass(frozen=True)
class Difference:
    """One thing that is kept otherwise than the facts say. `day`: the second of a day end; None: the state."""

    client_id: UUID
    what: str
    day: int | None = None


@dataclass
class Found:
    """What a chunk, or all of them, came to."""

    clients: int = 0
    facts: int = 0
    day_ends: int = 0
    compared: int = 0
    """Day ends that were kept as well, under the same model and journey."""
    outdated: int = 0
    """States of an older fold: folded again when next touched, so nothing is wrong with them."""
    waiting: int = 0
    """Clients whose past a timer is about to restate: their day ends are not compared yet."""
    live: list[bytes] = field(default_factory=list)
    rebuilt: list[bytes] = field(default_factory=list)
    """Digests of what was compared, of both sides."""
    whole: list[bytes] = field(default_factory=list)
    """A digest a client of all that its facts say: states and every day end."""
    differences: list[Difference] = field(default_factory=list)

    def add(self, other: Found) -> None:
        for name in ("clients", "facts", "day_ends", "compared", "outdated", "waiting"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.live += other.live
        self.rebuilt += other.rebuilt
        self.whole += other.whole
        self.differences += other.differences


async def chunks(database: Database) -> list[list[Family]]:
    """All clients, in chunks of about as many facts each."""
    async with database.read() as session:
        counted = await repository.facts_a_client(session)
        roots = await folding.roots_of(session, set(counted))
    families: dict[UUID, list[UUID]] = {}
    for client_id, root in roots.items():
        families.setdefault(root, []).append(client_id)
    return list(_chunked(sorted(families.items()), counted))


def _chunked(families: Iterable[tuple[UUID, list[UUID]]], counted: dict[UUID, int]) -> Iterator[list[Family]]:
    chunk: list[Family] = []
    facts = 0
    for root, members in families:
        chunk.append((root, (*members, root) if root not in members else tuple(members)))
        facts += sum(counted.get(member, 0) for member in members)
        if facts >= FACTS_AT_ONCE or len(chunk) >= CLIENTS_AT_ONCE:
            yield chunk
            chunk, facts = [], 0
    if chunk:
        yield chunk


async def work(database: Database, into: str, families: Sequence[Family], since: datetime, now: datetime) -> Found:
    """Rebuild one chunk into the schema `into`, and compare it with what is live in the same snapshot."""
    found = Found(clients=len(families))
    async with database.transaction() as session:
        await repository.one_snapshot(session)
        book = await definitions_repository.book(session)
        facts = await folding.facts_of(session, {root: set(members) for root, members in families})
        live = await repository.live(session, [root for root, _ in families], since)
        states, days = [], []
        for root, _ in families:
            known = facts[root]
            again = rebuilt.rebuild(
                folding.effective(known), book.choice, since=seconds_of(since), until=seconds_of(now)
            )
            last = known[-1].order if known else None
            states.append((root, last, again.body))
            days += [(root, second, day) for second, day in again.days.items()]
            found.facts += len(known)
            found.day_ends += len(again.days)
            _compare(found, live[root], known, again, last)
        await repository.write(session, into, states, days)
    return found


def _compare(found: Found, live: Live, facts: Sequence[Event[Any]], again: Rebuilt, last: Order | None) -> None:
    key = live.client_id.bytes
    if facts:
        found.whole.append(rebuilt.digest(key, again.body, sorted(again.days.items())))
    if not facts:
        if live.last is not None:
            found.differences.append(Difference(live.client_id, "a state is kept of a client without facts"))
        return
    if live.body is None:
        found.differences.append(Difference(live.client_id, "its state is missing"))
    elif live.fold_version != FOLD_VERSION:
        found.outdated += 1
    else:
        differing = rebuilt.state_differences(live.body, again.body)
        if live.last != last:
            differing.append(f"last fact: kept {live.last and live.last.id}, from facts {last and last.id}")
        found.differences += [Difference(live.client_id, what) for what in differing]
        found.live.append(rebuilt.digest(key, live.body))
        found.rebuilt.append(rebuilt.digest(key, again.body))
    if live.restating:
        found.waiting += 1
        return
    # Facts that were all taken back leave no day to restate: what was known then stays, and nothing contradicts it.
    kept = {second: day for second, day in live.days.items() if second in again.days or second in live.restated}
    compared, differing_days = rebuilt.day_differences(kept, again.days)
    found.compared += compared
    found.differences += [Difference(live.client_id, what, second) for second, what in differing_days]
    same = {second for second, day in kept.items() if (a := again.days.get(second)) and a[:3] == day[:3]}
    found.live.append(rebuilt.digest(key, [kept[second] for second in sorted(same)]))
    found.rebuilt.append(rebuilt.digest(key, [again.days[second] for second in sorted(same)]))


async def swap(database: Database, into: str, differences: Sequence[Difference], now: datetime) -> int:
    """Put the rebuilt states and day ends of these clients in place of the live ones; returns how many clients.

    The services go on meanwhile. A client that moved on since it was rebuilt is folded again when next touched, and
    every one is looked at at once, so that its score follows.
    """
    days: dict[UUID, list[int]] = {}
    for difference in differences:
        days.setdefault(difference.client_id, [])
        if difference.day is not None:
            days[difference.client_id].append(difference.day)
    ids = sorted(days)
    for start in range(0, len(ids), CLIENTS_AT_ONCE):
        some = ids[start : start + CLIENTS_AT_ONCE]
        async with database.transaction() as session:
            await repository.take_states(session, into, some)
            await repository.take_days(session, into, [(i, moment_of(s)) for i in some for s in days[i]])
            generations = await repository.look_now(session, some, now)
            await timers.schedule(session, [Timer(LOOK, str(i), g, now) for i, g in generations.items()])
    return len(ids)


async def kept(session: AsyncSession, client_ids: Sequence[UUID], since: datetime) -> dict[UUID, Live]:
    """What is live of these clients, of days after `since`."""
    return await repository.live(session, client_ids, since)


def hash_of(found: Found) -> str:
    """One hash of all that was rebuilt: the same wherever the same facts are, under the same models."""
    return rebuilt.together(found.whole)


async def prepare(database: Database, into: str) -> None:
    """Empty tables in the shadow schema, which is there and ours."""
    async with database.transaction() as session:
        await repository.make_tables(session, into)


async def drop(database: Database, into: str) -> None:
    """The shadow is of no more use."""
    async with database.transaction() as session:
        await repository.drop_tables(session, into)
