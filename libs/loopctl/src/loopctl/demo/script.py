"""The story: what one client does while the others live on, and what its CSM does about it.

The decline is laid out from the beginning of the play, the case and the rescue from the moment of the flag. Nothing
here says what the loop will answer: that is read from its topics.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from loopctl.demo import words
from loopctl.demo.behaviour import Happening
from loopctl.demo.portfolio import Member

USUAL_SOURCES = ("segment",)
"""What the hero goes on doing by itself in the play; everything else it does is written here."""
NEEDS_MODEL = "ticket_trust"
"""From this beat on the loop is to say how likely the client is to leave."""
CLOSED_AS_SAVED_AFTER = timedelta(days=6, hours=3)
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


def decline(hero: Member, began: datetime) -> list[Beat]:
    """Two and a half weeks in which the client loses its sponsor, its usage and its mood."""
    sponsor = hero.contact("sponsor")
    at = _clock(began)
    bill = f"in_{hero.client_id.hex[:8]}play"
    money = {"amount": hero.mrr, "currency": "USD"}
    left = {"contact_id": sponsor.contact_id, "role_before": "sponsor"}
    due = (began + timedelta(days=7)).date().isoformat()
    return [
        Beat("invoice", "an invoice goes out (Stripe)", Happening(
            at(0, 9), "stripe", "invoice_issued", {"invoice_id": bill, "amount": money, "due_on": due})),
        Beat("sponsor_left", f"{sponsor.name}, its sponsor, leaves (HubSpot)", Happening(
            at(2, 9), "hubspot", "contact_left", left)),
        _ticket(hero, "slow", at(4, 10), "annoyed", words.ANNOYED[0]),
        _ticket(hero, "again", at(6, 11), "annoyed", words.ANNOYED[1]),
        Beat("payment_failed", "a payment fails (Stripe)", Happening(
            at(7, 8), "stripe", "payment_failed", {"invoice_id": bill, "amount": money, "attempt": 1})),
        _ticket(hero, "trust", at(8, 15), "angry", words.ANGRY[0]),
        _ticket(hero, "stopped", at(10, 9), "angry", words.ANGRY[1]),
        _ticket(hero, "awful", at(11, 14), "angry", words.ANGRY[2]),
        Beat("overdue", "the invoice is overdue (Stripe)", Happening(
            at(13, 8), "stripe", "invoice_overdue", {"invoice_id": bill, "amount": money, "days": 6})),
        _ticket(hero, "competitor", at(14, 10), "angry", words.ANGRY[3]),
        _ticket(hero, "cancel", at(16, 9), "angry", words.ANGRY[4]),
        _ticket(hero, "nothing", at(18, 9), "angry", words.ANGRY[0]),
    ]  # fmt: skip


def rescue(hero: Member, began: datetime, flag: datetime) -> list[Beat]:
    """What the client does once somebody cares: it comes back, pays, and names a new sponsor."""
    successor = hero.contact("successor")
    bill = f"in_{hero.client_id.hex[:8]}play"
    money = {"amount": hero.mrr, "currency": "USD"}
    comes = {"contact_id": successor.contact_id, "name": successor.name, "email": successor.email, "role": "sponsor"}
    tickets = [beat.happening for beat in decline(hero, began) if beat.happening.name == "ticket_opened"]
    opened = [ticket for ticket in tickets if ticket.at < flag]
    return [
        *(_solved(ticket, flag + timedelta(hours=62 + nth)) for nth, ticket in enumerate(opened)),
        Beat("paid", "the invoice is paid (Stripe)", Happening(
            flag + timedelta(days=4), "stripe", "invoice_paid", {"invoice_id": bill, "amount": money})),
        _ticket(hero, "thanks", flag + timedelta(days=6), "happy", words.HAPPY[3]),
        Beat("sponsor_named", f"{successor.name} becomes its sponsor (HubSpot)", Happening(
            flag + timedelta(days=7), "hubspot", "contact_added", comes)),
        _ticket(hero, "plans", flag + timedelta(days=9), "happy", words.HAPPY[1]),
        Beat("target", "its target is back in reach (our own report)", Happening(
            flag + timedelta(days=10), "internal", "kpi_reported", {"kpi": "hours_saved", "value": 104})),
        _ticket(hero, "love", flag + timedelta(days=12), "happy", words.HAPPY[0]),
    ]  # fmt: skip


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
