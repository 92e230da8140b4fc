"""Many clients whose band a single event moves: one signal, tickets."""

from __future__ import annotations

from uuid import UUID, uuid4

from common.contracts import client

from tests.support.health_stack import FOR_EVER, HealthStack
from tests.support.health_world import SOURCES, event, registered

TICKETS = """
model: loop
bands: {green: 80, amber: 60, red: 0}
components:
  relationship:
    weight: 100
    essential: true
    signals:
      urgent_tickets: {weight: 100, curve: [[0, 100], [1, 70], [2, 20]]}
"""
"""No urgent ticket: green; one: amber; two: red."""
TIRING = TICKETS.replace("urgent_tickets:", "days_since_login:")
"""Green on the day of a login, amber the day after."""
STRICT = TICKETS.replace("[[0, 100], [1, 70], [2, 20]]", "[[0, 70], [1, 30]]")


async def published(health: HealthStack, text: str, reason: str = "a test says so") -> str:
    """The id of a model that is put in force; its clients are not gone through yet."""
    created = await health.post("/v1/models", {"definition": text})
    model_id = str(created.json()["id"])
    answer = await health.post(f"/v1/models/{model_id}/publish", {"reason": reason})
    assert answer.status_code == 200, answer.text
    return model_id


async def green_clients(health: HealthStack, count: int, model: str = TICKETS) -> list[UUID]:
    """So many clients, each with a ticket that is not urgent; nothing of it waits to be read in the outbox."""
    await published(health, model)
    await health.hear(*SOURCES, every=FOR_EVER)
    clients = sorted(uuid4() for _ in range(count))
    now = health.clock.now()
    past_onboarding = {"contract_started_on": "2024-01-05"}
    await health.deliver(*(registered(now, client_id=each, **past_onboarding) for each in clients))
    await health.deliver(
        *(event(client.TicketOpened(ticket_id="0", priority="low"), now, "zendesk", client_id=each) for each in clients)
    )
    await health.fire()
    bands = {row.band for row in await health.rows("SELECT band FROM clients")}
    assert bands == {"green"}
    await health.said()
    return clients


def urgent(ticket: str = "1") -> client.TicketOpened:
    return client.TicketOpened(ticket_id=ticket, priority="urgent")
