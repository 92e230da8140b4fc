"""What a case needs to know of its client, folded from client events."""

from __future__ import annotations

from datetime import date, datetime
from uuid import uuid4

from common.contracts import client as said
from common.contracts.base import Data, Event
from escalation.domain.client import CALLS_KEPT, CLIENT_FOLD, Client

from tests.support.escalation_world import CLIENT, MAYA, MONDAY, OMAR, hours

TOMORROW = MONDAY + hours(30)


def event(body: Data, at: datetime = MONDAY) -> Event:
    return Event.of(body, id=uuid4(), source="csl/ingest/test", subject=CLIENT, time=at)


def fold(*bodies: Data) -> Client:
    state = CLIENT_FOLD.empty(CLIENT)
    for nth, body in enumerate(bodies):
        state = CLIENT_FOLD.apply(state, event(body, MONDAY + hours(nth)))
    return state


def meeting(meeting_id: str = "m1", kind: str = "root_cause", at: datetime = TOMORROW) -> Data:
    return said.MeetingScheduled(meeting_id=meeting_id, kind=kind, starts_at=at, attendees=("contact-7",))


def test_what_is_not_said_stays_as_it_was():
    state = fold(
        said.ClientRegistered(name="Northwind", csm_email=MAYA, tier="core", refs=()),
        said.ClientUpdated(executive_sponsor_email=OMAR),
    )
    assert state == Client("Northwind", "core", MAYA, OMAR)


def test_only_root_cause_calls_are_kept_and_a_new_time_moves_them():
    state = fold(meeting(), meeting("m2", "qbr"), meeting(at=MONDAY + hours(40)))
    assert [(call.meeting_id, call.starts_at) for call in state.calls] == [("m1", MONDAY + hours(40))]


def test_a_cancelled_call_is_remembered_as_such():
    state = fold(meeting(), said.MeetingCancelled(meeting_id="m1", by="client"))
    assert [call.cancelled for call in state.calls] == [True]


def test_a_notice_stands_until_the_client_stays():
    notice = said.ContractCancelled(effective_on=date(2026, 6, 1))
    assert fold(notice).notice is not None
    assert fold(notice, said.CancellationWithdrawn()).notice is None
    assert fold(notice, said.ContractRenewed(starts_on=date(2026, 6, 1))).notice is None


def test_calls_are_bounded():
    state = fold(*(meeting(f"m{n:02}", at=MONDAY + hours(n)) for n in range(40)))
    assert len(state.calls) == CALLS_KEPT
    assert state.calls[-1].meeting_id == "m39"


def test_a_state_survives_being_stored():
    state = fold(
        said.ClientRegistered(name="Northwind", csm_email=MAYA, tier="core", refs=()),
        meeting(),
        said.MeetingCancelled(meeting_id="m1", by="us"),
        said.ContractCancelled(effective_on=date(2026, 6, 1)),
    )
    assert CLIENT_FOLD.load(CLIENT_FOLD.dump(state)) == state
    assert CLIENT_FOLD.load(CLIENT_FOLD.dump(Client())) == Client()
