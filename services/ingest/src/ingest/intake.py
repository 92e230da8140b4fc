"""Group commit: posts that arrive together share one transaction, and each is answered by its own fate.

One committer a process. While it commits, the next posts gather; when nothing is under way, a post waits at most
`GATHER` for company. The queue is bounded by posts and bytes: a full one is told to the sender, memory stays flat.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from common import logging
from common.clock import Clock
from common.db import Database
from common.errors import Unavailable
from common.faults import is_passing

from ingest import accept, metrics
from ingest.domain.arrival import Arrival, Receipt
from ingest.domain.shared import SharedDomains
from ingest.repository import loading

log = logging.get(__name__)

GATHER = 0.002
"""Wall seconds that a lone post waits for others (of the 5 ms that may be waited)."""
MAX_POSTS = 400
MAX_BYTES = 8 << 20
ATTEMPTS = 3
RETRY_AFTER = 0.05
ANSWER_WITHIN = 4.0
"""Wall seconds until a post is told to come again: HubSpot waits five. What is stored after all is then a duplicate."""


@dataclass(slots=True)
class _Waiting:
    arrival: Arrival
    answer: asyncio.Future[Receipt]
    size: int


class Intake:
    """The queue and its committer."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        posts: int,
        size: int,
        shared: SharedDomains | None = None,
        within: float = ANSWER_WITHIN,
    ) -> None:
        self._database = database
        self._shared = shared
        self._clock = clock
        self._posts, self._size, self._within = posts, size, within
        self._queue: deque[_Waiting] = deque()
        self._queued_bytes = 0
        self._filled = asyncio.Event()

    async def submit(self, arrival: Arrival) -> Receipt:
        """Durable when this returns. Raises Unavailable when the queue is full, or the database away or too slow."""
        size = len(arrival.raw or b"")
        if len(self._queue) >= self._posts or self._queued_bytes + size > self._size:
            metrics.REFUSED.labels(arrival.source, "queue_full").inc()
            raise Unavailable("too many posts wait to be stored", retry_after=1)
        loop = asyncio.get_running_loop()
        waiting = _Waiting(arrival, loop.create_future(), size)
        self._queue.append(waiting)
        self._queued_bytes += size
        metrics.QUEUE.set(len(self._queue))
        self._filled.set()
        limit = loop.call_later(self._within, _fail, waiting, Unavailable("storing takes too long", retry_after=5))
        try:
            return await waiting.answer
        finally:
            limit.cancel()

    async def run(self) -> None:
        """Commit for ever; when stopped, what is queued is told to come again."""
        try:
            while True:
                await self._filled.wait()
                if len(self._queue) < MAX_POSTS:
                    await self._clock.sleep(GATHER)
                await self._commit(self._take())
        finally:
            for waiting in self._take(len(self._queue)):
                _fail(waiting, Unavailable("the service is stopping", retry_after=2))

    def _take(self, most: int = MAX_POSTS) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        while self._queue and len(batch) < most and (size < MAX_BYTES or most > MAX_POSTS):
            batch.append(self._queue.popleft())
            size += batch[-1].size
        self._queued_bytes -= size
        metrics.QUEUE.set(len(self._queue))
        if not self._queue:
            self._filled.clear()
        return batch

    async def _commit(self, batch: Sequence[_Waiting]) -> None:
        """All in one transaction; if that fails for good, each in its own, so that a bad one fails alone."""
        batch = [waiting for waiting in batch if not waiting.answer.done()]
        if not batch:
            return
        metrics.BATCH.observe(len(batch))
        try:
            await self._together(batch)
        except Exception as error:  # noqa: BLE001  (the edge: each post gets its own answer)
            if _is_passing(error):
                log.warning("accepts_interrupted", error=repr(error), posts=len(batch))
                for waiting in batch:
                    metrics.REFUSED.labels(waiting.arrival.source, "unavailable").inc()
                    _fail(waiting, Unavailable("the database does not answer", retry_after=2))
            elif isinstance(error, accept.Contradicted):
                for waiting in batch:
                    if waiting.arrival is error.arrival:
                        _fail(waiting, error)
                await self._commit(batch)
            elif len(batch) == 1:
                await self._alone(batch[0], error)
            else:
                for waiting in batch:
                    await self._commit([waiting])
        except BaseException:
            for waiting in batch:
                _fail(waiting, Unavailable("the service is stopping", retry_after=2))
            raise

    async def _together(self, batch: Sequence[_Waiting]) -> None:
        arrivals = [waiting.arrival for waiting in batch]
        for attempt in range(1, ATTEMPTS + 1):
            try:
                at = accept.Moments(self._clock.now(), self._clock.wall())
                async with self._database.transaction() as session:
                    receipts = await accept.store(session, arrivals, at, shared=self._shared)
                break
            except Exception as error:
                if attempt == ATTEMPTS or not _is_passing(error):
                    raise
                await self._clock.sleep(RETRY_AFTER)
        for waiting, receipt in zip(batch, receipts, strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result(receipt)

    async def _alone(self, waiting: _Waiting, error: Exception) -> None:
        """A post that cannot be stored as it is, is quarantined whole."""
        arrival = waiting.arrival
        log.error("post_is_poison", source=arrival.source, exc_info=error)
        metrics.POISON.labels(arrival.source).inc()
        if arrival.raw is None or arrival.unreadable is not None:
            _fail(waiting, error)
            return
        arrival.unreadable, arrival.items = f"cannot be stored: {type(error).__name__}", []
        await self._commit([waiting])


def _is_passing(error: Exception) -> bool:
    return is_passing(error) or isinstance(error, loading.Moved)


def _fail(waiting: _Waiting, error: Exception) -> None:
    if not waiting.answer.done():
        waiting.answer.set_exception(error)
