"""The state: bounded, the same however it was read back, and only a matter of the facts and their order."""

from __future__ import annotations

import time
from datetime import timedelta
from uuid import uuid4

from common.contracts import client
from health.domain.fold import FOLD, apply, fold
from health.domain.state import PEOPLE, ClientState, active_days, dump, load, used
from hypothesis import given
from hypothesis import strategies as st

from tests.support.health_world import DAY_0, day, event, lives, order, registered, steady


@given(lives(), st.randoms())
def test_any_order_and_repeats_give_the_same_state(life, random):
    arrived = [*life, *random.sample(life, k=len(life) // 2)]
    random.shuffle(arrived)
    in_order = sorted({e.id: e for e in arrived}.values(), key=order)
    assert dump(fold(in_order)) == dump(fold(life))


@given(lives(), st.integers(0, 40))
def test_a_state_written_down_and_read_back_goes_on_the_same(life, split):
    before = fold(life[:split])
    resumed = load(dump(before))
    for fact in life[split:]:
        before, resumed = apply(before, fact), apply(resumed, fact)
    assert dump(resumed) == dump(before)


def test_an_empty_state_survives_writing():
    empty = FOLD.empty(uuid4())
    assert dump(FOLD.load(FOLD.dump(empty))) == dump(empty)


def test_ten_years_of_a_busy_client_stay_small():
    state = ClientState()
    apply(state, registered())
    for number in range(0, 3650, 3):
        for nth in range(6):
            apply(state, event(client.LoggedIn(contact_id=f"u{number}-{nth}"), day(number, nth / 10), nth=nth))
            apply(
                state,
                event(client.UsageRecorded(feature=f"f{number * 6 + nth}", quantity=5.0), day(number, 1 + nth / 10)),
            )
        ticket = client.TicketOpened(ticket_id=f"t{number}", priority="urgent")
        apply(state, event(ticket, day(number, 2), "zendesk"))
        asked = client.MessageExchanged(message_id=f"m{number}", channel="email", direction="outbound")
        apply(state, event(asked, day(number, 3), "hubspot"))
        apply(state, event(client.PaymentFailed(invoice_id=f"i{number}"), day(number, 4), "stripe"))
    assert len(dump(state)) < 20_000
    assert len(state.users) <= PEOPLE
    assert len(state.features) <= 64


def test_active_days_and_use_count_utc_days():
    state = fold([event(client.UsageRecorded(feature="reports", quantity=2.5), day(n)) for n in (0, 1, 1.5, 9, 30)])
    today = day(30).toordinal()
    assert active_days(state, today, 28, 0) == 2
    assert active_days(state, today, 112, 28) == 2
    assert active_days(state, today + 10, 28, 0) == 1
    assert used(state, today, 28, 0) == 500
    assert used(state, today, 56, 28) == 750
    assert used(state, today + 60, 56, 0) == 0


def test_the_first_question_of_a_thread_is_waited_for_and_its_answer_ends_the_wait():
    def message(number: int, direction: str, hours: float):
        body = client.MessageExchanged(message_id=f"m{number}", channel="email", direction=direction, thread_id="t")
        return event(body, DAY_0 + timedelta(hours=hours), "hubspot")

    asked = fold([message(1, "outbound", 0), message(2, "outbound", 10)])
    assert len(asked.waiting) == 1
    answered = fold([message(1, "outbound", 0), message(2, "outbound", 10), message(3, "inbound", 26)])
    assert not answered.waiting
    assert answered.replies[0][1] == 26 * 60


def test_our_agents_words_are_not_the_clients_mood():
    words = {"reading": {"sentiment": -0.9, "words": 9}, "ticket_id": "t"}
    ours = client.TicketUpdated.model_validate({**words, "author": "us"})
    theirs = client.TicketUpdated.model_validate({**words, "author": "client"})
    assert fold([event(ours, DAY_0, "zendesk")]).moods == []
    assert len(fold([event(theirs, DAY_0, "zendesk")]).moods) == 1


def test_a_resolved_ticket_that_is_open_again_counts_as_urgent_again():
    def ticket(number: float, kind: type, **more):
        return event(kind(ticket_id="t", **more), day(number), "zendesk")

    opened, resolved = ticket(1, client.TicketOpened, priority="urgent"), ticket(2, client.TicketResolved)
    reopened = ticket(3, client.TicketUpdated, status="open", priority="urgent")
    assert fold([registered(), opened, resolved]).open_tickets == {}
    state = fold([registered(), opened, resolved, reopened])
    assert state.open_tickets == {"t": ["urgent", day(3).toordinal(), reopened.id.hex]}
    assert len(state.tickets_opened) == 1
    said = ticket(4, client.TicketUpdated, priority="urgent")  # says nothing of whether it is open
    assert fold([registered(), opened, resolved, said]).open_tickets == {}
    closed = ticket(4, client.TicketUpdated, status="Solved", priority="urgent")
    assert fold([registered(), opened, resolved, reopened, closed]).open_tickets == {}


def test_loading_applying_and_dumping_take_a_fraction_of_a_millisecond():
    raw = dump(fold(steady(120)))
    fact = event(client.LoggedIn(contact_id="user-1"), day(121))
    started = time.process_time()
    for _ in range(300):
        dump(apply(load(raw), fact))
    assert (time.process_time() - started) / 300 < 1e-3
