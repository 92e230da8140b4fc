"""What people and programs really ask and send: NUL bytes, the calendar's ends, two publications at one moment."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

import pytest
from common.contracts import client
from common.contracts.base import Money

from tests.support.health_stack import HealthStack
from tests.support.health_world import CONFIG, day, event, registered, steady

LOOP_TEXT = (CONFIG / "loop.yaml").read_text()
FIRST, LAST = "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/clients?name=%00",
        "/v1/clients?segment=a%00b",
        "/v1/clients?csm_email=%00",
        "/v1/clients?phase=adpotion",
        "/v1/signs?csm_email=%00",
        "/v1/journey/metrics?segment=%00",
        # cursors that nobody was given: {"sort":"name","value":"\u0000",…}, {"sort":"score","value":3000000000,…}
        "/v1/clients?sort=name&cursor=eyJzb3J0IjoibmFtZSIsInZhbHVlIjoiXHUwMDAwIiwiaWQiOiIwMDAwMDAwMC0wMDAwLTAwMDAtMDAwMC0wMDAwMDAwMDAwMDAifQ",
        "/v1/clients?cursor=eyJzb3J0Ijoic2NvcmUiLCJ2YWx1ZSI6MzAwMDAwMDAwMCwiaWQiOiIwMDAwMDAwMC0wMDAwLTAwMDAtMDAwMC0wMDAwMDAwMDAwMDAifQ",
    ],
)
async def test_a_question_that_nothing_can_answer_is_422(health: HealthStack, path: str):
    async with health.http() as http:
        answer = await http.get(path)
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("span", [{"to": FIRST}, {"from": FIRST, "to": LAST}, {"from": FIRST}])
async def test_why_knows_the_ends_of_the_calendar(health: HealthStack, client_id: UUID, span: dict[str, str]):
    await health.live_through(steady(3, client_id=client_id))
    async with health.http() as http:
        answer = await http.get(f"/v1/clients/{client_id}/health/why", params=span)
    assert answer.status_code in {200, 422}, answer.text
    if answer.status_code == 200:
        told = answer.json()
        assert sum(c["delta"] for c in told["causes"]) == (told["score_to"] or 0) - (told["score_from"] or 0)


MONEY = Money(amount=100_00, currency="EUR")


@pytest.mark.parametrize("contract_began", [date.min, date.max])
async def test_days_at_the_ends_of_the_calendar_hurt_nobody(health: HealthStack, client_id: UUID, contract_began: date):
    """CRMs write 0001-01-01 for "no date" and 9999-12-31 for "never"."""
    days = {"contract_started_on": contract_began, "renewal_on": date.max}
    await health.deliver(registered(client_id=client_id, **days))
    planned = {"phase": "adoption", "owner_email": "maya@ours.example", "kpi": "once"}
    for nth, body in enumerate(
        [
            client.InvoiceIssued(invoice_id="first", amount=MONEY, due_on=date.min),
            client.InvoiceOverdue(invoice_id="older than the calendar", days=10**9),
            client.MilestonePlanned(milestone="never", due_at=LAST, **planned),
            client.MilestonePlanned(milestone="always", due_at=FIRST, **planned),
            client.ContractSigned(starts_on=date.max, ends_on=date.min),
            client.LoggedIn(),
        ]
    ):
        await health.deliver(event(body, day(1, 9 + nth / 60), client_id=client_id))
    for later in (2, 60):
        health.clock.set(day(later))
        await health.fire()
        for view in ("health", "health/history", "health/why", "journey", "signs", "blockers"):
            await health.get(f"/v1/clients/{client_id}/{view}")
    told = await health.get(f"/v1/clients/{client_id}/health")
    assert told["score"] is not None
    assert (await health.get("/v1/journey/metrics", since="0001-01-01", until="9999-12-31"))["metrics"]


async def test_publications_follow_each_other_even_of_one_moment(health: HealthStack):
    """The clock is read before the turn comes: whoever is last in force is last in the list, and taken back to."""
    ids = []
    for title in ("A", "B"):
        text = LOOP_TEXT.replace("title: After onboarding", f"title: {title}")
        ids.append((await health.post("/v1/models", {"definition": text})).json()["id"])
    await health.post(f"/v1/models/{ids[0]}/publish", {"reason": "first"})
    now = health.clock.now()
    health.clock.set(now - timedelta(seconds=1))  # asked for before, its turn came after
    await health.post(f"/v1/models/{ids[1]}/publish", {"reason": "second"})
    health.clock.set(now)
    told = (await health.get("/v1/publications", limit=2))["items"]
    assert [each["reason"] for each in told] == ["second", "first"]
    assert told[0]["at"] > told[1]["at"]
    back = await health.post(f"/v1/models/{ids[1]}/take-back", {"reason": "not so good"})
    assert back.json()["id"] == ids[0]


async def test_two_models_for_the_same_clients_are_refused(health: HealthStack):
    """Of `loop` and a model that was named anew, which one served would hang on the alphabet."""
    named_anew = LOOP_TEXT.replace("model: loop", "model: aloop")
    created = (await health.post("/v1/models", {"definition": named_anew})).json()
    for answer in (
        await health.post(f"/v1/models/{created['id']}/publish", {"reason": "ours"}),
        await health.post("/v1/backtests", {"definition": named_anew}),
    ):
        assert answer.status_code == 422
        assert "loop serves the same clients" in answer.json()["detail"]
    narrower = named_anew.replace("bands: #", "serves: { engagement: [product], onboarding: false }\nbands: #")
    created = (await health.post("/v1/models", {"definition": narrower})).json()
    assert (await health.post(f"/v1/models/{created['id']}/publish", {"reason": "ours"})).status_code == 200
    back = await health.post(f"/v1/models/{created['id']}/take-back", {"reason": "not so good"})
    assert back.status_code == 409
    assert "publish a version" in back.json()["detail"]


async def test_days_of_which_nothing_is_left_are_restated_no_more(health: HealthStack, client_id: UUID):
    """A login of a wrong day came late, its days were restated, it was taken back: nothing was known of these days."""
    health.clock.set(day(20))
    await health.deliver(registered(day(20), client_id=client_id))
    wrong = await health.say(client.LoggedIn(), client_id, at=day(5, 3), knowntime=day(20))
    health.clock.advance(hours=1)
    await health.fire()

    async def restated() -> list[str]:
        path = f"/v1/clients/{client_id}/health/history"
        return [each["as_of"] for each in (await health.get(path, mode="restated", limit=100))["items"]]

    assert len(await restated()) == 15
    await health.say(client.EventWithdrawn(event_id=wrong.id), client_id, "ingest")
    health.clock.advance(hours=1)
    await health.fire()
    assert await restated() == []


@pytest.mark.parametrize("reason", ["   ", "\t\n \u00a0", " a "])
async def test_blanks_are_no_reason(health: HealthStack, client_id: UUID, reason: str):
    await health.deliver(registered(client_id=client_id))
    model = (await health.get("/v1/models"))["items"][0]["id"]
    for path, body in (
        (f"/v1/models/{model}/publish", {}),
        (f"/v1/models/{model}/take-back", {}),
        (f"/v1/clients/{client_id}/journey/phase", {"phase": "adoption"}),
    ):
        answer = await health.post(path, {"reason": reason, **body})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "reason"), path
    moved = await health.post(f"/v1/clients/{client_id}/journey/phase", {"phase": "adoption", "reason": " as agreed "})
    assert moved.json()["reason"] == "as agreed"
