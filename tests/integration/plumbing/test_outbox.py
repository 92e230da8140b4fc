"""The outbox keeps order, lets live events go first, and its partitions come and go."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
from common import outbox
from common.clock import ManualClock, SystemClock
from common.contracts.base import Origin
from common.db import Database
from common.producing import Producing
from common.relay import IMPORT_ROWS, MOMENT, WHILE_WRITTEN, Relay
from sqlalchemy import text

from tests.conftest import START
from tests.support.events import login


async def unsent(database: Database) -> list[str]:
    async with database.read() as session:
        rows = await session.execute(
            text("SELECT o.event_id FROM outbox_unsent u JOIN outbox o USING (day, seq) ORDER BY u.lane, u.seq")
        )
        return [str(row.event_id) for row in rows]


async def test_live_events_go_before_imports_each_in_order(database: Database) -> None:
    live = [login(uuid4(), minutes=n) for n in range(5)]
    imported = [login(uuid4(), minutes=n).model_copy(update={"origin": Origin.IMPORT}) for n in range(5)]
    async with database.transaction() as session:
        for pair in zip(imported, live, strict=True):
            await outbox.add(session, pair)
    assert await unsent(database) == [str(e.id) for e in [*live, *imported]]


class Batch:
    """As a producer makes them."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    def append(self, *, key: bytes, **_more: object) -> bool:
        self.keys.append(key.decode())
        return True

    def close(self) -> None:
        """Nothing is added any more."""


class Broker:
    """Takes whatever it is sent, at once; one partition."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    async def partitions_for(self, _topic: str) -> set[int]:
        return {0}

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, _topic: str, *, partition: int) -> asyncio.Future[None]:
        assert partition == 0
        self.keys += batch.keys
        acknowledged = asyncio.get_running_loop().create_future()
        acknowledged.set_result(None)
        return acknowledged


async def test_imports_go_at_a_limited_rate_and_live_events_pass_them(database: Database) -> None:
    clock, broker, history, now = ManualClock(START), Broker(), uuid4(), uuid4()
    relay = Relay(database, "unused:9092", clock, asyncio.Event(), imports_per_second=100)
    imported = [login(history).model_copy(update={"origin": Origin.IMPORT}) for _ in range(2 * IMPORT_ROWS)]
    async with database.transaction() as session:
        await outbox.add(session, [*imported, login(now)])
    connection = await asyncpg.connect(**database.asyncpg_arguments())
    try:
        rest = await relay.send_some(connection, Producing(broker))
        assert broker.keys == [str(now), *[str(history)] * IMPORT_ROWS]
        assert rest == IMPORT_ROWS / 100
        async with database.transaction() as session:
            await outbox.add(session, [login(now)])
        clock.advance(seconds=1)
        rest = await relay.send_some(connection, Producing(broker))
        assert (broker.keys[-1], len(broker.keys), rest) == (str(now), IMPORT_ROWS + 2, IMPORT_ROWS / 100 - 1)
        clock.advance(seconds=rest)
        await relay.send_some(connection, Producing(broker))
        assert len(broker.keys) == 2 * IMPORT_ROWS + 2
        assert await unsent(database) == []
    finally:
        await connection.close()


async def test_imports_wait_while_more_of_them_are_written(database: Database) -> None:
    clock, broker, history = ManualClock(START), Broker(), uuid4()
    relay = Relay(database, "unused:9092", clock, asyncio.Event(), imports_per_second=1000)

    async def write() -> None:
        async with database.transaction() as session:
            events = [login(history).model_copy(update={"origin": Origin.IMPORT}) for _ in range(2 * IMPORT_ROWS)]
            await outbox.add(session, events)

    connection = await asyncpg.connect(**database.asyncpg_arguments())
    try:
        await write()
        assert await relay.send_some(connection, Producing(broker)) == IMPORT_ROWS / 1000
        await write()
        clock.advance(seconds=1)
        rest = await relay.send_some(connection, Producing(broker))
        assert rest == WHILE_WRITTEN * IMPORT_ROWS / 1000
        clock.advance(seconds=max(rest, MOMENT))
        assert await relay.send_some(connection, Producing(broker)) == IMPORT_ROWS / 1000
    finally:
        await connection.close()


async def test_rendered_events_are_written_as_any(database: Database) -> None:
    events = [login(uuid4(), minutes=n).model_copy(update={"origin": Origin.IMPORT}) for n in range(3)]
    async with database.transaction() as session:
        await outbox.add(session, events)
        plain = [outbox.message(event) for event in events]
        await outbox.add_rendered(
            session, plain[0].topic, outbox.IMPORT, [str(m.event_id) for m in plain], [e.type for e in events],
            [m.key for m in plain], [m.body.decode() for m in plain],
        )  # fmt: skip
        columns = "event_id, lane, topic, key, headers::text, body, day, written_at IS NULL"
        rows = [tuple(row) for row in await session.execute(text(f"SELECT {columns} FROM outbox ORDER BY seq"))]
    assert rows[:3] == rows[3:]
    assert await unsent(database) == 2 * [str(event.id) for event in events]


async def test_what_is_rolled_back_was_never_said(database: Database) -> None:
    async with database.read() as session:
        await outbox.add(session, [login(uuid4())])
    assert await unsent(database) == []


async def test_republishing_marks_what_was_sent_since(database: Database) -> None:
    event = login(uuid4())
    async with database.transaction() as session:
        await outbox.add(session, [event])
        await session.execute(text("DELETE FROM outbox_unsent"))
    async with database.transaction() as session:
        assert await outbox.republish(session, datetime.now(UTC) + timedelta(minutes=1)) == 0
        assert await outbox.republish(session, datetime.now(UTC) - timedelta(minutes=1)) == 1
    assert await unsent(database) == [str(event.id)]


async def partitions(database: Database) -> set[str]:
    async with database.read() as session:
        rows = await session.scalars(
            text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'outbox'::regclass")
        )
        return set(rows)


async def test_partitions_are_made_ahead_and_old_sent_ones_dropped(database: Database) -> None:
    today = SystemClock().wall().date()
    old, kept = today - timedelta(days=9), today - timedelta(days=8)
    async with database.transaction() as session:
        for day in (old, kept):
            name = outbox.partition_name(day)
            await session.execute(
                text(f"CREATE TABLE {name} PARTITION OF outbox FOR VALUES FROM ('{day}') TO ('{day + timedelta(1)}')")
            )
        await session.execute(
            text("INSERT INTO outbox_unsent (seq, day, lane, written_at) VALUES (-1, :day, 0, now())"), {"day": kept}
        )
    async with database.transaction() as session:
        await outbox.maintain(session)
    expected = {outbox.partition_name(today + timedelta(days=n)) for n in range(4)}
    assert await partitions(database) == expected | {"outbox_default", outbox.partition_name(kept)}, (
        "a day with something unsent stays"
    )


async def test_the_age_of_the_outbox_counts_live_rows_only(database: Database) -> None:
    async with database.transaction() as session:
        await outbox.add(session, [login(uuid4()).model_copy(update={"origin": Origin.IMPORT})])
        assert await outbox.live_age_seconds(session) == 0
        await outbox.add(session, [login(uuid4())])
        assert await outbox.live_age_seconds(session) > 0
