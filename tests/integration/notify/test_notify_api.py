"""What people ask, wish and answer over HTTP."""

from __future__ import annotations

import json
from datetime import timedelta
from urllib.parse import urlencode
from uuid import UUID, uuid4

import pytest
from common.contracts import notify as said
from common.http import encode_cursor
from loopctl.catcher.press import signature
from notify.settings import LOCAL_SIGNING_SECRET

from tests.support import notify_world as world
from tests.support.notify_stack import NotifyStack
from tests.support.notify_world import MAYA

READ, WRITE = "notify:read", "notify:write"


async def test_deliveries_are_listed_newest_first_page_by_page(notify: NotifyStack) -> None:
    for _ in range(3):
        client_id = uuid4()
        await notify.has(client_id)
        await notify.say(world.flag_raised(client_id), client_id)
    async with notify.http(READ) as http:
        first = (await http.get("/v1/deliveries", params={"limit": 4})).json()
        second = (await http.get("/v1/deliveries", params={"limit": 4, "cursor": first["next"]})).json()
        mine = (await http.get("/v1/deliveries", params={"client_id": str(client_id), "channel": "email"})).json()
    ids = [item["delivery_id"] for item in first["items"] + second["items"]]
    assert len(ids) == len(set(ids)) == 6
    assert second["next"] is None
    [item] = mine["items"]
    assert (item["client"], item["state"], item["recipient"]) == ("Northwind Labs", "queued", MAYA)


async def test_a_delivery_shows_its_words_and_its_answers(notify: NotifyStack, client_id: UUID) -> None:
    await notify.has(client_id)
    await notify.say(world.flag_raised(client_id), client_id)
    [row, _] = await notify.deliveries()
    path = f"/v1/deliveries/{row['delivery_id']}"
    async with notify.http(READ, WRITE) as http:
        answer = await http.post(f"{path}/feedback", json={"action": "useful", "note": "spot on"})
        again = await http.post(f"{path}/feedback", json={"action": "useful"})
        shown = (await http.get(path)).json()
        missing = await http.get(f"/v1/deliveries/{uuid4()}")
    assert (answer.json()["recorded"], again.json()["recorded"]) == (True, False)
    assert "WHAT TO DO NEXT" in shown["text"]
    assert [(each["action"], each["by"]) for each in shown["actions"]] == [("useful", "tester")]
    assert missing.status_code == 404
    [acted] = await notify.published(said.Acted)
    assert (acted.action, acted.by, acted.reason) == ("useful", "tester", "spot on")


async def test_the_rules_in_force_are_shown_with_their_version(notify: NotifyStack) -> None:
    async with notify.http(READ) as http:
        rules = (await http.get("/v1/rules")).json()
    assert rules["version"] >= 1
    names = [rule["name"] for rule in rules["items"]]
    assert names.index("score_below_60") < names.index("band_worse")


async def test_who_wants_no_mail_gets_none(notify: NotifyStack, client_id: UUID) -> None:
    async with notify.http(WRITE) as http:
        await http.put(f"/v1/preferences/{MAYA.upper()}", json={"channels": ["slack"], "timezone": "Europe/Berlin"})
    await notify.has(client_id)
    await notify.say(world.step_due(client_id), client_id)
    mine = await notify.deliveries(recipient=MAYA)
    assert [row["channel"] for row in mine] == ["slack"]
    assert "12:00 CET" in str(mine[0]["message"]["changed"])


async def test_quiet_people_and_muted_rules_are_left_alone(notify: NotifyStack, client_id: UUID) -> None:
    until = notify.clock.now() + timedelta(hours=8)
    async with notify.http(READ, WRITE) as http:
        await http.put(
            f"/v1/preferences/{MAYA}", json={"quiet_until": until.isoformat(), "muted": ["critical_blocker"]}
        )
        [listed] = (await http.get("/v1/preferences")).json()["items"]
    assert listed["updated_by"] == "tester"
    await notify.has(client_id)
    await notify.say(world.flag_raised(client_id), client_id)
    notify.clock.advance(hours=9)
    await notify.say(world.blocker(), client_id)
    await notify.say(world.band_changed(client_id), client_id)
    states = {row["rule"]: (row["state"], row["reason"]) for row in await notify.deliveries(channel="slack")}
    assert states["likely_churn"][0] == "suppressed"
    assert states["critical_blocker"] == ("suppressed", "recipient muted this rule")
    assert states["score_below_60"] == ("queued", None)


async def test_a_quiet_client_is_left_alone_until_then(notify: NotifyStack, client_id: UUID) -> None:
    until = notify.clock.now() + timedelta(hours=8)
    async with notify.http(READ, WRITE) as http:
        put = await http.put(
            f"/v1/clients/{client_id}/quiet", json={"quiet_until": until.isoformat(), "reason": "merger"}
        )
        [listed] = (await http.get("/v1/quiet")).json()["items"]
        past = await http.put(f"/v1/clients/{client_id}/quiet", json={"quiet_until": "2020-01-01T00:00:00Z"})
    assert put.status_code == 200
    assert listed["reason"] == "merger"
    assert past.status_code == 422
    await notify.has(client_id)
    await notify.say(world.flag_raised(client_id), client_id)
    assert {row["state"] for row in await notify.deliveries()} == {"suppressed"}
    notify.clock.advance(hours=9)
    await notify.say(world.band_changed(client_id), client_id)
    assert {row["state"] for row in await notify.deliveries(rule="score_below_60")} == {"queued"}


async def test_preferences_that_make_no_sense_are_refused(notify: NotifyStack) -> None:
    async with notify.http(WRITE) as http:
        for form, field in (
            ({"muted": ["no_such_rule"]}, "muted"),
            ({"timezone": "Mars/Olympus"}, "timezone"),
            ({"channels": []}, "channels"),
        ):
            answer = await http.put(f"/v1/preferences/{MAYA}", json=form)
            assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
        assert (await http.put("/v1/preferences/maya", json={})).status_code == 422


async def test_nobody_overwrites_what_they_have_not_seen(notify: NotifyStack) -> None:
    async with notify.http(WRITE) as http:
        first = await http.put(f"/v1/preferences/{MAYA}", json={"timezone": "Europe/Berlin"})
        tag = {"If-Match": first.headers["ETag"]}
        second = await http.put(f"/v1/preferences/{MAYA}", json={}, headers=tag)
        third = await http.put(f"/v1/preferences/{MAYA}", json={}, headers=tag)
    assert (second.status_code, third.status_code) == (200, 412)


async def test_only_a_failed_delivery_can_be_retried(notify: NotifyStack, client_id: UUID) -> None:
    await notify.has(client_id)
    await notify.say(world.flag_raised(client_id), client_id)
    [row, _] = await notify.deliveries()
    async with notify.http(WRITE) as http:
        answer = await http.post(f"/v1/deliveries/{row['delivery_id']}/retry")
    assert answer.status_code == 409


def pressed(delivery_id: object, *, action: str = "acknowledged", stamp: str = "1.5") -> bytes:
    payload = {
        "type": "block_actions",
        "user": {"id": "U024BE7LH"},
        "actions": [{"action_id": action, "value": str(delivery_id), "action_ts": stamp}],
    }
    return urlencode({"payload": json.dumps(payload)}).encode()


def signed(notify: NotifyStack, body: bytes, *, secret: str = LOCAL_SIGNING_SECRET, age: int = 0) -> dict[str, str]:
    stamp = str(int(notify.clock.wall().timestamp()) - age)
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature(secret, stamp, body.decode())}


async def test_a_pressed_button_is_kept_and_published_once(notify: NotifyStack, client_id: UUID) -> None:
    await notify.has(client_id)
    await notify.say(world.flag_raised(client_id), client_id)
    [row, _] = await notify.deliveries()
    body = pressed(row["delivery_id"])
    async with notify.http() as http:
        for _ in range(2):
            answer = await http.post("/v1/slack/interactions", content=body, headers=signed(notify, body))
            assert answer.status_code == 200
        unknown = pressed(uuid4())
        gone = await http.post("/v1/slack/interactions", content=unknown, headers=signed(notify, unknown))
        link = pressed("x", action="open_0")
        opened = await http.post("/v1/slack/interactions", content=link, headers=signed(notify, link))
    assert gone.status_code == opened.status_code == 200
    [acted] = await notify.published(said.Acted)
    assert (acted.action, acted.by, acted.delivery_id) == ("acknowledged", "slack:U024BE7LH", row["delivery_id"])


@pytest.mark.parametrize(
    ("secret", "age"), [("another-secret", 0), (LOCAL_SIGNING_SECRET, 301), (LOCAL_SIGNING_SECRET, -301)]
)
async def test_a_press_that_slack_did_not_sign_now_is_refused(notify: NotifyStack, secret: str, age: int) -> None:
    body = pressed(uuid4())
    async with notify.http() as http:
        wrong = await http.post(
            "/v1/slack/interactions", content=body, headers=signed(notify, body, secret=secret, age=age)
        )
        none = await http.post("/v1/slack/interactions", content=body)
    assert wrong.status_code == none.status_code == 401


async def test_reading_needs_its_scope(notify: NotifyStack) -> None:
    async with notify.http(WRITE) as http:
        assert (await http.get("/v1/deliveries")).status_code == 403
    async with notify.http() as http:
        assert (await http.get("/v1/rules")).status_code == 401


def cursor(**position: object) -> str:
    return encode_cursor(position)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/deliveries?cursor=nonsense",
        f"/v1/deliveries?cursor={cursor(before='x')}",
        f"/v1/deliveries?cursor={cursor(before=-1)}",
        f"/v1/crm?cursor={cursor(after='x')}",
        "/v1/deliveries?recipient=%00",
        "/v1/deliveries?rule=%00",
        "/v1/deliveries?since=0001-01-01T00:00:00%2B14:00",
        "/v1/deliveries?until=9999-12-31T23:59:59-14:00",
        "/v1/deliveries?since=2026-01-01T00:00:00",
        "/v1/deliveries?limit=0",
        "/v1/deliveries?state=lost",
    ],
)
async def test_what_cannot_be_understood_is_422_and_never_500(notify: NotifyStack, path: str) -> None:
    async with notify.http(READ) as http:
        answer = await http.get(path)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"payload=", b"payload=[1]", b"payload=%7B%22type%22%3A1%7D"])
async def test_a_signed_press_of_whatever_kind_is_acknowledged(notify: NotifyStack, body: bytes) -> None:
    stamp = str(int(notify.clock.wall().timestamp()))
    headers = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature(LOCAL_SIGNING_SECRET, stamp, "")}
    if body != b"\xff\xfe":
        headers["X-Slack-Signature"] = signature(LOCAL_SIGNING_SECRET, stamp, body.decode())
    async with notify.http() as http:
        answer = await http.post("/v1/slack/interactions", content=body, headers=headers)
    assert answer.status_code == (401 if body == b"\xff\xfe" else 200)
