"""Hears two topics in a process of its own and notes when each record arrived; nothing is parsed before the end."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer
from common.contracts import client, health

QUIET_SECONDS = 3.0
"""After the stream's end: so long without a record means that everything was heard."""
LONGEST_SECONDS = 60.0
EVENTS, SCORES = client.TOPIC, health.TOPIC


@dataclass(slots=True)
class Heard:
    """What was on Kafka: which event is which number, and when which score named it."""

    number_of: dict[str, int] = field(default_factory=dict)
    """Canonical event id → number of the webhook."""
    scored: dict[str, list[int]] = field(default_factory=dict)
    """Canonical event id → arrival (monotonic ns) of each score that names it as a cause."""
    scores: int = 0


class Ear:
    """The process that listens; `with` it around a stream, then ask what was `heard`."""

    def __init__(self, servers: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_listen, args=(servers, theirs), daemon=True)
        self._process.start()
        self._pipe.recv()

    def heard(self) -> Heard:
        """Tell it that the stream is over; returns when the topics are quiet."""
        self._pipe.send("over")
        found: Heard = self._pipe.recv()
        self._process.join()
        return found


def _listen(servers: str, pipe: Connection) -> None:
    pipe.send(asyncio.run(_hear(servers, pipe)))


async def _hear(servers: str, pipe: Connection) -> Heard:
    consumer = AIOKafkaConsumer(
        EVENTS, SCORES, bootstrap_servers=servers, enable_auto_commit=False, max_poll_records=5000
    )
    await consumer.start()
    try:
        await consumer.seek_to_end()
        for partition in consumer.assignment():
            await consumer.position(partition)
        pipe.send("ready")
        records = await _until_quiet(consumer, pipe)
    finally:
        await consumer.stop()
    return _understood(records)


async def _until_quiet(consumer: Any, pipe: Connection) -> list[tuple[int, str, bytes]]:
    records: list[tuple[int, str, bytes]] = []
    over_at: float | None = None
    last = time.monotonic()
    while True:
        batches = await consumer.getmany(timeout_ms=100)
        now = time.monotonic_ns()
        for partition, batch in batches.items():
            records += [(now, partition.topic, record.value) for record in batch]
        last = time.monotonic() if batches else last
        if over_at is None and pipe.poll():
            over_at = time.monotonic()
        if over_at is not None:
            quiet = time.monotonic() - max(last, over_at) > QUIET_SECONDS
            if quiet or time.monotonic() - over_at > LONGEST_SECONDS:
                return records


def _understood(records: list[tuple[int, str, bytes]]) -> Heard:
    heard = Heard()
    seen: set[str] = set()
    for arrived, topic, value in records:
        event = orjson.loads(value)
        if event["id"] in seen:
            continue  # Kafka is at least once: a repeat carries the same id and is no second effect
        seen.add(event["id"])
        if topic == EVENTS:
            number = event["data"].get("quantity")
            if isinstance(number, int | float):
                heard.number_of[event["id"]] = int(number)
        elif event["type"] == health.Scored.TYPE:
            heard.scores += 1
            for cause in event["data"]["caused_by"]:
                heard.scored.setdefault(cause, []).append(arrived)
    return heard
