"""The two-signal rule finds its signals, and lead times are told beside a control group."""

from __future__ import annotations

import numpy as np
import pytest
from churn.dataset import Table
from churn.domain.columns import Column
from churn.domain.moments import DAY
from churn.learning import leads, rule
from churn.learning.measuring import Draws

COLUMNS = tuple(Column(name, reason) for name, reason in (("a", "one"), ("twin", "one"), ("b", "two"), ("c", "noise")))


def planted(rows: int = 4_000) -> Table:
    rng = np.random.default_rng(4)
    values = rng.normal(size=(rows, 4))
    values[:, 1] = values[:, 0] + rng.normal(size=rows) / 10
    values[rng.random(rows) < 0.2, 2] = np.nan
    risk = 0.03 + 0.3 * (values[:, 0] > 1) + 0.2 * (np.nan_to_num(values[:, 2]) > 1)
    left = (rng.random(rows) < risk).astype(np.float64)
    return Table(np.arange(rows).astype(str), np.zeros(rows, dtype=np.int64), left, values, COLUMNS)


def test_the_rule_takes_two_signals_of_different_reasons_near_where_they_were_planted():
    found = rule.fit(planted())
    assert {COLUMNS[signal.column].reason for signal in found.signals} == {"one", "two"}
    assert all(signal.at_least == pytest.approx(1, abs=0.4) for signal in found.signals)


def test_the_rule_says_of_each_cell_what_came_and_counts_missing_as_not_shown():
    table = planted()
    found = rule.fit(table)
    p = found(table.features)
    assert p.mean() == pytest.approx(table.left.mean(), rel=0.05)
    nothing = np.full((1, 4), np.nan)
    assert found(nothing)[0] == found(np.full((1, 4), -9.0))[0] == p.min()


def weekly(alerts: dict[str, list[int]], ends: dict[str, int], weeks: int = 12) -> tuple[Table, np.ndarray]:
    """Clients by name with the weeks in which they are the riskiest, and the week in which leavers leave."""
    names, moments, left, left_at, p = [], [], [], [], []
    for nth, name in enumerate(sorted(alerts)):
        end = ends.get(name)
        for week in range(weeks if end is None else end):
            names.append(name)
            moments.append(week * 7 * DAY)
            left.append(float(end is not None))
            left_at.append(0 if end is None else end * 7 * DAY)
            p.append(0.9 if week in alerts[name] else 0.1 + nth / 1000)
    table = Table(np.array(names), np.array(moments), np.array(left), np.zeros((len(p), 1)), left_at=np.array(left_at))
    return table, np.array(p)


def test_a_lead_is_the_time_from_the_first_alert_to_the_leaving():
    table, p = weekly({"gone": [4, 5, 9], **{f"s{n}": [] for n in range(9)}}, {"gone": 10})
    draws = Draws(table.clients)
    found = leads.leads(table, p, draws)
    assert found.days.tolist() == [6 * 7], "from week 4, when it was the riskiest of ten"


def test_who_stayed_is_asked_the_same_and_fewer_of_them_were_alerted():
    alerts = {"gone": [2], "s0": [0], "s1": [1], **{f"s{n}": [] for n in range(2, 9)}}
    table, p = weekly(alerts, {"gone": 10})
    draws = Draws(table.clients)
    found = leads.leads(table, p, draws)
    first = leads.alerted(table, p)
    alerted = {str(name) for name, chosen in zip(table.clients, first, strict=True) if chosen}
    assert {"gone", "s0", "s1"} <= alerted
    stayers = alerted - {"gone"}
    assert found.control[0] == pytest.approx(len({s for s in stayers if _early(table, first, s)}) / 9)
    caught, told = leads.figures(found, draws)
    assert (caught["value"], told["share_14d"]["value"]) == (1.0, 1.0)
    assert told["control_share_14d"]["value"] < 1


def _early(table: Table, alerted: np.ndarray, name: str) -> bool:
    """Alerted at a moment two weeks or more before week 10."""
    return bool((alerted & (table.clients == name) & (table.moments <= 8 * 7 * DAY)).any())
