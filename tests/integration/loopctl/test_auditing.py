"""`loop verify` beside a relay that goes on sending: what is under way is never called lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from common import outbox
from common.clock import SystemClock
from common.contracts.base import Event
from common.db import Database
from loopctl import verification
from loopctl.verification import Report
from sqlalchemy import text

from tests.support.events import login
from tests.support.stack import TestStack

Read = Callable[..., Awaitable[list[Any]]]


class Sending:
    """Ingest's outbox, and what Kafka has of it."""

    def __init__(self, stack: TestStack, database: Database) -> None:
        self.database = database
        self.records: list[Any] = []
        self.stack: Any = SimpleNamespace(owner_url=stack.owner_url, bootstrap_servers=stack.kafka_servers)

    async def write(self) -> Event[Any]:
        event = login(uuid4())
        async with self.database.transaction() as session:
            await outbox.add(session, [event])
        return event

    async def send(self, event: Event[Any]) -> None:
        """As the relay does: to Kafka, then off the list."""
        self.arrive(event)
        await self.book(event.id)

    def arrive(self, event: Event[Any]) -> None:
        at = SystemClock().wall().timestamp() * 1000
        headers = [("ce_type", event.type.encode())]
        self.records.append(
            SimpleNamespace(
                topic=event.data.TOPIC, key=event.subject.encode(), value=event.to_json(), timestamp=at, headers=headers
            )
        )

    async def book(self, event_id: UUID) -> None:
        async with self.database.transaction() as session:
            await session.execute(
                text("DELETE FROM outbox_unsent u USING outbox o WHERE o.seq = u.seq AND o.event_id = :id"),
                {"id": event_id},
            )

    async def read(self, _servers: str, topics: list[str], _since: datetime | None = None) -> list[Any]:
        return [record for record in self.records if record.topic in topics]

    async def audit(self, taken_at: datetime) -> Report:
        return await verification._audit(self.stack, {"ingest": set()}, taken_at, taken_at)


@pytest.fixture
async def sending(stack: TestStack, service_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> Any:
    database = Database(service_database("ingest"), schema="ingest", pool_size=2)
    own = Sending(stack, database)
    monkeypatch.setattr(verification, "read_topics", own.read)
    yield own
    await database.close()


async def test_an_event_written_before_the_snapshot_and_sent_after_it_is_not_lost(sending: Sending) -> None:
    event = await sending.write()
    taken_at = SystemClock().wall()
    assert [d.kind for d in (await sending.audit(taken_at)).differences] == ["not on Kafka yet"]
    await sending.send(event)
    report = await sending.audit(taken_at)
    assert report.differences == []
    assert report.events == 1


async def test_an_event_that_is_sent_while_kafka_is_being_read_is_under_way_and_not_lost(
    sending: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = await sending.write()
    taken_at = SystemClock().wall()

    async def read_then_send(servers: str, topics: list[str], since: datetime | None = None) -> list[Any]:
        found = await sending.read(servers, topics, since)
        if not sending.records:
            await sending.send(event)
        return found

    monkeypatch.setattr(verification, "read_topics", read_then_send)
    assert [d.kind for d in (await sending.audit(taken_at)).differences] == ["not on Kafka yet"]
    assert (await sending.audit(taken_at)).differences == []


async def test_an_event_on_kafka_that_is_not_booked_yet_misses_nothing(sending: Sending) -> None:
    sending.arrive(await sending.write())
    assert (await sending.audit(SystemClock().wall())).differences == []


async def test_an_event_booked_as_sent_that_kafka_does_not_have_is_lost(sending: Sending) -> None:
    event = await sending.write()
    await sending.book(event.id)
    [lost] = (await sending.audit(SystemClock().wall())).differences
    assert (lost.kind, lost.service) == ("sent, but not on Kafka", "ingest")
    assert str(event.id) in lost.what


async def test_what_is_said_after_the_snapshot_is_no_concern_of_it(sending: Sending) -> None:
    taken_at = SystemClock().wall() - timedelta(seconds=1)
    await sending.send(await sending.write())
    report = await sending.audit(taken_at)
    assert (report.events, report.differences) == (0, [])
