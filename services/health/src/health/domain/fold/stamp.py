"""Where and when a fact was: what every rule of the fold is given beside the body."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from health.domain.state import Entry, Mark


class Stamp(NamedTuple):
    """Second and UTC day of a fact, and the id (hex) of its event."""

    second: int
    day: int
    mark: Mark


def keep_last(entries: list[Entry], entry: Entry, most: int) -> None:
    """Append, and forget the oldest beyond `most`."""
    entries.append(entry)
    if len(entries) > most:
        del entries[: len(entries) - most]


def keep_days(days: list[int], day: int, window: int, most: int) -> None:
    """Append a day, and forget those that no window reaches any more."""
    days.append(day)
    if days[0] <= day - window or len(days) > most:
        days[:] = [d for d in days[-most:] if d > day - window]


def put(mapping: dict[str, Any], key: str, value: Any, most: int, worth: Callable[[str], Any] | None = None) -> None:
    """Set; a new key beyond `most` pushes out the one of the least `worth`, of several the one that came first."""
    if key not in mapping and len(mapping) >= most:
        del mapping[min(mapping, key=worth) if worth is not None else next(iter(mapping))]
    mapping[key] = value


def thousandths(value: float) -> int:
    return round(value * 1000)
