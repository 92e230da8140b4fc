"""When flags rise, fall, are overridden and come back."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from churn.adapters.policy_files import load_policy
from churn.domain import flags
from churn.domain.assessment import Assessment, level_of
from churn.domain.flags import Flag, Watch
from common.contracts.churn import Ranking, Rule
from common.contracts.errors import Conflict, NotFound, Refused
from common.settings import REPOSITORY_CONFIG
from hypothesis import given
from hypothesis import strategies as st

from tests.support.churn_world import MONDAY

CLIENT = UUID("7b2f6c7e-3a77-4a51-9b57-0a5b8c1f0001")
POLICY = load_policy(REPOSITORY_CONFIG)
DAYS = timedelta(days=1)
MAYA = "maya@ours.example"


def found(probability: float, at: datetime = MONDAY) -> Assessment:
    return Assessment(
        client_id=CLIENT,
        as_of=at,
        level=level_of(probability, POLICY.threshold, POLICY.clear_below),
        rule=Rule.THRESHOLD,
        threshold=POLICY.threshold,
        horizon_days=90,
        model="xgboost",
        model_version="2026-03-02.1",
        calibrated=True,
        reasons=(),
        probability=probability,
    )


def play(watch: Watch, *probabilities: float, start: datetime = MONDAY) -> tuple[Watch, list[str]]:
    words = []
    for day, p in enumerate(probabilities):
        watch, said = flags.decide(watch, found(p, start + day * DAYS), POLICY)
        words += [event.type_name() for event in said]
    return watch, words


def overridden(p: float = 0.7, days: int = 30) -> Watch:
    watch, _ = play(Watch(CLIENT), p)
    watch, _ = flags.override(
        watch,
        found(p).risk(),
        POLICY.overrides,
        by=MAYA,
        reason_code="seasonal",
        note="August is quiet there.",
        until=MONDAY + days * DAYS,
        now=MONDAY,
    )
    return watch


def test_a_flag_rises_at_the_threshold_and_falls_below_the_lower_line():
    _, words = play(Watch(CLIENT), 0.59, 0.60, 0.55, 0.50, 0.62, 0.49, 0.3)
    assert words == ["flag_raised", "flag_cleared"]


def test_each_rise_is_an_episode_of_its_own():
    watch, _ = play(Watch(CLIENT), 0.7)
    first = watch.flag
    watch, _ = play(watch, 0.2, 0.8)
    assert first
    assert watch.flag
    assert (first.episode, watch.flag.episode) == (1, 2)
    assert first.flag_id != watch.flag.flag_id


def test_the_same_decision_gives_the_same_flag_id():
    assert play(Watch(CLIENT), 0.7)[0].flag == play(Watch(CLIENT), 0.7)[0].flag


def test_what_an_import_showed_is_held_until_something_live_or_a_low():
    watch = flags.baseline(Watch(CLIENT), found(0.9))
    assert watch.held
    same, said = flags.decide(watch, found(0.9), POLICY, live=False)
    assert not said
    assert flags.decide(same, found(0.9), POLICY, live=True)[1]
    low, _ = flags.decide(watch, found(0.1), POLICY, live=False)
    assert flags.decide(low, found(0.9), POLICY, live=False)[1]


def test_an_override_holds_the_flag_down_until_its_day():
    watch = overridden(days=3)
    watch, words = play(watch, 0.7, 0.72, 0.2, start=MONDAY)
    assert words == []
    watch, words = play(watch, 0.7, start=MONDAY + 3 * DAYS)
    assert words == ["override_ended", "flag_raised"]
    assert watch.flag
    assert watch.flag.episode == 2
    assert watch.override is None


def test_the_same_flag_comes_back_as_its_next_episode():
    before = overridden(days=3)
    after, _ = play(before, 0.7, start=MONDAY + 3 * DAYS)
    assert before.flag
    assert after.flag
    assert after.flag.flag_id == before.flag.flag_id


def test_an_expired_override_of_a_risk_that_is_gone_clears_the_flag():
    watch, words = play(overridden(days=3), 0.1, start=MONDAY + 3 * DAYS)
    assert words == ["override_ended", "flag_cleared"]
    assert watch.flag is None


def test_an_override_ends_early_when_the_risk_rises_far_above_what_it_was():
    watch, words = play(overridden(0.7), 0.84, 0.85, start=MONDAY + DAYS)
    assert words == ["override_ended", "flag_raised"]
    assert watch.override is None


def test_a_client_that_left_closes_everything_once():
    watch, said = flags.client_left(overridden(), found(0.7).risk())
    assert [event.type_name() for event in said] == ["override_ended", "flag_cleared"]
    assert flags.client_left(watch, found(0.7).risk())[1] == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"reason_code": "because"}, "reason_code"),
        ({"note": "   short    "}, "note"),
        ({"until": MONDAY + 91 * DAYS}, "until"),
        ({"until": MONDAY}, "until"),
    ],
)
def test_an_override_says_why_and_until_when(change: dict, field: str):
    watch, _ = play(Watch(CLIENT), 0.7)
    wish: dict[str, Any] = {
        "reason_code": "seasonal",
        "note": "August is quiet there.",
        "until": MONDAY + DAYS,
        **change,
    }
    with pytest.raises(Refused) as refused:
        flags.override(watch, found(0.7).risk(), POLICY.overrides, by=MAYA, now=MONDAY, **wish)
    assert refused.value.field == field


def test_only_a_flag_can_be_downgraded_and_only_once():
    wish: dict[str, Any] = {"reason_code": "seasonal", "note": "August is quiet there.", "until": MONDAY + DAYS}
    for watch in (Watch(CLIENT), overridden()):
        with pytest.raises(Conflict):
            flags.override(watch, found(0.7).risk(), POLICY.overrides, by=MAYA, now=MONDAY, **wish)


RANKING = Ranking(csm=MAYA, place=2, named=3, clients=41, average=0.03)


def scored(points: float, at: datetime = MONDAY) -> Assessment:
    """By the scorecard: points, no probability."""
    card = POLICY.scorecard
    return replace(
        found(0.5, at),
        level=level_of(points, card.flag_at, card.clear_below),
        rule=Rule.SCORECARD,
        calibrated=False,
        probability=None,
        points=points,
    )


def standing(watch: Watch) -> Flag:
    assert watch.flag
    return watch.flag


def named(p: float = 0.2, at: datetime = MONDAY) -> Watch:
    """A client that is among the riskiest of its CSM, far below the threshold."""
    watch, said = flags.name(Watch(CLIENT), found(p, at), RANKING, POLICY)
    assert [event.type_name() for event in said] == ["flag_raised"]
    return watch


def test_after_a_clear_the_client_is_left_alone_for_some_days():
    watch, words = play(Watch(CLIENT), 0.65, 0.4, 0.65, 0.7, 0.74)
    assert words == ["flag_raised", "flag_cleared"]
    after = MONDAY + (1 + POLICY.cool_down.days) * DAYS
    watch, words = play(watch, 0.66, start=after)
    assert words == ["flag_raised"], "the cool-down is over and the risk is there"


def test_a_risk_well_above_what_it_was_ends_the_cool_down():
    _, words = play(Watch(CLIENT), 0.65, 0.4, 0.74, 0.75)
    assert words == ["flag_raised", "flag_cleared", "flag_raised"]


def test_points_cool_down_by_points_and_say_nothing_of_probabilities():
    watch, _ = flags.decide(Watch(CLIENT), scored(62), POLICY)
    watch, _ = flags.decide(watch, scored(30, MONDAY + DAYS), POLICY)
    assert flags.decide(watch, scored(76, MONDAY + 2 * DAYS), POLICY)[1] == []
    assert flags.decide(watch, scored(77, MONDAY + 2 * DAYS), POLICY)[1]
    assert play(watch, 0.61, start=MONDAY + 2 * DAYS)[1] == ["flag_raised"], "measured otherwise: nobody can compare"


def test_a_client_that_left_and_came_back_is_not_left_alone():
    watch, _ = play(Watch(CLIENT), 0.7, 0.2)
    watch, _ = flags.client_left(watch, found(0.2).risk())
    assert play(watch, 0.65, start=MONDAY + 2 * DAYS)[1] == ["flag_raised"]


def test_one_of_the_riskiest_is_named_once_and_stays_while_it_is_among_them():
    watch = named()
    assert standing(watch).rule is Rule.CAPACITY
    for week in range(1, 5):
        at = MONDAY + 7 * week * DAYS
        watch, said = flags.decide(watch, found(0.18, at), POLICY)
        watch, more = flags.name(watch, found(0.18, at), RANKING, POLICY)
        assert said + more == []
    assert standing(watch).episode == 1


def test_who_is_not_among_them_for_two_namings_in_a_row_is_cleared():
    watch = named()
    watch, said = flags.pass_over(watch, found(0.18, MONDAY + 7 * DAYS), POLICY)
    assert said == []
    again, _ = flags.name(watch, found(0.18, MONDAY + 14 * DAYS), RANKING, POLICY)
    assert standing(again).weeks_out == 0
    watch, said = flags.pass_over(watch, found(0.18, MONDAY + 14 * DAYS), POLICY)
    assert [event.reason for event in said] == ["no_longer_riskiest"]
    assert flags.name(watch, found(0.2, MONDAY + 21 * DAYS), RANKING, POLICY)[1] == [], "left alone for a while"


def test_the_flag_of_the_named_falls_when_its_risk_has_halved():
    assert play(named(0.2), 0.11, 0.1)[1] == []
    assert play(named(0.2), 0.11, 0.099)[1] == ["flag_cleared"]


def test_a_named_client_that_reaches_the_threshold_is_the_same_flag_in_its_next_episode():
    before = named(0.2)
    after, said = flags.decide(before, found(0.61, MONDAY + DAYS), POLICY)
    assert [event.type_name() for event in said] == ["flag_raised"]
    assert said[0].because == "reached_threshold"
    assert standing(after).flag_id == standing(before).flag_id
    assert (standing(after).rule, standing(after).episode) == (Rule.THRESHOLD, 2)
    assert play(after, 0.55, 0.49, start=MONDAY + 2 * DAYS)[1] == ["flag_cleared"], "and then lives by the threshold"


def test_having_been_named_is_no_reason_to_be_silent_at_the_threshold():
    watch, _ = play(named(0.5), 0.2)
    assert watch.flag is None
    assert play(watch, 0.6, start=MONDAY + 2 * DAYS)[1] == ["flag_raised"]


@pytest.mark.parametrize("watch", [Watch(CLIENT, held=True), Watch(CLIENT, quiet=True), overridden(), named()])
def test_history_an_override_or_a_flag_keep_a_client_from_being_named(watch: Watch):
    assert flags.name(watch, found(0.3), RANKING, POLICY)[1] == []


def test_without_a_calibrated_probability_nobody_is_named():
    assert flags.name(Watch(CLIENT), scored(80), RANKING, POLICY)[1] == []


def test_nothing_live_since_an_import_keeps_a_client_from_being_named_until_something_is():
    watch = flags.baseline(Watch(CLIENT), found(0.3))
    watch, _ = flags.decide(watch, found(0.3), POLICY, live=False)
    assert watch.quiet
    watch, _ = flags.decide(watch, found(0.3), POLICY, live=True)
    assert flags.name(watch, found(0.3), RANKING, POLICY)[1]


@pytest.mark.parametrize(("probability", "words"), [(0.15, "flag_raised"), (0.05, "flag_cleared")])
def test_the_override_of_a_naming_ends_by_what_the_risk_was_when_named(probability: float, words: str):
    watch = named(0.2)
    wish: dict[str, Any] = {"reason_code": "seasonal", "note": "August is quiet there.", "until": MONDAY + DAYS}
    watch, _ = flags.override(watch, found(0.2).risk(), POLICY.overrides, by=MAYA, now=MONDAY, **wish)
    assert flags.pass_over(watch, found(0.2), POLICY)[1] == []
    _, said = flags.decide(watch, found(probability, MONDAY + DAYS), POLICY)
    assert [event.type_name() for event in said] == ["override_ended", words]
    assert said[1].rule is Rule.CAPACITY


def test_an_override_of_points_ends_early_by_points():
    watch, _ = flags.decide(Watch(CLIENT), scored(62), POLICY)
    wish: dict[str, Any] = {"reason_code": "seasonal", "note": "August is quiet there.", "until": MONDAY + 9 * DAYS}
    watch, _ = flags.override(watch, scored(62).risk(), POLICY.overrides, by=MAYA, now=MONDAY, **wish)
    assert flags.decide(watch, scored(76, MONDAY + DAYS), POLICY)[1] == []
    _, said = flags.decide(watch, scored(77, MONDAY + DAYS), POLICY)
    assert said[0].ended_because == "risk_rose"


def test_an_override_that_was_taken_back_ends_with_the_next_look_and_says_by_whom():
    watch = overridden(0.7, days=30)
    assert watch.override
    back = flags.withdraw(watch, watch.override.override_id, by="omar@ours.example")
    assert flags.withdraw(back, watch.override.override_id, by=MAYA) == back, "the first one did it"
    _, said = flags.decide(back, found(0.7, MONDAY + DAYS), POLICY)
    assert [event.type_name() for event in said] == ["override_ended", "flag_raised"]
    assert (said[0].ended_because, said[0].ended_by, said[0].by) == ("withdrawn", "omar@ours.example", MAYA)
    assert said[1].because == "withdrawn"
    low, said = flags.decide(back, found(0.1, MONDAY + DAYS), POLICY)
    assert [event.type_name() for event in said] == ["override_ended", "flag_cleared"]
    with pytest.raises(NotFound):
        flags.withdraw(low, watch.override.override_id, by=MAYA)


@given(st.lists(st.floats(0, 1), max_size=40))
def test_flags_alternate_and_stand_where_the_last_word_says(probabilities: list[float]):
    watch, words = play(Watch(CLIENT), *probabilities)
    assert words == (["flag_raised", "flag_cleared"] * len(words))[: len(words)]
    assert (watch.flag is not None) == (len(words) % 2 == 1)
    assert watch.episode == words.count("flag_raised")


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("policy.yaml", "timezone: UTC", "timezone: Mars/Olympus", "there is no time zone Mars/Olympus"),
        ("policy.yaml", "weekday: mon", "weekday: monday", "policy.yaml: capacity.weekday"),
        ("policy.yaml", "min_lift: 2 ", "min_lift: 1 ", "policy.yaml: capacity.min_lift"),
        ("policy.yaml", "threshold: 0.6", "threshold: 1.6", "policy.yaml: threshold"),
        ("policy.yaml", "clear_below: 0.5", "clear_below: 0.7", "clear_below must not lie above"),
        ("scorecard.yaml", "feature: logins_trend", "feature: horoscope", "no feature horoscope"),
        ("scorecard.yaml", "reason: logins,", "reason: stars,", "no reason stars"),
        ("reasons.yaml", "logins look like those of clients who left", "{hidden} left", "must need no fact"),
        ("reasons.yaml", "health_trend:", "health_trends:", "reasons without sentences"),
    ],
)
def test_configuration_that_breaks_a_rule_is_named(tmp_path: Path, file: str, old: str, new: str, words: str):
    from churn.adapters.policy_files import PolicyError

    (tmp_path / "churn").mkdir()
    for shipped in (REPOSITORY_CONFIG / "churn").glob("*.yaml"):
        text = shipped.read_text()
        (tmp_path / "churn" / shipped.name).write_text(text.replace(old, new) if shipped.name == file else text)
    with pytest.raises(PolicyError, match=words):
        load_policy(tmp_path)
