"""Whether the world is still the one that a model learned from, and whether what it said came true.

Drift of a column or of the predictions is the population stability index over the cells of the training window (tenths,
and missing): PSI = Σ (now − then) · ln(now ÷ then); below 0.1 nothing, from 0.25 another population (Siddiqi 2006).
What came true is judged as a number of leavers among independent predictions: one a client and horizon.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

SMALLEST = 0.001
"""Share that an empty cell counts as, so that one client in a new cell is no landslide."""
FEWEST = 100
"""Clients, or predictions, from which anything is judged."""
FEWEST_EXPECTED = 5.0
"""Leavers to be expected before their number says anything."""
Z99 = 2.5758
"""Standard deviations to either side that hold 99 %."""


@dataclass(slots=True)
class Spread:
    """How values fall into the cells of the training window; `shares` is how they fell then."""

    edges: Sequence[float]
    shares: Sequence[float]
    counts: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.counts = [0] * len(self.shares)

    def add(self, value: float) -> None:
        """NaN is the last cell."""
        self.counts[-1 if math.isnan(value) else bisect_right(self.edges, value)] += 1

    def psi(self) -> float:
        total = sum(self.counts)
        if not total:
            return 0.0
        pairs = (
            (max(then, SMALLEST), max(n / total, SMALLEST)) for then, n in zip(self.shares, self.counts, strict=True)
        )
        return sum((now - then) * math.log(now / then) for then, now in pairs)


def spread_of(plain: Mapping[str, Any]) -> Spread:
    """As `training.profile` keeps it."""
    return Spread(tuple(plain["edges"]), tuple(plain["shares"]))


def noise(cells: int, clients: int) -> float:
    """PSI that so many clients of the same population show on average: (cells − 1) ÷ clients (Yurdakul 2018)."""
    return (cells - 1) / clients if clients else 0.0


@dataclass(frozen=True, slots=True)
class Matured:
    """Predictions whose horizon is over: leavers that they expected, leavers that came, and the 99 % band of those."""

    predictions: int
    expected: float
    came: int
    low: int
    high: int

    @property
    def judged(self) -> bool:
        """Whether there are enough to say anything."""
        return self.predictions >= FEWEST and self.expected >= FEWEST_EXPECTED

    @property
    def broken(self) -> bool:
        """More or fewer leavers than the probabilities can explain."""
        return self.judged and not self.low <= self.came <= self.high


def matured(predictions: Sequence[tuple[float, bool]]) -> Matured:
    """`predictions`: (probability, whether the client left), one a client.

    The number of leavers is Poisson-binomial; its quantiles by normal approximation with a correction for skewness.
    """
    expected = sum(p for p, _ in predictions)
    variance = sum(p * (1 - p) for p, _ in predictions)
    came = sum(left for _, left in predictions)
    if not variance:
        return Matured(len(predictions), expected, came, math.floor(expected), math.ceil(expected))
    deviation = math.sqrt(variance)
    skewness = sum(p * (1 - p) * (1 - 2 * p) for p, _ in predictions) / deviation**3
    bend = skewness * (Z99**2 - 1) / 6
    low = math.floor(expected + deviation * (bend - Z99) - 0.5)
    high = math.ceil(expected + deviation * (bend + Z99) + 0.5)
    return Matured(len(predictions), expected, came, max(0, low), high)


def judged_day(client_id: UUID, today: int, horizon_days: int) -> int:
    """The day (UTC, since 1970) whose prediction of a client is the last that has matured by `today`.

    Each client has its own days, a horizon apart, so that no two of its predictions speak of the same time, and every
    day a few clients' predictions mature.
    """
    last = today - horizon_days - 1
    return last - (last + client_id.int) % horizon_days
