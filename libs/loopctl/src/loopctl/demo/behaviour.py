"""What a client does, seen from outside: logins, usage, tickets, invoices, surveys, drawn from its hidden states.

One client's doings are a list of `Happening`s in order of time. The same list is written into files of history
(`history`) or sent as the vendors' webhooks (`vendors`), so that what a model learned from the past holds live.
Usage and logins are weekly aggregates (two of each a week), as a nightly export from a warehouse would give.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from loopctl.demo import words
from loopctl.demo.portfolio import Contact, Member, generator
from loopctl.demo.simulation import NEVER, Floats, Lives

LOGIN_DAYS = (1, 4)
USAGE_DAYS = (2, 4)
INVOICE_EVERY_WEEKS = 4
SURVEY_EVERY_WEEKS = 13
KPI = "hours_saved"
KPI_TARGET = 100
NET_DAYS = 14
OVERDUE_AFTER_DAYS = 7
MEETING_EVERY_WEEKS = 13
INTERNAL = "internal"
"""Our own tools: calendar, surveys, success plans."""
MILESTONES = {
    "kickoff_meeting": 3,
    "data_import_complete": 6,
    "first_automation_live": 13,
    "core_training_complete": 21,
    "hand_off": 30,
    "key_features_60": 45,
    "kpi_target_met": 90,
    "key_features_80": 180,
}
"""Milestones of the shipped journey that a person ticks off, and when they are due (days after the start)."""
BEHAVIOUR = 2
"""Purpose number of the generator that draws behaviour."""


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing a client did, in the words of a client event; `text` stands for a reading not made yet."""

    at: datetime
    source: str
    name: str
    data: dict[str, Any]
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Habits:
    """What is usual for one client when all is well."""

    logins: float
    usage: float
    share_active: float
    breadth: float
    tickets: float
    pays_after_days: float
    hour: int
    weekday: int
    """By how many days its week is shifted: not everybody's export runs on a Tuesday."""
    phase: int

    @classmethod
    def of(cls, member: Member, rng: np.random.Generator) -> Habits:
        return cls(
            logins=float(member.seats * rng.uniform(1.0, 2.6)),
            usage=float(member.seats * rng.uniform(4, 12)),
            share_active=float(rng.uniform(0.6, 0.9)),
            breadth=float(rng.uniform(0.75, 1.0)),
            tickets=float(0.10 + 0.10 * np.log1p(member.seats / 10)),
            pays_after_days=float(rng.uniform(3, 11)),
            hour=int(rng.integers(8, 16)),
            weekday=int(rng.integers(0, 7)),
            phase=int(rng.integers(0, 4)),
        )


@dataclass(frozen=True, slots=True)
class Course:
    """One client's hidden course through the weeks of a window, as far as behaviour needs it."""

    engagement: Floats
    mood: Floats
    value: Floats
    sponsor_left: tuple[int, ...]
    sponsor_named: tuple[int, ...]
    notice: int

    @classmethod
    def of(cls, lives: Lives, row: int) -> Course:
        return cls(
            engagement=lives.engagement(row),
            mood=lives.mood(row),
            value=lives.value(row),
            sponsor_left=tuple(int(w) for w in np.flatnonzero(lives.sponsor_left[row])),
            sponsor_named=tuple(int(w) for w in np.flatnonzero(lives.sponsor_named[row])),
            notice=int(lives.notice[row]),
        )


class Behaviour:
    """Draws the happenings of one client over weeks of a window that begins at `epoch`."""

    def __init__(self, member: Member, course: Course, epoch: datetime) -> None:
        self.member, self.course, self.epoch = member, course, epoch
        self._rng = generator(member.world, member.number, BEHAVIOUR)
        self.habits = Habits.of(member, self._rng)
        weeks = len(course.engagement)
        noise = self._rng.gamma(8, 1 / 8, (2, weeks))
        level = np.exp(0.85 * np.minimum(course.engagement, 0.5))
        self._logins = self._rng.poisson(self.habits.logins * level * noise[0])
        self._usage = self._rng.poisson(self.habits.usage * level * noise[1])
        odds = np.log(self.habits.share_active / (1 - self.habits.share_active)) + 1.1 * course.engagement
        self._active = self._rng.binomial(member.seats, 1 / (1 + np.exp(-odds)))
        breadth = self.habits.breadth * np.clip(1 + 0.35 * np.minimum(course.engagement, 0), 0.1, 1)
        self._breadth = np.maximum(1, np.round(breadth * len(member.features)).astype(int))
        self._mood = course.mood + self._rng.normal(0, 0.6, weeks)
        self._sponsor = 0

    def happenings(self, first: int) -> list[Happening]:
        """Everything from week `first` to the end of the window or of the client, in order; to be called once."""
        found = [*self._beginning(), *self._milestones(), *self._renewals()]
        for week in range(first, self._end()):
            found += self._using(week)
            found += self._asking(week)
            found += self._paying(week)
            found += self._judging(week)
            found += self._people(week)
            if week == self.course.notice:
                found += self._leaving(week)
        ends = self.epoch + timedelta(weeks=self._end())
        return sorted((h for h in found if h.at < ends), key=lambda h: h.at)

    def _beginning(self) -> list[Happening]:
        """How the client came: registered, signed, its people, its goals."""
        member, at = self.member, self.member.contract_started
        money = {"amount": member.mrr, "currency": "USD"}
        return [
            Happening(at, "hubspot", "client_registered", member.registered()),
            Happening(
                at,
                "hubspot",
                "contract_signed",
                {
                    "contract_id": f"con-{member.number}",
                    "starts_on": member.contract_started.date().isoformat(),
                    "ends_on": member.renewal.date().isoformat(),
                    "mrr": money,
                    "seats": member.seats,
                },
            ),
            Happening(
                at,
                "stripe",
                "subscription_changed",
                {"subscription_id": self._subscription(), "status": "active", "mrr_after": money},
            ),
            *(self._joins(at + timedelta(hours=1), c) for c in member.known_contacts()),
            Happening(
                at + timedelta(days=2),
                INTERNAL,
                "kpi_target_set",
                {
                    "kpi": KPI,
                    "unit": "hours",
                    "direction": "up",
                    "baseline": 0,
                    "target": KPI_TARGET,
                    "due_on": (member.contract_started + timedelta(days=90)).date().isoformat(),
                    "agreed_in": "kickoff",
                },
            ),
        ]

    def _milestones(self) -> Iterator[Happening]:
        """The shipped journey; a client that is unwell in its first weeks is late more often."""
        start = self.member.contract_started
        week = (start - self.epoch).days // 7
        early = float(self.course.value[week : week + 8].mean()) if week < len(self.course.value) else 0.0
        for name, due in MILESTONES.items():
            late = self._rng.random() < 0.10 - 0.15 * min(0.0, early)
            days = due * self._rng.uniform(1.1, 1.8) if late else due * self._rng.uniform(0.4, 0.95)
            at = start + timedelta(days=float(days), hours=self.habits.hour)
            if name == "hand_off":
                yield Happening(at, INTERNAL, "client_handed_off", {})
            else:
                yield Happening(at, INTERNAL, "milestone_completed", {"milestone": name})

    def _renewals(self) -> Iterator[Happening]:
        """A client that stays renews every year, some weeks ahead, after a review."""
        for year in (1, 2):
            ends = self.member.contract_started + timedelta(days=365 * year)
            ahead = float(self._rng.uniform(10, 40))
            if self.course.notice != NEVER and self.epoch + timedelta(weeks=self.course.notice) < ends:
                return
            people = [self.member.csm, self.member.contact("champion").contact_id]
            review = {"meeting_id": f"review-{self.member.number}-{year}", "kind": "review", "attended": people}
            yield Happening(ends - timedelta(days=ahead + 28), INTERNAL, "meeting_held", review)
            signed = {
                "contract_id": f"con-{self.member.number}",
                "starts_on": ends.date().isoformat(),
                "ends_on": (ends + timedelta(days=365)).date().isoformat(),
            }
            yield Happening(ends - timedelta(days=ahead), "hubspot", "contract_renewed", signed)

    def _end(self) -> int:
        """The first week in which nothing happens any more: six weeks after the notice."""
        weeks = len(self.course.engagement)
        return weeks if self.course.notice == NEVER else min(weeks, self.course.notice + 6)

    def _moment(self, week: int, day: float) -> datetime:
        shifted = (day + self.habits.weekday) % 7
        moment = self.epoch + timedelta(days=7 * week + shifted, hours=self.habits.hour)
        return moment + timedelta(seconds=int(self._rng.integers(0, 3600)))

    def _using(self, week: int) -> Iterator[Happening]:
        fade = 0.5 ** max(0, week - self.course.notice)
        logins = int(self._logins[week] * fade)
        for day, part in zip(LOGIN_DAYS, (logins - logins // 2, logins // 2), strict=True):
            if part:
                yield Happening(self._moment(week, day), "segment", "logged_in", {"count": part})
        usage = int(self._usage[week] * fade)
        features = self.member.features
        second = 1 + week % max(1, int(self._breadth[week]) - 1)
        used = ((features[0], usage - usage // 3), (features[min(second, len(features) - 1)], usage // 3))
        for day, (feature, quantity) in zip(USAGE_DAYS, used, strict=True):
            if quantity:
                data = {"feature": feature, "quantity": quantity, "active_users": int(self._active[week])}
                yield Happening(self._moment(week, day), "segment", "usage_recorded", data)

    def _asking(self, week: int) -> Iterator[Happening]:
        mood = float(self._mood[week])
        load = self.habits.tickets * (1 + 0.9 * max(0.0, -mood))
        for nth in range(min(3, int(self._rng.poisson(load)))):
            kind, text = words.ticket(mood + float(self._rng.normal(0, 0.4)), self._rng)
            opened = self._moment(week, float(self._rng.integers(0, 5)))
            ticket = f"{self.member.number}{week + 500:03d}{nth}"
            priority = {"angry": "urgent", "annoyed": "high"}.get(kind, "normal")
            yield Happening(opened, "zendesk", "ticket_opened", {"ticket_id": ticket, "priority": priority}, text)
            solved = opened + timedelta(hours=self._hours(mood))
            data = {"ticket_id": ticket, "author": "us", "status": "solved"}
            yield Happening(solved, "zendesk", "ticket_resolved", data)
            if self._rng.random() < 0.4:
                score = int(np.clip(round(4.2 + mood + float(self._rng.normal(0, 0.7))), 1, 5))
                csat = {"score": score, "scale_min": 1, "scale_max": 5}
                rated = {"ticket_id": ticket, "author": "client", "csat": csat}
                yield Happening(solved + timedelta(hours=3), "zendesk", "ticket_updated", rated)

    def _hours(self, mood: float) -> float:
        return float(np.clip(self._rng.exponential(20) + 12 * max(0.0, -mood), 2, 160))

    def _paying(self, week: int) -> Iterator[Happening]:
        if week % INVOICE_EVERY_WEEKS != self.habits.phase:
            return
        value = float(self.course.value[week])
        issued = self._moment(week, 0)
        invoice = {"invoice_id": f"in_{self.member.client_id.hex[:8]}{week + 500:03d}"}
        money = {"amount": self.member.mrr, "currency": "USD"}
        due = issued + timedelta(days=NET_DAYS)
        issued_data = {**invoice, "amount": money, "due_on": due.date().isoformat()}
        yield Happening(issued, "stripe", "invoice_issued", issued_data)
        if self._rng.random() < 0.02 + (0.12 if value < -1 else 0):
            failed = {**invoice, "amount": money, "attempt": 1}
            yield Happening(issued + timedelta(days=2), "stripe", "payment_failed", failed)
        days = self.habits.pays_after_days + float(self._rng.exponential(2)) + 9 * max(0.0, -value - 0.5)
        days += 14 * float(self._rng.random() < 0.03)
        if days > NET_DAYS + OVERDUE_AFTER_DAYS:
            overdue = {**invoice, "amount": money, "days": OVERDUE_AFTER_DAYS}
            yield Happening(due + timedelta(days=OVERDUE_AFTER_DAYS), "stripe", "invoice_overdue", overdue)
        yield Happening(issued + timedelta(days=days), "stripe", "invoice_paid", {**invoice, "amount": money})

    def _judging(self, week: int) -> Iterator[Happening]:
        mood, value = float(self._mood[week]), float(self.course.value[week])
        if week % SURVEY_EVERY_WEEKS == 3 * self.habits.phase and self._rng.random() < 0.6:
            score = int(np.clip(round(8.3 + 1.7 * mood + float(self._rng.normal(0, 1))), 0, 10))
            data = {"survey": "nps", "score": score, "scale_min": 0, "scale_max": 10}
            yield Happening(self._moment(week, 3), INTERNAL, "survey_answered", data)
        if week % MEETING_EVERY_WEEKS == 3 * self.habits.phase + 1:
            yield self._meeting(week, mood)
        if week % INVOICE_EVERY_WEEKS == (self.habits.phase + 2) % INVOICE_EVERY_WEEKS:
            at = self._moment(week, 0)
            ramp = min(1.0, max(0.05, (at - self.member.contract_started).days / 84))
            reached = ramp * KPI_TARGET * (1.02 + 0.3 * value) + float(self._rng.normal(0, 5))
            data = {"kpi": KPI, "value": round(max(0.0, reached), 1), "period_end": at.date().isoformat()}
            yield Happening(at, INTERNAL, "kpi_reported", data)

    def _meeting(self, week: int, mood: float) -> Happening:
        """A quarterly review; the worse the mood, the likelier the client calls it off."""
        meeting = f"qbr-{self.member.number}-{week}"
        if self._rng.random() < 0.08 - 0.15 * min(0.0, mood):
            cancelled = {"meeting_id": meeting, "by": "client", "notice_hours": 20}
            return Happening(self._moment(week, 2), INTERNAL, "meeting_cancelled", cancelled)
        people = [self.member.csm, self.member.contact("champion").contact_id]
        held = {"meeting_id": meeting, "kind": "qbr", "attended": people}
        return Happening(self._moment(week, 3), INTERNAL, "meeting_held", held)

    def _people(self, week: int) -> Iterator[Happening]:
        sponsor, successor = self.member.contact("sponsor"), self.member.contact("successor")
        if week in self.course.sponsor_left:
            gone = sponsor if self._sponsor % 2 == 0 else successor
            data = {"contact_id": self._generation(gone), "role_before": "sponsor"}
            self._sponsor += 1
            yield Happening(self._moment(week, 1), "hubspot", "contact_left", data)
        if week in self.course.sponsor_named:
            comes = sponsor if self._sponsor % 2 == 0 else successor
            yield self._joins(self._moment(week, 2), comes, role="sponsor")

    def _generation(self, contact: Contact) -> str:
        """Ids of people who come after others: the vendor never uses an id twice."""
        return contact.contact_id if self._sponsor < 2 else f"{contact.contact_id}{self._sponsor // 2}"

    def _joins(self, at: datetime, contact: Contact, role: str | None = None) -> Happening:
        data = {
            "contact_id": self._generation(contact),
            "name": contact.name,
            "email": contact.email,
            "role": role or contact.role,
        }
        return Happening(at, "hubspot", "contact_added", data)

    def _leaving(self, week: int) -> Iterator[Happening]:
        at = self._moment(week, 3)
        ends = at + timedelta(days=30)
        zero = {"amount": 0, "currency": "USD"}
        cancelled = {"contract_id": f"con-{self.member.number}", "effective_on": ends.date().isoformat()}
        yield Happening(at, "hubspot", "contract_cancelled", {**cancelled, "voluntary": True})
        yield Happening(
            ends,
            "stripe",
            "subscription_changed",
            {"subscription_id": self._subscription(), "status": "canceled", "mrr_after": zero},
        )

    def _subscription(self) -> str:
        return f"sub_{self.member.client_id.hex[:14]}"
