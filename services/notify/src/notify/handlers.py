"""Kafka use cases: what other services say becomes deliveries, and the CRM's picture of the client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from common import folding, outbox, timers
from common.clock import Clock
from common.contracts import churn, client, feeds, health, notify, registry
from common.contracts.base import Data, Event
from common.contracts.ids import derived_id
from common.dispatch import Batch, Subscriptions
from common.folding import Folded
from common.timers import Timer
from sqlalchemy.ext.asyncio import AsyncSession

from notify import metrics
from notify.domain import crm
from notify.domain.card import CARD, KEEP, Card
from notify.domain.message import zone
from notify.domain.occasion import READS, Occasion, is_history, occasion_of
from notify.domain.routing import Address, Directory, Planned, Surroundings, route, told_by
from notify.domain.rules import Channel, Policy, Rule
from notify.domain.wording import Context, compose
from notify.repository import crm as crm_repository
from notify.repository import deliveries, people
from notify.repository.deliveries import Row

SOURCE = "csl/notify"
WAITING = "waiting_for_client"
GRACE = timedelta(seconds=30)
"""Business time between two looks for a client that an alert overtook."""
PATIENCE = timedelta(seconds=10)
"""Wall time after which such an alert is told without the client's name."""

Cards = dict[UUID, Card]


@dataclass
class Desk:
    """What the handlers work with. `policy` gets its version from the database when the process starts."""

    clock: Clock
    policy: Policy
    directory: Directory
    configured: frozenset[Channel]
    """Channels that have somewhere to send to."""
    links_base: str = ""
    crm_source: str = "hubspot"
    """The source whose companies are written back to."""
    crm_interval: timedelta | None = None
    """None: no CRM is configured."""


async def happened(desk: Desk, batch: Batch, session: AsyncSession) -> None:
    """Clients' cards, then the CRM's picture, then messages: in that order each uses the one before."""
    roots = await folding.roots_of(session, set(batch.client_ids))
    locked = await folding.lock(session, CARD, batch.client_ids)
    cards = {root: folded.state for root, folded in locked.items()}
    folded = await _advance_cards(batch, session)
    cards |= {root: each.state for root, each in folded.items()}
    if any(each.refolded for each in folded.values()):
        roots = await folding.roots_of(session, set(batch.client_ids))
    await _picture(desk, batch.events, roots, cards, list(folded.values()), session)
    known: list[Occasion] = []
    overtaking: list[Occasion] = []
    for occasion in _occasions(batch.events):
        card = cards.get(roots[occasion.event.client_id])
        (known if card is not None and card.known else overtaking).append(occasion)
    await timers.schedule(session, [_wait(desk, occasion.event, batch.now) for occasion in overtaking])
    await _plan(desk, known, roots, cards, batch.now, session)


async def _advance_cards(batch: Batch, session: AsyncSession) -> dict[UUID, Folded[Card]]:
    telling = [event for event in batch.events if type(event.data) in KEEP]
    if not telling:
        return {}
    folded = await folding.advance(session, CARD, telling)
    await folding.save(session, CARD, folded.values())
    return folded


def _occasions(events: Sequence[Event[Any]]) -> list[Occasion]:
    found = []
    for event in events:
        occasion = occasion_of(event)
        if occasion is not None:
            found.append(occasion)
        elif type(event.data) in READS and is_history(event):
            metrics.HISTORY.inc()
    return found


# Messages


async def _plan(
    desk: Desk,
    occasions: Sequence[Occasion],
    roots: dict[UUID, UUID],
    cards: Cards,
    now: datetime,
    session: AsyncSession,
) -> None:
    """Route and word every occasion that a rule matches; store, queue, and say what was held back."""
    matched = [(occasion, rule) for occasion in occasions if (rule := desk.policy.match(occasion)) is not None]
    if not matched:
        return
    here = [(replace(o, client_id=roots[o.client_id] if o.client_id else None), rule) for o, rule in matched]
    around = await _surroundings(desk, here, now, session)
    before = dict(around.told)
    rows: list[Row] = []
    for occasion, rule in here:
        card = cards.get(occasion.client_id) if occasion.client_id else None
        planned = route(rule, occasion, card, around, desk.directory, desk.policy.limit, now)
        rows += [_row(desk, rule, occasion, card, around, each, now) for each in planned]
    fresh = await deliveries.add(session, rows, rules_version=desk.policy.version, now=now, wall=desk.clock.wall())
    await people.save_told(session, {m: at for m, at in around.told.items() if before.get(m) != at})
    held = [row for row in rows if row.reason is not None and row.delivery_id in fresh]
    for row in held:
        metrics.DELIVERIES.labels(row.channel, "suppressed").inc()
    await outbox.add(session, [suppressed(row, now) for row in held])


async def _surroundings(
    desk: Desk, here: Sequence[tuple[Occasion, Rule]], now: datetime, session: AsyncSession
) -> Surroundings:
    clients = sorted({occasion.client_id for occasion, _ in here if occasion.client_id is not None})
    matters = sorted({told.matter_of for occasion, rule in here if (told := told_by(rule, occasion)) is not None})
    counts = await deliveries.counts(session, now - desk.policy.limit.within)
    return Surroundings(
        preferences=await people.preferences(session),
        quiet_clients=await people.quiet_clients(session, clients),
        told=await people.told(session, matters),
        counts={Address(Channel(channel), recipient): n for (channel, recipient), n in counts.items()},
    )


def _row(
    desk: Desk,
    rule: Rule,
    occasion: Occasion,
    card: Card | None,
    around: Surroundings,
    planned: Planned,
    now: datetime,
) -> Row:
    event = occasion.event
    address = planned.address
    preference = around.preferences.get(address.recipient)
    context = Context(card, now, desk.links_base, zone(preference.timezone if preference else None))
    held = planned.held
    if held is None and address.channel not in desk.configured:
        held = f"{address.channel} is not configured"
    return Row(
        happened_at=event.time,
        delivery_id=planned.delivery_id,
        event_id=event.id,
        client_id=occasion.client_id,
        case_id=occasion.case_id,
        subject=str(occasion.client_id or event.subject),
        kind=occasion.kind,
        rule=rule.name,
        channel=address.channel.value,
        recipient=address.recipient,
        bounded=rule.bounded,
        reason=held,
        message=compose(rule, occasion, context, planned.notes).to_json(),
        traceparent=event.traceparent,
        correlation=event.correlationid or str(event.id),
        signal_wall=_signal_wall(desk.clock, event, now),
    )


def _signal_wall(clock: Clock, event: Event[Any], now: datetime) -> datetime:
    """When the signal was known, in wall time; on a scaled clock the best that can be said is "just now"."""
    wall = clock.wall()
    real = abs(wall - now) < timedelta(seconds=1)
    return min(wall, event.knowntime) if real else wall


def suppressed(row: Row, now: datetime) -> Event[notify.Suppressed]:
    data = notify.Suppressed(
        delivery_id=row.delivery_id,
        client_id=row.client_id,
        channel=row.channel,
        recipient=row.recipient,
        rule=row.rule,
        reason=row.reason,
        case_id=row.case_id,
        as_of=now,
    )
    event: Event[notify.Suppressed] = Event.of(
        data, id=derived_id("suppressed", row.delivery_id), source=SOURCE, subject=row.subject, time=now
    )
    return event.model_copy(
        update={
            "traceparent": row.traceparent,
            "correlationid": row.correlation,
            "causationid": str(row.event_id),
        }
    )


# Alerts that overtook the news of their client


def _wait(desk: Desk, event: Event[Any], now: datetime, *, since: str | None = None, turn: int = 0) -> Timer:
    payload = {
        "client_id": event.subject,
        "event": event.model_dump(mode="json", exclude_none=True),
        "since": since or desk.clock.wall().isoformat(),
    }
    return Timer(WAITING, str(event.id), turn, now + GRACE, payload)


async def look_again(desk: Desk, due: Sequence[Timer], now: datetime, session: AsyncSession) -> None:
    """Tell what waited for its client; after a while without the client's name, to the team."""
    waiting = [(timer, registry.parse_object(timer.payload["event"])) for timer in due]
    ids = {event.client_id for _, event in waiting}
    roots = await folding.roots_of(session, ids)
    cards = {root: folded.state for root, folded in (await folding.lock(session, CARD, sorted(ids))).items()}
    ready, later = [], []
    for timer, event in waiting:
        card = cards.get(roots[event.client_id])
        since = timer.payload["since"]
        if (card and card.known) or desk.clock.wall() - datetime.fromisoformat(since) >= PATIENCE:
            cards.setdefault(roots[event.client_id], Card(roots[event.client_id]))
            ready.append(event)
        else:
            later.append(_wait(desk, event, now, since=since, turn=timer.generation + 1))
    await timers.schedule(session, later)
    await _plan(desk, _occasions(ready), roots, cards, now, session)


async def feed_changed(desk: Desk, batch: Batch, session: AsyncSession) -> None:
    """Feeds, and changes that are held, concern no one client: whoever is on call is told."""
    await _plan(desk, _occasions(batch.events), {}, {}, batch.now, session)


# The CRM's picture


async def _picture(
    desk: Desk,
    events: Sequence[Event[Any]],
    roots: dict[UUID, UUID],
    cards: Cards,
    folded: Sequence[Folded[Card]],
    session: AsyncSession,
) -> None:
    """Keep what the CRM should say; the writer does the rest."""
    if desk.crm_interval is None:
        return
    await crm_repository.drop(session, [gone for each in folded for gone in each.absorbed])
    news: dict[UUID, list[Event[Any]]] = {each.client_id: [] for each in folded}
    for event in events:
        if isinstance(event.data, crm.STATUS_TYPES):
            news.setdefault(roots[event.client_id], []).append(event)
    known = await crm_repository.lock(session, sorted(news))
    now = desk.clock.wall()
    changed = [
        entry
        for root, said in news.items()
        if (entry := _entry(root, said, known.get(root), company_of(desk, cards.get(root)), now, desk.crm_interval))
    ]
    await crm_repository.save(session, changed)


def company_of(desk: Desk, card: Card | None) -> str | None:
    """Where a client is written back to; test clients nowhere."""
    return card.company(desk.crm_source) if card and not card.test else None


def _entry(
    root: UUID,
    said: Sequence[Event[Any]],
    known: crm_repository.Entry | None,
    company: str | None,
    now: datetime,
    interval: timedelta,
) -> crm_repository.Entry | None:
    """The row to store; None where it would say nothing new."""
    before = known or crm_repository.Entry(root, None, crm.Status())
    wanted = before.wanted
    for event in said:
        wanted = crm.advance(wanted, event)
    moved = company != before.company_id
    written = None if moved else before.written
    compared = before.wanted if company is None and known else written
    due = crm.due_at(
        wanted,
        compared,
        written_at=now if company is None and known else before.written_at,
        now=now,
        interval=interval,
    )
    if due is None and before.due_at is None and not moved:
        return None
    return replace(before, company_id=company, wanted=wanted, due_at=due if company else None)


async def erase(session: AsyncSession, client_ids: Sequence[UUID]) -> None:
    await deliveries.erase(session, client_ids)


KEPT: frozenset[type[Data]] = KEEP
"""Bodies that stay among notify's facts."""


def subscriptions(desk: Desk) -> Subscriptions:
    """The whole of what this service listens to."""
    about_clients = _named(partial(happened, desk), "happened")
    about_feeds = _named(partial(feed_changed, desk), "feed_changed")
    feed_types = (feeds.FeedSilent, feeds.FeedRecovered, health.ChangesHeld, churn.ModelFellBack)
    types = {*READS, *KEEP, *crm.STATUS_TYPES} - {*feed_types, client.ClientErased}
    return {
        **dict.fromkeys(sorted(types, key=lambda body: body.TYPE), about_clients),
        **dict.fromkeys(feed_types, about_feeds),
    }


def timer_handlers(desk: Desk) -> dict[str, timers.TimerHandler]:
    return {WAITING: partial(look_again, desk)}


def _named(handler: Any, name: str) -> Any:
    """Traces and dead letters name the handler."""
    handler.__name__ = name
    return handler
