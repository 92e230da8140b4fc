"""Timed use cases: assessing who waits, the end of overrides, and keeping history within bounds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from common import logging
from common.clock import Clock
from common.db import Database
from common.faults import is_passing
from common.timers import Timer, TimerHandler
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from churn import metrics
from churn.assessing import Assessor
from churn.domain.moments import DAY, seconds
from churn.repository import decisions, risks
from churn.repository.risks import Risk
from churn.settings import Settings

log = logging.get(__name__)

OVERRIDE_EXPIRY = "override_expiry"
MAINTAIN_EVERY = 3600.0
HEALTH_KEPT_DAYS = 200


class Assessing:
    """Takes up clients that wait: those something happened to, and once a (business) day everybody."""

    def __init__(self, database: Database, clock: Clock, assessor: Assessor, settings: Settings) -> None:
        self._database = database
        self._clock = clock
        self._assessor = assessor
        self._settings = settings
        self._rest = timedelta(seconds=settings.assess_rest)

    async def run(self) -> None:
        """For ever; several replicas share the work by skipping each other's rows."""
        while True:
            await self._assessor.registry.prepare(self._database)
            taken = await self.once()
            if taken < self._settings.assess_batch:
                await self._clock.sleep(self._settings.assess_every)

    async def once(self) -> int:
        """One batch in one transaction; if one client breaks it, each alone. Returns how many rows were taken."""
        try:
            return await self._batch(self._settings.assess_batch)
        except Exception as error:
            if is_passing(error):
                raise
            log.warning("assessing_failed_trying_each_alone", error=repr(error))
        return await self._each_alone()

    async def _batch(self, limit: int) -> int:
        now = self._clock.now()
        with metrics.ASSESS_SECONDS.time():
            async with self._database.transaction() as session:
                rows = await risks.claim_due(session, now, limit, rest=self._rest)
                if rows:
                    await self._assessor.assess(session, rows, now, self._clock.wall())
        return len(rows)

    async def _each_alone(self) -> int:
        """A client that cannot be assessed is put off by a day, loudly, and holds up no other."""
        now = self._clock.now()
        async with self._database.transaction() as session:
            rows = await risks.claim_due(session, now, self._settings.assess_batch, rest=self._rest)
            for row in rows:
                try:
                    async with session.begin_nested():
                        await self._assessor.assess(session, [row], now, self._clock.wall())
                except Exception as error:
                    if is_passing(error):
                        raise
                    metrics.ASSESS_FAILED.inc()
                    log.error("assessment_failed", client_id=str(row.client_id), exc_info=error)
                    await _put_off(session, row, now)
        return len(rows)

    def timers(self) -> dict[str, TimerHandler]:
        return {OVERRIDE_EXPIRY: self._expire}

    async def _expire(self, due: Sequence[Timer], now: datetime, session: AsyncSession) -> None:
        """An override's time is over: look afresh; the decision sees that it has expired."""
        rows = await risks.lock(session, [UUID(timer.payload["client_id"]) for timer in due])
        overridden = [row for row in rows if row.watch.override is not None]
        if overridden:
            await self._assessor.assess(session, overridden, now, self._clock.wall())


async def _put_off(session: AsyncSession, row: Risk, now: datetime) -> None:
    await session.execute(
        text("UPDATE risks SET due_on = :tomorrow WHERE client_id = :client_id"),
        {"tomorrow": now.date() + timedelta(days=1), "client_id": row.client_id},
    )


class Upkeep:
    """Month partitions ahead, old history away, gauges up to date."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def run(self, database: Database, clock: Clock) -> None:
        now = clock.now()
        async with database.transaction() as session:
            have = await decisions.partitions(session)
            for month in (_month(now.date(), 0), _month(now.date(), 1)):
                if month not in have:
                    await decisions.create_partition(session, month, _month(month, 1))
            oldest = now.date() - timedelta(days=self._settings.history_days)
            for month in have:
                if _month(month, 1) <= oldest:
                    await decisions.drop_partition(session, month)
            await decisions.forget_default(session, oldest)
            await risks.forget_health(session, seconds(now) // DAY - HEALTH_KEPT_DAYS)

    async def count(self, database: Database, clock: Clock) -> None:
        """What the dashboard shows of everybody at once."""
        async with database.read() as session:
            waiting, flagged = (
                await session.execute(
                    text("SELECT count(*) FILTER (WHERE due_on <= :today), count(flag) FROM risks"),
                    {"today": clock.now().date()},
                )
            ).one()
        metrics.CLIENTS_WAITING.set(waiting)
        metrics.OPEN_FLAGS.set(flagged)


def _month(day: date, ahead: int) -> date:
    """First day of the month `ahead` months after that of `day`."""
    months = day.year * 12 + day.month - 1 + ahead
    return date(months // 12, months % 12 + 1, 1)
