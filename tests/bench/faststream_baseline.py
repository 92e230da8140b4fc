"""The baseline of recomputing: a FastStream consumer that does with each event what health does.

`python -m tests.bench.faststream_baseline each|batch|ours`, with health's settings in the environment. The same
inbox, fold, score and write on the same broker and database; `each` an event and transaction at a time, `batch` a
batch of a thousand in one transaction but an event at a time, `ours` such a batch in one call of health's handler.
Offsets are committed by Kafka's client now and then, which costs it nothing and is less than health promises.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from aiokafka import ConsumerRecord
from common import inbox
from common.clock import SystemClock
from common.contracts import client, registry
from common.contracts.base import Event
from common.db import Database
from common.dispatch import Batch
from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker, KafkaMessage
from health import handlers
from health.settings import Settings
from sqlalchemy.ext.asyncio import AsyncSession

BATCH = 1_000


def application(mode: str) -> FastStream:
    """The consumer, ready to run."""
    settings = Settings()
    database = Database(settings.database_url, schema="health")
    clock = SystemClock()
    keep = handlers.consumer(clock).keep
    broker = KafkaBroker(settings.kafka_bootstrap_servers, logger=None)

    async def take(session: AsyncSession, events: list[Event[Any]]) -> None:
        fresh = await inbox.take(session, events, keep=keep)
        if fresh:
            await handlers.client_events(Batch(fresh, clock.now()), session)

    async def each(message: KafkaMessage) -> None:
        async with database.transaction() as session:
            await take(session, [_event(message.raw_message)])

    async def batch(message: KafkaMessage) -> None:
        async with database.transaction() as session:
            for record in message.raw_message:
                await take(session, [_event(record)])

    async def ours(message: KafkaMessage) -> None:
        async with database.transaction() as session:
            await take(session, [_event(record) for record in message.raw_message])

    options: dict[str, Any] = {"group_id": f"bench-{mode}", "auto_offset_reset": "earliest",
                               "ack_policy": AckPolicy.ACK_FIRST}  # fmt: skip
    if mode != "each":
        options |= {"batch": True, "max_records": BATCH, "batch_timeout_ms": 200}
    broker.subscriber(client.TOPIC, **options)({"each": each, "batch": batch, "ours": ours}[mode])
    return FastStream(broker)


def _event(record: ConsumerRecord[Any, Any]) -> Event[Any]:
    return registry.parse(record.value, dict(record.headers)["ce_type"].decode())


if __name__ == "__main__":
    asyncio.run(application(sys.argv[1]).run())
