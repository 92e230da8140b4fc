"""Clients of the models `onboarding` and `experience`: one that starts well, one whose project goes well, and any."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from common.contracts import client
from common.contracts.base import Data, Event
from health import definitions
from health.domain.model import Model
from hypothesis import strategies as st

from tests.support import health_world
from tests.support.health_world import ADA, CONFIG, DAY_0, LOOP, event, order, reading, registered


def shipped(name: str) -> Model:
    return definitions.model_from((CONFIG / f"{name}.yaml").read_text(), name=f"{name}.yaml").compiled(1)


ONBOARDING, EXPERIENCE = shipped("onboarding"), shipped("experience")
MODELS = {model.name: model for model in (LOOP, ONBOARDING, EXPERIENCE)}
MILESTONES = (("data_import_complete", 5.0), ("first_automation_live", 11.0), ("core_training_complete", 18.0))


def starting(days: float, *, client_id: Any = ADA) -> list[Event[Any]]:
    """A client of the first weeks that does all it should; not handed off yet."""
    life: list[tuple[Data, float, str]] = [
        (client.ContactAdded(contact_id="ada", role="sponsor"), 0.01, "hubspot"),
        (client.MeetingHeld(meeting_id="kick", kind="kickoff", attended=("ada", "maya@ours.example")), 2, "hubspot"),
        (client.TrainingCompleted(course="core", required=True), 16, "csm"),
        (_survey("day_7", 9), 7.2, "delighted"),
        (_survey("week_2", 8), 14.2, "delighted"),
        (_survey("month_1", 9), 30.2, "delighted"),
        (_survey(None, 9), 31.2, "delighted"),
        *((client.MilestoneCompleted(milestone=name), at, "csm") for name, at in MILESTONES),
    ]
    for number in range(int(days) + 1):
        if number % 7 < 5 and number:
            life.append((client.LoggedIn(contact_id=f"user-{number % 4}"), number + 0.1, "segment"))
            features = ("reports", "automation", "export", "alerts")[: 1 + number // 3]
            life += [(client.UsageRecorded(feature=f, quantity=3.0), number + 0.2, "segment") for f in features]
        if number % 6 == 4:
            life += _mail(number, hours=5)
    return _lived(life, days, client_id, engagement="product")


def building(days: float, *, client_id: Any = ADA) -> list[Event[Any]]:
    """A client whose project goes well."""
    life: list[tuple[Data, float, str]] = [
        (client.ContactAdded(contact_id="ada", role="sponsor"), 0.01, "hubspot"),
        (client.ContactAdded(contact_id="ben", role="champion"), 0.01, "hubspot"),
        (client.ContactAdded(contact_id="cleo", role="decision_maker"), 0.01, "hubspot"),
        (client.ClientHandedOff(), 20, "csm"),
    ]
    for number in range(int(days) + 1):
        if number % 6 == 4:
            life += _mail(number, hours=5)
        if number % 14 == 9:
            life += _sprint(number)
        if number % 30 == 12:
            life += _month(number)
    return _lived(life, days, client_id, engagement="project")


def _lived(life: list[tuple[Data, float, str]], days: float, client_id: Any, engagement: str) -> list[Event[Any]]:
    events = [
        event(body, DAY_0 + timedelta(days=at), source, client_id=client_id) for body, at, source in life if at < days
    ]
    return sorted([registered(client_id=client_id, engagement=engagement), *events], key=order)


def _survey(occasion: str | None, score: float) -> Data:
    return client.SurveyAnswered(
        survey="onboarding", contact_id="ada", occasion=occasion, score=score, scale_min=0.0, scale_max=10.0
    )


def _mail(number: int, *, hours: float) -> list[tuple[Data, float, str]]:
    asked = client.MessageExchanged(
        message_id=f"q{number}", channel="email", direction="outbound", thread_id=f"t{number}",
        person_email=("maya@ours.example", "omar@ours.example")[number // 6 % 2],
    )  # fmt: skip
    answer = client.MessageExchanged.model_validate(
        {"message_id": f"a{number}", "channel": "email", "direction": "inbound", "thread_id": f"t{number}",
         "contact_id": ("ada", "ben", "cleo")[number // 6 % 3],
         "reading": {**reading(0.4, 60), "questions": number // 6 % 2}}
    )  # fmt: skip
    return [(asked, number + 0.3, "hubspot"), (answer, number + 0.3 + hours / 24, "hubspot")]


def _sprint(number: int) -> list[tuple[Data, float, str]]:
    due = DAY_0 + timedelta(days=number + 6)
    return [
        (client.MeetingHeld(meeting_id=f"m{number}", kind="check_in", attended=("ada", "ben", "maya@ours.example")),
         number + 0.1, "hubspot"),
        (client.ApprovalRequested(approval_id=f"ap{number}", due_at=due), number + 0.2, "jira"),
        (client.ApprovalGiven(approval_id=f"ap{number}"), number + 2.5, "jira"),
        (client.DeliverableDue(deliverable_id=f"d{number}", due_at=due), number + 0.2, "jira"),
        (client.DeliverableCompleted(deliverable_id=f"d{number}", revisions=1), number + 5.1, "jira"),
    ]  # fmt: skip


def _month(number: int) -> list[tuple[Data, float, str]]:
    money = {
        "budget": {"amount": 4_000_000, "currency": "EUR"},
        "spent": {"amount": 25_000 * number, "currency": "EUR"},
    }
    due = (DAY_0 + timedelta(days=number + 14)).date()
    bill = {"invoice_id": f"in{number}", "amount": {"amount": 1, "currency": "EUR"}, "due_on": due}
    return [
        (client.BudgetReported.model_validate(money), number + 0.1, "jira"),
        (client.InvoiceIssued.model_validate(bill), number, "stripe"),
        (client.InvoicePaid(invoice_id=f"in{number}"), number + 13, "stripe"),
        (client.PlanningDiscussed(contact_id="ada"), number + 0.4, "hubspot"),
        (client.FeedbackGiven(contact_id="ben"), number + 0.5, "hubspot"),
        (client.SurveyAnswered(survey="nps", contact_id="ada", score=9.0, scale_min=0.0, scale_max=10.0),
         number + 0.6, "delighted"),
    ]  # fmt: skip


# Any client

_ids = st.sampled_from(["a", "b", "c"])
_when = st.integers(0, 200).map(lambda n: DAY_0 + timedelta(days=n))
_counts = st.none() | st.integers(0, 6)
_bodies: list[st.SearchStrategy[Data]] = [
    st.builds(client.ApprovalRequested, approval_id=_ids, due_at=st.none() | _when),
    st.builds(client.ApprovalGiven, approval_id=_ids, due_at=st.none() | _when),
    st.builds(client.DeliverableDue, deliverable_id=_ids, due_at=st.none() | _when, revisions=_counts),
    st.builds(client.DeliverableCompleted, deliverable_id=_ids, due_at=st.none() | _when, revisions=_counts),
    st.builds(client.ScopeChanged, size=st.sampled_from(["minor", "major"]), by=st.sampled_from(["client", "us"])),
    st.builds(lambda b, s: client.BudgetReported.model_validate(
        {"budget": {"amount": b, "currency": "EUR"}, "spent": {"amount": s, "currency": "EUR"}}),
        st.integers(0, 9), st.integers(0, 30)),
    st.builds(client.BudgetDiscussed, direction=st.sampled_from(["increase", "decrease", "freeze"]),
              contact_id=st.none() | _ids),
    *(st.builds(kind, contact_id=st.none() | _ids) for kind in (
        client.CompetitorMentioned, client.PlanningDiscussed, client.FeedbackGiven, client.OrganisationChanged,
        client.ConflictResolved)),
    st.builds(client.MilestonePlanned, milestone=st.sampled_from(["own", "core_training_complete"]),
              phase=st.just("adoption"), owner_email=st.just("maya@ours.example"), kpi=st.just("k"), due_at=_when),
    st.builds(client.MilestoneRescheduled, milestone=st.sampled_from(["own", "hand_off"]), due_after=_when),
    st.builds(client.TrainingCompleted, course=st.sampled_from(["core", "extra"]), required=st.booleans()),
    st.builds(client.SurveyAnswered, survey=st.sampled_from(["onboarding", "csat"]), contact_id=st.none() | _ids,
              occasion=st.none() | st.sampled_from(["day_7", "week_2", "month_1"]),
              score=st.integers(1, 5).map(float), scale_min=st.just(1.0), scale_max=st.just(5.0)),
    st.builds(client.MeetingHeld, meeting_id=_ids, kind=st.sampled_from(["check_in", "executive"]),
              attended=st.sampled_from([(), ("a",), ("maya@ours.example",), ("b", "omar@ours.example")]),
              absent=st.none() | st.just(("c",))),
    st.builds(client.MeetingCancelled, meeting_id=_ids, by=st.sampled_from(["client", "us"])),
    st.builds(client.BlockerLogged, blocker_id=_ids, kind=st.just("missing_assets"),
              severity=st.sampled_from(["low", "critical"])),
    st.builds(client.ContactAdded, contact_id=_ids, role=st.sampled_from(["champion", "decision_maker"])),
    st.builds(client.InvoicePaid, invoice_id=_ids),
    st.builds(lambda m, c, w, q: client.MessageExchanged.model_validate(
        {"message_id": m, "channel": "email", "direction": "inbound", "contact_id": c,
         "reading": {"sentiment": 0.1, "words": w, "questions": q}}),
        _ids, _ids, st.integers(0, 300), st.integers(0, 9)),
]  # fmt: skip


@st.composite
def projects(draw: st.DrawFn, most: int = 40) -> list[Event[Any]]:
    """`health_world.lives` with all that onboardings and projects bring beside it."""
    drawn = draw(st.lists(st.tuples(st.one_of(_bodies), st.integers(0, 200 * 24 * 4)), max_size=most))
    own = [
        event(body, DAY_0 + timedelta(minutes=15 * at), "jira", nth=f"project {nth}")
        for nth, (body, at) in enumerate(drawn)
    ]
    return sorted([*draw(health_world.lives(most=most)), *own], key=order)
