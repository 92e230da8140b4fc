"""Rules: what they match, how they are written, and what is wrong with a bad file."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from common.contracts import health
from common.settings import REPOSITORY_CONFIG
from hypothesis import given
from hypothesis import strategies as st
from notify.adapters import rules_file
from notify.adapters.rules_file import BadRules
from notify.domain.occasion import KINDS, READS, occasion_of, worse
from notify.domain.rules import Condition, Policy

from tests.support import notify_world as world

CLIENT = uuid4()
BANDS = st.sampled_from(list(health.Band))


@pytest.fixture(scope="module")
def policy() -> Policy:
    loaded, _ = rules_file.load(REPOSITORY_CONFIG / "notify" / "rules.yaml")
    return loaded


def rule_of(policy: Policy, body: object, **how: object) -> str | None:
    occasion = occasion_of(world.event(body, CLIENT, **how))  # type: ignore[arg-type]  # bodies of the world
    rule = policy.match(occasion) if occasion else None
    return rule.name if rule else None


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (world.band_changed(CLIENT), "score_below_60"),
        (world.band_changed(CLIENT, band="amber", score=70.0, last_known_band="green"), "band_worse"),
        (world.band_changed(CLIENT, band="amber", score=70.0, last_known_band="red"), None),
        (world.band_changed(CLIENT, cause="model"), None),
        (world.band_changed(CLIENT, cause="late_data"), "score_below_60"),
        (world.band_changed(CLIENT, band="unknown", last_known_band="green"), None),
        (world.band_changed(CLIENT, band="at_risk", score=55.0, last_known_band="stable"), "score_below_60"),
        (
            world.band_changed(CLIENT, band="critical", score=35.0, model="experience", last_known_band="at_risk"),
            "project_critical",
        ),
        (world.band_changed(CLIENT, band="critical", score=35.0, model="experience", cause="model"), None),
        (world.band_changed(CLIENT, model="onboarding"), "onboarding_red"),
        (world.band_changed(CLIENT, model="onboarding", cause="model"), None),
        (world.flag_raised(CLIENT), "likely_churn"),
        (world.scorecard_flag(CLIENT), "risk_signs"),
        (world.capacity_flag(CLIENT), "among_riskiest"),
        (world.case_opened(CLIENT), "case_opened"),
        (world.case_assigned(CLIENT, world.MAYA, world.SAM), "case_assigned"),
        (world.step_due(CLIENT, notice="assigned"), "step_assigned"),
        (world.step_due(CLIENT), "step_due_soon"),
        (world.step_breached(CLIENT), "step_breached"),
        (world.case_closed(CLIENT), "case_saved"),
        (world.case_closed(CLIENT, "left"), "case_closed"),
        (world.blocker("critical"), "critical_blocker"),
        (world.blocker("medium"), None),
        (world.milestone_late(CLIENT, 7), "milestone_late_3_days"),
        (world.milestone_late(CLIENT, 0), "milestone_due"),
        (world.milestone_due(CLIENT), "milestone_due_soon"),
        (world.milestone_reached(CLIENT), "next_milestone"),
        (world.milestone_reached(CLIENT, next=None), None),
        (world.phase_changed(CLIENT), "phase_moved_back"),
        (world.phase_changed(CLIENT, "kickoff"), None),
        (world.phase_changed(CLIENT, None), None),
        (world.sign_started(CLIENT), "client_silent"),
        (world.sign_started(CLIENT, "low_satisfaction"), "low_satisfaction"),
        (world.sign_started(CLIENT, "competitor_mentioned"), "early_warning"),
        (world.sign_started(CLIENT, "agenda_missing", kind="rhythm", about="m"), "meeting_not_kept"),
        (world.sign_started(CLIENT, "review_overdue", kind="rhythm"), "about_us"),
        (world.sign_started(CLIENT, "single_threaded", kind="about_us"), "about_us"),
        (
            world.sign_started(CLIENT, "disagrees_with_risk", kind="disagreement", about="health_brighter"),
            "disagreement",
        ),
    ],
)
def test_the_shipped_rules_say_who_speaks(policy: Policy, body: object, rule: str | None) -> None:
    assert rule_of(policy, body) == rule


def test_what_must_be_told_at_once_is_not_held_back_by_what_was_told_before(policy: Policy) -> None:
    unbounded = {rule.name for rule in policy.rules if not rule.bounded}
    assert {"critical_blocker", "step_breached", "changes_held"} <= unbounded


def test_every_kind_of_event_that_can_be_named_has_words() -> None:
    from notify.domain.wording import WORDS

    assert set(WORDS) == set(READS)
    assert len(KINDS) == len(READS)


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        ("red", "amber", True),
        ("amber", "green", True),
        ("amber", "unknown", False),
        ("red", "unknown", True),
        ("green", "red", False),
        ("unknown", "green", False),
        ("critical", "at_risk", True),
    ],
)
def test_worse_compares_with_the_last_known_band(now: str, before: str, expected: bool) -> None:
    known = None if before == "unknown" else before
    assert worse(world.band_changed(CLIENT, band=now, band_before=before, last_known_band=known)) is expected


@given(BANDS, BANDS)
def test_no_move_is_worse_both_ways(one: health.Band, other: health.Band) -> None:
    there = worse(world.band_changed(CLIENT, band=one, last_known_band=other))
    back = worse(world.band_changed(CLIENT, band=other, last_known_band=one))
    if health.Band.UNKNOWN not in (one, other):
        assert not (there and back)


@given(st.one_of(st.none(), st.floats(allow_nan=False), st.text(max_size=3), st.booleans()))
def test_a_condition_and_its_opposite_never_both_hold(fact: object) -> None:
    assert Condition(one_of=(fact,)).holds(fact) != Condition(not_in=(fact,)).holds(fact)


@given(st.floats(0, 100), st.floats(0, 100))
def test_below_and_at_least_part_the_scale(limit: float, value: float) -> None:
    assert Condition(below=limit).holds(value) != Condition(at_least=limit).holds(value)


def test_a_fact_that_is_absent_meets_no_bound() -> None:
    assert not Condition(below=60).holds(None)
    assert not Condition(at_least=3).holds(None)


GOOD = "limit: {most: 5, within: 1h}\nrules:\n  - name: a_rule\n    on: flag_raised\n    to: [csm]\n"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("on: flag_raised", "on: flag_rised"), "rules[0]: Value error, no such kind of event: flag_rised"),
        (("to: [csm]", "to: [boss]"), "rules[0].to[0]"),
        (("to: [csm]", "to: []"), "rules[0].to"),
        (("1h", "one hour"), "limit.within"),
        (("most: 5", "most: 0"), "limit.most"),
        (("to: [csm]", "to: [csm]\n    colour: red"), "rules[0].colour"),
        (("to: [csm]", "to: [csm]\n    when: {score: {under: 60}}"), "condition on score"),
        (("to: [csm]", "to: [csm]\n  - {name: a_rule, on: flag_raised, to: [csm]}"), "two rules of one name: a_rule"),
        (("limit:", "limit"), "my.yaml"),
    ],
)
def test_a_bad_file_is_refused_with_the_place(change: tuple[str, str], said: str) -> None:
    with pytest.raises(BadRules) as refused:
        rules_file.parse(GOOD.replace(*change).encode(), name="my.yaml")
    assert "my.yaml" in str(refused.value)
    assert said in str(refused.value)


def test_a_missing_file_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(BadRules, match=r"rules\.yaml: No such file"):
        rules_file.load(tmp_path / "rules.yaml")


def test_a_bare_on_is_no_truth_value() -> None:
    """YAML 1.1 reads `on` as true."""
    policy, _ = rules_file.parse(GOOD.encode(), name="my.yaml")
    assert policy.rules[0].on == "flag_raised"
