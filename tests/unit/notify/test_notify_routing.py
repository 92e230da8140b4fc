"""To whom, on which channels, how often."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from common.contracts.base import Data
from hypothesis import given
from hypothesis import strategies as st
from notify.domain.card import CARD, Card, CaseCard
from notify.domain.occasion import Occasion, occasion_of
from notify.domain.routing import Address, Directory, Preference, Surroundings, addresses_of, delivery_id, route
from notify.domain.rules import Channel, Limit, Rule, Throttle, To, Tone

from tests.support import notify_world as world
from tests.support.notify_world import MAYA, NOW, SAM

CLIENT = uuid4()
DIRECTORY = Directory(team="#team", on_call="#on-call")
LIMIT = Limit(3, timedelta(hours=1))
BOTH = (Channel.SLACK, Channel.EMAIL)
CARD_OF_CLIENT = Card(CLIENT, known=True, name="Northwind", csm="Maya@ours.example", sponsor=SAM)
RULE = Rule("a_rule", "flag_raised", (To.CSM,), Tone.WARNING, BOTH, throttle=Throttle(timedelta(hours=24)))


def occasion(*, minutes: float = 0, case: bool = False) -> Occasion:
    body = world.step_breached(CLIENT) if case else world.flag_raised(CLIENT)
    found = occasion_of(world.event(body, CLIENT, at=NOW + timedelta(minutes=minutes)))
    assert found is not None
    return found


def held(rule: Rule, around: Surroundings, *, minutes: float = 0, card: Card = CARD_OF_CLIENT) -> list[str | None]:
    now = NOW + timedelta(minutes=minutes)
    return [p.held for p in route(rule, occasion(minutes=minutes), card, around, DIRECTORY, LIMIT, now)]


def recipients(rule: Rule, card: Card | None, given: Occasion) -> set[tuple[Channel, str]]:
    addresses, _ = addresses_of(rule, given, card, {}, DIRECTORY)
    return {(address.channel, address.recipient) for address in addresses}


def test_addresses_are_compared_in_lower_case() -> None:
    assert recipients(RULE, CARD_OF_CLIENT, occasion()) == {(Channel.SLACK, MAYA), (Channel.EMAIL, MAYA)}


def test_nobody_named_means_the_team_which_has_no_mailbox() -> None:
    assert recipients(RULE, Card(CLIENT, known=True), occasion()) == {(Channel.SLACK, "#team")}


def test_one_named_person_is_enough() -> None:
    rule = replace(RULE, to=(To.CSM, To.EXECUTIVE_SPONSOR))
    card = replace(CARD_OF_CLIENT, csm=None)
    assert recipients(rule, card, occasion()) == {(Channel.SLACK, SAM), (Channel.EMAIL, SAM)}


def test_a_cases_people_win() -> None:
    given = occasion(case=True)
    card = replace(CARD_OF_CLIENT, cases={str(given.case_id): CaseCard(csm="noor@ours.example")})
    assert recipients(RULE, card, given) == {(Channel.SLACK, "noor@ours.example"), (Channel.EMAIL, "noor@ours.example")}


def test_one_person_in_two_roles_is_told_once() -> None:
    rule = replace(RULE, to=(To.CSM, To.EXECUTIVE_SPONSOR))
    addresses, _ = addresses_of(rule, occasion(), replace(CARD_OF_CLIENT, sponsor=MAYA), {}, DIRECTORY)
    assert len(addresses) == 2


def test_an_owner_that_nobody_named_is_the_csm() -> None:
    assert recipients(replace(RULE, to=(To.OWNER,)), CARD_OF_CLIENT, occasion()) >= {(Channel.EMAIL, MAYA)}


def test_a_window_lets_one_through() -> None:
    around = Surroundings()
    assert held(RULE, around) == [None, None]
    assert held(RULE, around, minutes=60) == [f"throttled: told at {NOW.isoformat()}"] * 2
    assert held(RULE, around, minutes=24 * 60) == [None, None]


def test_what_is_held_back_starts_no_window() -> None:
    around = Surroundings(quiet_clients={CLIENT: NOW + timedelta(hours=1)})
    assert held(RULE, around)[0] == f"client is quiet until {(NOW + timedelta(hours=1)).isoformat()}"
    assert held(RULE, around, minutes=60) == [None, None]


def test_rules_of_a_group_share_their_window() -> None:
    around = Surroundings()
    first = replace(RULE, throttle=Throttle(timedelta(minutes=15), group="steps"))
    second = replace(first, name="another")
    assert held(first, around) == [None, None]
    assert held(second, around, minutes=5)[0] is not None


def test_another_matter_is_not_throttled() -> None:
    around = Surroundings()
    rule = replace(RULE, throttle=Throttle(timedelta(hours=24), per=("episode",)))
    assert held(rule, around) == [None, None]
    other = replace(occasion(minutes=1), facts={"episode": 2})
    assert [p.held for p in route(rule, other, CARD_OF_CLIENT, around, DIRECTORY, LIMIT, NOW)] == [None, None]


def test_the_last_before_the_limit_says_so() -> None:
    rule = replace(RULE, throttle=None, channels=(Channel.SLACK,))
    around = Surroundings()
    planned = [route(rule, occasion(), CARD_OF_CLIENT, around, DIRECTORY, LIMIT, NOW)[0] for _ in range(5)]
    assert [p.held is None for p in planned] == [True, True, True, False, False]
    assert [bool(p.notes) for p in planned] == [False, False, True, False, False]


def test_what_an_sop_demands_knows_no_limit() -> None:
    rule = replace(RULE, throttle=None, bounded=False)
    around = Surroundings(counts={Address(Channel.SLACK, MAYA): 99})
    assert held(rule, around) == [None, None]


@pytest.mark.parametrize(
    ("preference", "expected"),
    [
        (Preference(MAYA, channels=(Channel.EMAIL,)), [None]),
        (Preference(MAYA, muted=frozenset({"a_rule"})), ["recipient muted this rule"] * 2),
        (Preference(MAYA, quiet_until=NOW), [None, None]),
    ],
)
def test_people_choose(preference: Preference, expected: list[str | None]) -> None:
    assert held(RULE, Surroundings(preferences={MAYA: preference})) == expected


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=40))
def test_never_two_within_a_window_however_they_arrive(minutes: list[int]) -> None:
    around = Surroundings()
    told = [m for m in minutes if None in held(replace(RULE, bounded=False), around, minutes=m)]
    assert told[0] == minutes[0]
    ordered = sorted(told)
    assert all(later - earlier >= 24 * 60 for earlier, later in itertools.pairwise(ordered))


def test_a_delivery_is_named_by_its_cause() -> None:
    event, slack, mail = UUID(int=1), Address(Channel.SLACK, MAYA), Address(Channel.EMAIL, MAYA)
    assert delivery_id(event, "a", slack) == delivery_id(event, "a", slack)
    named = {delivery_id(event, "a", slack), delivery_id(event, "a", mail), delivery_id(event, "b", slack)}
    assert len(named | {delivery_id(UUID(int=2), "a", slack)}) == 4


# Cards


def fold(*bodies: Data) -> Card:
    card = CARD.empty(CLIENT)
    for nth, body in enumerate(bodies):
        event = world.event(body, CLIENT, at=NOW + timedelta(minutes=nth))
        card = CARD.load(CARD.dump(CARD.apply(card, event)))
    return card


def test_a_card_keeps_what_an_update_does_not_say() -> None:
    from common.contracts import client

    card = fold(world.registered(CLIENT), client.ClientUpdated(csm_email=SAM))
    assert (card.name, card.csm, card.companies) == ("Northwind Labs", SAM, ("hubspot:18412397",))


def test_a_card_knows_the_open_steps_of_the_case() -> None:
    from common.contracts import escalation

    done = escalation.StepDone.model_validate(world.case(CLIENT, step="assign", due_at=NOW, evidence={}))
    card = fold(world.case_opened(CLIENT), world.case_assigned(CLIENT, MAYA, SAM), done)
    case = card.case(None)
    assert case is not None
    assert (list(case.steps), case.csm, case.sponsor) == (["root_cause_call", "mitigation_plan"], MAYA, SAM)
    assert fold(world.case_opened(CLIENT), world.case_closed(CLIENT)).case(None) is None
