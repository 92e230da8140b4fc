"""Timed use cases: feeds' deadlines, what is kept how long, and the gauges of what waits for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from common import outbox, timers
from common.clock import Clock
from common.db import Database
from common.process import Periodic
from common.timers import Timer, TimerHandler
from sqlalchemy.ext.asyncio import AsyncSession

from ingest import metrics
from ingest.config import Source
from ingest.domain.feed import FeedState, on_deadline
from ingest.feedbook import DEADLINE, as_event, deadline_timer
from ingest.repository import arriving, enriching, feeding, keeping

EXPIRE_EVERY = 60.0
LOOK_EVERY = 15.0


def feed_deadlines(sources: Mapping[str, Source]) -> dict[str, TimerHandler]:
    """Handlers by timer kind."""

    async def passed(due: Sequence[Timer], now: datetime, session: AsyncSession) -> None:
        known = await feeding.lock(session, sorted({timer.owner for timer in due}), sources)
        for timer in due:
            before = known[timer.owner]
            feed, said = on_deadline(before, timer.generation, now)
            known[timer.owner] = feed
            await outbox.add(session, [as_event(body, feed) for body in said])
            if feed.generation != before.generation:
                await timers.schedule(session, [deadline_timer(feed)])
        await feeding.save_states(session, list(known.values()))

    return {DEADLINE: passed}


def periodic(raw_retention: timedelta) -> list[Periodic]:
    """What runs by itself, in one replica at a time."""

    async def expire(database: Database, clock: Clock) -> None:
        while True:
            async with database.transaction() as session:
                if await arriving.expire(session, clock.wall()) < arriving.EXPIRE_AT_ONCE:
                    break

    async def partitions(database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            await keeping.maintain_raw(session, clock.wall().date(), raw_retention)

    async def look(database: Database, clock: Clock) -> None:
        async with database.read() as session:
            refs, parked, open_bodies = await keeping.backlog(session)
            states = await keeping.feed_states(session)
            waiting = await enriching.waiting(session)
        for source, count in waiting.items():
            metrics.UNENRICHED.labels(source).set(count)
        metrics.UNMATCHED.set(refs)
        metrics.PARKED.set(parked)
        metrics.QUARANTINED.set(open_bodies)
        for source, state, last in states:
            metrics.SILENT.labels(source).set(state == FeedState.SILENT)
            if last is not None:
                metrics.LAST_RECEIVED.labels(source).set(max(0.0, (clock.now() - last).total_seconds()))

    return [
        Periodic("expire_dedup_keys", EXPIRE_EVERY, expire),
        Periodic("keep_raw_bodies", EXPIRE_EVERY, partitions),
        Periodic("look_at_backlog", LOOK_EVERY, look),
    ]
