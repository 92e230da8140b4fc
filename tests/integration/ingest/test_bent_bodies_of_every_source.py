"""No body, however bent, gets a 5xx: the same oddities for every source that is shipped, signed as its vendor signs."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from common.settings import REPOSITORY_CONFIG
from ingest.sources import load_sources
from ingest.sources.mapped.settings import MappedSource

from tests.integration.ingest.conftest import Ingest

SOURCES = {
    name: source
    for name, source in load_sources(REPOSITORY_CONFIG).items()
    if not (isinstance(source, MappedSource) and source.signature is None)
}
"""All that take posts; the others take files."""
NESTED = b"[" * 100_000 + b"]" * 100_000
ENVELOPE = (
    b'"id": "%s", "event_id": "%s", "eventId": 1, "messageId": "%s", "type": "event_callback",'
    b' "event": "invitee.created", "event_type": "form_response", "subscriptionType": "company.creation",'
    b' "webhookEvent": "jira:issue_created", "topic": "conversation.user.created", "payload": {"uri": "u"},'
    b' "form_response": {"token": "t"}'
)
"""What the vendors' envelopes have, all at once: every source finds something of its own in it."""


def bent(name: str, inner: bytes) -> bytes:
    return b"{" + ENVELOPE.replace(b"%s", name.encode()) + b", " + inner + b"}"


BODIES: dict[str, bytes] = {
    "empty": b"",
    "no json": b"<html>",
    "half": b'{"id": ',
    "latin": b'{"id": "\xe9"}',
    "bom": b"\xef\xbb\xbf" + bent("bom", b'"a": 1'),
    "bom only": b"\xef\xbb\xbf",
    "number": b"7",
    "null": b"null",
    "strings": b'["a"]',
    "empty objects": b"[{}, {}]",
    "deep": NESTED,
    "deep inside": bent("deep", b'"payload": {"a": ' + NESTED + b"}"),
    "deep object": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "surrogate": bent("lone\\ud800", b'"objectId": "\\ud800", "userId": "\\udfff"'),
    "nul": bent("nul\\u0000", b'"objectId": "a\\u0000b"'),
    "twice": bent("twice", b'"id": "first", "id": "second", "created_at": 1, "created_at": "2026-03-02T09:00:00Z"'),
    "beyond floats": bent("huge", b'"objectId": 1e400, "account_id": -1e400, "created": 1e999'),
    "no number": bent("nan", b'"objectId": NaN, "created": Infinity'),
    "beyond integers": bent("long", b'"objectId": ' + b"9" * 4400),
    "far future": bent("future", b'"created": 99999999999999, "time": "9999-12-31T23:59:59Z", "occurredAt": 9e18'),
    "far past": bent("past", b'"created": -99999999999999, "time": "0001-01-01T00:00:00+14:00"'),
    "long strings": bent("x" * 5000, b'"subject": "' + b"y" * 100_000 + b'"'),
    "xml": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "cc"><!ENTITY d "&b;&b;">]><a>&d;</a>',
}


@pytest.mark.parametrize("source", sorted(SOURCES))
async def test_no_body_however_bent_is_our_fault(ingest: Ingest, source: str) -> None:
    for name, body in BODIES.items():
        answer = await ingest.webhook(source, body)
        assert answer.status_code in {200, 202}, (name, answer.text)
        packed = await ingest.webhook(source, gzip.compress(body), {"Content-Encoding": "gzip"})
        assert packed.status_code in {200, 202}, (name, packed.text)
    broken = await ingest.webhook(source, b"\x1f\x8b" + BODIES["bom"], {"Content-Encoding": "gzip"})
    assert broken.status_code in {200, 202}, broken.text
    await ingest.flush_feeds()
    feeds: list[dict[str, Any]] = (await ingest.call("GET", "/v1/sources")).json()["items"]
    assert next(feed for feed in feeds if feed["name"] == source)["last_received_at"]


async def test_what_unpacks_beyond_the_limit_is_not_unpacked(ingest: Ingest) -> None:
    for name, source in SOURCES.items():
        bomb = gzip.compress(b" " * (source.limit_bytes + 1))
        answer = await ingest.webhook(name, bomb, {"Content-Encoding": "gzip"})
        assert answer.status_code == 413, name


async def test_a_mark_at_the_beginning_and_gzip_change_nothing(ingest: Ingest) -> None:
    for n, source in enumerate(("segment", "hubspot", "calendly", "slack")):
        body = {
            "segment": {"type": "track", "event": "Report Exported", "userId": "u"},
            "hubspot": [{"subscriptionType": "company.creation", "objectId": n, "portalId": 1, "eventId": 1}],
            "calendly": {"event": "invitee.created", "created_at": "2026-03-02T08:00:00Z",
                         "payload": {"uri": "i/1", "email": "ada@northwind.example", "event": "e/1"}},
            "slack": {"type": "event_callback", "event_id": "E", "is_ext_shared_channel": True,
                      "event": {"type": "message", "channel": "C", "user": "U", "user_team": "T", "ts": "1772441999.1",
                                "text": "hi"}, "authorizations": [{"team_id": "T0"}]},
        }[source]  # fmt: skip
        marked = b"\xef\xbb\xbf" + json.dumps(body).encode()
        first = await ingest.webhook(source, gzip.compress(marked), {"Content-Encoding": "gzip"})
        assert first.json() == {"accepted": 1, "duplicates": 0}
    assert await ingest.count("quarantine") == 0
