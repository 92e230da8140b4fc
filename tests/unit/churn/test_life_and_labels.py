"""When a client has ended, and what label a moment has."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from churn.domain.labels import Label, Rules, label, spells
from churn.domain.life import LIFECYCLE, Life
from churn.domain.moments import DAY, parse

from tests.support.churn_world import body_of, money

GRACE = 30
RULES = Rules(horizon_days=90, min_tenure_days=30, grace_days=GRACE)
START = parse("2025-01-01")
LATE = parse("2027-01-01")


def day(n: int) -> int:
    return START + n * DAY


def on(n: int) -> str:
    return (date(2025, 1, 1) + timedelta(days=n)).isoformat()


Told = list[tuple[int, str, dict[str, Any]]]


def fact(n: int, name: str, **data: Any) -> tuple[int, str, dict[str, Any]]:
    return day(n), name, body_of(name, **data).fact()


def life(events: Told) -> Life:
    result = Life()
    for at, name, data in events:
        LIFECYCLE[name](result, data, at)
    return result


SIGNED = fact(0, "contract_signed", contract_id="c", starts_on=on(0), ends_on=on(365), mrr=money(100))
PAYS = fact(0, "subscription_changed", subscription_id="s", mrr_after=money(100))
NOTICE = fact(200, "contract_cancelled", contract_id="c", effective_on=on(230))


def test_notice_ends_a_client_when_it_is_given():
    assert life([SIGNED, NOTICE]).ended(day(201), GRACE) == (day(200), "notice", None)
    assert life([SIGNED, NOTICE]).ended(day(199), GRACE) is None


def test_notice_for_one_of_two_contracts_is_no_end():
    other = fact(1, "contract_signed", contract_id="d", starts_on=on(1), ends_on=on(365))
    assert life([SIGNED, other, NOTICE]).ended(day(201), GRACE) is None
    both = fact(210, "contract_cancelled", contract_id="d", effective_on=on(240))
    assert life([SIGNED, other, NOTICE, both]).ended(day(211), GRACE) == (day(210), "notice", None)


def test_a_notice_taken_back_and_a_new_contract_go_on():
    back = fact(205, "cancellation_withdrawn", contract_id="c")
    again = fact(250, "contract_signed", contract_id="e", starts_on=on(250), mrr=money(100))
    assert life([SIGNED, NOTICE, back]).ended(day(206), GRACE) is None
    whole = fact(200, "contract_cancelled", effective_on=on(230))
    assert life([SIGNED, whole, again]).ended(day(251), GRACE) is None


def test_revenue_fallen_to_zero_is_an_end_until_it_rises_again():
    none_left = fact(100, "subscription_changed", subscription_id="s", mrr_after=money(0))
    back = fact(150, "subscription_changed", subscription_id="s", mrr_after=money(50))
    assert life([PAYS, none_left]).ended(day(101), GRACE) == (day(100), "mrr_zero", None)
    assert life([PAYS, none_left, back]).ended(day(151), GRACE) is None


def test_one_subscription_of_two_may_end():
    two = fact(1, "subscription_changed", subscription_id="t", mrr_after=money(70))
    one = fact(100, "subscription_changed", subscription_id="s", mrr_after=money(0))
    assert life([PAYS, two, one]).ended(day(101), GRACE) is None
    assert life([PAYS, two, one]).mrr == 70


def test_a_contract_that_runs_out_lapses_after_the_grace_unless_something_pays():
    assert life([SIGNED]).ended(day(394), GRACE) is None
    assert life([SIGNED]).ended(day(395), GRACE) == (day(365), "lapse", None)
    assert life([SIGNED, PAYS]).ended(day(500), GRACE) is None
    renewed = fact(380, "contract_renewed", contract_id="c", starts_on=on(366), ends_on=on(730))
    assert life([SIGNED, renewed]).ended(day(395), GRACE) is None


def found(events: Told, moment: int, *, until: int = LATE, rules: Rules = RULES) -> Label | None:
    return label(spells(events, until, rules), day(moment), until, rules)


def labels(events: Told, *moments: int, until: int = LATE, rules: Rules = RULES) -> list[int | None]:
    return [one.left if (one := found(events, m, until=until, rules=rules)) else None for m in moments]


def test_a_moment_is_one_if_the_end_lies_within_its_horizon():
    assert labels([SIGNED, PAYS, NOTICE], 100, 109, 110, 199, 200, 250) == [0, 0, 1, 1, None, None]


def test_what_is_not_known_yet_is_censored_for_leavers_and_stayers_alike():
    until = day(220)
    assert labels([SIGNED, PAYS, NOTICE], 129, 130, 131, 190, until=until) == [1, 1, None, None]
    assert labels([SIGNED, PAYS], 129, 130, 131, until=until) == [0, 0, None]


def test_a_contract_end_that_nobody_can_judge_yet_is_censored():
    until = day(380)
    assert labels([SIGNED], 270, 274, 280, until=until) == [0, 0, None]
    assert labels([SIGNED], 276, 289, until=day(394)) == [None, None]
    assert labels([SIGNED], 274, 276, until=day(400)) == [0, 1]


def test_a_notice_taken_back_does_not_count_as_leaving():
    back = fact(230, "cancellation_withdrawn")
    assert labels([SIGNED, PAYS, NOTICE, back], 150, 240) == [0, 0]


def test_a_client_that_comes_back_has_a_second_spell():
    again = fact(300, "contract_signed", contract_id="c", starts_on=on(300), mrr=money(10))
    assert labels([SIGNED, PAYS, NOTICE, again], 150, 250, 310) == [1, None, 0]


def test_notice_for_all_that_still_runs_is_enough():
    first = fact(0, "contract_signed", contract_id="old", starts_on=on(0), ends_on=on(100))
    second = fact(90, "contract_signed", contract_id="c", starts_on=on(100), ends_on=on(465))
    assert life([first, second, NOTICE]).ended(day(201), GRACE) == (day(200), "notice", None)


FINISHING = Rules(not_leaving=frozenset({"completed"}))
FINISHED = fact(200, "contract_cancelled", effective_on=on(200), reason="Completed")


def test_who_has_completed_has_gone_but_has_not_left():
    assert labels([SIGNED, FINISHED], 100, 110, 199, 200, 210, rules=FINISHING) == [0, 0, 0, None, None]
    assert labels([SIGNED, FINISHED], 110) == [1], "where nobody says that this is no leaving, it is"
    price = fact(200, "contract_cancelled", effective_on=on(200), reason="price")
    assert labels([SIGNED, price], 110, rules=FINISHING) == [1]


def test_revenue_that_ends_in_the_same_second_does_not_hide_why():
    none_left = fact(200, "subscription_changed", subscription_id="s", mrr_after=money(0))
    for last_second in ([none_left, FINISHED], [FINISHED, none_left]):
        assert labels([PAYS, *last_second], 150, 210, rules=FINISHING) == [0, None]


def test_a_switch_within_a_second_is_no_departure():
    stops = fact(100, "subscription_changed", subscription_id="s", mrr_after=money(0))
    starts = fact(100, "subscription_changed", subscription_id="t", mrr_after=money(80))
    assert labels([PAYS, stops, starts], 50, 100, 150) == [0, 0, 0]


def test_a_label_is_known_when_its_horizon_is_over_and_its_last_doubt_settled():
    assert found([SIGNED, PAYS], 100) == (0, day(190), 0)
    assert found([SIGNED, PAYS, NOTICE], 190) == (1, day(280), day(200))
    assert found([SIGNED], 280) == (1, day(395), day(365)), "a lapse waits for its grace"
    back = fact(300, "cancellation_withdrawn")
    assert found([SIGNED, PAYS, NOTICE, back], 150) == (0, day(300), 0), "until then it was a leaver's"
    assert found([SIGNED, PAYS, NOTICE, back], 100) == (0, day(190), 0), "the notice came after the horizon"


def test_a_renewal_that_came_late_is_known_when_it_came():
    renewed = fact(380, "contract_renewed", contract_id="c", starts_on=on(366), ends_on=on(730))
    assert found([SIGNED, renewed], 276) == (0, day(380), 0), "on day 366 nobody knew whether it would be renewed"
    assert found([SIGNED, renewed], 292) == (0, day(382), 0)
    early = fact(300, "contract_renewed", contract_id="c", starts_on=on(366), ends_on=on(730))
    assert found([SIGNED, early], 276) == (0, day(366), 0)
