"""What a threshold or a capacity would choose of the clients there are, and where contacting pays."""

from __future__ import annotations

from uuid import UUID

import pytest
from churn.domain import thresholds
from churn.domain.policy import Capacity
from churn.domain.thresholds import Price, Standing
from hypothesis import given
from hypothesis import strategies as st

MAYA, TOM = "maya@ours.example", "tom@ours.example"


def client(nth: int, probability: float, mrr: int | None = 1000, currency: str | None = "EUR", csm: str | None = MAYA):
    return Standing(UUID(int=nth), csm, probability, mrr, currency)


PORTFOLIO = [client(1, 0.6), client(2, 0.3, 2000), client(3, 0.1, 500, "USD"), client(4, 0.04, None, None)]


def at(threshold: float) -> thresholds.Choice:
    choices = thresholds.by_threshold(PORTFOLIO)
    return choices[thresholds.THRESHOLDS.index(threshold)]


def test_a_threshold_chooses_whoever_is_at_or_above_it():
    assert [at(t).clients for t in (0.05, 0.1, 0.15, 0.6, 0.65)] == [3, 3, 2, 1, 0]
    assert at(0.3).expected_precision == pytest.approx(0.45)
    assert at(0.9).expected_precision is None


def test_revenue_is_weighed_by_probability_and_kept_by_currency():
    assert dict(at(0.5).flagged_revenue) == {"EUR": 600, "USD": 0}
    assert dict(at(0.5).missed_revenue) == {"EUR": 600, "USD": 50}
    assert dict(at(0.05).missed_revenue) == {"EUR": 0, "USD": 0}


def test_a_capacity_takes_the_riskiest_of_each_csm_but_nobody_at_everybodys_risk():
    rules = Capacity(min_lift=2, min_probability=0.3)
    portfolio = [client(n, p, csm=MAYA if n % 2 else TOM) for n, p in enumerate([0.5, 0.4, 0.3, 0.02, 0.02, 0.02])]
    assert [choice.clients for choice in thresholds.by_capacity(portfolio, rules, most=4)] == [2, 3, 3, 3]


def test_the_cost_curve_counts_only_revenue_that_is_known_in_its_currency():
    curve, one_by_one = thresholds.costs(PORTFOLIO, Price(100, 0.5, "EUR"), (0.5,))
    everybody, above = curve
    assert (everybody.threshold, everybody.contacts, everybody.cost) == (0.0, 2, 200)
    assert everybody.saved == round(0.5 * 12 * (0.6 * 1000 + 0.3 * 2000))
    assert (above.contacts, above.net) == (1, 3600 - 100)
    assert one_by_one.net == everybody.net


def test_whom_it_costs_more_to_contact_than_it_saves_is_not_contacted():
    _, one_by_one = thresholds.costs(PORTFOLIO, Price(3_600, 0.5, "EUR"))
    assert (one_by_one.contacts, one_by_one.net) == (0, 0), "what it costs exactly, it does not gain"


def test_the_currency_of_most_clients_is_taken_and_none_where_no_revenue_is_known():
    assert thresholds.most_used(PORTFOLIO) == "EUR"
    assert thresholds.most_used([client(1, 0.5, None, None)]) is None


def test_what_was_measured_is_read_between_the_two_shares_next_to_it():
    curve = [
        {"share_of_clients": share, "precision": dict.fromkeys(("value", "low", "high"), value), "recall": nothing}
        for share, value, nothing in (
            (0.1, 0.5, {"value": None, "low": None, "high": None}),
            (0.2, 0.3, {"value": 1, "low": 1, "high": 1}),
        )
    ]
    found = thresholds.between(curve, 0.15)
    assert found is not None
    assert found["precision"]["value"] == pytest.approx(0.4)
    assert found["recall"]["value"] is None
    assert thresholds.between(curve, 0.5) is None
    assert thresholds.between([], 0.1) is None


standings = st.lists(
    st.builds(
        client,
        st.integers(0, 2**64),
        st.floats(0.0001, 0.9999),
        st.none() | st.integers(0, 10**7),
        st.sampled_from(["EUR", "USD"]),
        st.sampled_from([MAYA, TOM, None]),
    ),
    max_size=30,
    unique_by=lambda one: one.client_id,
)


@given(standings)
def test_what_is_flagged_and_missed_is_always_everything(portfolio: list[Standing]):
    choices = [*thresholds.by_threshold(portfolio), *thresholds.by_capacity(portfolio, Capacity())]
    for currency in {one.currency for one in portfolio if one.mrr is not None}:
        total = sum(one.mrr * one.probability for one in portfolio if one.currency == currency and one.mrr is not None)
        for choice in choices:
            assert choice.flagged_revenue[currency] + choice.missed_revenue[currency] == pytest.approx(total, abs=2)


@given(standings, st.integers(0, 10**6), st.floats(0.01, 1))
def test_no_threshold_gains_more_than_choosing_client_by_client(portfolio: list[Standing], cost: int, share: float):
    curve, one_by_one = thresholds.costs(portfolio, Price(cost, share, "EUR"))
    assert all(worth.net <= one_by_one.net + 1 for worth in curve)
