"""A client's state is a pure fold over its facts in the order of contracts.md, kept as a disposable cache.

An event later than all before is applied on top; a late, withdrawn, merged or corrected one folds that client again
from its facts. So the state cannot depend on the order of arrival. Merged clients fold the facts of all their ids
under the id they were merged into (the root).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from common import inbox
from common.contracts import client
from common.contracts.base import Event, Order

S = TypeVar("S")


class Fold(Protocol[S]):
    """How a service turns facts into its state. `version` changes whenever the same facts give another state."""

    @property
    def version(self) -> int: ...

    def empty(self, client_id: UUID) -> S: ...

    def apply(self, state: S, event: Event[Any]) -> S:
        """The state after the event; may change the given object and return it."""

    def dump(self, state: S) -> bytes: ...

    def load(self, raw: bytes) -> S: ...


@dataclass
class Folded(Generic[S]):
    """One client after a batch."""

    client_id: UUID
    state: S
    recall: Callable[[], S | None]
    last: Order | None
    events: list[Event[Any]] = field(default_factory=list)
    refolded: bool = False
    absorbed: frozenset[UUID] = frozenset()
    """Ids that are folded into this client besides its own."""

    @cached_property
    def previous(self) -> S | None:
        """Its state before (None: first seen); few ask, so it is read only then."""
        return self.recall()


@dataclass(frozen=True)
class _Row:
    version: int
    last: Order | None
    body: bytes


_UP = """up (id, at, depth) AS (
  SELECT u, u, 0 FROM unnest(CAST(:ids AS uuid[])) u
  UNION ALL
  SELECT up.id, l.into_client_id, up.depth + 1 FROM up
  JOIN client_links l ON l.from_client_id = up.at WHERE l.into_client_id IS NOT NULL AND up.depth < 20)"""
"""From each id along its merges to the client that it is part of now."""


async def advance(session: AsyncSession, fold: Fold[S], events: Sequence[Event[Any]]) -> dict[UUID, Folded[S]]:
    """Bring the states of all clients of these fresh events up to date; rows stay locked, nothing is saved yet.

    Keys are root clients, in id order. A client merged away by this batch is not among them; one set free again is.
    """
    concerned = {event.client_id for event in events}
    relinked = await _link(session, [e for e in events if isinstance(e.data, _LINKING)])
    roots = await roots_of(session, concerned | relinked)
    families = await _families(session, set(roots.values()))
    rows = await _lock(session, families, create=True)
    for event in events:
        if isinstance(event.data, client.ContactErased):
            family = families[roots[event.client_id]]
            await inbox.forget_contact(session, family, event.data.contact_id, inbox.pseudonym(event))
    groups: dict[UUID, list[Event[Any]]] = {root: [] for root in sorted(families)}
    for event in events:
        groups[roots[event.client_id]].append(event)
    again = {root for root, group in groups.items() if not _on_top(rows.get(root), group, fold.version)}
    again |= {roots[client_id] for client_id in relinked}
    facts = await facts_of(session, {root: families[root] for root in again})
    result = {}
    for root, group in groups.items():
        row = rows.get(root)
        folded = _fold_again(fold, root, row, facts[root]) if root in again else _fold_on_top(fold, root, row, group)
        folded.events = group
        folded.absorbed = frozenset(families[root] - {root})
        result[root] = folded
    await _drop_absorbed(session, result.values())
    return result


async def save(session: AsyncSession, fold: Fold[S], folded: Iterable[Folded[S]]) -> None:
    """Upsert the states in one statement."""
    rows = sorted(folded, key=lambda f: f.client_id)
    if not rows:
        return
    await session.execute(
        text("""
        INSERT INTO states (client_id, fold_version, last_time, last_knowntime, last_sequence, last_id, body)
        SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS int[]), CAST(:times AS timestamptz[]),
                             CAST(:knowntimes AS timestamptz[]), CAST(:sequences AS int[]), CAST(:lasts AS uuid[]),
                             CAST(:bodies AS bytea[]))
        ON CONFLICT (client_id) DO UPDATE SET fold_version = excluded.fold_version,
          last_time = excluded.last_time, last_knowntime = excluded.last_knowntime,
          last_sequence = excluded.last_sequence, last_id = excluded.last_id, body = excluded.body
        """),
        {
            "ids": [f.client_id for f in rows],
            "versions": [fold.version] * len(rows),
            "times": [f.last.time if f.last else None for f in rows],
            "knowntimes": [f.last.knowntime if f.last else None for f in rows],
            "sequences": [f.last.sequence if f.last else None for f in rows],
            "lasts": [f.last.id if f.last else None for f in rows],
            "bodies": [fold.dump(f.state) for f in rows],
        },
    )


async def lock(
    session: AsyncSession, fold: Fold[S], client_ids: Iterable[UUID], *, create: bool = False
) -> dict[UUID, Folded[S]]:
    """The states of these clients (by root), locked in id order: for timers and decisions. Unknown ids are absent.

    With `create`, clients of whom nothing is known yet are locked too (but still absent from the result).
    """
    roots = await roots_of(session, set(client_ids))
    families = await _families(session, set(roots.values()))
    rows = await _lock(session, families, create=create)
    return await _current(session, fold, families, {r: rows[r] for r in families if r in rows})


async def read(session: AsyncSession, fold: Fold[S], client_ids: Iterable[UUID]) -> dict[UUID, Folded[S]]:
    """The same without locks, in one statement: for queries."""
    result = await session.execute(
        text(f"""
        WITH RECURSIVE {_UP}, roots AS (SELECT DISTINCT ON (id) at AS root FROM up ORDER BY id, depth DESC),
        down (root, id, depth) AS (
          SELECT DISTINCT root, root, 0 FROM roots
          UNION ALL
          SELECT down.root, l.from_client_id, down.depth + 1 FROM down
          JOIN client_links l ON l.into_client_id = down.id WHERE down.depth < 20)
        SELECT down.root, down.id, s.client_id, s.fold_version, s.last_time, s.last_knowntime, s.last_sequence,
          s.last_id, s.body FROM down LEFT JOIN states s ON s.client_id = down.root AND down.depth = 0
        """),  # noqa: S608  (our own words)
        {"ids": sorted(set(client_ids))},
    )
    families: dict[UUID, set[UUID]] = {}
    rows: dict[UUID, _Row] = {}
    for row in result:
        root = inbox.plain(row.root)
        families.setdefault(root, set()).add(inbox.plain(row.id))
        if row.client_id is not None:
            rows[root] = _row(row)
    return await _current(session, fold, families, rows)


async def events_of(session: AsyncSession, client_id: UUID, *, known_until: datetime | None = None) -> list[Event[Any]]:
    """The effective facts of a client and all merged into it, in order: without what is withdrawn or replaced.

    With `known_until`, as it was known at that moment.
    """
    root = (await roots_of(session, {client_id}))[client_id]
    family = (await _families(session, {root}))[root]
    return effective(
        [e for e in await inbox.load(session, family) if known_until is None or e.knowntime <= known_until]
    )


def effective(events: Sequence[Event[Any]]) -> list[Event[Any]]:
    """Facts that count: those that no other fact withdraws or replaces."""
    gone = {e.replaces for e in events if e.replaces is not None}
    gone |= {e.data.event_id for e in events if isinstance(e.data, client.EventWithdrawn)}
    return [e for e in events if e.id not in gone]


async def roots_of(session: AsyncSession, client_ids: set[UUID]) -> dict[UUID, UUID]:
    """The surviving client of each id: itself unless it was merged."""
    result = await session.execute(
        text(f"WITH RECURSIVE {_UP} SELECT DISTINCT ON (id) id, at FROM up ORDER BY id, depth DESC"),  # noqa: S608  (our own words)
        {"ids": sorted(client_ids)},
    )
    return {inbox.plain(row.id): inbox.plain(row.at) for row in result}


_LINKING = client.ClientsMerged | client.ClientsUnmerged
_REARRANGING = _LINKING | client.EventWithdrawn | client.ContactErased
"""What changes facts that were folded already, or whose they are."""


async def _link(session: AsyncSession, events: Sequence[Event[Any]]) -> set[UUID]:
    """Keep who is merged into whom: the last word about an id counts, in whatever order the words arrive."""
    touched: set[UUID] = set()
    for event in events:
        touched |= {event.data.from_client_id, event.data.into_client_id}
        await session.execute(
            text("""
            INSERT INTO client_links AS l (from_client_id, into_client_id, time, knowntime, sequence, event_id)
            VALUES (:from_id, :into_id, :time, :knowntime, :sequence, :event_id)
            ON CONFLICT (from_client_id) DO UPDATE SET into_client_id = excluded.into_client_id,
              time = excluded.time, knowntime = excluded.knowntime, sequence = excluded.sequence,
              event_id = excluded.event_id
            WHERE (l.time, l.knowntime, l.sequence, l.event_id)
                < (excluded.time, excluded.knowntime, excluded.sequence, excluded.event_id)
            """),
            {
                "from_id": event.data.from_client_id,
                "into_id": event.data.into_client_id if isinstance(event.data, client.ClientsMerged) else None,
                "time": event.time,
                "knowntime": event.knowntime,
                "sequence": event.sequence,
                "event_id": event.id,
            },
        )
    return touched


async def _families(session: AsyncSession, roots: set[UUID]) -> dict[UUID, set[UUID]]:
    """Each root with all ids merged into it, itself included."""
    result = await session.execute(
        text("""
        WITH RECURSIVE down (root, id, depth) AS (
          SELECT u, u, 0 FROM unnest(CAST(:ids AS uuid[])) u
          UNION ALL
          SELECT down.root, l.from_client_id, down.depth + 1 FROM down
          JOIN client_links l ON l.into_client_id = down.id WHERE down.depth < 20)
        SELECT root, id FROM down
        """),
        {"ids": sorted(roots)},
    )
    families: dict[UUID, set[UUID]] = {root: {root} for root in roots}
    for root, member in result:
        families[root].add(inbox.plain(member))
    return families


async def family_of(session: AsyncSession, client_id: UUID) -> set[UUID]:
    """All ids that are folded together with this one."""
    root = (await roots_of(session, {client_id}))[client_id]
    return (await _families(session, {root}))[root]


async def _lock(session: AsyncSession, families: Mapping[UUID, set[UUID]], *, create: bool = False) -> dict[UUID, _Row]:
    """Lock the state rows of all members in id order; `create` makes first rows so that there is one to lock."""
    ids = sorted({member for family in families.values() for member in family})
    rows = await _select_for_update(session, ids)
    missing = sorted(set(ids) - rows.keys())
    if create and missing:
        await session.execute(
            text(
                "INSERT INTO states (client_id, fold_version, body) SELECT u, 0, ''::bytea"
                " FROM unnest(CAST(:ids AS uuid[])) u ORDER BY u ON CONFLICT DO NOTHING"
            ),
            {"ids": missing},
        )
        rows |= await _select_for_update(session, missing)
    return rows


async def _select_for_update(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, _Row]:
    result = await session.execute(
        text(
            "SELECT client_id, fold_version, last_time, last_knowntime, last_sequence, last_id, body"
            " FROM states WHERE client_id = ANY(:ids) ORDER BY client_id FOR UPDATE"
        ),
        {"ids": list(ids)},
    )
    return {row.client_id: _row(row) for row in result}


def _row(row: Any) -> _Row:
    last = Order(row.last_time, row.last_knowntime, row.last_sequence, row.last_id) if row.last_id else None
    return _Row(row.fold_version, last, row.body)


def _on_top(row: _Row | None, group: Sequence[Event[Any]], version: int) -> bool:
    """Whether these events may simply follow what was folded before."""
    if any(e.replaces or isinstance(e.data, _REARRANGING) for e in group):
        return False
    if row is None or row.last is None:
        return False
    if row.version != version:
        return False
    orders = sorted(e.order for e in group)
    return not orders or orders[0] > row.last


def _fold_on_top(fold: Fold[S], root: UUID, row: _Row | None, group: Sequence[Event[Any]]) -> Folded[S]:
    if row is None:
        raise RuntimeError(f"no state to build on for {root}")
    state, before = fold.load(row.body), row.body
    last = row.last
    for event in sorted(group, key=lambda e: e.order):
        state = fold.apply(state, event)
        last = event.order
    return Folded(root, state, lambda: fold.load(before), last)


def _fold_again(fold: Fold[S], root: UUID, row: _Row | None, facts: Sequence[Event[Any]]) -> Folded[S]:
    before = row.body if row is not None and row.version == fold.version and row.last is not None else None
    state = fold.empty(root)
    last = None
    for event in effective(facts):
        state = fold.apply(state, event)
    if facts:
        last = facts[-1].order
    return Folded(root, state, lambda: None if before is None else fold.load(before), last, refolded=True)


async def facts_of(session: AsyncSession, families: Mapping[UUID, set[UUID]]) -> dict[UUID, list[Event[Any]]]:
    """All facts of each root and of what is merged into it, in order; those taken back are among them."""
    root_of = {member: root for root, family in families.items() for member in family}
    result: dict[UUID, list[Event[Any]]] = {root: [] for root in families}
    if root_of:
        for event in await inbox.load(session, root_of):
            result[root_of[event.client_id]].append(event)
    return result


async def _current(
    session: AsyncSession, fold: Fold[S], families: Mapping[UUID, set[UUID]], rows: Mapping[UUID, _Row]
) -> dict[UUID, Folded[S]]:
    """States as stored; those of an older fold are folded again on the spot."""
    old = {root: families[root] for root, row in rows.items() if row.version != fold.version}
    facts = await facts_of(session, old)
    result = {}
    for root in sorted(rows):
        if root in old:
            if facts[root]:
                result[root] = _fold_again(fold, root, rows[root], facts[root])
        else:
            result[root] = _unchanged(root, fold.load(rows[root].body), rows[root].last)
        if root in result:
            result[root].absorbed = frozenset(families[root] - {root})
    return result


def _unchanged(root: UUID, state: S, last: Order | None) -> Folded[S]:
    return Folded(root, state, lambda: state, last)


async def _drop_absorbed(session: AsyncSession, folded: Iterable[Folded[Any]]) -> None:
    gone = sorted({member for f in folded for member in f.absorbed})
    if gone:
        await session.execute(text("DELETE FROM states WHERE client_id = ANY(:ids)"), {"ids": gone})
