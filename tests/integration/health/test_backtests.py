"""Backtests on the service's own facts: a durable job, asked for and read over HTTP."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from common import failpoints
from common.contracts import client
from health import backtests
from health.domain.blast import Limits
from health.models_api import NewModel

from tests.support.breaker_world import STRICT, TICKETS, green_clients, urgent
from tests.support.health_stack import HealthStack

LENIENT = TICKETS.replace("[2, 20]", "[2, 65]")


async def a_year(health: HealthStack) -> list[UUID]:
    """Twelve clients; three get two urgent tickets, of whom two leave four weeks later, and one leaves unwarned."""
    clients = await green_clients(health, 12)
    health.clock.advance(weeks=4)
    for each in clients[:3]:
        for ticket in "12":
            await health.say(urgent(ticket), each, "zendesk")
    health.clock.advance(weeks=4)
    for each in [*clients[:2], clients[5]]:
        gone = client.ContractCancelled.model_validate({"effective_on": health.clock.now().date().isoformat()})
        await health.say(gone, each, "stripe")
    health.clock.advance(weeks=14)
    return clients


async def asked(health: HealthStack, **body: Any) -> dict[str, Any]:
    answer = await health.post("/v1/backtests", {"definition": LENIENT, **body})
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


async def run(health: HealthStack) -> None:
    await backtests.run(health.database, health.clock, limits=Limits())


async def test_a_backtest_compares_the_candidate_with_what_is_in_force(health: HealthStack):
    await a_year(health)
    found = await asked(health)
    assert (found["state"], found["clients"], found["asked_by"]) == ("waiting", 12, "maya@ours.example")
    await run(health)
    done = await health.get(f"/v1/backtests/{found['id']}")
    assert (done["state"], done["clients_done"], done["error"]) == ("done", 12, None)
    report = done["report"]
    assert report["candidate"] == "loop"
    assert "loop 2" in report["in_force"]
    latest = report["bands"]["latest"]
    assert latest["matrix"] == {"green": {"green": 8}, "red": {"amber": 1}}
    gone = report["cancellations"]
    assert (gone["happened"], gone["stayed"]) == (3, 9)
    in_force, candidate = gone["in_force"]["below_60"], gone["candidate"]["below_60"]
    assert (in_force["precision"]["count"], in_force["precision"]["of"]) == (2, 3)
    assert (in_force["recall"]["count"], in_force["recall"]["of"]) == (2, 3)
    assert 20 < in_force["lead_days"]["median"] < 28
    assert (candidate["alarms"], candidate["recall"]["count"]) == (0, 0)
    assert (in_force["control"]["alarmed"]["count"], in_force["control"]["alarmed"]["of"]) == (1, 9)
    assert await health.rows("SELECT 1 FROM backtest_parts") == []


async def test_facts_count_from_when_they_were_known(health: HealthStack):
    clients = await green_clients(health, 3)
    happened = health.clock.now() + timedelta(days=1)
    health.clock.advance(weeks=6)
    await health.say(urgent(), clients[0], "zendesk", at=happened, knowntime=health.clock.now())
    health.clock.advance(weeks=4)
    await asked(health)
    await run(health)
    (done,) = (await health.get("/v1/backtests"))["items"]
    weeks = done["report"]["alerts_per_week"]["in_force"]["weeks"]
    told = [number for number, week in enumerate(weeks) if week["worse_band"]]
    assert told == [len(weeks) - 4]


async def test_a_backtest_goes_on_where_it_was_killed(health: HealthStack, monkeypatch: pytest.MonkeyPatch):
    await a_year(health)
    found = await asked(health)
    monkeypatch.setattr(backtests, "CLIENTS_AT_ONCE", 2)
    reached = []

    def kill(name: str) -> None:
        if name == "backtest_step":
            reached.append(name)
            if len(reached) == 2:
                raise asyncio.CancelledError

    monkeypatch.setattr(failpoints, "reach", kill)
    with pytest.raises(asyncio.CancelledError):
        await run(health)
    half = await health.get(f"/v1/backtests/{found['id']}")
    assert (half["state"], half["clients_done"], half["report"]) == ("running", 8, None)
    await run(health)
    done = await health.get(f"/v1/backtests/{found['id']}")
    assert (done["state"], done["clients_done"], done["report"]["clients"]) == ("done", 12, 12)


async def test_a_canceled_backtest_does_nothing_more(health: HealthStack):
    await green_clients(health, 3)
    health.clock.advance(weeks=4)
    found = await asked(health)
    path = f"/v1/backtests/{found['id']}/cancel"
    assert (await health.post(path, {})).json()["state"] == "canceled"
    assert (await health.post(path, {})).status_code == 409
    await run(health)
    assert (await health.get(f"/v1/backtests/{found['id']}"))["report"] is None


async def test_an_uploaded_version_can_be_tried_and_ten_at_most_wait(health: HealthStack):
    await green_clients(health, 2)
    health.clock.advance(weeks=4)
    created = await health.post("/v1/models", NewModel(definition=STRICT).model_dump())
    body = {"model_id": created.json()["id"]}
    answers = [await health.post("/v1/backtests", body) for _ in range(11)]
    assert [a.status_code for a in answers] == [202] * 10 + [409]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"definition": "model: loop"},
        {"definition": LENIENT, "model_id": str(uuid4())},
        {"definition": LENIENT, "from": "2026-05-01T00:00:00Z", "to": "2026-04-01T00:00:00Z"},
        {"definition": LENIENT, "from": "1990-01-01T00:00:00Z"},
    ],
)
async def test_a_wrong_question_is_422(health: HealthStack, body: dict[str, Any]):
    health.clock.advance(weeks=4)
    assert (await health.post("/v1/backtests", body)).status_code == 422


async def test_what_is_not_there_is_404_and_asking_needs_the_scope(health: HealthStack):
    assert (await health.post("/v1/backtests", {"model_id": str(uuid4())})).status_code == 404
    async with health.http("health:read") as http:
        assert (await http.get(f"/v1/backtests/{uuid4()}")).status_code == 404
        assert (await http.post("/v1/backtests", json={"definition": LENIENT})).status_code == 403
