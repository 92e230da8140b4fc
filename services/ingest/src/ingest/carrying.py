"""What refs made us say of one client is said of another: in chunks, each a transaction that can be lost and repeated.

The first chunk belongs to the call that moves the refs; a timer goes on with the rest. Refs change hands at once, so
that nothing new is said of the wrong client meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from common import outbox, timers
from common.contracts import client
from common.contracts.base import Event, Origin
from common.contracts.ids import derived_id
from common.timers import Timer
from sqlalchemy.ext.asyncio import AsyncSession

from ingest.domain import moving
from ingest.domain.kinds import ADDITIVE
from ingest.domain.moving import Line
from ingest.domain.plan import Plan
from ingest.domain.world import World
from ingest.repository import ledger, loading, merging, saving
from ingest.repository.merging import Move

KIND = "move_events"
CHUNK = 1000
"""Events a transaction."""
BY = "moved"
ADDING = frozenset(body.TYPE for body in ADDITIVE)


async def begin(session: AsyncSession, move: Move, plan: Plan, now: datetime, *, newer: bool) -> tuple[int, bool]:
    """Keep the move and carry its first chunk; the plan holds both clients, locked, and is saved by the caller.

    `newer`: what is known of people on this side counts more. Returns how many events were moved, and whether all.
    """
    await merging.keep_move(session, move, now)
    await _unname(session, move, plan, now)
    return await _carry(session, move, plan, now, newer=newer, turn=0)


def timer_handlers() -> dict[str, timers.TimerHandler]:
    """What goes on with moves under way."""

    async def go_on(due: Sequence[Timer], now: datetime, session: AsyncSession) -> None:
        for timer in due:
            move = await merging.move(session, UUID(timer.owner))
            if move is None or move.finished:
                continue
            family = await merging.family(session, move.from_client_id)
            clients = await loading.lock(session, {*family, move.into_client_id})
            plan = Plan(World(clients=clients))
            await _carry(session, move, plan, now, newer=bool(timer.payload["newer"]), turn=timer.generation)
            await saving.save(session, plan, now=now, by=BY)
            await saving.name_raw(session, plan.raw_clients)

    return {KIND: go_on}


async def _carry(
    session: AsyncSession, move: Move, plan: Plan, now: datetime, *, newer: bool, turn: int
) -> tuple[int, bool]:
    wrong, right = (plan.world.clients.get(id_) for id_ in (move.from_client_id, move.into_client_id))
    if wrong is None or right is None:  # erased meanwhile, with all that was said of it
        await merging.note_moved(session, move.id, 0, None, now)
        return 0, True
    family = await merging.family(session, wrong.id)
    lines = await ledger.told_by(session, family, move.refs, CHUNK)
    await _say(session, move, plan, lines, now, first=turn * CHUNK)
    await _relearn(session, move, plan, family, lines)
    moving.learn(right, lines)
    await _carry_people(session, move, family, lines, newer=newer)
    await _carry_the_rest(session, plan, right.id, lines)
    await _take_back_overlaps(session, plan, right.id, lines, now)
    done = len(lines) < CHUNK
    await _note(session, move, lines, now, done=done)
    if not done:
        await timers.schedule(session, [Timer(KIND, str(move.id), turn + 1, now, {"newer": newer})])
    return len(lines), done


async def _say(
    session: AsyncSession, move: Move, plan: Plan, lines: Sequence[Line], now: datetime, *, first: int
) -> None:
    people = await merging.people(session, move.from_client_id, {who for line in lines if (who := line.contact_id)})
    owned = (await loading.owned_by(session, [move.into_client_id])).keys()
    await outbox.add(session, [moving.withdrawn(line, now) for line in lines])
    for client_id in {line.client_id for line in lines}:
        await ledger.strike(session, client_id, [line.root for line in lines if line.client_id == client_id])
    for nth, line in enumerate(lines, first):
        again = moving.said_again(line, move.into_client_id, now, nth, people.get(line.contact_id or ""), owned)
        if again is not None:
            plan.said.append(again)


async def _relearn(session: AsyncSession, move: Move, plan: Plan, family: Sequence[UUID], lost: Sequence[Line]) -> None:
    """The wrong client, and each that was merged into it, forget what was moved away."""
    left = await _profiles(session, family)
    for client_id in family:
        who = plan.world.clients[client_id]
        is_root = client_id == move.from_client_id
        own = [line for line in left if is_root or line.client_id == client_id]
        moving.relearn(who, [line for line in lost if is_root or line.client_id == client_id], own)
        for one in family if is_root else (client_id,):
            for source, since in (await ledger.first_live(session, one, move.refs)).items():
                name = source.removeprefix("csl/ingest/")
                if name not in who.live_since:
                    moving.hear(who, name, since.isoformat())


async def _profiles(session: AsyncSession, family: Sequence[UUID]) -> list[Line]:
    """What is said of a client's profile, under whichever of its ids."""
    return [line for client_id in family for line in await ledger.profiles(session, client_id)]


async def _unname(session: AsyncSession, move: Move, plan: Plan, now: datetime) -> None:
    """What else was said of the client by naming these refs is said without them."""
    told = {str(ref) for ref in move.refs}
    family = await merging.family(session, move.from_client_id)
    lines = [line for line in await _profiles(session, family) if line.via not in told]
    wrong = [line for line in lines if moving.names_of(line) & move.refs]
    named = {ref for line in lines if line not in wrong for ref in moving.names_of(line)}
    for line in wrong:
        corrected = moving.without_refs(line, move.refs, named, move.id, now)
        named |= moving.names_of(line) - move.refs
        if corrected is not None:
            plan.said.append(corrected)
        else:
            await outbox.add(session, [moving.withdrawn(line, now)])
            await ledger.strike(session, line.client_id, [line.root])


async def _carry_people(
    session: AsyncSession, move: Move, family: Sequence[UUID], lines: Sequence[Line], *, newer: bool
) -> None:
    contacts = {who for line in lines if (who := line.contact_id)}
    contacts |= {ref.id for ref in move.refs if not ref.names_client}
    if contacts:
        await merging.carry_people(session, move.from_client_id, move.into_client_id, contacts, newer=newer)
        still = {who for one in family for who in await ledger.people_told_of(session, one, contacts)}
        for one in family:
            await merging.drop_people(session, one, contacts - still)


async def _carry_the_rest(session: AsyncSession, plan: Plan, into: UUID, lines: Sequence[Line]) -> None:
    texts = [UUID(ref) for line in lines if (ref := line.data.get("text_ref"))]
    imported = [line.root for line in lines if line.origin is Origin.IMPORT]
    await merging.carry_words(session, into, texts, imported)
    for line in lines:
        if line.raw:
            plan.raw_clients.setdefault(line.raw, set()).add(into)


async def _take_back_overlaps(
    session: AsyncSession, plan: Plan, into: UUID, lines: Sequence[Line], now: datetime
) -> None:
    """History that adds up, from a time when its source now turns out to have spoken live, counts twice."""
    live = {line.source for line in lines if line.origin is Origin.LIVE}
    since = {source: at for source, at in _since(plan, into).items() if source in live}
    twice = await ledger.history_after(session, into, ADDING, since)
    if twice:
        await outbox.add(session, [moving.withdrawn(line, now) for line in twice])
        await ledger.strike(session, into, [line.root for line in twice])


def _since(plan: Plan, client_id: UUID) -> Mapping[str, datetime]:
    known = plan.world.clients[client_id].live_since
    return {f"csl/ingest/{name}": datetime.fromisoformat(at) for name, at in known.items()}


async def _note(session: AsyncSession, move: Move, lines: Sequence[Line], now: datetime, *, done: bool) -> None:
    """Progress; at the end, that the history which came along is in."""
    times = [line.time for line in lines if line.origin is Origin.IMPORT]
    span = (min(times), max(times)) if times else None
    whole = await merging.note_moved(session, move.id, len(lines), span, now if done else None)
    if done and whole:
        body = client.ImportFinished.model_validate({"import_id": move.id, "from": whole[0], "to": whole[1]})
        said: Event[Any] = Event.of(
            body,
            id=derived_id("import_finished", move.id, move.into_client_id),
            source=moving.SOURCE,
            subject=move.into_client_id,
            time=now,
            origin=Origin.IMPORT,
        )
        await outbox.add(session, [said])
