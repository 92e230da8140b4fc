"""What escalation does about events: load and lock, decide, write. The subscription table is at the bottom."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

from common import folding, logging, timers
from common.consumer import ConsumerSpec
from common.contracts import churn, client
from common.contracts.base import Event, Origin
from common.contracts.health import Mode
from common.dispatch import Batch, Subscriptions
from common.folding import Folded
from sqlalchemy.ext.asyncio import AsyncSession

from escalation import metrics, repository
from escalation.domain import inputs
from escalation.domain.case import LOOP, Case, Flag, Outcome
from escalation.domain.client import CLIENT_FOLD, KEPT, Client
from escalation.domain.sop import choose
from escalation.telling import PAUSE_END, STEP_BREACH, STEP_DUE, Telling

log = logging.get(__name__)

FLAG_WORDS = frozenset(
    {
        "probability",
        "points",
        "threshold",
        "horizon_days",
        "model",
        "model_version",
        "calibrated",
        "simulated",
        "reasons",
    }
)
"""What of a flag a case keeps for people to read."""

LINKING = client.ClientsMerged | client.ClientsUnmerged


async def client_said(batch: Batch, session: AsyncSession) -> None:
    """Bring the clients' states up to date, and tell their open cases what is known now.

    Imports are history: they are known from then on, but by themselves they move no case.
    """
    advanced = await folding.advance(session, CLIENT_FOLD, batch.events)
    await folding.save(session, CLIENT_FOLD, advanced.values())
    linked = [event for event in batch.events if isinstance(event.data, LINKING)]
    if linked:
        await _follow_links(session, batch, linked)
    telling = Telling(batch.now, await repository.lock_open(session, list(advanced)))
    for case in list(telling.cases.values()):
        folded = advanced[case.client_id]
        live = [event for event in folded.events if event.origin is Origin.LIVE]
        if live:
            telling.tell(case.case_id, inputs.ClientTold(folded.state), live[-1])
    await telling.write(session)
    for event in batch.events:
        if isinstance(event.data, client.ContactErased):
            family = _family(advanced, event.client_id)
            await repository.erase_contact(session, family, event.data.contact_id)


async def _follow_links(session: AsyncSession, batch: Batch, linked: Sequence[Event[Any]]) -> None:
    """A case follows the client that was flagged; of two open ones the younger goes on inside the older."""
    touched = {one for event in linked for one in (event.data.from_client_id, event.data.into_client_id)}
    roots = await folding.roots_of(session, touched)
    telling = Telling(batch.now, await repository.lock_family(session, touched | set(roots.values())))
    flagged = {case.flagged_client_id for case in telling.cases.values()}
    roots |= await folding.roots_of(session, flagged | set(roots.values()))
    by_root: dict[UUID, list[Case]] = {}
    for case in sorted(telling.cases.values(), key=lambda case: (case.opened_at, case.case_id)):
        by_root.setdefault(roots[case.flagged_client_id], []).append(case)
    for root, (survivor, *others) in by_root.items():
        for other in others:
            telling.tell(survivor.case_id, inputs.FlagsTaken(other.standing, other.case_id), linked[-1])
            telling.tell(other.case_id, inputs.Absorbed(survivor.case_id), linked[-1])
        telling.tell(survivor.case_id, inputs.ClientMoved(root), linked[-1])
    await telling.write(session)
    await repository.move_closed(session, {one: roots[one] for one in touched})


async def flag_raised(batch: Batch, session: AsyncSession) -> None:
    """A flag opens one case of its client; while one is open, another flag is noted in it."""
    raised = [event for event in batch.events if event.data.mode is Mode.LIVE]
    clients, roots = await _clients(session, raised)
    telling = Telling(batch.now, await repository.lock_open(session, set(roots.values())))
    known = await repository.existing(session, [_flag(event).case_id() for event in raised])
    procedures = await repository.active_sops(session)
    for event in raised:
        root, flag = roots[event.client_id], _flag(event)
        state = clients[root].state if root in clients else Client()
        sop = choose(procedures, flag.rule, state.tier)
        if sop is None:
            metrics.FLAGS_UNSERVED.labels(flag.rule).inc()
            log.info("no_procedure_for_flag", client_id=str(root), rule=flag.rule, tier=state.tier)
            continue
        given = inputs.Flagged(flag, root, event.client_id, sop, state)
        open_case = _open_case(telling, root)
        if open_case is not None:
            telling.tell(open_case.case_id, given, event)
        elif flag.case_id() not in known | set(telling.cases):
            telling.open(given, event)
    await telling.write(session)


async def flag_ended(batch: Batch, session: AsyncSession) -> None:
    """The flag that opened the case is gone: cleared by the risk falling, or overridden by a person."""
    ended = [event for event in batch.events if event.data.mode is Mode.LIVE]
    _, roots = await _clients(session, ended)
    telling = Telling(batch.now, await repository.lock_open(session, set(roots.values())))
    for event in ended:
        case = _open_case(telling, roots[event.client_id])
        if case is not None:
            telling.tell(case.case_id, _ending(event), event)
    await telling.write(session)


async def erase(session: AsyncSession, client_ids: Sequence[UUID]) -> None:
    """Nothing of an erased client stays: cases, trails, timers (facts and state are the consumer's to delete)."""
    gone = await repository.erase(session, client_ids)
    steps = [f"{case_id}/{step}" for case_id, step in gone]
    owners = [*steps, *{str(case_id) for case_id, _ in gone}]
    await timers.forget(session, owners, kinds=[STEP_DUE, STEP_BREACH, PAUSE_END])


async def _clients(
    session: AsyncSession, events: Sequence[Event[Any]]
) -> tuple[dict[UUID, Folded[Client]], dict[UUID, UUID]]:
    """States of the clients concerned, locked (so that calls and flags of one client wait for each other)."""
    ids = {event.client_id for event in events}
    return await folding.lock(session, CLIENT_FOLD, ids, create=True), await folding.roots_of(session, ids)


def _open_case(telling: Telling, client_id: UUID) -> Case | None:
    of_client = (case for case in telling.cases.values() if case.client_id == client_id)
    return next((case for case in of_client if case.closed_at is None), None)


def _family(advanced: dict[UUID, Folded[Client]], client_id: UUID) -> Collection[UUID]:
    members: Iterable[frozenset[UUID]] = (f.absorbed | {f.client_id} for f in advanced.values())
    return next((family for family in members if client_id in family), {client_id})


def _flag(event: Event[churn.FlagRaised]) -> Flag:
    said = event.data.model_dump(mode="json", exclude_none=True, include=set(FLAG_WORDS))
    return Flag(event.data.flag_id, event.data.episode, event.time, event.data.rule.value, said)


def _ending(event: Event[churn.FlagCleared | churn.FlagOverridden]) -> inputs.FlagEnded:
    data = event.data
    if isinstance(data, churn.FlagOverridden):
        reason = f"{data.reason_code}: {data.note}" if data.note else data.reason_code
        outcome, by = Outcome.OVERRIDDEN, data.by
    else:
        reason, by = data.reason or "the risk has passed", LOOP
        outcome = Outcome.LEFT if data.reason in CLIENT_GONE else Outcome.CLEARED
    return inputs.FlagEnded(data.flag_id, data.episode, outcome, event.time, by, reason)


CLIENT_GONE = frozenset({"client_left", "client_gone", "left", "churned"})
"""Reasons of `flag_cleared` that say the client left, and not that the risk fell."""

SUBSCRIPTIONS: Subscriptions = {
    **dict.fromkeys(KEPT, client_said),
    client.ClientsMerged: client_said,
    client.ClientsUnmerged: client_said,
    client.EventWithdrawn: client_said,
    client.ContactErased: client_said,
    churn.FlagRaised: flag_raised,
    churn.FlagCleared: flag_ended,
    churn.FlagOverridden: flag_ended,
}

CONSUMER = ConsumerSpec(
    subscriptions=SUBSCRIPTIONS,
    keep=frozenset({*KEPT, client.ClientsMerged, client.ClientsUnmerged, client.EventWithdrawn}),
    erase=erase,
    pause=0.1,
)
