"""A client of the end-to-end tests, told as the vendors tell it: bodies of their webhooks, and an imported history."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from common.contracts.base import Event
from common.contracts.churn import FlagRaised

COMPANY = 18412397
SPONSOR = 70001251
CHAMPION = 70001252
ORGANISATION = 360001234567
CUSTOMER = "cus_Northwind01"
GROUP = "northwind-labs"
MAYA, OMAR = "maya@ours.example", "omar@ours.example"
FEATURES = ("reports", "automation", "export", "dashboards", "alerts")

_numbers = itertools.count(1)


def _change(kind: str, object_id: int, at: datetime, **more: Any) -> dict[str, Any]:
    """One entry of a HubSpot v3 webhook."""
    return {
        "appId": 1160452,
        "eventId": next(_numbers),
        "subscriptionId": 25,
        "portalId": 33,
        "occurredAt": int(at.timestamp() * 1000),
        "subscriptionType": kind,
        "attemptNumber": 0,
        "objectId": object_id,
        **more,
    }


def company_created(at: datetime) -> list[dict[str, Any]]:
    """The CRM's new company, and what its owner fills in."""
    properties = {
        "name": "Northwind Labs",
        "domain": "northwind.example",
        "tier": "core",
        "csm_email": MAYA,
        "executive_sponsor_email": OMAR,
        "key_features": ";".join(FEATURES),
        "seats": "40",
        "mrr": "4200",
        "stripe_customer_id": CUSTOMER,
        "zendesk_organization_id": str(ORGANISATION),
        "segment_group_id": GROUP,
    }
    return [
        _change("company.creation", COMPANY, at, changeFlag="NEW", changeSource="CRM"),
        *(
            _change("company.propertyChange", COMPANY, at, propertyName=name, propertyValue=value, changeSource="CRM")
            for name, value in properties.items()
        ),
    ]


def contacts(at: datetime) -> list[dict[str, Any]]:
    """A sponsor and a champion, each associated with the company."""
    people = ((SPONSOR, "EXECUTIVE_SPONSOR", "ada"), (CHAMPION, "CHAMPION", "ben"))
    told = []
    for person, role, name in people:
        told += [
            _change("contact.creation", person, at, changeFlag="NEW"),
            _change(
                "contact.associationChange",
                person,
                at,
                associationType="CONTACT_TO_COMPANY",
                fromObjectId=person,
                toObjectId=COMPANY,
                associationRemoved=False,
            ),
            _change("contact.propertyChange", person, at, propertyName="hs_buying_role", propertyValue=role),
            _change(
                "contact.propertyChange", person, at, propertyName="email", propertyValue=f"{name}@northwind.example"
            ),
        ]
    return told


def sponsor_left(at: datetime) -> list[dict[str, Any]]:
    """The sponsor is deleted in the CRM."""
    return [_change("contact.deletion", SPONSOR, at, changeFlag="DELETED")]


def angry_ticket(at: datetime, number: int = 4501) -> dict[str, Any]:
    """A Zendesk event subscription's `ticket.created`, in the words of one who is about to go."""
    return {
        "account_id": 22129848,
        "id": f"zd-ticket-{number}",
        "type": "zen:event-type:ticket.created",
        "subject": f"zen:ticket:{number}",
        "time": at.isoformat(),
        "zendesk_event_version": "2022-11-06",
        "event": {},
        "detail": {
            "id": str(number),
            "organization_id": str(ORGANISATION),
            "requester_id": "8447388090494",
            "submitter_id": "8447388090494",
            "assignee_id": "9000000001",
            "status": "OPEN",
            "priority": "URGENT",
            "subject": "The export is still broken",
            "description": "Terrible. We are fed up, want to cancel our plan and switch vendor.",
            "type": "PROBLEM",
            "is_public": True,
            "via": {"channel": "web_service"},
            "created_at": at.isoformat(),
            "updated_at": at.isoformat(),
        },
    }


def tracked(at: datetime, event: str = "Report Exported") -> dict[str, Any]:
    """A Segment track call."""
    return {
        "type": "track",
        "event": event,
        "messageId": f"ajs-{next(_numbers)}-{at.timestamp():.0f}",
        "userId": "user-7",
        "properties": {},
        "context": {"groupId": GROUP},
        "timestamp": at.isoformat(),
        "sentAt": at.isoformat(),
    }


def flag(client_id: str, at: datetime) -> Event[FlagRaised]:
    """A flag as churn raises it."""
    said = FlagRaised.model_validate(
        {
            "client_id": client_id,
            "mode": "live",
            "points": 70.0,
            "threshold": 60.0,
            "horizon_days": 90,
            "model": "scorecard",
            "model_version": "1",
            "calibrated": False,
            "reasons": [],
            "as_of": at,
            "flag_id": uuid4(),
            "episode": 1,
            "rule": "scorecard",
        }
    )
    return Event.of(said, id=uuid4(), source="csl/churn", subject=client_id, time=at)


def history(client_id: str, until: datetime, days: int = 180) -> str:
    """An import of so many quiet, healthy days, one event a line."""
    return "\n".join(json.dumps(event) for event in _history(client_id, until, days))


def _history(client_id: str, until: datetime, days: int) -> Iterator[dict[str, Any]]:
    def said(name: str, at: datetime, **data: Any) -> dict[str, Any]:
        return {
            "specversion": "1.0",
            "type": f"csl.client.{name}.v1",
            "source": "warehouse",
            "subject": client_id,
            "time": at.isoformat(),
            "data": data,
        }

    start = until - timedelta(days=days)
    yield said(
        "contract_signed", start, contract_id="c-1", starts_on=start.date().isoformat(),
        mrr={"amount": 420000, "currency": "USD"}, seats=40,
    )  # fmt: skip
    yield said("contact_added", start, contact_id="w-1", role="user")
    yield said("contact_added", start, contact_id="w-2", role="decision_maker")
    yield said("survey_answered", until - timedelta(days=20), survey="nps", score=9, scale_min=0, scale_max=10)
    for nth in range(days - 1):
        at = start + timedelta(days=nth, hours=10)
        weekend = at.weekday() >= 5
        yield said("logged_in", at, contact_id=f"w-{1 + nth % 2}", count=2 if weekend else 14)
        for place, feature in enumerate(FEATURES):
            quantity = 3 if weekend else 20 + place
            yield said(
                "usage_recorded", at + timedelta(minutes=place), feature=feature, quantity=quantity, active_users=30
            )
