"""How early an alert set sized to capacity would have named those who left, beside as many who stayed.

The riskiest tenth of each moment is alerted. A lead is the time from a leaver's first alert within the horizon to its
leaving. Without its control group such a figure says nothing: whoever is alerted often is alerted early too. So for
each leaver the same is asked of those who stayed and were clients at the same moments.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from churn.adapters.calibration import Floats
from churn.dataset import Table
from churn.domain.moments import DAY
from churn.learning.measuring import TOP, Draws, Figure, figure

AHEAD_DAYS = 14
"""What is seen so long before is seen in time to do something."""


@dataclass(frozen=True)
class Leads:
    """By client that left in the test: days from the first alert (NaN: none), and the share of its control."""

    owner: NDArray[np.int64]
    """Place of the client among the names of `Draws`."""
    days: Floats
    control: Floats
    """Of those who stayed: the share alerted at the same moments, `AHEAD_DAYS` or more ahead."""


def alerted(test: Table, p: Floats, share: float = TOP) -> NDArray[np.bool_]:
    """Rows in the riskiest `share` of their moment; one client at least, and ties in the order of the table."""
    chosen = np.zeros(len(test), dtype=np.bool_)
    for moment in np.unique(test.moments):
        rows = np.flatnonzero(test.moments == moment)
        number = max(1, round(len(rows) * share))
        chosen[rows[np.argsort(-p[rows], kind="stable")[:number]]] = True
    return chosen


def leads(test: Table, p: Floats, draws: Draws) -> Leads:
    """Leads of all who left within the horizon of a moment of the test."""
    moments, nth = np.unique(test.moments, return_inverse=True)
    shape = (len(draws.names), len(moments))
    there, called = np.zeros(shape, dtype=np.bool_), np.zeros(shape, dtype=np.bool_)
    there[draws.owner, nth] = True
    called[draws.owner, nth] = alerted(test, p)
    stayed = np.bincount(draws.owner, test.left, len(draws.names)) == 0
    return _leads(test, draws, moments, nth, there, called, stayed)


def _leads(
    test: Table,
    draws: Draws,
    moments: NDArray[np.int64],
    nth: NDArray[np.intp],
    there: NDArray[np.bool_],
    called: NDArray[np.bool_],
    stayed: NDArray[np.bool_],
) -> Leads:
    controls: dict[bytes, float] = {}
    owners, days, shares = [], [], []
    ends = test.left_at if test.left_at is not None else np.zeros(len(test), dtype=np.int64)
    leaving = np.flatnonzero(test.left > 0)
    another = (np.diff(draws.owner[leaving]) != 0) | (np.diff(ends[leaving]) != 0)  # who came back may leave twice
    for rows in np.split(leaving, np.flatnonzero(another) + 1):
        if not rows.size:
            continue
        client, end = int(draws.owner[rows[0]]), int(ends[rows[-1]])
        own = nth[rows]
        seen = own[called[client, own]]
        ahead = own[moments[own] <= end - AHEAD_DAYS * DAY]
        key = ahead.tobytes()
        if key not in controls:
            controls[key] = _control(ahead, there, called, stayed)
        owners.append(client)
        days.append((end - moments[seen[0]]) / DAY if seen.size else np.nan)
        shares.append(controls[key])
    return Leads(np.array(owners, dtype=np.int64), np.array(days), np.array(shares))


def _control(
    ahead: NDArray[np.intp], there: NDArray[np.bool_], called: NDArray[np.bool_], stayed: NDArray[np.bool_]
) -> float:
    """Of those who stayed and were clients at all these moments, the share alerted at one of them."""
    if not ahead.size:
        return 0.0
    alike = stayed & there[:, ahead].all(axis=1)
    return float(called[np.ix_(alike, ahead)].any(axis=1).mean()) if alike.any() else float("nan")


def figures(found: Leads, draws: Draws) -> tuple[Figure, dict[str, Figure]]:
    """Share of the leavers that were alerted at all, and their lead times beside the control group."""
    names = ("caught", "median", "share", "control")
    drawn: dict[str, list[float]] = {name: [] for name in names}
    values = dict(zip(names, _measures(found, np.ones(len(found.owner))), strict=True))
    for times in draws.of_clients():
        for name, value in zip(names, _measures(found, times[found.owner]), strict=True):
            drawn[name].append(value)
    told = {name: figure(values[name], drawn[name]) for name in names}
    ahead = f"share_{AHEAD_DAYS}d"
    return told["caught"], {"median": told["median"], ahead: told["share"], f"control_{ahead}": told["control"]}


def _measures(found: Leads, times: Floats) -> tuple[float, float, float, float]:
    total = times.sum()
    if not total:
        return (float("nan"),) * 4
    caught = ~np.isnan(found.days)
    early = caught & (np.nan_to_num(found.days) >= AHEAD_DAYS)
    compared = ~np.isnan(found.control)
    days = np.repeat(found.days[caught], times[caught].astype(np.int64))
    return (
        float(times[caught].sum() / total),
        float(np.median(days)) if days.size else float("nan"),
        float(times[early].sum() / total),
        float(np.average(found.control[compared], weights=times[compared])) if times[compared].sum() else float("nan"),
    )
