"""Durable timers in Postgres. The claim is the row lock of the firing transaction, so kill −9 releases it.

Key (kind, owner, generation): to move or cancel a timer its owner raises the generation in its own row, and a stale
generation must be a no-op in the handler. Existing timer rows are never updated by owners, so that a consumer that
holds a client's row cannot wait for a firing transaction that waits for the same client.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from common import failpoints, logging, metrics
from common.clock import Clock
from common.db import Database
from common.faults import is_passing
from common.listener import wait

log = logging.get(__name__)

BATCH = 200
POLL = 1.0
"""Wall seconds between looks when nothing wakes us earlier."""
MAX_ATTEMPTS = 8
FIRST_RETRY = timedelta(seconds=1)
AFTER_FAULT = 0.5


@dataclass(frozen=True, slots=True)
class Timer:
    """Something to be done at `due_at` (business time)."""

    kind: str
    owner: str
    generation: int
    due_at: datetime
    payload: Mapping[str, Any] = field(default_factory=dict)
    attempts: int = 0


TimerHandler = Callable[[Sequence[Timer], datetime, AsyncSession], Awaitable[None]]
"""Called with due timers of one kind, business now, and the firing transaction."""


async def schedule(session: AsyncSession, timers: Sequence[Timer]) -> None:
    """Set timers in the caller's transaction; one that is there already (same key) stays as it is."""
    if not timers:
        return
    rows = sorted(timers, key=lambda t: (t.kind, t.owner, t.generation))
    await session.execute(
        text("""
        WITH new AS (
          INSERT INTO timers (kind, owner, generation, due_at, payload)
          SELECT u.kind, u.owner, u.generation, u.due_at, u.payload::jsonb
          FROM unnest(CAST(:kinds AS text[]), CAST(:owners AS text[]), CAST(:generations AS bigint[]),
                      CAST(:dues AS timestamptz[]), CAST(:payloads AS text[]))
               AS u(kind, owner, generation, due_at, payload)
          ON CONFLICT DO NOTHING)
        SELECT pg_notify(current_schema() || '_timers', '')
        """),
        {
            "kinds": [t.kind for t in rows],
            "owners": [t.owner for t in rows],
            "generations": [t.generation for t in rows],
            "dues": [t.due_at for t in rows],
            "payloads": [orjson.dumps(dict(t.payload)).decode() for t in rows],
        },
    )


async def forget(session: AsyncSession, owners: Sequence[str], *, kinds: Sequence[str]) -> None:
    """Delete the timers of erased owners; rows that fire at this moment are left to be no-ops."""
    await session.execute(
        text("""
        DELETE FROM timers t USING (
          SELECT kind, owner, generation FROM timers WHERE owner = ANY(:owners) AND kind = ANY(:kinds)
          FOR UPDATE SKIP LOCKED) gone
        WHERE (t.kind, t.owner, t.generation) = (gone.kind, gone.owner, gone.generation)
        """),
        {"owners": list(owners), "kinds": list(kinds)},
    )


class TimerWorker:
    """Fires due timers; several may run, on several machines."""

    def __init__(
        self, database: Database, clock: Clock, handlers: Mapping[str, TimerHandler], woken: asyncio.Event
    ) -> None:
        self._database = database
        self._clock = clock
        self._handlers = handlers
        self._woken = woken
        self._service = database.schema

    async def run(self) -> None:
        """Fire for ever; a database that is away only delays."""
        while True:
            try:
                fired = await self.fire_due()
                if fired < BATCH:
                    await wait(self._woken, self._clock, await self._seconds_to_next())
            except Exception as error:  # noqa: BLE001  (the edge: logged with what it holds up, and tried again)
                log.warning("timers_interrupted", error=repr(error), passing=is_passing(error))
                await self._clock.sleep(AFTER_FAULT)

    async def fire_due(self) -> int:
        """Fire one batch of due timers in one transaction; returns how many were claimed."""
        now = self._clock.now()
        async with self._database.transaction() as session:
            timers = await self._claim(session, now)
            if timers:
                failpoints.reach("after_claim")
            for kind, group in itertools.groupby(timers, key=lambda t: t.kind):
                await self._fire(session, kind, list(group), now)
        return len(timers)

    async def _claim(self, session: AsyncSession, now: datetime) -> list[Timer]:
        rows = await session.execute(
            text("""
            SELECT kind, owner, generation, due_at, payload::text AS payload, attempts FROM timers
            WHERE due_at <= :now AND parked_at IS NULL AND kind = ANY(:kinds)
              AND (retry_at IS NULL OR retry_at <= :wall)
            ORDER BY due_at LIMIT :batch FOR UPDATE SKIP LOCKED
            """),
            {"now": now, "wall": self._clock.wall(), "kinds": list(self._handlers), "batch": BATCH},
        )
        timers = [Timer(r.kind, r.owner, r.generation, r.due_at, orjson.loads(r.payload), r.attempts) for r in rows]
        return sorted(timers, key=lambda t: (t.kind, t.due_at))

    async def _fire(self, session: AsyncSession, kind: str, group: Sequence[Timer], now: datetime) -> None:
        """All of a kind together; if that fails, each alone, so that one bad timer holds up no other."""
        try:
            async with session.begin_nested():
                await self._handlers[kind](group, now, session)
        except Exception as error:
            if is_passing(error):
                raise
            log.warning("timers_failed_trying_each_alone", kind=kind, count=len(group), error=repr(error))
            for timer in group:
                await self._fire_alone(session, timer, now)
        else:
            await self._book(session, group, now)

    async def _fire_alone(self, session: AsyncSession, timer: Timer, now: datetime) -> None:
        try:
            async with session.begin_nested():
                await self._handlers[timer.kind]([timer], now, session)
        except Exception as error:
            if is_passing(error):
                raise
            await self._postpone(session, timer, error)
        else:
            await self._book(session, [timer], now)

    async def _book(self, session: AsyncSession, fired: Sequence[Timer], now: datetime) -> None:
        await session.execute(
            text("""
            DELETE FROM timers t USING unnest(CAST(:kinds AS text[]), CAST(:owners AS text[]),
                                              CAST(:generations AS bigint[])) AS u(kind, owner, generation)
            WHERE (t.kind, t.owner, t.generation) = (u.kind, u.owner, u.generation)
            """),
            {
                "kinds": [t.kind for t in fired],
                "owners": [t.owner for t in fired],
                "generations": [t.generation for t in fired],
            },
        )
        for timer in fired:
            metrics.TIMERS_FIRED.labels(self._service, timer.kind).inc()
            metrics.TIMER_LATENESS.labels(self._service, timer.kind).observe((now - timer.due_at).total_seconds())

    async def _postpone(self, session: AsyncSession, timer: Timer, error: Exception) -> None:
        """Try again later, twice as late each time; park it in the end, where the doctor shows it."""
        attempts = timer.attempts + 1
        parked = attempts >= MAX_ATTEMPTS
        wall = self._clock.wall()
        await session.execute(
            text(
                "UPDATE timers SET attempts = :attempts, retry_at = :retry_at, parked_at = :parked_at,"
                " last_error = :error WHERE kind = :kind AND owner = :owner AND generation = :generation"
            ),
            {
                "attempts": attempts,
                "retry_at": wall + FIRST_RETRY * 2 ** (attempts - 1),
                "parked_at": wall if parked else None,
                "error": repr(error)[:2000],
                "kind": timer.kind,
                "owner": timer.owner,
                "generation": timer.generation,
            },
        )
        if parked:
            metrics.TIMERS_PARKED.labels(self._service, timer.kind).inc()
        log.error(
            "timer_failed",
            kind=timer.kind,
            owner=timer.owner,
            attempts=attempts,
            parked=parked,
            error=repr(error),
        )

    async def _seconds_to_next(self) -> float:
        async with self._database.read() as session:
            due = await session.scalar(
                text(
                    "SELECT due_at FROM timers WHERE parked_at IS NULL AND kind = ANY(:kinds)"
                    " AND retry_at IS NULL ORDER BY due_at LIMIT 1"
                ),
                {"kinds": list(self._handlers)},
            )
        return POLL if due is None else min(POLL, max(0.005, self._clock.wall_seconds_until(due)))
