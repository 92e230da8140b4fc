"""Signs on a running stack: what a client shows is on Kafka, in the API, and with the CSM; a silence to the second."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import Any

import pytest
from common.contracts.health import TOPIC

from tests.support import northwind
from tests.support.chaos import read_topic
from tests.support.loop_stack import LoopStack, eventually
from tests.support.northwind import MAYA


class Story:
    """What the tests have learned so far."""

    client_id = ""
    asked_at: datetime


@pytest.fixture(scope="module")
def story() -> Story:
    return Story()


def tell(loop: LoopStack, story: Story, name: str, **data: Any) -> None:
    body = {"type": f"csl.client.{name}.v1", "subject": story.client_id, "source": "desk", "data": data}
    loop.post("ingest", "/v1/events", body)


def said(loop: LoopStack, word: str) -> list[dict[str, Any]]:
    """All of health's events of one type, as a program outside would read them."""
    records = asyncio.run(read_topic(loop.stack.bootstrap_servers, TOPIC))
    type_ = f"csl.health.{word}.v1".encode()
    return [json.loads(record.value) for record in records if dict(record.headers)["ce_type"] == type_]


def on_kafka(loop: LoopStack, story: Story, word: str, sign: str) -> list[dict[str, Any]]:
    """Those of one sign of the client."""
    return [e for e in said(loop, word) if e["subject"] == story.client_id and e["data"]["sign"] == sign]


def test_a_sign_begins_on_kafka_and_in_the_list(loop: LoopStack, story: Story):
    loop.webhook("hubspot", northwind.company_created(datetime.fromisoformat(loop.now())))
    found = eventually(
        lambda: loop.get("ingest", f"/v1/clients/by-ref/hubspot/company/{northwind.COMPANY}"), "the client"
    )
    story.client_id = str(found["client_id"])
    tell(loop, story, "competitor_mentioned")
    (began,) = eventually(lambda: on_kafka(loop, story, "sign_started", "competitor_mentioned"), "the sign on Kafka")
    assert began["data"]["kind"] == "early_warning"
    assert began["data"]["text"].startswith("a competitor was mentioned on ")
    assert len(began["data"]["caused_by"]) == 1
    (listed,) = loop.get("health", "/v1/signs", sign="competitor_mentioned", open="true")["items"]
    assert (listed["client_id"], listed["client_name"], listed["told"]) == (story.client_id, "Northwind Labs", True)
    (client,) = loop.get("health", "/v1/clients")["items"]
    assert client["open_signs"] == 1


def test_a_silent_client_is_told_to_the_csm_48_hours_after_we_asked(loop: LoopStack, story: Story):
    tell(loop, story, "message_exchanged", message_id="q1", channel="email", direction="outbound", person_email=MAYA)
    known = eventually(lambda: loop.get("ingest", f"/v1/clients/{story.client_id}"), "the question")
    assert known
    eventually(
        lambda: loop.get("health", f"/v1/clients/{story.client_id}/health")["components"], "the question in the score"
    )
    loop.advance("47h50m")
    assert on_kafka(loop, story, "sign_started", "client_silent") == []
    loop.advance("15m")
    (began,) = eventually(lambda: on_kafka(loop, story, "sign_started", "client_silent"), "the sign on Kafka")
    started, noticed = (datetime.fromisoformat(began["data"][word]) for word in ("started_at", "as_of"))
    assert started <= noticed
    mail = eventually(
        lambda: [m for m in loop.messages(inbox=MAYA, channel="email") if "no answer since we asked" in m["subject"]],
        "the alert",
    )
    assert len(mail) == 1


def test_an_answer_ends_it_once(loop: LoopStack, story: Story):
    tell(loop, story, "message_exchanged", message_id="a1", channel="email", direction="inbound", in_reply_to="q1")
    (ended,) = eventually(lambda: on_kafka(loop, story, "sign_ended", "client_silent"), "the end on Kafka")
    (began,) = on_kafka(loop, story, "sign_started", "client_silent")
    assert ended["data"]["started_at"] == began["data"]["started_at"]
    assert loop.get("health", "/v1/signs", sign="client_silent", open="true")["items"] == []
    assert not [m for m in loop.messages(inbox=MAYA) if "ended" in m["subject"]]


def test_no_service_answers_another_for_ever(loop: LoopStack, story: Story):
    """Nothing happens: churn has said its risk, health has heard it, and no more scores follow."""
    loop.run("verify")
    before = len(said(loop, "scored"))
    loop.run("verify")
    assert len(said(loop, "scored")) == before
