"""Batches of outbox rows on a real broker: in order, and what is too large stands back alone."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from common.producing import BATCH_BYTES, MAX_REQUEST_BYTES, Producing

from tests.support.stack import TestStack

PARTITIONS, LIMIT = 3, 64 << 10
HEADERS = orjson.dumps({"ce_type": "t", "content-type": "c"}).decode()


async def made_topic(stack: TestStack) -> str:
    """A topic of few partitions whose batches may have LIMIT bytes."""
    name = f"producing-{uuid4().hex[:8]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_servers)
    await admin.start()
    try:
        limits = {"max.message.bytes": str(LIMIT)}
        await admin.create_topics([NewTopic(name, PARTITIONS, 1, topic_configs=limits)])
    finally:
        await admin.close()
    return name


async def sent(stack: TestStack, rows: list[dict[str, Any]]) -> tuple[list[Any], list[tuple[Any, str]]]:
    """As the relay does: what is not known to be there or refused is sent again by another producer."""
    delivered: list[Any] = []
    refused: list[tuple[Any, str]] = []
    left, singly = rows, False
    while left:
        producer = AIOKafkaProducer(
            bootstrap_servers=stack.kafka_servers, enable_idempotence=True, acks="all",
            max_request_size=MAX_REQUEST_BYTES, max_batch_size=BATCH_BYTES,
        )  # fmt: skip
        await producer.start()
        try:
            producing = Producing(producer, singly=singly)
            there, never = await producing.send(left)
        finally:
            await producer.stop()
        assert there or never or not singly, "each further attempt gets on"
        delivered, refused, singly = delivered + there, refused + never, producing.spent
        known = [id(r) for r in (*there, *(r for r, _ in never))]
        left = [r for r in left if id(r) not in known]
    return delivered, refused


async def heard(stack: TestStack, topic: str) -> list[Any]:
    """All records, partition by partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.kafka_servers, enable_auto_commit=False)
    await consumer.start()
    try:
        parts = [TopicPartition(topic, n) for n in range(PARTITIONS)]
        consumer.assign(parts)
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(parts)
        found: list[Any] = []
        while len(found) < sum(ends.values()):
            for batch in (await consumer.getmany(timeout_ms=1000)).values():
                found += batch
        return found
    finally:
        await consumer.stop()


def row(topic: str, key: str, body: bytes) -> dict[str, Any]:
    return {"topic": topic, "key": key, "headers": HEADERS, "body": body}


async def test_records_of_a_key_keep_their_order_over_many_batches(stack: TestStack) -> None:
    topic = await made_topic(stack)
    rows = [row(topic, f"client-{n % 7}", b"%06d" % n + b"x" * (n * 37 % 3000)) for n in range(500)]
    delivered, refused = await sent(stack, rows)
    assert refused == []
    assert sorted(r["body"] for r in delivered) == sorted(r["body"] for r in rows)
    found = await heard(stack, topic)
    for key in {r["key"] for r in rows}:
        told = [r.value for r in found if r.key.decode() == key]
        assert sorted(told) == [r["body"] for r in rows if r["key"] == key]
    assert {tuple(r.headers) for r in found} == {(("ce_type", b"t"), ("content-type", b"c"))}
    assert len({(r.partition, r.key) for r in found}) == 7, "a key has one partition"


async def test_what_no_broker_takes_is_told_and_its_neighbours_are_taken(stack: TestStack) -> None:
    topic = await made_topic(stack)
    sizes = [10, LIMIT + 10, 20, BATCH_BYTES + 10, 30, MAX_REQUEST_BYTES, 40]
    rows = [row(topic, "one", b"x" * size) for size in sizes]
    delivered, refused = await sent(stack, rows)
    assert sorted(len(r["body"]) for r in delivered) == [10, 20, 30, 40]
    assert sorted(len(r["body"]) for r, _ in refused) == [LIMIT + 10, BATCH_BYTES + 10, MAX_REQUEST_BYTES]
    assert sorted(len(r.value) for r in await heard(stack, topic)) == [10, 20, 30, 40]
