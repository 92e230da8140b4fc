"""A small story for every fact of the shipped models: docs/health.md tells it in a few words, with what comes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from common.contracts import client
from common.contracts.base import Data, Event
from health.domain.fold import fold
from health.domain.state import ClientState

from tests.support.health_world import day, event, order, reading, registered

MAYA, OMAR = "maya@ours.example", "omar@ours.example"
Happened = tuple[Data, float]


class Story(NamedTuple):
    """What happens to a client that registered on day 0 (10 seats, 4 key features), looked at on day `at`."""

    happened: list[Happened]
    at: float
    profile: Mapping[str, Any] = MappingProxyType({})

    def state(self) -> ClientState:
        told: list[Event[Any]] = [
            event(body, day(when), "segment", nth=nth) for nth, (body, when) in enumerate(self.happened)
        ]
        return fold(sorted([registered(**self.profile), *told], key=order))


def _uses(days: Iterable[float], feature: str = "reports", quantity: float = 1.0) -> list[Happened]:
    return [(client.UsageRecorded(feature=feature, quantity=quantity), when) for when in days]


def _logins(days: Iterable[float], who: str | None = None) -> list[Happened]:
    return [(client.LoggedIn(contact_id=who), when) for when in days]


def _text(when: float, nth: object, sentiment: float = 0.0, words: int = 30, questions: int = 0) -> Happened:
    said = {"message_id": f"m{nth}", "channel": "email", "direction": "inbound",
            "reading": {**reading(sentiment, words), "questions": questions}}  # fmt: skip
    return client.MessageExchanged.model_validate(said), when


def _asked(when: float, answered_after: float | None = None) -> list[Happened]:
    asked = client.MessageExchanged(message_id=f"q{when}", channel="email", direction="outbound", thread_id=f"t{when}")
    answer = client.MessageExchanged(message_id=f"a{when}", channel="email", direction="inbound", thread_id=f"t{when}")
    return [(asked, when)] + ([(answer, when + answered_after / 24)] if answered_after is not None else [])


def _survey(score: float, when: float, survey: str = "onboarding", occasion: str | None = None) -> Happened:
    answer = {"survey": survey, "contact_id": f"c{score}", "occasion": occasion, "score": score, "scale_min": 0.0,
              "scale_max": 10.0}  # fmt: skip
    return client.SurveyAnswered.model_validate(answer), when


def _meeting(when: float, *who: str, kind: str = "check_in", absent: tuple[str, ...] | None = None) -> Happened:
    met = {"meeting_id": f"m{when}", "kind": kind, "attended": who, "absent": absent}
    return client.MeetingHeld.model_validate(met), when


def _invoice(nth: int, due: int, paid: float | None) -> list[Happened]:
    bill = {"invoice_id": f"in{nth}", "amount": {"amount": 1, "currency": "USD"}, "due_on": day(due).date()}
    paying: list[Happened] = [(client.InvoicePaid(invoice_id=f"in{nth}"), paid)] if paid is not None else []
    return [(client.InvoiceIssued.model_validate(bill), due - 14), *paying]


def _pays(amount: int, when: float, before: int | None = None) -> Happened:
    terms: dict[str, Any] = {"subscription_id": "s", "mrr_after": {"amount": amount, "currency": "USD"}}
    if before is not None:
        terms["mrr_before"] = {"amount": before, "currency": "USD"}
    return client.SubscriptionChanged.model_validate(terms), when


def _ticket(nth: object, when: float, priority: str = "normal") -> Happened:
    return client.TicketOpened.model_validate({"ticket_id": f"t{nth}", "priority": priority}), when


def _rated(score: float, when: float) -> Happened:
    rated = {"ticket_id": f"t{score}", "csat": {"score": score, "scale_max": 5.0}}
    return client.TicketResolved.model_validate(rated), when


def _due(nth: int, due: float, done: float | None, revisions: int = 0) -> list[Happened]:
    dated: list[Happened] = [(client.DeliverableDue(deliverable_id=f"d{nth}", due_at=day(due)), due - 5)]
    if done is not None:
        dated.append((client.DeliverableCompleted(deliverable_id=f"d{nth}", revisions=revisions), done))
    return dated


def _approval(nth: int, due: float, given: float | None) -> list[Happened]:
    asked: list[Happened] = [(client.ApprovalRequested(approval_id=f"a{nth}", due_at=day(due)), due - 5)]
    return asked + ([(client.ApprovalGiven(approval_id=f"a{nth}"), given)] if given is not None else [])


def _role(who: str, role: str, when: float = 0.1) -> Happened:
    return client.ContactAdded.model_validate({"contact_id": who, "role": role}), when


def _spent(per_mille: int, when: float) -> Happened:
    money = {"budget": {"amount": 1000, "currency": "EUR"}, "spent": {"amount": per_mille, "currency": "EUR"}}
    return client.BudgetReported.model_validate(money), when


def _kpi(name: str, value: float, when: float = 30) -> list[Happened]:
    target = client.KpiTargetSet(kpi=name, unit="h", direction="up", baseline=0.0, target=10.0)
    return [(target, 1), (client.KpiReported(kpi=name, value=value), when)]


WEEKDAYS = [number for number in range(84) if number % 7 < 5]
KICKOFF = _meeting(2, "ada", kind="kickoff")
IMPORTED = client.MilestoneCompleted(milestone="data_import_complete")

STORIES: dict[str, Story] = {
    # usage
    "days_since_login": Story(_logins([5]), 15),
    "active_days_ratio": Story(_logins([*WEEKDAYS, *range(84, 96)]), 111),
    "feature_depth": Story([*_uses([5], "reports"), *_uses([6], "export")], 10),
    "seat_use": Story([login for n in range(4) for login in _logins([5], f"user-{n}")], 10),
    "usage_trend": Story([*_uses([10], quantity=100.0), *_uses([40], quantity=60.0)], 56),
    # outcome
    "kpi_attainment": Story(_kpi("hours_saved", 6.5), 31),
    "milestones_on_time": Story([KICKOFF, *_logins([4]), (IMPORTED, 9)], 10),
    "return_on_investment": Story(_kpi("roi", 1.5), 31),
    # relationship
    "nps": Story([_survey(9, 10, "nps"), _survey(6, 20, "nps")], 30),
    "csat": Story([_rated(5, 10), _rated(2, 20)], 30),
    "sentiment": Story([_text(10, 1, -0.4), _text(11, 2, 0.0)], 12),
    "ticket_load": Story([_ticket(n, n * 14) for n in range(6)] + [_ticket(9 + n, 90 + n) for n in range(4)], 111),
    "urgent_tickets": Story([_ticket(1, 5, "urgent"), _ticket(2, 6, "urgent"), _ticket(3, 7, "high")], 8),
    "sponsor_and_champion": Story(
        [_role("ada", "sponsor"), _role("ben", "champion"),
         (client.SponsorChanged(contact_before="ada", contact_after="cleo"), 20)], 30),
    "response_hours": Story(_asked(5), 6.5),
    # financial
    "days_overdue": Story(_invoice(1, 20, None), 41),
    "payment_problems": Story([*_invoice(1, 20, None), (client.PaymentFailed(invoice_id="in1"), 21)], 30),
    "mrr_trend": Story([_pays(2000, 1), _pays(1900, 60, 2000)], 100),
    "renewal_runway": Story([], 15, {"renewal_on": "2026-03-06"}),
    "plan_change": Story([_pays(2000, 1), _pays(1500, 60, 2000)], 100),
    # onboarding
    "milestones_done": Story([KICKOFF, *_logins([4])], 10),
    "done_in_time": Story([KICKOFF, *_logins([8])], 10),
    "days_late": Story([KICKOFF, *_logins([4])], 9),
    "logins": Story(_logins([3, 7]), 9),
    "training_done": Story([(client.TrainingCompleted(course="reporting"), 12)], 15),
    "tools_in_use": Story([*_uses([3], "reports"), *_uses([9], "export"), *_uses([20], "alerts")], 25),
    "survey_day_7": Story([_survey(6, 7, occasion="day_7")], 8),
    "survey_week_2": Story([_survey(7, 14, occasion="week_2")], 15),
    "survey_month_1": Story([_survey(5, 30, occasion="month_1"), _survey(8, 30, occasion="month_1")], 31),
    "onboarding_rating": Story([_survey(6, 30)], 31),
    "answer_hours": Story(_asked(5, 40), 8),
    "silence": Story(_asked(5), 6.5),
    # engagement
    "meeting_attendance": Story(
        [_meeting(5, "ada"), _meeting(12, "ada"), _meeting(19, MAYA, absent=("ada",)),
         (client.MeetingCancelled(meeting_id="x", by="client"), 26)], 30),
    "feedback_length": Story(
        [_text(10 + n, n, words=50) for n in range(6)] + [_text(80 + n, 20 + n, words=20) for n in range(4)], 90),
    "questions_asked": Story([_text(10 + n, n, questions=int(n < 2)) for n in range(3)], 14),
    "champion_activity": Story([_role("ben", "champion"), _meeting(8, "ben")], 30),
    # project
    "approvals_on_time": Story([*_approval(1, 10, 9), *_approval(2, 20, 23), *_approval(3, 30, None)], 40),
    "deadlines_met": Story([*_due(1, 10, 10), *_due(2, 20, None)], 40),
    "scope_changes": Story([(client.ScopeChanged(size="minor", by="client"), when) for when in (10.0, 20.0)], 30),
    "revision_rounds": Story([*_due(1, 10, 10, 1), *_due(2, 20, 20, 3)], 40),
    "budget_used": Story([_spent(1050, 20)], 30),
    # business
    "budget_talk": Story([(client.BudgetDiscussed(direction="decrease"), 20)], 30),
    "organisation_changes": Story([(client.OrganisationChanged(), 20)], 30),
    "competitor_mentions": Story([(client.CompetitorMentioned(), 20)], 30),
    "planning_ahead": Story([(client.PlanningDiscussed(), 20)], 30),
    "invoice_timing": Story([*_invoice(1, 20, 30), *_invoice(2, 50, 70)], 80),
    # relationship of projects
    "executive_access": Story([_role("cleo", "decision_maker"), _meeting(10, "cleo", kind="executive")], 70),
    "threads": Story([_meeting(5, "ada", "ben", "cleo", MAYA), _meeting(9, "ben", MAYA)], 30),
    "candid_feedback": Story([(client.FeedbackGiven(contact_id="ada"), 20)], 30),
    "conflicts_resolved": Story(
        [(client.ConflictResolved(), 20), *_invoice(1, 20, None), (client.InvoiceDisputed(invoice_id="in1"), 22)], 30),
}  # fmt: skip
