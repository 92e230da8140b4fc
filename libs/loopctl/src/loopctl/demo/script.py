"""The story: what one client does while the others live on, and what its CSM does about it.

The decline is laid out from the beginning of the play, the case and the rescue from the moment of the flag. Nothing
here says what the loop will answer: that is read from its topics.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from loopctl.demo import words
from loopctl.demo.behaviour import INTERNAL, KPI, Happening
from loopctl.demo.portfolio import Member

USUAL_SOURCES = ("segment",)
"""What the hero goes on doing by itself in the play; everything else it does is written here."""
NEEDS_MODEL = "invoice"
"""From this beat on the loop is to say how likely the client is to leave."""
CLOSED_AS_SAVED_AFTER = timedelta(days=8, hours=3)
PLAN_AFTER = timedelta(hours=58)
ASSIGN_AFTER = timedelta(hours=2, minutes=40)
CALL_DUE = timedelta(hours=24)
CALL_AFTER = timedelta(hours=26)


@dataclass(frozen=True, slots=True)
class Beat:
    """One scripted happening; `says` is what the terminal tells when it is sent."""

    name: str
    says: str
    happening: Happening
    ours: bool = False
    """Whether one of us does it, not the client."""


def decline(hero: Member, began: datetime) -> list[Beat]:
    """A week in which a client that has stopped logging in loses its sponsor and its patience."""
    sponsor = hero.contact("sponsor")
    at = _clock(began)
    invoice = {"invoice_id": _bill(hero), "amount": {"amount": hero.mrr, "currency": "USD"}}
    due = (began - timedelta(days=6)).date().isoformat()
    gone = {"contact_id": sponsor.contact_id, "role_before": "sponsor"}
    return [
        Beat("invoice", "", Happening(at(0, 13), "stripe", "invoice_issued", {**invoice, "due_on": due})),
        _ticket(hero, "slow", at(0, 16), "annoyed", words.ANNOYED[0]),
        Beat("goals", "its goals slip: 26 of 100 hours saved (our own report)", _kpi(at(1, 9), 26)),
        _ticket(hero, "again", at(1, 16), "annoyed", words.ANNOYED[1]),
        Beat("payment_failed", "a payment fails (Stripe)",
             Happening(at(2, 8), "stripe", "payment_failed", {**invoice, "attempt": 1})),
        Beat("sponsor_left", f"{sponsor.name}, its sponsor, leaves (HubSpot)",
             Happening(at(2, 11), "hubspot", "contact_left", gone)),
        _ticket(hero, "trust", at(2, 15), "angry", words.ANGRY[0]),
        Beat("nps", "answers our survey: 2 of 10", _nps(at(3, 9), 2)),
        _ticket(hero, "stopped", at(3, 15), "angry", words.ANGRY[1]),
        _ticket(hero, "awful", at(4, 10), "angry", words.ANGRY[2]),
        Beat("overdue", "the invoice is overdue (Stripe)",
             Happening(at(5, 12), "stripe", "invoice_overdue", {**invoice, "days": 11})),
        _ticket(hero, "competitor", at(5, 15), "angry", words.ANGRY[3]),
        _ticket(hero, "cancel", at(6, 9), "angry", words.ANGRY[4]),
        _ticket(hero, "nothing", at(7, 9), "angry", words.ANGRY[0]),
    ]  # fmt: skip


def rescue(hero: Member, began: datetime, flag: datetime) -> list[Beat]:
    """What the client does once somebody cares: it comes back, pays, and names a new sponsor."""
    successor = hero.contact("successor")
    paid = {"invoice_id": _bill(hero), "amount": {"amount": hero.mrr, "currency": "USD"}}
    comes = {"contact_id": successor.contact_id, "name": successor.name, "email": successor.email, "role": "sponsor"}
    tickets = [beat.happening for beat in decline(hero, began) if beat.happening.name == "ticket_opened"]
    opened = [ticket for ticket in tickets if ticket.at < flag]
    return [
        *(_solved(ticket, flag + timedelta(hours=62 + nth)) for nth, ticket in enumerate(opened)),
        Beat("paid", "the invoice is paid (Stripe)",
             Happening(flag + timedelta(days=4), "stripe", "invoice_paid", paid)),
        Beat("trained", "its team takes the core course again", _training(flag + timedelta(days=5))),
        _ticket(hero, "thanks", flag + timedelta(days=8), "happy", words.HAPPY[3]),
        Beat("sponsor_named", f"{successor.name} becomes its sponsor (HubSpot)",
             Happening(flag + timedelta(days=9), "hubspot", "contact_added", comes)),
        Beat("target", "its goals are in reach again: 96 of 100 hours saved", _kpi(flag + timedelta(days=10), 96)),
        _ticket(hero, "plans", flag + timedelta(days=11), "happy", words.HAPPY[1]),
        Beat("nps_again", "answers our survey: 9 of 10", _nps(flag + timedelta(days=12), 9)),
        _ticket(hero, "love", flag + timedelta(days=13), "happy", words.HAPPY[0]),
    ]  # fmt: skip


def _kpi(at: datetime, value: int) -> Happening:
    return Happening(at, INTERNAL, "kpi_reported", {"kpi": KPI, "value": value, "period_end": at.date().isoformat()})


def _nps(at: datetime, score: int) -> Happening:
    return Happening(
        at, INTERNAL, "survey_answered", {"survey": "nps", "score": score, "scale_min": 0, "scale_max": 10}
    )


def _training(at: datetime) -> Happening:
    return Happening(at, INTERNAL, "training_completed", {"course": "core", "required": True})


def _bill(hero: Member) -> str:
    return f"in_{hero.client_id.hex[:8]}play"


def call(hero: Member, flag: datetime) -> Happening:
    """The root-cause call, as the calendar tells it."""
    starts = flag + timedelta(hours=44)
    body = {
        "meeting_id": f"call-{hero.client_id.hex[:12]}",
        "kind": "root_cause",
        "starts_at": starts.isoformat(),
        "ends_at": (starts + timedelta(minutes=45)).isoformat(),
        "attendees": [hero.csm, hero.contact("champion").contact_id],
    }
    return Happening(flag + CALL_AFTER, "internal", "meeting_scheduled", body)


def assignment(hero: Member) -> dict[str, Any]:
    """Evidence of the first step."""
    return {"csm": hero.csm, "executive_sponsor": hero.executive}


def plan(hero: Member, flag: datetime) -> dict[str, Any]:
    """Evidence of the third step."""
    day = (flag + timedelta(days=14)).date().isoformat()
    return {
        "actions": [
            {"action": "mend the nightly export and show it", "owner": hero.csm, "due_on": day},
            {"action": "train the team on automations again", "owner": hero.csm, "due_on": day},
            {"action": "name a new sponsor", "owner": hero.contact("champion").contact_id, "due_on": day},
        ],
        "tracking_item": "https://pm.ourteam.example/browse/CS-1207",
    }


def _ticket(hero: Member, name: str, at: datetime, kind: str, text: str) -> Beat:
    number = f"{hero.number + 7}{at.toordinal() % 1000:03d}"
    priority = {"angry": "urgent", "annoyed": "high"}.get(kind, "normal")
    contact = hero.contact("champion").contact_id
    body = {"ticket_id": number, "priority": priority, "contact_id": contact}
    said = f"writes (Zendesk): “{text}”"
    return Beat(f"ticket_{name}", said, Happening(at, "zendesk", "ticket_opened", body, words.whole(kind, text)))


def _solved(ticket: Happening, at: datetime) -> Beat:
    number = ticket.data["ticket_id"]
    body = {"ticket_id": number, "author": "us", "status": "solved"}
    return Beat(f"solved_{number}", "", Happening(at, "zendesk", "ticket_resolved", body))


def _clock(began: datetime) -> Any:
    start = began.replace(hour=0, minute=0, second=0, microsecond=0)

    def at(day: float, hour: int) -> datetime:
        return max(began, start + timedelta(days=day, hours=hour))

    return at
