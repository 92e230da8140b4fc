"""The API's manners and its shapes."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from common.contracts import client
from common.contracts.health import BandChanged, Cause
from health import explaining

from tests.support.health_stack import FOR_EVER, HealthStack
from tests.support.health_world import CONFIG, SOURCES, day, event, registered, steady

STRICT = (CONFIG / "loop.yaml").read_text().replace("green: 80", "green: 99")


@pytest.mark.parametrize("path", ["health", "health/history", "health/why", "journey", "blockers"])
async def test_an_unknown_client_is_404_and_a_wrong_scope_403(health: HealthStack, path: str):
    async with health.http() as http:
        answer = await http.get(f"/v1/clients/{uuid4()}/{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    async with health.http("churn:read") as http:
        assert (await http.get(f"/v1/clients/{uuid4()}/{path}")).status_code == 403
    async with health.http("health:read") as http:
        assert (await http.post("/v1/models", json={"definition": STRICT})).status_code == 403


@pytest.mark.parametrize(
    "query",
    ["sort=size", "cursor=nonsense", "limit=0", "band=purple", "colour=red", "cursor=eyJhIjoxfQ"],
)
async def test_a_wrong_question_is_422(health: HealthStack, query: str):
    async with health.http() as http:
        assert (await http.get(f"/v1/clients?{query}")).status_code == 422


async def test_moments_in_the_wrong_order_and_without_a_zone_are_422(health: HealthStack, client_id: UUID):
    await health.deliver(registered(client_id=client_id))
    async with health.http() as http:
        for query in ("from=2026-01-05T09:00:00Z&to=2026-01-01T00:00:00Z", "from=2026-01-01T00:00:00", "from=monday"):
            answer = await http.get(f"/v1/clients/{client_id}/health/why?{query}")
            assert answer.status_code == 422, query


async def test_clients_are_filtered_sorted_and_paged(health: HealthStack):
    clients = {}
    for nth, (name, tier) in enumerate([("Ash", "core"), ("Birch", "core"), ("Cedar", "strategic"), ("Dune", "core")]):
        clients[name] = uuid4()
        money = {"amount": 1000 * nth, "currency": "EUR"}
        await health.deliver(registered(client_id=clients[name], name=name, tier=tier, mrr=money))
    await health.deliver(event(client.LoggedIn(), day(0), client_id=clients["Birch"]))

    async def names(**query):
        found, cursor = [], None
        while True:
            page = await health.get("/v1/clients", **query, **({"cursor": cursor} if cursor else {}))
            found += [item["name"] for item in page["items"]]
            cursor = page["next"]
            if cursor is None:
                return found

    for limit in (1, 2, 50):
        assert await names(sort="name", limit=limit) == ["Ash", "Birch", "Cedar", "Dune"]
        assert await names(sort="-name", limit=limit) == ["Dune", "Cedar", "Birch", "Ash"]
        assert await names(sort="-mrr", limit=limit) == ["Dune", "Cedar", "Birch", "Ash"]
        assert sorted(await names(sort="score", limit=limit)) == ["Ash", "Birch", "Cedar", "Dune"]
        assert sorted(await names(sort="-as_of", limit=limit)) == ["Ash", "Birch", "Cedar", "Dune"]
    assert await names(tier="strategic") == ["Cedar"]
    assert await names(name="BIR") == ["Birch"]
    assert await names(csm_email="nobody@ours.example") == []


async def test_the_journey_with_owner_kpi_and_due_time(health: HealthStack, client_id: UUID):
    await health.deliver(*steady(30, client_id=client_id))
    health.clock.set(day(30))
    found = await health.get(f"/v1/clients/{client_id}/journey")
    assert (found["phase"], found["standing"]) == ("value_validation", "on_track")
    assert [phase["phase"] for phase in found["phases"]] == [
        "kickoff",
        "first_value",
        "adoption",
        "value_validation",
        "expansion",
    ]
    kickoff = found["phases"][0]["milestones"][0]
    assert kickoff["milestone"] == "kickoff_meeting"
    assert (kickoff["state"], kickoff["due_on"], kickoff["owner_email"]) == ("done", "2026-01-08", "maya@ours.example")
    assert all(m["kpi"] and m["owner_email"] and m["due_at"] for p in found["phases"] for m in p["milestones"])


async def test_blockers_with_their_time_to_resolution(health: HealthStack, client_id: UUID):
    first = client.BlockerLogged(blocker_id="b1", kind="missing_assets", severity="critical", impact_days=5.0)
    second = client.BlockerLogged(blocker_id="b2", kind="technical_setup", severity="low")
    solved = client.BlockerResolved(blocker_id="b1", root_cause="nobody owned the export", prevention="name an owner")
    await health.deliver(
        registered(client_id=client_id),
        event(first, day(1), "csm", client_id=client_id),
        event(second, day(2), "csm", client_id=client_id),
        event(solved, day(3), "csm", client_id=client_id),
    )
    items = (await health.get(f"/v1/clients/{client_id}/blockers"))["items"]
    assert [item["blocker_id"] for item in items] == ["b2", "b1"]
    assert items[1]["hours_to_resolve"] == 48
    assert items[1]["root_cause"] == "nobody owned the export"


async def test_a_published_model_scores_every_client_anew_with_cause_model(health: HealthStack, client_id: UUID):
    health.clock.set(day(60))
    await health.hear(*SOURCES, every=FOR_EVER)
    await health.bring_in(client_id, steady(60, client_id=client_id))
    await health.fire()
    await health.said()
    created = await health.post("/v1/models", {"definition": STRICT}, **{"Idempotency-Key": "one"})
    assert created.status_code == 201
    assert (created.json()["version"], created.json()["active"]) == (2, False)
    assert created.json()["created_by"] == "maya@ours.example"
    again = await health.post("/v1/models", {"definition": STRICT}, **{"Idempotency-Key": "one"})
    assert again.json() == created.json()
    await health.fire()
    assert await health.said() == []
    path = f"/v1/models/{created.json()['id']}/publish"
    assert (await health.post(path, {})).status_code == 422
    published = await health.post(path, {"reason": "only the best are green"})
    assert published.json()["active"]
    health.clock.advance(minutes=1)
    await health.fire()
    (change,) = await health.said(BandChanged)
    assert (change.data.band_before, change.data.band, change.data.cause) == ("green", "amber", Cause.MODEL)
    assert change.data.model_version == 2
    why = await health.get(
        f"/v1/clients/{client_id}/health/why", **{"from": day(59).isoformat(), "to": health.clock.now().isoformat()}
    )
    assert sum(c["delta"] for c in why["causes"]) == why["score_to"] - why["score_from"]
    models = await versions_of_loop(health)
    assert [(m["version"], m["active"]) for m in models] == [(2, True), (1, False)]
    back = await health.post(f"/v1/models/{models[1]['id']}/publish", {"reason": "too strict"})
    assert back.json()["active"]
    health.clock.advance(minutes=1)
    await health.fire()
    (change,) = await health.said(BandChanged)
    assert (change.data.band, change.data.cause) == ("green", Cause.MODEL)


async def versions_of_loop(health: HealthStack):
    return [m for m in (await health.get("/v1/models"))["items"] if m["model"] == "loop"]


async def test_a_start_never_undoes_what_an_operator_published(health: HealthStack):
    created = await health.post("/v1/models", {"definition": STRICT})
    await health.post(f"/v1/models/{created.json()['id']}/publish", {"reason": "stricter"})
    async with health:
        models = await versions_of_loop(health)
    assert [(m["version"], m["active"]) for m in models] == [(2, True), (1, False)]


async def test_a_wrong_model_is_422_with_line_and_rule(health: HealthStack):
    answer = await health.post("/v1/models", {"definition": STRICT.replace("weight: 35", "weight: 36")})
    assert answer.status_code == 422
    assert "line 13: components: the weights of the components sum to 101" in answer.json()["detail"]
    assert (await health.post(f"/v1/models/{uuid4()}/publish", {"reason": "why not"})).status_code == 404


async def test_no_connection_waits_while_causes_are_worked_out(
    health: HealthStack, client_id: UUID, monkeypatch: pytest.MonkeyPatch
):
    health.clock.set(day(60))
    await health.hear(*SOURCES, every=FOR_EVER)
    await health.bring_in(client_id, steady(60, client_id=client_id))
    await health.fire()
    held = []
    work = explaining.answered

    def watched(*given: Any) -> Any:
        held.append(health.database.engine.pool.checkedout())
        return work(*given)

    monkeypatch.setattr(explaining, "answered", watched)
    why = await health.get(f"/v1/clients/{client_id}/health/why", **{"from": day(30).isoformat()})
    assert sum(round(cause["delta"] * 16) for cause in why["causes"]) == round(
        (why["score_to"] - why["score_from"]) * 16
    )
    assert held == [0]
