"""What served a client when: publications, taken back ones, imported spans."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from common.contracts import client
from common.contracts.health import Cause
from health import definitions
from health.book import Book
from health.domain.decision import Standing
from health.domain.evaluate import evaluate
from health.domain.fold import fold
from health.domain.moments import seconds_of
from health.domain.why import between, published
from health.explaining import as_known
from health.past_repository import Publication
from health.served import Served, in_force

from tests.support.health_world import ADA, CONFIG, JOURNEY, LOOP, day, event, loop_model, steady

OTHER = loop_model(version=2)
A, B, C, D = (UUID(int=n) for n in range(1, 5))
STATE = fold(steady(10))


def put(name: str, what: UUID, at, kind: str = "model") -> Publication:
    return Publication(at, kind, name, what)


def test_a_first_start_is_one_turn_and_later_ones_are_turns_of_their_own():
    first = day(0)
    found = in_force([
        put("loop", A, first), put("standard", B, first + timedelta(seconds=2), "journey"),
        put("loop", C, day(5)), put("loop", A, day(6)), put("onboarding", D, day(7)),
    ])  # fmt: skip
    assert found == [
        (seconds_of(first), (B, A)),
        (seconds_of(day(5)), (B, C)),
        (seconds_of(day(6)), (B, A)),
        (seconds_of(day(7)), (B, A, D)),
    ]
    assert in_force([]) == []


def test_each_moment_has_what_was_in_force_and_the_time_before_us_what_was_when_we_met():
    since = tuple(seconds_of(day(n)) for n in (0, 10, 20))
    books = tuple(Book((model,), (JOURNEY,)) for model in (LOOP, OTHER, LOOP))
    ours = Served(since, books)
    chosen = [ours.choose(STATE, seconds_of(day(n)))[0].version for n in (-5, 0, 9.9, 10, 19, 20, 99)]
    assert chosen == [1, 1, 1, 2, 2, 1, 1]
    assert ours.turns == since[1:]
    imported = Served(since, books, met=seconds_of(day(12)))
    assert [imported.choose(STATE, seconds_of(day(n)))[0].version for n in (-300, 5, 12, 20)] == [2, 2, 2, 1]
    assert imported.turns == since[2:]


def test_facts_are_those_of_the_records_that_were_one_by_then():
    twin, third = UUID(int=7), UUID(int=8)
    facts = sorted(
        [
            *[
                event(client.LoggedIn(contact_id=str(n)), day(1), client_id=who)
                for n, who in enumerate((ADA, twin, third))
            ],
            *_linked(client.ClientsMerged, twin, ADA, day(10)),
            *_linked(client.ClientsMerged, third, twin, day(12)),
            *_linked(client.ClientsUnmerged, twin, ADA, day(20)),
        ],
        key=lambda e: e.order,
    )

    def whose(client_id: UUID, number: int) -> set[str]:
        known = as_known(facts, client_id, day(number, 1))
        return {e.subject for e in known if isinstance(e.data, client.LoggedIn)}

    assert whose(ADA, 9) == {str(ADA)}
    assert whose(ADA, 11) == {str(ADA), str(twin)}
    assert whose(twin, 11) == {str(ADA), str(twin)}
    assert whose(ADA, 13) == {str(ADA), str(twin), str(third)}
    assert whose(ADA, 21) == {str(ADA)}
    assert whose(twin, 21) == {str(twin), str(third)}


def _linked(body: type, one: UUID, into: UUID, at):
    return [event(body(from_client_id=one, into_client_id=into), at, "ingest", client_id=who) for who in (one, into)]


def test_a_batch_with_a_hand_off_tells_of_the_model():
    life = [e for e in steady(40) if not isinstance(e.data, client.ClientHandedOff)]
    onboarding = definitions.model_from((CONFIG / "onboarding.yaml").read_text()).compiled(1)
    book = Book((LOOP, onboarding), (JOURNEY,))
    handed_off = event(client.ClientHandedOff(), day(40))
    before, after = fold(life), fold([*life, handed_off])
    moves = between(
        lambda state, _: book.choice(state), (before, seconds_of(day(39.9))), (after, seconds_of(day(40))),
        kind=Cause.BEHAVIOUR, marks=[handed_off.id.hex],
    )  # fmt: skip
    (move,) = [move for move in moves if move.kind is Cause.MODEL]
    assert move.text.startswith("handed off from onboarding: model loop v1 instead of onboarding v1 since 14 Feb: ")
    assert move.marks == [handed_off.id.hex]
    then = evaluate(onboarding, before, seconds_of(day(39.9)), None, JOURNEY)
    now = evaluate(LOOP, after, seconds_of(day(40)), None, JOURNEY)
    assert sum(one.delta for one in moves) == now.score - then.score


def test_another_version_since_the_last_look_is_one_cause():
    result = evaluate(OTHER, STATE, seconds_of(day(10)), None, JOURNEY)
    before = Standing("loop", 1, result.score - 40, "amber", "amber", 900, result.now - 60)
    move = published(before, result)
    assert (move.kind, move.signal, move.delta) == (Cause.MODEL, None, 40)
    assert move.text == "model loop v2 instead of loop v1: +2.5"
