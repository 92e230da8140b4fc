"""A client's MRR is the sum over its subscriptions, day by day."""

from __future__ import annotations

import pytest
from common.contracts import client
from health.domain.facts import FACTS, At
from health.domain.fold import fold
from health.domain.journey import EMPTY
from health.domain.moments import DAY, seconds_of

from tests.support.health_world import day, event, registered


def subscribed(name: str, amount: int, number: int, hours: float = 0):
    body = {"subscription_id": name, "mrr_after": {"amount": amount, "currency": "USD"}}
    return event(client.SubscriptionChanged.model_validate(body), day(number, hours))


def trend(*changes, at: int) -> int:
    state = fold([registered(mrr=None), *changes])
    second = seconds_of(day(at))
    return FACTS["mrr_trend"].measure(state, At(second, second // DAY, EMPTY), {"window": 90}).value


def test_subscriptions_that_begin_on_one_day_are_no_growth():
    together = [subscribed(name, 100, 1, hours) for hours, name in enumerate(("plan", "meetings", "search"))]
    assert trend(*together, at=45) == 1000
    assert trend(*together, subscribed("more", 150, 30), at=45) == 1500


@pytest.mark.parametrize("plans", [(("new", 100), ("old", 0)), (("old", 0), ("new", 100))])
def test_one_subscription_put_in_the_place_of_another_leaves_mrr_as_it_was(plans):
    begun = subscribed("old", 100, 1)
    assert (
        trend(begun, *(subscribed(name, amount, 60, hours) for hours, (name, amount) in enumerate(plans)), at=70)
        == 1000
    )
