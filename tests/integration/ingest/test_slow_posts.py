"""Senders that dawdle, and URLs with a slash too many."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from ingest.api import webhooks

from tests.integration.ingest.conftest import Ingest


async def test_a_body_that_trickles_is_cut_off_and_seen_among_the_refusals(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "BODY_WITHIN", 0.05)

    async def trickling() -> AsyncIterator[bytes]:
        yield b'{"type":'
        await asyncio.Event().wait()

    answer = await asyncio.wait_for(ingest.http.post("/v1/webhooks/segment", content=trickling()), 20)
    assert answer.status_code == 408
    await ingest.flush_feeds()
    listed = (await ingest.call("GET", "/v1/sources")).json()["items"]
    [segment] = [source for source in listed if source["name"] == "segment"]
    assert "not there after" in segment["last_refusal"]


async def test_a_slash_at_the_end_of_the_url_is_no_other_place(ingest: Ingest) -> None:
    from loopctl.signing import SIGNERS

    from tests.integration.ingest.conftest import SECRET

    body = json.dumps({"type": "track", "event": "Report Exported", "messageId": "m1", "userId": "u1"}).encode()
    signed = SIGNERS["segment"](SECRET, "", body, ingest.clock.wall())
    answer = await ingest.http.post("/v1/webhooks/segment/", content=body, headers=signed)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 1)
    assert (await ingest.http.post("/v1/webhooks/segment/more", content=body, headers=signed)).status_code == 404
