"""Kafka use cases of health: facts about clients, and whether the sources still talk to us."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from common import folding, timers
from common.clock import Clock
from common.consumer import ConsumerSpec
from common.contracts import churn, client, feeds
from common.contracts.base import Event, Origin, Unknown
from common.dispatch import Batch, Subscriptions
from common.folding import Folded
from common.metrics import SIGNAL_TO_SCORE
from common.timers import Timer
from sqlalchemy.ext.asyncio import AsyncSession

from health import repository, signs_cases, signs_repository
from health.domain.blast import Limits
from health.domain.evaluate import Feeds, tool
from health.domain.fold import FAMILIES, FOLD
from health.domain.moments import seconds_of
from health.domain.state import ClientState
from health.scoring import HISTORY, LIMITS, LOOK, RESTATE, SWEEP, Scoring

FIRST = UUID(int=0)
ON_WALL_TIME = timedelta(seconds=2)
TOOLS_NOTED_EVERY = 60
"""Seconds: their rows are few and every consumer writes them."""


async def client_events(batch: Batch, session: AsyncSession, limits: Limits = LIMITS) -> None:
    """Facts → states → scores; one score for each client of the batch."""
    advanced = await folding.advance(session, FOLD, batch.events)
    scoring = await Scoring.begin(session, list(advanced), batch.now, limits)
    for client_id, folded in advanced.items():
        if late := scoring.after_events(folded):
            scoring.restate(scoring.clients[client_id], await _earliest(session, folded, late))
    absorbed = sorted({gone for folded in advanced.values() for gone in folded.absorbed})
    if absorbed:
        await repository.delete(session, absorbed, history=False)
        await signs_repository.close(session, absorbed, batch.now, "merged into another client")
    await folding.save(session, FOLD, advanced.values())
    await scoring.write(session)
    if tools := _tools(batch.events, scoring.feeds):
        await repository.hear_tools(session, tools)


async def _earliest(session: AsyncSession, folded: Folded[ClientState], late: Sequence[Event[Any]]) -> datetime:
    """Since when the past reads differently: the earliest of what came late, was taken back or was merged."""
    moments = [event.time for event in late]
    gone = [event.data.event_id for event in late if isinstance(event.data, client.EventWithdrawn)]
    gone += [event.replaces for event in late if event.replaces is not None]
    if gone:
        moments += await repository.times_of(session, {folded.client_id, *folded.absorbed}, gone)
    if any(isinstance(event.data, client.ClientsMerged | client.ClientsUnmerged) for event in late):
        moments += [event.time for event in (await folding.events_of(session, folded.client_id))[:1]]
    return min(moments)


def _tools(events: Sequence[Event[Any]], feeds: Feeds) -> dict[str, datetime]:
    """Families of sources that ingest watches no rhythm of, heard live a minute or more after what is noted of them."""
    heard: dict[str, datetime] = {}
    for event in events:
        source, family = event.source.rpartition("/")[2], FAMILIES.get(type(event.data))
        if event.origin is Origin.LIVE and family is not None and source not in feeds:
            name = tool(source, family)
            known = feeds.get(name)
            if known is None or seconds_of(event.knowntime) >= known.last + TOOLS_NOTED_EVERY:
                heard[name] = max(event.knowntime, heard.get(name, event.knowntime))
    return heard


async def feed_events(batch: Batch, session: AsyncSession) -> None:
    """Note what was heard; the clients of a source that fell silent or came back follow, some at a time."""
    heard = [
        (
            event.data.source,
            event.data.last_received_at,
            max(1, round(event.data.expected_every_seconds)),
            isinstance(event.data, feeds.FeedSilent),
        )
        for event in batch.events
    ]
    turned = await repository.hear(session, heard)
    await timers.schedule(
        session,
        [
            Timer(SWEEP, f"feed:{source}:{generation}", 0, batch.now, {"source": source, "after": str(FIRST)})
            for source, generation in turned.items()
        ],
    )


async def erase(session: AsyncSession, client_ids: Sequence[UUID]) -> None:
    """What common does not know of: scores, history and timers of erased clients."""
    await repository.delete(session, client_ids, history=True)
    await signs_repository.delete(session, client_ids)
    owners = [str(client_id) for client_id in client_ids]
    await timers.forget(session, owners, kinds=[LOOK, RESTATE, HISTORY])


def consumer(clock: Clock, limits: Limits = LIMITS) -> ConsumerSpec:
    """What health listens to: all client events, the feeds, and the risk that churn sees."""

    async def score_clients(batch: Batch, session: AsyncSession) -> None:
        await client_events(batch, session, limits)
        if clock.wall() - batch.now < ON_WALL_TIME:  # a scaled clock says nothing about our speed
            for event in batch.events:
                if event.origin is Origin.LIVE:
                    SIGNAL_TO_SCORE.observe(max(0.0, (clock.wall() - event.knowntime).total_seconds()))

    subscriptions: Subscriptions = {
        **dict.fromkeys(client.EVENTS, score_clients),
        feeds.FeedSeen: feed_events,
        feeds.FeedSilent: feed_events,
        feeds.FeedRecovered: feed_events,
        churn.Assessed: signs_cases.assessed,
    }
    return ConsumerSpec(subscriptions, keep=frozenset({*client.EVENTS, Unknown}), erase=erase)
