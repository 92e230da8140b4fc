"""What holds of every fact, whatever the client: bounded whole numbers with events behind them, or an honest None."""

from __future__ import annotations

import pytest
from common.contracts import client
from health.domain.facts import FACTS, At, Fact
from health.domain.fold import fold
from health.domain.journey import EMPTY
from health.domain.model import TOP
from health.domain.moments import DAY, HOUR, seconds_of
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.health_world import DAY_0, JOURNEY, day, event, order, registered
from tests.support.project_world import MODELS, projects

SIGNALS = [(model, signal) for model in MODELS.values() for signal in model.signals]


def moment(second: int) -> At:
    return At(second, second // DAY, JOURNEY)


def measured(life, at: float, fact: Fact, **params: int):
    """A fact of what had happened by a day."""
    known = sorted((e for e in life if e.time <= day(at)), key=order)
    return fact.measure(fold(known), moment(seconds_of(day(at))), {**fact.params, **params})


def test_every_fact_serves_a_shipped_model():
    assert {signal.fact.name for _, signal in SIGNALS} == set(FACTS)


@settings(max_examples=60, deadline=None)  # all facts, twice
@given(projects(), st.integers(0, 260))
def test_a_fact_of_any_client_is_a_whole_number_with_events_behind_it_or_absent(life, later):
    state = fold(life)
    known = {e.id.hex for e in life}
    at = moment(state.last + later * DAY)
    for fact in FACTS.values():
        for params in (fact.params, {**fact.params, **dict.fromkeys(fact.params.keys() & {"weight", "shrink"}, 0)}):
            measure = fact.measure(state, at, params)
            if measure is None:
                continue
            assert type(measure.value) is int, fact.name
            assert measure.day <= at.day, fact.name
            marks = [mark for mark in measure.marks if mark is not None]
            assert marks, f"{fact.name} names no event"
            assert known.issuperset(marks), fact.name
            assert fact.say(measure.value).strip(), fact.name


@settings(max_examples=60)
@given(projects(), st.integers(0, 100))
def test_within_a_utc_day_only_waiting_moves_a_fact(life, later):
    state = fold(life)
    today = state.last // DAY + later
    first, last = max(state.last, today * DAY), (today + 1) * DAY - 1
    for fact in FACTS.values():
        if not fact.hourly and fact.name != "milestones_on_time":  # a planned milestone may become late at noon
            morning, evening = (fact.measure(state, moment(second), fact.params) for second in (first, last))
            assert morning == evening, fact.name


@given(projects())
def test_every_shipped_curve_stays_within_0_and_100_whatever_is_measured(life):
    state = fold(life)
    for _, signal in SIGNALS:
        measure = signal.fact.measure(state, moment(state.last), signal.params)
        if measure is not None:
            assert 0 <= signal.curve(measure.value) <= TOP


def test_of_a_client_that_was_only_registered_nothing_is_measured_but_its_contract():
    state = fold([registered()])
    found = {name for name, fact in FACTS.items() if fact.measure(state, moment(state.last), fact.params) is not None}
    assert found == {"mrr_trend", "plan_change", "renewal_runway"}
    nobody = fold([event(client.EventWithdrawn(event_id=registered().id), DAY_0)])
    at = At(nobody.last + 90 * DAY, nobody.last // DAY + 90, EMPTY)
    assert all(fact.measure(nobody, at, fact.params) is None for fact in FACTS.values())


@pytest.mark.parametrize("works_on", [{0, 1, 2, 3, 4}, {6}, {5, 6}], ids=["weekdays", "sundays", "weekends"])
def test_a_steady_client_stands_at_its_own_normal_on_every_day_of_the_week(works_on):
    """Windows hold every weekday equally often: a weekend is no dip, and a client of Sundays is not held idle."""
    uses = [
        event(client.UsageRecorded(feature="reports", quantity=5.0), day(number), nth=number)
        for number in range(150)
        if number % 7 in works_on  # day 0 is a Monday
    ]
    life = [registered(), *uses]
    for look in range(120, 134):
        for name in ("active_days_ratio", "usage_trend"):
            measure = measured(life, look + 0.5, FACTS[name])
            assert measure is not None
            assert measure.value == 1000, (name, look)


def test_a_small_count_swings_less_than_a_large_one():
    """One bad answer, one missed meeting or one late approval is not yet what a client is like."""
    for few, many in ((1, 8), (2, 12)):
        scores = []
        for count in (few, many):
            answers = [
                client.SurveyAnswered(survey="nps", contact_id=f"c{n}", score=2.0, scale_min=0.0, scale_max=10.0)
                for n in range(count)
            ]
            told = [event(body, day(10), nth=n) for n, body in enumerate(answers)]
            measure = measured([registered(), *told], 20, FACTS["nps"], weight=1, prior=700)
            assert measure is not None
            assert measure.value == (200 * count + 700) // (count + 1)
            scores.append(measure.value)
        assert 700 > scores[0] > scores[1] > 200


def _meeting(*who: str) -> client.MeetingHeld:
    return client.MeetingHeld(meeting_id="last", kind="check_in", attended=who, absent=("zoe",))


def _survey(score: float, occasion: str | None) -> client.SurveyAnswered:
    return client.SurveyAnswered(
        survey="onboarding", occasion=occasion, contact_id="a", score=score, scale_min=1.0, scale_max=5.0
    )


def _paid(revisions: int) -> client.DeliverableCompleted:
    return client.DeliverableCompleted(deliverable_id="last", due_at=day(201), revisions=revisions)


def _budget(spent: int) -> client.BudgetReported:
    money = {"budget": {"amount": 9, "currency": "EUR"}, "spent": {"amount": spent, "currency": "EUR"}}
    return client.BudgetReported.model_validate(money)


def _said(words: int, questions: int) -> client.MessageExchanged:
    reading = {"sentiment": 0.0, "words": words, "questions": questions}
    return client.MessageExchanged.model_validate(
        {"message_id": "last", "channel": "email", "direction": "inbound", "thread_id": "new", "reading": reading}
    )


BETTER = [
    ("logins", client.LoggedIn(count=3), client.LoggedIn(count=1)),
    ("meeting_attendance", _meeting("ada"), _meeting("maya@ours.example")),
    ("training_done", client.TrainingCompleted(course="core"), client.TrainingCompleted(course="extra")),
    ("milestones_done", client.MilestoneCompleted(milestone="hand_off"), None),
    ("done_in_time", client.MilestoneCompleted(milestone="hand_off"), None),
    ("days_late", client.MilestoneCompleted(milestone="hand_off"), None),
    ("survey_day_7", _survey(5, "day_7"), _survey(2, "day_7")),
    ("survey_week_2", _survey(4, "week_2"), _survey(3, "week_2")),
    ("survey_month_1", _survey(4, "month_1"), _survey(1, "month_1")),
    ("onboarding_rating", _survey(4, None), _survey(1, None)),
    ("feedback_length", _said(90, 0), _said(2, 0)),
    ("questions_asked", _said(9, 4), _said(9, 0)),
    ("champion_activity", client.FeedbackGiven(contact_id="a"), None),
    ("executive_access", client.FeedbackGiven(contact_id="a"), None),
    ("threads", client.FeedbackGiven(contact_id="somebody new"), None),
    ("candid_feedback", client.FeedbackGiven(), None),
    ("scope_changes", None, client.ScopeChanged(size="major", by="client")),
    ("scope_changes", client.ScopeChanged(size="minor", by="client"), client.ScopeChanged(size="major", by="client")),
    ("scope_changes", client.ScopeChanged(size="major", by="us"), client.ScopeChanged(size="minor", by="client")),
    ("revision_rounds", _paid(0), _paid(4)),
    ("budget_used", _budget(3), _budget(12)),
    ("budget_talk", client.BudgetDiscussed(direction="increase"), client.BudgetDiscussed(direction="freeze")),
    ("competitor_mentions", None, client.CompetitorMentioned()),
    ("organisation_changes", None, client.OrganisationChanged()),
    ("planning_ahead", client.PlanningDiscussed(), None),
    ("conflicts_resolved", client.ConflictResolved(), client.InvoiceDisputed(invoice_id="last")),
]


@settings(max_examples=30, deadline=None)  # 26 pairs in one example
@given(projects(most=25))
def test_the_better_event_never_gives_the_worse_score(life):
    at = moment(seconds_of(day(201)))
    for _, signal in SIGNALS:
        for name, better, worse in BETTER:
            if signal.fact.name != name:
                continue
            scores = []
            for body in (worse, better):
                last = [event(body, day(200.5), "csm")] if body is not None else []
                measure = signal.fact.measure(fold([*life, *last]), at, signal.params)
                scores.append(None if measure is None else signal.curve(measure.value))
            assert None in scores or scores[0] <= scores[1], (name, scores)


@given(projects(most=25), st.integers(0, 40), st.integers(1, 40))
def test_what_is_late_or_waited_for_only_grows_older(life, at, more):
    state = fold(life)
    for name, step in (("days_late", DAY), ("silence", HOUR)):
        fact = FACTS[name]
        now, then = (fact.measure(state, moment(state.last + n * step), fact.params) for n in (at, at + more))
        if now is not None and then is not None and at + more < 24 * 29:
            assert now.value <= then.value, name
