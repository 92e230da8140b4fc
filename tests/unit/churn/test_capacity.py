"""Who is named each week, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from churn.domain.capacity import Candidate, choose, next_naming
from churn.domain.policy import Capacity
from hypothesis import given
from hypothesis import strategies as st

RULES = Capacity(per_csm=2, min_lift=2, min_probability=0.3)
MAYA, OMAR = "maya@ours.example", "omar@ours.example"


def clients(csm: str | None, *probabilities: float, first: int = 0, set_aside: bool = False) -> list[Candidate]:
    return [Candidate(UUID(int=first + n), csm, p, set_aside) for n, p in enumerate(probabilities)]


def test_each_csm_and_those_without_one_have_their_own_riskiest():
    everybody = [
        *clients(MAYA, 0.2, 0.1, 0.15, 0.01, 0.01, 0.01),
        *clients(None, 0.18, 0.01, 0.01, first=20),
        *clients(OMAR, 0.02, 0.01, 0.01, first=40),
    ]
    chosen = choose(everybody, RULES)
    assert {id_.int: ranking.place for id_, ranking in chosen.items()} == {0: 1, 2: 2, 20: 1}
    assert chosen[UUID(int=2)].clients == 6
    assert chosen[UUID(int=20)].csm is None


def test_nobody_is_named_at_the_risk_that_everybody_has():
    assert choose(clients(MAYA, *[0.05] * 30), RULES) == {}
    assert choose(clients(MAYA, *[0.05] * 29, 0.09), RULES) == {}
    assert choose([], RULES) == {}


def test_a_high_probability_is_named_however_high_the_average():
    assert len(choose(clients(MAYA, 0.35, 0.36, 0.4), RULES)) == 2
    assert choose(clients(MAYA, 0.25, 0.26, 0.29), RULES) == {}


def test_who_is_set_aside_takes_nobodys_place_but_counts_for_the_average():
    rest = clients(MAYA, *[0.01] * 20, first=50)
    chosen = choose([*clients(MAYA, 0.5, set_aside=True), *clients(MAYA, 0.2, 0.19, first=1), *rest], RULES)
    assert sorted(id_.int for id_ in chosen) == [1, 2]
    assert chosen[UUID(int=1)].average == pytest.approx((0.5 + 0.2 + 0.19 + 0.2) / 23, abs=1e-6)


def test_zero_names_nobody():
    assert choose(clients(MAYA, 0.9, 0.01), Capacity(per_csm=0)) == {}


@given(st.lists(st.tuples(st.sampled_from([MAYA, OMAR, None]), st.floats(0, 1)), max_size=60))
def test_never_more_than_the_capacity_and_never_a_lower_one_before_a_higher(told: list[tuple[str | None, float]]):
    everybody = [Candidate(UUID(int=n), csm, p) for n, (csm, p) in enumerate(told)]
    chosen = choose(everybody, RULES)
    for csm in (MAYA, OMAR, None):
        group = [c for c in everybody if c.csm == csm]
        named = [c.probability for c in group if c.client_id in chosen]
        others = [c.probability for c in group if c.client_id not in chosen]
        assert len(named) <= RULES.per_csm
        assert not named or not others or min(named) >= max(others)


@pytest.mark.parametrize(
    ("now", "zone", "due"),
    [
        (datetime(2026, 3, 2, 6, 59, tzinfo=UTC), "UTC", datetime(2026, 3, 2, 7, tzinfo=UTC)),
        (datetime(2026, 3, 2, 7, tzinfo=UTC), "UTC", datetime(2026, 3, 9, 7, tzinfo=UTC)),
        (datetime(2026, 3, 8, 23, tzinfo=UTC), "UTC", datetime(2026, 3, 9, 7, tzinfo=UTC)),
        (datetime(2026, 3, 25, 12, tzinfo=UTC), "Europe/Berlin", datetime(2026, 3, 30, 5, tzinfo=UTC)),  # summer time
        (datetime(2026, 3, 1, 23, tzinfo=UTC), "Asia/Tokyo", datetime(2026, 3, 8, 22, tzinfo=UTC)),
    ],
)
def test_the_next_naming_is_the_next_such_hour_there(now: datetime, zone: str, due: datetime):
    assert next_naming(now, Capacity(timezone=zone)) == due


@given(st.timedeltas(timedelta(0), timedelta(days=2000)), st.integers(0, 6), st.integers(0, 23))
def test_there_is_one_naming_in_every_week(later: timedelta, weekday: int, hour: int):
    now = datetime(2024, 1, 1, tzinfo=UTC) + later
    due = next_naming(now, Capacity(weekday=weekday, hour=hour))
    assert now < due <= now + timedelta(days=7)
    assert (due.weekday(), due.hour, due.minute) == (weekday, hour, 0)
