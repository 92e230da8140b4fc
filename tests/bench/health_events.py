"""Live events of clients that are with us, for health to score: mostly use, some of everything else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

from aiokafka import AIOKafkaProducer
from common.contracts import client
from common.contracts.base import Data, Event
from common.contracts.ids import derived_id

DAYS = 60
FEATURES = ("reports", "automation", "export", "alerts", "api", "mobile", "billing", "search")


def client_id(tag: str, nth: int) -> UUID:
    return derived_id("bench client", tag, nth)


def lives(tag: str, *, clients: int, events: int, until: datetime) -> Iterator[Event[Any]]:
    """`events` of `clients` clients over the last sixty days, in the order of time."""
    random = Random(tag)
    begin = until - timedelta(days=DAYS)
    for nth in range(clients):
        yield _said(_registered(nth, begin), client_id(tag, nth), begin + timedelta(seconds=nth), "hubspot")
    step = timedelta(days=DAYS) / max(1, events)
    for nth in range(events - clients):
        at = begin + timedelta(hours=1) + step * nth * 0.99
        who = client_id(tag, random.randrange(clients))
        yield _said(_something(random, nth, at), who, at, "zendesk" if nth % 9 == 0 else "segment")


def _registered(nth: int, begin: datetime) -> Data:
    return client.ClientRegistered.model_validate(
        {
            "name": f"Client {nth}", "tier": "core", "segment": "smb" if nth % 2 else "enterprise", "seats": 12,
            "key_features": list(FEATURES), "csm_email": "maya@ours.example", "refs": [],
            "contract_started_on": (begin - timedelta(days=200)).date(),
            "renewal_on": (begin + timedelta(days=165)).date(),
            "mrr": {"amount": 120_000, "currency": "USD"},
        }
    )  # fmt: skip


def _something(random: Random, nth: int, at: datetime) -> Data:
    kind = random.random()
    who = f"person-{random.randrange(9)}"
    if kind < 0.6:
        return client.UsageRecorded(feature=random.choice(FEATURES), quantity=float(random.randrange(1, 20)))
    if kind < 0.85:
        return client.LoggedIn(contact_id=who)
    reading = {"sentiment": random.randrange(-90, 90) / 100, "words": random.randrange(5, 80)}
    other: Sequence[dict[str, Any]] = (
        {"of": client.TicketOpened, "ticket_id": f"t{nth % 20}", "priority": "normal", "reading": reading},
        {"of": client.TicketResolved, "ticket_id": f"t{nth % 20}", "csat": {"score": 4, "scale_max": 5}},
        {"of": client.MessageExchanged, "message_id": f"m{nth}", "channel": "email", "direction": "inbound",
         "contact_id": who, "reading": reading},
        {"of": client.InvoiceIssued, "invoice_id": f"i{nth % 20}", "amount": {"amount": 9900, "currency": "USD"},
         "due_on": at.date()},
        {"of": client.InvoicePaid, "invoice_id": f"i{nth % 20}"},
        {"of": client.KpiReported, "kpi": "hours_saved", "value": nth % 90},
    )  # fmt: skip
    chosen = dict(random.choice(other))
    body: type[Data] = chosen.pop("of")
    return body.model_validate(chosen)


def _said(body: Data, who: UUID, at: datetime, source: str) -> Event[Any]:
    return Event.of(body, id=uuid4(), source=f"csl/ingest/{source}", subject=who, time=at)


async def publish(servers: str, events: Iterator[Event[Any]]) -> int:
    """Put them on the topic, keyed by client; returns how many."""
    producer = AIOKafkaProducer(bootstrap_servers=servers, linger_ms=20, max_batch_size=1 << 18)
    await producer.start()
    count = 0
    try:
        for one in events:
            headers = [("ce_type", one.type.encode())]
            await producer.send(client.TOPIC, one.to_json(), key=str(one.client_id).encode(), headers=headers)
            count += 1
    finally:
        await producer.stop()
    return count
