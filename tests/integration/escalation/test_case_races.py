"""Several workers, consumers and people at once: one case, one breach, one answer."""

from __future__ import annotations

import asyncio
from collections import Counter
from uuid import UUID, uuid4

from common.contracts import client

from tests.support.escalation_stack import EscalationStack
from tests.support.escalation_world import PEOPLE


async def test_two_flags_of_one_client_handled_at_once_open_one_case(escalation: EscalationStack, client_id: UUID):
    flags = [escalation.flag_event(client_id, uuid4()) for _ in range(6)]
    await asyncio.gather(*(escalation.deliver(flag) for flag in flags))
    words = Counter(await escalation.words())
    assert words == {"case_opened": 1}
    case = await escalation.case_of(client_id)
    assert [line["what"] for line in case["trail"]] == ["case_opened"] + ["flag_noted"] * 5


async def test_a_call_and_a_flag_arriving_at_once_meet(escalation: EscalationStack):
    """Whoever commits first, the call completes the step of the case."""
    for _ in range(10):
        client_id = uuid4()
        escalation.clock.advance(minutes=1)
        meeting = client.MeetingScheduled(
            meeting_id="m1", kind="root_cause", starts_at=escalation.clock.now().replace(year=2027)
        )
        await asyncio.gather(
            escalation.deliver(escalation.event(meeting, client_id)),
            escalation.deliver(escalation.flag_event(client_id, uuid4())),
        )
        case = await escalation.case_of(client_id)
        assert case["steps"][1]["state"] == "done"


async def test_completing_while_the_deadline_fires_ends_the_same_either_way(escalation: EscalationStack):
    clients = [uuid4() for _ in range(8)]
    for one in clients:
        await escalation.flag(one)
    ids = [(await escalation.case_of(one))["case_id"] for one in clients]
    await escalation.said()
    escalation.clock.advance(hours=5)
    answers = await asyncio.gather(
        escalation.fire(workers=2),
        *(escalation.post(f"/v1/cases/{one}/steps/assign/complete", {"evidence": PEOPLE}) for one in ids),
    )
    assert [getattr(answer, "status_code", answer) for answer in answers[1:]] == [200] * 8
    counted = Counter(await escalation.words())
    assert counted == {"step_breached assign": 8, "case_assigned": 8, "step_done assign": 8}
    for one in clients:
        trail = [line["what"] for line in (await escalation.case_of(one))["trail"]]
        assert trail == ["case_opened", "step_breached", "case_assigned", "step_done"]


async def test_two_people_completing_a_step_at_once(escalation: EscalationStack, client_id: UUID):
    await escalation.flag(client_id)
    path = f"/v1/cases/{(await escalation.case_of(client_id))['case_id']}/steps/assign/complete"
    other = {**PEOPLE, "csm": "zoe@ours.example"}
    first, second = await asyncio.gather(
        escalation.post(path, {"evidence": PEOPLE}), escalation.post(path, {"evidence": other})
    )
    assert sorted([first.status_code, second.status_code]) == [200, 409]
    assert Counter(await escalation.words())["step_done assign"] == 1
