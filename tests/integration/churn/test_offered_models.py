"""Models that nobody should put in service: bytes that break XGBoost, calibrations that are none, reports that break
readers. All are refused with a word, and the service lives on."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import numpy as np
import pytest
import xgboost
from churn.service import SHOWN

from tests.support.churn_stack import ChurnStack

COLUMNS = ["tenure", "mrr_level", "contacts_engaged"]
FIGURE = {"value": 0.5, "low": 0.4, "high": 0.6}


def made_of(content: bytes, **more: Any) -> dict[str, Any]:
    """An offer of these bytes, with a report that passed."""
    checks = [{"name": name, "passed": True, "text": "shown"} for name in SHOWN]
    return {
        "content_base64": base64.b64encode(content).decode(),
        "sha256": hashlib.sha256(content).hexdigest(),
        "kind": "xgboost",
        "features": COLUMNS,
        "calibration": {"method": "platt", "slope": 1.0, "offset": 0.0},
        "libraries": {},
        "trained_on": "own",
        "fingerprint": "0" * 64,
        "horizon_days": 90,
        "metrics": {"gate": {"passed": True, "checks": checks}},
        "card": "# A model",
        **more,
    }


def trees(objective: str = "binary:logistic", names: list[str] | None = None, **more: Any) -> bytes:
    rng = np.random.default_rng(7)
    rows = xgboost.DMatrix(
        rng.normal(size=(90, 3)), label=np.arange(90) % more.get("num_class", 2), feature_names=names
    )
    return bytes(xgboost.train({"objective": objective, "nthread": 1, **more}, rows, num_boost_round=3).save_raw("ubj"))


def line() -> dict[str, Any]:
    """A straight line, that needs no XGBoost."""
    content = {"centre": [0, 0, 0], "scale": [1, 1, 1], "weights": [1, 1, 1], "absent": [0, 0, 0], "base": -1}
    return made_of(json.dumps(content).encode(), kind="logistic")


async def offered(churn: ChurnStack, offer: dict[str, Any]) -> Any:
    """JSON as Python writes it, with all that strict JSON does not have."""
    async with churn.http() as http:
        return await http.post("/v1/models", content=json.dumps(offer), headers={"Content-Type": "application/json"})


async def refused(churn: ChurnStack, offer: dict[str, Any]) -> str:
    answer = await offered(churn, offer)
    assert answer.status_code == 422, answer.text
    assert (await churn.get("/v1/models")).json()["items"] == []
    return answer.text


async def test_bytes_that_end_the_process_that_reads_them_do_not_end_the_service(churn: ChurnStack):
    assert "the bytes are no model" in await refused(churn, made_of(b""))
    good = trees()
    for broken in (good[: len(good) // 2], good[:-3], b"{L" + good[40:], b"\x00" * 400):
        await refused(churn, made_of(broken))
    assert (await offered(churn, made_of(good))).status_code == 201


@pytest.mark.parametrize(
    "content", [b"[]", b'[[["a"],""]]', b'[[{},""]]', b'[["mean","W10="]]', b"[" * 4000, b'{"centre":1}', b"null"]
)
async def test_a_mean_of_nothing_is_no_model(churn: ChurnStack, content: bytes):
    await refused(churn, made_of(content, kind="mean"))


async def test_trees_that_speak_of_three_ends_or_of_other_columns_are_refused(churn: ChurnStack):
    await refused(churn, made_of(trees("multi:softprob", num_class=3)))
    await refused(churn, made_of(trees(names=["a", "b", "c"])))


@pytest.mark.parametrize(
    "calibration",
    [
        {"method": "platt", "slope": "nan", "offset": 0},
        {"method": "platt", "slope": -1, "offset": 0},
        {"method": "platt", "slope": 1, "offset": "inf"},
        {"method": "platt", "slope": None, "offset": 0},
        {"method": "isotonic", "margins": [], "probabilities": []},
        {"method": "isotonic", "margins": [1, 2], "probabilities": [0.1]},
        {"method": "isotonic", "margins": ["a"], "probabilities": ["b"]},
        {"method": "isotonic", "margins": [2, 1], "probabilities": [0.1, 0.9]},
        {"method": "isotonic", "margins": [1, 2], "probabilities": [5, 3]},
        {"method": "isotonic", "margins": [1, 2], "probabilities": [0.9, 0.1]},
        {"method": "isotonic", "margins": "ab", "probabilities": "cd"},
        {"method": ["platt"]},
    ],
)
async def test_a_calibration_that_gives_no_probabilities_is_refused(churn: ChurnStack, calibration: dict[str, Any]):
    """In service it would put off everybody's assessment, day after day."""
    assert "calibration" in await refused(churn, {**line(), "calibration": calibration})


@pytest.mark.parametrize(
    "metrics",
    [
        {"gate": "yes"},
        {"gate": [1]},
        {"gate": {"passed": False, "checks": [1, 2]}},
        {"gate": {"passed": True, "checks": None}},
        {"gate": {"passed": True, "checks": [{"name": "calibrated", "passed": False, "text": "off"}]}},
        {"in_service": "2026-01-01.1"},
        {"auc": "good"},
        {"auc": {"value": float("nan")}},
        {"note": float("inf")},
        {"note": 2**70},
        {"note": "\x00"},
        {"\x00": "note"},
        {"note": "\ud800"},
        {"curves": "steep"},
        {"curves": {"thresholds": [1]}},
        {"curves": {"thresholds": [{"from": "x"}]}},
        {"curves": {"thresholds": [], "clients_a_moment": 0}},
        {"curves": {"capacity": [{"share_of_clients": 0.1, "precision": FIGURE}]}},
        {"profile": {"columns": 5, "prediction": {}}},
        {"profile": {"columns": {}, "prediction": {"edges": [1.0], "shares": [1.0]}}},
    ],
)
async def test_a_report_that_would_break_its_readers_is_refused(churn: ChurnStack, metrics: dict[str, Any]):
    offer = line()
    await refused(churn, {**offer, "metrics": {**offer["metrics"], **metrics}})


async def test_text_that_no_database_takes_is_refused_everywhere(churn: ChurnStack):
    await refused(churn, {**line(), "libraries": {"xgboost": "3.0", "x\x00": "y"}})
    await refused(churn, {**line(), "calibration": {**line()["calibration"], "note": "\x00"}})
    nested: dict[str, Any] = {}
    for _ in range(900):
        nested = {"a": nested}
    await refused(churn, {**line(), "metrics": nested})


async def test_a_report_that_says_passed_without_what_the_gate_asks_for_is_not_promoted(churn: ChurnStack):
    model_id = (await offered(churn, {**line(), "metrics": {"gate": {"passed": True, "checks": []}}})).json()[
        "model_id"
    ]
    answer = await churn.post(f"/v1/models/{model_id}/promote", {"reason": "trust me"})
    assert answer.status_code == 409, answer.text
    assert "its report does not show: beats_logistic, beats_rule" in answer.json()["detail"]
    shown = (await offered(churn, {**line(), "fingerprint": "1" * 64})).json()["model_id"]
    assert (await churn.post(f"/v1/models/{shown}/promote", {"reason": "it shows all"})).status_code == 200


async def test_a_card_is_a_page_that_may_run_nothing(churn: ChurnStack):
    card = "# <script>alert(1)</script>\n\n| <img src=x onerror=alert(1)> |\n|---|\n| **<b>x</b>** |"
    model_id = (await offered(churn, {**line(), "card": card})).json()["model_id"]
    answer = await churn.get(f"/v1/models/{model_id}/card")
    assert "<script>" not in answer.text
    assert "<img" not in answer.text
    policy = answer.headers["content-security-policy"]
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"
