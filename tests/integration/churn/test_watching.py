"""The model in service is looked at once a business day; one that is wrong about its clients goes out of service."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from churn.domain.moments import DAY, seconds
from churn.main import wire
from common.contracts.base import Event
from common.contracts.churn import ModelFellBack

from tests.integration.churn.test_models import another, promoted
from tests.integration.churn.test_models import offer as offer
from tests.support.churn_stack import ChurnStack
from tests.support.churn_world import money

CLIENTS = 150
HORIZON = 90


def those_judged(churn: ChurnStack) -> list[UUID]:
    """Clients whose prediction of today is the one that is judged once it has matured."""
    today = seconds(churn.clock.now()) // DAY
    return [UUID(int=HORIZON * (2**100 + n) - today % HORIZON) for n in range(CLIENTS)]


async def assessed_clients(churn: ChurnStack) -> list[UUID]:
    clients = those_judged(churn)
    began = churn.clock.now() - timedelta(days=200)
    events = []
    for client_id in clients:
        signed = {"contract_id": "c", "starts_on": began.date().isoformat(), "mrr": money(100)}
        events.append(churn.event("contract_signed", client_id, at=began, **signed))
        for week in range(28):
            count = 40 if week < 24 else 12  # as those of the population do who turn away
            events.append(churn.event("logged_in", client_id, at=began + timedelta(days=week * 7), count=count))
    await churn.deliver(*events)
    assert await churn.assess() == CLIENTS
    return clients


async def look(churn: ChurnStack) -> None:
    """As the job does it, in a process that starts now."""
    service = wire(churn.settings, churn.database, churn.clock)
    (job,) = [job for job in service.jobs if job.name == "watch_model"]
    await job.run(churn.database, churn.clock)


async def fallbacks(churn: ChurnStack) -> list[Event[Any]]:
    return [event for event in await churn.said() if isinstance(event.data, ModelFellBack)]


async def leave(churn: ChurnStack, clients: list[UUID]) -> None:
    for client_id in clients:
        await churn.say("contract_cancelled", client_id, effective_on="2027-01-01")


async def test_a_model_that_comes_true_stays_and_its_checks_are_kept(churn: ChurnStack, offer: dict):
    model_id = await promoted(churn, offer)
    clients = await assessed_clients(churn)
    said = sum([(await churn.risk(client_id))["probability"] for client_id in clients])
    assert said > 5, "enough to be judged"
    churn.clock.advance(days=45)
    await leave(churn, clients[: round(said)])
    churn.clock.advance(days=HORIZON + 1 - 45)
    await look(churn)
    await look(churn)
    (check,) = (await churn.get(f"/v1/models/{model_id}/checks")).json()["items"]
    assert (check["predictions"], check["came"], check["broken"]) == (CLIENTS, round(said), False)
    assert check["clients"] == CLIENTS - round(said)
    assert check["feature_psi"]["logins_level"] > 0.25, "nobody has logged in for three months"
    assert (await churn.get("/v1/models")).json()["in_service"] != "scorecard"
    assert await fallbacks(churn) == []


async def test_a_model_whose_clients_leave_in_numbers_falls_back_and_says_so_once(churn: ChurnStack, offer: dict):
    first = await promoted(churn, offer)
    second = await promoted(churn, await another(churn, offer))
    clients = await assessed_clients(churn)
    churn.clock.advance(days=45)
    await leave(churn, clients[:120])
    churn.clock.advance(days=HORIZON + 1 - 45)
    await look(churn)
    await look(churn)
    (event,) = await fallbacks(churn)
    page = (await churn.get("/v1/models")).json()
    versions = {item["model_id"]: item["version"] for item in page["items"]}
    assert event.subject == f"model:{second}"
    assert (event.data.came, event.data.fell_back_to) == (120, versions[first])
    assert event.data.came > event.data.high
    assert (page["in_service"], page["decisions"][0]["action"]) == (versions[first], "fell_back")
    assert "120 left" in page["decisions"][0]["reason"]

    # A person brings it back: what was judged already does not push it out again.
    assert (await churn.post(f"/v1/models/{second}/promote", {"reason": "the feed is mended"})).status_code == 200
    churn.clock.advance(days=1)
    await look(churn)
    assert (await churn.get("/v1/models")).json()["in_service"] == versions[second]
    assert await fallbacks(churn) == []
