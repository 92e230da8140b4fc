"""The outbox keeps order, lets live events go first, and its partitions come and go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from common import outbox
from common.clock import SystemClock
from common.contracts.base import Origin
from common.db import Database
from sqlalchemy import text

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
