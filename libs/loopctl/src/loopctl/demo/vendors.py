"""What happened at a client, as the vendors would tell it: bodies of webhooks in each vendor's own shape.

Ids are derived from the world, the client and the place of the happening in its life, so that sending the same thing
again is a vendor's retry and never a second event.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
from common.contracts.ids import derived_id

from loopctl.demo.behaviour import INTERNAL, Happening
from loopctl.demo.portfolio import Member

PORTAL = 24_681_357
"""Number of the simulated CRM's portal."""
ROLES = {"sponsor": "EXECUTIVE_SPONSOR", "champion": "CHAMPION", "decision_maker": "DECISION_MAKER", "user": "END_USER"}
LOGIN = "Logged In"
NOISE = "noise"
"""What vendors send all day and nobody needs: page views, notes, tags. It shows that a feed is alive."""
NOISE_EVERY = timedelta(hours=6)
NOISY = ("segment", "hubspot", "zendesk")


@dataclass(frozen=True, slots=True)
class Post:
    """One request: to a source's webhook, or (`internal`: our own tools) to the live form, `POST /v1/events`."""

    source: str
    body: bytes


@dataclass(frozen=True, slots=True)
class _Telling:
    who: Member
    what: Happening
    key: str
    """Names the happening for ever."""

    def number(self, *parts: object) -> int:
        """A vendor's numeric id."""
        return derived_id("demo", self.who.world, self.who.number, self.key, *parts).int % 10**10

    def word(self, *parts: object) -> str:
        return derived_id("demo", self.who.world, self.who.number, self.key, *parts).hex[:24]


def noise(first: datetime, last: datetime) -> list[Happening]:
    """Every few hours something from every vendor."""
    found = []
    for n in range(int((last - first) / NOISE_EVERY)):
        at = first + NOISE_EVERY * n
        found += [Happening(at, source, NOISE, {"ticket_id": "1"}) for source in NOISY]
        found.append(Happening(at, INTERNAL, "touchpoint_recorded", {"kind": "newsletter", "automated": True}))
    return found


def told(who: Member, what: Happening, key: str) -> Post:
    """The request by which the loop learns of a happening. Raises KeyError for what no source of ours tells."""
    telling = _Telling(who, what, key)
    value = _TELLERS[what.source](telling)
    return Post(what.source, orjson.dumps(value, option=orjson.OPT_UTC_Z))


def _segment(told: _Telling) -> dict[str, Any]:
    """A track call of a nightly aggregate: no single user, but the group, the sum and how many people."""
    data, name = told.what.data, told.what.name
    if name == NOISE:
        data, name = {"count": 1}, "Page Viewed"
    event = {"logged_in": LOGIN, "usage_recorded": data.get("feature")}.get(name, name)
    quantity = data.get("count", data.get("quantity"))
    properties: dict[str, Any] = {"quantity": quantity}
    if "active_users" in data:
        properties["active_users"] = data["active_users"]
    at = _iso(told.what.at)
    return {
        "type": "track",
        "event": event,
        "messageId": f"agg-{told.word('segment')}",
        "anonymousId": "warehouse-aggregate",
        "properties": properties,
        "context": {"groupId": told.who.refs["segment"], "library": {"name": "analytics-python", "version": "2.3"}},
        "timestamp": at,
        "originalTimestamp": at,
        "sentAt": at,
        "receivedAt": at,
        "version": "1.1",
    }


def _zendesk(told: _Telling) -> dict[str, Any]:
    data, what = told.what.data, told.what
    ticket = {
        "id": data["ticket_id"],
        "organization_id": told.who.refs["zendesk"],
        "requester_id": told.who.contact("champion").contact_id,
        "assignee_id": "9000000001",
        "status": "OPEN",
        "priority": str(data.get("priority", "normal")).upper(),
        "updated_at": _iso(what.at),
    }
    if what.name == "ticket_updated":
        rated = {**ticket, "satisfaction": str(data["csat"]["score"]), "current_user_id": ticket["requester_id"]}
        return {"event": "satisfaction", "ticket": rated, "time": _iso(what.at)}
    kind, event = "ticket.status_changed", {"current": "SOLVED", "previous": "OPEN"}
    if what.name == NOISE:
        kind, event = "ticket.tags_changed", {"tags_added": "seen"}
    if what.name == "ticket_opened":
        subject, _, description = (what.text or "").partition("\n")
        ticket |= {"subject": subject, "description": description, "submitter_id": ticket["requester_id"]}
        ticket |= {"type": "PROBLEM", "is_public": True, "via": {"channel": "web_service"}}
        kind, event = "ticket.created", {}
    return {
        "account_id": PORTAL,
        "id": str(derived_id("demo", told.who.world, told.who.number, told.key, "zendesk")),
        "type": f"zen:event-type:{kind}",
        "subject": f"zen:ticket:{data['ticket_id']}",
        "time": _iso(what.at),
        "zendesk_event_version": "2022-11-06",
        "event": event,
        "detail": ticket,
    }


STRIPE_TYPES = {
    "invoice_issued": "invoice.finalized",
    "invoice_paid": "invoice.paid",
    "invoice_overdue": "invoice.overdue",
    "payment_failed": "invoice.payment_failed",
}


def _stripe(told: _Telling) -> dict[str, Any]:
    data, at = told.what.data, int(told.what.at.timestamp())
    money = data["amount"]
    invoice: dict[str, Any] = {
        "id": data["invoice_id"],
        "object": "invoice",
        "customer": told.who.refs["stripe"],
        "currency": money["currency"].lower(),
        "total": money["amount"],
        "amount_due": money["amount"],
        "amount_remaining": 0 if told.what.name == "invoice_paid" else money["amount"],
        "amount_paid": money["amount"] if told.what.name == "invoice_paid" else 0,
        "attempt_count": data.get("attempt", 0),
        "status_transitions": {"finalized_at": at},
    }
    if "due_on" in data:
        invoice["due_date"] = _midnight(date.fromisoformat(data["due_on"]))
    elif "days" in data:
        invoice["due_date"] = at - 86_400 * int(data["days"])
    return {
        "id": f"evt_{told.word('stripe')}",
        "object": "event",
        "api_version": "2025-03-31.basil",
        "created": at,
        "livemode": False,
        "type": STRIPE_TYPES[told.what.name],
        "data": {"object": invoice},
    }


def _hubspot(told: _Telling) -> list[dict[str, Any]]:
    return _HUBSPOT[told.what.name](told)


def _hubspot_event(told: _Telling, nth: int, kind: str, object_id: str, **more: Any) -> dict[str, Any]:
    return {
        "eventId": told.number("event", nth),
        "subscriptionId": 3_000_000 + nth,
        "portalId": PORTAL,
        "appId": 1_160_452,
        "occurredAt": int(told.what.at.timestamp() * 1000) + nth,
        "subscriptionType": kind,
        "attemptNumber": 0,
        "objectId": int(object_id),
        "changeSource": "CRM_UI",
        "sourceId": "userId:45678",
        **more,
    }


def _contact_comes(told: _Telling) -> list[dict[str, Any]]:
    """Creation says nothing but an id; company, name and role follow as events of their own."""
    data = told.what.data
    contact, company = data["contact_id"], told.who.refs["hubspot"]
    given, _, family = str(data.get("name", "")).partition(" ")
    values = {
        "firstname": given,
        "lastname": family,
        "email": data.get("email"),
        "hs_buying_role": ROLES.get(data["role"], "OTHER"),
    }
    association = {"associationType": "CONTACT_TO_COMPANY", "fromObjectId": int(contact), "toObjectId": int(company)}
    return [
        _hubspot_event(told, 0, "contact.creation", contact, changeFlag="CREATED"),
        _hubspot_event(told, 1, "contact.associationChange", contact, associationRemoved=False, **association),
        *(
            _hubspot_event(told, nth, "contact.propertyChange", contact, propertyName=name, propertyValue=value)
            for nth, (name, value) in enumerate(values.items(), start=2)
            if value
        ),
    ]


def _contact_goes(told: _Telling) -> list[dict[str, Any]]:
    return [_hubspot_event(told, 0, "contact.deletion", told.what.data["contact_id"], changeFlag="DELETED")]


def _note(told: _Telling) -> list[dict[str, Any]]:
    """Somebody of ours wrote a note: the CRM says so, and it means nothing to us."""
    company, at = told.who.refs["hubspot"], str(int(told.what.at.timestamp() * 1000))
    return [
        _hubspot_event(told, 0, "company.propertyChange", company, propertyName="notes_last_updated", propertyValue=at)
    ]


def _company_comes(told: _Telling) -> list[dict[str, Any]]:
    """A new company: its creation, then what the CRM knows of it."""
    company, data = told.who.refs["hubspot"], told.what.data
    values = {name: data.get(name) for name in ("name", "domain")}
    return [
        _hubspot_event(told, 0, "company.creation", company, changeFlag="CREATED"),
        *(
            _hubspot_event(told, nth, "company.propertyChange", company, propertyName=name, propertyValue=value)
            for nth, (name, value) in enumerate(values.items(), start=1)
            if value
        ),
    ]


_HUBSPOT: dict[str, Callable[[_Telling], list[dict[str, Any]]]] = {
    "client_registered": _company_comes,
    "contact_added": _contact_comes,
    "contact_left": _contact_goes,
    NOISE: _note,
}


def _internal(told: _Telling) -> dict[str, Any]:
    return {
        "id": str(derived_id("demo", told.who.world, told.who.number, told.key, INTERNAL)),
        "type": f"csl.client.{told.what.name}.v1",
        "source": INTERNAL,
        "subject": str(told.who.client_id),
        "time": _iso(told.what.at),
        "data": told.what.data,
    }


_TELLERS: dict[str, Callable[[_Telling], Any]] = {
    "segment": _segment,
    "zendesk": _zendesk,
    "stripe": _stripe,
    "hubspot": _hubspot,
    INTERNAL: _internal,
}


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
