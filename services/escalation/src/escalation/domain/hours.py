"""How the hours of a procedure are counted: elapsed time, or a team's working hours. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

HORIZON_DAYS = 3660
"""A deadline that working hours do not reach within ten years is a mistake in the calendar."""


class Hours(Protocol):
    """A way to count time towards a deadline."""

    def after(self, start: datetime, span: timedelta) -> datetime:
        """The moment at which `span` of counted time has passed since `start`."""

    def between(self, start: datetime, end: datetime) -> timedelta:
        """Counted time from `start` to `end`; zero when `end` is not later."""


@dataclass(frozen=True, slots=True)
class Elapsed:
    """Every hour counts, at night and on Sundays too."""

    def after(self, start: datetime, span: timedelta) -> datetime:
        return start + span

    def between(self, start: datetime, end: datetime) -> timedelta:
        return max(end - start, timedelta(0))


@dataclass(frozen=True, slots=True)
class Working:
    """Only the hours between `opens` and `closes` on working days count, by the wall clocks of `timezone`."""

    timezone: str
    opens: time
    closes: time
    weekdays: frozenset[int]
    """0 is Monday."""
    holidays: frozenset[date] = frozenset()

    def after(self, start: datetime, span: timedelta) -> datetime:
        left = span
        for opened, closed in self._windows(start):
            begin = max(start, opened)
            if begin + left <= closed:
                return begin + left
            left -= closed - begin
        raise ValueError(f"working hours never reach {span} after {start.isoformat()}")

    def between(self, start: datetime, end: datetime) -> timedelta:
        total = timedelta(0)
        for opened, closed in self._windows(start):
            if opened >= end:
                break
            total += max(min(closed, end) - max(opened, start), timedelta(0))
        return total

    def _windows(self, start: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Working windows in UTC that end after `start`, in order."""
        zone = ZoneInfo(self.timezone)
        first = start.astimezone(zone).date()
        for nth in range(HORIZON_DAYS):
            day = first + timedelta(days=nth)
            if day.weekday() not in self.weekdays or day in self.holidays:
                continue
            opened = datetime.combine(day, self.opens, zone).astimezone(UTC)
            closed = datetime.combine(day, self.closes, zone).astimezone(UTC)
            if closed > start:
                yield opened, closed
