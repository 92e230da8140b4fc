"""Models in the registry and in service, on a real database."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from churn import dataset, training
from churn.dataset import Wish
from churn.main import wire
from common.contracts import registry

from tests.support.churn_population import FIRST, events_of, lines
from tests.support.churn_stack import ChurnStack

WISH = Wish(workers=1)


@pytest.fixture(scope="module")
def offer() -> dict[str, Any]:
    """A small model trained on the planted population."""
    table = dataset.build(b"\n".join(lines(900)), None, WISH)
    return training.offer(training.train(table, WISH, training.SIMULATED))


async def registered(churn: ChurnStack, offer: dict[str, Any]) -> str:
    answer = await churn.post("/v1/models", offer)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()["model_id"]


async def promoted(churn: ChurnStack, offer: dict[str, Any]) -> str:
    model_id = await registered(churn, offer)
    answer = await churn.post(f"/v1/models/{model_id}/promote", {"reason": "first model"})
    assert answer.status_code == 200, answer.text
    return model_id


async def another(churn: ChurnStack, offer: dict[str, Any]) -> dict[str, Any]:
    """The same trees with another calibration are another model; compared with the one in service."""
    served = (await churn.get("/v1/models")).json()["in_service"]
    metrics = {**offer["metrics"], "in_service": {"version": served, "known_until": 0}}
    return {**offer, "calibration": {"method": "platt", "slope": 0.9, "offset": -0.1}, "metrics": metrics}


def leaver() -> tuple[int, datetime]:
    """A client of the population that was in turmoil for a month, and that moment."""
    for number in range(1000):
        events = list(events_of(number, seed=2))
        left = [e for e in events if e["type"].endswith("contact_left.v1")]
        gone = any(e["type"].endswith("contract_cancelled.v1") for e in events)
        if left and gone:
            return number, datetime.fromisoformat(left[0]["time"]) + timedelta(days=21)
    raise AssertionError("the population has a leaver")


async def live_until(churn: ChurnStack, client_id: UUID, number: int, moment: datetime) -> None:
    churn.clock.set(moment)
    told = [e for e in events_of(number, seed=2) if datetime.fromisoformat(e["time"]) <= moment]
    events = [
        churn.wrap(registry.body(e["type"]).model_validate(e["data"]), client_id, at=datetime.fromisoformat(e["time"]))
        for e in told
    ]
    await churn.deliver(*events)


async def test_without_a_model_the_scorecard_is_in_service(churn: ChurnStack):
    page = (await churn.get("/v1/models")).json()
    assert (page["items"], page["in_service"], page["refused"]) == ([], "scorecard", None)


async def test_a_promoted_model_speaks_without_a_restart_and_is_marked_simulated(
    churn: ChurnStack, client_id: UUID, offer: dict[str, Any]
):
    number, moment = leaver()
    await live_until(churn, client_id, number, moment)
    await churn.assess()
    assert (await churn.risk(client_id))["model"] == "scorecard"
    await promoted(churn, offer)
    assert await churn.assess() == 1, "everybody is assessed again by the new model"
    risk = await churn.risk(client_id)
    assert (risk["model"], risk["calibrated"], risk["simulated"]) == ("xgboost", True, True)
    assert risk["probability"] >= 0.6, risk
    assert risk["flag"]["rule"] == "threshold" or risk["flag"]["rule"] == "scorecard"
    assert [r["code"] for r in risk["reasons"] if r["contribution"] > 0]
    said = (await churn.said())[-1].data
    assert said.simulated is True


async def test_a_client_younger_than_a_month_is_looked_after_by_the_scorecard(
    churn: ChurnStack, client_id: UUID, offer: dict[str, Any]
):
    await promoted(churn, offer)
    churn.clock.set(FIRST + timedelta(weeks=60))
    await churn.say("client_registered", client_id, refs=[])
    await churn.say("logged_in", client_id, count=3)
    await churn.assess()
    assert (await churn.risk(client_id))["model"] == "scorecard"


async def test_live_features_are_those_of_training(churn: ChurnStack, client_id: UUID, offer: dict[str, Any]):
    """One code: what is computed from facts in the database is what a file of the same events gives."""
    import orjson
    from churn.adapters import event_file
    from churn.client_fold import FOLD
    from churn.domain.features import extract
    from churn.domain.health_track import HealthTrack
    from churn.domain.history import in_order, rows
    from churn.domain.labels import Rules
    from churn.domain.moments import seconds
    from common import folding

    number, moment = leaver()
    await live_until(churn, client_id, number, moment)
    async with churn.database.read() as session:
        state = (await folding.read(session, FOLD, [client_id]))[client_id].state
    live = extract(state, HealthTrack(), seconds(moment))
    content = [orjson.dumps(e) for e in events_of(number, seed=2)]
    found = event_file.read(content, event_file.identities(content))
    events = in_order(next(iter(found.clients.values())))
    known_until = found.newest // 1_000_000 + 200 * 86_400
    trained = rows(events, [], [seconds(moment)], known_until, Rules())[0].features
    assert [repr(v) for v in live] == [repr(v) for v in trained]


async def test_the_same_bytes_are_one_model(churn: ChurnStack, offer: dict[str, Any]):
    first = await churn.post("/v1/models", offer)
    again = await churn.post("/v1/models", offer)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["model_id"] == again.json()["model_id"]
    assert first.json()["version"] == f"{churn.clock.now().date()}.1"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"content_base64": "bm9uc2Vuc2U="}, "sha256"),
        ({"content_base64": "%%%"}, "base64"),
        ({"features": ["star_sign"]}, "star_sign"),
    ],
)
async def test_a_model_that_cannot_be_used_is_not_stored(
    churn: ChurnStack, offer: dict[str, Any], change: dict[str, Any], words: str
):
    answer = await churn.post("/v1/models", {**offer, **change})
    assert answer.status_code == 422
    assert words in answer.text
    assert (await churn.get("/v1/models")).json()["items"] == []


async def test_rollback_goes_back_step_by_step_to_the_scorecard(churn: ChurnStack, offer: dict[str, Any]):
    first, second = await promoted(churn, offer), await promoted(churn, await another(churn, offer))
    listed = (await churn.get("/v1/models")).json()["items"]
    assert {model["model_id"]: model["in_service"] for model in listed} == {first: False, second: True}
    assert all("gate" in model["metrics"] and "profile" not in model["metrics"] for model in listed)
    back = (await churn.post("/v1/models/rollback", {"reason": "worse on renewals"})).json()
    assert back["model_id"] == first != second
    back = (await churn.post("/v1/models/rollback", {"reason": "and this one, too"})).json()
    assert back == {"model_id": None, "version": "scorecard"}
    assert (await churn.post("/v1/models/rollback", {"reason": "again"})).status_code == 409
    decisions = (await churn.get("/v1/models")).json()["decisions"]
    assert [d["action"] for d in decisions] == ["rolled_back", "rolled_back", "promoted", "promoted"]
    assert {d["by"] for d in decisions} == {"maya@ours.example"}


async def test_corrupt_bytes_are_refused_and_the_model_before_stays(
    churn: ChurnStack, client_id: UUID, offer: dict[str, Any]
):
    number, moment = leaver()
    await live_until(churn, client_id, number, moment)
    first = await promoted(churn, offer)
    await churn.assess()
    second = await registered(churn, await another(churn, offer))
    async with churn.database.transaction() as session:
        from sqlalchemy import text

        await session.execute(
            text("UPDATE models SET content = substr(content, 1, 1000) WHERE model_id = :id"), {"id": second}
        )
    answer = await churn.post(f"/v1/models/{second}/promote", {"reason": "try it"})
    assert answer.status_code == 409
    assert "sha256" in answer.text
    async with churn.database.transaction() as session:  # promoted all the same, as by a restored database
        from churn.repository import models

        await models.promote(
            session, UUID(second), action="promoted", by="test", reason="around the check", at=churn.clock.now()
        )
    await churn.say("logged_in", client_id, count=1)
    await churn.assess()
    assert (await churn.risk(client_id))["model"] == "xgboost"
    page = (await churn.get("/v1/models")).json()
    assert "is refused" in page["refused"]
    assert [m["model_id"] for m in page["items"] if m["in_service"]] == [first]
    fresh = wire(churn.settings, churn.database, churn.clock)
    async with churn.database.read() as session:
        serving = await fresh.app.state.registry.current(session)
    assert str(serving.record.model_id) == first, "a process that starts now falls back to the model before"


async def test_the_card_opens_as_a_page_and_as_markdown(churn: ChurnStack, offer: dict[str, Any]):
    model_id = await registered(churn, offer)
    page = await churn.get(f"/v1/models/{model_id}/card")
    assert page.headers["content-type"].startswith("text/html")
    assert "<table>" in page.text
    assert "Trained on simulated data" in page.text
    async with churn.http() as http:
        plain = await http.get(f"/v1/models/{model_id}/card", headers={"accept": "text/markdown"})
    assert plain.text == offer["card"]
    assert (await churn.get(f"/v1/models/{uuid4()}/card")).status_code == 404


async def test_only_an_admin_decides_about_models(churn: ChurnStack, offer: dict[str, Any]):
    for path in ("/v1/models", f"/v1/models/{uuid4()}/promote", "/v1/models/rollback"):
        assert (await churn.post(path, offer, "churn:read", "churn:override")).status_code == 403


async def test_risks_are_listed_with_the_riskiest_first(churn: ChurnStack, offer: dict[str, Any]):
    await promoted(churn, offer)
    number, moment = leaver()
    calm = next(n for n in range(1000) if not any("contact_left" in e["type"] for e in events_of(n, seed=2)))
    clients = [uuid4(), uuid4(), uuid4()]
    for client_id, who in zip(clients, (calm, number, calm), strict=True):
        await live_until(churn, client_id, who, moment)
    await churn.assess()
    seen, cursor = [], None
    while True:
        page = (await churn.get("/v1/risks", limit=2, **({"cursor": cursor} if cursor else {}))).json()
        seen += [item["client_id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert sorted(seen) == sorted(map(str, clients))
    assert seen[0] == str(clients[1])


async def test_a_model_that_has_not_passed_the_gate_is_not_put_in_service(churn: ChurnStack, offer: dict[str, Any]):
    failed = {"name": "calibrated", "passed": False, "text": "calibration error 0.2000 is beyond its noise"}
    metrics = {**offer["metrics"], "gate": {"passed": False, "checks": [failed]}}
    model_id = await registered(churn, {**offer, "metrics": metrics})
    answer = await churn.post(f"/v1/models/{model_id}/promote", {"reason": "I like it"})
    assert (answer.status_code, failed["text"] in answer.json()["detail"]) == (409, True), answer.text
    assert (await churn.get("/v1/models")).json()["in_service"] == "scorecard"


async def test_a_model_has_to_be_compared_with_the_one_in_service(churn: ChurnStack, offer: dict[str, Any]):
    first = await promoted(churn, offer)
    strange = {**await another(churn, offer), "metrics": offer["metrics"]}
    second = await registered(churn, strange)
    answer = await churn.post(f"/v1/models/{second}/promote", {"reason": "try it"})
    assert (answer.status_code, "was not compared with" in answer.json()["detail"]) == (409, True), answer.text
    kept = (await churn.get(f"/v1/models/{first}/content")).json()
    assert {name: kept[name] for name in ("sha256", "content_base64", "kind")} == {
        name: offer[name] for name in ("sha256", "content_base64", "kind")
    }


async def test_simulated_data_does_not_push_a_teams_own_model_out(churn: ChurnStack, offer: dict[str, Any]):
    await promoted(churn, {**offer, "trained_on": "own"})
    second = await registered(churn, await another(churn, offer))
    answer = await churn.post(f"/v1/models/{second}/promote", {"reason": "demo"})
    assert (answer.status_code, "simulated" in answer.json()["detail"]) == (409, True), answer.text
