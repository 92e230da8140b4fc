"""The two clocks of the loop; nothing else reads time.

*Business time* (deadlines, scores, cadence) may be scaled for demos and tests: it follows `clock.json`, which only
loopctl writes. *Wall time* is for signatures, tokens, time-outs, back-off and latency metrics.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

RECHECK = 0.1
"""Seconds of wall time for which a reading of clock.json is trusted without looking at the file again."""


class Clock(Protocol):
    """What code that needs time is given."""

    def now(self) -> datetime:
        """Business time, UTC."""

    def wall(self) -> datetime:
        """Wall time, UTC."""

    def monotonic(self) -> float:
        """Seconds that never go back, for durations."""

    def wall_seconds_until(self, due: datetime) -> float:
        """Wall seconds until business time reaches `due`; 0 when it has, infinity while frozen."""

    async def sleep(self, seconds: float) -> None:
        """Wait wall seconds."""


@dataclass(frozen=True, slots=True)
class Course:
    """How business time runs: `business + (t − wall) · scale`, never ahead of wall time.

    `until` is where it stands still unless whoever drives it writes on: a driver that dies cannot let a scaled clock
    run away.
    """

    wall: datetime
    business: datetime
    scale: float
    until: datetime | None = None

    def at(self, wall: datetime) -> datetime:
        run = (wall - self.wall).total_seconds() * self.scale
        arrived = run >= (wall - self.business).total_seconds()
        moment = wall if arrived else self.business + timedelta(seconds=run)
        return min(moment, self.until) if self.until else moment

    def to_json(self) -> str:
        value: dict[str, str | float] = {
            "wall": self.wall.isoformat(),
            "business": self.business.isoformat(),
            "scale": self.scale,
        }
        if self.until:
            value["until"] = self.until.isoformat()
        return json.dumps(value)

    @classmethod
    def from_json(cls, raw: str) -> Course:
        """Raises ValueError unless the first three fields are there and readable."""
        try:
            value = json.loads(raw)
            return cls(
                wall=datetime.fromisoformat(value["wall"]).astimezone(UTC),
                business=datetime.fromisoformat(value["business"]).astimezone(UTC),
                scale=float(value["scale"]),
                until=datetime.fromisoformat(value["until"]).astimezone(UTC) if value.get("until") else None,
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"clock file: {error!r}") from error


class SystemClock:
    """Wall time, and business time by the clock file where there is one."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._course: Course | None = None
        self._stamp: tuple[int, int] | None = None
        self._checked = float("-inf")

    def wall(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def now(self) -> datetime:
        course = self.course()
        wall = self.wall()
        return course.at(wall) if course else wall

    def wall_seconds_until(self, due: datetime) -> float:
        missing = (due - self.now()).total_seconds()
        if missing <= 0:
            return 0.0
        course = self.course()
        if course is not None and course.until is not None and due > course.until:
            return float("inf")
        if course is None or self.now() >= self.wall() - timedelta(milliseconds=1):
            return missing
        return missing / course.scale if course.scale > 0 else float("inf")

    def course(self) -> Course | None:
        """The course in force; the file is looked at again when it changed."""
        if self._file is None:
            return None
        if time.monotonic() - self._checked >= RECHECK:
            self._checked = time.monotonic()
            self._reload(self._file)
        return self._course

    def _reload(self, file: Path) -> None:
        try:
            stat = os.stat(file)
        except FileNotFoundError:
            self._course, self._stamp = None, None
            return
        stamp = (stat.st_mtime_ns, stat.st_ino)
        if stamp != self._stamp:
            self._course = Course.from_json(file.read_text())
            self._stamp = stamp


class ManualClock:
    """A clock that tests move; business and wall time go together unless set apart."""

    def __init__(self, now: datetime) -> None:
        self._now = now.astimezone(UTC)
        self._seconds = 0.0
        self._moved = asyncio.Event()

    def now(self) -> datetime:
        return self._now

    def wall(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._seconds

    def advance(self, delta: timedelta | None = None, **parts: float) -> datetime:
        """Move on by a timedelta or by its parts (`hours=4`); whoever sleeps until then wakes."""
        step = delta if delta is not None else timedelta(**parts)
        self._now += step
        self._seconds += step.total_seconds()
        self._moved.set()
        self._moved = asyncio.Event()
        return self._now

    def set(self, now: datetime) -> None:
        self.advance(now - self._now)

    def wall_seconds_until(self, due: datetime) -> float:
        return max(0.0, (due - self._now).total_seconds())

    async def sleep(self, seconds: float) -> None:
        until = self._seconds + seconds
        while self._seconds < until:
            await self._moved.wait()
