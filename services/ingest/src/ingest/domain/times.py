"""Moments as vendors write them, and what we make of the impossible ones."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

TOLERANCE = timedelta(minutes=5)
"""How far a vendor's clock may run ahead of ours before its time is taken for wrong."""
EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)
"""Nothing of a client-success team is older; zeros and ones of a broken clock are."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(value: Any) -> datetime | None:
    """ISO 8601 text, or seconds, milliseconds or microseconds since 1970 told apart by size; None if neither.

    Text without an offset is taken as UTC, which is what the vendors that leave it off mean.
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        text = value.strip()
        if text.isascii() and text.lstrip("-").isdigit():
            return moment(int(text)) if len(text) <= 17 and text.count("-") < 2 else None
        return _iso(text)
    if isinstance(value, int | float):
        return _epoch(value)
    return None


def _iso(text: str) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(text)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _epoch(value: float) -> datetime | None:
    size = abs(value)
    per_second = 1 if size < 1e11 else 1_000 if size < 1e14 else 1_000_000
    try:
        return EPOCH + timedelta(
            seconds=value // per_second, microseconds=(value % per_second) * 1_000_000 // per_second
        )
    except (OverflowError, ValueError):
        return None


def day(value: Any) -> date | None:
    """A calendar day from a date, or from any moment (its day in UTC)."""
    if isinstance(value, str) and len(value) == len("2026-03-02"):
        try:
            return date.fromisoformat(value)
        except ValueError:
            return None
    at = moment(value)
    return at.date() if at else None


def clamp(claimed: datetime | None, receipt: datetime) -> tuple[datetime, bool]:
    """The time that counts, and whether the vendor's was impossible: missing, ancient or in the future."""
    if claimed is None or claimed < EARLIEST or claimed > receipt + TOLERANCE:
        return receipt, True
    return claimed, False
