"""What a state forgets of a large client: never what its score rests on."""

from __future__ import annotations

import pytest
from common.contracts import client
from common.contracts.base import Money
from health.domain.evaluate import evaluate
from health.domain.fold import fold
from health.domain.moments import seconds_of
from health.domain.past import onboarding
from health.domain.state import dump, person

from tests.support.health_world import EVERY_DAY, JOURNEY, LOOP, day, event, order, registered

MANY = 300


def state_of(*bodies, until: float = 20.0):
    """A client to which these happened, evenly, within `until` days."""
    step = until / len(bodies)
    events = [event(body, day(nth * step), nth=nth) for nth, body in enumerate(bodies)]
    return fold(sorted([registered(), *events], key=order))


def fact(state, name: str, at: float, model=LOOP):
    result = evaluate(model, state, seconds_of(day(at)), EVERY_DAY, JOURNEY)
    found = [m for signal, m in zip(model.signals, result.measures, strict=True) if signal.name == name]
    return found[0].value if found and found[0] is not None else None


def crowd(number: int = MANY):
    return [client.ContactAdded(contact_id=f"user-{nth}", role="user") for nth in range(number)]


def test_a_sponsor_stays_known_however_many_users_the_crm_lists():
    state = state_of(
        client.ContactAdded(contact_id="ada", role="sponsor"),
        client.ContactAdded(contact_id="ben", role="champion"),
        *crowd(),
    )
    assert fact(state, "sponsor_and_champion", 21) == 100


def test_a_sponsor_that_left_stays_gone():
    state = state_of(
        client.ContactAdded(contact_id="ada", role="sponsor"),
        client.ContactAdded(contact_id="ben", role="champion"),
        client.ContactLeft(contact_id="ada"),
        *crowd(),
    )
    assert fact(state, "sponsor_and_champion", 21) == 40
    assert state.contacts[person("ada")] == "gone sponsor"


def test_a_champion_that_spoke_is_not_pushed_out_by_others():
    said = [client.MessageExchanged(message_id=f"m{nth}", channel="email", direction="inbound",
                                    contact_id=f"user-{nth}") for nth in range(MANY)]  # fmt: skip
    ours = client.ContactAdded(contact_id="ben", role="champion")
    word = client.MessageExchanged(message_id="word", channel="email", direction="inbound", contact_id="ben")
    state = state_of(ours, word, *said)
    assert person("ben") in state.spoke
    assert person(f"user-{MANY - 1}") in state.spoke


def test_whoever_spoke_last_stays():
    def said(nth: int, who: str):
        return client.MessageExchanged(message_id=f"m{nth}", channel="email", direction="inbound", contact_id=who)

    state = state_of(*[said(nth, who) for nth in range(100) for who in ("first", f"user-{nth}")])
    assert person("first") in state.spoke


def test_key_features_are_kept_among_many():
    def used(feature: str):
        return client.UsageRecorded(feature=feature, quantity=1.0)

    state = state_of(used("reports"), used("export"), *[used(f"small-{nth}") for nth in range(MANY)])
    assert fact(state, "feature_depth", 21) == 500
    assert state.features["reports"][0] == day(0).toordinal()


def test_the_longest_wait_is_not_lost_among_many_questions():
    """Thirty questions of ours in two days: the first of them has been waiting the longest."""
    asked = [client.MessageExchanged(message_id=f"q{nth}", channel="email", direction="outbound") for nth in range(30)]
    state = state_of(*asked, until=2)
    assert fact(state, "response_time", 3) == 72
    assert fact(state_of(*asked, until=29), "response_time", 29.5) == int(29.5 * 24)


def test_questions_that_were_given_up_make_room():
    old = [client.MessageExchanged(message_id=f"q{nth}", channel="email", direction="outbound") for nth in range(30)]
    state = fold(
        [
            registered(),
            *[event(body, day(nth / 100), nth=nth) for nth, body in enumerate(old)],
            event(client.MessageExchanged(message_id="new", channel="email", direction="outbound"), day(40)),
        ]
    )
    assert fact(state, "response_time", 42) == 48


def test_urgent_tickets_stay_among_many_small_ones():
    state = state_of(
        client.TicketOpened(ticket_id="u", priority="urgent"),
        *[client.TicketOpened(ticket_id=f"t{nth}", priority="low") for nth in range(MANY)],
    )
    assert fact(state, "urgent_tickets", 21) == 1


def test_the_oldest_unpaid_invoice_counts_among_many():
    money = Money(amount=1_00, currency="EUR")
    state = state_of(
        *[client.InvoiceIssued(invoice_id=f"i{nth}", amount=money, due_on=day(nth / 20).date()) for nth in range(MANY)]
    )
    assert fact(state, "days_overdue", 40) == 40


def test_ended_subscriptions_make_room_for_those_that_pay():
    def pays(name: str, amount: int):
        return client.SubscriptionChanged(subscription_id=name, mrr_after=Money(amount=amount, currency="USD"))

    state = state_of(
        pays("main", 900_000),
        *[pays(f"s{nth}", amount) for nth in range(MANY) for amount in (1_00, 0)],
        pays("second", 100_000),
    )
    assert state.mrr_log[-1][1:3] == ["USD", 1_000_000]


def test_the_next_meetings_of_a_long_series_are_kept():
    series = [
        client.MeetingScheduled(meeting_id=f"w{nth}", kind="check_in", starts_at=day(25 + 7 * nth)) for nth in range(52)
    ]
    state = state_of(*series)
    assert "w0" in state.meetings_planned
    assert "w51" in state.meetings_planned  # what was said last is heard


def test_a_hand_off_is_not_forgotten_over_many_milestones():
    def planned(name: str):
        return client.MilestonePlanned(
            milestone=name, phase="adoption", owner_email="m@ours.example", kpi="once", due_at=day(30)
        )

    state = state_of(
        client.MilestoneCompleted(milestone="hand_off"),
        *[each for nth in range(100) for each in (planned(f"p{nth}"), client.MilestoneCompleted(milestone=f"p{nth}"))],
    )
    assert state.milestones["hand_off"][5] is not None
    assert not onboarding(state)


@pytest.mark.parametrize("answers", [10, 40])
def test_every_answer_of_a_survey_counts(answers: int):
    state = state_of(
        *[
            client.SurveyAnswered(survey="nps", contact_id=f"u{nth}", score=float(nth % 2 * 10), scale_min=0,
                                  scale_max=10)
            for nth in range(answers - 12)
        ],
        *[
            client.SurveyAnswered(survey="nps", contact_id=f"v{nth}", score=10.0, scale_min=0, scale_max=10)
            for nth in range(12)
        ],
    )  # fmt: skip
    if answers == 40:
        assert fact(state, "nps", 21) == (14 * 1000 + 12 * 1000 + 700) // 41


def test_the_state_of_the_largest_client_is_bounded():
    assert len(dump(state_of(*crowd(3000)))) < 4_000
