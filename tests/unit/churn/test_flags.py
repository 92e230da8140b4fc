"""When flags rise, fall, are overridden and come back."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from churn.adapters.policy_files import load_policy
from churn.domain import flags
from churn.domain.assessment import Assessment, level_of
from churn.domain.flags import Watch
from common.contracts.churn import Rule
from common.contracts.errors import Conflict, Refused
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


@given(st.lists(st.floats(0, 1), max_size=40))
def test_flags_alternate_and_stand_where_the_last_word_says(probabilities: list[float]):
    watch, words = play(Watch(CLIENT), *probabilities)
    assert words == (["flag_raised", "flag_cleared"] * len(words))[: len(words)]
    assert (watch.flag is not None) == (len(words) % 2 == 1)
    assert watch.episode == words.count("flag_raised")


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
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
