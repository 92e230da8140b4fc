"""Reasons are sentences made of facts, and the scorecard counts signs."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import pytest
from churn.adapters.policy_files import load_policy
from churn.domain import facts, scorecard
from churn.domain.assessment import Level
from churn.domain.features import NAMES, values
from churn.domain.policy import placeholders
from churn.domain.reasons import CODES, explain
from churn.domain.saying import number, on, plural
from common.settings import REPOSITORY_CONFIG
from hypothesis import given
from hypothesis import strategies as st

from tests.support.churn_world import MONDAY, Teller, beginning, money, turning_away, weekly_life

POLICY = load_policy(REPOSITORY_CONFIG)
DAYS = timedelta(days=1)
START = MONDAY - 196 * DAYS


def said(teller: Teller, code: str, *, raising: bool = True) -> str:
    view = teller.view()
    return explain({code: 1.0 if raising else -1.0}, values(view), view, POLICY)[0].text


def test_a_client_that_turned_away_is_described_as_a_colleague_would():
    teller = Teller().tell_all(turning_away(START))
    assert said(teller, "logins") == "logins fell from 34 to 6 a week since 2 Feb"
    assert said(teller, "sponsor") == "sponsor left on 2 Feb, nobody has taken over"
    assert said(teller, "mood").startswith("what they write turned from friendly (+0.4) to negative (")


def test_sentences_for_single_facts():
    teller = Teller().tell_all([*beginning(START), *weekly_life(START, 20)])
    assert said(teller, "logins") == "no login for 62 days; there were 34 a week before"
    teller.tell("invoice_issued", MONDAY - 40 * DAYS, invoice_id="i", amount=money(1), due_on="2026-02-01")
    assert said(teller, "invoices") == "an invoice is 28 days overdue"
    teller.tell("subscription_changed", MONDAY - 2 * DAYS, subscription_id="s-1", mrr_after=money(400_000))
    assert said(teller, "revenue") == "recurring revenue fell by 20 % in 90 days"
    teller.tell("competitor_mentioned", MONDAY - 9 * DAYS)
    assert said(teller, "competitor") == "a competitor came up on 21 Feb"
    assert said(teller, "features") == "2 of 2 key features unused for four weeks (reports, alerts)"
    assert said(teller, "sponsor", raising=False) == "a sponsor is in place"


def weeks_of_logins(*counts: int, at: datetime = MONDAY) -> Teller:
    """A client whose logins are told every Monday and Thursday, half each, the last Monday a week before `at`."""
    teller = Teller().tell_all(beginning(at - len(counts) * 7 * DAYS))
    for week, count in enumerate(counts):
        monday = at - (len(counts) - week) * 7 * DAYS
        for day in (0, 3):
            teller.tell("logged_in", monday + day * DAYS, count=count // 2)
    return teller


def test_a_day_that_has_just_begun_is_no_fall():
    """The Monday's logins come later on Monday: a steady client stays steady."""
    steady = weeks_of_logins(*[40] * 20)
    assert said(steady, "logins", raising=False) == "logins hold at 40 a week"
    assert said(steady, "logins") == "at 40 a week, logins look like those of clients who left"


def test_a_fall_is_one_in_its_own_numbers():
    """Weeks before the run that are low, too, are no past to fall from."""
    ups_and_downs = weeks_of_logins(*[60] * 16, 48, 36, 56, 46)
    assert said(ups_and_downs, "logins") == "logins fell from 60 to 46 a week since 2 Feb"


def test_who_came_back_did_not_hold():
    came_back = weeks_of_logins(*[60] * 16, 0, 0, 0, 62)
    assert said(came_back, "logins", raising=False) == "logins are back at 62 in the last week"
    assert said(came_back, "logins") == "logins averaged 16 a week over four weeks, 60 before; the last week had 62"


def test_a_sudden_dip_is_said_before_the_month_has_fallen():
    assert said(weeks_of_logins(*[60] * 18, 40, 40), "logins") == (
        "logins dipped from 60 to 40 a week in the last two weeks"
    )


def test_ratings_are_not_called_low_that_are_only_old():
    teller = Teller().tell_all(beginning(START))
    teller.tell("survey_answered", MONDAY - 70 * DAYS, survey="nps", score=9, scale_min=0, scale_max=10)
    assert said(teller, "satisfaction") == "nobody has rated or answered anything for 10 weeks"
    teller.tell("survey_answered", MONDAY - 2 * DAYS, survey="nps", score=6, scale_min=0, scale_max=10)
    assert said(teller, "satisfaction") == "their NPS answer fell from 9 to 6 of 10"


def test_active_seats_are_counted_before_they_are_called_few():
    teller = Teller().tell_all([*beginning(START), *weekly_life(START, 28)])
    assert said(teller, "seats") == "85 % of 20 seats are active"


def test_a_sponsor_who_was_followed_and_a_payment_that_was_made_good_are_said_to_be_so():
    teller = Teller().tell_all(beginning(START))
    teller.tell("invoice_issued", MONDAY - 20 * DAYS, invoice_id="i", amount=money(1), due_on="2026-02-25")
    teller.tell("payment_failed", MONDAY - 9 * DAYS, invoice_id="i", amount=money(1), attempt=1)
    teller.tell("invoice_paid", MONDAY - 7 * DAYS, invoice_id="i", amount=money(1))
    assert said(teller, "invoices") == "a payment failed on 21 Feb; nothing is overdue now"
    teller.tell("contact_left", MONDAY - 9 * DAYS, contact_id="ada")
    teller.tell("contact_added", MONDAY - 2 * DAYS, contact_id="eve", role="sponsor")
    assert said(teller, "sponsor") == "sponsor left on 21 Feb; somebody new has taken over"


def test_a_mood_that_was_bad_before_did_not_turn():
    def mood(before: float, now: float) -> str:
        teller = Teller().tell_all([*beginning(START), *weekly_life(START, 22, mood=before)])
        return said(teller.tell_all(weekly_life(START, 6, mood=now, first_week=22)), "mood")

    assert mood(0.4, -0.6).startswith("what they write turned from friendly (+")
    assert mood(0.0, -0.9).startswith("what they write turned from neutral (+")
    assert mood(-0.3, -0.9).startswith("the mood of what they write fell from -0.")


def test_single_events_are_linked():
    teller = Teller().tell_all(beginning(START)).tell("contact_left", MONDAY - DAYS, contact_id="ada")
    view = teller.view()
    reason = explain({"sponsor": 0.9}, values(view), view, POLICY)[0]
    assert reason.model_dump()["events"] == ("event-6",)


def test_strongest_first_up_to_five_that_raise_and_three_that_lower():
    groups = {code: (n + 1) / 10 * (-1) ** n for n, code in enumerate(CODES)}
    view = Teller().tell_all(beginning(START)).view()
    reasons = explain(groups, values(view), view, POLICY)
    signs = [r.contribution > 0 for r in reasons]
    assert signs == [True] * 5 + [False] * 3
    assert [abs(r.contribution) for r in reasons[:5]] == sorted(
        (abs(r.contribution) for r in reasons[:5]), reverse=True
    )


def test_weak_contributions_get_no_sentence():
    view = Teller().view()
    assert explain({"logins": 0.01, "mood": -0.02}, values(view), view, POLICY) == ()


def test_what_is_not_known_is_said_to_be_so():
    teller = Teller().tell_all(beginning(START))
    assert said(teller, "satisfaction", raising=False) == "no ratings are known"
    assert said(teller, "usage") == "no usage is known"


@given(
    code=st.sampled_from(CODES),
    raising=st.booleans(),
    weeks=st.integers(0, 28),
    badly=st.integers(0, 12),
    ahead=st.integers(0, 90),
)
def test_every_reason_can_be_said_of_any_client(code: str, raising: bool, weeks: int, badly: int, ahead: int):
    teller = Teller().tell_all(turning_away(START, well=weeks, badly=badly))
    view = teller.view(MONDAY + ahead * DAYS)
    text = explain({code: 1.0 if raising else -1.0}, values(view), view, POLICY)[0].text
    assert text
    assert "{" not in text
    assert "nan" not in text.split()


def test_every_placeholder_is_a_fact_that_somebody_makes():
    import inspect

    from churn.domain import facts_usage

    source = inspect.getsource(facts) + inspect.getsource(facts_usage)
    for code, sentences in POLICY.sentences.items():
        for sentence in sentences.raises + sentences.lowers:
            for name in placeholders(sentence):
                generic = name.replace("logins_", "_").replace("usage_", "_")
                assert f"{name}=" in source or f'"{name}"' in source or f"{generic}" in source, (code, name)


def test_how_things_are_said():
    assert [number(v) for v in (9.04, 9.96, 34.4, 0.25, 1_234_567.0)] == ["9", "10", "34", "0.2", "1234567"]
    assert (plural(1, "ticket"), plural(3, "ticket")) == ("1 ticket", "3 tickets")
    second = int(MONDAY.timestamp())
    assert (on(second, second), on(second, second + 400 * 86_400)) == ("2 Mar", "2 Mar 2026")


def tally(teller: Teller) -> scorecard.Tally:
    return scorecard.tally(values(teller.view()), POLICY.scorecard)


def test_the_scorecard_flags_signs_of_several_families():
    found = tally(Teller().tell_all(turning_away(START)))
    assert found.level is Level.HIGH
    assert {"usage", "relationship", "mood"} <= found.families


def test_one_family_alone_is_never_enough():
    features = [math.nan] * len(NAMES)
    for sign in POLICY.scorecard.signs:
        if sign.family == "relationship":
            limit = sign.at_least if sign.at_least is not None else sign.at_most
            features[NAMES.index(sign.feature)] = float(limit or 0)
    found = scorecard.tally(features, POLICY.scorecard)
    assert found.points >= POLICY.scorecard.flag_at
    assert found.families == {"relationship"}
    assert found.level is Level.BETWEEN


def test_signs_of_the_same_reason_count_once():
    features = [math.nan] * len(NAMES)
    features[NAMES.index("logins_trend")] = -2.0
    features[NAMES.index("weeks_since_login")] = 5.0
    found = scorecard.tally(features, POLICY.scorecard)
    assert found.by_reason == {"logins": 25.0}


def test_a_healthy_client_has_no_points():
    found = tally(Teller().tell_all([*beginning(START), *weekly_life(START, 28)]))
    assert found.points == 0
    assert found.level is Level.LOW


@pytest.mark.parametrize("code", CODES)
def test_every_reason_has_its_own_words(code: str):
    sentences = POLICY.sentences[code]
    assert len(sentences.raises) + len(sentences.lowers) >= 2
