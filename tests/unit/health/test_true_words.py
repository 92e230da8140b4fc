"""Sentences that must be true at the ends of a fact: the first login, a renewal that is past, or years ahead."""

from __future__ import annotations

import pytest
from common.contracts import client
from health.domain.facts import FACTS

from tests.support.health_world import day, event, registered
from tests.unit.health.test_words import on, told

NEW = [registered()]


def renewal(days: float) -> list:
    return [registered(renewal_on=day(days).date().isoformat())]


def test_the_first_login_is_not_again():
    first = event(client.LoggedIn(), day(3))
    assert told("days_since_login", first, since=2, until=3, base=NEW).startswith("somebody logged in (")
    assert told("days_since_login", first, event(client.LoggedIn(), day(9)), since=8, until=9, base=NEW).startswith(
        "somebody logged in again after 5 days"
    )


def test_the_first_use_is_not_again_either():
    first = event(client.UsageRecorded(feature="reports", quantity=1.0), day(3))
    assert told("days_since_login", first, since=2, until=3, base=NEW).startswith("the product was used (")


@pytest.mark.parametrize(
    ("ahead", "says"),
    [
        (110, "renewal on 25 Apr, in 9 days, and nobody talks about it (was 11 days)"),
        (101, "renewal today and nobody talks about it (was 2 days)"),
        (100, "renewal on 15 Apr is past and nobody talks about it (was 1 day)"),
        (40, "renewal on 14 Feb is past and nobody talks about it"),
        (1600, "renewal on 24 May 2030, in 1499 days, and nobody talks about it (was 1501 days)"),
    ],
)
def test_a_renewal_is_told_as_it_stands(ahead: float, says: str):
    assert told("renewal_runway", base=renewal(ahead)) == says


@pytest.mark.parametrize(
    ("days", "says"),
    [
        (0, "the renewal is due, or past, and nobody talks about it"),
        (1, "1 day to renewal and nobody talks about it"),
        (998, "998 days or more to renewal and nobody talks about it"),
        (999, "the renewal is being talked about, or signed"),
    ],
)
def test_the_bare_figure_of_a_renewal_is_true_too(days: int, says: str):
    assert FACTS["renewal_runway"].say(days) == says


def test_an_old_move_is_as_old_as_its_window():
    less = on(10, client.SubscriptionChanged, "stripe", subscription_id="s",
              mrr_before={"amount": 900, "currency": "USD"}, mrr_after={"amount": 500, "currency": "USD"})  # fmt: skip
    assert told("plan_change", less, since=99, until=101) == "plan unchanged: the smaller plan is 90 days old"
