"""Drift is nothing where nothing moved, a landslide where all did; the band of leavers is as wide as it says."""

from __future__ import annotations

import math
import random
from uuid import UUID

import pytest
from churn.domain import drift
from churn.domain.drift import Spread, judged_day, matured
from hypothesis import given
from hypothesis import strategies as st

TENTHS = [0.1 * n for n in range(1, 10)]


def spread(values: list[float]) -> Spread:
    found = Spread(TENTHS, [0.1] * 10 + [0.0])
    for value in values:
        found.add(value)
    return found


def test_the_same_population_shows_its_noise_and_another_one_more():
    rng = random.Random(1)
    same = [spread([rng.random() for _ in range(1000)]).psi() for _ in range(30)]
    assert sum(same) / len(same) == pytest.approx(drift.noise(10, 1000), abs=0.006)
    assert spread([rng.random() ** 3 for _ in range(1000)]).psi() > 0.25
    assert spread([math.nan] * 500 + [rng.random() for _ in range(500)]).psi() > 0.25, "a column that went missing"


@given(st.lists(st.floats(0, 1) | st.just(math.nan), max_size=50))
def test_drift_is_never_negative_and_never_without_end(values: list[float]):
    assert 0 <= spread(values).psi() < 100


@given(st.lists(st.floats(0.001, 0.999), min_size=100, max_size=300), st.randoms(use_true_random=False))
def test_the_expected_number_of_leavers_is_always_inside_the_band(chances: list[float], rng: random.Random):
    found = matured([(p, rng.random() < p) for p in chances])
    assert 0 <= found.low <= found.expected <= found.high


def test_one_check_in_a_hundred_breaks_by_chance():
    rng = random.Random(3)
    chances = [rng.betavariate(1, 15) for _ in range(400)]
    broken = sum(matured([(p, rng.random() < p) for p in chances]).broken for _ in range(2000))
    assert 4 <= broken <= 36, broken


def test_twice_the_leavers_break_it_and_few_predictions_say_nothing():
    assert matured([(0.05, n % 10 == 0) for n in range(1000)]).broken
    assert not matured([(0.05, n % 20 == 0) for n in range(1000)]).broken
    assert not matured([(0.05, True)] * 99).broken, "too few"
    assert not matured([(0.001, n < 30) for n in range(1000)]).broken, "too few to be expected"


@given(st.uuids(), st.integers(19_000, 23_000))
def test_each_client_is_judged_by_one_prediction_a_horizon(client_id: UUID, today: int):
    day = judged_day(client_id, today, 90)
    assert today - 181 < day < today - 90
    days = {judged_day(client_id, today + ahead, 90) for ahead in range(360)}
    assert {later - earlier for earlier, later in zip(sorted(days), sorted(days)[1:], strict=False)} == {90}
