"""States and day ends from the facts: the same as live, whatever the stream and the consumers; or put right."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka import AIOKafkaProducer
from common.clock import ManualClock
from common.consumer import Consumer
from common.contracts import client
from common.db import Database
from common.timers import TimerWorker
from health import definitions_repository, handlers, partitions, rebuild, service
from health.book import Book
from health.domain.rebuilt import day_differences
from health.jobs import TIMERS
from health.rebuild import Found
from health.settings import Settings
from sqlalchemy import text

from tests.support.chaos import until
from tests.support.health_stack import HealthStack
from tests.support.health_streams import Stream, bad_days, oracle_days, oracle_states
from tests.support.health_world import ADA, day, event, registered, steady
from tests.support.stack import TestStack

NOW = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=400)
SHADOW = "health_shadow"
STREAM = bad_days(20260504, clients=6, days=40, until=NOW)


class Standing(ManualClock):
    """Business time stands still while consumers of a real Kafka wait in real time."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.05))


async def make_shadow(stack: TestStack) -> None:
    """An empty schema that belongs to health."""
    database = Database(stack.owner_url, schema="health")
    async with database.transaction() as session:
        await session.execute(text(f"DROP SCHEMA IF EXISTS {SHADOW} CASCADE"))
        await session.execute(text(f"CREATE SCHEMA {SHADOW} AUTHORIZATION health"))
    await database.close()


async def rebuilt(database: Database, now: datetime) -> Found:
    """All of it, in one process."""
    await rebuild.prepare(database, SHADOW)
    found = Found()
    for chunk in await rebuild.chunks(database):
        found.add(await rebuild.work(database, SHADOW, chunk, LONG_AGO, now))
    return found


# On a real Kafka: the same stream through one consumer and through four ends where one plain loop ends.


async def say(stack: TestStack, stream: Stream) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=stack.kafka_servers, linger_ms=5)
    await producer.start()
    try:
        for one in stream.arriving:
            headers = [("ce_type", one.type.encode())]
            await producer.send(client.LoggedIn.TOPIC, one.to_json(), key=str(one.client_id).encode(), headers=headers)
    finally:
        await producer.stop()


@contextlib.asynccontextmanager
async def consumed(stack: TestStack, consumers: int) -> AsyncIterator[Database]:
    """A database of its own, after so many consumers have taken in all of the stream and every timer has fired."""
    own = stack.new_database(f"by_{consumers}")
    clock = Standing(NOW)
    database = Database(own.service_database("health"), schema="health", pool_size=10)
    async with database.transaction() as session:
        await partitions.tend(session, NOW, 25)
    await service.take_over_files(database, Settings(database_url="", kafka_bootstrap_servers="").config_dir, clock)
    spec = replace(handlers.consumer(clock), group=f"rebuild-{consumers}")
    crew = [Consumer(database, stack.kafka_servers, clock, spec, instance=f"{consumers}-{n}") for n in range(consumers)]
    tasks = [asyncio.create_task(member.run()) for member in crew]
    wanted = len({(one.client_id, one.id) for one in STREAM.arriving})

    async def all_taken() -> bool:
        async with database.read() as session:
            return bool(await session.scalar(text("SELECT count(*) = :n FROM facts"), {"n": wanted}))

    try:
        await until(all_taken, f"{wanted} facts are taken in by {consumers} consumers")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    clock.advance(minutes=2)
    while await TimerWorker(database, clock, TIMERS, asyncio.Event()).fire_due():
        pass
    await make_shadow(own)
    yield database
    await database.close()


async def test_one_and_four_consumers_end_where_a_single_loop_does(
    private_stack: TestStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("common.consumer.MAX_RECORDS", 100)  # many batches: most of what follows comes late
    await say(private_stack, STREAM)
    hashes = set()
    for consumers in (1, 4):
        async with consumed(private_stack, consumers) as database:
            async with database.read() as session:
                book = await definitions_repository.book(session)
                rows = await session.execute(text("SELECT client_id, body FROM states"))
                states = {row.client_id: row.body for row in rows}
            assert states == oracle_states(STREAM)
            await _restated_days_are_those_of_the_oracle(database, book)
            found = await rebuilt(database, NOW + timedelta(minutes=2))
            assert found.differences == []
            assert found.compared > 100
            assert sorted(found.live) == sorted(found.rebuilt)
            hashes.add(rebuild.hash_of(found))
    assert len(hashes) == 1


async def _restated_days_are_those_of_the_oracle(database: Database, book: Book) -> None:
    wanted = oracle_days(STREAM, book.choice, NOW)
    async with database.read() as session:
        kept = await rebuild.kept(session, list(wanted), LONG_AGO)
    compared = 0
    for client_id, days in wanted.items():
        same, differing = day_differences(kept[client_id].days, days)
        assert differing == []
        compared += same
    assert compared > 100


# By hand, on a database: what is wrong is found, and put right.


@pytest.fixture
async def lived(health: HealthStack, stack: TestStack) -> HealthStack:
    """A client of 60 days, one of them learned late."""
    await make_shadow(stack)
    await health.live_through(steady(60))
    await health.deliver(event(client.TicketOpened(ticket_id="late", priority="urgent"), day(40), "zendesk"))
    health.clock.advance(minutes=2)
    await health.fire()
    return health


async def test_what_was_lived_is_what_the_facts_say(lived: HealthStack) -> None:
    found = await rebuilt(lived.database, lived.clock.now())
    assert found.differences == []
    assert (found.clients, found.compared > 15) == (1, True)


async def test_a_spoiled_state_is_found_and_put_right(lived: HealthStack) -> None:
    before = await lived.state(ADA)
    async with lived.database.transaction() as session:
        spoiled = before.replace(b"urgent", b"normal")
        await session.execute(text("UPDATE states SET body = :body"), {"body": spoiled})
    found = await rebuilt(lived.database, lived.clock.now())
    assert [one.what.split(":")[0] for one in found.differences] == ["open_tickets"]
    assert await rebuild.swap(lived.database, SHADOW, found.differences, lived.clock.now()) == 1
    assert await lived.state(ADA) == before
    assert await lived.fire() == 1, "its score follows"
    assert (await rebuilt(lived.database, lived.clock.now())).differences == []


async def test_a_lost_state_comes_back(lived: HealthStack) -> None:
    before = await lived.state(ADA)
    async with lived.database.transaction() as session:
        await session.execute(text("DELETE FROM states"))
    found = await rebuilt(lived.database, lived.clock.now())
    assert [one.what for one in found.differences] == ["its state is missing"]
    await rebuild.swap(lived.database, SHADOW, found.differences, lived.clock.now())
    assert await lived.state(ADA) == before


async def test_a_wrong_day_end_is_restated_beside_what_was_known(lived: HealthStack) -> None:
    async with lived.database.transaction() as session:
        await session.execute(
            text("UPDATE evaluations SET score = score - 16 WHERE mode = 'restated' AND as_of = '2026-02-20'")
        )
    found = await rebuilt(lived.database, lived.clock.now())
    assert [one.what.split(":")[0] for one in found.differences] == ["end of 2026-02-19"]
    await rebuild.swap(lived.database, SHADOW, found.differences, lived.clock.now())
    assert (await rebuilt(lived.database, lived.clock.now())).differences == []


async def test_a_client_that_moved_on_meanwhile_keeps_what_it_did(lived: HealthStack) -> None:
    async with lived.database.transaction() as session:
        await session.execute(text("UPDATE states SET body = convert_to(replace(convert_from(body, 'UTF8'),"
                                   " 'urgent', 'normal'), 'UTF8')"))  # fmt: skip
    found = await rebuilt(lived.database, lived.clock.now())
    await lived.say(client.TicketResolved(ticket_id="late"), ADA, "zendesk")
    await rebuild.swap(lived.database, SHADOW, found.differences, lived.clock.now())
    await lived.fire()
    again = await rebuilt(lived.database, lived.clock.now())
    assert again.differences == []
    assert b'"late"' not in await lived.state(ADA)


async def test_earlier_history_brought_in_later_makes_the_days_after_it_read_anew(
    health: HealthStack, stack: TestStack
) -> None:
    await make_shadow(stack)
    life = steady(60)
    health.clock.set(day(70))
    early, later = [e for e in life if e.time < day(30)], [e for e in life if e.time >= day(30)]
    for span in (later, early):
        await health.bring_in(ADA, span)
        await health.fire()
    found = await rebuilt(health.database, health.clock.now())
    assert found.differences == []
    assert found.compared > 55


async def test_imported_days_older_than_what_is_rebuilt_are_not_called_wrong(
    health: HealthStack, stack: TestStack
) -> None:
    await make_shadow(stack)
    health.clock.set(day(70))
    await health.bring_in(ADA, steady(60))
    await health.fire()
    await rebuild.prepare(health.database, SHADOW)
    (chunk,) = await rebuild.chunks(health.database)
    found = await rebuild.work(health.database, SHADOW, chunk, day(30), health.clock.now())
    assert found.differences == []
    assert 25 < found.compared < 45


async def test_what_was_known_of_days_whose_facts_were_all_taken_back_since_is_not_called_wrong(
    health: HealthStack, stack: TestStack
) -> None:
    await make_shadow(stack)
    health.clock.set(day(20))
    first, later = registered(), event(client.LoggedIn(), day(10))
    await health.bring_in(ADA, [first, later])
    await health.fire()
    await health.say(client.EventWithdrawn(event_id=first.id), ADA, "hubspot")
    health.clock.advance(minutes=2)
    await health.fire()
    assert (await rebuilt(health.database, health.clock.now())).differences == []
