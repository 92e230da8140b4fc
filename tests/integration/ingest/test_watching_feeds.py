"""GET /v1/sources: what each source said, what became of it, how far behind it is, and why posts were refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from ingest.config import Source
from ingest.repository import feeding

from tests.integration.ingest.conftest import Ingest


async def seen(ingest: Ingest, name: str) -> dict[str, Any]:
    await ingest.flush_feeds()
    found = (await ingest.call("GET", "/v1/sources")).json()["items"]
    return next(source for source in found if source["name"] == name)


def at(ingest: Ingest, **ago: float) -> str:
    return (ingest.clock.now() - timedelta(**ago)).isoformat()


def track(name: str, time: str, key: str) -> dict[str, Any]:
    return {"type": "track", "event": name, "userId": "u1", "groupId": "g1", "messageId": key, "timestamp": time}


async def test_a_source_that_never_spoke_says_so(ingest: Ingest) -> None:
    source = await seen(ingest, "zendesk")
    assert (source["state"], source["connected"], source["secrets"]) == ("waiting", True, 1)
    assert source["last_accepted_at"] is source["lag_seconds"] is source["last_event_at"] is None
    assert source["mapping_failures"] == {"count": 0, "open": 0, "last_at": None, "last": None}
    assert source["unknown_types"] == []
    assert source["enrichment"] is None


async def test_lag_is_how_far_the_newest_event_of_a_post_is_behind_its_receipt(ingest: Ingest) -> None:
    events = [track("Report Exported", at(ingest, minutes=m), f"m{m}") for m in (90, 30, 60)]
    await ingest.webhook("segment", {"batch": events}, {"x-csl-secret": "a-secret-that-only-the-test-knows"})
    source = await seen(ingest, "segment")
    assert source["lag_seconds"] == 1800
    assert datetime.fromisoformat(source["last_event_at"]) == ingest.clock.now() - timedelta(minutes=30)
    assert datetime.fromisoformat(source["last_accepted_at"]) == ingest.clock.now()
    await ingest.webhook("segment", track("Report Exported", at(ingest, minutes=-90), "ahead"))
    assert (await seen(ingest, "segment"))["lag_seconds"] == 1800, "a clock that runs ahead tells nothing"


async def test_unknown_types_are_named_and_counted_the_most_frequent_first(ingest: Ingest) -> None:
    for nth, kind in enumerate(["teleport", "wave", "teleport"]):
        await ingest.webhook("segment", {"type": kind, "userId": "u1", "messageId": f"m{nth}"})
        await ingest.flush_feeds()
    await ingest.webhook("segment", {"type": "teleport", "userId": "u1", "messageId": "m0"})
    source = await seen(ingest, "segment")
    assert [(one["type"], one["count"]) for one in source["unknown_types"]] == [("teleport", 2), ("wave", 1)]
    assert source["counts"]["ignored"] == 3
    assert source["counts"]["duplicate"] == 1


async def test_of_endless_unknown_types_the_freshest_are_kept(ingest: Ingest) -> None:
    batch = [{"type": f"t{n:03}", "userId": "u1", "messageId": f"m{n}"} for n in range(feeding.MOST_TYPES + 50)]
    await ingest.webhook("segment", {"batch": batch}, {"x-csl-secret": "a-secret-that-only-the-test-knows"})
    await ingest.flush_feeds()
    ingest.clock.advance(timedelta(minutes=1))
    await ingest.webhook("segment", {"type": "odd\x00\ud800", "userId": "u1", "messageId": "late"})
    kinds = [one["type"] for one in (await seen(ingest, "segment"))["unknown_types"]]
    assert len(kinds) == feeding.MOST_TYPES
    assert any(kind.startswith("odd") for kind in kinds)


async def test_what_we_could_not_read_is_counted_with_why_and_how_much_still_waits(ingest: Ingest) -> None:
    await ingest.webhook("segment", b"{not json")
    await ingest.webhook("segment", {"type": "track", "userId": "u1", "messageId": "m1"})
    failures = (await seen(ingest, "segment"))["mapping_failures"]
    assert (failures["count"], failures["open"]) == (2, 2)
    assert failures["last"] == "track: a track call names its event"
    assert datetime.fromisoformat(failures["last_at"]) == ingest.clock.now()


async def test_a_refusal_is_told_with_its_reason_and_never_to_the_sender(ingest: Ingest) -> None:
    answer = await ingest.http.post("/v1/webhooks/segment", content=b"{}", headers={"x-signature": "00"})
    assert answer.status_code == 401
    source = await seen(ingest, "segment")
    assert source["last_refusal"] not in answer.text
    assert source["last_refusal"] == "the signature does not match"
    assert source["counts"] == {"refused": 1}
    assert source["last_accepted_at"] is None


async def test_what_could_not_be_written_is_written_the_next_time(ingest: Ingest) -> None:
    book = ingest.service.app.state.ingest.book
    await ingest.webhook("segment", {"type": "teleport", "userId": "u1", "messageId": "m1"})
    broken, book._database = book._database, None
    await book.write()
    book._database = broken
    await ingest.webhook("segment", {"type": "teleport", "userId": "u1", "messageId": "m2"})
    assert [one["count"] for one in (await seen(ingest, "segment"))["unknown_types"]] == [2]


@pytest.mark.parametrize(
    ("written", "minutes"),
    [
        ({"vendor": "stripe"}, 7 * 24 * 60),
        ({"vendor": "mapped", "name": "chargebee"}, 7 * 24 * 60),
        ({"vendor": "zendesk"}, 24 * 60),
        ({"vendor": "stripe", "expected_every_minutes": 60}, 60),
    ],
)
def test_a_vendor_has_a_rhythm_unless_the_operator_says_another(written: dict[str, Any], minutes: int) -> None:
    assert Source.model_validate(written).expected_every_minutes == minutes
