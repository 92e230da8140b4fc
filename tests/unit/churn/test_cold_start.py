"""What a service without a model says that it lacks."""

from __future__ import annotations

from datetime import timedelta

from churn.domain.cold_start import KINDS, LEAVERS_NEEDED, Stock, kinds_of, lacks
from churn.domain.moments import DAY, seconds
from churn.learning.fitting import ENOUGH_LEAVERS

from tests.support.churn_world import MONDAY, Teller, beginning, turning_away

NOW = seconds(MONDAY)


def test_it_asks_for_as_many_leavers_as_training_does():
    assert LEAVERS_NEEDED == ENOUGH_LEAVERS


def test_what_is_lacking_is_said_in_sentences():
    stock = Stock(40, 12, NOW - 61 * DAY, frozenset(KINDS) - {"surveys", "tickets"})
    assert lacks(stock, NOW, 90) == [
        "12 of 50 leavers seen",
        "2 of 8.9 months of history",
        "2 kinds of facts never seen: support tickets, surveys and ratings (NPS, CSAT)",
    ]


def test_with_enough_of_everything_nothing_is_lacking():
    assert lacks(Stock(900, 50, NOW - 300 * DAY, frozenset(KINDS)), NOW, 90) == []


def test_an_empty_service_lacks_everything():
    assert lacks(Stock(0, 0, None, ()), NOW, 90)[:2] == ["0 of 50 leavers seen", "0 of 8.9 months of history"]


def test_kinds_are_those_of_the_clients_events():
    teller = Teller().tell_all(beginning(MONDAY - timedelta(days=40)))
    assert kinds_of(teller.state) == {"contracts", "revenue", "contacts"}
    teller.tell_all(turning_away(MONDAY - timedelta(weeks=28)))
    assert kinds_of(teller.state) >= {"logins", "usage", "messages", "mood"}
    teller.tell("survey_answered", survey="nps", score=3, scale_min=0, scale_max=10)
    assert "surveys" in kinds_of(teller.state)
