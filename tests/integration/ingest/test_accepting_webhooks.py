"""POST /v1/webhooks/{source}: accepted once it is durable, once however often it comes, and never a 5xx."""

from __future__ import annotations

import asyncio
import gzip
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from common.contracts.client import Tier
from ingest import accept

from tests.integration.ingest.conftest import Ingest, hubspot_signature

CREATED: dict[str, Any] = {
    "eventId": 1, "subscriptionId": 5, "portalId": 9, "appId": 3, "occurredAt": 1772442000000,
    "subscriptionType": "company.creation", "attemptNumber": 0, "objectId": 9007199254740993,
    "changeFlag": "CREATED", "changeSource": "CRM_UI",
}  # fmt: skip


def changed(name: str, value: str, event: int, company: int = 9007199254740993) -> dict[str, Any]:
    return {
        **CREATED, "eventId": event, "subscriptionType": "company.propertyChange", "propertyName": name,
        "propertyValue": value, "objectId": company, "occurredAt": CREATED["occurredAt"] + event,
    }  # fmt: skip


async def test_a_creation_with_nothing_but_an_id_makes_a_client_that_later_changes_describe(ingest: Ingest) -> None:
    answer = await ingest.webhook("hubspot", [CREATED])
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "duplicates": 0})
    await ingest.webhook(
        "hubspot", [changed("name", "Northwind", 2), changed("domain", "https://www.Northwind.example", 3)]
    )
    found = (await ingest.call("GET", "/v1/clients/by-ref/hubspot/company/9007199254740993")).json()
    assert found["profile"] == {"name": "Northwind", "domain": "northwind.example"}
    assert [name for name, _ in await ingest.said()] == ["client_registered", "client_updated", "client_updated"]


async def test_what_comes_before_its_client_waits_and_is_said_when_it_appears(ingest: Ingest) -> None:
    await ingest.webhook("hubspot", [changed("name", "Early", 2)])
    assert await ingest.said() == []
    assert (await ingest.call("GET", "/v1/unmatched")).json()["items"][0]["waiting"] == 1
    ingest.clock.advance(minutes=5)
    await ingest.webhook("hubspot", [CREATED])
    assert [name for name, _ in await ingest.said()] == ["client_registered", "client_updated"]
    released = (await ingest.published())[1]
    assert released.knowntime == ingest.clock.now()
    assert released.time < released.knowntime
    assert (await ingest.call("GET", "/v1/unmatched")).json()["items"] == []


async def test_repeats_count_once_within_a_body_and_across_posts(ingest: Ingest) -> None:
    first = await ingest.webhook("hubspot", [CREATED, CREATED])
    again = await ingest.webhook("hubspot", [{**CREATED, "attemptNumber": 2}])
    assert first.json() == {"accepted": 1, "duplicates": 1}
    assert again.json() == {"accepted": 0, "duplicates": 1}
    assert len(await ingest.said()) == 1


async def test_twins_in_flight_give_one_event(ingest: Ingest) -> None:
    answers = await asyncio.gather(*(ingest.webhook("hubspot", [CREATED]) for _ in range(30)))
    assert sum(a.json()["accepted"] for a in answers) == 1
    assert len(await ingest.said()) == 1


@pytest.mark.parametrize("spoil", ["X-HubSpot-Signature-v3", "X-HubSpot-Request-Timestamp", "body", "stale"])
async def test_a_wrong_missing_or_stale_signature_is_refused_without_a_reason(ingest: Ingest, spoil: str) -> None:
    raw = json.dumps([CREATED]).encode()
    headers = hubspot_signature(raw, "http://ingest.test/v1/webhooks/hubspot", ingest.clock.wall())
    if spoil == "body":
        raw += b" "
    elif spoil == "stale":
        ingest.clock.advance(minutes=6)
    else:
        del headers[spoil]
    answer = await ingest.http.post("/v1/webhooks/hubspot", content=raw, headers=headers)
    assert answer.status_code == 401
    assert answer.json()["detail"] == "the signature is wrong, missing or stale"
    await ingest.flush_feeds()
    sources = (await ingest.call("GET", "/v1/sources")).json()["items"]
    assert next(s for s in sources if s["name"] == "hubspot")["last_refusal"]
    assert await ingest.said() == []


async def test_an_unknown_source_is_404_and_a_large_body_413(ingest: Ingest) -> None:
    assert (await ingest.http.post("/v1/webhooks/nobody", content=b"{}")).status_code == 404
    assert (await ingest.webhook("hubspot", b"[" + b" " * (1 << 20) + b"]")).status_code == 413
    bomb = gzip.compress(b" " * (4 << 20))
    assert (await ingest.webhook("hubspot", bomb, {"Content-Encoding": "gzip"})).status_code == 413


async def test_a_compressed_body_is_read(ingest: Ingest) -> None:
    packed = gzip.compress(json.dumps([CREATED]).encode())
    answer = await ingest.webhook("hubspot", packed, {"Content-Encoding": "gzip"})
    assert answer.json() == {"accepted": 1, "duplicates": 0}
    assert [name for name, _ in await ingest.said()] == ["client_registered"]


@pytest.mark.parametrize(
    ("encoding", "body", "reason"),
    [
        ("br", b"\x0b\x02\x80", "content encoding 'br' is not supported"),
        ("gzip", gzip.compress(b"[]", mtime=0)[:-9], "not gzip: Compressed file ended before"),
    ],
)
async def test_what_cannot_be_unpacked_is_said_to_be_that(
    ingest: Ingest, encoding: str, body: bytes, reason: str
) -> None:
    assert (await ingest.webhook("hubspot", body, {"Content-Encoding": encoding})).status_code == 202
    [held] = (await ingest.call("GET", "/v1/quarantine")).json()["items"]
    assert held["reason"].startswith(reason)


async def test_what_has_come_into_quarantine_since_a_moment_can_be_asked_for(ingest: Ingest) -> None:
    await ingest.webhook("hubspot", b"before")
    ingest.clock.advance(timedelta(minutes=1))
    await ingest.webhook("hubspot", b"after")
    since = {"source": "hubspot", "since": ingest.clock.now().isoformat()}
    held = (await ingest.call("GET", "/v1/quarantine", params=since)).json()["items"]
    assert [item["received_at"] for item in held] == [ingest.clock.now().isoformat().replace("+00:00", "Z")]
    assert (await ingest.call("GET", "/v1/quarantine", params={"since": "yesterday"})).status_code == 422


BENT = {
    "no json": b"<html>", "empty": b"", "bom": b"\xef\xbb\xbf[]", "deep": b"[" * 100_000 + b"]" * 100_000,
    "number": b"7", "null": b"null", "strings": b'["a"]', "latin": b'{"a": "\xe9"}',
    "surrogate": b'[{"subscriptionType": "company.creation", "objectId": "\\ud800", "eventId": 4, "portalId": 1}]',
    "nul": b'[{"subscriptionType": "contact.propertyChange", "propertyName": "email", "propertyValue": "a\\u0000b",'
           b' "objectId": 5, "eventId": 5, "portalId": 1}]',
    "huge number": b'[{"subscriptionType": "company.creation", "objectId": 1e400, "eventId": 6, "portalId": 1}]',
    "huge integer": b'[{"subscriptionType": "company.creation", "objectId": ' + b"9" * 3000 + b', "eventId": 7}]',
    "future": b'[{"subscriptionType": "company.creation", "objectId": 8, "eventId": 8, "portalId": 1,'
              b' "occurredAt": 99999999999999}]',
    "twice": b'[{"objectId": 1, "objectId": 2, "subscriptionType": "company.creation", "eventId": 9}]',
}  # fmt: skip


@pytest.mark.parametrize("name", BENT)
async def test_no_body_however_bent_is_our_fault(ingest: Ingest, name: str) -> None:
    answer = await ingest.webhook("hubspot", BENT[name])
    assert answer.status_code == 202, answer.text


async def test_an_impossible_time_is_clamped_to_the_receipt_and_marked(ingest: Ingest) -> None:
    await ingest.webhook("hubspot", BENT["future"])
    event = (await ingest.published())[0]
    assert event.time == ingest.clock.now()
    assert str((event.model_extra or {})["claimedtime"]).startswith("5138-11-16")


async def test_an_unreadable_body_is_kept_and_read_once_it_can_be(ingest: Ingest) -> None:
    await ingest.webhook("hubspot", [changed("tier", "Platinum", 2), CREATED])
    held = (await ingest.call("GET", "/v1/quarantine")).json()["items"]
    assert [(q["form"], q["kind"]) for q in held] == [("event", "company.propertyChange")]
    assert "Platinum" in held[0]["reason"]
    path = f"/v1/quarantine/{held[0]['id']}/replay"
    assert (await ingest.call("POST", path)).status_code == 422
    sources = dict(ingest.service.app.state.ingest.sources)
    sources["hubspot"] = sources["hubspot"].model_copy(update={"tiers": {"Platinum": Tier.STRATEGIC}})
    ingest.service.app.state.ingest = replace(ingest.service.app.state.ingest, sources=sources)
    assert (await ingest.call("POST", path)).json()["outcome"] == "mapped"
    assert (await ingest.said())[-1] == ("client_updated", {"tier": "strategic"})
    assert (await ingest.call("POST", path)).status_code == 409
    shown = (await ingest.call("GET", f"/v1/quarantine/{held[0]['id']}")).json()
    assert shown["outcome"] == "mapped"
    assert "Platinum" in shown["body"]


async def test_our_own_write_back_is_recognised(ingest: Ingest) -> None:
    await ingest.webhook("hubspot", [CREATED, changed("csl_health", "red", 2)])
    assert [name for name, _ in await ingest.said()] == ["client_registered"]


async def test_raw_bodies_are_kept_with_the_clients_they_name(ingest: Ingest) -> None:
    await ingest.webhook("hubspot", [CREATED])
    client = (await ingest.published())[0].client_id
    rows = await ingest.rows("SELECT client_ids, source FROM raw_bodies")
    assert [(row.source, row.client_ids) for row in rows] == [("hubspot", [client])]


async def test_a_full_queue_says_come_again(ingest: Ingest) -> None:
    for task in ingest.working:
        task.cancel()
    await asyncio.wait(ingest.working)
    ingest.service.app.state.ingest.intake._posts = 1
    first = asyncio.create_task(ingest.webhook("hubspot", [CREATED]))
    await asyncio.sleep(0.1)
    answer = await ingest.webhook("hubspot", [changed("name", "X", 4)])
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    ingest.working[:] = [asyncio.create_task(ingest.service.app.state.ingest.intake.run())]
    assert (await first).status_code == 202


async def test_a_post_that_cannot_be_stored_in_time_is_told_to_come_again(ingest: Ingest) -> None:
    for task in ingest.working:
        task.cancel()
    await asyncio.wait(ingest.working)
    intake = ingest.service.app.state.ingest.intake
    intake._within = 0.05
    answer = await ingest.webhook("hubspot", [CREATED])
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    ingest.working[:] = [asyncio.create_task(intake.run())]
    intake._within = 30.0
    again = await ingest.webhook("hubspot", [CREATED])
    assert again.json() == {"accepted": 1, "duplicates": 0}


async def test_a_poison_post_fails_alone(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    real = accept.store

    async def brittle(session: Any, arrivals: Any, *rest: Any, **options: Any) -> Any:
        if any(item.body.get("propertyValue") == "poison" for a in arrivals for item in a.items):
            raise ValueError("poison")
        return await real(session, arrivals, *rest, **options)

    monkeypatch.setattr(accept, "store", brittle)
    posts = [[CREATED], [changed("name", "poison", 2)], [changed("industry", "tea", 3)]]
    answers = await asyncio.gather(*(ingest.webhook("hubspot", post) for post in posts))
    assert [a.status_code for a in answers] == [202, 202, 202]
    assert {name for name, _ in await ingest.said()} == {"client_registered", "client_updated"}
    assert "ValueError" in (await ingest.call("GET", "/v1/quarantine")).json()["items"][0]["reason"]


async def test_counts_add_up(ingest: Ingest) -> None:
    await ingest.webhook("hubspot", [CREATED, CREATED, changed("name", "A", 2), changed("name", "B", 3, company=4)])
    await ingest.webhook(
        "hubspot", [changed("tier", "Nope", 5), {"subscriptionType": "line_item.creation", "eventId": 8}]
    )
    await ingest.webhook("hubspot", b"nonsense")
    await ingest.flush_feeds()
    found = (await ingest.call("GET", "/v1/sources")).json()["items"]
    counts = next(s for s in found if s["name"] == "hubspot")["counts"]
    assert counts == {
        "posts": 3,
        "mapped": 2,
        "parked": 1,
        "duplicate": 1,
        "quarantined": 2,
        "ignored": 1,
        "unknown": 1,
    }
