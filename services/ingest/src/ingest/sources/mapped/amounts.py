"""Numbers and money as vendors and spreadsheets write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from common.contracts.base import Money

from ingest.domain.currencies import minor_units

LARGE = 10**60
"""Beyond it nothing is counted."""
MAX_MINOR = 10**15
NOISE = Decimal("0.001")
"""Minor units that a sum of binary fractions may be off: 0.1 + 0.2 is 0.30000000000000004."""
SIGNS = {"€": {"EUR"}, "£": {"GBP"}, "¥": {"JPY", "CNY"}, "$": None}
"""A sign before or after an amount and the currencies it may stand for; `$` is said by many."""
PER_MONTH = {"day": Decimal(365) / 12, "week": Decimal(365) / 84, "month": Decimal(1), "year": Decimal(1) / 12}
SECONDS = {"milliseconds": Decimal("0.001"), "seconds": Decimal(1), "minutes": Decimal(60), "hours": Decimal(3600),
           "days": Decimal(86400)}  # fmt: skip
_SPACES = re.compile(r"[\s\u00a0\u202f'’]")


class Misfit(Exception):  # noqa: N818  (a finding about a value)
    """A value that cannot be what its field needs."""


@dataclass(frozen=True, slots=True)
class Figures:
    """How numbers are written in texts."""

    decimal: str = "."
    thousands: str = ""

    def read(self, value: Any) -> Decimal:
        """Raises Misfit. `1,5` is never taken for 15: groups of thousands must be whole."""
        if isinstance(value, bool):
            raise Misfit(f"{value} is no number")
        if isinstance(value, int | float):
            if not abs(value) < LARGE:
                raise Misfit("is too large a number")
            return Decimal(str(value))
        if not isinstance(value, str):
            raise Misfit("is no number")
        text = _SPACES.sub("", value)
        whole, point, rest = text.partition(self.decimal)
        if self.thousands and self.thousands in whole:
            first, *groups = whole.split(self.thousands)
            if not 1 <= len(first.lstrip("+-")) <= 3 or not all(len(group) == 3 for group in groups):
                raise Misfit(f"{value[:40]!r} is no number")
            whole = first + "".join(groups)
        plain = f"{whole}.{rest}" if point else whole
        if not re.fullmatch(r"[+-]?\d{1,30}(?:\.\d{0,30})?(?:[eE][+-]?\d{1,3})?", plain, re.ASCII):
            raise Misfit(f"{value[:40]!r} is no number")
        number = Decimal(plain)
        if not abs(number) < LARGE:
            raise Misfit("is too large a number")
        return number


def money(value: Any, currency: Any, unit: str, figures: Figures, factor: Decimal = Decimal(1)) -> Money:
    """Minor units of `currency`; `unit` says what the value counts: minor, major, or hundredths.

    Raises Misfit. Hundredths are for vendors that multiply by 100 whatever the currency: 500 hundredths of a yen are 5.
    `factor` makes an amount per month of another period's; only that is rounded, what was written never is.
    """
    code = currency.strip().upper() if isinstance(currency, str) else ""
    if not re.fullmatch(r"[A-Z]{3}", code):
        raise Misfit(f"{str(currency)[:20]!r} is no currency")
    number = figures.read(_without_sign(value, code) if isinstance(value, str) else value)
    if unit != "minor":
        number *= minor_units(code)
    if unit == "hundredths":
        number /= 100
    if abs(number) >= MAX_MINOR or abs(number * factor) >= MAX_MINOR:
        raise Misfit("is too large an amount")
    if abs(number - number.to_integral_value(ROUND_HALF_EVEN)) > (NOISE if isinstance(value, float) else 0):
        raise Misfit(f"{str(value)[:40]!r} is no amount of {code}, which has {_decimals(code, unit)}")
    return Money(amount=int((number * factor).to_integral_value(ROUND_HALF_EVEN)), currency=code)


def _decimals(code: str, unit: str) -> str:
    """How many decimals an amount may be written with."""
    most = {1: "no decimals", 10: "one decimal"}.get(minor_units(code), f"{len(str(minor_units(code))) - 1} decimals")
    return most if unit == "major" else "whole minor units"


def _without_sign(value: str, code: str) -> str:
    """`€ 1.200`, `1.200 EUR`: the currency may stand beside the amount, but no other one."""
    text = value.strip()
    for sign, codes in SIGNS.items():
        if sign in text:
            if codes is not None and code not in codes:
                raise Misfit(f"{value[:40]!r} is not in {code}")
            text = text.replace(sign, "", 1)
    return re.sub(rf"^{code}|{code}$", "", text.strip(), flags=re.IGNORECASE)
