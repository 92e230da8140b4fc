"""Segment's tracking API: what its libraries send straight to us, with the write key, whatever their clocks say."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import datetime, timedelta
from typing import Any, get_args
from uuid import uuid4

import httpx
import pytest
from ingest.sources import tracking
from loopctl.paths import REPOSITORY

from tests.integration.ingest.conftest import SECRET, Ingest, start, stop

BASE = "/v1/tracking/segment/v1"


def credentials(key: str = SECRET, password: str = "") -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{key}:{password}".encode()).decode()}


def at(ingest: Ingest, **ahead: float) -> str:
    return (ingest.clock.now() + timedelta(**ahead)).isoformat()


def exported(key: str = "m1", **more: Any) -> dict[str, Any]:
    return {"userId": "u1", "event": "Report Exported", "context": {"groupId": "g1"}, "messageId": key, **more}


async def call(ingest: Ingest, name: str, body: Any, headers: dict[str, str] | None = None) -> httpx.Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    shown = credentials() if headers is None else headers
    return await ingest.http.post(f"{BASE}/{name}", content=raw, headers={"content-type": "application/json", **shown})


@pytest.fixture
async def northwind(ingest: Ingest) -> Ingest:
    """A client whose group is g1."""
    await ingest.register("segment:group:g1", name="Northwind")
    return ingest


async def used(ingest: Ingest) -> list[tuple[str, datetime]]:
    return [(e.data.feature, e.time) for e in await ingest.published() if e.type == "csl.client.usage_recorded.v1"]


async def test_each_call_says_what_segments_webhook_would_have_said(northwind: Ingest) -> None:
    person = {"email": "ada@northwind.example", "name": "Ada"}
    calls = {
        "identify": {"userId": "u1", "traits": person, "context": {"groupId": "g1"}, "messageId": "i"},
        "track": exported(),
        "group": {"userId": "u2", "groupId": "g1", "messageId": "g"},
        "page": {"userId": "u1", "name": "Home", "messageId": "p"},
        "screen": {"userId": "u1", "name": "Home", "messageId": "s"},
        "alias": {"userId": "u1", "previousId": "a", "messageId": "a"},
    }
    for name, body in calls.items():
        answer = await call(northwind, name, body)
        assert (answer.status_code, answer.json()) == (200, {"success": True}), name
    assert [name for name, _ in await northwind.said()] == ["client_registered", "contact_added", "usage_recorded"]
    await call(northwind, "track", {"userId": "u2", "event": "Report Exported", "messageId": "m2"})
    assert len(await used(northwind)) == 2, "u2 is of the group by now"


async def test_a_batch_shares_its_context_and_counts_each_message_once(northwind: Ingest) -> None:
    events = [{"type": "track", "userId": "u1", "event": "Report Exported", "messageId": f"m{n}"} for n in (1, 2, 1)]
    body = {"batch": events, "context": {"groupId": "g1"}, "sentAt": at(northwind)}
    for _ in range(3):
        assert (await call(northwind, "batch", body)).status_code == 200
    assert len(await used(northwind)) == 2


async def test_the_route_decides_what_a_single_call_is(northwind: Ingest) -> None:
    await call(northwind, "page", {**exported(), "type": "track"})
    assert await used(northwind) == []


@pytest.mark.parametrize("wrong", [timedelta(hours=-7), timedelta(days=400), timedelta(0)])
async def test_a_wrong_clock_is_taken_out(northwind: Ingest, wrong: timedelta) -> None:
    """It happened ten minutes before it was sent, and it was sent now, whatever date the device believes in."""
    there = northwind.clock.now() + wrong
    happened, sent = (there - timedelta(minutes=10)).isoformat(), there.isoformat()
    single = exported("single", timestamp=happened, sentAt=sent)
    batch = {"batch": [{"type": "track", **exported("batched", timestamp=happened)}], "sentAt": sent}
    old = exported("old", originalTimestamp=happened, sentAt=sent)
    for name, body in (("track", single), ("batch", batch), ("track", old)):
        assert (await call(northwind, name, body)).status_code == 200
    assert [time for _, time in await used(northwind)] == [northwind.clock.now() - timedelta(minutes=10)] * 3


async def test_without_a_clock_to_compare_with_the_time_given_stands(northwind: Ingest) -> None:
    await call(northwind, "track", exported("a", timestamp=at(northwind, hours=-1)))
    await call(northwind, "track", exported("b", timestamp=at(northwind, hours=-1), sentAt="yesterday"))
    await call(northwind, "track", exported("c", timestamp="never", sentAt=at(northwind)))
    hour, now = northwind.clock.now() - timedelta(hours=1), northwind.clock.now()
    assert [time for _, time in await used(northwind)] == [hour, hour, now]


async def test_gzip_and_a_key_in_the_body_are_taken(northwind: Ingest) -> None:
    body = gzip.compress(json.dumps({"batch": [{"type": "track", **exported()}], "writeKey": SECRET}).encode())
    answer = await call(northwind, "batch", body, {"content-encoding": "gzip"})
    assert answer.status_code == 200, answer.text
    assert len(await used(northwind)) == 1


async def test_the_key_is_kept_nowhere(northwind: Ingest) -> None:
    from ingest.repository.saving import unpack

    big = {"type": "track", "event": "x" * tracking.EVENT_BYTES, "userId": "u1", "messageId": "b", "writeKey": SECRET}
    body = {"batch": [{"type": "track", **exported(), "writeKey": SECRET}, big], "writeKey": SECRET}
    await call(northwind, "batch", body)
    await call(northwind, "track", exported("m2", writeKey=SECRET))
    kept = [*await northwind.rows("SELECT body FROM raw_bodies"), *await northwind.rows("SELECT body FROM quarantine")]
    assert len(kept) == 3
    assert not [row for row in kept if SECRET.encode() in unpack(row.body)]


@pytest.mark.parametrize(
    "shown",
    [
        {},
        {"authorization": "Bearer x"},
        {"authorization": "Basic !!!"},
        credentials("another"),
        credentials("", SECRET),
        credentials("\x00"),
    ],
)
async def test_a_wrong_or_missing_key_is_401_and_noted(northwind: Ingest, shown: dict[str, str]) -> None:
    answer = await call(northwind, "track", exported(), shown)
    assert answer.status_code == 401
    await northwind.flush_feeds()
    source = next(s for s in (await northwind.call("GET", "/v1/sources")).json()["items"] if s["name"] == "segment")
    assert source["last_refusal"] in {"no write key was shown", "the write key is wrong"}
    assert await used(northwind) == []


async def test_both_keys_hold_while_they_are_rotated(northwind: Ingest) -> None:
    new = "a-new-write-key"
    await northwind.call("POST", "/v1/sources/segment/secrets", json={"secret": new}, scopes=["ingest:admin"])
    answers = [await call(northwind, "track", exported(key), credentials(key)) for key in (SECRET, new, "neither-key")]
    assert [answer.status_code for answer in answers] == [200, 200, 401]


def test_the_page_names_every_call_and_limit() -> None:
    page = (REPOSITORY / "docs" / "sources" / "tracking.md").read_text()
    assert [name for name in get_args(tracking.Call) if f"`{name}`" not in page] == []
    assert f"{tracking.EVENT_BYTES >> 10} KB a call, {tracking.BATCH_BYTES >> 10} KB a batch" in page


async def test_only_sources_of_segment_have_it(ingest: Ingest) -> None:
    for name in ("stripe", "nobody", str(uuid4())):
        answer = await ingest.http.post(f"/v1/tracking/{name}/v1/track", json=exported(), headers=credentials())
        assert answer.status_code == 404
    assert (await call(ingest, "nonsense", exported())).status_code == 422


async def test_segments_limits_hold_for_what_is_unpacked(northwind: Ingest) -> None:
    large = exported(properties={"x": "y" * tracking.EVENT_BYTES})
    assert (await call(northwind, "track", large)).status_code == 400
    assert (await call(northwind, "batch", {"batch": [], "x": "y" * tracking.BATCH_BYTES})).status_code == 400
    bomb = gzip.compress(b"[" + b" " * 50_000_000)
    assert (await call(northwind, "batch", bomb, {**credentials(), "content-encoding": "gzip"})).status_code == 400


async def test_an_event_too_large_is_put_aside_and_its_neighbours_count(northwind: Ingest) -> None:
    large = {"type": "track", **exported("large", properties={"x": "y" * tracking.EVENT_BYTES})}
    answer = await call(northwind, "batch", {"batch": [large, {"type": "track", **exported("small")}]})
    assert answer.status_code == 200
    assert len(await used(northwind)) == 1
    held = (await northwind.call("GET", "/v1/quarantine")).json()["items"]
    assert [(one["kind"], one["reason"]) for one in held] == [("track", "over 32768 bytes")]


BENT = [b"", b"null", b"[]", b"{", b"[" * 9999, b'{"batch": 3}', b'{"batch": [1]}', b"\xff\xfe", b'"\\ud800"']


@pytest.mark.parametrize("body", BENT)
async def test_what_no_library_sends_is_400_so_that_it_is_not_sent_again(ingest: Ingest, body: bytes) -> None:
    assert (await call(ingest, "batch", body)).status_code == 400


@pytest.mark.parametrize(
    "odd",
    [
        {"timestamp": 1e300, "sentAt": "9999-12-31T23:59:59Z"},
        {"timestamp": "0001-01-01T00:00:00Z", "sentAt": "9999-12-31T23:59:59Z"},
        {"timestamp": {"a": []}, "sentAt": [], "messageId": {"b": 1}},
        {"messageId": "x" * 400, "context": [1], "userId": {"c": None}},
        {"messageId": "\x00", "event": "\ud800", "properties": "none"},
    ],
)
async def test_no_event_however_bent_is_our_fault(northwind: Ingest, odd: dict[str, Any]) -> None:
    assert (await call(northwind, "track", {**exported(), **odd})).status_code == 200
    assert (await call(northwind, "batch", {"batch": [{**exported(), **odd}], "context": 7})).status_code == 200


async def test_without_a_message_id_the_same_moment_is_the_same_event(northwind: Ingest) -> None:
    timed = {k: v for k, v in exported(timestamp=at(northwind, minutes=-1)).items() if k != "messageId"}
    untimed = {k: v for k, v in timed.items() if k != "timestamp"}
    for body in (timed, timed, untimed, untimed):
        await call(northwind, "track", body)
    assert len(await used(northwind)) == 3


async def test_a_full_queue_says_come_again(service_database: Any) -> None:
    own = await start(service_database("ingest"), queue_posts=1)
    try:
        own.working[0].cancel()
        own.service.app.state.ingest.intake._queue.append(None)
        answer = await call(own, "track", exported())
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        own.service.app.state.ingest.intake._queue.clear()
    finally:
        await stop(own)


async def test_what_is_kept_is_read_the_same_way_again(northwind: Ingest) -> None:
    """Replays read raw bodies: the corrected time must be in them."""
    from ingest import interpret
    from ingest.repository.saving import unpack

    there = northwind.clock.now() + timedelta(days=3)
    event = exported(timestamp=there.isoformat(), sentAt=(there + timedelta(minutes=5)).isoformat())
    await call(northwind, "track", event)
    [row] = await northwind.rows("SELECT body FROM raw_bodies")
    runtime = northwind.service.app.state.ingest
    later = northwind.clock.advance(days=9)
    again = interpret.arrival(runtime.sources["segment"], unpack(row.body), {}, later, runtime.reader)
    assert [s.time for item in again.items for s in item.statements] == [time for _, time in await used(northwind)]
