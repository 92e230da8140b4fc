"""Figures agree with scikit-learn, weights count rows as often as they say, and intervals hold what they should."""

from __future__ import annotations

import numpy as np
import pytest
from churn.learning import measuring
from churn.learning.measuring import Draws, Judged
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

CHANCES = st.lists(
    st.tuples(st.sampled_from([0.01, 0.1, 0.25, 0.5, 0.77]), st.booleans(), st.integers(0, 3)), min_size=2, max_size=60
)


@settings(deadline=None)  # scikit-learn is slow the first time
@given(CHANCES)
def test_every_measure_is_that_of_scikit_learn_with_each_row_as_often_as_it_weighs(rows):
    p, left, times = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    often = np.repeat(np.arange(len(p)), times.astype(int))
    if len({*left[often]}) < 2:
        return
    found = Judged(p, left).measures(times)
    p, left = p[often], left[often]
    assert found["auc"] == pytest.approx(roc_auc_score(left, p))
    assert found["pr_auc"] == pytest.approx(average_precision_score(left, p))
    assert found["log_loss"] == pytest.approx(log_loss(left, p))
    assert found["brier"] == pytest.approx(brier_score_loss(left, p))
    assert found["base_rate"] == pytest.approx(left.mean())


def test_lift_of_a_perfect_order_is_ten_and_of_none_is_one():
    left = np.array([1.0] * 10 + [0.0] * 90)
    assert Judged(np.linspace(0.9, 0.1, 100), left).measures(np.ones(100))["lift_at_10"] == pytest.approx(10)
    assert Judged(np.full(100, 0.1), left).measures(np.ones(100))["lift_at_10"] == pytest.approx(1)


def test_an_interval_holds_the_truth_about_as_often_as_it_says():
    rng, inside = np.random.default_rng(5), 0
    for _ in range(100):
        left = (rng.random(300) < 0.3).astype(float)
        found = Draws(np.array([str(n) for n in range(300)]), 100).figures(Judged(np.full(300, 0.3), left).measures)
        inside += found["base_rate"]["low"] <= 0.3 <= found["base_rate"]["high"]
    assert 85 <= inside <= 100, inside


def test_rows_of_one_client_widen_the_interval():
    left = np.repeat((np.random.default_rng(1).random(60) < 0.3).astype(float), 20)
    p = np.full(len(left), 0.3)
    alone = Draws(np.array([str(n) for n in range(len(left))])).figures(Judged(p, left).measures)["base_rate"]
    together = Draws(np.repeat(np.array([str(n) for n in range(60)]), 20)).figures(Judged(p, left).measures)[
        "base_rate"
    ]
    assert together["high"] - together["low"] > 3 * (alone["high"] - alone["low"])


def test_calibrated_probabilities_have_an_error_like_their_noise():
    rng = np.random.default_rng(2)
    p = rng.beta(1, 12, 4000)
    errors = [Judged(p, (rng.random(4000) < p).astype(float)).measures(np.ones(4000))["ece"] for _ in range(40)]
    floor = measuring.ece_noise_floor(p)
    assert floor["low"] <= float(np.mean(errors)) <= floor["high"]
    assert floor["value"] == pytest.approx(float(np.mean(errors)), rel=0.25)


@pytest.mark.parametrize("off", [0.0, 0.01, 0.03])
def test_an_errors_interval_holds_the_error(off: float):
    """Of clients drawn anew nearly every error is larger than that of nearly calibrated probabilities."""
    p = np.repeat(np.arange(0.05, 1, 0.1), 40)
    left = np.tile(np.arange(40) / 40, 10) < p - 1e-9
    clients = np.array([str(n) for n in range(400)])
    found = Draws(clients).figures(Judged(np.clip(p + off, 0, 0.999), left.astype(float)).measures)["ece"]
    assert found["value"] == pytest.approx(off, abs=0.002)
    assert 0 <= found["low"] <= found["value"] < found["high"]
