"""Kafka → handlers. Facts, states, outbox rows and the position in the topic commit together.

Each transaction is fenced first by locking its positions in Postgres; a batch whose first offset is not the stored
position is discarded and read again from there, so rebalances, restored databases and woken zombies need no other
care (plumbing.md traps 1-3). A failing batch is retried item by item, so that one bad event holds up no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from common import logging, metrics, offsets
from common.clock import Clock
from common.contracts.base import Data
from common.db import Database
from common.dispatch import Dispatcher, Erase, Subscriptions
from common.faults import is_passing

log = logging.get(__name__)

POLL_MS = 200
MAX_RECORDS = 1000
FETCH_WAIT_MS = 100
"""A fetch asks for the partitions whose records were taken already; one that has just filled waits this long for the
next at most (aiokafka asks a broker one thing at a time)."""
BACK_OFF = (0.1, 0.3, 1.0, 2.0, 5.0)
TRIES_ALONE = 3
"""Attempts of one event alone before it goes to the dead letters."""

Records = Mapping[TopicPartition, Sequence["ConsumerRecord[Any, Any]"]]


@dataclass(frozen=True)
class ConsumerSpec:
    """What a service listens to. `keep`: the bodies whose payload stays among its facts.

    With `Unknown` in `keep`, client events of types that this release does not know are stored too.
    """

    subscriptions: Subscriptions
    keep: frozenset[type[Data]] = frozenset()
    erase: Erase | None = None
    group: str = ""
    pause: float = 0.0
    """Wall seconds between batches: whoever need not be first makes larger batches and fewer commits."""


@dataclass
class ConsumerHealth:
    """What readiness and the doctor look at."""

    assigned: bool = False
    stopped: str = ""
    positions: dict[TopicPartition, int] = field(default_factory=dict)


class Consumer:
    """One member of a service's consumer group."""

    def __init__(
        self,
        database: Database,
        bootstrap: str,
        clock: Clock,
        spec: ConsumerSpec,
        *,
        instance: str = "",
        session_timeout_ms: int = 6000,
    ) -> None:
        self._database = database
        self._bootstrap = bootstrap
        self._clock = clock
        self._service = database.schema
        self._group = spec.group or f"csl-{database.schema}"
        self._instance = instance
        self._session_timeout_ms = session_timeout_ms
        self._dispatcher = Dispatcher(self._service, clock, spec.subscriptions, spec.keep, spec.erase)
        self._pause = spec.pause
        self._gaps: dict[TopicPartition, int] = {}
        self.topics = sorted({body.TOPIC for body in self._dispatcher.subscriptions if body.TOPIC})
        self.health = ConsumerHealth()

    async def run(self) -> None:
        """Consume until cancelled; an offset out of range stops loudly, everything else is tried again."""
        attempt = 0
        while not self.health.stopped:
            try:
                await self._consume()
            except OffsetOutOfRangeError as error:
                self._stop_loudly(error)
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("consumer_interrupted", error=repr(error))
            await self._clock.sleep(BACK_OFF[min(attempt, len(BACK_OFF) - 1)])
            attempt += 1

    def _stop_loudly(self, error: OffsetOutOfRangeError) -> None:
        self.health.stopped = (
            f"the stored offset is outside the topic: {error}. Kafka lost or dropped events that were not read; "
            "see docs/runbooks/consumer-offset-out-of-range.md"
        )
        self.health.assigned = False
        metrics.CONSUMER_STOPPED.labels(self._service).set(1)
        log.critical("consumer_stopped", reason=self.health.stopped)

    async def _consume(self) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=self._group,
            group_instance_id=self._instance or None,
            client_id=f"{self._service}-{self._instance or 'consumer'}",
            enable_auto_commit=False,
            auto_offset_reset="none",
            partition_assignment_strategy=(StickyPartitionAssignor,),
            session_timeout_ms=self._session_timeout_ms,
            heartbeat_interval_ms=500,
            max_poll_interval_ms=120_000,
            fetch_max_wait_ms=FETCH_WAIT_MS,
        )
        consumer.subscribe(self.topics, listener=_Seek(self, consumer))
        await consumer.start()
        try:
            while True:
                await self._poll(consumer)
        finally:
            self.health.assigned = False
            await consumer.stop()

    async def _poll(self, consumer: AIOKafkaConsumer) -> None:
        try:
            records: Records = await consumer.getmany(timeout_ms=POLL_MS, max_records=MAX_RECORDS)
        except NoOffsetForPartitionError:
            # A rebalance asked Kafka for a position; ours are in Postgres.
            await self.seek(consumer, consumer.assignment())
            return
        self.health.assigned = bool(consumer.assignment())
        if records:
            await self._process(consumer, records)
            await self._clock.sleep(self._pause)
        for partition in consumer.assignment():
            end = consumer.highwater(partition)
            if end is not None and partition in self.health.positions:
                lag = max(0, end - self.health.positions[partition])
                metrics.CONSUMER_LAG.labels(self._service, f"{partition.topic}:{partition.partition}").set(lag)

    async def seek(self, consumer: AIOKafkaConsumer, partitions: Any) -> None:
        """Go to the positions in Postgres; a partition without one starts at the topic's beginning."""
        wanted = list(partitions)
        if not wanted:
            return
        async with self._database.transaction() as session:
            known = await offsets.positions(session, wanted)
            missing = [p for p in wanted if p not in known]
            if missing:
                await offsets.start(session, await consumer.beginning_offsets(missing))
                known = await offsets.positions(session, wanted)
        for partition, offset in known.items():
            if partition in consumer.assignment():
                consumer.seek(partition, offset)
                self.health.positions[partition] = offset

    async def _process(self, consumer: AIOKafkaConsumer, records: Records) -> None:
        """One batch, one transaction; on trouble the same again, then item by item."""
        attempt = 0
        while True:
            try:
                stale = await self._transact(records)
            except Exception as error:  # noqa: BLE001  (the edge: every fault is retried, isolated or dead-lettered)
                metrics.CONSUMER_RETRIES.labels(self._service).inc()
                if not is_passing(error):
                    log.warning("batch_failed_trying_items_alone", error=repr(error))
                    stale = await self._one_by_one(records)
                    break
                log.warning("batch_rolled_back", error=repr(error), attempt=attempt)
                await self._clock.sleep(BACK_OFF[min(attempt, len(BACK_OFF) - 1)])
                attempt += 1
            else:
                break
        if stale:
            log.info("batch_discarded", partitions=[f"{p.topic}:{p.partition}" for p in stale])
            await self._seek_with_patience(consumer, stale)

    async def _seek_with_patience(self, consumer: AIOKafkaConsumer, partitions: set[TopicPartition]) -> None:
        attempt = 0
        while True:
            try:
                return await self.seek(consumer, partitions & consumer.assignment())
            except Exception as error:
                if not is_passing(error):
                    raise
                await self._clock.sleep(BACK_OFF[min(attempt, len(BACK_OFF) - 1)])
                attempt += 1

    async def _transact(self, records: Records, *, dead: Exception | None = None) -> set[TopicPartition]:
        """Handle a batch in one transaction; returns partitions whose batch was not the expected one.

        With `dead`, the (single) record goes to the dead letters for that reason instead.
        """
        with metrics.BATCH_SECONDS.labels(self._service).time():
            async with self._database.transaction() as session:
                positions = await offsets.fence(session, records)
                good = {p: rs for p, rs in records.items() if self._is_next(p, rs[0].offset, positions)}
                if good:
                    if dead is None:
                        await self._dispatcher.handle(session, list(good.values()))
                    else:
                        await self._dispatcher.bury(session, next(iter(good.values()))[0], dead)
                    await offsets.move(session, {p: rs[-1].offset + 1 for p, rs in good.items()})
            for partition, batch in good.items():
                self.health.positions[partition] = batch[-1].offset + 1
        return set(records) - set(good)

    def _is_next(self, partition: TopicPartition, first: int, positions: Mapping[TopicPartition, int]) -> bool:
        expected = positions.get(partition)
        if expected is None or first < expected:
            return False
        if first == expected:
            self._gaps.pop(partition, None)
            return True
        # Nothing of ours makes gaps, but a broker's control records would: accepted when a second read from
        # the stored position gives the same first offset.
        accepted = self._gaps.get(partition) == expected
        self._gaps[partition] = expected
        return accepted

    async def _one_by_one(self, records: Records) -> set[TopicPartition]:
        stale: set[TopicPartition] = set()
        for partition, batch in records.items():
            for record in batch:
                if await self._alone({partition: [record]}):
                    stale.add(partition)
                    break
        return stale

    async def _alone(self, record: Records) -> set[TopicPartition]:
        """One event in a transaction of its own; after a few failures that do not pass, a dead letter."""
        failures = attempt = 0
        dead: Exception | None = None
        while True:
            try:
                return await self._transact(record, dead=dead)
            except Exception as error:  # noqa: BLE001  (the edge, as above)
                if not is_passing(error):
                    failures += 1
                    dead = error if failures >= TRIES_ALONE else None
                log.warning("event_failed", error=repr(error), failures=failures)
                await self._clock.sleep(BACK_OFF[min(attempt, len(BACK_OFF) - 1)])
                attempt += 1


class _Seek(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """On assignment, go to the positions in Postgres before anything is fetched."""

    def __init__(self, owner: Consumer, consumer: AIOKafkaConsumer) -> None:
        self._owner = owner
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        self._owner.health.assigned = False

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        try:
            await asyncio.wait_for(self._owner.seek(self._consumer, assigned), timeout=5)
        except Exception as error:  # noqa: BLE001  (every batch is guarded: it is discarded and sought again)
            log.warning("seek_on_assignment_failed", error=repr(error))
