"""Timed use cases: partitions and retention, and what the metrics say of the queues."""

from __future__ import annotations

from datetime import timedelta

from common.clock import Clock
from common.db import Database
from common.process import Periodic

from notify import metrics
from notify.domain.rules import Channel
from notify.repository import crm, deliveries, people, queue
from notify.settings import Settings

KEEP_EVERY = 3600.0
MEASURE_EVERY = 5.0
TOLD_KEPT = timedelta(days=60)
"""Longer than any throttle's window."""


def periodic(settings: Settings) -> list[Periodic]:
    async def keep(database: Database, clock: Clock) -> None:
        today = clock.now().date()
        async with database.transaction() as session:
            await deliveries.keep_partitions(session, today, today - timedelta(days=settings.kept_days))
            await people.forget_told(session, clock.now() - TOLD_KEPT)

    return [Periodic("keep_deliveries", KEEP_EVERY, keep), Periodic("measure_queues", MEASURE_EVERY, measure)]


async def measure(database: Database, clock: Clock) -> None:
    """Depth and age, by channel; zeros too, so that an alert can tell quiet from dead."""
    wall = clock.wall()
    async with database.read() as session:
        waiting = await queue.depth(session)
        due, since = await crm.backlog(session, wall)
    for channel in Channel:
        depth, oldest = waiting.get(channel.value, (0, wall))
        metrics.QUEUE_DEPTH.labels(channel.value).set(depth)
        metrics.QUEUE_AGE.labels(channel.value).set(max(0.0, (wall - oldest).total_seconds()))
    metrics.CRM_BACKLOG.set(due)
    metrics.CRM_AGE.set(max(0.0, (wall - since).total_seconds()) if since else 0.0)
