"""Outbox → Kafka. One active relay a service (advisory lock), rows in order, at least once, nothing lost.

Live events go first, and imports at a limited rate: once on Kafka, history stands before the live events that follow,
and who consumes them at leisure would answer late.

Per client the order of unsent ids is commit order, because writers hold the client's row. A high-water mark would
lose rows: ids are drawn before they are committed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from common import failpoints, logging, metrics
from common.clock import Clock
from common.db import Database
from common.listener import wait
from common.producing import BATCH_BYTES, MAX_REQUEST_BYTES, Producing

log = logging.get(__name__)

ROWS = 2000
COALESCE = 0.005
"""Wall seconds between a wake and the query, so that one query serves many commits (plumbing.md)."""
POLL = 1.0
STANDBY_POLL = 1.0
MEASURE_EVERY = 1.0
LOCK_NAMESPACE = 0x43534C  # "CSL"
IDLE_SESSION_TIMEOUT = "5s"
"""A stopped process must not keep the advisory lock: its silent connection is ended (plumbing.md trap 4)."""

IMPORTS_PER_SECOND = 2000
WHILE_WRITTEN = 16
"""How much slower imports go while more of them are being written: those who read them need the machine, too."""
MOMENT = 2.0
"""Wall seconds after which nothing more seems to be written."""
IMPORT_ROWS = 250
"""Imports sent at once: a live event that follows them in its partition does not wait long for its consumers."""

_SELECT = """
SELECT u.seq, u.day, u.lane, o.topic, o.key, o.headers, o.body
FROM ((SELECT seq, day, lane FROM outbox_unsent WHERE lane = 0 ORDER BY seq LIMIT $1)
      UNION ALL
      (SELECT seq, day, lane FROM outbox_unsent WHERE lane = 1 ORDER BY seq LIMIT $2)) u
JOIN outbox o ON o.day = u.day AND o.seq = u.seq
ORDER BY u.lane, u.seq
"""
_NEWEST_IMPORT = "SELECT max(seq) FROM outbox_unsent WHERE lane = 1"
_GONE = """
DELETE FROM outbox_unsent u WHERE NOT EXISTS (SELECT 1 FROM outbox o WHERE o.day = u.day AND o.seq = u.seq)
"""


class Relay:
    """Sends the outbox of one service."""

    def __init__(
        self,
        database: Database,
        bootstrap: str,
        clock: Clock,
        woken: asyncio.Event,
        *,
        imports_per_second: int = IMPORTS_PER_SECOND,
    ) -> None:
        self._database = database
        self._bootstrap = bootstrap
        self._clock = clock
        self._woken = woken
        self._service = database.schema
        self._measured = float("-inf")
        self._imports_per_second = imports_per_second
        self._imports_due = float("-inf")
        self._newest_import: Any = None
        self._written_at = float("-inf")
        self._singly = False

    async def run(self) -> None:
        """Relay for ever; broker or database away means waiting and starting over."""
        while True:
            try:
                await self._once_active()
            except (
                KafkaError,
                OSError,
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
                asyncpg.InternalClientError,
                TimeoutError,
            ) as error:
                log.warning("relay_interrupted", error=repr(error))
            await self._clock.sleep(STANDBY_POLL)

    async def _once_active(self) -> None:
        connection = await asyncpg.connect(**self._database.asyncpg_arguments(), command_timeout=30)
        try:
            if not await connection.fetchval(
                "SELECT pg_try_advisory_lock($1, hashtext(current_schema()))", LOCK_NAMESPACE
            ):
                return
            await connection.execute(f"SET idle_session_timeout = '{IDLE_SESSION_TIMEOUT}'")
            await self._send_for_ever(connection)
        finally:
            connection.terminate()

    async def _send_for_ever(self, connection: asyncpg.Connection[Any]) -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            enable_idempotence=True,
            acks="all",
            linger_ms=0,
            max_request_size=MAX_REQUEST_BYTES,
            max_batch_size=BATCH_BYTES,
            client_id=f"{self._service}-relay",
        )
        await self._pinging(connection, asyncio.ensure_future(producer.start()))
        log.info("relay_active")
        producing = Producing(producer, singly=self._singly)
        try:
            while not producing.spent:
                more_in = await self.send_some(connection, producing)
                self._singly = producing.spent
                if more_in > 0:
                    await wait(self._woken, self._clock, more_in)
                    await self._clock.sleep(COALESCE)
        finally:
            # A broker that is away would hold the flush for ever; what it has not acknowledged stays unsent.
            await asyncio.wait({asyncio.ensure_future(producer.stop())}, timeout=2)

    async def _pinging(self, connection: asyncpg.Connection[Any], work: asyncio.Future[Any]) -> Any:
        """Wait for Kafka while telling Postgres each second that we live (and learning whether it does)."""
        try:
            while True:
                done, _ = await asyncio.wait({work}, timeout=1.0)
                if done:
                    return work.result()
                await connection.execute("SELECT 1")
        finally:
            if not work.done():
                work.cancel()

    async def send_some(self, connection: asyncpg.Connection[Any], producing: Producing) -> float:
        """Send what may be sent now; wall seconds until there may be more without anybody saying so."""
        began = self._clock.monotonic()
        importing = began >= self._imports_due
        rows = await connection.fetch(_SELECT, ROWS, IMPORT_ROWS if importing else 0)
        if rows:
            failpoints.reach("before_produce")
            work = asyncio.ensure_future(producing.send(rows))
            sent, parked = await self._pinging(connection, work)
            failpoints.reach("after_produce")
            await self._book(connection, sent, parked)
        elif importing and await connection.fetchval("SELECT count(*) FROM outbox_unsent"):
            await connection.execute(_GONE)
        now = self._clock.monotonic()
        if now - self._measured >= MEASURE_EVERY:
            self._measured = now
            await self._measure(connection)
        imports = sum(row["lane"] for row in rows)
        if imports:
            slower = WHILE_WRITTEN if await self._being_written(connection) else 1
            self._imports_due = began + slower * imports / self._imports_per_second
        if len(rows) - imports >= ROWS:
            return 0
        due_in = self._imports_due - now
        return max(due_in, COALESCE) if imports or due_in > 0 else POLL

    async def _being_written(self, connection: asyncpg.Connection[Any]) -> bool:
        """Whether imports were added a moment ago, by any process."""
        before, self._newest_import = self._newest_import, await connection.fetchval(_NEWEST_IMPORT)
        now = self._clock.monotonic()
        if None not in (before, self._newest_import) and self._newest_import > before:
            self._written_at = now
        return now - self._written_at < MOMENT

    async def _book(
        self, connection: asyncpg.Connection[Any], sent: Sequence[Any], parked: Sequence[tuple[Any, str]]
    ) -> None:
        done = [row["seq"] for row in sent]
        for topic, count in Counter([row["topic"] for row in sent]).items():
            metrics.OUTBOX_SENT.labels(self._service, topic).inc(count)
        if parked:
            wall = self._clock.wall()
            await connection.executemany(
                "INSERT INTO outbox_parked (seq, day, reason, parked_at) VALUES ($1, $2, $3, $4)"
                " ON CONFLICT DO NOTHING",
                [(row["seq"], row["day"], reason, wall) for row, reason in parked],
            )
            done += [row["seq"] for row, _ in parked]
            metrics.OUTBOX_PARKED.labels(self._service).inc(len(parked))
            log.error("outbox_rows_parked", count=len(parked), reason=parked[0][1])
        await connection.execute("DELETE FROM outbox_unsent WHERE seq = ANY($1::bigint[])", done)

    async def _measure(self, connection: asyncpg.Connection[Any]) -> None:
        row = await connection.fetchrow(
            "SELECT (SELECT written_at FROM outbox_unsent WHERE lane = 0 ORDER BY seq LIMIT 1) AS oldest,"
            " (SELECT count(*) FROM (SELECT 1 FROM outbox_unsent LIMIT 100000) AS counted) AS unsent"
        )
        oldest = row["oldest"] if row else None
        age = (self._clock.wall() - oldest).total_seconds() if oldest else 0.0
        metrics.OUTBOX_AGE.labels(self._service).set(age)
        metrics.OUTBOX_UNSENT.labels(self._service).set(row["unsent"] if row else 0)
