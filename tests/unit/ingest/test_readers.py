"""Processes that read lines may die at any moment; the lines are read all the same."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop
from ingest.lines import Read
from ingest.readers import Readers
from ingest.reading import make_reader

CONFIG = Path(__file__).parents[3] / "deploy" / "config"
BLANK = [b"{}"]


def run(work: Callable[[Readers], Awaitable[Read]]) -> Read:
    """As a service runs: on uvloop."""

    async def main() -> Read:
        readers = Readers(CONFIG, make_reader(CONFIG), most=1)
        async with readers.during_an_import():
            return await work(readers)

    return uvloop.run(main())


@pytest.mark.parametrize("noticed", [False, True])
def test_a_process_that_died_while_idle_is_done_without(noticed: bool) -> None:
    async def work(readers: Readers) -> Read:
        await readers.read(1, BLANK, here=False)
        (idle,) = readers._idle
        idle.send_signal(signal.SIGKILL)
        if noticed:
            await idle.wait()
        return await readers.read(7, BLANK, here=False)

    assert [number for number, _ in run(work).refused] == [7]


def test_a_reading_that_is_given_up_ends_its_process() -> None:
    async def work(readers: Readers) -> Read:
        started = await readers._start()
        readers._idle.append(started)
        reading = asyncio.create_task(readers.read(1, BLANK * 10_000, here=False))
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert await started.wait() == -signal.SIGKILL
        return await readers.read(7, BLANK, here=False)

    assert [number for number, _ in run(work).refused] == [7]
