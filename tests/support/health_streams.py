"""A stream of client events as bad days bring it: repeats, disorder, late ones, corrections, merges; and its oracle.

The oracle is one plain loop over what counts in the end, in the order of the contracts: no database, no consumer, no
cache. Whatever went another way must end where it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from common.contracts import client
from common.contracts.base import Data, Event
from common.contracts.ids import derived_id
from health.domain import past
from health.domain.evaluate import evaluate
from health.domain.fold import apply
from health.domain.moments import seconds_of
from health.domain.past import Choice
from health.domain.rebuilt import DayEnd, day_end
from health.domain.state import ClientState, dump

from tests.support.health_world import event, registered

PRIORITIES = ("low", "normal", "high", "urgent")
LATE_BY = timedelta(days=9)


@dataclass(frozen=True)
class Stream:
    """Events as they arrive (one Kafka key after another mixed), and those that count in the end."""

    arriving: list[Event[Any]]
    clients: list[UUID]
    merged: dict[UUID, UUID]
    """Client → the one it is part of in the end."""


def bad_days(seed: int, *, clients: int, days: int, until: datetime) -> Stream:
    """`days` of `clients` clients, the last event before `until`; the same seed gives the same stream."""
    random = Random(seed)
    ids = [derived_id("bad days", seed, nth) for nth in range(clients)]
    begin = until - timedelta(days=days)
    lives = {one: _life(random, one, begin, days) for one in ids}
    arriving: list[Event[Any]] = []
    for life in lives.values():
        arriving += _corrected(random, life)
    merged = {ids[1]: ids[0], ids[3]: ids[2]}
    for gone, into in merged.items():
        arriving += _linked(client.ClientsMerged, gone, into, until - timedelta(hours=5))
    arriving += _linked(client.ClientsUnmerged, ids[3], ids[2], until - timedelta(hours=4))
    del merged[ids[3]]
    return Stream(_out_of_order(random, arriving), ids, merged)


def _life(random: Random, one: UUID, begin: datetime, days: int) -> list[Event[Any]]:
    """About four events a day of many kinds."""
    contract = {"contract_started_on": begin.date().isoformat(), "engagement": random.choice(["product", "project"])}
    life = [registered(begin, client_id=one, **contract)]
    for nth in range(days * 4):
        at = begin + timedelta(days=days * random.random())
        life.append(
            event(_something(random, nth, at), at, random.choice(["segment", "zendesk"]), client_id=one, nth=nth)
        )
    return life


def _something(random: Random, nth: int, at: datetime) -> Data:
    reading = {"sentiment": random.randint(-100, 100) / 100, "words": random.randint(1, 90), "questions": nth % 3}
    who = f"person-{random.randint(1, 5)}"
    some: list[dict[str, Any]] = [
        {"of": client.LoggedIn, "contact_id": who},
        {"of": client.UsageRecorded, "feature": random.choice("abcdef"), "quantity": random.randint(0, 50) / 2},
        {"of": client.TicketOpened, "ticket_id": f"t{nth % 9}", "priority": random.choice(PRIORITIES),
         "reading": reading},
        {"of": client.TicketResolved, "ticket_id": f"t{nth % 9}", "csat": {"score": 1 + nth % 5, "scale_max": 5}},
        {"of": client.MessageExchanged, "message_id": f"m{nth}", "channel": "email", "thread_id": f"th{nth % 4}",
         "direction": random.choice(["inbound", "outbound"]), "contact_id": who, "reading": reading},
        {"of": client.InvoiceIssued, "invoice_id": f"i{nth % 6}", "amount": {"amount": 9900, "currency": "EUR"},
         "due_on": at.date()},
        {"of": client.InvoicePaid, "invoice_id": f"i{nth % 6}"},
        {"of": client.SurveyAnswered, "survey": "nps", "score": nth % 11, "scale_min": 0, "scale_max": 10,
         "contact_id": who},
        {"of": client.ContactAdded, "contact_id": who, "role": random.choice(["sponsor", "champion", "user"])},
        {"of": client.KpiReported, "kpi": "hours", "value": nth},
        {"of": client.KpiTargetSet, "kpi": "hours", "unit": "h", "direction": "up", "baseline": 0, "target": 80},
        {"of": client.SubscriptionChanged, "subscription_id": f"s{nth % 2}",
         "mrr_after": {"amount": 1000 * (nth % 7), "currency": "EUR"}},
        {"of": client.ApprovalRequested, "approval_id": f"a{nth % 5}"},
        {"of": client.ApprovalGiven, "approval_id": f"a{nth % 5}"},
        {"of": client.MeetingHeld, "meeting_id": f"me{nth}", "kind": "review", "attended": [who]},
    ]  # fmt: skip
    chosen = random.choice([*some[:2] * 5, *some])
    return chosen["of"].model_validate({key: value for key, value in chosen.items() if key != "of"})


def _corrected(random: Random, life: Sequence[Event[Any]]) -> list[Event[Any]]:
    """Some are taken back, some corrected, some sent twice; some are known long after they happened."""
    result: list[Event[Any]] = []
    for nth, one in enumerate(life):
        known = one.time + (LATE_BY * random.random() if nth and random.random() < 0.15 else timedelta(seconds=2))
        happened = one.model_copy(update={"knowntime": known})
        result.append(happened)
        if nth and random.random() < 0.05:
            body = client.EventWithdrawn(event_id=one.id)
            result.append(event(body, known + timedelta(hours=1), "hubspot", client_id=one.client_id, nth=nth))
        elif nth and random.random() < 0.05:
            again = event(one.data, one.time, "hubspot", client_id=one.client_id, nth=f"corrected {nth}",
                          replaces=one.id, knowntime=known + timedelta(hours=2))  # fmt: skip
            result.append(again)
        if random.random() < 0.1:
            result.append(happened)
    return result


def _linked(
    body: type[client.ClientsMerged | client.ClientsUnmerged], gone: UUID, into: UUID, at: datetime
) -> list[Event[Any]]:
    """Published once under each id."""
    return [event(body(from_client_id=gone, into_client_id=into), at, "hubspot", client_id=one, nth=str(gone))
            for one in (gone, into)]  # fmt: skip


def _out_of_order(random: Random, events: Sequence[Event[Any]]) -> list[Event[Any]]:
    """Nearly in the order in which they became known; a client's own are a few places off as well."""
    return sorted(events, key=lambda e: e.knowntime + timedelta(hours=6 * random.random()))


def oracle_states(stream: Stream) -> dict[UUID, bytes]:
    """Every client's final state, by one loop."""
    return {root: dump(_folded(facts)) for root, facts in _families(stream).items()}


def oracle_days(stream: Stream, choose: Choice, until: datetime) -> dict[UUID, dict[int, DayEnd]]:
    """Every client's day ends as they read in the end; each by a fold of its own from the beginning."""
    result: dict[UUID, dict[int, DayEnd]] = {}
    for root, facts in _families(stream).items():
        result[root] = {}
        for moment in past.day_ends(seconds_of(facts[0].time), seconds_of(until)):
            state = _folded([fact for fact in facts if seconds_of(fact.time) < moment])
            model, template = choose(state)
            result[root][moment] = day_end(evaluate(model, state, moment, None, template))
    return result


def _folded(facts: Sequence[Event[Any]]) -> ClientState:
    state = ClientState()
    for fact in facts:
        apply(state, fact)
    return state


def _families(stream: Stream) -> dict[UUID, list[Event[Any]]]:
    """What counts in the end, by the client that it counts for, in order."""
    once = {one.id: one for one in stream.arriving}
    gone = {one.replaces for one in once.values()}
    gone |= {one.data.event_id for one in once.values() if isinstance(one.data, client.EventWithdrawn)}
    result: dict[UUID, list[Event[Any]]] = {}
    for one in sorted(once.values(), key=lambda e: (e.time, e.knowntime, e.sequence, e.id)):
        if one.id not in gone:
            result.setdefault(stream.merged.get(one.client_id, one.client_id), []).append(one)
    return result
