"""Moments as integers, so that a state has no rounding and no time zone: seconds and days since 0001-01-01 UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

HOUR = 3600
DAY = 86400
_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
_END = date.max.toordinal() * DAY + DAY - 1


def seconds_of(at: datetime) -> int:
    """Whole seconds; parts of a second are dropped. `at` is in UTC, as every event's time is."""
    return at.toordinal() * DAY + at.hour * HOUR + at.minute * 60 + at.second


def day_of(at: datetime) -> int:
    """The UTC day of a moment, as `date.toordinal` counts."""
    return at.toordinal()


def moment_of(seconds: int) -> datetime:
    """The inverse of `seconds_of`; what lies outside the calendar is its first or last second."""
    seconds = max(DAY, min(_END, seconds))
    return _BEGINNING + timedelta(days=seconds // DAY - 1, seconds=seconds % DAY)


def date_of(day: int) -> date:
    """The inverse of `date.toordinal`; what lies outside the calendar is its first or last day."""
    return date.fromordinal(max(1, min(day, date.max.toordinal())))
