"""`GET /v1/thresholds` on a real database: what each line would choose of the clients there are."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import orjson
import pytest
from churn.learning import curves
from churn.service import SHOWN

from tests.support.churn_stack import ChurnStack
from tests.support.churn_world import money

WEEK = 7 * 86_400
PASSED = {"passed": True, "checks": [{"name": name, "passed": True, "text": "shown"} for name in SHOWN]}
MAYA, TOM = "maya@ours.example", "tom@ours.example"


def offer() -> dict[str, Any]:
    """A model by which small clients leave: 0.78 at 100 a month, 0.27 at 1,000, 0.04 at 10,000."""
    content = orjson.dumps({"centre": [3], "scale": [1], "weights": [-3], "absent": [0], "base": -1})
    return {
        "content_base64": base64.b64encode(content).decode(),
        "sha256": hashlib.sha256(content).hexdigest(),
        "kind": "logistic",
        "features": ["mrr_level"],
        "calibration": {"method": "platt", "slope": 1.0, "offset": 0.0},
        "libraries": {},
        "trained_on": "own",
        "fingerprint": "0" * 64,
        "horizon_days": 90,
        "metrics": {"curves": judged(), "gate": PASSED},
        "card": "# Small clients leave",
    }


def judged() -> dict[str, Any]:
    """Curves of a test of 100 clients in 20 weeks, whose probabilities were right."""
    rng = np.random.default_rng(1)
    p = rng.beta(1, 4, 2_000)
    left = (rng.random(2_000) < p).astype(float)
    return curves.of(p, left, np.repeat(np.arange(100), 20).astype(str), np.tile(np.arange(20) * WEEK, 100))


async def arrive(churn: ChurnStack, mrr: int, csm: str) -> UUID:
    """A client that came two months ago."""
    client_id, at = uuid4(), churn.clock.now() - timedelta(days=60)
    await churn.say("client_registered", client_id, at=at, refs=[], mrr=money(mrr * 100), csm_email=csm)
    return client_id


@pytest.fixture
async def in_service(churn: ChurnStack) -> ChurnStack:
    for mrr, csm in ((100, MAYA), (100, MAYA), (1_000, MAYA), (1_000, TOM), (10_000, TOM), (10_000, TOM)):
        await arrive(churn, mrr, csm)
    answer = await churn.post("/v1/models", offer())
    assert answer.status_code == 201, answer.text
    model_id = answer.json()["model_id"]
    answer = await churn.post(f"/v1/models/{model_id}/promote", {"reason": "first model"})
    assert answer.status_code == 200, answer.text
    assert await churn.assess() == 6
    return churn


async def told(churn: ChurnStack, **how: Any) -> dict[str, Any]:
    answer = await churn.get("/v1/thresholds", **how)
    assert answer.status_code == 200, answer.text
    return answer.json()


def dollars(amounts: list[dict[str, Any]]) -> float:
    (only,) = amounts
    assert only["currency"] == "USD"
    return only["amount"] / 100


async def test_each_threshold_says_what_it_would_flag_now_and_what_it_would_miss(in_service: ChurnStack):
    answer = await told(in_service)
    assert (answer["calibrated"], answer["clients"], answer["by_scorecard"]) == (True, 6, 0)
    by = {choice["threshold"]: choice for choice in answer["thresholds"]}
    assert [by[t]["now"]["clients"] for t in (0.05, 0.25, 0.3, 0.6, 0.8)] == [4, 4, 2, 2, 0]
    at = by[0.6]
    assert at["now"]["expected_precision"] == pytest.approx(0.783, abs=0.01)
    assert dollars(at["now"]["flagged_revenue"]) == pytest.approx(2 * 0.783 * 100, rel=0.02)
    assert dollars(at["now"]["missed_revenue"]) == pytest.approx(2 * 0.269 * 1_000 + 2 * 0.036 * 10_000, rel=0.02)
    assert by[0.9]["now"]["expected_precision"] is None


async def test_what_was_measured_is_scaled_to_the_clients_there_are(in_service: ChurnStack):
    at = next(choice for choice in (await told(in_service))["thresholds"] if choice["threshold"] == 0.3)
    measured = next(point for point in judged()["thresholds"] if point["from"] == 0.3)
    assert at["alerts_per_week"] == pytest.approx(measured["new_a_week"] * 6 / 100, abs=0.01)
    assert at["precision"] == measured["precision"]
    assert at["precision"]["low"] < at["precision"]["value"] < at["precision"]["high"]


async def test_a_capacity_names_the_riskiest_of_each_csm(in_service: ChurnStack):
    answer = await told(in_service)
    assert answer["per_csm"] == 3, "the shipped policy"
    first, second = answer["capacities"][:2]
    assert (first["per_csm"], first["alerts_per_week"]) == (1, 1), "Maya's; Tom's riskiest is below twice the mean"
    assert second["alerts_per_week"] == 2
    assert first["recall"]["value"] is not None


async def test_with_a_price_it_says_where_contacting_pays(in_service: ChurnStack):
    costs = (await told(in_service, cost_of_contact=40_000, share_saved=0.25))["costs"]
    assert costs["cost_of_contact"] == {"amount": 40_000, "currency": "USD"}
    everybody = costs["curve"][0]
    assert (everybody["threshold"], everybody["contacts"]) == (0.0, 6)
    assert everybody["net"]["amount"] == everybody["saved"]["amount"] - 6 * 40_000
    assert costs["best"]["net"]["amount"] == max(point["net"]["amount"] for point in costs["curve"])
    one_by_one = costs["client_by_client"]
    assert one_by_one["contacts"] == 4, "0.25 x 12 months x 0.78 x 100 is less than 400"
    assert one_by_one["net"]["amount"] > costs["best"]["net"]["amount"]


async def test_a_currency_that_nobody_pays_in_is_said(in_service: ChurnStack):
    answer = await told(in_service, cost_of_contact=40_000, share_saved=0.25, currency="EUR")
    assert answer["costs"]["curve"][0]["contacts"] == 0
    assert answer["note"] == "No client pays in EUR as far as is known, so `costs` counts nobody; they pay in USD."


@pytest.mark.parametrize(
    ("half", "field"), [({"cost_of_contact": 100}, "share_saved"), ({"share_saved": 0.2}, "cost_of_contact")]
)
async def test_half_a_price_is_refused(churn: ChurnStack, half: dict[str, Any], field: str):
    answer = await churn.get("/v1/thresholds", **half)
    assert answer.status_code == 422
    assert field in answer.text


async def test_without_a_model_it_says_so_and_counts_points(churn: ChurnStack):
    client_id = await arrive(churn, 1_000, MAYA)
    await churn.say("contact_added", client_id, contact_id="ann", role="sponsor")
    await churn.say("contact_left", client_id, contact_id="ann")
    await churn.assess()
    answer = await told(churn, cost_of_contact=100, share_saved=0.2)
    assert (answer["in_service"], answer["calibrated"], answer["by_scorecard"]) == ("scorecard", False, 1)
    assert "No calibrated model is in service" in answer["note"]
    assert (answer["thresholds"], answer["costs"]) == ([], None)
    points = (await churn.risk(client_id))["points"]
    assert [row["clients"] for row in answer["points"]] == [int(points >= row["points"]) for row in answer["points"]]
    assert points >= 5, "a sponsor that left is a sign"


async def test_a_model_without_curves_says_that_they_are_missing(churn: ChurnStack):
    model = {**offer(), "metrics": {"gate": PASSED}}
    model_id = (await churn.post("/v1/models", model)).json()["model_id"]
    answer = await churn.post(f"/v1/models/{model_id}/promote", {"reason": "an old one"})
    assert answer.status_code == 200, answer.text
    found = await told(churn)
    assert "stored without its curves" in found["note"]
    assert found["thresholds"][0]["precision"] is None
    assert found["capacities"][0]["alerts_per_week"] == 0


async def test_it_needs_the_scope(churn: ChurnStack):
    async with churn.http("health:read") as http:
        assert (await http.get("/v1/thresholds")).status_code == 403
