"""How onboardings go: each metric of the domain, with its target and its red flag."""

from __future__ import annotations

import pytest
from common.contracts import client
from health.domain import onboardings
from health.domain.fold import fold
from health.domain.moments import seconds_of
from health.domain.onboardings import METRICS, Counted, Target

from tests.support.health_world import JOURNEY, day, event, order, registered, steady

NONE = Counted()
TARGETS = {name: Target(target, red) for name, target, red in JOURNEY.targets}


def onboarding(*events, at, counted=NONE):
    state = fold(sorted((e for e in events if e.time <= at), key=order))
    return onboardings.onboarding(state, JOURNEY, counted, seconds_of(at))


def measured(*found, name):
    (row,) = [row for row in onboardings.metrics([one for one in found if one], TARGETS) if row.name == name]
    return row.value, row.n, row.verdict


def test_the_shipped_targets_are_those_of_the_domain():
    assert list(TARGETS) == list(METRICS)
    assert {name: TARGETS[name] for name in METRICS} == {name: row[2] for name, row in METRICS.items()}


@pytest.mark.parametrize(
    ("name", "value", "verdict"),
    [
        ("time_to_first_win", 7.0, "on_target"), ("time_to_first_win", 9.0, "between"),
        ("time_to_first_win", 10.1, "red_flag"), ("onboarding_duration", 45.0, "between"),
        ("completion_rate", 90.0, "on_target"), ("completion_rate", 75.0, "between"),
        ("completion_rate", 74.9, "red_flag"),
        ("nps", 29.0, "red_flag"), ("our_hours", 20.5, "red_flag"), ("our_hours", None, None),
    ],
)  # fmt: skip
def test_a_value_is_on_target_between_or_a_red_flag(name, value, verdict):
    assert TARGETS[name].verdict(value) == verdict


def test_a_client_that_is_well_reaches_its_first_win_and_is_handed_off():
    one = onboarding(*steady(100), at=day(100))
    assert measured(one, name="time_to_first_win") == (1.88, 1, "on_target")
    assert measured(one, name="onboarding_duration") == (25.38, 1, "on_target")
    assert measured(one, name="completion_rate") == (100.0, 1, "on_target")
    assert measured(one, name="core_training") == (100.0, 1, "on_target")
    assert measured(one, name="tools_by_week_2") == (100.0, 1, "on_target")
    assert measured(one, name="nps") == (100.0, 1, "on_target")
    assert measured(one, name="clients_at_6_months") == (None, 0, None)
    assert measured(one, name="milestones_on_time")[0] == 100.0


def test_what_is_not_due_yet_is_not_counted_and_what_never_came_is():
    young, old = onboarding(registered(), at=day(2)), onboarding(registered(), at=day(60))
    assert measured(young, name="completion_rate") == (None, 0, None)
    assert measured(young, name="milestones_on_time") == (None, 0, None)
    assert measured(young, old, name="completion_rate") == (0.0, 1, "red_flag")
    assert measured(young, old, name="core_training") == (0.0, 1, "red_flag")
    assert measured(old, name="milestones_on_time")[0] == 0.0
    assert measured(young, old, name="time_to_first_win") == (None, 0, None)


def test_moving_a_milestone_does_not_make_it_punctual():
    moved = {"milestone": "data_import_complete", "due_after": "2026-01-20T00:00:00Z"}
    life = [
        registered(),
        event(client.MilestoneRescheduled.model_validate(moved), day(5), "csm"),
        event(client.MilestoneCompleted(milestone="data_import_complete"), day(9), "csm"),
    ]
    assert onboarding(*life, at=day(10)).on_time == 0


def test_who_was_onboarded_before_us_and_who_has_no_contract_is_not_counted():
    assert onboarding(registered(contract_started_on="2025-03-01"), at=day(60)) is None
    assert onboarding(registered(contract_started_on=None), at=day(60)) is None


def test_half_a_year_later_it_is_still_a_client_or_it_left():
    notice = client.ContractCancelled.model_validate({"effective_on": "2026-05-01"})
    left = onboarding(registered(), event(notice, day(100), "hubspot"), at=day(200))
    assert measured(left, onboarding(registered(), at=day(200)), name="clients_at_6_months") == (50.0, 2, "red_flag")


def test_after_three_months_it_pays_more_or_not():
    more = event(
        client.ClientUpdated.model_validate({"mrr": {"amount": 300_000, "currency": "USD"}}), day(50), "hubspot"
    )
    late = event(
        client.ClientUpdated.model_validate({"mrr": {"amount": 300_000, "currency": "USD"}}), day(95), "hubspot"
    )
    grown, same = onboarding(registered(), more, at=day(120)), onboarding(registered(), late, at=day(120))
    assert (grown.expanded, same.expanded) == (True, False)
    assert measured(grown, same, name="expanded_at_3_months") == (50.0, 2, "on_target")


def test_what_people_did_is_counted_a_client():
    busy = onboarding(registered(), at=day(60), counted=Counted(14, 3, 7.5, 2, 10, 8))
    idle = onboarding(registered(), at=day(60))
    assert measured(busy, idle, name="logins") == (7.0, 2, "between")
    assert measured(busy, idle, name="tickets") == (1.5, 2, "on_target")
    assert measured(busy, idle, name="our_hours") == (7.5, 1, "on_target")
    assert measured(busy, idle, name="touchpoints_automated") == (80.0, 10, "on_target")
