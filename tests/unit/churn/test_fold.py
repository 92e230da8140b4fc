"""The state is bounded, survives its storage, and depends on facts alone."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import orjson
from churn.client_fold import FOLD, FOLDED
from churn.domain import fold
from churn.domain.state import KEPT_CONTACTS, KEPT_DAYS, KEPT_FEATURES, KEPT_MARKS, State
from common.contracts import client
from common.contracts.base import Event
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.churn_world import MONDAY, Teller, beginning, turning_away, weekly_life

DAYS = timedelta(days=1)


def test_every_folded_event_is_one_of_the_contract():
    names = {body.type_name() for body in client.EVENTS}
    assert fold.STEPS.keys() <= names
    assert set(FOLDED.values()) == set(fold.STEPS)


def test_a_state_survives_its_storage():
    teller = Teller().tell_all(turning_away(MONDAY - 200 * DAYS))
    raw = FOLD.dump(teller.state)
    assert FOLD.load(raw) == teller.state
    assert FOLD.dump(FOLD.load(raw)) == raw


@settings(max_examples=20, deadline=None)
@given(cut=st.integers(0, 120))
def test_folding_on_from_a_stored_state_is_folding_all_at_once(cut: int):
    events = turning_away(MONDAY - 200 * DAYS)
    whole = Teller().tell_all(events)
    halves = Teller().tell_all(events[:cut])
    halves.state = FOLD.load(FOLD.dump(halves.state))
    halves.tell_all(events[cut:])
    assert FOLD.dump(whole.state) == FOLD.dump(halves.state)


def test_a_busy_client_of_years_stays_small():
    teller = Teller().tell_all(beginning(MONDAY - 1500 * DAYS))
    for n in range(1500):
        at = MONDAY - (1500 - n) * DAYS
        teller.tell("logged_in", at, count=n % 9, contact_id=f"person-{n % 400}")
        teller.tell("usage_recorded", at, feature=f"feature-{n % 200}", quantity=3, active_users=4)
        teller.tell("ticket_opened", at, ticket_id=str(n), priority="high", reading={"sentiment": -0.2, "words": 9})
        teller.tell("competitor_mentioned", at)
        teller.tell(
            "invoice_issued", at, invoice_id=str(n), amount={"amount": 1, "currency": "USD"}, due_on="2026-01-01"
        )
    state = teller.state
    assert len(state.logins) <= KEPT_DAYS + 28
    assert len(state.features) <= KEPT_FEATURES
    assert len(state.engaged) <= KEPT_CONTACTS
    assert len(state.marks["competitor"]) <= KEPT_MARKS
    assert len(FOLD.dump(state)) < 64_000


def test_an_ordinary_state_takes_a_few_kilobytes():
    teller = Teller().tell_all([*beginning(MONDAY - 400 * DAYS), *weekly_life(MONDAY - 400 * DAYS, 56)])
    assert len(FOLD.dump(teller.state)) < 6_000


def test_the_fold_reads_events_as_the_file_reader_does():
    body = client.TicketOpened.model_validate(
        {
            "ticket_id": "1",
            "priority": "urgent",
            "reading": {"sentiment": -0.5, "words": 3, "topics": ["cancel_intent"]},
        }
    )
    event = Event.of(body, id=uuid4(), source="csl/test", subject=uuid4(), time=MONDAY)
    folded = FOLD.apply(FOLD.empty(event.client_id), event)
    told = fold.apply(State(), "ticket_opened", body.fact(), int(MONDAY.timestamp()), str(event.id))
    assert orjson.loads(FOLD.dump(folded)) == orjson.loads(FOLD.dump(told))


def test_our_own_agents_do_not_make_the_mood():
    unhappy = {"sentiment": -0.9, "words": 5}
    ours = Teller().tell("ticket_updated", ticket_id="1", author="us", reading=unhappy)
    theirs = Teller().tell("ticket_updated", ticket_id="1", author="client", reading=unhappy)
    assert not ours.state.mood
    assert theirs.state.mood


def test_people_come_and_go():
    teller = Teller()
    teller.tell("contact_added", contact_id="ada", role="sponsor")
    assert teller.features()["sponsor_missing"] == 0
    teller.tell("contact_left", contact_id="ada")
    teller.tell("contact_left", contact_id="ada")
    assert teller.features()["sponsor_missing"] == 1
    assert len(teller.state.marks["sponsor_lost"]) == 1
    teller.tell("sponsor_changed", contact_before="ada", contact_after="cleo")
    assert teller.features()["sponsor_missing"] == 0
