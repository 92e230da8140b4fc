"""Figures of a backtest: what is an alarm, when it was right, and what the control would have shown."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from churn.domain.history import Happened, in_order
from common.contracts import client
from common.errors import Refused
from common.settings import REPOSITORY_CONFIG
from health import backtest, definitions, publishing
from health.domain import past
from health.domain.backtest import (
    ABSENT,
    CODES,
    Episode,
    Grid,
    Track,
    below_60,
    moves,
    report,
    share,
    spread_of,
    worse_band,
)
from health.domain.evaluate import evaluate
from health.domain.moments import DAY, seconds_of
from health.recall import Recall
from health.replay import shipped_book
from hypothesis import given

from tests.support.health_world import CONFIG, day, event, lives, registered, steady

WEEK = 7 * DAY
BOOK = shipped_book(REPOSITORY_CONFIG)
LETTERS = {"g": "green", "a": "amber", "r": "red", "u": "unknown"}
MICRO = 1_000_000


def bands(letters: str) -> bytes:
    """`ggar`, a week each; `u` unknown, `-` no client."""
    return bytes(ABSENT if letter == "-" else CODES[LETTERS[letter]] for letter in letters)


def grid(weeks: int, known_weeks: int | None = None) -> Grid:
    return Grid([n * WEEK for n in range(1, weeks + 1)], (known_weeks or weeks) * WEEK)


def track(name: str, letters: str, candidate: str | None = None, left: float | None = None) -> Track:
    """`left`: the week of its notice."""
    notice = None if left is None else int(left * WEEK)
    return Track(name, bands(letters), bands(candidate or letters), notice)


def happened(fact: Any) -> Happened:
    time, known = (int(at.timestamp()) * MICRO + at.microsecond for at in (fact.time, fact.knowntime))
    replaces = str(fact.replaces) if fact.replaces else None
    return Happened(time, known, fact.sequence, str(fact.id), fact.data.type_name(), fact.data.fact(), replaces)


@pytest.mark.parametrize(
    ("letters", "found"),
    [
        ("gaga", []),
        ("grrg", [Episode(1, 2)]),
        ("rrgr", [Episode(0, 1), Episode(3, 3)]),
        ("grurg", [Episode(1, 3)]),
        ("gr-r", [Episode(1, 1), Episode(3, 3)]),
    ],
)
def test_an_alarm_lasts_while_a_client_is_below_60(letters: str, found: list[Episode]):
    assert below_60(bands(letters)) == found


@pytest.mark.parametrize(
    ("letters", "found"),
    [
        ("gagg", [Episode(1, 1)]),
        ("garag", [Episode(1, 3)]),
        ("arag", [Episode(1, 1)]),
        ("guag", [Episode(2, 2)]),
        ("g-aa", []),
    ],
)
def test_a_worse_band_lasts_until_the_client_is_back_where_it_was(letters: str, found: list[Episode]):
    assert worse_band(bands(letters)) == found


def test_moves_are_counted_as_they_would_be_told_live():
    assert list(moves(bands("gaurga"))) == [(1, False), (3, True), (5, False)]


def test_a_share_comes_with_its_wilson_interval():
    assert share(8, 10) == {"value": 0.8, "low": 0.4902, "high": 0.9433, "count": 8, "of": 10}
    assert share(0, 10)["low"] == 0.0
    assert share(0, 0)["value"] is None


def test_a_median_comes_with_its_quartiles():
    assert spread_of([1, 2, 3, 4, 5]) == {"median": 3, "quartile_1": 2, "quartile_3": 4, "of": 5}
    assert spread_of([])["median"] is None


def test_precision_recall_and_lead_time_against_a_control():
    weeks = 30
    known = grid(weeks)
    tracks = [
        track("warned", "gg" + "r" * 6 + "-" * 22, left=8.5),
        track("missed", "g" * 8 + "-" * 22, left=8.5),
        track("stayed", "gg" + "r" * 4 + "g" * 24),
        track("quiet", "g" * 30),
        track("late", "g" * 25 + "r" * 5),
    ]
    found = report(tracks, known)["cancellations"]["in_force"]["below_60"]
    assert (found["alarms"], found["undecided"]) == (3, 1)
    assert (found["precision"]["count"], found["precision"]["of"]) == (1, 2)
    assert (found["recall"]["count"], found["recall"]["of"]) == (1, 2)
    assert found["lead_days"] == {"median": 38.5, "quartile_1": 38.5, "quartile_3": 38.5, "of": 1}
    # Of the three that stayed one was below 60 in the weeks before the tenure at which the leavers left.
    assert (found["control"]["alarmed"]["count"], found["control"]["alarmed"]["of"]) == (1, 3)
    assert found["control"]["lead_days"]["median"] == 38.5


def test_an_alarm_after_the_notice_is_none():
    found = report([track("gone", "ggggrrrr", left=4.5), track("stayed", "gggggggg")], grid(8, 40))
    assert found["cancellations"]["in_force"]["below_60"]["alarms"] == 0
    assert found["cancellations"]["in_force"]["below_60"]["recall"]["value"] == 0


def test_who_changes_band_and_how_often_it_would_be_told():
    tracks = [track(str(n), "ggg", "gaa") for n in range(6)] + [track(str(n), "gaa", "ggg") for n in range(6, 50)]
    found = report(tracks, grid(3))
    latest = found["bands"]["latest"]
    assert (latest["compared"], latest["changed"], latest["worse"], latest["better"]) == (50, 50, 6, 44)
    assert latest["matrix"] == {"green": {"amber": 6}, "amber": {"green": 44}}
    assert latest["would_be_held"]
    assert found["bands"]["all"]["matrix"]["green"] == {"green": 50, "amber": 12}
    assert found["alerts_per_week"]["in_force"]["worse_band"] == 22
    assert found["alerts_per_week"]["candidate"]["worse_band"] == 3
    assert found["alerts_per_week"]["candidate"]["weeks"][1] == {"worse_band": 6, "below_60": 0}


def compared(text: str) -> backtest.Comparison:
    return backtest.Comparison(BOOK, publishing.with_model(BOOK, definitions.model_from(text).compiled(0)))


@given(lives())
def test_beside_the_model_in_force_a_candidate_gets_the_bands_it_gets_alone(life):
    text = (CONFIG / "loop.yaml").read_text().replace("green: 80", "green: 70").replace("[14, 40]", "[14, 30]")
    comparison = compared(text)
    moments = list(past.day_ends(seconds_of(day(0)), seconds_of(day(210)), 7))
    found = comparison.track("ada", [happened(f) for f in life], moments)
    assert found is not None
    recall = Recall([happened(f) for f in life])
    for at, moment in enumerate(moments):
        state = recall.to(moment)
        if state.first is None or past.ended(state, moment):
            assert found.in_force[at] == found.candidate[at] == ABSENT
            continue
        for book, side in ((comparison.in_force, found.in_force), (comparison.candidate, found.candidate)):
            model, template = book.choice(state)
            assert side[at] == CODES[evaluate(model, state, moment, None, template).band]


def test_what_was_not_known_yet_does_not_count_and_what_was_taken_back_does():
    late = event(client.LoggedIn(), day(2), nth="late").model_copy(update={"knowntime": day(20)})
    wrong = event(client.LoggedIn(), day(3), nth="wrong")
    back = event(client.EventWithdrawn(event_id=wrong.id), day(30))
    events = in_order(happened(f) for f in [registered(), late, wrong, back])
    recall = Recall(events)
    logins = {n: sum(recall.to(seconds_of(day(n))).logins) for n in (1, 4, 15, 21, 28, 31)}
    assert logins == {1: 0, 4: 1, 15: 1, 21: 2, 28: 2, 31: 1}


def test_one_that_completed_is_no_leaver_and_neither_is_one_that_stayed_after_all():
    def left(reason: str | None, *more: Any) -> int | None:
        gone = client.ContractCancelled.model_validate({"effective_on": "2026-03-01", "reason": reason})
        events = in_order(happened(f) for f in [registered(), event(gone, day(50)), *more])
        found = compared((CONFIG / "loop.yaml").read_text()).track("ada", events, [seconds_of(day(14))])
        assert found is not None
        return found.notice

    assert left("too expensive") == seconds_of(day(50))
    assert left("completed") is None
    assert left(None, event(client.CancellationWithdrawn(), day(52))) is None


def test_a_test_client_is_left_out():
    events = [happened(f) for f in steady(30)]
    proof = [happened(registered(test=True)), *events[1:]]
    comparison = compared((CONFIG / "loop.yaml").read_text())
    assert comparison.track("ada", events, [seconds_of(day(20))]) is not None
    assert comparison.track("ada", proof, [seconds_of(day(20))]) is None


@pytest.mark.parametrize(("since", "until"), [(day(10), day(5)), (day(0), day(3)), (day(-3000), day(0))])
def test_spans_without_a_week_or_with_too_many_are_refused(since, until):
    with pytest.raises(Refused):
        backtest.grid(since, until, day(400))


def test_a_candidate_that_leaves_clients_without_a_model_is_refused():
    text = (CONFIG / "loop.yaml").read_text().replace("bands:", "serves: {engagement: [project]}\nbands:", 1)
    with pytest.raises(Refused, match="no published model would serve"):
        compared(text)


def test_tracks_survive_being_packed():
    tracks = [track(str(uuid4()), "gaur-", left=3), track("stayed", "ggggg")]
    assert list(backtest.unpacked(backtest.packed(tracks))) == tracks
