"""Which moments are learned from, which are calibrated on, which test: always in the order of time.

Every label learned from is known by `train_until`, a horizon after its moment; so nothing that happens in the test's
time is in what is learned, and no gap beside that is needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from churn.dataset import Table
from churn.domain.moments import DAY

TEST_SHARE = 0.3
"""Last part of the rows that tests, where nobody says from when."""
CALIBRATION_SHARE = 0.3
"""Last part of the rows learned from, on which probabilities are calibrated."""


class TooLittleError(ValueError):
    """The data cannot carry a model; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Seconds. Labels learned from are known by `train_until`; tests are moments from `test_from` to `test_to`."""

    train_until: int
    test_from: int
    test_to: int

    def train(self, table: Table, horizon_days: int) -> NDArray[np.bool_]:
        """Which rows may be learned from."""
        known_at = table.moments + horizon_days * DAY if table.known_at is None else table.known_at
        return np.asarray(known_at <= self.train_until)

    def test(self, table: Table) -> NDArray[np.bool_]:
        """Which rows test."""
        return np.asarray((table.moments >= self.test_from) & (table.moments <= self.test_to))


def chosen(
    table: Table, *, train_until: int | None = None, test_from: int | None = None, test_to: int | None = None
) -> Windows:
    """The windows of a wish; what is not said is chosen so that the last part of the rows tests.

    Raises TooLittleError for a table without rows, or a test that begins before all labels learned from are known.
    """
    if not len(table):
        raise TooLittleError("there is no client with an outcome that is known")
    if test_from is None:
        test_from = _begins(table, TEST_SHARE) if train_until is None else train_until
    found = Windows(
        train_until=test_from if train_until is None else train_until,
        test_from=test_from,
        test_to=int(table.moments.max()) if test_to is None else test_to,
    )
    if found.test_from < found.train_until:
        raise TooLittleError("the test begins before every label learned from is known: move --test-from on")
    return found


def rolling(table: Table, origins: int) -> list[Windows]:
    """One test after the other over the second half of the moments. Raises TooLittleError with fewer moments."""
    moments = np.unique(table.moments)
    later = moments[len(moments) // 2 :]
    if len(later) < origins:
        raise TooLittleError(f"{len(moments)} moments are too few for {origins} origins")
    parts = np.array_split(later, origins)
    return [Windows(int(part[0]), int(part[0]), int(part[-1])) for part in parts]


def last_part(table: Table, share: float = CALIBRATION_SHARE, leavers: int = 0) -> NDArray[np.bool_]:
    """The rows of the last moments: this share of all, and more of them until so many clients left, if so many did."""
    begins = _begins(table, share)
    for moment in np.unique(table.moments[table.moments <= begins])[::-1]:
        begins = int(moment)
        if table.only(table.moments >= begins).leavers >= leavers:
            break
    return np.asarray(table.moments >= begins)


def _begins(table: Table, share: float) -> int:
    """The moment from which the last rows are about this share of all."""
    return int(np.sort(table.moments)[int(len(table) * (1 - share))])
