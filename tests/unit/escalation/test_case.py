"""What happens to a case, told one thing after another."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from uuid import uuid4

import pytest
from common.contracts.errors import Conflict, NotFound, Refused
from escalation.domain import inputs
from escalation.domain.case import Outcome, Person, State, StepState, What
from escalation.domain.client import Call, Client, Notice
from escalation.domain.decide import decide

from tests.support.escalation_world import (
    CLIENT,
    EVIDENCE,
    FLAG,
    MAYA,
    MONDAY,
    OMAR,
    OTHER,
    PEOPLE,
    breaches,
    call_evidence,
    flag,
    flagged,
    hours,
    opened,
    play,
    words,
)

TICK = inputs.TimePassed()
TWO_HOURS_LATER = MONDAY + hours(2)


def complete(step: str, by: str = MAYA) -> inputs.Completed:
    return inputs.Completed(step, EVIDENCE[step], by)


def cleared(episode: int = 1, flag_id=FLAG, at=TWO_HOURS_LATER, outcome=Outcome.CLEARED) -> inputs.FlagEnded:
    return inputs.FlagEnded(flag_id, episode, outcome, at, "loop", "risk_fell")


class TestOpening:
    def test_the_clock_starts_at_the_flag_not_when_we_hear_of_it(self):
        case, happened = decide(None, flagged(), MONDAY + hours(3))
        assert case.opened_at == MONDAY
        assert [(step.step, step.due_at - MONDAY) for step in case.steps] == [
            ("assign", hours(4)),
            ("root_cause_call", hours(24)),
            ("mitigation_plan", hours(72)),
        ]
        assert words(happened) == ["case_opened"]

    def test_the_same_flag_told_twice_names_the_same_case(self):
        assert opened().case_id == flag().case_id()

    def test_a_second_flag_changes_nothing_but_is_noted(self):
        before = opened()
        case, happened = decide(before, flagged(flag(uuid4(), at=MONDAY + hours(1))), MONDAY + hours(1))
        assert words(happened) == ["flag_noted"]
        assert case.steps == before.steps
        assert len(case.standing) == 2

    def test_a_repeated_flag_is_not_even_noted(self):
        _case, happened = decide(opened(), flagged(), MONDAY + hours(1))
        assert happened == []

    def test_the_record_proposes_the_people_but_only_a_person_completes_assign(self):
        case = opened(Client(csm_email=MAYA, executive_sponsor_email=OMAR))
        assert (case.csm, case.executive_sponsor) == (Person(MAYA), Person(OMAR))
        assert case.step("assign").state is StepState.PENDING

    def test_a_call_already_in_the_calendar_completes_its_step(self):
        call = Call("m1", MONDAY + hours(20), MONDAY - hours(1), ("contact-7",))
        case = opened(Client(calls=(call,)))
        step = case.step("root_cause_call")
        assert (step.state, step.done_at, step.done_by) == (StepState.DONE, MONDAY, "loop")

    def test_a_call_before_the_opening_does_not(self):
        call = Call("m1", MONDAY - hours(1), MONDAY - hours(30))
        assert opened(Client(calls=(call,))).step("root_cause_call").state is StepState.PENDING


class TestPeople:
    def test_naming_both_completes_assign(self):
        case, happened = decide(opened(), inputs.Assigned(MAYA, OMAR, "lead"), MONDAY + hours(1))
        assert words(happened) == ["case_assigned", "step_done assign"]
        assert case.step("assign").done_by == "lead"

    def test_naming_one_does_not(self):
        case, happened = decide(opened(), inputs.Assigned(MAYA, None, "lead"), MONDAY)
        assert words(happened) == ["case_assigned"]
        case, happened = decide(case, inputs.Assigned(None, OMAR, "lead"), MONDAY)
        assert words(happened) == ["case_assigned", "step_done assign"]

    def test_confirming_what_the_record_proposed_completes_assign(self):
        case = opened(Client(csm_email=MAYA, executive_sponsor_email=OMAR))
        case, happened = decide(case, inputs.Assigned(MAYA, None, MAYA), MONDAY)
        assert "step_done assign" in words(happened)

    def test_the_record_does_not_overrule_a_person(self):
        case, _ = decide(opened(), inputs.Assigned(MAYA, None, "lead"), MONDAY)
        told = inputs.ClientTold(Client(csm_email="new@ours.example", executive_sponsor_email=OMAR))
        case, happened = decide(case, told, MONDAY + hours(1))
        assert (case.csm, case.executive_sponsor) == (Person(MAYA, "lead"), Person(OMAR))
        assert words(happened) == ["case_assigned"]
        assert decide(case, told, MONDAY + hours(2))[1] == []

    def test_people_may_change_after_the_step_is_done(self):
        case, _ = decide(opened(), inputs.Assigned(MAYA, OMAR, "lead"), MONDAY)
        case, happened = decide(case, inputs.Assigned("zoe@ours.example", None, "lead"), MONDAY + hours(9))
        assert words(happened) == ["case_assigned"]
        assert case.csm == Person("zoe@ours.example", "lead")

    def test_nobody_named_is_refused(self):
        with pytest.raises(Refused) as refused:
            decide(opened(), inputs.Assigned(None, None, "lead"), MONDAY)
        assert refused.value.field == "csm"

    def test_an_address_outside_our_domains_is_refused(self):
        given = inputs.Assigned("x@theirs.example", None, "lead", frozenset({"ours.example"}))
        with pytest.raises(Refused) as refused:
            decide(opened(), given, MONDAY)
        assert refused.value.field == "csm"


class TestDeadlines:
    def test_a_missed_step_is_breached_once_at_its_due_time_and_stays_open(self):
        case, happened = play(opened(), [(TICK, MONDAY + hours(5)), (TICK, MONDAY + hours(6))])
        assert words(happened) == ["step_breached assign"]
        assert happened[0].at == MONDAY + hours(4)
        case, happened = decide(case, complete("assign"), MONDAY + hours(7))
        step = case.step("assign")
        assert (step.state, step.breached_at) == (StepState.DONE, MONDAY + hours(4))
        assert happened[-1].details["late"] is True

    def test_a_step_completed_before_its_late_timer_fires_was_still_missed(self):
        _, happened = decide(opened(), complete("assign"), MONDAY + hours(5))
        assert words(happened) == ["step_breached assign", "case_assigned", "step_done assign"]

    def test_a_done_step_is_never_breached(self):
        _, happened = play(opened(), [(complete("assign"), MONDAY), (TICK, MONDAY + hours(5))])
        assert breaches(happened) == []

    def test_due_soon_is_said_once_and_not_after_the_deadline(self):
        soon = inputs.StepDueSoon("assign", 1)
        _case, happened = play(opened(), [(soon, MONDAY + hours(3)), (soon, MONDAY + hours(3.1))])
        assert words(happened) == ["step_due assign"]
        _, happened = decide(opened(), soon, MONDAY + hours(4.5))
        assert words(happened) == ["step_breached assign"]

    def test_a_step_already_done_is_not_announced(self):
        case, _ = decide(opened(), complete("assign"), MONDAY)
        assert decide(case, inputs.StepDueSoon("assign", 1), MONDAY + hours(3))[1] == []

    def test_every_missed_step_is_breached_in_the_order_of_the_deadlines(self):
        _, happened = decide(opened(), TICK, MONDAY + hours(100))
        assert breaches(happened) == ["assign", "root_cause_call", "mitigation_plan"]


class TestCompleting:
    def test_all_three_steps_with_their_evidence(self):
        case, _happened = play(opened(), [(complete(step), MONDAY + hours(1)) for step in EVIDENCE])
        assert all(step.state is StepState.DONE for step in case.steps)
        assert case.state is State.OPEN
        assert (case.csm, case.executive_sponsor) == (Person(MAYA, MAYA), Person(OMAR, MAYA))

    def test_the_same_said_again_changes_nothing(self):
        case, _ = decide(opened(), complete("mitigation_plan"), MONDAY)
        assert decide(case, complete("mitigation_plan"), MONDAY + hours(1)) == (case, [])

    def test_other_evidence_for_a_done_step_is_a_conflict(self):
        case, _ = decide(opened(), complete("root_cause_call"), MONDAY)
        other = inputs.Completed("root_cause_call", call_evidence(MONDAY + hours(40)), MAYA)
        with pytest.raises(Conflict):
            decide(case, other, MONDAY + hours(1))

    def test_an_unknown_step_is_not_found(self):
        with pytest.raises(NotFound):
            decide(opened(), inputs.Completed("dance", {}, MAYA), MONDAY)

    def test_a_scheduled_root_cause_call_completes_the_step(self):
        call = Call("m1", MONDAY + hours(20), MONDAY + hours(2), ("contact-7", MAYA))
        case, happened = decide(opened(), inputs.ClientTold(Client(calls=(call,))), MONDAY + hours(2))
        assert words(happened) == ["step_done root_cause_call"]
        assert case.step("root_cause_call").evidence["meeting_id"] == "m1"

    def test_a_call_scheduled_in_time_but_heard_of_late_is_no_breach(self):
        call = Call("m1", MONDAY + hours(30), MONDAY + hours(23))
        _, happened = decide(opened(), inputs.ClientTold(Client(calls=(call,))), MONDAY + hours(25))
        assert breaches(happened) == ["assign"]

    def test_a_call_that_proved_its_step_and_is_cancelled_is_shown_once(self):
        call = Call("m1", MONDAY + hours(20), MONDAY + hours(2))
        case, _ = decide(opened(), inputs.ClientTold(Client(calls=(call,))), MONDAY + hours(2))
        off = inputs.ClientTold(Client(calls=(replace(call, cancelled=True),)))
        case, happened = play(case, [(off, MONDAY + hours(3)), (off, MONDAY + hours(3.5))])
        assert words(happened) == ["call_lost root_cause_call"]
        assert case.step("root_cause_call").state is StepState.DONE


class TestPausing:
    def test_a_pause_moves_the_deadlines_by_its_length(self):
        pause = inputs.Paused(MAYA, "public holiday")
        case, happened = play(
            opened(),
            [(pause, MONDAY + hours(1)), (TICK, MONDAY + hours(30)), (inputs.Resumed(MAYA), MONDAY + hours(49))],
        )
        assert words(happened) == ["case_paused", "case_resumed"]
        assert case.step("assign").due_at == MONDAY + hours(52)
        assert case.step("assign").due_soon_at == MONDAY + hours(51)
        assert case.generation == 3

    def test_a_missed_step_stays_missed_and_keeps_its_deadline(self):
        case, _ = play(
            opened(),
            [(inputs.Paused(MAYA, "x"), MONDAY + hours(5)), (inputs.Resumed(MAYA), MONDAY + hours(10))],
        )
        step = case.step("assign")
        assert (step.state, step.due_at) == (StepState.BREACHED, MONDAY + hours(4))
        assert case.step("root_cause_call").due_at == MONDAY + hours(29)

    def test_timers_of_before_the_pause_say_nothing(self):
        case, _ = play(
            opened(),
            [(inputs.Paused(MAYA, "x"), MONDAY + hours(1)), (inputs.Resumed(MAYA), MONDAY + hours(3))],
        )
        assert decide(case, inputs.StepDueSoon("assign", 1), MONDAY + hours(3.5))[1] == []

    def test_a_pause_with_an_end_ends_by_itself_however_late_the_timer_is(self):
        pause = inputs.Paused(MAYA, "x", until=MONDAY + hours(3))
        case, happened = play(opened(), [(pause, MONDAY + hours(1)), (TICK, MONDAY + hours(7))])
        assert words(happened) == ["case_paused", "case_resumed", "step_breached assign"]
        assert case.step("assign").breached_at == MONDAY + hours(6)

    def test_twice_paused_and_resuming_what_runs_are_conflicts(self):
        with pytest.raises(Conflict):
            decide(opened(), inputs.Resumed(MAYA), MONDAY)
        case, _ = decide(opened(), inputs.Paused(MAYA, "x"), MONDAY)
        with pytest.raises(Conflict):
            decide(case, inputs.Paused(MAYA, "x"), MONDAY)

    def test_steps_can_be_done_during_a_pause(self):
        case, _ = play(opened(), [(inputs.Paused(MAYA, "x"), MONDAY), (complete("assign"), MONDAY + hours(9))])
        assert case.step("assign").state is StepState.DONE


class TestClosing:
    @pytest.mark.parametrize("outcome", [Outcome.CLEARED, Outcome.OVERRIDDEN])
    def test_the_end_of_the_flag_closes_the_case(self, outcome):
        case, happened = decide(opened(), cleared(outcome=outcome), MONDAY + hours(2))
        assert (case.state, case.outcome) == (State.CLOSED, outcome)
        assert words(happened) == ["case_closed"]

    def test_a_case_goes_on_while_another_flag_stands(self):
        second = uuid4()
        case, _ = decide(opened(), flagged(flag(second)), MONDAY)
        case, happened = decide(case, cleared(), MONDAY + hours(2))
        assert (case.state, words(happened)) == (State.OPEN, ["flag_ended"])
        case, _ = decide(case, cleared(flag_id=second), MONDAY + hours(3))
        assert case.state is State.CLOSED

    def test_the_end_of_an_earlier_episode_or_of_another_flag_changes_nothing(self):
        case, _ = decide(None, flagged(flag(episode=2)), MONDAY)
        assert decide(case, cleared(episode=1), MONDAY)[1] == []
        assert decide(case, cleared(flag_id=uuid4()), MONDAY)[1] == []

    @pytest.mark.parametrize("outcome", [Outcome.SAVED, Outcome.LEFT, Outcome.FALSE_ALARM])
    def test_a_person_closes_with_an_outcome_and_a_reason(self, outcome):
        case, happened = decide(opened(), inputs.Closed(MAYA, outcome, "they renewed"), MONDAY + hours(2))
        assert (case.outcome, happened[-1].by) == (outcome, MAYA)

    def test_a_person_cannot_claim_what_follows_from_the_flag(self):
        with pytest.raises(Refused) as refused:
            decide(opened(), inputs.Closed(MAYA, Outcome.CLEARED, "x"), MONDAY)
        assert refused.value.field == "outcome"

    def test_a_reason_is_asked_for(self):
        with pytest.raises(Refused) as refused:
            decide(opened(), inputs.Closed(MAYA, Outcome.SAVED, "  "), MONDAY)
        assert refused.value.field == "reason"

    def test_what_was_overdue_when_it_closed_was_missed(self):
        _, happened = decide(opened(), inputs.Closed(MAYA, Outcome.SAVED, "x"), MONDAY + hours(5))
        assert words(happened) == ["step_breached assign", "case_closed"]

    def test_a_closed_case_hears_nothing_and_refuses_people(self):
        case, _ = decide(opened(), cleared(), MONDAY + hours(2))
        assert decide(case, TICK, MONDAY + hours(90)) == (case, [])
        assert decide(case, flagged(), MONDAY + hours(90)) == (case, [])
        with pytest.raises(Conflict):
            decide(case, complete("assign"), MONDAY + hours(3))

    def test_notice_given_while_the_case_is_open_closes_it_as_left(self):
        notice = Notice(MONDAY + hours(3), MONDAY + hours(3), date(2026, 4, 30))
        case, happened = decide(opened(), inputs.ClientTold(Client(notice=notice)), MONDAY + hours(3))
        assert (case.outcome, case.closed_at) == (Outcome.LEFT, MONDAY + hours(3))
        assert "2026-04-30" in happened[-1].details["reason"]

    def test_notice_known_before_the_flag_does_not(self):
        notice = Notice(MONDAY - hours(30), MONDAY - hours(30), date(2026, 4, 30))
        case, _ = decide(opened(), inputs.ClientTold(Client(notice=notice)), MONDAY + hours(3))
        assert case.state is State.OPEN


class TestMerging:
    def test_a_case_moves_with_its_client(self):
        case, happened = decide(opened(), inputs.ClientMoved(OTHER), MONDAY)
        assert (case.client_id, case.flagged_client_id) == (OTHER, CLIENT)
        assert words(happened) == ["case_moved"]

    def test_of_two_open_cases_one_closes_into_the_other_which_answers_for_both_flags(self):
        other_flag = uuid4()
        older = opened()
        younger, _ = decide(None, flagged(flag(other_flag, at=MONDAY + hours(1)), client_id=OTHER), MONDAY + hours(1))
        younger, _happened = decide(younger, inputs.Absorbed(older.case_id), MONDAY + hours(2))
        assert (younger.state, younger.outcome, younger.absorbed_by) == (State.CLOSED, Outcome.CLEARED, older.case_id)
        older, _ = decide(older, inputs.FlagsTaken({other_flag: 1}, younger.case_id), MONDAY + hours(2))
        older, _ = decide(older, cleared(), MONDAY + hours(3))
        assert older.state is State.OPEN
        older, _ = decide(older, cleared(flag_id=other_flag, at=MONDAY + hours(3)), MONDAY + hours(3))
        assert older.state is State.CLOSED


def test_a_case_counts_what_happened_to_it():
    case, happened = play(opened(), [(complete("assign"), MONDAY + hours(5)), (TICK, MONDAY + timedelta(days=4))])
    assert case.happenings == 1 + len(happened)
    assert [one.what for one in happened].count(What.STEP_BREACHED) == 3


def test_people_named_by_completing_assign_are_published_as_the_cases_people():
    _, happened = decide(opened(), complete("assign"), MONDAY)
    assert happened[0].details == {"csm_email": PEOPLE["csm"], "executive_sponsor_email": PEOPLE["executive_sponsor"]}
