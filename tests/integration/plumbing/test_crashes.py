"""Processes, broker and database die at the worst moments: no event is lost, no effect doubled."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.chaos import World, make_schema
from tests.support.stack import TestStack

LONGER_THAN_A_SESSION = 9
"""Wall seconds; a consumer's session ends after 6."""
BROKER_DOWN = 30


@pytest.fixture(scope="module")
def sources(private_stack: TestStack) -> Iterator[TestStack]:
    """A database of its own for the emitter: restoring the folder's must not take back what was accepted."""
    other = private_stack.new_database("in")
    yield other
    other.drop()


@pytest.fixture
async def world(private_stack: TestStack, sources: TestStack, tmp_path: Path) -> AsyncIterator[World]:
    await make_schema(private_stack.owner_url, "fold")
    await make_schema(sources.owner_url, "emit")
    made = World(private_stack, sources, tmp_path)
    yield made
    made.stop()


@pytest.mark.parametrize(
    "point", ["before_commit:4", "after_commit:4", "before_produce:3", "after_produce:3", "after_claim:1"]
)
async def test_a_killed_consumer_loses_and_doubles_nothing(world: World, point: str) -> None:
    world.emitter.start()
    folder = world.folder("a")
    folder.start(kill_at=point)
    load = asyncio.create_task(world.emit(60))
    assert await folder.died() == -signal.SIGKILL
    folder.start()
    await load
    await world.audit()


@pytest.mark.parametrize("point", ["before_commit:5", "after_commit:5", "before_produce:3", "after_produce:3"])
async def test_a_killed_producer_loses_nothing_it_accepted(world: World, point: str) -> None:
    folder = world.folder("a")
    folder.start()
    world.emitter.start(kill_at=point)
    load = asyncio.create_task(world.emit(40))
    assert await world.emitter.died() == -signal.SIGKILL
    world.emitter.start()
    await load
    await world.audit()


async def test_a_frozen_consumer_is_fenced_when_it_wakes(world: World) -> None:
    world.emitter.start()
    first, second = world.folder("a"), world.folder("b")
    first.start()
    second.start()
    await world.emit(10)
    load = asyncio.create_task(world.emit(200, pause=0.05))
    await asyncio.sleep(1)
    first.signal(signal.SIGSTOP)
    await asyncio.sleep(LONGER_THAN_A_SESSION)
    first.signal(signal.SIGCONT)
    await load
    await world.audit()


async def test_consumers_join_and_leave_under_load(world: World) -> None:
    world.emitter.start()
    stays = world.folder("stays")
    stays.start()
    load = asyncio.create_task(world.emit(250, pause=0.05))
    for turn in range(3):
        guest = world.folder(f"guest-{turn}")
        guest.start()
        await asyncio.sleep(4)
        guest.stop()
    await load
    await world.audit()


async def test_accepting_goes_on_while_the_broker_is_down(world: World) -> None:
    world.emitter.start()
    folder = world.folder("a")
    folder.start()
    await world.emit(10)
    world.stack.stop_kafka()
    try:
        before = world.sent
        await asyncio.wait_for(world.emit(BROKER_DOWN * 2, each=1, pause=0.5), timeout=BROKER_DOWN * 2)
        assert world.sent == before + BROKER_DOWN * 2
    finally:
        world.stack.start_kafka()
    await world.emit(10)
    await world.audit()
    await world.emitted_in_order()


async def test_postgres_restarts_under_load_without_a_process_restart(world: World) -> None:
    world.emitter.start()
    folder = world.folder("a")
    folder.start()
    load = asyncio.create_task(world.emit(150))
    await asyncio.sleep(2)
    await asyncio.to_thread(world.stack.stop_postgres)
    await asyncio.to_thread(world.stack.start_postgres)
    await load
    await world.audit()
    assert world.emitter.popen is not None
    assert world.emitter.popen.poll() is None
    assert folder.popen is not None
    assert folder.popen.poll() is None


async def test_a_restored_database_goes_on_from_its_own_position(world: World, tmp_path: Path) -> None:
    world.emitter.start()
    folder = world.folder("a")
    folder.start()
    await world.emit(30)
    dump = world.stack.folder / "fold.dump"
    await asyncio.to_thread(world.stack.dump, dump)
    await world.emit(60)
    await world.settle()
    marked = "CREATE TABLE fold.after_the_dump ()"
    await world.execute(marked)
    await asyncio.to_thread(world.stack.restore, dump)
    await world.execute(marked)  # succeeds only in the database as it was
    await world.emit(10)
    await world.settle()
