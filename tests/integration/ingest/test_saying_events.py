"""POST /v1/events: what internal tools say, all or nothing, in our own words."""

from __future__ import annotations

from asyncio import gather
from json import dumps, loads
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.ingest.conftest import Ingest

SUBJECT = "ref:hubspot:company:77"
FEELING = {
    "type": "csl.client.csm_sentiment_given.v1",
    "subject": SUBJECT,
    "data": {"score": 2, "by": "maya@ours.example"},
}


async def say(ingest: Ingest, body: Any, **headers: str) -> Any:
    return await ingest.call(
        "POST", "/v1/events", json=body, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


async def test_an_event_is_said_about_the_client_of_a_ref_or_of_an_id(ingest: Ingest) -> None:
    client = await ingest.register(name="Northwind")
    answer = await say(ingest, [FEELING, {**FEELING, "subject": str(client), "data": {"score": 4, "by": "x"}}])
    assert answer.json() == {"accepted": 2, "duplicates": 0}
    published = await ingest.published()
    assert {event.client_id for event in published} == {client}
    assert published[1].time == published[1].knowntime == ingest.clock.now()
    assert published[1].source == "csl/ingest/api"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"type": "csl.client.nonsense.v1"}, "1.type"),
        ({"type": "client_erased", "data": {}}, "1.type"),
        # what no service could keep afterwards, named in a field or in one that we do not know
        ({"type": "client_updated", "data": {"mrr": {"amount": 10**30, "currency": "USD"}}}, "1.data"),
        ({"type": "client_updated", "data": {"mrr": {"amount": 2**60, "currency": "USD"}}}, "1.data.mrr.amount"),
        ({"type": "usage_recorded", "data": {"feature": "a", "quantity": 1e308}}, "1.data.quantity"),
        ({"type": "kpi_reported", "data": {"kpi": "roi", "value": -1e300}}, "1.data.value"),
        ({"data": {"score": 2, "by": "x", "more": 10**30}}, "1.data"),
        ({"data": {"score": 2, "by": "x", "more": loads("[" * 600 + "]" * 600)}}, "body"),
        ({"subject": "hubspot"}, "1.subject"),
        ({"subject": str(uuid4())}, "1.subject"),
        ({"time": "yesterday"}, "1.time"),
        ({"data": {"score": 9, "by": "maya"}}, "1.data.score"),
        ({"data": {"score": "2", "by": "maya"}}, "1.data.score"),
        ({"type": "milestone_planned", "data": {"milestone": "m", "phase": "kickoff", "kpi": "k", "due_at": None}},
         "1.data.owner_email"),
        ({"text": "words", "type": "logged_in", "data": {}}, "1.text"),
    ],
)  # fmt: skip
async def test_one_wrong_event_refuses_all_and_names_index_and_field(
    ingest: Ingest, wrong: dict[str, Any], field: str
) -> None:
    await ingest.register()
    answer = await say(ingest, [FEELING, {**FEELING, **wrong}])
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == field
    assert [name for name, _ in await ingest.said()] == ["client_registered"]


async def test_one_call_may_speak_for_several_tools(ingest: Ingest) -> None:
    await ingest.register()
    await say(ingest, [{**FEELING, "source": "pulse"}, {**FEELING, "source": "csl/ingest/crm-sync"}])
    assert [event.source for event in await ingest.published()][1:] == ["csl/ingest/pulse", "csl/ingest/crm-sync"]
    await ingest.flush_feeds()
    assert await ingest.published("csl.ingest.feeds.v1") == []


async def test_an_unknown_ref_waits(ingest: Ingest) -> None:
    assert (await say(ingest, FEELING)).json() == {"accepted": 1, "duplicates": 0}
    assert (await ingest.call("GET", "/v1/unmatched")).json()["items"][0]["ref"]["id"] == "77"
    await ingest.register()
    assert [name for name, _ in await ingest.said()] == ["client_registered", "csm_sentiment_given"]


async def test_the_same_key_or_id_counts_once(ingest: Ingest) -> None:
    await ingest.register()
    await say(ingest, FEELING, Idempotency_Key="k1")
    assert (await say(ingest, FEELING, Idempotency_Key="k1")).json() == {"accepted": 0, "duplicates": 1}
    await say(ingest, {**FEELING, "id": "feeling-1"})
    assert (await say(ingest, {**FEELING, "id": "feeling-1"})).json() == {"accepted": 0, "duplicates": 1}
    assert (await say(ingest, FEELING)).json() == {"accepted": 1, "duplicates": 0}
    given = uuid4()
    await say(ingest, {**FEELING, "id": str(given)})
    assert (await ingest.published())[-1].id == given


async def test_a_key_that_was_used_for_other_events_is_refused_and_says_so(ingest: Ingest) -> None:
    await ingest.register()
    assert (await say(ingest, FEELING, Idempotency_Key="k1")).json() == {"accepted": 1, "duplicates": 0}
    other = {**FEELING, "data": {"score": 5, "by": "maya@ours.example"}}
    for body in (other, [FEELING, other], [other]):
        answer = await say(ingest, body, Idempotency_Key="k1")
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"] == "this Idempotency-Key was used for another request"
        assert answer.json()["errors"][0]["field"] == "Idempotency-Key"
    assert (await say(ingest, [FEELING], Idempotency_Key="k1")).json() == {"accepted": 0, "duplicates": 1}
    assert (await say(ingest, other, Idempotency_Key="k2")).json() == {"accepted": 1, "duplicates": 0}
    assert [data["score"] for name, data in await ingest.said() if name == "csm_sentiment_given"] == [2, 5]


async def test_the_same_events_written_otherwise_are_the_same_request(ingest: Ingest) -> None:
    await ingest.register()
    await say(ingest, FEELING, Idempotency_Key="k1")
    spaced = dumps(dict(reversed(FEELING.items())), indent=4)
    answer = await ingest.call("POST", "/v1/events", content=spaced, headers={"Idempotency-Key": "k1"})
    assert answer.json() == {"accepted": 0, "duplicates": 1}


@pytest.mark.parametrize("wrong", [{"time": "yesterday"}, {"subject": str(uuid4())}])
async def test_a_key_of_what_was_refused_can_be_used_for_what_is_mended(ingest: Ingest, wrong: dict[str, Any]) -> None:
    await ingest.register()
    assert (await say(ingest, {**FEELING, **wrong}, Idempotency_Key="k1")).status_code == 422
    assert (await say(ingest, FEELING, Idempotency_Key="k1")).json() == {"accepted": 1, "duplicates": 0}


async def test_two_requests_at_once_under_one_key_are_one_and_a_refusal(ingest: Ingest) -> None:
    await ingest.register()
    bodies = [{**FEELING, "data": {"score": score, "by": "maya@ours.example"}} for score in (1, 2, 3, 4, 5)]
    answers = await gather(*(say(ingest, body, Idempotency_Key="k1") for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [202, 422, 422, 422, 422]
    [told] = [data["score"] for name, data in await ingest.said() if name == "csm_sentiment_given"]
    assert answers[told - 1].json() == {"accepted": 1, "duplicates": 0}


async def test_cloudevents_structured_is_the_same_thing(ingest: Ingest) -> None:
    await ingest.register()
    event = {
        "specversion": "1.0", "id": "a-1", "source": "/tools/pulse", "type": "csl.client.csm_sentiment_given.v1",
        "subject": SUBJECT, "time": "2026-03-01T10:00:00+01:00", "datacontenttype": "application/json",
        "data": {"score": 3, "by": "maya@ours.example"},
    }  # fmt: skip
    answer = await ingest.call(
        "POST", "/v1/events", json=event, headers={"content-type": "application/cloudevents+json"}
    )
    assert answer.status_code == 202, answer.text
    said = (await ingest.published())[-1]
    assert said.source == "csl/ingest//tools/pulse"
    assert said.time.isoformat() == "2026-03-01T09:00:00+00:00"


async def test_words_are_read_here_and_stay_here(ingest: Ingest) -> None:
    await ingest.register()
    words = "We are really frustrated. Your competitor offers more, and our budget is frozen."
    message = {"message_id": "m1", "channel": "email", "direction": "inbound", "contact_id": "c1"}
    await say(ingest, {"type": "message_exchanged", "subject": SUBJECT, "text": words, "data": message})
    names = dict(await ingest.said())
    assert names["message_exchanged"]["reading"]["sentiment"] < -0.2
    assert set(names["message_exchanged"]["reading"]["topics"]) >= {"competitor", "budget_freeze"}
    assert names["competitor_mentioned"] == {"contact_id": "c1", "inferred": True}
    assert names["budget_discussed"]["direction"] == "freeze"
    raw = b"".join(bytes(row.body) for row in await ingest.rows("SELECT body FROM outbox"))
    assert b"frustrated" not in raw
    assert await ingest.count("texts") == 1


async def test_defaults_are_filled(ingest: Ingest) -> None:
    await ingest.register()
    message = {"message_id": "m1", "channel": "email", "direction": "outbound"}
    await say(ingest, {"type": "message_exchanged", "subject": SUBJECT, "data": message})
    assert (await ingest.said())[-1][1]["expects_reply"] is True


async def test_refs_of_two_clients_are_a_contradiction(ingest: Ingest) -> None:
    await ingest.register("hubspot:company:1")
    await ingest.register("stripe:customer:cus_1")
    both = [
        {"source": "hubspot", "kind": "company", "id": "1"},
        {"source": "stripe", "kind": "customer", "id": "cus_1"},
    ]
    answer = await say(
        ingest, {"type": "client_registered", "subject": "ref:hubspot:company:1", "data": {"refs": both}}
    )
    assert answer.status_code == 422
    assert "merge" in answer.json()["detail"]


async def test_who_leaves_had_a_role(ingest: Ingest) -> None:
    await ingest.register()
    ada = {"contact_id": "c1", "name": "Ada", "email": "ada@x.example", "role": "sponsor"}
    await say(ingest, {"type": "contact_added", "subject": SUBJECT, "data": ada})
    await say(ingest, {"type": "contact_left", "subject": SUBJECT, "data": {"contact_id": "c1"}})
    assert (await ingest.said())[-1] == ("contact_left", {"contact_id": "c1", "role_before": "sponsor"})


async def test_an_event_is_withdrawn(ingest: Ingest) -> None:
    await ingest.register()
    wrong = (await ingest.published())[0].id
    answer = await say(ingest, {"type": "event_withdrawn", "subject": SUBJECT, "data": {"event_id": str(wrong)}})
    assert answer.status_code == 202
    assert (await ingest.said())[-1] == ("event_withdrawn", {"event_id": str(wrong)})


async def test_a_token_without_the_scope_is_refused(ingest: Ingest) -> None:
    assert (await ingest.http.post("/v1/events", json=FEELING)).status_code == 401
    assert (await ingest.call("POST", "/v1/events", json=FEELING, scopes=["ingest:read"])).status_code == 403


ODD = [
    b"",
    b"[]",
    b"3",
    b"[" * 9999,
    b'{"type": 1e400}',
    b'{"type": "logged_in", "subject": "ref:a:b:\\u0000"}',
    b'{"type": "logged_in", "subject": "ref:a:b:c", "data": {"x": ' + b"9" * 400 + b"}}",
]


@pytest.mark.parametrize("body", ODD)
async def test_no_body_is_our_fault(ingest: Ingest, body: bytes) -> None:
    answer = await ingest.call("POST", "/v1/events", content=body)
    assert answer.status_code in {202, 422}, answer.text
