"""POST /v1/events speaks the CloudEvents HTTP binding, as the CNCF's own SDK writes it."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from cloudevents.core.bindings.http import HTTPMessage, to_binary_event, to_structured_event
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from tests.integration.ingest.conftest import Ingest

SUBJECT = "ref:hubspot:company:77"
BATCH = "application/cloudevents-batch+json"
FEELING = {"score": 3, "by": "maya@ours.example"}


def event(id_: str = "e-1", data: Any = FEELING, **attributes: Any) -> CloudEvent:
    told = {
        "id": id_,
        "source": "/tools/pulse",
        "type": "csl.client.csm_sentiment_given.v1",
        "subject": SUBJECT,
        "time": datetime(2026, 3, 1, 9, tzinfo=UTC),
        **attributes,
    }
    return CloudEvent(attributes={k: v for k, v in told.items() if v is not None}, data=data)


def batch(*events: CloudEvent) -> HTTPMessage:
    """The SDK writes single events; a batch is an array of them (CloudEvents JSON format, "JSON Batch Format")."""
    written = b"[" + b",".join(JSONFormat().write(one) for one in events) + b"]"
    return HTTPMessage({"content-type": f"{BATCH}; charset=utf-8"}, written)


async def post(ingest: Ingest, message: HTTPMessage, **headers: str) -> httpx.Response:
    return await ingest.call("POST", "/v1/events", content=message.body, headers={**message.headers, **headers})


async def said(ingest: Ingest) -> list[Any]:
    return [e for e in await ingest.published() if e.type == "csl.client.csm_sentiment_given.v1"]


@pytest.fixture
async def northwind(ingest: Ingest) -> Ingest:
    await ingest.register(name="Northwind")
    return ingest


MODES = {"structured": to_structured_event, "binary": to_binary_event, "batch": batch}


@pytest.mark.parametrize("mode", MODES)
async def test_every_mode_says_the_same_and_counts_once(northwind: Ingest, mode: str) -> None:
    """All modes of one event are one event."""
    answer = await post(northwind, MODES[mode](event()))
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "duplicates": 0}), answer.text
    for other in MODES.values():
        assert (await post(northwind, other(event()))).json() == {"accepted": 0, "duplicates": 1}
    [feeling] = await said(northwind)
    assert feeling.source == "csl/ingest//tools/pulse"
    assert feeling.time == datetime(2026, 3, 1, 9, tzinfo=UTC)
    assert (feeling.data.score, feeling.data.by) == (3, "maya@ours.example")


async def test_a_batch_is_all_or_nothing_and_may_be_empty(northwind: Ingest) -> None:
    wrong = event("e-2", {"score": 9, "by": "x"})
    answer = await post(northwind, batch(event("e-1"), wrong))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "1.data.score"
    assert await said(northwind) == []
    assert (await post(northwind, batch(event("e-1"), event("e-3")))).json() == {"accepted": 2, "duplicates": 0}
    assert (await post(northwind, batch())).json() == {"accepted": 0, "duplicates": 0}


async def test_header_values_are_percent_decoded(northwind: Ingest) -> None:
    """`é`, a space, a quote and a percent sign in a ref; a message's words in an extension."""
    odd = 'Société "é" 100 %'
    register = {"type": "client_registered", "subject": f"ref:crm:company:{odd}", "data": {"name": "Odd"}}
    await northwind.call("POST", "/v1/events", json=register)
    message = to_binary_event(event(subject=f"ref:crm:company:{odd}"))
    assert "%C3%A9" in message.headers["ce-subject"]
    assert (await post(northwind, message)).status_code == 202
    owner = (await northwind.rows("SELECT client_id FROM refs WHERE id = :id", id=odd))[0].client_id
    assert [one.client_id for one in await said(northwind)] == [owner]


@pytest.mark.parametrize(
    ("written", "meant"),
    [('"ref:hubspot:company:77"', 1), ("ref%3Ahubspot%3acompany%3A77", 1), (r'"ref:hubspot:company:\77"', 1),
     ("ref:hubspot:company:%ff%00%", 0)],
)  # fmt: skip
async def test_headers_as_other_producers_write_them(northwind: Ingest, written: str, meant: int) -> None:
    message = to_binary_event(event())
    answer = await post(northwind, message, **{"ce-subject": written})
    assert answer.status_code == 202
    assert len(await said(northwind)) == meant, "what no client is called waits"


async def test_words_may_come_as_an_extension(northwind: Ingest) -> None:
    message = {"message_id": "m1", "channel": "email", "direction": "inbound"}
    written = to_binary_event(event(type="csl.client.message_exchanged.v1", data=message, text="Wir kündigen, 100 %"))
    assert (await post(northwind, written)).status_code == 202
    assert await northwind.count("texts") == 1


async def test_data_as_bytes_is_json_all_the_same(northwind: Ingest) -> None:
    packed = base64.b64encode(json.dumps(FEELING).encode()).decode()
    told = json.loads(to_structured_event(event()).body)
    del told["data"]
    body = json.dumps({**told, "data_base64": packed}).encode()
    message = HTTPMessage({"content-type": "application/cloudevents+json"}, body)
    assert (await post(northwind, message)).json() == {"accepted": 1, "duplicates": 0}


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "application/vnd.pulse+json", "text/json"])
async def test_json_goes_by_many_names(northwind: Ingest, content_type: str) -> None:
    written = to_binary_event(event())
    assert (await post(northwind, written, **{"content-type": content_type})).status_code == 202
    structured = to_structured_event(event("e-2", datacontenttype=content_type))
    assert (await post(northwind, structured)).status_code == 202


@pytest.mark.parametrize("missing", ["specversion", "id", "source", "type"])
@pytest.mark.parametrize("mode", MODES)
async def test_what_a_cloudevent_must_have_is_named(northwind: Ingest, mode: str, missing: str) -> None:
    message = MODES[mode](event())
    headers, body = {k: v for k, v in message.headers.items() if k != f"ce-{missing}"}, message.body
    if mode != "binary":
        whole = json.loads(body)
        del (whole[0] if mode == "batch" else whole)[missing]
        body = json.dumps(whole).encode()
    answer = await post(northwind, HTTPMessage(headers, body))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == f"0.{missing}"


@pytest.mark.parametrize(
    ("headers", "body", "field"),
    [
        ({"content-type": "application/cloudevents+avro"}, b"x", "content-type"),
        ({"content-type": "application/cloudevents+json"}, b"[]", "0"),
        ({"content-type": BATCH}, b"{}", "body"),
        ({"content-type": BATCH}, b"[3]", "0"),
        ({"content-type": "application/cloudevents+json"}, b"{", "body"),
        ({"ce-specversion": "1.0", "ce-id": "1", "ce-source": "x", "ce-type": "logged_in", "content-type": "text/xml"},
         b"<a/>", "0.datacontenttype"),
        ({"ce-specversion": "0.3", "ce-id": "1", "ce-source": "x", "ce-type": "logged_in"}, b"{}", "0.specversion"),
        ({"ce-specversion": "1.0", "ce-id": "1", "ce-source": "x", "ce-type": "logged_in"}, b"{", "0.data"),
        ({"ce-specversion": "1.0", "ce-id": "1", "ce-source": "x", "ce-type": "nonsense"}, b"{}", "0.type"),
        ({"content-type": "application/cloudevents+json"},
         b'{"specversion":"1.0","id":"1","source":"x","type":"logged_in","data_base64":"!"}', "0.data_base64"),
        ({"content-type": "application/cloudevents+json"},
         b'{"specversion":"1.0","id":"1","source":"x","type":"logged_in","data_base64":"e30=","data":{}}',
         "0.data_base64"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_named_by_index_and_field(
    ingest: Ingest, headers: dict[str, str], body: bytes, field: str
) -> None:
    answer = await post(ingest, HTTPMessage(headers, body))
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == field


async def test_a_binary_event_without_a_body_has_no_data(northwind: Ingest) -> None:
    message = to_binary_event(event(type="csl.client.logged_in.v1", data=None))
    assert (await post(northwind, HTTPMessage(message.headers, b""))).status_code == 202
    assert (await northwind.said())[-1] == ("logged_in", {"count": 1})


async def test_our_own_form_is_what_it_was(northwind: Ingest) -> None:
    own = {"type": "csm_sentiment_given", "subject": SUBJECT, "data": FEELING}
    for body in (own, [own, own]):
        assert (await northwind.call("POST", "/v1/events", json=body)).status_code == 202
    assert (await northwind.call("POST", "/v1/events", json=[])).status_code == 422
    assert len(await said(northwind)) == 3


async def test_the_openapi_document_names_all_modes(ingest: Ingest) -> None:
    told = ingest.service.app.openapi()["paths"]["/v1/events"]["post"]
    assert {"application/json", "application/cloudevents+json", BATCH} == set(told["requestBody"]["content"])
    assert {"ce-id", "ce-specversion", "ce-type", "ce-source"} <= {p["name"] for p in told["parameters"]}
