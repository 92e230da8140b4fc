"""Clients that show signs: for each condition one short life that brings it about, as `docs/signs.md` tells it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from common.contracts import client
from common.contracts.base import Data, Event
from health import signs_definition
from health.domain.fold import fold
from health.domain.moments import DAY, seconds_of
from health.domain.signs import SIGNS, Finding, Health, Key, Policy, Risk, Seen, WeekScore
from health.domain.state import ClientState

from tests.support.health_world import CONFIG, day, event, order, reading, registered

SHIPPED = (CONFIG / "signs.yaml").read_text()


def shipped_signs(version: int = 1) -> Policy:
    return signs_definition.signs_from(SHIPPED).compiled(version)


POLICY = shipped_signs()
SETTINGS = {sign.name: params for sign, params in POLICY.settings}


def seen(state: ClientState, at: datetime, on: Iterable[str] = (), **more: Any) -> Seen:
    second = seconds_of(at)
    return Seen(state, second, second // DAY, POLICY.rhythm, on=frozenset(on), **more)


def find(name: str, events: Iterable[Event[Any]], at: datetime, on: Iterable[str] = (), **more: Any) -> list[Finding]:
    """What one sign finds in a life at a moment."""
    state = fold(sorted((e for e in events if e.time <= at), key=order))
    return list(SIGNS[name].find(seen(state, at, on, **more), SETTINGS[name]))


def keys(*names: str) -> frozenset[Key]:
    return frozenset((name, "") for name in names)


# Short words for events


def happens(body: type[Data], number: float, source: str = "hubspot", **said: Any) -> Event[Any]:
    return event(body.model_validate(said), day(number), source)


def asks(number: float, thread: str) -> Event[Any]:
    return happens(client.MessageExchanged, number, message_id=f"q{thread}", channel="email", direction="outbound",
                   thread_id=thread, person_email="maya@ours.example")  # fmt: skip


def writes(
    number: float, thread: str, words: int = 30, sentiment: float = 0.2, who: str = "ada", questions: int = 1
) -> Event[Any]:
    return happens(client.MessageExchanged, number, message_id=f"a{thread}{number}", channel="email",
                   direction="inbound", thread_id=thread, contact_id=who,
                   reading={**reading(sentiment, words), "questions": questions})  # fmt: skip


def answers(number: float, after_hours: float) -> list[Event[Any]]:
    """A question of ours and its answer."""
    return [asks(number, f"t{number}"), writes(number + after_hours / 24, f"t{number}")]


def plans(meeting: str, said_on: float, starts: datetime, kind: str = "review", **more: Any) -> Event[Any]:
    return happens(client.MeetingScheduled, said_on, meeting_id=meeting, kind=kind, starts_at=starts, **more)


def meets(
    meeting: str, number: float, kind: str = "check_in", who: tuple[str, ...] = ("ada",), **more: Any
) -> Event[Any]:
    return happens(client.MeetingHeld, number, meeting_id=meeting, kind=kind, attended=who, **more)


def uses(number: float, quantity: float) -> Event[Any]:
    return happens(client.UsageRecorded, number, "segment", feature="reports", quantity=quantity)


def workdays(first: int, until: int, quantity: float) -> list[Event[Any]]:
    """Use on every workday of a span of days; DAY_0 is a Monday."""
    return [uses(number, quantity) for number in range(first, until) if number % 7 < 5]


def rated(number: float, score: float, survey: str = "nps", **more: Any) -> Event[Any]:
    return happens(client.SurveyAnswered, number, "delighted", survey=survey, contact_id="ada", score=score,
                   scale_min=0.0, scale_max=10.0, **more)  # fmt: skip


def weekly(*scores: float, model: str = "loop", until: float = 91) -> tuple[WeekScore, ...]:
    """Scores at the ends of weeks, the last on the Monday `until`."""
    last = day(until).toordinal()
    first = last - 7 * (len(scores) - 1)
    return tuple(WeekScore(first + 7 * nth, round(score * 16), model, 1) for nth, score in enumerate(scores))


def healthy(score: float = 84) -> Health:
    return Health(round(score * 16), "green" if score >= 80 else "amber" if score >= 60 else "red")


def risk(probability: float | None, at: float, share: float = 0) -> Risk:
    per_mille = None if probability is None else round(1000 * probability)
    return Risk(per_mille, round(1000 * share), seconds_of(day(at)), False)


@dataclass(frozen=True)
class Example:
    """A life, the moment at which the sign is there, and one at which it is over again."""

    events: list[Event[Any]]
    at: datetime
    calm_at: datetime | None = None
    calm_with: tuple[Event[Any], ...] = ()
    more: Mapping[str, Any] | None = None
    calmer: Mapping[str, Any] | None = None

    def findings(self, name: str) -> list[Finding]:
        return find(name, self.events, self.at, **(self.more or {}))

    def findings_later(self, name: str) -> list[Finding]:
        """What is left of it at the later moment, for a sign that is on."""
        on = {finding.about for finding in self.findings(name)}
        at = self.calm_at or self.at
        return find(name, [*self.events, *self.calm_with], at, on, **(self.calmer or self.more or {}))


def _mention(body: type[Data], number: float, calm: float, **said: Any) -> Example:
    return Example([registered(), happens(body, number, contact_id="ada", **said)], day(number), day(calm))


def _talk(sentiment: float, words: int, sentiment_now: float, words_now: int) -> list[Event[Any]]:
    """Two texts a week for fourteen weeks, the last four of another kind."""
    before = [writes(n, f"w{n}", words, sentiment, questions=2) for n in range(1, 69, 3)]
    return [
        registered(),
        *before,
        *[writes(n, f"w{n}", words_now, sentiment_now, questions=0) for n in range(72, 97, 3)],
    ]


def _of_people() -> dict[str, Example]:
    return {
        "response_times_rising": Example(
            [registered(), *[e for n in range(0, 40, 10) for e in answers(n, 6)],
             *[e for n in range(50, 90, 10) for e in answers(n, 30)]],
            day(90), day(134), tuple(e for n in range(94, 134, 10) for e in answers(n, 5)),
        ),
        "client_silent": Example([registered(), asks(10, "a")], day(12), day(12, 1), (writes(12.01, "a"),)),
        "meetings_cancelled": Example(
            [registered(), *[happens(client.MeetingCancelled, n, meeting_id=f"m{n}", by="client") for n in (5, 19)]],
            day(19), day(50),
        ),
        "messages_shorter": Example(_talk(0.2, 60, 0.1, 15), day(98), day(150),
                                    tuple(writes(n, f"v{n}", 70, 0.3) for n in range(110, 149, 3))),
        "sentiment_turning": Example(_talk(0.4, 40, -0.3, 40), day(98), day(150),
                                     tuple(writes(n, f"v{n}", 40, 0.5) for n in range(110, 149, 3))),
        "key_contact_changed": Example(
            [registered(), happens(client.ContactAdded, 1, contact_id="ben", role="champion"),
             happens(client.ContactLeft, 30, contact_id="ben")], day(30), day(91)),
        "sponsor_changed": Example(
            [registered(), happens(client.SponsorChanged, 30, contact_before="ada", contact_after="cleo")],
            day(30), day(121)),
    }  # fmt: skip


def _of_words() -> dict[str, Example]:
    return {
        "budget_cut": Example([registered(), happens(client.BudgetDiscussed, 30, direction="freeze")], day(30), day(40),
                              (happens(client.BudgetDiscussed, 40, direction="increase"),)),
        "competitor_mentioned": _mention(client.CompetitorMentioned, 30, 76),
        "lawyers_in_small_matters": _mention(client.LegalInvolved, 30, 91, minor=True),
        "scope_questioned": Example(
            [registered(), happens(client.ScopeChanged, 30, size="major", by="client")], day(30), day(91)),
    }  # fmt: skip


def _of_work() -> dict[str, Example]:
    return {
        "feedback_stopped": Example(
            [registered(), *[rated(n, 8, occasion=f"day {n}") for n in (5, 25, 45)],
             happens(client.SurveySent, 85, "delighted", survey="nps")],
            day(105), day(106), (rated(106, 9, occasion="day 106"),)),
        "approvals_late": Example(
            [registered(), happens(client.ApprovalRequested, 10, approval_id="a", due_at=day(14)),
             happens(client.ApprovalGiven, 20, approval_id="a"),
             happens(client.ApprovalRequested, 16, approval_id="b", due_at=day(22))],
            day(23), day(80), (happens(client.ApprovalGiven, 24, approval_id="b"),)),
        "score_falling": Example([registered()], day(91), more={"weeks": weekly(*[86 - 1.5 * n for n in range(13)])},
                                 calmer={"weeks": weekly(*[86 - 0.3 * n for n in range(13)])}),
        "usage_dip": Example([registered(), *workdays(0, 63, 40), *workdays(63, 70, 12)], day(70), day(77),
                             tuple(workdays(70, 77, 40))),
        "low_satisfaction": Example([registered(), rated(30, 4, "csat")], day(30), day(40), (rated(40, 8, "csat"),)),
        "invoice_ageing": Example(
            [registered(), event(client.InvoiceIssued.model_validate(
                {"invoice_id": "i", "amount": {"amount": 90_000, "currency": "USD"}, "due_on": "2026-01-20"}),
                day(1), "stripe")],
            day(29), day(30), (happens(client.InvoicePaid, 30, "stripe", invoice_id="i"),)),
    }  # fmt: skip


def _of_ours() -> dict[str, Example]:
    held = [meets("k", 2, "kickoff", ("ada",))]
    review_at = day(50)
    return {
        "single_threaded": Example([registered(), *[writes(n, f"t{n}") for n in range(0, 60, 10)]], day(60), day(61),
                                   (writes(61, "x", who="ben"),)),
        "only_reactive": Example(
            [registered(), asks(1, "a"), *[writes(n, f"t{n}", who=who) for n, who in ((20, "ada"), (30, "ben"))]],
            day(46), day(47), (asks(47, "b"),)),
        "no_regular_check_in": Example([registered(), *held], day(93), day(94), (meets("c", 94),)),
        "review_overdue": Example([registered(), *held], day(93), day(94), (meets("r", 94, "review"),)),
        "check_in_overdue": Example([registered(), *held], day(19), day(20), (meets("c", 20),)),
        "agenda_missing": Example([registered(), plans("m", 40, review_at)], day(49), day(49, 1), (
            plans("m", 49.01, review_at, agenda_sent_at=day(49.01)),)),
        "summary_missing": Example([registered(), meets("m", 40, "qbr")], day(41), day(41, 1), (
            meets("m", 41.01, "qbr", summary_sent_at=day(41.01)),)),
    }  # fmt: skip


def _of_disagreement() -> dict[str, Example]:
    return {
        "disagrees_with_risk": Example([registered()], day(30), more={"health": healthy(84), "risk": risk(0.62, 30)},
                                       calmer={"health": healthy(84), "risk": risk(0.35, 30)}),
        "disagrees_with_money": Example(
            [registered(), happens(client.ClientUpdated, 60, mrr={"amount": 200_000, "currency": "USD"})], day(60),
            more={"health": healthy(84)}, calmer={"health": healthy(70)}),
        "disagrees_with_csm": Example(
            [registered(), happens(client.CsmSentimentGiven, 30, "csm", score=5, by="maya@ours.example")], day(30),
            more={"health": healthy(52)}, calmer={"health": healthy(64)}),
    }  # fmt: skip


EXAMPLES: Mapping[str, Example] = {
    **_of_people(), **_of_words(), **_of_work(), **_of_ours(), **_of_disagreement()
}  # fmt: skip
