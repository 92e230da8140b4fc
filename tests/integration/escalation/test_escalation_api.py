"""The API's manners: scopes, problems, pages, ETags, Idempotency-Key."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from common.http import encode_cursor

from tests.support.escalation_stack import EscalationStack
from tests.support.escalation_world import MAYA, OMAR, OTHER, PEOPLE, PLAN, call_evidence, hours


async def open_case(escalation: EscalationStack, client_id: UUID) -> str:
    await escalation.flag(client_id)
    return str((await escalation.case_of(client_id))["case_id"])


@pytest.mark.parametrize(
    ("step", "evidence", "field"),
    [
        ("assign", {"csm": MAYA}, "evidence.executive_sponsor"),
        ("assign", {"executive_sponsor": OMAR}, "evidence.csm"),
        ("root_cause_call", {**call_evidence(), "invitation": ""}, "evidence.invitation"),
        ("mitigation_plan", {"actions": PLAN["actions"]}, "evidence.tracking_item"),
    ],
)
async def test_a_step_without_its_evidence_is_422_and_names_the_field(
    escalation: EscalationStack, client_id: UUID, step: str, evidence: dict[str, Any], field: str
):
    case_id = await open_case(escalation, client_id)
    answer = await escalation.post(f"/v1/cases/{case_id}/steps/{step}/complete", {"evidence": evidence})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("steps/assign/complete", {}, 422),
        ("steps/dance/complete", {"evidence": {}}, 404),
        ("assign", {}, 422),
        ("assign", {"csm": "Maya"}, 422),
        ("pause", {}, 422),
        ("pause", {"reason": "x", "until": "2020-01-01T00:00:00Z"}, 422),
        ("resume", {}, 409),
        ("close", {"outcome": "cleared", "reason": "x"}, 422),
        ("close", {"outcome": "saved"}, 422),
        ("close", {"outcome": "saved", "reason": " "}, 422),
    ],
)
async def test_what_a_person_may_not_do(
    escalation: EscalationStack, client_id: UUID, path: str, body: dict[str, Any], status: int
):
    case_id = await open_case(escalation, client_id)
    await escalation.said()
    answer = await escalation.post(f"/v1/cases/{case_id}/{path}", body)
    assert answer.status_code == status, answer.text
    assert answer.json()["status"] == status
    assert await escalation.said() == []


async def test_an_unknown_case_is_404(escalation: EscalationStack):
    async with escalation.http() as http:
        assert (await http.get(f"/v1/cases/{uuid4()}")).status_code == 404
        assert (await http.post(f"/v1/cases/{uuid4()}/assign", json={"csm": MAYA})).status_code == 404


async def test_a_closed_case_is_409(escalation: EscalationStack, client_id: UUID):
    case_id = await open_case(escalation, client_id)
    closing = {"outcome": "false_alarm", "reason": "a duplicate"}
    assert (await escalation.post(f"/v1/cases/{case_id}/close", closing)).status_code == 200
    assert (await escalation.post(f"/v1/cases/{case_id}/close", closing)).status_code == 409


async def test_scopes(escalation: EscalationStack, client_id: UUID):
    case_id = await open_case(escalation, client_id)
    async with escalation.http("escalation:read") as reader:
        assert (await reader.get("/v1/cases")).status_code == 200
        assert (await reader.post(f"/v1/cases/{case_id}/assign", json={"csm": MAYA})).status_code == 403
        del reader.headers["Authorization"]
        assert (await reader.get("/v1/cases")).status_code == 401


async def test_an_idempotency_key_gives_the_first_answer_again(escalation: EscalationStack, client_id: UUID):
    case_id = await open_case(escalation, client_id)
    await escalation.said()
    path, body, key = f"/v1/cases/{case_id}/close", {"outcome": "saved", "reason": "x"}, {"Idempotency-Key": "k1"}
    first, again = await escalation.post(path, body, **key), await escalation.post(path, body, **key)
    assert (first.status_code, again.status_code, again.json()) == (200, 200, first.json())
    assert await escalation.words() == ["case_closed"]
    other = await escalation.post(path, {"outcome": "left", "reason": "x"}, **key)
    assert other.status_code == 422


async def test_nobody_overwrites_what_they_have_not_seen(escalation: EscalationStack, client_id: UUID):
    case_id = await open_case(escalation, client_id)
    async with escalation.http() as http:
        seen = (await http.get(f"/v1/cases/{case_id}")).headers["ETag"]
        first = await http.post(f"/v1/cases/{case_id}/assign", json={"csm": MAYA}, headers={"If-Match": seen})
        assert first.status_code == 200
        assert first.headers["ETag"] != seen
        late = await http.post(f"/v1/cases/{case_id}/assign", json={"csm": OMAR}, headers={"If-Match": seen})
        assert late.status_code == 412


async def test_pages_and_filters(escalation: EscalationStack):
    clients = [uuid4() for _ in range(5)]
    for one in clients:
        await escalation.flag(one)
        escalation.clock.advance(minutes=1)
    async with escalation.http() as http:
        seen, cursor = [], None
        while True:
            page = (await http.get("/v1/cases", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
            seen += [case["client_id"] for case in page["items"]]
            cursor = page["next"]
            if cursor is None:
                break
        assert seen == [str(one) for one in reversed(clients)]
        assert (await http.get("/v1/cases", params={"cursor": "nonsense"})).status_code == 422
        assert (await http.get("/v1/cases", params={"limit": 0})).status_code == 422

        case_id = (await escalation.case_of(clients[0]))["case_id"]
        await http.post(f"/v1/cases/{case_id}/assign", json=PEOPLE)
        await http.post(f"/v1/cases/{case_id}/close", json={"outcome": "saved", "reason": "x"})
        escalation.clock.advance(hours=5)
        await escalation.fire()

        async def found(**params: str) -> int:
            return len((await http.get("/v1/cases", params=params)).json()["items"])

        assert await found(state="closed") == 1
        assert await found(outcome="saved") == 1
        assert await found(person=MAYA) == 1
        assert await found(breached="true") == 4
        assert await found(client_id=str(clients[1])) == 1
        assert await found(opened_from=(escalation.clock.now() - hours(1)).isoformat()) == 0


async def test_the_case_shows_why_and_what_is_next(escalation: EscalationStack, client_id: UUID):
    await open_case(escalation, client_id)
    case = await escalation.case_of(client_id)
    assert case["flag"]["said"]["reasons"][0]["text"] == "the sponsor left on 1 Mar"
    assert case["next_due_at"] == case["steps"][0]["due_at"]
    assert case["steps"][0]["asks_for"] == "people"


BENT = [
    '{"evidence": {"csm": "a\\u0000@ours.example", "executive_sponsor": "omar@ours.example"}}',
    '{"evidence": {"csm": "\\ud800@ours.example", "executive_sponsor": "omar@ours.example"}}',
    '{"evidence": {"csm": ["maya@ours.example"], "executive_sponsor": {"a": 1}}}',
    '{"evidence": [1e400]}',
    '{"evidence": {"csm": 1e400}}',
    '{"evidence": null}',
    "[]",
    "nonsense",
    "",
    '{"evidence": ' + "[" * 5000 + "]" * 5000 + "}",
]


@pytest.mark.parametrize("body", BENT, ids=range(len(BENT)))
async def test_no_body_however_bent_is_an_error_of_ours(escalation: EscalationStack, client_id: UUID, body: str):
    case_id = await open_case(escalation, client_id)
    async with escalation.http() as http:
        for path in ("steps/assign/complete", "assign", "pause", "close"):
            answer = await http.post(
                f"/v1/cases/{case_id}/{path}", content=body, headers={"content-type": "application/json"}
            )
            assert answer.status_code in {400, 422}, f"{path}: {answer.status_code} {answer.text}"


@pytest.mark.parametrize(
    "query",
    [
        {"person": "a\x00b"},
        {"client_id": "me"},
        {"opened_from": "yesterday"},
        {"opened_from": "2026-03-02T09:00:00"},
        {"opened_from": "9999-12-31T23:59:59-12:00"},
        {"limit": "-1"},
        {"state": "happy"},
        {"cursor": encode_cursor({"opened_at": "x", "case_id": "x"})},
        {"cursor": encode_cursor({"opened_at": "2026-03-02", "case_id": OTHER})},
    ],
    ids=lambda query: str(query)[:40],
)
async def test_no_query_however_bent_is_an_error_of_ours(escalation: EscalationStack, query: dict[str, str]):
    async with escalation.http() as http:
        answer = await http.get("/v1/cases", params=query)
    assert answer.status_code == 422, answer.text
