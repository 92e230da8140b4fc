"""From a flag to a closed case, over events, timers and requests, on a real database."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID, uuid4

from common.contracts import churn, client
from common.contracts.base import Origin

from tests.support.escalation_stack import EscalationStack
from tests.support.escalation_world import MAYA, OMAR, PEOPLE, PLAN, call_evidence, hours


def states(case: dict) -> dict[str, str]:
    return {step["step"]: step["state"] for step in case["steps"]}


async def test_a_flag_opens_one_case_with_three_deadlines(escalation: EscalationStack, client_id: UUID):
    flag_id = await escalation.flag(client_id)
    case = await escalation.case_of(client_id)
    now = escalation.clock.now()
    assert {step["step"]: step["due_at"] for step in case["steps"]} == {
        "assign": (now + hours(4)).isoformat().replace("+00:00", "Z"),
        "root_cause_call": (now + hours(24)).isoformat().replace("+00:00", "Z"),
        "mitigation_plan": (now + hours(72)).isoformat().replace("+00:00", "Z"),
    }
    assert (case["state"], case["sop"], case["sop_version"], case["flag_id"]) == (
        "open",
        "churn-risk",
        1,
        str(flag_id),
    )
    said = await escalation.said()
    assert [event.type for event in said] == ["csl.escalation.case_opened.v1"]
    assert said[0].data.reasons[0].code == "sponsor_left"
    assert said[0].client_id == client_id


async def test_the_same_flag_again_makes_no_second_case(escalation: EscalationStack, client_id: UUID):
    event = escalation.flag_event(client_id, uuid4())
    await escalation.deliver(event)
    first = await escalation.said()
    await escalation.deliver(event)
    retold = escalation.flag_event(client_id, event.data.flag_id)
    await escalation.deliver(retold)
    assert await escalation.said() == []
    await escalation.end_flag(client_id, event.data.flag_id)
    await escalation.deliver(escalation.flag_event(client_id, event.data.flag_id))
    assert (await escalation.case_of(client_id))["case_id"] == str(first[0].data.case_id)
    assert await escalation.words() == ["case_closed"]


async def test_the_next_episode_of_a_flag_is_a_new_case(escalation: EscalationStack, client_id: UUID):
    flag_id = await escalation.flag(client_id)
    first = await escalation.case_of(client_id)
    await escalation.deliver(
        escalation.flag_event(
            client_id,
            flag_id,
            body=churn.FlagOverridden,
            by=MAYA,
            reason_code="known_context",
            note="merger",
            until=escalation.clock.now() + timedelta(days=30),
        )
    )
    escalation.clock.advance(days=30)
    await escalation.flag(client_id, flag_id, episode=2)
    second = await escalation.case_of(client_id)
    assert second["case_id"] != first["case_id"]
    assert (await escalation.said())[1].data.reason == "known_context: merger"


async def test_history_opens_no_case(escalation: EscalationStack, client_id: UUID):
    await escalation.deliver(escalation.flag_event(client_id, uuid4(), mode="historic"))
    assert await escalation.said() == []


async def test_the_capacity_rule_opens_a_case_only_where_a_procedure_says_so(
    escalation: EscalationStack, client_id: UUID
):
    await escalation.flag(client_id, rule="capacity")
    assert await escalation.said() == []


async def test_a_named_client_that_reaches_the_threshold_gets_its_case_then(
    escalation: EscalationStack, client_id: UUID
):
    flag_id = await escalation.flag(client_id, rule="capacity")
    await escalation.flag(client_id, flag_id, episode=2, because="reached_threshold")
    assert await escalation.words() == ["case_opened"]


async def test_a_case_that_is_open_goes_on_when_its_flag_is_raised_again(escalation: EscalationStack, client_id: UUID):
    flag_id = await escalation.flag(client_id)
    await escalation.flag(client_id, flag_id, episode=2, because="reached_threshold")
    assert await escalation.words() == ["case_opened"]
    await escalation.end_flag(client_id, flag_id)
    assert await escalation.words() == [], "the end of an episode that is over closes nothing"
    await escalation.end_flag(client_id, flag_id, episode=2)
    assert await escalation.words() == ["case_closed"]


async def test_due_soon_then_breach_then_done_late(escalation: EscalationStack, client_id: UUID):
    await escalation.flag(client_id)
    case_id = (await escalation.case_of(client_id))["case_id"]
    await escalation.said()
    escalation.clock.advance(hours=3)
    await escalation.fire()
    assert await escalation.words() == ["step_due assign"]
    escalation.clock.advance(hours=1)
    await escalation.fire()
    breach = (await escalation.said())[0]
    assert (breach.data.type_name(), breach.data.step, breach.time) == (
        "step_breached",
        "assign",
        escalation.clock.now(),
    )
    assert states(await escalation.case_of(client_id))["assign"] == "breached"
    escalation.clock.advance(hours=1)
    answer = await escalation.post(f"/v1/cases/{case_id}/steps/assign/complete", {"evidence": PEOPLE})
    assert answer.status_code == 200, answer.text
    step = answer.json()["steps"][0]
    assert step["state"] == "done"
    assert step["breached_at"] is not None
    assert await escalation.words() == ["case_assigned", "step_done assign"]


async def test_two_workers_firing_at_once_breach_once(escalation: EscalationStack):
    clients = [uuid4() for _ in range(30)]
    for one in clients:
        await escalation.flag(one)
    await escalation.said()
    escalation.clock.advance(hours=100)
    fired = await escalation.fire(workers=2)
    assert fired == 30 * 6
    breaches = [event for event in await escalation.said() if event.data.type_name() == "step_breached"]
    told = [(event.client_id, event.data.step) for event in breaches]
    assert len(told) == len(set(told)) == 30 * 3
    assert await escalation.timers() == []


async def test_a_scheduled_root_cause_call_completes_its_step(escalation: EscalationStack, client_id: UUID):
    await escalation.flag(client_id)
    escalation.clock.advance(hours=2)
    await escalation.say(
        client.MeetingScheduled(
            meeting_id="m1",
            kind="root_cause",
            starts_at=escalation.clock.now() + hours(20),
            attendees=("contact-7", MAYA),
        ),
        client_id,
    )
    case = await escalation.case_of(client_id)
    assert states(case) == {"assign": "pending", "root_cause_call": "done", "mitigation_plan": "pending"}
    done = (await escalation.said())[-1]
    assert done.data.evidence["attendees"] == ["contact-7", "withheld"]
    assert done.causationid is not None
    escalation.clock.advance(hours=30)
    await escalation.fire()
    assert await escalation.words() == ["step_breached assign"]


async def test_a_call_scheduled_before_the_flag_for_afterwards_counts(escalation: EscalationStack, client_id: UUID):
    await escalation.say(
        client.MeetingScheduled(
            meeting_id="m1", kind="root_cause", starts_at=escalation.clock.now() + hours(20), attendees=("contact-7",)
        ),
        client_id,
    )
    escalation.clock.advance(minutes=5)
    await escalation.flag(client_id)
    assert states(await escalation.case_of(client_id))["root_cause_call"] == "done"
    assert await escalation.words() == ["case_opened", "step_done root_cause_call"]


async def test_the_record_proposes_people_and_its_changes_are_followed(escalation: EscalationStack, client_id: UUID):
    await escalation.say(client.ClientRegistered(name="Northwind", csm_email=MAYA, refs=()), client_id)
    await escalation.flag(client_id)
    case = await escalation.case_of(client_id)
    assert (case["client_name"], case["csm"], case["csm_named_by"]) == ("Northwind", MAYA, None)
    await escalation.say(client.ClientUpdated(executive_sponsor_email=OMAR), client_id)
    case = await escalation.case_of(client_id)
    assert case["executive_sponsor"] == OMAR
    assert states(case)["assign"] == "pending"
    assert await escalation.words() == ["case_opened", "case_assigned"]
    answer = await escalation.post(f"/v1/cases/{case['case_id']}/assign", {"csm": MAYA})
    assert states(answer.json())["assign"] == "done"


async def test_imports_move_no_case_until_something_happens(escalation: EscalationStack, client_id: UUID):
    await escalation.flag(client_id)
    await escalation.said()
    notice = client.ContractCancelled(effective_on=date(2026, 6, 1))
    await escalation.say(notice, client_id, origin=Origin.IMPORT)
    assert await escalation.said() == []


async def test_notice_closes_the_case_as_left(escalation: EscalationStack, client_id: UUID):
    await escalation.flag(client_id)
    escalation.clock.advance(hours=1)
    await escalation.say(client.ContractCancelled(effective_on=date(2026, 6, 1)), client_id)
    case = await escalation.case_of(client_id)
    assert (case["state"], case["outcome"]) == ("closed", "left")
    escalation.clock.advance(hours=200)
    await escalation.fire()
    assert await escalation.words() == ["case_opened", "case_closed"]


async def test_the_whole_way_to_a_saved_client(escalation: EscalationStack, client_id: UUID):
    await escalation.flag(client_id)
    case_id = (await escalation.case_of(client_id))["case_id"]
    for step, evidence in (
        ("assign", PEOPLE),
        ("root_cause_call", call_evidence()),
        ("mitigation_plan", PLAN),
    ):
        escalation.clock.advance(minutes=30)
        answer = await escalation.post(f"/v1/cases/{case_id}/steps/{step}/complete", {"evidence": evidence})
        assert answer.status_code == 200, answer.text
    answer = await escalation.post(f"/v1/cases/{case_id}/close", {"outcome": "saved", "reason": "export fixed"})
    case = answer.json()
    assert (case["state"], case["outcome"], set(states(case).values())) == ("closed", "saved", {"done"})
    assert [(line["what"], line["step"], line["by"]) for line in case["trail"]] == [
        ("case_opened", None, "loop"),
        ("case_assigned", None, MAYA),
        ("step_done", "assign", MAYA),
        ("step_done", "root_cause_call", MAYA),
        ("step_done", "mitigation_plan", MAYA),
        ("case_closed", None, MAYA),
    ]


async def test_a_pause_moves_the_timers(escalation: EscalationStack, client_id: UUID):
    await escalation.flag(client_id)
    case_id = (await escalation.case_of(client_id))["case_id"]
    until = escalation.clock.now() + hours(48)
    answer = await escalation.post(f"/v1/cases/{case_id}/pause", {"reason": "holiday", "until": until.isoformat()})
    assert answer.json()["state"] == "paused"
    await escalation.said()
    escalation.clock.advance(hours=47)
    await escalation.fire()
    assert await escalation.words() == []
    escalation.clock.advance(hours=1)
    await escalation.fire()
    resumed = (await escalation.said())[0]
    assert resumed.data.steps[0].due_at == until + hours(4)
    escalation.clock.advance(hours=4)
    await escalation.fire()
    assert await escalation.words() == ["step_breached assign"]


async def test_erasing_a_client_leaves_nothing(escalation: EscalationStack, client_id: UUID):
    await escalation.say(client.ClientRegistered(name="Northwind", refs=()), client_id)
    await escalation.flag(client_id)
    await escalation.say(client.ClientErased(), client_id)
    for table in ("cases", "case_trail", "timers", "facts", "states"):
        assert (await escalation.rows(f"SELECT count(*) FROM {table}"))[0][0] == 0, table
    await escalation.flag(client_id)
    assert (await escalation.rows("SELECT count(*) FROM cases"))[0][0] == 0


async def test_erasing_a_person_takes_them_out_of_evidence_and_trail(escalation: EscalationStack, client_id: UUID):
    await escalation.flag(client_id)
    case_id = (await escalation.case_of(client_id))["case_id"]
    await escalation.post(f"/v1/cases/{case_id}/steps/root_cause_call/complete", {"evidence": call_evidence()})
    await escalation.say(client.ContactErased(contact_id="contact-7"), client_id)
    kept = str(await escalation.case_of(client_id))
    assert "contact-7" not in kept
    assert MAYA in kept
