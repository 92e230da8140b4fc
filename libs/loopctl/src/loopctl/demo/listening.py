"""What the loop says, as it says it: the services' topics, read from where the play began."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from common.contracts import churn, escalation, health, notify

from loopctl.console import complain

TOPICS = (health.TOPIC, churn.TOPIC, escalation.TOPIC, notify.TOPIC)
RETRY = 1.0
POLL_MS = 100

Offsets = dict[str, dict[str, int]]


async def ends(servers: str) -> Offsets:
    """Where each topic ends now."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, n) for topic in TOPICS for n in await _partitions(consumer, topic)]
        found = await consumer.end_offsets(partitions)
    finally:
        await consumer.stop()
    offsets: Offsets = {}
    for partition, offset in found.items():
        offsets.setdefault(partition.topic, {})[str(partition.partition)] = offset
    return offsets


async def _partitions(consumer: Any, topic: str) -> set[int]:
    for _ in range(50):
        await consumer._client.force_metadata_update()  # noqa: SLF001  (aiokafka learns of unsubscribed topics so)
        found = consumer.partitions_for_topic(topic)
        if found:
            return set(found)
        await asyncio.sleep(0.1)
    raise RuntimeError(f"the topic {topic} does not exist")


class Listener:
    """Hears every event since those offsets, for ever; a broker that is away only delays."""

    def __init__(self, servers: str, since: Offsets) -> None:
        self._servers = servers
        self._position = {TopicPartition(t, int(p)): o for t, ps in since.items() for p, o in ps.items()}

    def has_reached(self, offsets: Offsets) -> bool:
        """Whether everything before those offsets was heard."""
        return all(self._position[TopicPartition(t, int(p))] >= o for t, ps in offsets.items() for p, o in ps.items())

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        while True:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._servers, enable_auto_commit=False, auto_offset_reset="earliest"
            )
            try:
                await consumer.start()
                consumer.assign(list(self._position))
                for partition, offset in self._position.items():
                    consumer.seek(partition, offset)
                while True:
                    for partition, records in (await consumer.getmany(timeout_ms=POLL_MS)).items():
                        for record in records:
                            yield orjson.loads(record.value)
                            self._position[partition] = record.offset + 1
            except (KafkaError, OSError) as error:
                complain(f"listening to Kafka was interrupted ({type(error).__name__}); trying again")
                await asyncio.sleep(RETRY)
            finally:
                await consumer.stop()
