"""Durable timers: due ones fire once, whoever looks, and a bad one holds up no other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from common import timers
from common.clock import ManualClock
from common.db import Database
from common.timers import MAX_ATTEMPTS, Timer, TimerWorker
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


class Fired:
    """A handler that writes down what fired; it refuses owners named `bad`."""

    def __init__(self) -> None:
        self.owners: list[str] = []

    async def __call__(self, due: Sequence[Timer], now: datetime, session: AsyncSession) -> None:
        if any(t.owner.startswith("bad") for t in due):
            raise ValueError("this one never works")
        self.owners.extend(t.owner for t in due)


def worker(database: Database, clock: ManualClock, handler: Any) -> TimerWorker:
    return TimerWorker(database, clock, {"probe": handler}, asyncio.Event())


async def set_timers(database: Database, clock: ManualClock, *owners: str, hours: float = 1) -> None:
    async with database.transaction() as session:
        await timers.schedule(
            session, [Timer("probe", owner, 1, clock.now() + timedelta(hours=hours)) for owner in owners]
        )


async def left(database: Database) -> list[Any]:
    async with database.read() as session:
        return list(await session.execute(text("SELECT owner, attempts, parked_at, last_error FROM timers ORDER BY 1")))


async def test_a_timer_fires_when_due_and_not_before(database: Database, clock: ManualClock) -> None:
    fired = Fired()
    await set_timers(database, clock, "a")
    assert await worker(database, clock, fired).fire_due() == 0
    clock.advance(hours=1)
    assert await worker(database, clock, fired).fire_due() == 1
    assert await worker(database, clock, fired).fire_due() == 0
    assert fired.owners == ["a"]


async def test_two_workers_fire_each_timer_once(database: Database, clock: ManualClock) -> None:
    fired = Fired()
    await set_timers(database, clock, *[f"o{n}" for n in range(300)])
    clock.advance(hours=2)
    workers = [worker(database, clock, fired) for _ in range(3)]
    for _ in range(3):
        await asyncio.gather(*[w.fire_due() for w in workers])
    assert sorted(fired.owners) == sorted(f"o{n}" for n in range(300))
    assert await left(database) == []


async def test_setting_the_same_timer_again_changes_nothing(database: Database, clock: ManualClock) -> None:
    fired = Fired()
    await set_timers(database, clock, "a", hours=1)
    await set_timers(database, clock, "a", hours=5)
    clock.advance(hours=2)
    await worker(database, clock, fired).fire_due()
    assert fired.owners == ["a"]


async def test_a_bad_timer_is_tried_later_and_parked_in_the_end(database: Database, clock: ManualClock) -> None:
    fired = Fired()
    await set_timers(database, clock, "bad", "good-1", "good-2")
    clock.advance(hours=1)
    await worker(database, clock, fired).fire_due()
    assert sorted(fired.owners) == ["good-1", "good-2"]
    for _ in range(MAX_ATTEMPTS):
        clock.advance(hours=1)
        await worker(database, clock, fired).fire_due()
    [parked] = await left(database)
    assert (parked.owner, parked.attempts) == ("bad", MAX_ATTEMPTS)
    assert parked.parked_at is not None
    assert "never works" in parked.last_error


async def test_a_rolled_back_firing_leaves_the_timer(database: Database, clock: ManualClock) -> None:
    async def database_goes_away(due: Sequence[Timer], now: datetime, session: AsyncSession) -> None:
        raise ConnectionResetError("the database went away")

    await set_timers(database, clock, "a")
    clock.advance(hours=1)
    try:
        await worker(database, clock, database_goes_away).fire_due()
    except ConnectionResetError:
        pass
    else:
        raise AssertionError("a fault that passes must roll the whole transaction back")
    fired = Fired()
    await worker(database, clock, fired).fire_due()
    assert fired.owners == ["a"]


async def test_forgetting_removes_only_the_named(database: Database, clock: ManualClock) -> None:
    await set_timers(database, clock, "a", "b")
    async with database.transaction() as session:
        await timers.forget(session, ["a"], kinds=["probe"])
    assert [row.owner for row in await left(database)] == ["b"]
