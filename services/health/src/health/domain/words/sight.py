"""What sentences are made of: a fact of a client at a moment, and how people write days, shares and lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from health.domain.facts import At, Measure
from health.domain.facts.fact import Params
from health.domain.moments import date_of
from health.domain.state import ClientState

NAMED = 3
"""A sentence names at most so many features, tickets, invoices …"""
NAME_LENGTH = 40
SAME_YEAR = 300
"""A day further from today than this is written with its year."""


class Sight(NamedTuple):
    """One fact of a client at one moment: the state it was measured from, and the measure (None: absent)."""

    state: ClientState
    at: At
    params: Params
    measure: Measure | None
    score: int | None = None
    """What the curve makes of it, in sixteenths."""

    @property
    def value(self) -> int:
        """In the fact's own scale. Raises LookupError where nothing was measured."""
        if self.measure is None:
            raise LookupError("nothing was measured")
        return self.measure.value

    def day(self, day: int) -> str:
        """A day as people write it, as seen from this moment."""
        return written(day, self.at.day)


Teller: TypeAlias = Callable[[Sight | None, Sight], str | None]
"""(before, after) → a sentence, or None where the bare figure says it best. `before` is None where nothing was known;
`after` was measured."""
Farewell: TypeAlias = Callable[[Sight], str]
"""Why a fact can no longer be measured at a moment."""


def written(day: int, today: int) -> str:
    date = date_of(day)
    return f"{date:%-d %b}" if abs(today - day) <= SAME_YEAR else f"{date:%-d %b %Y}"


def days(number: int) -> str:
    return f"{number} day" if number == 1 else f"{number} days"


def rounded(numerator: int, denominator: int) -> int:
    """Halves go up. Integers only: words show no artefacts."""
    return (2 * numerator + denominator) // (2 * denominator)


def tenths(numerator: int, denominator: int) -> str:
    """With one place behind the point, a true minus, and no `.0`."""
    value = rounded(10 * abs(numerator), denominator)
    text = f"{value // 10}.{value % 10}" if value % 10 else str(value // 10)
    return f"−{text}" if numerator < 0 and value else text


def changed(now: str, figure: str, before: str | None) -> str:
    """The sentence with the former figure behind it, where it was another."""
    if before is None or before == figure:
        return now
    return f"{now[:-1]}; was {before})" if now.endswith(")") else f"{now} (was {before})"


def cut(name: str) -> str:
    """A name as somebody else wrote it, not longer than a line bears."""
    return name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 1]}…"


def listed(names: Sequence[str], *, composed: bool = False) -> str:
    """The first few, each cut short (unless they are `composed` of what was), and how many more there are."""
    shown = [name if composed else cut(name) for name in names[:NAMED]]
    return ", ".join(shown) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
