"""Minor units of currencies (ISO 4217): how many of them make one."""

from __future__ import annotations

from collections.abc import Mapping

_UNUSUAL = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_DIGITS: Mapping[str, int] = {code: digits for digits, codes in _UNUSUAL.items() for code in codes.split()}


def minor_units(currency: str) -> int:
    """Of one major unit: 100 cents of a dollar, 1 yen of a yen, 1000 fils of a dinar."""
    units: int = 10 ** _DIGITS.get(currency, 2)
    return units
