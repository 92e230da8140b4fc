"""Scores as people meet them: well, silent, half known, stale."""

from __future__ import annotations

import time
from datetime import timedelta

from common.contracts import client
from common.contracts.base import Origin
from health.domain.evaluate import Heard, deadlines, evaluate
from health.domain.facts.relationship import FORGOTTEN_AFTER
from health.domain.fold import fold
from health.domain.model import POINT
from health.domain.moments import DAY, seconds_of
from health.domain.timing import next_crossing, next_look
from hypothesis import given
from hypothesis import strategies as st

from tests.support.health_world import (
    ADA,
    DAY_0,
    EVERY_DAY,
    JOURNEY,
    LOOP,
    SOURCES,
    day,
    event,
    lives,
    order,
    registered,
    score,
    steady,
)

WELL = steady(120)


def signals(result):
    return dict(zip([s.name for s in LOOP.signals], result.scores, strict=True))


def test_a_client_that_is_well_is_green_and_says_why():
    result = score(WELL, day(120))
    assert result.band == "green"
    assert result.score >= 90 * POINT
    assert result.confidence == 1000
    assert all(measure.marks for measure in result.measures if measure is not None)
    assert all(result.component_fresh())


def test_a_silent_client_on_a_live_source_falls_it_is_not_missing_data():
    bands = [score(WELL, day(120 + silent)).band for silent in (1, 14, 40)]
    assert bands[0] == "green"
    assert bands[2] in {"amber", "red"}
    assert "unknown" not in bands


def test_sponsor_usage_and_mood_lost_together_are_red():
    words = {"priority": "urgent", "reading": {"sentiment": -0.8, "words": 40}}
    bill = {"invoice_id": "x", "amount": {"amount": 1, "currency": "USD"}, "due_on": "2026-04-20"}
    sad = [client.TicketOpened.model_validate({**words, "ticket_id": f"t{n}"}) for n in range(5)]
    worse = [
        *WELL,
        event(client.ContactLeft(contact_id="ada", role_before="sponsor"), day(125), "hubspot"),
        *[event(body, day(126 + n), "zendesk") for n, body in enumerate(sad)],
        event(client.InvoiceIssued.model_validate(bill), day(100), "stripe"),
    ]
    assert score(worse, day(150)).band == "red"


def test_nobody_is_green_on_stale_data_the_score_is_kept():
    result = score(WELL, day(121), {**EVERY_DAY, "segment": Heard(seconds_of(day(119)), DAY)})
    assert result.band == "unknown"
    assert result.band_of_score == "green"
    assert result.score == score(WELL, day(121)).score
    assert not result.component_fresh()[0]
    assert result.confidence < 1000


def test_a_stale_client_that_would_be_amber_stays_amber():
    stale = {**EVERY_DAY, "segment": Heard(seconds_of(day(120)), DAY)}
    result = score(WELL, day(145), stale)
    assert result.band == result.band_of_score == "amber"


def test_a_source_of_one_component_that_is_not_essential_lowers_confidence_only():
    result = score(WELL, day(120), {**EVERY_DAY, "stripe": Heard(seconds_of(day(110)), DAY)})
    assert result.band == "green"
    assert result.confidence < 1000
    assert result.component_fresh() == [True, True, True, False]


def test_a_new_client_of_which_little_is_known_is_not_green():
    result = score([registered(), event(client.LoggedIn(contact_id="ada"), day(0.1))], day(0.2))
    assert result.band != "green"
    assert result.score is not None
    assert result.confidence < 600


def test_a_client_of_which_nothing_is_known_has_no_score():
    result = score([event(client.ClientHandedOff(), day(0), "csm")], day(0.1))
    assert (result.score, result.band, result.confidence) == (None, "unknown", 0)


def test_a_source_that_was_replaced_by_another_is_not_waited_for():
    moved = [e for e in WELL if e.time < day(80) or "segment" not in e.source]
    moved += [event(client.LoggedIn(contact_id=f"user-{n % 8}"), day(80 + n / 4), "posthog") for n in range(160)]
    feeds = {**EVERY_DAY, "segment": Heard(seconds_of(day(80)), DAY), "posthog": Heard(10**12, DAY)}
    assert score(moved, day(90), feeds).component_fresh()[0] is False
    assert score(moved, day(119), feeds).component_fresh()[0] is True


def test_what_was_only_imported_is_stale_a_day_later_unless_a_live_source_feeds_it():
    imported = [e.model_copy(update={"origin": Origin.IMPORT}) for e in WELL]
    last = max(e.time for e in imported)
    assert score(imported, last + timedelta(hours=20), {}).component_fresh()[0] is True
    assert score(imported, last + timedelta(hours=30), {}).component_fresh()[0] is False
    span = {"import_id": ADA, "from": DAY_0, "to": last}
    said = event(client.ImportFinished.model_validate(span), last + timedelta(hours=60), "")
    assert score([*imported, said], last + timedelta(hours=80), {}).component_fresh()[0] is True
    assert score([*imported, said], last + timedelta(hours=90), {}).component_fresh()[0] is False
    state = fold(sorted([*imported, event(client.LoggedIn(), last + timedelta(hours=1), "posthog")], key=order))
    until = deadlines(state, "usage", {"posthog": Heard(seconds_of(last + timedelta(days=5)), DAY)})
    assert set(until) == {"posthog"}


def test_absent_signals_leave_their_weight_to_their_siblings():
    without = [e for e in WELL if e.data.type_name() not in {"survey_answered", "message_exchanged", "contact_added"}]
    result = score(without, day(119))
    assert result.component_scores()[2] is None
    parts = result.contributions()
    assert sum(parts) == result.score
    usage = sum(parts[: len(LOOP.components[0].signals)])
    assert abs(usage - result.component_scores()[0] * 35 / 75) <= len(parts)


@given(lives(), st.integers(0, 260), st.sets(st.sampled_from(SOURCES)))
def test_any_client_gets_a_score_between_0_and_100_or_an_honest_unknown(life, moment, silent):
    feeds = {name: Heard(seconds_of(day(100 if name in silent else 10_000)), DAY) for name in SOURCES}
    result = score(life, day(moment), feeds)
    if result.score is None:
        assert result.band == "unknown"
        assert not any(result.contributions())
    else:
        assert 0 <= result.score <= 100 * POINT
        assert sum(result.contributions()) == result.score
        assert result.band in {result.band_of_score, "unknown"}
    if result.band == "green":
        assert result.confidence >= 600
        assert any(result.fresh >> n & 1 for n in range(len(LOOP.components[0].signals)))


@given(lives(), st.integers(1, 230))
def test_between_two_looks_no_band_is_crossed(life, moment):
    """Time alone changes a band only at the instants that the state itself foretells."""
    at = day(moment, 3.3)
    known = [e for e in life if e.time <= at]
    state = fold(known)
    result = evaluate(LOOP, state, seconds_of(at), None, JOURNEY)
    upcoming = next_crossing(result, state, JOURNEY)
    assert result.now < upcoming <= (result.now // DAY + 1) * DAY
    for second in {result.now + 1, (result.now + upcoming) // 2, upcoming - 1}:
        assert evaluate(LOOP, state, second, None, JOURNEY).band_of_score == result.band_of_score
    if upcoming % DAY and upcoming not in {asked + FORGOTTEN_AFTER for asked, _ in state.waiting.values()}:
        assert evaluate(LOOP, state, upcoming, None, JOURNEY).band_of_score != result.band_of_score


def test_the_next_look_is_not_later_than_a_milestone_that_becomes_late():
    start = [registered()]
    result = score(start, day(3, 10))
    state = fold(start)
    late = next_look(result, state, JOURNEY, seconds_of(day(3, 10)))
    assert late == seconds_of(day(4).replace(hour=0))  # the kickoff meeting was due on the third day


def test_scoring_takes_a_tenth_of_a_millisecond_or_so():
    state = fold(WELL)
    now = seconds_of(day(120))
    started = time.process_time()
    for _ in range(300):
        evaluate(LOOP, state, now, EVERY_DAY, JOURNEY)
    assert (time.process_time() - started) / 300 < 1e-3
