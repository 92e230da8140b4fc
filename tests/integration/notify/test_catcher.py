"""The catcher answers as the real things do, keeps what it caught, and shows it safely."""

from __future__ import annotations

import smtplib
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest
from loopctl.catcher.render import blocks_html, mrkdwn
from loopctl.catcher.store import Caught, Store

from tests.support.notify_stack import CatcherStack

TOKEN = {"Authorization": "Bearer xoxb-test"}
PROPERTY = {"name": "csl_health_score", "type": "number"}


@pytest.fixture
async def http(catcher: CatcherStack) -> Any:
    async with httpx.AsyncClient(base_url=catcher.url, headers=TOKEN, timeout=5) as client:
        yield client


async def call(http: httpx.AsyncClient, method: str, **arguments: Any) -> dict[str, Any]:
    return dict((await http.post(f"/slack/api/{method}", json=arguments)).json())


async def test_slack_without_a_token_is_not_authed(catcher: CatcherStack) -> None:
    async with httpx.AsyncClient(base_url=catcher.url) as http:
        answer = await http.post("/slack/api/chat.postMessage", json={"channel": "#a", "text": "x"})
        wrong = await http.post("/slack/api/auth.test", headers={"Authorization": "Bearer nope"})
    assert answer.json() == {"ok": False, "error": "not_authed"}
    assert wrong.json()["error"] == "invalid_auth"


@pytest.mark.parametrize(
    ("method", "arguments", "error"),
    [
        ("chat.postMessage", {"channel": "#missing-one", "text": "x"}, "channel_not_found"),
        ("chat.postMessage", {"channel": "#a"}, "no_text"),
        ("chat.postMessage", {"channel": "#a", "text": "x" * 40_001}, "msg_too_long"),
        ("users.lookupByEmail", {"email": "nobody@ours.example"}, "users_not_found"),
        ("conversations.open", {"users": "U1"}, "user_not_found"),
        ("conversations.destroy", {}, "unknown_method"),
    ],
)
async def test_slack_refuses_in_its_own_words(
    http: httpx.AsyncClient, method: str, arguments: dict[str, Any], error: str
) -> None:
    assert (await call(http, method, **arguments))["error"] == error


@pytest.mark.parametrize(
    "block",
    [
        {"type": "header", "text": {"type": "plain_text", "text": "x" * 151}},
        {"type": "header", "text": {"type": "mrkdwn", "text": "x"}},
        {"type": "section", "text": {"type": "mrkdwn", "text": ""}},
        {"type": "section", "fields": [{"type": "mrkdwn", "text": "x"}] * 11},
        {"type": "actions", "elements": []},
        {"type": "spell"},
    ],
)
async def test_slack_refuses_blocks_that_break_its_limits(http: httpx.AsyncClient, block: dict[str, Any]) -> None:
    assert (await call(http, "chat.postMessage", channel="#a", text="x", blocks=[block]))["error"] == "invalid_blocks"


async def test_slack_history_is_newest_first_with_metadata_only_on_request(http: httpx.AsyncClient) -> None:
    for nth in range(3):
        metadata = {"event_type": "t", "event_payload": {"delivery_id": str(nth)}}
        posted = await call(http, "chat.postMessage", channel="#team", text=str(nth), metadata=metadata)
    page = await call(http, "conversations.history", channel=posted["channel"], limit=2, include_all_metadata=True)
    assert [m["metadata"]["event_payload"]["delivery_id"] for m in page["messages"]] == ["2", "1"]
    cursor = page["response_metadata"]["next_cursor"]
    rest = await call(http, "conversations.history", channel=posted["channel"], limit=2, cursor=cursor)
    assert [message["text"] for message in rest["messages"]] == ["0"]
    assert "metadata" not in rest["messages"][0]
    newer = await call(http, "conversations.history", channel=posted["channel"], oldest=page["messages"][1]["ts"])
    assert [message["text"] for message in newer["messages"]] == ["2"]


async def test_hubspot_knows_its_properties_and_their_types(http: httpx.AsyncClient) -> None:
    path = "/hubspot/crm/v3/objects/companies/77"
    unknown = await http.patch(path, json={"properties": {"csl_health_score": "80"}})
    assert (unknown.status_code, unknown.json()["category"]) == (400, "VALIDATION_ERROR")
    assert "PROPERTY_DOESNT_EXIST" in unknown.text
    made = await http.post("/hubspot/crm/v3/properties/companies/batch/create", json={"inputs": [PROPERTY]})
    assert made.status_code == 201
    assert (await http.patch(path, json={"properties": {"csl_health_score": "much"}})).status_code == 400
    assert (await http.patch(path, json={"properties": {"csl_health_score": "80"}})).status_code == 200
    assert (await http.patch("/hubspot/crm/v3/objects/companies/x", json={"properties": {}})).status_code == 404
    [write] = (await http.get("/api/crm/writes")).json()["items"]
    assert write["changed"] == {"csl_health_score": [None, "80"]}


@pytest.mark.parametrize(
    ("channel", "kind", "status"),
    [
        ("crm", "rate_limited", 429),
        ("crm", "unauthorized", 401),
        ("slack", "rate_limited", 429),
        ("slack", "server_error", 500),
    ],
)
async def test_it_fails_as_often_as_it_was_asked_to(
    http: httpx.AsyncClient, channel: str, kind: str, status: int
) -> None:
    await http.post("/api/faults", json={"channel": channel, "kind": kind, "times": 2, "retry_after": 7})
    path = "/slack/api/auth.test" if channel == "slack" else "/hubspot/crm/v3/objects/companies/1"
    answers = [await http.get(path) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [status, status, 200]
    if status == 429:
        assert answers[0].headers["retry-after"] == "7"


async def test_a_mail_is_kept_as_it_came(catcher: CatcherStack) -> None:
    import asyncio

    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "a@ours.example", "Maya@ours.example", "Grüße"
    mail.set_content("text")
    mail.add_alternative("<b>html</b>", subtype="html")

    def send(to: str) -> Any:
        with smtplib.SMTP("127.0.0.1", catcher.smtp_port) as smtp:
            return smtp.send_message(mail, to_addrs=[to])

    await asyncio.to_thread(send, "Maya@ours.example")
    [kept] = catcher.caught("email")
    assert (kept.inbox, kept.subject, kept.body["text"].strip()) == ("maya@ours.example", "Grüße", "text")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        await asyncio.to_thread(send, "bounce@ours.example")


def test_what_was_caught_survives_a_restart(tmp_path: Path) -> None:
    first = Store(tmp_path)
    first.add(Caught("slack", "#team", "hello", {"text": "hello"}, delivery_id="d"))
    first.close()
    again = Store(tmp_path)
    assert [caught.subject for caught in again.find(where={"delivery_id": "d"})] == ["hello"]
    assert again.clear({"channel": "email"}) == 0
    assert again.clear({}) == 1
    again.close()


async def test_its_pages_open(http: httpx.AsyncClient, catcher: CatcherStack) -> None:
    await call(http, "chat.postMessage", channel="#team", text="*hello*")
    for path in ("/", "/?channel=slack&inbox=%23team", "/clients/x", "/cases/x", "/crm", "/messages/1"):
        page = await http.get(path)
        assert page.status_code == 200, path
        assert "Catcher" in page.text
    assert (await http.get("/messages/99")).status_code == 404


# Nothing that was caught runs in the page


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("*bold* _it_ ~no~ `x*y*`", "<b>bold</b> <i>it</i> <s>no</s> <code>x*y*</code>"),
        ("a &amp; &lt;b&gt;", "a &amp; &lt;b&gt;"),
        ("<https://a.example|here>", '<a href="https://a.example" rel="noreferrer">here</a>'),
        ("<javascript:alert(1)|here>", "&lt;javascript:alert(1)|here&gt;"),
        ("<script>x</script>", "&lt;script&gt;x&lt;/script&gt;"),
        ('<https://a.example/"onx=1|t>', "&lt;https://a.example/&#34;onx=1|t&gt;"),
        ("<!channel> one", '<span class="mention">!channel</span> one'),
        ("snake_case_name 2*3*4", "snake_case_name 2*3*4"),
    ],
)
def test_mrkdwn_is_shown_as_slack_shows_it(text: str, html: str) -> None:
    assert str(mrkdwn(text)) == html


def test_a_button_opens_no_script() -> None:
    button = {"type": "button", "text": {"type": "plain_text", "text": "<b>"}, "url": "javascript:alert(1)"}
    html = str(blocks_html({"blocks": [{"type": "actions", "elements": [button]}]}, "/press"))
    assert 'href="#"' in html
    assert "&lt;b&gt;" in html


async def test_a_property_that_is_there_takes_new_choices(http: httpx.AsyncClient) -> None:
    path = "/hubspot/crm/v3/properties/companies"
    assert (await http.patch(f"{path}/{PROPERTY['name']}", json={"options": []})).status_code == 404
    await http.post(f"{path}/batch/create", json={"inputs": [PROPERTY]})
    options = [{"label": "New", "value": "new", "displayOrder": 0}]
    changed = await http.patch(f"{path}/{PROPERTY['name']}", json={"options": options})
    assert (changed.status_code, changed.json()) == (200, {**PROPERTY, "options": options})
