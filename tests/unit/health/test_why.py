"""Explanations: causes that sum exactly, of the right kind, in words."""

from __future__ import annotations

from datetime import timedelta

from common.contracts import client
from common.contracts.health import Cause
from health import definitions
from health.domain.evaluate import evaluate
from health.domain.fold import fold
from health.domain.moments import seconds_of
from health.domain.why import Question, between, said, why
from hypothesis import given
from hypothesis import strategies as st

from tests.support.health_world import CONFIG, JOURNEY, LOOP, day, event, lives, order, steady

OTHER = definitions.model_from(
    (CONFIG / "loop.yaml")
    .read_text()
    .replace("weight: 35", "weight: 45")
    .replace("    weight: 15\n", "    weight: 5\n")
).compiled(2)


def ask(then, now, start, end, model_then=LOOP, model_now=LOOP):
    return why(Question(sorted(then, key=order), sorted(now, key=order), start, end, model_then, model_now, JOURNEY))


def exact(answer) -> bool:
    return sum(move.delta for move in answer.moves) == (answer.score_to or 0) - (answer.score_from or 0)


@given(lives(), st.data())
def test_causes_sum_exactly_whatever_happened(life, data):
    start = day(data.draw(st.integers(0, 150)), 2.7)
    end = start + timedelta(hours=data.draw(st.integers(1, 2000)))
    late = set(data.draw(st.sets(st.sampled_from(range(len(life))), max_size=5)))
    then = [e for n, e in enumerate(life) if n not in late and e.time <= start]
    model_now = data.draw(st.sampled_from([LOOP, OTHER]))
    answer = ask(then, [e for e in life if e.time <= end], start, end, model_now=model_now)
    assert exact(answer)
    ends = evaluate(model_now, fold([e for e in life if e.time <= end]), seconds_of(end), None, JOURNEY)
    assert (answer.score_to or 0) == (ends.score or 0)
    assert all(move.text.endswith(said(move.delta)) for move in answer.moves)


def test_deltas_as_json_numbers_sum_exactly():
    life = steady(150)
    answer = ask([e for e in life if e.time <= day(30)], life, day(30, 1), day(170, 1))
    assert sum(move.delta / 16 for move in answer.moves) == answer.score_to / 16 - answer.score_from / 16


def test_silence_is_told_as_time_passing():
    life = steady(100)
    answer = ask(life, life, day(100), day(125))
    strongest = answer.moves[0]
    assert strongest.kind is Cause.TIME
    assert strongest.delta < 0
    login = next(move for move in answer.moves if move.signal == "days_since_login")
    assert login.text.startswith("no login for 26 days (was: no login for 1 day): −")


def test_a_sponsor_who_left_is_told_as_behaviour_with_its_event():
    life = steady(100)
    left = event(client.ContactLeft(contact_id="ada", role_before="sponsor"), day(100, 2), "hubspot")
    answer = ask(life, [*life, left], day(100), day(100, 3))
    (move,) = [m for m in answer.moves if m.kind is Cause.BEHAVIOUR]
    assert move.signal == "sponsor_and_champion"
    assert move.marks == [left.id.hex]
    assert move.text.startswith("no sponsor and a champion (was: sponsor and a champion)")


def test_what_was_learned_late_is_told_as_such():
    life = steady(100)
    late = event(client.ContactLeft(contact_id="ada", role_before="sponsor"), day(98), "hubspot")
    answer = ask(life, [*life, late], day(100), day(100, 3))
    (move,) = [m for m in answer.moves if m.kind is Cause.LATE_DATA]
    assert move.marks == [late.id.hex]
    assert move.text.startswith("learned late: no sponsor")


def test_a_figure_that_grows_too_old_is_missing_data():
    life = [e for e in steady(60) if e.data.type_name() not in {"message_exchanged", "client_handed_off"}]
    answer = ask(life, life, day(200), day(230))
    gone = [m for m in answer.moves if m.kind is Cause.MISSING_DATA]
    assert [m.signal for m in gone] == ["nps"]
    assert "nothing known any more since" in gone[0].text


def test_sentences_say_the_former_figure_once():
    life = steady(100)
    urgent = [client.TicketOpened(ticket_id=f"t{n}", priority="urgent") for n in range(3)]
    opened = [event(body, day(100, n), "zendesk") for n, body in enumerate(urgent)]
    answer = ask([*life, *opened[:2]], [*life, *opened], day(100, 1.5), day(100, 3))
    (move,) = [m for m in answer.moves if m.signal == "urgent_tickets"]
    assert move.text.startswith("3 urgent tickets open (was 2): −")
    dropped = ask(life, life, day(110), day(113))
    days = next(m for m in dropped.moves if m.signal == "days_since_login")
    assert days.text.startswith("no login for 14 days (was 11): −")


def test_another_model_is_one_cause():
    life = steady(100)
    answer = ask(life, life, day(100), day(100, 1), model_now=OTHER)
    (move,) = answer.moves
    assert (move.kind, move.signal) == (Cause.MODEL, None)
    assert move.text.startswith("model loop v2 instead of loop v1: ")


def test_the_short_form_for_one_batch_sums_too():
    life = steady(100)
    state = fold(life)
    then = evaluate(LOOP, state, seconds_of(day(100)), None, JOURNEY)
    passed = evaluate(LOOP, state, seconds_of(day(103)), None, JOURNEY)
    left = event(client.ContactLeft(contact_id="ada", role_before="sponsor"), day(103), "hubspot")
    after = evaluate(LOOP, fold([*life, left]), seconds_of(day(103)), None, JOURNEY)
    moves = between(then, passed, after, kind=Cause.BEHAVIOUR, marks=[left.id.hex])
    assert sum(move.delta for move in moves) == after.score - then.score
    assert {move.kind for move in moves} == {Cause.TIME, Cause.BEHAVIOUR}
