"""A case follows its client through merges and their undoing."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from common.contracts import client
from common.contracts.base import Data

from tests.support.escalation_stack import EscalationStack


async def link(escalation: EscalationStack, body: type[Data], from_id: UUID, into_id: UUID) -> None:
    """Published once under each id; a minute later than what was before."""
    escalation.clock.advance(minutes=1)
    for one in (from_id, into_id):
        await escalation.say(body(from_client_id=from_id, into_client_id=into_id), one)


@pytest.fixture
def pair() -> tuple[UUID, UUID]:
    """Two ids; (from, into)."""
    return uuid4(), uuid4()


async def test_a_case_moves_into_the_surviving_client_and_back(escalation: EscalationStack, pair):
    gone, kept = pair
    await escalation.flag(gone)
    case_id = (await escalation.case_of(gone))["case_id"]
    await link(escalation, client.ClientsMerged, gone, kept)
    case = await escalation.case_of(kept)
    assert (case["case_id"], case["client_id"]) == (case_id, str(kept))
    assert (await escalation.case_of(gone))["case_id"] == case_id
    await link(escalation, client.ClientsUnmerged, gone, kept)
    assert (await escalation.case_of(gone))["client_id"] == str(gone)


async def test_of_two_open_cases_the_younger_goes_on_in_the_older(escalation: EscalationStack, pair):
    gone, kept = pair
    older_flag = await escalation.flag(gone)
    escalation.clock.advance(hours=1)
    younger_flag = await escalation.flag(kept)
    older, younger = (await escalation.case_of(gone))["case_id"], (await escalation.case_of(kept))["case_id"]
    await escalation.said()
    await link(escalation, client.ClientsMerged, gone, kept)
    closed = (await escalation.said())[0].data
    assert (closed.type_name(), str(closed.case_id), closed.model_extra["absorbed_by"]) == (
        "case_closed",
        younger,
        older,
    )
    await escalation.end_flag(kept, younger_flag)
    assert await escalation.said() == []
    await escalation.end_flag(kept, older_flag)
    assert await escalation.words() == ["case_closed"]
    rows = await escalation.rows("SELECT client_id, state FROM cases")
    assert {tuple(row) for row in rows} == {(kept, "closed")}


async def test_closed_cases_follow_too(escalation: EscalationStack, pair):
    gone, kept = pair
    await escalation.end_flag(gone, await escalation.flag(gone))
    await link(escalation, client.ClientsMerged, gone, kept)
    assert (await escalation.case_of(kept))["state"] == "closed"
    await link(escalation, client.ClientsUnmerged, gone, kept)
    assert (await escalation.case_of(gone))["client_id"] == str(gone)


async def test_a_flag_over_a_merged_id_goes_to_the_surviving_clients_case(escalation: EscalationStack, pair):
    gone, kept = pair
    await link(escalation, client.ClientsMerged, gone, kept)
    await escalation.flag(gone)
    assert (await escalation.case_of(kept))["client_id"] == str(kept)
    await escalation.flag(kept)
    assert (await escalation.rows("SELECT count(*) FROM cases"))[0][0] == 1


async def test_a_call_of_the_other_id_completes_the_step_of_the_merged_case(escalation: EscalationStack, pair):
    gone, kept = pair
    await escalation.flag(kept)
    await escalation.say(
        client.MeetingScheduled(
            meeting_id="m1", kind="root_cause", starts_at=escalation.clock.now().replace(year=2027)
        ),
        gone,
    )
    assert (await escalation.case_of(kept))["steps"][1]["state"] == "pending"
    await link(escalation, client.ClientsMerged, gone, kept)
    assert (await escalation.case_of(kept))["steps"][1]["state"] == "done"


async def test_erasing_the_surviving_client_erases_what_was_merged_into_it(escalation: EscalationStack, pair):
    gone, kept = pair
    await escalation.flag(gone)
    await link(escalation, client.ClientsMerged, gone, kept)
    await escalation.say(client.ClientErased(), kept)
    assert (await escalation.rows("SELECT count(*) FROM cases"))[0][0] == 0
