"""What was said of a person and is on Kafka already ends with the topic's retention: tried with a short one."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from loopctl.local import ports
from loopctl.local.kafka import Kafka

from tests.integration.ingest.conftest import Ingest
from tests.integration.ingest.test_erasing_people import EMAIL, NAME, traces

TOPIC = "csl.client.events.v1"
RETENTION_MS = 1000
EAGER = {"log.retention.check.interval.ms": "200", "log.initial.task.delay.ms": "200"}
"""A broker looks for what is past its retention every five minutes; tests do not wait so long."""
PATIENCE = 60.0


@pytest.fixture
def kafka() -> Iterator[Kafka]:
    """A broker of the test's own."""
    with tempfile.TemporaryDirectory(prefix="csl-kafka-") as folder:
        own = Kafka(Path(folder), ports.free_base(2), overrides=EAGER)
        try:
            own.start()
            yield own
        finally:
            own.stop()


async def publish(kafka: Kafka, records: list[tuple[str, bytes]]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    configs = {"retention.ms": str(RETENTION_MS), "file.delete.delay.ms": "100"}
    await admin.create_topics([NewTopic(TOPIC, 1, 1, topic_configs=configs)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, acks="all") as producer:
        for key, body in records:
            await producer.send_and_wait(TOPIC, body, key=key.encode())


async def left(kafka: Kafka) -> int:
    """Records that anybody could still read."""
    async with AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap_servers) as consumer:
        part = TopicPartition(TOPIC, 0)
        ends = await consumer.end_offsets([part])
        begins = await consumer.beginning_offsets([part])
        return int(ends[part] - begins[part])


async def test_records_that_name_an_erased_person_are_gone_after_the_retention(ingest: Ingest, kafka: Kafka) -> None:
    client = await ingest.register()
    person = {"contact_id": "9", "name": NAME, "email": EMAIL, "role": "user"}
    event = {"type": "contact_added", "subject": str(client), "data": person}
    await ingest.call("POST", "/v1/events", json=event)
    rows = await ingest.rows("SELECT key, body FROM outbox ORDER BY seq")
    await publish(kafka, [(row.key, bytes(row.body)) for row in rows])
    assert any(EMAIL.encode() in bytes(row.body) for row in rows), "the copy names the person"
    assert (await ingest.call("DELETE", "/v1/contacts/9")).status_code == 204
    assert await traces(ingest, NAME, EMAIL) == []
    async with asyncio.timeout(PATIENCE):
        while await left(kafka):  # noqa: ASYNC110  (the broker has no event for it)
            await asyncio.sleep(0.2)
