"""Features by example, and that all of them behave where there is little to know."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest
from churn.domain import health_track
from churn.domain.features import BY_NAME, FEATURES, NAMES, extract, signs
from churn.domain.features.view import WEEKS
from churn.domain.health_track import HealthTrack
from churn.domain.moments import seconds
from churn.domain.reasons import CODES
from churn.domain.state import State
from hypothesis import given
from hypothesis import strategies as st

from tests.support.churn_world import MONDAY, Teller, beginning, money, turning_away, weekly_life

DAYS = timedelta(days=1)
START = MONDAY - 196 * DAYS


def steady(weeks: int = 28) -> Teller:
    return Teller().tell_all([*beginning(START), *weekly_life(START, weeks)])


def test_names_are_unique_documented_and_enough():
    assert len(set(NAMES)) == len(NAMES) >= 50
    assert len(CODES) >= 15
    for feature in FEATURES:
        assert len(feature.doc) > 15, feature.name
        assert feature.direction in (-1, 0, 1)


def test_an_unknown_client_has_no_zeros_that_pretend_to_be_facts():
    values = dict(zip(NAMES, extract(State(), HealthTrack(), seconds(MONDAY)), strict=True))
    assert [name for name, value in values.items() if not math.isnan(value)] == ["good_signs"]


def test_a_steady_client_shows_no_trend():
    found = steady().features()
    assert found["logins_trend"] == pytest.approx(0, abs=0.05)
    assert found["usage_dip"] == pytest.approx(0, abs=0.05)
    assert found["weeks_since_login"] == 0
    assert found["login_weeks_active"] == 8
    assert found["feature_depth"] == 1
    assert found["seat_use"] == pytest.approx(17 / 20)
    assert found["mrr_change"] == 0
    assert found["sponsor_lost"] == 26


def test_a_client_that_turns_away_shows_it_everywhere():
    found = Teller().tell_all(turning_away(START)).features()
    assert found["logins_trend"] < -1
    assert found["logins_dip"] < -0.5
    assert found["usage_trend"] < -1
    assert found["sponsor_missing"] == 1
    assert found["sponsor_lost"] == pytest.approx(4, abs=0.2)
    assert found["mood_change"] < -0.5


def test_daily_and_weekly_sources_read_the_same():
    weekly, daily = Teller().tell_all(beginning(START)), Teller().tell_all(beginning(START))
    for week in range(28):
        weekly.tell("logged_in", START + timedelta(weeks=week, days=6), count=35)
        for day in range(7):
            daily.tell("logged_in", START + timedelta(weeks=week, days=day), count=5)
    one, other = weekly.features(), daily.features()
    for name in ("logins_level", "logins_trend", "logins_dip", "weeks_since_login", "login_weeks_active"):
        assert one[name] == pytest.approx(other[name], abs=0.2), name


def test_money_shows_overdue_downgrade_and_renewal():
    teller = steady()
    teller.tell("invoice_issued", MONDAY - 40 * DAYS, invoice_id="i", amount=money(1), due_on="2026-02-01")
    teller.tell("subscription_changed", MONDAY - 5 * DAYS, subscription_id="s-1", mrr_after=money(250_000))
    teller.tell("client_updated", MONDAY, renewal_on="2026-04-01")
    found = teller.features()
    assert found["invoice_overdue_days"] == pytest.approx(28.4, abs=0.1)
    assert found["mrr_change"] == -0.5
    assert found["days_to_renewal"] == pytest.approx(29.6, abs=0.1)
    teller.tell("invoice_paid", MONDAY, invoice_id="i")
    assert teller.features()["invoice_overdue_days"] == 0
    assert teller.features()["invoices_paid_late"] == 1


def test_support_and_satisfaction():
    teller = steady()
    for n in range(3):
        teller.tell("ticket_opened", MONDAY - 9 * DAYS, ticket_id=str(n), priority="urgent")
    teller.tell("ticket_resolved", MONDAY - 8 * DAYS, ticket_id="0", csat={"score": 1, "scale_max": 5})
    teller.tell("survey_answered", MONDAY - 80 * DAYS, survey="nps", score=9, scale_min=0, scale_max=10)
    teller.tell("survey_answered", MONDAY - 8 * DAYS, survey="nps", score=4, scale_min=0, scale_max=10)
    found = teller.features()
    assert found["tickets_recent"] == 3
    assert found["tickets_open"] == found["tickets_urgent"] == 2
    assert found["ticket_oldest_days"] == 9
    assert found["csat_level"] == 0
    assert found["nps_change"] == pytest.approx(-0.5)


def planned(
    teller: Teller, milestone: str, due: int, done: int | None = None, value: float | None = None, **own: Any
) -> None:
    """Days since START; told when it happened."""
    plan = {"phase": "adoption", "owner_email": "o@example.com", "kpi": "k", **own}
    teller.tell("milestone_planned", START, milestone=milestone, due_at=(START + due * DAYS).isoformat(), **plan)
    if done is not None:
        said = {} if value is None else {"kpi_value": value}
        teller.tell("milestone_completed", START + done * DAYS, milestone=milestone, **said)


def test_a_journey_that_is_left_shows_how():
    teller = Teller().tell_all(beginning(START))
    planned(teller, "a", 20, 10, 90)
    planned(teller, "b", 40, 38, 80)
    planned(teller, "c", 60, 63, 70)
    planned(teller, "d", 80, 90, 40)
    planned(teller, "e", 100)
    planned(teller, "f", 230)
    found = teller.features()
    assert found["milestones_missed"] == 1 / 5
    assert found["milestones_missed_run"] == 3
    assert found["days_since_milestone"] == 106
    assert found["next_milestone_days"] == 34
    assert found["milestones_done"] == 4 / 6
    assert found["milestones_due"] == 5 / 6
    assert found["milestone_ahead_days"] == (10 + 2 - 3 - 10) / 4
    assert found["milestone_ahead_change"] == (-3 - 10) / 2 - (10 + 2) / 2
    assert found["plan_days_left"] == 34
    assert found["milestone_score_last"] == 40
    assert found["milestone_scores"] == 70, "in the unit they came in"
    assert found["milestone_ahead_least"] == -10
    assert found["milestones_done_late"] == 2 / 4
    assert found["milestones_done_early"] == 0
    assert found["milestone_days"] == 0, "the last was done 106 days ago"
    assert found["milestone_pause"] == 106 / 27, "of 28, 25 and 27 days between them"


def test_what_is_done_ahead_of_the_plan_and_how_often():
    teller = Teller().tell_all(beginning(START))
    planned(teller, "a", 230, 150)
    assert math.isnan(teller.features()["milestone_pause"]), "one is no pace"
    planned(teller, "b", 240, 150)
    planned(teller, "c", 185, 180)
    found = teller.features()
    assert found["milestones_done_early"] == 2
    assert found["milestones_done_late"] == 0
    assert found["milestone_days"] == 2, "two on one day"
    assert found["milestone_pause"] == 16 / 30


def test_a_journey_without_a_milestone_says_nothing_but_one_that_begins_with_a_miss_does():
    teller = Teller().tell_all(beginning(START))
    silent = teller.features()
    assert all(math.isnan(silent[name]) for name in NAMES if "milestone" in name)
    planned(teller, "a", 150)
    assert teller.features()["days_since_milestone"] == 46
    assert math.isnan(teller.features()["milestone_ahead_days"])


def test_milestones_that_say_how_much_they_count():
    teller = Teller().tell_all(beginning(START))
    planned(teller, "a", 20, 10, 80, weight=20)
    planned(teller, "b", 40, 38, 100, weight=1)
    planned(teller, "c", 60, 63, 40, weight=20)
    planned(teller, "d", 80, weight=9)
    planned(teller, "e", 230, weight=50)
    found = teller.features()
    assert found["milestones_weight_due"] == 0.5
    assert found["milestones_weight_done"] == pytest.approx(41 / 50)
    assert found["milestones_earned"] == pytest.approx((20 * 80 + 100 + 20 * 40) / 50)


@pytest.mark.parametrize("weight", ["much", None, -1, [], {}, True, float("nan"), 10**400])
def test_a_weight_that_is_none_is_not_believed(weight: Any):
    teller = Teller().tell_all(beginning(START))
    planned(teller, "a", 20, weight=weight)
    assert math.isnan(teller.features()["milestones_weight_done"])


def test_what_a_use_costs_and_what_is_used_no_more():
    teller = steady(20)
    found = teller.features()
    assert found["features_lost"] == 2
    assert found["usage_days"] == 0
    assert found["usage_days_trend"] < -1
    assert found["usage_price"] == pytest.approx(math.log(5001))
    busy = steady().features()
    assert busy["usage_days"] == 8
    assert busy["users_level"] == pytest.approx(math.log(18))
    assert busy["usage_per_user"] == pytest.approx(math.log1p(34 * 8 / 17))
    assert busy["usage_price"] < found["usage_price"]


def test_revenue_lowered_twice():
    teller = steady()
    for day, amount in ((150, 450_000), (20, 470_000), (5, 250_000)):
        teller.tell("subscription_changed", MONDAY - day * DAYS, subscription_id="s-1", mrr_after=money(amount))
    assert teller.features()["mrr_cuts"] == 2


def test_feedback_that_stops():
    teller = steady()
    assert math.isnan(teller.features()["weeks_since_feedback"])
    teller.tell("survey_answered", MONDAY - 140 * DAYS, survey="nps", score=9, scale_min=0, scale_max=10)
    assert teller.features()["weeks_since_feedback"] == 20
    teller.tell("feedback_given", MONDAY - 7 * DAYS)
    assert teller.features()["weeks_since_feedback"] == 1


def test_early_warning_signs_are_counted_with_their_families():
    calm = steady().features()
    assert (calm["signs_showing"], calm["sign_families"]) == (0, 0)
    teller = Teller().tell_all(turning_away(START))
    names = {sign.name for sign in signs.showing(teller.view()) or ()}
    assert {"the sponsor changed", "the mood turning", "a sudden dip of use"} <= names
    assert teller.features()["sign_families"] == 3


def test_answers_that_take_longer():
    teller = Teller().tell_all(beginning(START))
    for n in range(10):
        asked = START + n * 18 * DAYS
        teller.tell("message_exchanged", asked, message_id=f"q{n}", channel="email", direction="outbound")
        hours = 6 if n < 7 else 60
        teller.tell(
            "message_exchanged",
            asked + timedelta(hours=hours),
            message_id=f"a{n}",
            channel="email",
            direction="inbound",
            reading={"words": 40 if n < 7 else 8},
        )
    teller.tell("message_exchanged", MONDAY - 3 * DAYS, message_id="q", channel="email", direction="outbound")
    found = teller.features()
    assert found["reply_hours"] == 60
    assert found["reply_trend"] > 0.7
    assert found["message_words"] < -0.5
    assert found["silent_days"] == 3


def test_health_is_read_as_it_was_known_and_never_across_models():
    track = HealthTrack()

    def scored(day: int, score: float, model: str = "loop") -> None:
        at = MONDAY - day * DAYS
        band = "amber" if score >= 60 else "red"
        data = {"mode": "live", "score": score, "band": band, "model": model, "as_of": at.isoformat()}
        data["confidence"] = 0.75
        health_track.add(track, {**data, "components": [{"name": "usage", "score": score}]})

    for day in range(84, 0, -7):
        scored(day, 50 + day / 4)
    values = dict(zip(NAMES, extract(State(), track, seconds(MONDAY)), strict=True))
    assert values["health_slope_90"] == pytest.approx(-7.5, abs=0.2)
    assert values["component_usage"] == values["health_score"] == pytest.approx(51.75)
    assert values["health_drop"] < -15
    assert values["days_below_top"] == pytest.approx(84)
    assert values["days_in_band"] == pytest.approx(35)
    assert values["health_confidence"] == 0.75
    scored(0, 90, model="experience")
    values = dict(zip(NAMES, extract(State(), track, seconds(MONDAY)), strict=True))
    assert math.isnan(values["health_slope_90"])
    assert values["health_drop"] == 0
    assert values["days_in_band"] == 0


@given(order=st.permutations(list(range(12))))
def test_a_health_track_does_not_depend_on_the_order_of_arrival(order: list[int]):
    def data(n: int) -> dict:
        at = MONDAY + timedelta(hours=7 * n)
        return {"mode": "live", "score": float(n), "band": "red", "model": "loop", "as_of": at.isoformat()}

    straight, mixed = HealthTrack(), HealthTrack()
    for n in range(12):
        health_track.add(straight, data(n))
    for n in order:
        health_track.add(mixed, data(n))
    assert straight.days == mixed.days


def test_restated_scores_are_not_what_was_known():
    data = {"mode": "restated", "score": 1.0, "band": "red", "model": "loop", "as_of": MONDAY.isoformat()}
    assert not health_track.add(HealthTrack(), data).days


@given(
    logins=st.lists(st.tuples(st.integers(0, 250), st.integers(0, 500)), max_size=60),
    moment=st.integers(0, 400),
)
def test_no_history_makes_a_feature_fail(logins: list[tuple[int, int]], moment: int):
    teller = Teller().tell_all(beginning(START))
    for day, n in sorted(logins):
        teller.tell("logged_in", START + day * DAYS, count=n)
        teller.tell("usage_recorded", START + day * DAYS, feature="reports", quantity=n)
    values = extract(teller.state, HealthTrack(), seconds(START + max(moment, 251) * DAYS))
    assert len(values) == len(NAMES)
    assert all(math.isnan(v) or math.isfinite(v) for v in values)


def test_windows_cover_what_they_say():
    assert WEEKS == 16
    assert BY_NAME["logins_trend"].doc.startswith("ln of weekly logins")


@given(days=st.lists(st.floats(-89, 0), min_size=3, max_size=90, unique=True).map(sorted), score=st.integers(0, 1600))
def test_a_score_that_stays_has_no_slope(days: list[float], score: int):
    """Not even one of rounding: trees would split on its sign."""
    assert health_track.slope(days, [score] * len(days), 90) in (None, 0.0)
