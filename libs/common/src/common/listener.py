"""LISTEN on a connection of its own: wakes relay and timers at once; their polling is the net below it."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg

from common import logging
from common.clock import Clock
from common.db import Database

log = logging.get(__name__)

PING_EVERY = 5.0
RECONNECT_AFTER = 0.5


class Listener:
    """Sets an asyncio.Event whenever its channel is notified."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._events: dict[str, asyncio.Event] = {}

    def on(self, channel: str) -> asyncio.Event:
        """The event of a channel, named after the schema: `<schema>_<channel>`."""
        return self._events.setdefault(f"{self._database.schema}_{channel}", asyncio.Event())

    async def run(self) -> None:
        """Listen for ever; after a lost connection listen anew and wake everybody once."""
        while True:
            try:
                await self._listen()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                log.warning("listener_lost", error=repr(error))
            await self._clock.sleep(RECONNECT_AFTER)

    async def _listen(self) -> None:
        connection = await asyncpg.connect(**self._database.asyncpg_arguments())
        try:
            for channel in self._events:
                await connection.add_listener(channel, self._wake)
            for event in self._events.values():
                event.set()
            while True:
                await self._clock.sleep(PING_EVERY)
                await connection.execute("SELECT 1", timeout=PING_EVERY)
        finally:
            connection.terminate()

    def _wake(self, _connection: Any, _pid: int, channel: str, _payload: object) -> None:
        self._events[channel].set()


async def wait(event: asyncio.Event, clock: Clock, seconds: float) -> bool:
    """Wait for the event, at most wall seconds; clears it and says whether it was set."""
    sleeping = asyncio.ensure_future(clock.sleep(seconds))
    waking = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({sleeping, waking}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        sleeping.cancel()
        waking.cancel()
    was_set = event.is_set()
    event.clear()
    return was_set
