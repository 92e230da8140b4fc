"""Writes clients' states back to the CRM: claimed with a lease, written outside any transaction, then booked.

Only the newest state is written; while the CRM is away states replace each other and nothing piles up.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import datetime, timedelta

from common import failpoints, logging, outbox
from common.clock import Clock
from common.contracts import notify
from common.contracts.base import Event
from common.contracts.ids import derived_id
from common.db import Database
from common.faults import is_passing
from common.listener import wait
from sqlalchemy.ext.asyncio import AsyncSession

from notify import metrics
from notify.adapters.hubspot import HubSpot
from notify.domain import crm
from notify.domain.attempt import NotSent, delay
from notify.repository import crm as repository
from notify.sending import AFTER_FAULT, POLL, Pause, to_the_end

log = logging.get(__name__)

CHANNEL = "crm"
RULE = "health_status"
BATCH = 8
SLOW = timedelta(hours=1)
"""Wait after a refusal that only a person can mend: tried again all the same, so that it heals by itself."""


class Writer:
    """Several replicas share the work."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        hubspot: HubSpot,
        *,
        interval: timedelta,
        lease: timedelta,
        woken: asyncio.Event | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._hubspot = hubspot
        self._interval = interval
        self._lease = lease
        self._woken = woken or asyncio.Event()
        self.pause = Pause(clock, CHANNEL)

    async def run(self) -> None:
        """Write for ever; a database that is away only delays."""
        while True:
            try:
                paused = self.pause.seconds()
                if paused > 0:
                    await self._clock.sleep(paused)
                elif await self.write_due() == 0:
                    await wait(self._woken, self._clock, POLL)
            except Exception as error:  # noqa: BLE001  (the edge: logged with what it holds up, and tried again)
                log.warning("write_back_interrupted", error=repr(error), passing=is_passing(error))
                await self._clock.sleep(AFTER_FAULT)

    async def write_due(self) -> int:
        """Write one batch; returns how many were claimed."""
        now = self._clock.wall()
        limit = 1 if self.pause.streak else BATCH
        async with self._database.transaction() as session:
            writes = await repository.claim(session, now=now, until=now + self._lease, limit=limit)
        await to_the_end(*(self._write(write) for write in writes))
        return len(writes)

    async def _write(self, write: repository.Write) -> None:
        try:
            await self._hubspot.write(write.company_id, write.wanted.properties())
        except NotSent as error:
            self.pause.failed(error)
            await self._book_failure(write, error)
        else:
            failpoints.reach("after_send")
            self.pause.worked()
            await self._book_success(write)

    async def _book_success(self, write: repository.Write) -> None:
        wall, now = self._clock.wall(), self._clock.now()
        async with self._database.transaction() as session:
            entry = await repository.written(session, write, wall=wall)
            if entry is None:
                return
            due = crm.due_at(entry.wanted, entry.written, written_at=wall, now=wall, interval=self._interval)
            if due is not None:
                await repository.save(session, [replace(entry, due_at=due)])
            data = notify.Delivered(**_about(write), attempts=write.attempts, as_of=now)
            await outbox.add(session, [_event(write, data, "delivered", now)])
        metrics.CRM_WRITES.labels("written").inc()

    async def _book_failure(self, write: repository.Write, error: NotSent) -> None:
        wall, now = self._clock.wall(), self._clock.now()
        wait_for = SLOW if error.permanent else delay(write.attempts, random.random())
        if error.retry_after is not None:
            wait_for = timedelta(seconds=error.retry_after)
        log.warning("crm_write_failed", client_id=str(write.client_id), reason=error.reason, attempts=write.attempts)
        async with self._database.transaction() as session:
            await repository.failed(session, write, due_at=wall + wait_for, error=error.reason, wall=wall)
            if error.permanent and write.failing_since is None:
                await self._say_failed(session, write, error, now)
        metrics.CRM_WRITES.labels("failed" if error.permanent else "retried").inc()

    async def _say_failed(self, session: AsyncSession, write: repository.Write, error: NotSent, now: datetime) -> None:
        """Once for each time that it breaks, not for each attempt."""
        data = notify.Failed(**_about(write), reason=error.reason, attempts=write.attempts, as_of=now)
        await outbox.add(session, [_event(write, data, "failed", now)])


def _about(write: repository.Write) -> dict[str, object]:
    return {
        "delivery_id": derived_id("crm", write.claim, write.client_id),
        "client_id": write.client_id,
        "channel": CHANNEL,
        "recipient": f"hubspot:company:{write.company_id}",
        "rule": RULE,
    }


def _event(write: repository.Write, data: notify.Delivery, what: str, now: datetime) -> Event[notify.Delivery]:
    return Event.of(
        data,
        id=derived_id(what, "crm", write.claim, write.client_id),
        source="csl/notify",
        subject=write.client_id,
        time=now,
    )
