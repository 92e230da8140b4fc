"""The journey: planned from the contract's start, hit by what the client does, late when nobody does."""

from __future__ import annotations

from datetime import datetime

import pytest
from common.contracts import client
from common.errors import Refused
from health import definitions
from health.domain import journey
from health.domain import state as states
from health.domain.fold import fold
from health.domain.moments import moment_of, seconds_of
from hypothesis import given

from tests.support.health_world import CONFIG, JOURNEY, day, event, lives, order, registered, steady


def items(*events):
    return {item.name: item for item in journey.plan(fold(sorted(events, key=order)), JOURNEY)}


def late(events, after, until):
    found = journey.notices_between(fold(sorted(events, key=order)), JOURNEY, seconds_of(after), seconds_of(until))
    return [(item.name, days) for _, days, item in found]


def phase(*events):
    state = fold(sorted(events, key=order))
    return journey.current_phase(state, JOURNEY, journey.plan(state, JOURNEY))


def test_milestones_are_planned_from_the_contracts_start_at_the_end_of_their_day():
    plan = items(registered())
    assert moment_of(plan["kickoff_meeting"].due) == day(4).replace(hour=0)
    assert moment_of(plan["hand_off"].due) == day(31).replace(hour=0)
    assert moment_of(plan["renewal_signed"].due) == datetime.fromisoformat("2027-01-06T00:00:00+00:00")
    assert moment_of(plan["value_review"].due) == datetime.fromisoformat("2026-11-07T00:00:00+00:00")
    assert {item.owner for item in plan.values()} == {"maya@ours.example"}


def test_without_a_csm_the_configured_owner_fills_in():
    anonymous = registered(csm_email=None)
    assert {item.owner for item in items(anonymous).values()} == {"client-success@example.com"}


def test_what_the_client_does_hits_its_milestones():
    plan = items(*steady(95))
    done = {name for name, item in plan.items() if item.done is not None}
    assert done == {
        "kickoff_meeting", "access_provisioned", "data_import_complete", "first_automation_live",
        "core_training_complete", "hand_off", "key_features_60", "key_features_80", "kpi_target_met",
    }  # fmt: skip
    assert moment_of(plan["kickoff_meeting"].done) == day(2)


def test_phases_move_by_rule():
    assert phase(registered()) == "kickoff"
    assert phase(registered(), event(client.LoggedIn(), day(1))) == "first_value"
    assert phase(*steady(20)) == "value_validation"
    renewal = client.ContractRenewed.model_validate({"starts_on": "2027-01-05", "ends_on": "2028-01-05"})
    assert phase(*steady(20), event(renewal, day(350), "hubspot")) == "expansion"


def test_a_contract_older_than_45_days_at_first_sight_gets_no_onboarding_milestones():
    old = registered(contract_started_on="2025-11-01")
    assert set(items(old)) == {"value_review", "renewal_signed"}
    assert phase(old) == "adoption"
    assert "kickoff_meeting" in items(registered(contract_started_on="2025-11-25"))


def test_a_milestone_is_told_of_the_day_before_and_is_late_at_0_3_and_7_days_each_once():
    told = [late([registered()], day(n).replace(hour=0), day(n + 1).replace(hour=0)) for n in range(12)]
    steps = [(n + 1, days) for n, found in enumerate(told) for name, days in found if name == "kickoff_meeting"]
    assert steps == [(3, -1), (4, 0), (7, 3), (11, 7)]


def test_after_a_long_absence_only_the_latest_step_is_told():
    assert [days for name, days in late([registered()], day(0), day(40)) if name == "kickoff_meeting"] == [7]


def test_what_is_done_is_not_late_and_what_is_done_late_stays_on_record():
    held = event(client.MeetingHeld(meeting_id="k", kind="kickoff", attended=()), day(6), "hubspot")
    assert "kickoff_meeting" not in [name for name, _ in late([registered(), held], day(0), day(40))]
    item = items(registered(), held)["kickoff_meeting"]
    assert item.done > item.due


def test_a_rescheduled_milestone_keeps_its_first_due_time_and_counts():
    moved = event(
        client.MilestoneRescheduled.model_validate(
            {"milestone": "hand_off", "due_after": "2026-03-01T12:00:00Z", "reason": "their data comes later"}
        ),
        day(20),
        "csm",
    )
    item = items(registered(), moved)["hand_off"]
    assert moment_of(item.due).isoformat() == "2026-03-01T12:00:00+00:00"
    assert moment_of(item.due_first) == day(31).replace(hour=0)
    assert item.rescheduled == 1


def test_a_milestone_of_ones_own_is_planned_with_owner_kpi_and_due_time():
    planned = client.MilestonePlanned.model_validate(
        {"milestone": "sso_live", "phase": "adoption", "owner_email": "omar@ours.example", "kpi": "all log in by SSO",
         "due_at": "2026-02-10T12:00:00Z"}
    )  # fmt: skip
    item = items(registered(), event(planned, day(5), "csm"))["sso_live"]
    assert (item.owner, item.kpi, item.phase) == ("omar@ours.example", "all log in by SSO", "adoption")
    done = client.MilestoneCompleted(milestone="sso_live", kpi_value=40.0)
    item = items(registered(), event(planned, day(5), "csm"), event(done, day(30), "csm"))["sso_live"]
    assert item.done == seconds_of(day(30))
    assert item.kpi_value == 40.0


def test_renewals_come_again():
    renewal = client.ContractRenewed.model_validate({"starts_on": "2027-01-05", "ends_on": "2028-01-05"})
    signed = event(renewal, day(350), "hubspot")
    item = items(registered(), signed)["renewal_signed"]
    assert moment_of(item.due).date().isoformat() == "2028-01-06"
    assert item.done is None


def standing(at, *blockers):
    said = [event(client.BlockerLogged.model_validate(b), day(1), "csm", nth=n) for n, b in enumerate(blockers)]
    state = fold(sorted([registered(), *said], key=order))
    found = journey.obstacles(journey.plan(state, JOURNEY), state.blockers, seconds_of(at))
    return journey.standing(found), [(one.kind, one.name, one.days, one.stuck) for one in found]


def test_a_client_is_on_track_behind_or_stuck_and_says_why():
    assert standing(day(1)) == ("on_track", [])
    assert standing(day(5)) == ("behind", [("milestone", "kickoff_meeting", 1, False)])
    word, why = standing(day(30))
    assert word == "stuck"
    assert why[0] == ("milestone", "kickoff_meeting", 26, True)
    assert [name for _, name, _, _ in why] == [
        "kickoff_meeting", "access_provisioned", "data_import_complete", "first_automation_live",
        "core_training_complete",
    ]  # fmt: skip


def test_a_critical_blocker_alone_makes_a_client_stuck():
    blocker = {"blocker_id": "b1", "kind": "missing_assets", "severity": "critical"}
    assert standing(day(3), blocker) == ("stuck", [("blocker", "b1", 2, True)])
    assert standing(day(3), {**blocker, "severity": "high"}) == ("on_track", [])


def punctual(*events, at):
    state = fold(sorted([registered(), *events], key=order))
    return journey.punctuality(state, JOURNEY, seconds_of(at), 0)


def moved(milestone, to, at):
    return event(
        client.MilestoneRescheduled.model_validate({"milestone": milestone, "due_after": to}), at, "csm", nth=to
    )


def test_moving_a_milestone_on_does_not_make_it_punctual():
    done = event(client.MilestoneCompleted(milestone="data_import_complete"), day(9), "csm")
    in_time = event(client.MilestoneCompleted(milestone="data_import_complete"), day(6), "csm")
    move = moved("data_import_complete", "2026-01-20T00:00:00Z", day(5))
    kickoff_and_access_are_late_too = 3
    assert punctual(in_time, at=day(10)) == (kickoff_and_access_are_late_too, 2)
    assert punctual(move, done, at=day(10)) == (kickoff_and_access_are_late_too, 1)
    assert punctual(move, at=day(10)) == (kickoff_and_access_are_late_too, 1)
    assert punctual(at=day(10)) == (kickoff_and_access_are_late_too, 0)


def test_planning_again_for_another_time_counts_as_moving():
    def planned(due, at):
        said = {"milestone": "sso_live", "phase": "adoption", "owner_email": "omar@ours.example", "kpi": "all by SSO"}
        return event(client.MilestonePlanned.model_validate({**said, "due_at": due}), at, "csm")

    first, again = planned("2026-02-10T12:00:00Z", day(5)), planned("2026-02-20T12:00:00Z", day(6))
    item = items(registered(), first, again)["sso_live"]
    assert (moment_of(item.due_first).day, moment_of(item.due).day, item.rescheduled) == (10, 20, 1)


def test_the_milestones_of_a_renewed_term_are_kept_and_those_of_the_next_begin_open():
    review = event(client.MeetingHeld(meeting_id="qbr", kind="qbr", attended=()), day(290), "hubspot")
    late = moved("renewal_signed", "2027-01-20T00:00:00Z", day(340))
    renewal = client.ContractRenewed.model_validate({"starts_on": "2027-01-05", "ends_on": "2028-01-05"})
    signed = event(renewal, day(375), "hubspot")
    state = fold(sorted([registered(), review, late, signed], key=order))
    before = {item.name: item for item in journey.last_term(state, JOURNEY)}
    assert moment_of(before["value_review"].done) == day(290)
    assert moment_of(before["renewal_signed"].done) == day(375)
    assert moment_of(before["renewal_signed"].due).date().isoformat() == "2027-01-20"
    now = {item.name: item for item in journey.plan(state, JOURNEY)}
    assert moment_of(now["renewal_signed"].due).date().isoformat() == "2028-01-06"
    assert (now["renewal_signed"].rescheduled, now["renewal_signed"].done, now["value_review"].done) == (0, None, None)
    assert before["renewal_signed"].key != now["renewal_signed"].key


def test_a_first_kpi_value_says_when_the_automation_went_live_not_the_latest_one():
    reported = [event(client.KpiReported(kpi="hours", value=1.0), day(n), "csm") for n in (8, 20, 40)]
    assert moment_of(items(registered(), *reported)["first_automation_live"].done) == day(8)


@given(lives())
def test_every_milestone_has_an_owner_a_kpi_and_a_due_time_and_keeps_its_first(life):
    state = fold(life)
    firsts = {}
    for item in journey.plan(state, JOURNEY):
        assert item.owner
        assert item.kpi
        firsts[item.name] = item.due_first
    move = moved("hand_off", "2026-06-01T00:00:00Z", day(201))
    again = {item.name: item for item in journey.plan(fold([*life, move]), JOURNEY)}
    assert {name: item.due_first for name, item in again.items()} == firsts
    assert again["hand_off"].rescheduled == 1


def test_what_is_called_done_later_was_done_when_its_rule_was_met():
    login, told = event(client.LoggedIn(), day(2)), client.MilestoneCompleted(milestone="access_provisioned")
    assert moment_of(items(registered(), login, event(told, day(9), "csm"))["access_provisioned"].done) == day(2)
    early = event(told, day(1), "csm")
    assert moment_of(items(registered(), early, login)["access_provisioned"].done) == day(1)


@given(lives())
def test_the_dates_that_scores_ask_for_are_those_of_the_plan(life):
    state = fold(life)
    planned = [(item.due, item.due_first, item.done) for item in journey.plan(state, JOURNEY)]
    assert sorted(journey.dates(state, JOURNEY), key=str) == sorted(planned, key=str)


@given(lives())
def test_the_plan_is_a_function_of_the_facts_alone(life):
    state = fold(life)
    once, twice = journey.plan(state, JOURNEY), journey.plan(fold(life), JOURNEY)
    assert once == twice == journey.plan(states.load(states.dump(state)), JOURNEY)


@pytest.mark.parametrize(
    "word",
    [
        "    owner: csm\n",
        "    kpi: kickoff meeting held with the client's sponsor\n",
        "    due: { days_after_start: 3 }\n",
    ],
)
def test_a_milestone_without_owner_kpi_or_due_time_is_refused(word):
    text = (CONFIG / "journey.yaml").read_text()
    with pytest.raises(Refused, match=r"journey\.yaml, line \d+: milestones.kickoff_meeting"):
        definitions.journey_from(text.replace(word, "", 1), name="journey.yaml")
