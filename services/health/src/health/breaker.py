"""The blast-radius breaker: where one feed or one publication would move too many clients to a worse band within an
hour, these moves are held until a person releases or discards them.

A feed's moves are told until the limit is passed; then all further ones are held, those of the transaction that
passes it included. A publication is weighed first: its moves for the worse are held until all its clients were gone
through, and told then if they are few enough. Counts live in the database and change with the clients' rows, in one
transaction that has the mover for itself: a second replica or a kill counts nothing twice and misses nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from common.contracts.base import Event
from common.contracts.health import Cause
from common.ids import new_id
from common.timers import Timer
from sqlalchemy.ext.asyncio import AsyncSession

from health import definitions_repository, holds_repository, metrics, saying, telling
from health.domain.blast import WINDOW, Limits, worse
from health.domain.evaluate import UNKNOWN
from health.domain.hold import DISCARDED, OPEN, RELEASED, SUPERSEDED, WEIGHING, Held, Hold
from health.domain.why import Move
from health.repository import Client, Row
from health.saying import Saying

RELEASE = "release"
FIRST = UUID(int=0)
BY = "breaker"
INSTANT = timedelta(microseconds=1)
Movers = Callable[[], tuple[str, ...]]
Components = Callable[[AsyncSession], Awaitable[list[Any]]]
"""A client's components as they were last said."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A move for the worse that waits for the end of its transaction, when all such moves are counted together."""

    saying: Saying
    movers: tuple[str, ...]
    components: Components


@dataclass
class Breaker:
    """What one transaction needs of it."""

    limits: Limits
    now: datetime
    held: Mapping[UUID, Held]
    holds: dict[UUID, Hold]
    waiting: list[Waiting] = field(default_factory=list)
    kept: dict[UUID, Held] = field(default_factory=dict)
    gone: set[UUID] = field(default_factory=set)
    events: list[Event[Any]] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    timers: list[Timer] = field(default_factory=list)

    @classmethod
    async def begin(
        cls, session: AsyncSession, clients: Mapping[UUID, Client], now: datetime, limits: Limits
    ) -> Breaker:
        """Nothing is read unless one of these clients is held."""
        concerned = [client_id for client_id, row in clients.items() if row.hold_id is not None]
        held = await holds_repository.held(session, concerned) if concerned else {}
        holds = await holds_repository.holds(session, (each.hold_id for each in held.values())) if held else {}
        return cls(limits, now, held, holds)

    def is_held(self, client_id: UUID) -> bool:
        return client_id in self.held

    def judge(self, ready: Saying, movers: Movers, components: Components) -> None:
        """Say it at once; or hold it; or let it wait for `settle`, if it is a move for the worse that somebody made."""
        held = self.held.get(ready.row.client_id)
        if held is not None:
            if ready.asked.trigger == RELEASE:
                self._say(_as_it_was_held(ready, held))
                return
            if self._stays(ready, held, movers):
                self._still(ready, held)
                return
        known = ready.before.known_band if ready.before is not None else None
        made_by = movers() if ready.change is not None and worse(known, ready.result.band) else ()
        if made_by and not ready.row.test:
            self.waiting.append(Waiting(ready, made_by, components))
        else:
            self._say(ready)

    def _stays(self, ready: Saying, held: Held, movers: Movers) -> bool:
        """A held client goes on by itself once it is no worse than was said, unknown, or moved by events of others."""
        hold = self.holds[held.hold_id]
        band = ready.result.band
        if ready.change is None or hold.state == SUPERSEDED or band == UNKNOWN:
            return False
        if ready.before is None or not worse(ready.before.known_band, band):
            return False
        if band == held.band or hold.state == RELEASED:
            return True
        others = set(movers()) - {hold.mover}
        if hold.state == DISCARDED:
            return False
        return not others

    def _say(self, ready: Saying) -> None:
        if ready.row.client_id in self.held:
            self.gone.add(ready.row.client_id)
        events, rows = saying.say(ready)
        self.events += events
        self.rows += rows

    def _still(self, ready: Saying, held: Held) -> None:
        events, rows = saying.say_held(ready, held, first=False)
        self.events += events
        self.rows += rows
        if ready.result.band != held.band or ready.asked.caused_by:
            self.kept[held.client_id] = replace(
                held, band=ready.result.band, caused_by=[*held.caused_by, *ready.asked.caused_by]
            )

    async def settle(self, session: AsyncSession) -> None:
        """Count the moves for the worse of this transaction, say or hold each, and write down who is held."""
        if self.waiting:
            movers = sorted({mover for each in self.waiting for mover in each.movers})
            await holds_repository.serialize(session, movers)
            stopped = {mover: await self._gate(session, mover) for mover in movers}
            for each in self.waiting:
                hold = next((stopped[mover] for mover in each.movers if stopped[mover] is not None), None)
                if hold is None:
                    self._say(each.saying)
                else:
                    await self._hold(session, each, hold)
        await holds_repository.let_go(session, self.gone - self.kept.keys())
        await holds_repository.keep(session, [self.kept[client_id] for client_id in sorted(self.kept)])

    async def _gate(self, session: AsyncSession, mover: str) -> Hold | None:
        """What stops this mover, after its moves in this transaction; None: nothing does."""
        hold = await holds_repository.undecided(session, mover)
        weighing = hold is not None and hold.state == WEIGHING
        since = hold.opened_at - INSTANT if hold is not None and weighing else self.now - WINDOW
        ids = [each.saying.row.client_id for each in self.waiting if mover in each.movers]
        moved = await holds_repository.note_worsened(session, mover, ids, self.now, since)
        if hold is not None and not weighing:
            return hold
        if moved < self.limits.least_clients:
            return hold
        clients = await holds_repository.count_clients(session)
        if not self.limits.exceeded(moved, clients):
            return hold
        figures: dict[str, Any] = {"state": OPEN, "told_at": self.now, "moved": moved, "clients": clients}
        if hold is not None:
            hold = await holds_repository.change(session, hold, **figures)
        elif await holds_repository.let_through(session, mover, self.now):
            return None
        else:
            hold = Hold(id=new_id(), mover=mover, opened_at=self.now, percent=self.limits.percent, **figures)
            await holds_repository.open_hold(session, hold)
        self.holds[hold.id] = hold
        self.events.append(await told(session, hold))
        metrics.HOLDS.labels(mover.partition(":")[0]).inc()
        return hold

    async def _hold(self, session: AsyncSession, each: Waiting, hold: Hold) -> None:
        ready, change = each.saying, each.saying.change
        if change is None:
            raise RuntimeError("only changes of band are held")
        held = Held(
            client_id=ready.row.client_id,
            hold_id=hold.id,
            since=self.now,
            band=ready.result.band,
            cause=change.cause.value,
            caused_by=list(ready.asked.caused_by),
            moves=[[move.kind.value, move.signal, move.delta, move.text, move.marks] for move in ready.moves],
            components=await each.components(session),
        )
        events, rows = saying.say_held(ready, held, first=True)
        self.events += events
        self.rows += rows
        self.kept[held.client_id] = held


def _as_it_was_held(ready: Saying, held: Held) -> Saying:
    """The change with the cause and the events that it had when it was held."""
    if ready.change is None or ready.result.band == UNKNOWN:
        return ready
    moves = [Move(Cause(kind), signal, delta, text, marks) for kind, signal, delta, text, marks in held.moves]
    change = replace(ready.change, cause=Cause(held.cause))
    return replace(ready, change=change, moves=moves, behind=held.caused_by)


async def told(session: AsyncSession, hold: Hold) -> Event[Any]:
    """What whoever is on call hears, once a hold."""
    kind, _, name = hold.mover.partition(":")
    if kind == "feed":
        return telling.changes_held(hold, source=name)
    definition, _ = await definitions_repository.read(session, UUID(name))
    return telling.changes_held(hold, model=definition.name, version=definition.version)


async def weigh(session: AsyncSession, definition_id: UUID, limits: Limits, now: datetime) -> None:
    """A publication begins to be weighed; with no clients there is nothing to weigh."""
    clients = await holds_repository.count_clients(session)
    if clients:
        mover = f"definition:{definition_id}"
        hold = Hold(new_id(), mover, WEIGHING, now, None, 0, clients, limits.percent)
        await holds_repository.open_hold(session, hold)


async def weighed(session: AsyncSession, mover: str, now: datetime) -> list[Timer]:
    """All clients of a publication were gone through: if few enough became worse, that is told now."""
    await holds_repository.serialize(session, [mover])
    hold = await holds_repository.undecided(session, mover)
    if hold is None or hold.state != WEIGHING:
        return []
    held = (await holds_repository.count_held(session, [hold.id])).get(hold.id, 0)
    await holds_repository.change(
        session, hold, state=RELEASED, moved=held, decided_at=now, decided_by=BY, reason="within the limit"
    )
    return [release_timer(hold.id, now)] if held else []


def release_timer(hold_id: UUID, now: datetime, *, generation: int = 0, after: UUID = FIRST) -> Timer:
    """The next clients of a released hold."""
    return Timer(RELEASE, f"hold:{hold_id}", generation, now, {"hold": str(hold_id), "after": str(after)})


async def decide(
    session: AsyncSession, hold_id: UUID, *, state: str, by: str, reason: str, now: datetime
) -> tuple[Hold, list[Timer]]:
    """Release or discard an open hold. Raises NotFound, and ValueError with the state of one that is not open."""
    hold = await holds_repository.hold(session, hold_id)
    await holds_repository.serialize(session, [hold.mover])
    hold = await holds_repository.hold(session, hold_id, lock=True)
    if hold.state != OPEN:
        raise ValueError(hold.state)
    held = (await holds_repository.count_held(session, [hold.id])).get(hold.id, 0)
    hold = await holds_repository.change(session, hold, state=state, decided_at=now, decided_by=by, reason=reason)
    return hold, [release_timer(hold.id, now)] if state == RELEASED and held else []
