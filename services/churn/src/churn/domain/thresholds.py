"""What a threshold, or a capacity, would choose of the clients there are now, and what contacting them costs and saves.

Probabilities are those of leaving within the horizon; amounts are minor units and never summed across currencies.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any
from uuid import UUID

from churn.domain.capacity import Candidate, choose
from churn.domain.policy import Capacity

THRESHOLDS = tuple(round(0.05 * nth, 2) for nth in range(1, 19))
"""0.05 … 0.9"""
MOST_PER_CSM = 10


@dataclass(frozen=True, slots=True)
class Standing:
    """A client with its calibrated probability now; `mrr` is its monthly recurring revenue where that is known."""

    client_id: UUID
    csm: str | None
    probability: float
    mrr: int | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """Who is chosen now. Revenue is monthly, each client's times its probability: what is expected to leave."""

    clients: int
    expected_leavers: float
    flagged_revenue: Mapping[str, int]
    missed_revenue: Mapping[str, int]

    @property
    def expected_precision(self) -> float | None:
        return self.expected_leavers / self.clients if self.clients else None


def by_threshold(portfolio: Sequence[Standing], thresholds: Sequence[float] = THRESHOLDS) -> list[Choice]:
    """One choice a threshold, in their (ascending) order: whoever is at or above it."""
    number = len(thresholds)
    # The highest threshold is level 0: who is chosen there is chosen at all below it too.
    levels = [number - bisect_right(thresholds, one.probability) for one in portfolio]
    return _choices(portfolio, levels, number)[::-1]


def by_capacity(portfolio: Sequence[Standing], rules: Capacity, most: int = MOST_PER_CSM) -> list[Choice]:
    """One choice for each number a CSM and week, from 1 on; nobody at the risk that everybody has is named."""
    candidates = [Candidate(one.client_id, one.csm, one.probability) for one in portfolio]
    named = choose(candidates, replace(rules, per_csm=most))
    levels = [named[one.client_id].place - 1 if one.client_id in named else most for one in portfolio]
    return _choices(portfolio, levels, most)


def _choices(portfolio: Sequence[Standing], levels: Sequence[int], number: int) -> list[Choice]:
    """Choice n holds everybody whose level is n or lower."""
    clients, leavers = [0] * (number + 1), [0.0] * (number + 1)
    revenue: list[dict[str, float]] = [{} for _ in range(number + 1)]
    for one, level in zip(portfolio, levels, strict=True):
        clients[level] += 1
        leavers[level] += one.probability
        if one.mrr is not None and one.currency is not None:
            held = revenue[level]
            held[one.currency] = held.get(one.currency, 0.0) + one.mrr * one.probability
    everything = _sum(revenue)
    found, so_far = [], Choice(0, 0.0, {}, everything)
    flagged: dict[str, float] = {}
    for level in range(number):
        flagged = _sum([flagged, revenue[level]])
        so_far = Choice(
            so_far.clients + clients[level],
            so_far.expected_leavers + leavers[level],
            {currency: round(flagged.get(currency, 0.0)) for currency in everything},
            {currency: round(total - flagged.get(currency, 0.0)) for currency, total in everything.items()},
        )
        found.append(so_far)
    return found


def _sum(parts: Iterable[Mapping[str, float]]) -> dict[str, Any]:
    found: dict[str, float] = {}
    for part in parts:
        for currency, amount in part.items():
            found[currency] = found.get(currency, 0.0) + amount
    return dict(sorted(found.items()))


@dataclass(frozen=True, slots=True)
class Price:
    """What contacting a client costs (minor units), which share of leavers it saves, and for how many months."""

    cost_of_contact: int
    share_saved: float
    currency: str
    months: int = 12

    def saves(self, one: Standing) -> float:
        """Revenue that contacting this client is expected to save."""
        return self.share_saved * one.probability * self.months * (one.mrr or 0)


@dataclass(frozen=True, slots=True)
class Worth:
    """Contacting everybody from a threshold on; without one: everybody who is expected to save more than it costs."""

    threshold: float | None
    contacts: int
    cost: int
    saved: int

    @property
    def net(self) -> int:
        return self.saved - self.cost


def costs(
    portfolio: Sequence[Standing], price: Price, thresholds: Sequence[float] = THRESHOLDS
) -> tuple[list[Worth], Worth]:
    """The cost curve over 0 and the thresholds, and beside it the choice client by client, which no threshold beats.

    Only clients whose revenue is known in the price's currency count.
    """
    known = [one for one in portfolio if one.currency == price.currency and one.mrr]
    curve = [_worth(known, price, threshold) for threshold in (0.0, *thresholds)]
    worth = [one for one in known if price.saves(one) > price.cost_of_contact]
    saved = sum(price.saves(one) for one in worth)
    return curve, Worth(None, len(worth), len(worth) * price.cost_of_contact, round(saved))


def _worth(known: Sequence[Standing], price: Price, threshold: float) -> Worth:
    chosen = [one for one in known if one.probability >= threshold]
    saved = sum(price.saves(one) for one in chosen)
    return Worth(threshold, len(chosen), len(chosen) * price.cost_of_contact, round(saved))


def most_used(portfolio: Iterable[Standing]) -> str | None:
    """The currency of most clients; of equals the first by name."""
    counts: dict[str, int] = {}
    for one in portfolio:
        if one.currency is not None and one.mrr:
            counts[one.currency] = counts.get(one.currency, 0) + 1
    return min(counts, key=lambda name: (-counts[name], name)) if counts else None


Curve = Sequence[Mapping[str, Any]]


def between(curve: Curve, share: float) -> dict[str, Any] | None:
    """Precision and recall of naming this share of the clients, on the line between the two shares measured next to it.

    None outside of what was measured.
    """
    for one, other in pairwise(curve):
        low, high = one["share_of_clients"], other["share_of_clients"]
        if low <= share <= high:
            part = (share - low) / (high - low) if high > low else 0.0
            return {name: _mixed(one[name], other[name], part) for name in ("precision", "recall")}
    return None


def _mixed(one: Mapping[str, float | None], other: Mapping[str, float | None], part: float) -> dict[str, float | None]:
    return {name: _line(one[name], other[name], part) for name in ("value", "low", "high")}


def _line(one: float | None, other: float | None, part: float) -> float | None:
    return None if one is None or other is None else round(one + (other - one) * part, 5)
