"""The curves of a model's card say what counting by hand says, and calibrated probabilities lie on them."""

from __future__ import annotations

import numpy as np
import pytest
from churn.domain.moments import DAY
from churn.learning import curves
from hypothesis import given
from hypothesis import strategies as st

WEEK = 7 * DAY
CLIENTS = np.array(["a", "a", "a", "b", "b", "b", "c", "c", "c"])
MOMENTS = np.array([0, WEEK, 2 * WEEK] * 3)
P = np.array([0.7, 0.7, 0.1, 0.1, 0.4, 0.7, 0.1, 0.1, 0.1])
LEFT = np.array([1.0, 1.0, 0, 0, 0, 1.0, 0, 0, 1.0])


def at(curve: curves.Curve, threshold: float) -> dict:
    return next(point for point in curve if point["from"] == threshold)


def test_a_threshold_says_how_many_it_chose_and_how_many_of_them_left():
    point = at(curves.thresholds(P, LEFT, CLIENTS, MOMENTS), 0.4)
    assert (point["rows"], point["share"], point["said"]) == (4, round(4 / 9, 5), 0.625)
    assert point["precision"]["value"] == 0.75
    assert point["recall"]["value"] == 0.75
    assert point["leavers_caught"] == 2, "a and b were above it while they were about to leave, c never"


def test_only_who_was_not_above_the_moment_before_is_new_in_a_week():
    curve = curves.thresholds(P, LEFT, CLIENTS, MOMENTS)
    assert at(curve, 0.4)["new_a_week"] == 0.5, "b in the second week; a stood from the first moment on"
    assert at(curve, 0.4)["standing"] == round(4 / 3, 5)
    assert at(curve, 0.9)["new_a_week"] == 0


def test_one_moment_tells_nothing_about_weeks():
    one = MOMENTS == 0
    assert at(curves.thresholds(P[one], LEFT[one], CLIENTS[one], MOMENTS[one]), 0.5)["new_a_week"] is None


def test_a_table_without_time_has_neither_weeks_nor_capacity():
    found = curves.of(P, LEFT, CLIENTS)
    assert "capacity" not in found
    assert "new_a_week" not in found["thresholds"][0]


def test_a_threshold_above_everybody_chose_nobody_and_has_no_precision():
    point = at(curves.thresholds(P, LEFT, CLIENTS), 0.9)
    assert (point["rows"], point["said"], point["precision"]["value"], point["recall"]["value"]) == (0, None, None, 0)


def test_revenue_of_unknown_size_counts_nothing():
    mrr = np.array([100.0, 100, 100, 300, 300, 300, np.nan, np.nan, np.nan])
    assert at(curves.thresholds(P, LEFT, CLIENTS, MOMENTS, mrr), 0.5)["revenue_recall"] == 1.0


def test_a_capacity_names_the_riskiest_of_each_moment_and_never_nobody():
    found = curves.capacity(P, LEFT, CLIENTS, MOMENTS, shares=(0.01, 0.5))
    assert [point["rows"] for point in found] == [3, 6]
    assert found[0]["precision"]["value"] == 1.0
    assert found[0]["from"] == 0.7


def test_reliability_counts_clients_not_rows():
    curve = curves.reliability(P, LEFT, CLIENTS, bins=2)
    assert [(point["n"], point["clients"]) for point in curve] == [(5, 3), (4, 2)]
    assert [point["came"] for point in curve] == [0.2, 0.75]
    assert all(point["low"] <= point["came"] <= point["high"] for point in curve)


@pytest.mark.parametrize(("share", "trials", "low", "high"), [(0.5, 100, 0.404, 0.596), (0.0, 10, 0.0, 0.278)])
def test_wilson_is_what_tables_give(share: float, trials: int, low: float, high: float):
    assert curves.wilson(share, trials) == pytest.approx((low, high), abs=1e-3)


def test_wilson_knows_nothing_without_a_trial():
    assert curves.wilson(0.0, 0) == (0.0, 1.0)


def test_contacting_costs_least_at_the_threshold_that_equals_its_price():
    rng = np.random.default_rng(1)
    p = rng.beta(1, 12, 40_000)
    left = (rng.random(len(p)) < p).astype(float)
    found = curves.of(p, left, np.arange(len(p)).astype(str))
    for ratio in (0.05, 0.1, 0.2):
        cost = dict(curves.costs(found["ranked"], found["base_rate"], ratio))
        best = min(cost, key=lambda threshold: cost[threshold])
        assert best == pytest.approx(ratio, rel=0.5)
        assert cost[best] < min(found["base_rate"], ratio), "better than contacting nobody, or everybody"


def test_calibrated_probabilities_lie_within_their_intervals():
    rng = np.random.default_rng(3)
    p = rng.beta(1, 9, 20_000)
    left = (rng.random(len(p)) < p).astype(float)
    found = curves.of(p, left, np.arange(len(p)).astype(str))
    outside = [b for b in found["reliability"] if not b["low"] <= b["said"] <= b["high"]]
    assert len(outside) <= 2, outside
    for point in found["thresholds"][:6]:
        assert point["precision"]["low"] - 0.02 <= point["said"] <= point["precision"]["high"] + 0.02, point


rows = st.lists(
    st.tuples(st.floats(1e-4, 1 - 1e-4), st.booleans(), st.integers(0, 5), st.integers(0, 9)), min_size=1, max_size=60
)


@given(rows)
def test_whatever_the_rows_shares_are_shares_and_the_ranked_curve_ends_with_everybody(found: list):
    seen = {(client, moment): (p, left) for p, left, client, moment in found}
    p, left = (np.array([float(pair[n]) for pair in seen.values()]) for n in (0, 1))
    clients = np.array([str(client) for client, _ in seen])
    moments = np.array([moment * WEEK for _, moment in seen])
    curve = curves.of(p, left, clients, moments)
    assert curve["ranked"][-1]["share"] == 1.0
    assert sum(b["n"] for b in curve["reliability"]) == len(p)
    recalls = [point["recall"]["value"] for point in curve["ranked"]]
    assert left.sum() == 0 or recalls == sorted(recalls)
    for point in (*curve["ranked"], *curve["thresholds"], *curve["capacity"]):
        for name in ("precision", "recall"):
            value = point[name]["value"]
            assert value is None or 0 <= value <= 1


def test_a_few_clients_who_all_left_are_no_certainty():
    clients = np.array(["a", "a", "b", "b", "c", "c"])
    point = at(
        curves.thresholds(np.array([0.9, 0.9, 0.9, 0.9, 0.1, 0.1]), np.array([1.0, 1, 1, 1, 0, 0]), clients), 0.5
    )
    assert point["precision"]["value"] == 1.0
    assert point["precision"]["low"] == pytest.approx(curves.wilson(1.0, 2)[0], abs=1e-4), "two clients, not four rows"


def test_clients_seen_once_tell_nothing_about_new_ones_in_a_week():
    clients = np.array([str(n) for n in range(len(P))])
    assert at(curves.thresholds(P, LEFT, clients, MOMENTS), 0.4)["new_a_week"] is None
