"""Moments inside the domain: whole seconds since 1970-01-01 UTC, and UTC days as whole days since then.

Plain integers keep a client's state small, quick to fold and equal on every machine.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import lru_cache

DAY = 86_400
HOUR = 3_600
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_ISO_DATE_LENGTH = 10


def seconds(moment: datetime) -> int:
    """Whole seconds of an aware moment."""
    return int(moment.timestamp())


@lru_cache(maxsize=1 << 16)
def parse(text: str) -> int:
    """Seconds of an ISO 8601 date (its midnight UTC) or date and time; one without a zone is read as UTC.

    Raises ValueError for anything else.
    """
    if len(text) == _ISO_DATE_LENGTH:
        return (date.fromisoformat(text).toordinal() - _EPOCH_ORDINAL) * DAY
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def optional(text: str | None) -> int | None:
    """`parse`, where there may be nothing to parse."""
    return None if text is None else parse(text)


def moment_of(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def day_of(second: int) -> int:
    return second // DAY


def date_of(day: int) -> date:
    return date.fromordinal(day + _EPOCH_ORDINAL)
