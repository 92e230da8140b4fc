"""From Kafka to a handler: once, in order, and what cannot be handled goes to the dead letters."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaProducer
from common import inbox
from common.clock import SystemClock
from common.consumer import Consumer, ConsumerSpec
from common.contracts import client
from common.contracts.base import Data, Event, Unknown
from common.db import Database
from common.dispatch import Batch
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tests.support.chaos import until
from tests.support.events import happened, login
from tests.support.stack import TestStack

KEEP: frozenset[type[Data]] = frozenset({client.LoggedIn, client.UsageRecorded, Unknown})


class Heard:
    """Handlers that write down what they were given; a login of 13 is more than they can bear."""

    def __init__(self) -> None:
        self.clients: set[UUID] = set()
        self.heard: list[Event[Any]] = []
        self.erased: list[UUID] = []

    async def logins(self, batch: Batch, session: AsyncSession) -> None:
        if any(e.data.count == 13 and e.client_id in self.clients for e in batch.events):
            raise ValueError("thirteen")
        self._note(batch)

    async def usage(self, batch: Batch, session: AsyncSession) -> None:
        self._note(batch)

    async def erase(self, session: AsyncSession, client_ids: Any) -> None:
        self.erased.extend(c for c in client_ids if c in self.clients)

    def _note(self, batch: Batch) -> None:
        self.heard.extend(e for e in batch.events if e.client_id in self.clients)

    def ids(self) -> list[UUID]:
        return [event.id for event in self.heard]


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
async def listening(stack: TestStack, database: Database, heard: Heard) -> AsyncIterator[Consumer]:
    """A running consumer in a group of its own."""
    spec = ConsumerSpec(
        {client.LoggedIn: heard.logins, client.UsageRecorded: heard.usage},
        keep=KEEP,
        erase=heard.erase,
        group=f"test-{uuid4()}",
    )
    consumer = Consumer(database, stack.kafka_servers, SystemClock(), spec)
    task = asyncio.create_task(consumer.run())
    yield consumer
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def say(stack: TestStack, *events: Event[Any] | tuple[UUID, str, bytes]) -> None:
    """Put events (or raw bytes) on the topic."""
    producer = AIOKafkaProducer(bootstrap_servers=stack.kafka_servers)
    await producer.start()
    try:
        for event in events:
            key, kind, raw = event if isinstance(event, tuple) else (event.client_id, event.type, event.to_json())
            await producer.send_and_wait(
                client.LoggedIn.TOPIC, raw, key=str(key).encode(), headers=[("ce_type", kind.encode())]
            )
    finally:
        await producer.stop()


def has(heard: Heard, count: int) -> Callable[[], Any]:
    async def enough() -> bool:
        return len(heard.heard) >= count

    return enough


async def test_each_event_is_handled_once_in_the_clients_order(
    stack: TestStack, listening: Consumer, heard: Heard, client_id: UUID
) -> None:
    heard.clients.add(client_id)
    usage = happened(client.UsageRecorded(feature="reports", quantity=1), client_id)
    events = [login(client_id, minutes=n, count=n + 1) for n in range(3)]
    said = [events[0], usage, events[1], events[0], events[2], usage]
    await say(stack, *said)
    await until(has(heard, 4), "four events are heard", lambda: asyncio.sleep(0, heard.ids()))
    assert heard.ids() == [events[0].id, usage.id, events[1].id, events[2].id]


async def test_types_nobody_listens_to_are_skipped_unread(
    stack: TestStack, listening: Consumer, heard: Heard, client_id: UUID
) -> None:
    heard.clients.add(client_id)
    last = login(client_id)
    await say(stack, (client_id, client.InvoicePaid.TYPE, b"not even JSON"), last)
    await until(has(heard, 1), "the event after it is heard")
    assert heard.ids() == [last.id]


async def test_types_of_the_future_are_stored_for_the_release_that_knows_them(
    stack: TestStack, listening: Consumer, heard: Heard, database: Database, client_id: UUID
) -> None:
    heard.clients.add(client_id)
    future = json.loads(login(client_id).to_json()) | {"type": "csl.client.teleported.v1", "data": {"to": "Mars"}}
    await say(stack, (client_id, "csl.client.teleported.v1", json.dumps(future).encode()), login(client_id, minutes=1))
    await until(has(heard, 1), "the event after it is heard")
    async with database.read() as session:
        stored = await inbox.load(session, [client_id])
    assert next((e.type, e.data.model_extra) for e in stored) == ("csl.client.teleported.v1", {"to": "Mars"})


async def test_one_bad_event_holds_up_no_other(
    stack: TestStack, listening: Consumer, heard: Heard, database: Database, client_id: UUID
) -> None:
    heard.clients.add(client_id)
    bad = login(client_id, minutes=1, count=13)
    good = [login(client_id, minutes=n, count=1) for n in (0, 2)]
    await say(stack, good[0], bad, (client_id, client.LoggedIn.TYPE, b'{"broken": '), good[1])
    await until(has(heard, 2), "the good ones are heard")
    assert heard.ids() == [e.id for e in good]
    async with database.read() as session:
        dead = list(await session.execute(text("SELECT headers, body FROM outbox WHERE topic = 'csl.plumbing.dlq'")))
        stored = await inbox.load(session, [client_id])
    reasons = {row.headers["csl_reason"].split(":")[0]: row for row in dead}
    assert set(reasons) == {"ValueError", "ValidationError"}
    thirteen = reasons["ValueError"]
    assert bytes(thirteen.body) == bad.to_json(), "as it came"
    assert thirteen.headers["csl_topic"] == client.LoggedIn.TOPIC
    assert thirteen.headers["csl_handler"] == "logins"
    assert {e.id for e in stored} == {e.id for e in good}, "what was not handled is no fact"


async def test_an_erased_client_leaves_nothing(
    stack: TestStack, listening: Consumer, heard: Heard, database: Database, client_id: UUID
) -> None:
    heard.clients.add(client_id)
    await say(
        stack,
        login(client_id),
        happened(client.ClientErased(), client_id),
        login(client_id, minutes=5),
        login(marker := uuid4(), minutes=1),
    )
    heard.clients.add(marker)

    async def erased() -> bool:
        return heard.erased == [client_id] and marker in {e.client_id for e in heard.heard}

    await until(erased, "the erasure and what follows were handled")
    async with database.read() as session:
        assert await inbox.load(session, [client_id]) == []
    assert len([e for e in heard.heard if e.client_id == client_id]) <= 1, "late events of the erased fall away"


async def test_an_offset_outside_the_topic_stops_loudly(stack: TestStack, database: Database, heard: Heard) -> None:
    async with database.transaction() as session:
        await session.execute(
            text("INSERT INTO consumer_offsets SELECT :topic, p, 1000000000 FROM generate_series(0, 11) p"),
            {"topic": client.LoggedIn.TOPIC},
        )
    spec = ConsumerSpec({client.LoggedIn: heard.logins}, keep=KEEP, group=f"test-{uuid4()}")
    consumer = Consumer(database, stack.kafka_servers, SystemClock(), spec)
    await asyncio.wait_for(consumer.run(), 30)
    assert "outside the topic" in consumer.health.stopped
    assert not consumer.health.assigned
