"""What holds of each shipped model, whatever the client: honest scores, foretold crossings, staleness by source."""

from __future__ import annotations

import pytest
from common.contracts import client
from health.domain.evaluate import AT_INTERVALS, Heard, deadlines, evaluate, tool
from health.domain.facts.relationship import FORGOTTEN_AFTER
from health.domain.fold import fold
from health.domain.model import TOP
from health.domain.moments import DAY, seconds_of
from health.domain.timing import next_crossing
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.health_world import ADA, EVERY_DAY, JOURNEY, SOURCES, day, event, order, registered, score, steady
from tests.support.project_world import EXPERIENCE, MODELS, ONBOARDING, building, projects, starting

HEARD = {**EVERY_DAY, "jira": Heard(10**12, DAY)}
WELL = {"loop": (steady(120), 121), "onboarding": (starting(28), 28), "experience": (building(120), 120)}
BY_NAME = pytest.mark.parametrize("name", MODELS)


def at(name: str, *, silent: tuple[str, ...] = (), hours: float = 0, more=()):
    """A client that is well under a model, with some sources silent since a day and a half."""
    life, until = WELL[name]
    feeds = {**HEARD, **{source: Heard(seconds_of(day(until - 1.5)), DAY) for source in silent}}
    return score([*life, *more], day(until, hours), feeds, MODELS[name])


@BY_NAME
def test_a_client_that_is_well_is_in_the_best_band_with_every_component_fresh(name):
    result = at(name)
    assert result.band == MODELS[name].best_band
    assert result.confidence == 1000
    assert all(result.component_fresh())
    absent = {s.name for s, measure in zip(MODELS[name].signals, result.measures, strict=True) if measure is None}
    assert (
        absent
        == {
            "loop": {"return_on_investment", "csat", "ticket_load", "urgent_tickets"},
            "onboarding": {"survey_month_1", "onboarding_rating"},  # not their day yet
            "experience": {"conflicts_resolved"},
        }[name]
    )


@BY_NAME
@pytest.mark.parametrize("source", [*SOURCES, "jira"])
def test_a_silent_source_makes_stale_what_it_feeds_and_nothing_else(name, source):
    """Only what the source itself brings; a figure that may be some days old stays; no score moves."""
    result, heard = at(name, silent=(source,)), at(name)
    state = fold(sorted(WELL[name][0], key=order))
    for nth, signal in enumerate(MODELS[name].signals):
        if result.measures[nth] is None:
            continue
        fed = any(source in state.feeds.get(family, ()) for family in signal.fact.families)
        stale = fed and signal.within_days is None
        assert bool(result.fresh >> nth & 1) is not stale, signal.name
    assert (result.score, result.scores) == (heard.score, heard.scores)


@BY_NAME
def test_nobody_is_in_the_best_band_with_nothing_fresh_where_it_must_rest_on(name):
    for essential in (part for part in MODELS[name].components if part.essential):
        families = {family for signal in essential.signals for family in signal.fact.families}
        state = fold(sorted(WELL[name][0], key=order))
        feeding = {source for family in families for source in state.feeds.get(family, ())}
        result = at(name, silent=tuple(feeding))
        if any(signal.within_days for signal in essential.signals):  # a reported budget still counts
            assert result.confidence < 1000
        else:
            assert (result.band, result.band_of_score) == ("unknown", MODELS[name].best_band), essential.name
        assert result.score == at(name).score


def test_a_silent_client_on_live_sources_falls_and_is_never_missing_data():
    life, until = WELL["onboarding"]
    silent = [score(life, day(until + late), HEARD, ONBOARDING) for late in (0, 14, 30)]
    assert [result.band for result in silent] == ["green", "amber", "amber"]
    assert silent[0].score > silent[1].score > silent[2].score
    assert [result.confidence for result in silent[:2]] == [1000, 1000]
    life, until = WELL["experience"]
    silent = [score(life, day(until + late), HEARD, EXPERIENCE) for late in (0, 30, 60, 90)]
    assert silent[0].band == "healthy"
    assert silent[-1].band_of_score in {"stable", "at_risk"}
    assert [result.score for result in silent] == sorted((result.score for result in silent), reverse=True)


def test_a_tool_without_a_rhythm_tells_of_use_daily_and_of_the_rest_at_intervals():
    sent = [
        registered(),
        event(client.LoggedIn(), day(1), "own-tool"),
        event(client.MilestoneCompleted(milestone="kickoff_meeting"), day(1), "own-tool"),
    ]
    state = fold(sorted(sent, key=order))
    since = seconds_of(day(1))
    assert deadlines(state, "usage", {}) == {"own-tool": since + DAY}
    assert deadlines(state, "outcome", {}) == {"own-tool": since + AT_INTERVALS}
    heard = {"own-tool": Heard(since + 3 * DAY, 7 * DAY)}  # once it has a rhythm, that counts
    assert deadlines(state, "usage", heard) == {"own-tool": since + 10 * DAY}
    of_others = {tool("own-tool", "usage"): Heard(since + 3 * DAY, 0)}  # it tells of use, by other clients
    assert deadlines(state, "usage", of_others) == {"own-tool": since + 4 * DAY}
    assert deadlines(state, "outcome", of_others) == {"own-tool": since + AT_INTERVALS}


@BY_NAME
@settings(max_examples=60)
@given(life=projects(most=25), moment=st.integers(0, 260), silent=st.sets(st.sampled_from([*SOURCES, "jira"])))
def test_any_client_gets_a_score_or_an_honest_unknown_under_any_model(name, life, moment, silent):
    model = MODELS[name]
    feeds = {name: Heard(seconds_of(day(100 if name in silent else 10_000)), DAY) for name in HEARD}
    result = score(life, day(moment), feeds, model)
    assert sum(result.contributions()) == (result.score or 0)
    if result.score is None:
        assert (result.band, result.confidence) == ("unknown", 0)
    else:
        assert 0 <= result.score <= TOP
        assert result.band in {result.band_of_score, "unknown"}
    if result.band == model.best_band:
        assert result.confidence >= 600
    if result.band == "unknown" and result.score is not None:
        assert result.band_of_score == model.best_band


@pytest.mark.parametrize("model", [ONBOARDING, EXPERIENCE], ids=lambda model: model.name)
@settings(max_examples=60)
@given(life=projects(most=25), moment=st.integers(1, 230))
def test_between_two_looks_no_band_is_crossed(model, life, moment):
    now = day(moment, 3.3)
    state = fold([e for e in life if e.time <= now])
    result = evaluate(model, state, seconds_of(now), None, JOURNEY)
    upcoming = next_crossing(result, state, JOURNEY)
    assert result.now < upcoming <= (result.now // DAY + 1) * DAY
    for second in {result.now + 1, (result.now + upcoming) // 2, upcoming - 1}:
        assert evaluate(model, state, second, None, JOURNEY).band_of_score == result.band_of_score
    if upcoming % DAY and upcoming not in {asked + FORGOTTEN_AFTER for asked, _ in state.waiting.values()}:
        assert evaluate(model, state, upcoming, None, JOURNEY).band_of_score != result.band_of_score


def test_waiting_alone_crosses_a_band_of_an_onboarding_at_a_full_hour():
    asked = client.MessageExchanged(
        message_id="last", channel="email", direction="outbound", thread_id="open", expects_reply=True
    )
    waiting = [event(asked, day(28), "hubspot", client_id=ADA)]
    silences = [at("onboarding", hours=hours, more=waiting).measures[-1] for hours in (0, 0.99, 1, 7.5)]
    assert [silence.value for silence in silences if silence] == [0, 0, 1, 7]
