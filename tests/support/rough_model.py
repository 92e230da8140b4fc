"""A churn model of the tests' own: few rough features and a plain library, to judge the simulated portfolio by."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from loopctl.demo.behaviour import Happening
from loopctl.demo.population import PAST_WEEKS, Past, past_happenings
from loopctl.demo.words import KINDS, whole
from numpy.typing import NDArray

HORIZON_WEEKS = 13
WINDOW = timedelta(days=112)
COUNTED = {"logged_in": "count", "usage_recorded": "quantity"}
MOODS = {whole(kind, text): mood for kind, mood in zip(KINDS, (1, 0.2, -0.4, -1), strict=True) for text in KINDS[kind]}


@dataclass(frozen=True)
class Grid:
    """Weekly moments of many clients: features, whether notice follows within 90 days, who and when."""

    features: NDArray[np.float64]
    left: NDArray[np.bool_]
    client: NDArray[np.int64]
    week: NDArray[np.int64]
    states: NDArray[np.float64]


def grid(population: Past, every: int = 2) -> Grid:
    rows, labels, clients, weeks, states = [], [], [], [], []
    lives = population.lives
    for row, (_, happenings) in enumerate(past_happenings(population)):
        times = [happening.at for happening in happenings]
        notice, first = int(lives.notice[row]), max(5, int(lives.started[row]) + 5)
        for week in range(first, min(PAST_WEEKS - HORIZON_WEEKS, notice), every):
            now = population.epoch + timedelta(weeks=week)
            rows.append(rough(happenings[bisect_left(times, now - WINDOW) : bisect_left(times, now)], now))
            labels.append(notice < week + HORIZON_WEEKS)
            clients.append(row)
            weeks.append(week)
            states.append(lives.states[row, week - 1])
    return Grid(np.array(rows), np.array(labels), np.array(clients), np.array(weeks), np.array(states))


def rough(recent: list[Happening], now: datetime) -> list[float]:
    """What a spreadsheet would have: sums over the last weeks, of what happened before `now`."""
    pairs = [(h, (now - h.at).total_seconds() / 86400) for h in recent]
    counts = {name: [(h.data[field], a) for h, a in pairs if h.name == name] for name, field in COUNTED.items()}

    def total(name: str, first: float, last: float) -> float:
        return float(sum(count for count, age in counts[name] if first <= age < last))

    logins, before = total("logged_in", 0, 28), total("logged_in", 28, 112) / 3
    usage, used = total("usage_recorded", 0, 28), total("usage_recorded", 28, 112) / 3
    moods = [MOODS[h.text] for h, a in pairs if h.text and a < 35]
    left = [a for h, a in pairs if h.name == "contact_left"]
    named = [a for h, a in pairs if h.name == "contact_added" and h.data["role"] == "sponsor" and a < 112]
    csat = [h.data["csat"]["score"] for h, a in pairs if "csat" in h.data and a < 56]
    kpi = [h.data["value"] for h, a in pairs if h.name == "kpi_reported"]
    return [
        np.log1p(logins) - np.log1p(before),
        np.log1p(2 * total("logged_in", 0, 14)) - np.log1p(before),
        np.log1p(usage) - np.log1p(used),
        float(np.mean(moods)) if moods else np.nan,
        float(len(moods)),
        float(bool(left) and (not named or min(named) > min(left))),
        float(sum(h.name in ("invoice_overdue", "payment_failed") for h, a in pairs if a < 56)),
        float(np.mean(csat)) if csat else np.nan,
        float(kpi[-1]) if kpi else np.nan,
    ]
