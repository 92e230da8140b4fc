"""`loop send` signs as the vendors do."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from ingest.sources import VENDORS, load_sources
from ingest.sources.signatures import Refusal, Request
from loopctl import sending, signing
from loopctl.errors import WrongUsage
from loopctl.paths import REPOSITORY

MOMENT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
URL = "https://loop.example/v1/webhooks/hubspot"
BODY = b'[{"eventId":1,"objectId":123}]'


SOURCES = load_sources(REPOSITORY / "deploy" / "config")
POSTED = [name for name, config in SOURCES.items() if getattr(config, "csv", None) is None]


@pytest.mark.parametrize("source", POSTED)
def test_ingest_takes_what_loop_signs_and_nothing_else(source: str):
    config = SOURCES[source]
    vendor = VENDORS[config.vendor]
    headers = sending.signer_of(source)("secret", URL, BODY, MOMENT)
    post = Request("POST", (URL,), {name.lower(): value for name, value in headers.items()}, BODY)
    vendor.verify(post, b"secret", MOMENT, config)
    with pytest.raises(Refusal):
        vendor.verify(post, b"another", MOMENT, config)
    if "authorization" not in post.headers:  # Basic credentials cover no body
        with pytest.raises(Refusal):
            vendor.verify(replace(post, body=BODY + b" "), b"secret", MOMENT, config)


def test_a_source_of_files_takes_no_posts():
    with pytest.raises(WrongUsage, match="loop import --source clients-csv"):
        sending.signer_of("clients-csv")
    with pytest.raises(Refusal):
        VENDORS["mapped"].verify(Request("POST", (URL,), {}, BODY), b"", MOMENT, SOURCES["clients-csv"])


def test_known_vectors():
    body = b'{"id":"evt_1","n":1}'
    at = datetime.fromtimestamp(1_700_000_000, UTC)
    assert signing.stripe("test_secret", URL, body, at) == {
        "Stripe-Signature": "t=1700000000,v1=3e24eeda327b545b8d7a6b17589103369794af92983859e8012245b64b371b1a"
    }
    assert signing.zendesk("test_secret", URL, body, at) == {
        "X-Zendesk-Webhook-Signature": "Eq6c+aZGSR/wKBkl39DDfbVaApOpDHmLWpi1bTsG7Lo=",
        "X-Zendesk-Webhook-Signature-Timestamp": "2023-11-14T22:13:20Z",
    }
    assert signing.segment("test_secret", URL, body, at) == {"X-Signature": "e65ef3ee396d7090121a24399e4de9b433595412"}


@pytest.mark.parametrize(
    ("raw", "body", "headers"),
    [
        (BODY, BODY, {}),
        (b"not json", b"not json", {}),
        (json.dumps({"_headers": {"X-HubSpot-Signature": "old"}, "_body": [1]}).encode(), b"[1]", {}),
        (json.dumps({"_body": '{"a": 1}'}).encode(), b'{"a": 1}', {}),
        (
            json.dumps({"_headers": {"Content-Type": "application/json"}, "_body": {"a": "é"}}).encode(),
            '{"a":"é"}'.encode(),
            {"Content-Type": "application/json"},
        ),
    ],
)
def test_a_wrapped_file_is_unwrapped_without_the_vendors_old_signature(
    raw: bytes, body: bytes, headers: dict[str, str]
):
    assert sending.unwrap(raw) == (body, headers)
