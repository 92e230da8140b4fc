"""Stripe does not always say what a subscription costs; then nothing is said, rather than nothing a month."""

from __future__ import annotations

from typing import Any

import pytest
from ingest.domain.statement import Ignored

from tests.support.mapped_words import said

MONTHLY = {"interval": "month", "interval_count": 1}
PRICE = {"unit_amount": 5000, "recurring": MONTHLY}
METERED = {"unit_amount": 5, "recurring": {**MONTHLY, "usage_type": "metered"}}


def changed(**parts: Any) -> Any:
    thing = {"id": "sub_1", "customer": "cus_1", "status": "active", "currency": "usd", **parts}
    event = {"id": "evt_1", "type": "customer.subscription.updated", "created": 1772442000, "data": {"object": thing}}
    [found] = said("stripe", event)
    return found


@pytest.mark.parametrize(
    "items",
    [
        None,
        {"data": None},
        {"data": []},
        {"data": [{"price": PRICE, "quantity": None}]},
        {"data": [{"price": METERED}]},
        {"data": [{"price": PRICE, "quantity": 2}, {"price": METERED}]},
        {"data": [{"plan": {"amount": 5, **MONTHLY, "usage_type": "metered"}}]},
    ],
)
def test_an_active_subscription_of_unstated_price_is_not_worth_nothing(items: Any) -> None:
    assert isinstance(changed(items=items), Ignored)


def test_what_is_stated_counts_and_who_does_not_pay_pays_nothing() -> None:
    assert changed(items={"data": [{"price": PRICE, "quantity": 2}]}).data.mrr_after.amount == 10000
    assert changed(items={"data": [{"price": PRICE}]}).data.mrr_after.amount == 5000
    assert changed(items=None, status="paused").data.mrr_after.amount == 0
