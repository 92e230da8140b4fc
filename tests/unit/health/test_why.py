"""Explanations: causes that sum exactly, of the right kind, in words."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from common.contracts import client
from common.contracts.health import Cause
from common.folding import effective
from health import definitions
from health.book import Book
from health.domain.evaluate import evaluate
from health.domain.fold import apply, fold
from health.domain.moments import seconds_of
from health.domain.walk import said
from health.domain.why import Question, between, known_by, steps, why
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.health_world import CONFIG, JOURNEY, LOOP, day, event, lives, order, steady

LOOP_TEXT = (CONFIG / "loop.yaml").read_text()
OTHER = definitions.model_from(
    LOOP_TEXT.replace("weight: 35", "weight: 45").replace("    weight: 15\n", "    weight: 5\n")
).compiled(2)
ONBOARDING = definitions.model_from(
    LOOP_TEXT.replace("model: loop", "model: onboarding\nserves: {onboarding: true}")
    .replace("weight: 35", "weight: 20")
    .replace("  outcome:\n    weight: 25", "  outcome:\n    weight: 40")
).compiled(1)
SHORT_JOURNEY = definitions.journey_from(
    (CONFIG / "journey.yaml").read_text().replace("days_after_start: 3 ", "days_after_start: 2 ")
).compiled(2)
TWIN = UUID("00000000-0000-4000-8000-0000000000b0")


def ask(then, now, start, end, choose=lambda state, second: (LOOP, JOURNEY), turns=()):
    return why(Question(sorted(then, key=order), sorted(now, key=order), start, end, choose, turns))


def exact(answer) -> bool:
    return sum(move.delta for move in answer.moves) == (answer.score_to or 0) - (answer.score_from or 0)


class Past:
    """All facts of a client as they were ever told, its models as they were published, and scores from scratch."""

    def __init__(self, facts, published) -> None:
        self.facts = sorted({fact.id: fact for fact in facts}.values(), key=order)
        self.published = published
        self.turns = [second for second, _ in published]

    def choose(self, state, second):
        book = Book((LOOP, ONBOARDING), (JOURNEY,))
        for since, later in self.published:
            book = later if second >= since else book
        return book.choice(state)

    def known(self, moment: datetime):
        return effective(known_by(self.facts, moment))

    def score(self, moment: datetime):
        state = fold(self.known(moment))
        second = max(seconds_of(moment), state.last)
        model, template = self.choose(state, second)
        return evaluate(model, state, second, None, template).score

    def why(self, start: datetime, end: datetime):
        return why(Question(self.known(start), self.known(end), start, end, self.choose, self.turns))


@st.composite
def pasts(draw):
    """Anything, some of it known late, told twice, withdrawn, corrected or merged in; and two publications."""
    life = draw(lives())
    facts = [fact.model_copy(update={"knowntime": fact.time}) for fact in life]
    for nth in draw(st.sets(st.integers(0, len(facts) - 1), max_size=6)):
        what, after = draw(st.sampled_from(["late", "withdrawn", "replaced", "merged"])), draw(st.integers(1, 1500))
        fact, known = facts[nth], facts[nth].time + timedelta(hours=after)
        if what in {"late", "merged"}:
            owner = str(TWIN) if what == "merged" else fact.subject
            facts[nth] = fact.model_copy(update={"knowntime": known, "subject": owner})
        elif what == "withdrawn":
            facts.append(event(client.EventWithdrawn(event_id=fact.id), known, "ingest", nth=nth))
        else:
            copy = event(fact.data, fact.time, nth=("again", nth), replaces=fact.id)
            facts.append(copy.model_copy(update={"time": fact.time + timedelta(hours=1), "knowntime": known}))
    facts += [facts[nth] for nth in draw(st.sets(st.integers(0, len(facts) - 1), max_size=3))]
    random.Random(draw(st.integers(0, 9))).shuffle(facts)
    second, third = sorted(draw(st.tuples(st.integers(0, 200), st.integers(0, 200))))
    return Past(facts, [
        (seconds_of(day(second, 1.3)), Book((OTHER, ONBOARDING), (JOURNEY,))),
        (seconds_of(day(third, 7)), Book((LOOP, ONBOARDING), (SHORT_JOURNEY,))),
    ])  # fmt: skip


moments = st.integers(-10 * 96, 230 * 96).map(lambda n: day(0) + timedelta(minutes=15 * n))


@settings(deadline=None)
@given(pasts(), st.lists(moments, min_size=3, max_size=3, unique=True).map(sorted))
def test_causes_sum_exactly_whatever_happened_and_meet(past, three):
    first, second, third = three
    early, late, both = past.why(first, second), past.why(second, third), past.why(first, third)
    for answer, start, end in ((early, first, second), (late, second, third), (both, first, third)):
        assert exact(answer)
        assert (answer.score_from, answer.score_to) == (past.score(start), past.score(end))
        assert all(move.text.endswith(said(move.delta)) for move in answer.moves)
        assert all(move.delta for move in answer.moves)
    assert sum(m.delta for m in (*early.moves, *late.moves)) == sum(m.delta for m in both.moves)


@settings(deadline=None)
@given(pasts(), st.integers(0, 2**31), moments, st.integers(1, 3000))
def test_the_answer_is_the_same_in_whatever_order_facts_arrived(past, seed, start, hours):
    shuffled = [*past.facts, *past.facts[:3]]
    random.Random(seed).shuffle(shuffled)
    again = Past(shuffled, past.published)
    end = start + timedelta(hours=hours)
    assert past.why(start, end) == again.why(start, end)


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
    assert login.text.startswith("no login since 14 Apr (26 days; was 1): −")
    assert login.marks == [next(e.id.hex for e in reversed(life) if isinstance(e.data, client.LoggedIn))]


def test_a_sponsor_who_left_is_told_as_behaviour_with_its_event():
    life = steady(100)
    left = event(client.ContactLeft(contact_id="ada", role_before="sponsor"), day(100, 2), "hubspot")
    answer = ask(life, [*life, left], day(100), day(100, 3))
    (move,) = [m for m in answer.moves if m.kind is Cause.BEHAVIOUR]
    assert move.signal == "sponsor_and_champion"
    assert move.marks == [left.id.hex]
    assert move.text.startswith("sponsor left on 15 Apr: −")


def test_what_was_learned_late_is_told_as_such_with_its_own_event():
    life = steady(100)
    late = event(client.ContactLeft(contact_id="ada", role_before="sponsor"), day(98), "hubspot")
    other = event(client.TicketOpened(ticket_id="t", priority="low"), day(98), "zendesk")
    answer = ask(life, [*life, late, other], day(100), day(100, 3))
    (move,) = [m for m in answer.moves if m.signal == "sponsor_and_champion"]
    assert (move.kind, move.marks) == (Cause.LATE_DATA, [late.id.hex])
    assert move.text.startswith("learned late: sponsor left on 13 Apr: −")


def test_what_was_taken_back_is_late_data():
    life = steady(100)
    wrong = event(client.ContactLeft(contact_id="ada", role_before="sponsor"), day(98), "hubspot")
    answer = ask([*life, wrong], life, day(100), day(100, 3))
    (move,) = [m for m in answer.moves if m.signal == "sponsor_and_champion"]
    assert (move.kind, move.marks) == (Cause.LATE_DATA, [wrong.id.hex])
    assert move.delta > 0


def test_a_figure_that_grows_too_old_is_missing_data():
    life = [e for e in steady(60) if e.data.type_name() not in {"message_exchanged", "client_handed_off"}]
    answer = ask(life, life, day(200), day(230))
    gone = [m for m in answer.moves if m.kind is Cause.MISSING_DATA]
    assert [m.signal for m in gone] == ["nps"]
    assert "no NPS answer in 180 days (was: NPS answers average 8.0 of 10, at 82 points)" in gone[0].text


def test_sentences_say_the_former_figure_once():
    life = steady(100)
    urgent = [client.TicketOpened(ticket_id=f"t{n}", priority="urgent") for n in range(3)]
    opened = [event(body, day(100, n), "zendesk") for n, body in enumerate(urgent)]
    answer = ask([*life, *opened[:2]], [*life, *opened], day(100, 1.5), day(100, 3))
    (move,) = [m for m in answer.moves if m.signal == "urgent_tickets"]
    assert move.text.startswith("3 urgent tickets open since 15 Apr (t0, t1, t2; was 2): −")


def test_another_version_is_booked_when_it_came_into_force_and_not_at_the_end():
    life = steady(120)
    turn = seconds_of(day(105, 4))

    def choose(state, second):
        return (OTHER if second >= turn else LOOP), JOURNEY

    answer = ask([e for e in life if e.time <= day(100)], life, day(100), day(120), choose, [turn])
    (move,) = [m for m in answer.moves if m.kind is Cause.MODEL]
    state = fold([e for e in life if seconds_of(e.time) <= turn])
    both = [evaluate(model, state, turn, None, JOURNEY).score for model in (LOOP, OTHER)]
    assert move.delta == both[1] - both[0]
    assert move.signal is None
    assert move.text.startswith("model loop v2 instead of loop v1 since 20 Apr: ")
    assert exact(answer)


def test_what_moved_before_another_version_is_told_as_it_is_now():
    life = [e for e in steady(130) if e.time <= day(100)]
    left = event(client.ContactLeft(contact_id="ada"), day(101), "hubspot")
    turn = seconds_of(day(105))
    answer = ask(
        life, [*life, left], day(100), day(111), lambda s, second: (OTHER if second >= turn else LOOP, JOURNEY), [turn]
    )
    texts = {move.signal: move.text.split(": ")[0] for move in answer.moves}
    assert texts["sponsor_and_champion"] == "sponsor left on 16 Apr"
    assert texts["days_since_login"] == "no login since 15 Apr (11 days; was 0)"
    assert exact(answer)


def test_versions_that_came_and_went_are_two_causes_or_none():
    life = steady(120)
    turns = [seconds_of(day(105)), seconds_of(day(110))]

    def choose(state, second):
        return (OTHER if turns[0] <= second < turns[1] else LOOP), JOURNEY

    answer = ask([e for e in life if e.time <= day(100)], life, day(100), day(120), choose, turns)
    told = [m.text.split(":")[0] for m in answer.moves if m.kind is Cause.MODEL]
    assert sorted(told) == [
        "model loop v1 instead of loop v2 since 25 Apr",
        "model loop v2 instead of loop v1 since 20 Apr",
    ]
    assert exact(answer)


def test_a_hand_off_is_booked_at_its_event_with_the_event():
    life = steady(60)
    book = Book((LOOP, ONBOARDING), (JOURNEY,))
    handed_off = next(e for e in life if isinstance(e.data, client.ClientHandedOff))
    answer = ask([e for e in life if e.time <= day(20)], life, day(20), day(50), lambda s, _: book.choice(s))
    (move,) = [m for m in answer.moves if m.kind is Cause.MODEL]
    assert move.marks == [handed_off.id.hex]
    assert move.text.startswith("handed off from onboarding: model loop v1 instead of onboarding v1 since 30 Jan: ")
    before = fold([e for e in life if order(e) < order(handed_off)])
    after = apply(before, handed_off)
    scores = [evaluate(m, after, seconds_of(handed_off.time), None, JOURNEY).score for m in (ONBOARDING, LOOP)]
    assert move.delta == scores[1] - scores[0]
    assert exact(answer)


def test_what_only_the_former_model_looked_at_is_told_until_it_ended():
    life = steady(60)
    onboarding = definitions.model_from((CONFIG / "onboarding.yaml").read_text()).compiled(1)
    book = Book((LOOP, onboarding), (JOURNEY,))
    answer = ask([e for e in life if e.time <= day(8)], life, day(8), day(50), lambda s, _: book.choice(s))
    former = {signal.name for signal in onboarding.signals} - {signal.name for signal in LOOP.signals}
    told = [move for move in answer.moves if move.signal in former]
    assert told
    assert all(move.text.startswith("until 30 Jan: ") for move in told)
    assert not any(move.text.startswith("until") for move in answer.moves if move.signal not in former)
    assert exact(answer)


def test_other_weights_for_another_segment_are_another_model():
    life = steady(100)
    moved = event(client.ClientUpdated(segment="enterprise"), day(100, 1), "hubspot")
    text = LOOP_TEXT.replace("weight: 35", "weight: 30").replace(
        "  outcome:\n    weight: 25", "  outcome:\n    weight: 30"
    )
    lighter = replace(definitions.model_from(text).compiled(1), variant="enterprise/")

    def choose(state, second):
        return (lighter if state.profile.get("segment") == "enterprise" else LOOP), JOURNEY

    answer = ask(life, [*life, moved], day(100), day(100, 2), choose)
    (move,) = answer.moves
    assert (move.kind, move.marks) == (Cause.MODEL, [moved.id.hex])
    assert move.text.startswith("model loop v1 with the weights of enterprise since 15 Apr: ")


def test_another_journey_map_is_booked_as_a_model():
    life = [e for e in steady(30) if not isinstance(e.data, client.ClientHandedOff)]
    late = definitions.journey_from(
        (CONFIG / "journey.yaml").read_text().replace("{ days_after_start: 6 }", "{ days_after_start: 3 }")
    ).compiled(2)
    turn = seconds_of(day(20))
    answer = ask(
        [e for e in life if e.time <= day(18)], life, day(18), day(22),
        lambda s, second: (LOOP, late if second >= turn else JOURNEY), [turn],
    )  # fmt: skip
    (move,) = [m for m in answer.moves if m.kind is Cause.MODEL]
    assert move.text.startswith("journey map standard v2 instead of v1 since 25 Jan: −")
    assert exact(answer)


def test_before_the_first_fact_nothing_was_known():
    life = steady(30)
    answer = ask([], life, day(-30), day(29))
    assert answer.score_from is None
    first = next(m for m in answer.moves if "nothing was known before 5 Jan" in m.text)
    assert (first.kind, first.signal) == (Cause.BEHAVIOUR, None)
    assert exact(answer)
    never = ask([], [], day(-30), day(-20))
    assert (never.score_from, never.score_to, never.moves) == (None, None, [])


def test_all_taken_back_leaves_nothing():
    life = [event(client.LoggedIn(), day(1))]
    answer = ask(life, [], day(2), day(3))
    (move,) = answer.moves
    assert (answer.score_to, move.kind, move.signal) == (None, Cause.LATE_DATA, None)
    assert move.text.startswith("nothing is known any more since 7 Jan: −")


def test_what_is_dated_at_midnight_belongs_to_the_day_that_begins():
    midnight = day(100).replace(hour=0)
    life = steady(90)
    login = event(client.LoggedIn(), midnight)
    facts = [*life, login]
    assert login not in known_by(facts, midnight)
    assert login in known_by(facts, midnight + timedelta(microseconds=1))
    answer = ask(known_by(facts, midnight), facts, midnight, midnight + timedelta(hours=1))
    assert "days_since_login" in {m.signal for m in answer.moves if m.kind is Cause.BEHAVIOUR}


def test_a_fact_dated_ahead_of_its_receipt_counts_from_when_it_is_known():
    life = steady(100)
    ahead = event(client.ContactLeft(contact_id="ada"), day(100, 0.05), "hubspot")
    known = [*life, ahead.model_copy(update={"knowntime": day(100)})]
    answer = ask(known_by(known, day(100)), known, day(100), day(100, 0.02))
    assert answer.moves == []
    state = fold(sorted(known, key=order))
    assert answer.score_to == evaluate(LOOP, state, state.last, None, JOURNEY).score


def test_where_there_is_much_to_tell_the_events_of_a_day_act_together():
    kinds = (client.LoggedIn(), client.UsageRecorded(feature="reports", quantity=1.0))
    busy = sorted((event(kinds[n % 2], day(0, n / 3), nth=n) for n in range(3000)), key=order)
    assert [len(step) for step in steps(busy[:100])] == [1] * 100
    together = steps(busy)
    assert len(together) == len({e.time.date() for e in busy})
    assert [e for step in together for e in step] == busy
    answer = ask(busy[:10], busy, busy[9].time, day(42))
    assert exact(answer)
    assert all(len(move.marks) <= 20 for move in answer.moves)


def test_the_short_form_for_one_batch_sums_too():
    life = steady(100)
    state = fold(life)
    left = event(client.ContactLeft(contact_id="ada", role_before="sponsor"), day(103), "hubspot")
    then, now = (state, seconds_of(day(100))), (fold([*life, left]), seconds_of(day(103)))
    moves = between(lambda s, _: (LOOP, JOURNEY), then, now, kind=Cause.BEHAVIOUR, marks=[left.id.hex])
    before, after = (evaluate(LOOP, s, second, None, JOURNEY).score for s, second in (then, now))
    assert sum(move.delta for move in moves) == after - before
    assert {move.kind for move in moves} == {Cause.TIME, Cause.BEHAVIOUR}


def test_points_are_rounded_in_integers_half_away_from_zero():
    assert [said(n) for n in (1, -1, 4, -4, 16, -65, 1600)] == [
        "+0.1",
        "−0.1",
        "+0.3",
        "−0.3",
        "+1.0",
        "−4.1",
        "+100.0",
    ]
