"""How numbers and dates are said in a sentence."""

from __future__ import annotations

from churn.domain.moments import moment_of

Words = dict[str, str]
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
SAME_YEAR_DAYS = 300
LONGEST_NAME = 40


def number(value: float) -> str:
    """Whole numbers from 10 on, one decimal below where it matters."""
    return str(round(value)) if abs(value) >= 10 else f"{round(value, 1):g}"


def percent(share: float) -> str:
    return f"{round(100 * share)} %"


def plural(value: float, noun: str) -> str:
    """`1 ticket`, `3 tickets`."""
    whole = round(value)
    return f"{whole} {noun}" if whole == 1 else f"{whole} {noun}s"


def days(value: float) -> str:
    return plural(value, "day")


def on(second: int, seen_from: int) -> str:
    """`12 Oct`, with the year where the reader could mistake it."""
    at = moment_of(second)
    year = f" {at.year}" if abs(seen_from - second) > SAME_YEAR_DAYS * 86_400 else ""
    return f"{at.day} {_MONTHS[at.month - 1]}{year}"


def name(text: str) -> str:
    """A name that somebody else gave, on one line, and cut where it would be the whole sentence."""
    plain = " ".join(text.split())
    return plain if len(plain) <= LONGEST_NAME else f"{plain[: LONGEST_NAME - 1]}…"
