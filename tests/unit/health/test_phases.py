"""A client's phase moves on by rule, and never back without a reason."""

from __future__ import annotations

from common.contracts import client
from common.contracts.health import PhaseReason
from health.domain import journey, phases
from health.domain.fold import apply, fold
from health.domain.journey import PHASES
from health.domain.moments import moment_of, seconds_of
from health.domain.phases import Phased, Ruled
from hypothesis import given
from hypothesis import strategies as st

from tests.support.health_world import JOURNEY, day, event, lives, order, registered, steady

NOW = seconds_of(day(100))
RULES = st.builds(Ruled, st.sampled_from(PHASES), st.integers(0, NOW), st.just(PhaseReason.RULE), st.just("met"))


def said(*events, at):
    state = fold(sorted(events, key=order))
    return phases.ruled(state, JOURNEY, journey.plan(state, JOURNEY), seconds_of(at))


def test_the_rules_say_the_phase_since_when_and_why():
    assert said(registered(), at=day(1)) == (
        "kickoff",
        seconds_of(day(0).replace(hour=0)),
        "rule",
        "the contract began",
    )
    active = event(client.LoggedIn(), day(3))
    found = said(registered(), active, at=day(4))
    assert (found.phase, moment_of(found.since)) == ("first_value", day(3))
    assert found.text == "Kick-off & provisioning ended: Access provisioned"
    features = [
        event(client.UsageRecorded(feature=name, quantity=1.0), day(20)) for name in ("reports", "export", "alerts")
    ]
    live = event(client.MilestoneCompleted(milestone="first_automation_live"), day(12), "csm")
    found = said(registered(), active, live, *features, at=day(30))
    assert (found.phase, found.text) == (
        "value_validation",
        "Adoption deepening ended: 60 % of the key features used",
    )


def test_of_two_phases_that_ended_on_one_day_the_later_one_says_why():
    at_once = [event(client.UsageRecorded(feature=f, quantity=1.0), day(3)) for f in ("reports", "export", "alerts")]
    live = event(client.MilestoneCompleted(milestone="first_automation_live"), day(3), "csm")
    found = said(registered(), *at_once, live, at=day(4))
    assert (found.phase, moment_of(found.since)) == ("value_validation", day(3))
    assert found.text == "Adoption deepening ended: 60 % of the key features used"


def test_what_was_over_before_we_heard_of_a_client_is_no_reason():
    found = said(registered(contract_started_on="2025-06-01"), at=day(1))
    assert (found.phase, found.text) == ("adoption", "first heard of")


def test_before_each_later_renewal_a_client_is_back_in_value_validation_until_it_is_renewed():
    renewals = [
        event(client.ContractRenewed.model_validate({"starts_on": f"{y}-01-05", "ends_on": f"{y + 1}-01-05"}),
              day(350 + 365 * n), "hubspot")
        for n, y in enumerate((2027, 2028))
    ]  # fmt: skip
    assert said(*steady(20), renewals[0], at=day(400)).phase == "expansion"
    back = said(*steady(20), renewals[0], at=day(350 + 320))
    assert (back.phase, back.reason) == ("value_validation", PhaseReason.RENEWAL)
    assert moment_of(back.since).date().isoformat() == "2027-10-07"
    assert said(*steady(20), *renewals, at=day(350 + 370)).phase == "expansion"


def test_phases_gone_through_before_we_kept_them_are_worked_out_from_the_facts():
    state = fold(steady(95))
    found = phases.spans(state, JOURNEY, journey.plan(state, JOURNEY), seconds_of(day(95)))
    assert [span.phase for span in found] == ["kickoff", "first_value", "adoption", "value_validation"]
    begins = [span.since for span in found]
    assert begins == sorted(begins)
    assert moment_of(begins[0]) == day(0).replace(hour=0)


def test_of_a_client_that_was_here_before_us_nobody_knows_when_it_was_onboarded():
    state = fold([registered(contract_started_on="2025-03-01")])
    found = phases.spans(state, JOURNEY, journey.plan(state, JOURNEY), NOW)
    assert [(span.phase, moment_of(span.since)) for span in found] == [("adoption", day(0))]


@given(st.sampled_from(PHASES), st.lists(RULES, max_size=12))
def test_without_a_reason_a_phase_never_goes_back(start, rules):
    known = Phased(start, 0)
    for says in rules:
        step = phases.moved(known, says, JOURNEY, NOW, corrected=False)
        if step is not None:
            assert PHASES.index(step.now.phase) > PHASES.index(known.phase)
            assert known.since <= step.now.since <= NOW
            known = step.now
    furthest = max(PHASES.index(phase) for phase in (start, *(r.phase for r in rules)))
    assert PHASES.index(known.phase) == furthest


@given(lives())
def test_while_facts_arrive_in_order_the_phase_of_any_client_only_moves_on(life):
    state = fold(life[:1])
    known = Phased("kickoff", 0)
    for following in life[1:]:
        apply(state, following)
        says = phases.ruled(state, JOURNEY, journey.plan(state, JOURNEY), state.last)
        step = phases.moved(known, says, JOURNEY, state.last, corrected=False)
        if step is not None:
            assert not phases.back(known.phase, step.now.phase)
            known = step.now


@given(RULES, RULES)
def test_where_facts_were_set_right_the_phase_is_what_the_rules_say(before, says):
    step = phases.moved(Phased(before.phase, before.since), says, JOURNEY, NOW, corrected=True)
    assert (step.now.phase if step else before.phase) == says.phase
    if step is not None and phases.back(before.phase, says.phase):
        assert (step.reason, step.now.since) == (PhaseReason.CORRECTED, NOW)


@given(RULES, st.sampled_from(PHASES), st.lists(st.booleans(), max_size=5))
def test_what_a_person_says_holds_until_the_rules_say_something_new(says, phase, corrections):
    known = phases.decided(Phased(says.phase, says.since), phase, says, NOW).now
    assert known.phase == phase
    for corrected in corrections:
        assert phases.moved(known, says, JOURNEY, NOW, corrected=corrected) is None


def test_a_person_moves_a_client_back_and_the_next_hit_moves_it_on():
    adoption = Ruled("adoption", 5, PhaseReason.RULE, "")
    known = phases.decided(Phased("adoption", 5), "first_value", adoption, 10).now
    assert known == Phased("first_value", 10, "adoption")
    later = Ruled("value_validation", 20, PhaseReason.RULE, "")
    assert phases.moved(known, later, JOURNEY, 30, corrected=False).now == Phased("value_validation", 20)
    early = Ruled("first_value", 12, PhaseReason.RULE, "")
    assert phases.caught_up(known, early) == Phased("first_value", 10)


def test_a_map_without_the_clients_phase_gives_it_one_of_its_own():
    short = journey.Template("short", 1, JOURNEY.phases[:2], (), "a@ours.example", (0,))
    says = Ruled("first_value", 5, PhaseReason.RULE, "")
    step = phases.moved(Phased("adoption", 3), says, short, NOW, corrected=False)
    assert (step.now.phase, step.reason, step.text) == ("first_value", PhaseReason.TEMPLATE, "its journey is now short")
