"""The APIs that enrichment asks, as they answer: objects by path, 404 for the rest, and what is to go wrong."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass
class Vendor:
    """All three APIs: objects by path, and what to answer instead."""

    objects: dict[str, Any] = field(default_factory=dict)
    instead: list[Any] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    most: int = 0
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once it was asked `most` times."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        if len(self.asked) == self.most:
            self.reached.set()
        self.queries.append(request.url.query.decode())
        self.tokens.add(request.headers.get("authorization", request.headers.get("x-api-token", "")))
        if self.instead:
            answer = self.instead.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        found = self.objects.get(request.url.path)
        return httpx.Response(200, json=found) if found is not None else httpx.Response(404, json={"status": "error"})


CREATED = {"eventId": 1, "portalId": 9, "subscriptionId": 2, "objectId": 77, "occurredAt": 1772442000000}


def created(kind: str = "company", object_id: int = 77, event: int = 1) -> list[dict[str, Any]]:
    return [{**CREATED, "subscriptionType": f"{kind}.creation", "objectId": object_id, "eventId": event}]


COMPANY = {
    "id": "77",
    "properties": {
        "name": "Northwind", "domain": "northwind.example", "mrr": "1200.50", "tier": "Strategic",
        "hubspot_owner_id": "41", "stripe_customer_id": "cus_1", "industry": None,
    },
}  # fmt: skip
PATH = "/crm/v3/objects/companies/77"


INVOICE = {"id": "in_1", "customer": "cus_1", "amount_paid": 5000, "currency": "usd"}


def stripe_event(kind: str, thing: dict[str, Any], key: str = "evt_1") -> dict[str, Any]:
    return {"id": key, "type": kind, "created": 1772442000, "data": {"object": thing}}
