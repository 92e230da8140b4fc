"""The clock of the play: how fast business time runs in each chapter, and that it never runs without its driver.

The course that is written always ends (`until`) a little ahead, and is written on while the driver lives. If the
driver dies, business time stands still, so that no deadline passes while nobody acts.
"""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta

from common.clock import SystemClock

from loopctl import business_time
from loopctl.stack import Stack

HELD = 1.0
"""As fast as wall time: for a play of weeks that is standing still, and nothing that waits for time waits for ever."""
LEASE = 2.0
"""Wall seconds that business time may go on without its driver."""
RENEW = 0.4


class Tempo:
    """Drives `clock.json`."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._scale = HELD
        self._target: datetime | None = None
        self._written = 0.0

    def now(self) -> datetime:
        return business_time.now(self._stack)

    def arrived(self) -> bool:
        """Whether business time is wall time."""
        return business_time.lag(self._stack) <= timedelta(milliseconds=50)

    def run(self, scale: float, until: datetime | None = None) -> None:
        """Go on at `scale`, no further than `until`."""
        self._scale, self._target = scale, until
        self._write()

    def hold(self) -> None:
        if self._scale != HELD:
            self.run(HELD)

    def renew(self) -> None:
        """Call this all the time: it extends the course before it ends."""
        if time.monotonic() - self._written >= RENEW:
            self._write()

    def finish(self) -> None:
        """Business time is wall time from now on."""
        self._stack.clock_file.unlink(missing_ok=True)

    def _write(self) -> None:
        now = self.now()
        until = now + timedelta(seconds=LEASE * self._scale)
        if self._target is not None:
            until = max(now, min(until, self._target))
        business_time.set_course(self._stack, self._scale, now, until=until)
        self._written = time.monotonic()

    async def rest(self, seconds: float) -> None:
        """Wait wall seconds, keeping the clock alive."""
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            self.renew()
            await asyncio.sleep(min(left, RENEW / 2))


def stand_at(stack: Stack, moment: datetime) -> None:
    """Business time stands still at a moment of the past until a driver takes over."""
    business_time.set_course(stack, 0.0, moment, until=min(moment, SystemClock().wall()))
