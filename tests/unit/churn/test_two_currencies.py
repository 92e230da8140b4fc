"""Clients that pay in more than one currency, at once or one after the other."""

from __future__ import annotations

from typing import Any

from churn.domain.life import LIFECYCLE, Life
from churn.domain.moments import DAY, parse

from tests.support.churn_world import body_of

START = parse("2025-01-01")
GRACE = 30


def pays(n: int, subscription: str, amount: int, currency: str) -> tuple[int, str, dict[str, Any]]:
    data = {"subscription_id": subscription, "mrr_after": {"amount": amount, "currency": currency}}
    return START + n * DAY, "subscription_changed", body_of("subscription_changed", **data).fact()


def life(*told: tuple[int, str, dict[str, Any]]) -> Life:
    result = Life()
    for at, name, data in told:
        LIFECYCLE[name](result, data, at)
    return result


def ended(found: Life, n: int) -> tuple[int, str] | None:
    end = found.ended(START + n * DAY, GRACE)
    return None if end is None else ((end.at - START) // DAY, end.kind)


EURO, DOLLAR = pays(0, "e", 100, "EUR"), pays(10, "d", 70, "USD")


def test_who_stops_paying_in_one_currency_and_pays_in_another_has_not_left():
    found = life(EURO, DOLLAR, pays(50, "e", 0, "EUR"))
    assert ended(found, 60) is None
    assert (found.currency, found.mrr) == ("USD", 70)
    assert found.mrr_log == [[START + 50 * DAY, 70]], "amounts of two currencies are not compared"


def test_a_subscription_that_is_billed_in_another_currency_goes_on():
    found = life(EURO, pays(50, "e", 120, "USD"))
    assert ended(found, 60) is None
    assert (found.currency, found.mrr) == ("USD", 120)
    assert ended(life(EURO, pays(50, "e", 120, "USD"), pays(80, "e", 0, "USD")), 90) == (80, "mrr_zero")


def test_nothing_in_any_currency_is_an_end():
    assert ended(life(EURO, DOLLAR, pays(50, "e", 0, "EUR"), pays(70, "d", 0, "USD")), 90) == (70, "mrr_zero")
    assert ended(life(EURO, DOLLAR, pays(50, "d", 0, "USD"), pays(70, "e", 0, "EUR")), 90) == (70, "mrr_zero")
    assert ended(life(EURO, pays(50, "e", 0, "USD")), 90) == (50, "mrr_zero"), "nothing is nothing in any currency"


def test_the_first_currency_stays_while_anything_is_paid_in_it():
    found = life(EURO, DOLLAR)
    assert (found.currency, found.mrr) == ("EUR", 100)
    gone = life(EURO, DOLLAR, pays(50, "d", 0, "USD"))
    assert (gone.currency, gone.mrr, ended(gone, 60)) == ("EUR", 100, None)


def test_who_comes_back_in_another_currency_is_a_client_again():
    found = life(EURO, pays(50, "e", 0, "EUR"), pays(60, "d", 70, "USD"))
    assert ended(found, 61) is None
    assert (found.currency, found.mrr) == ("USD", 70)


def test_a_subscription_says_more_than_an_agreement_in_another_currency():
    agreed = body_of("contract_signed", contract_id="c", starts_on="2025-01-01", mrr={"amount": 9, "currency": "EUR"})
    found = life((START, "contract_signed", agreed.fact()), DOLLAR)
    assert (found.currency, found.mrr) == ("USD", 70)


def test_a_contract_with_a_subscription_in_another_currency_does_not_lapse():
    terms = {"contract_id": "c", "starts_on": "2025-01-01", "ends_on": "2025-03-01"}
    found = life(
        EURO, (START, "contract_signed", body_of("contract_signed", **terms).fact()), DOLLAR, pays(50, "e", 0, "EUR")
    )
    assert ended(found, 200) is None
