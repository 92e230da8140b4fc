"""Signatures: the vendors' published values, and 20,000 ways to be wrong."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ingest.sources import VENDORS
from ingest.sources.hubspot import HubspotSource, decoded
from ingest.sources.segment import SegmentSource
from ingest.sources.signatures import Refusal, Request
from ingest.sources.stripe import StripeSource
from ingest.sources.zendesk import ZendeskSource

VECTORS = Path(__file__).parents[4] / "shared" / "payloads" / "SIGNATURE_VECTORS.json"
CONFIGS = {
    "stripe": StripeSource(name="stripe", vendor="stripe"),
    "zendesk": ZendeskSource(name="zendesk", vendor="zendesk"),
    "segment": SegmentSource(name="segment", vendor="segment"),
    **{f"hubspot_{v}": HubspotSource(name="hubspot", vendor="hubspot", signature=v) for v in ("v1", "v2", "v3")},
}


def vectors() -> list[dict[str, Any]]:
    if not VECTORS.exists():
        return []
    found: list[dict[str, Any]] = json.loads(VECTORS.read_text())["vectors"]
    return [v for v in found if v["vendor"].split("_")[0] in {"hubspot", "stripe", "zendesk", "segment"}]


def case(vector: dict[str, Any]) -> tuple[str, Request, datetime]:
    """The post that a vector describes, and the moment at which it was fresh."""
    vendor, expected = vector["vendor"], vector["expected"]
    moment, headers = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC), {}
    if vendor == "hubspot_v3":
        headers = {"x-hubspot-request-timestamp": "1700000000000", "x-hubspot-signature-v3": expected}
    elif vendor == "hubspot":
        headers = {"x-hubspot-signature": expected}
    elif vendor == "stripe":
        headers = {"stripe-signature": expected}
    elif vendor == "zendesk":
        stamp = "2023-11-14T22:13:20Z"
        headers = {"x-zendesk-webhook-signature-timestamp": stamp, "x-zendesk-webhook-signature": expected}
    elif vendor == "segment":
        headers = {"x-signature": expected}
    name = f"hubspot_{vector.get('version', 'v3')}" if vendor.startswith("hubspot") else vendor
    url = vector.get("uri", "https://example.com/hook?x=1:2/3")
    return name, Request(vector.get("method", "POST"), (url,), headers, vector["body"].encode()), moment


@pytest.mark.skipif(not VECTORS.exists(), reason="the shared payloads are not beside this checkout")
@pytest.mark.parametrize(
    "vector", vectors(), ids=lambda v: f"{v['vendor']}-{v.get('version', '')}-{v.get('method', '')}"
)
def test_published_and_computed_values_are_ours(vector: dict[str, Any]) -> None:
    name, request, moment = case(vector)
    verify, config = VENDORS[name.split("_")[0]].verify, CONFIGS[name]
    if vector["vendor"] == "hubspot_v3":
        pytest.skip("its URI is not given; v3 is computed in the next test")
    verify(request, vector["secret"].encode(), moment, config)
    with pytest.raises(Refusal):
        verify(request, b"another secret", moment, config)


def hubspot(body: bytes, secret: bytes, now: datetime) -> dict[str, str]:
    stamp = str(int(now.timestamp() * 1000))
    signed = b"POSThttps://x.example/hook?a=1:2" + body + stamp.encode()
    mac = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    return {"x-hubspot-request-timestamp": stamp, "x-hubspot-signature-v3": mac}


def stripe(body: bytes, secret: bytes, now: datetime) -> dict[str, str]:
    stamp = str(int(now.timestamp()))
    mac = hmac.new(secret, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"stripe-signature": f"t={stamp},v1={mac}"}


def zendesk(body: bytes, secret: bytes, now: datetime) -> dict[str, str]:
    stamp = now.isoformat()
    mac = base64.b64encode(hmac.new(secret, stamp.encode() + body, hashlib.sha256).digest()).decode()
    return {"x-zendesk-webhook-signature": mac, "x-zendesk-webhook-signature-timestamp": stamp}


def segment(body: bytes, secret: bytes, now: datetime) -> dict[str, str]:
    return {"x-signature": hmac.new(secret, body, hashlib.sha1).hexdigest()}


SIGNERS = {"hubspot_v3": hubspot, "stripe": stripe, "zendesk": zendesk, "segment": segment}
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
BODY, SECRET = b'{"id":"evt_1","n":1}', b"whsec_0123456789"
URL = "https://x.example/hook?a=1%3A2"


def post(headers: dict[str, str], body: bytes = BODY) -> Request:
    return Request("POST", (URL,), headers, body)


@pytest.mark.parametrize("name", SIGNERS)
def test_a_good_signature_is_taken_and_a_stale_one_is_not(name: str) -> None:
    verify = VENDORS[name.split("_")[0]].verify
    headers = SIGNERS[name](BODY, SECRET, NOW)
    verify(post(headers), SECRET, NOW, CONFIGS[name])
    if name != "segment":  # Segment sends no timestamp
        for off in (timedelta(minutes=6), -timedelta(minutes=6)):
            with pytest.raises(Refusal):
                verify(post(headers), SECRET, NOW + off, CONFIGS[name])


@pytest.mark.parametrize("name", SIGNERS)
def test_no_mutation_is_accepted(name: str) -> None:
    dice = random.Random(f"seed {name}")
    verify, config = VENDORS[name.split("_")[0]].verify, CONFIGS[name]
    good = SIGNERS[name](BODY, SECRET, NOW)
    accepted = 0
    for _ in range(5000):
        headers, body, secret = dict(good), BODY, SECRET
        part = dice.choice([*headers, "body", "secret"])
        if part == "body":
            body = mutated(dice, body.decode()).encode("utf-8", "replace")
        elif part == "secret":
            secret = mutated(dice, secret.decode()).encode("utf-8", "replace")
        else:
            headers[part] = mutated(dice, headers[part])
        same = headers == good and (body, secret) == (BODY, SECRET)
        try:
            verify(post(headers, body), secret, NOW, config)
            accepted += not same and meaning(headers) != meaning(good)
        except Refusal:
            pass
    assert accepted == 0


def meaning(headers: dict[str, str]) -> Any:
    """Stripe's header may hold parts that do not count; spaces around a value do not count anywhere."""
    if "stripe-signature" in headers:
        parts = [part.strip() for part in headers["stripe-signature"].split(",")]
        return {part for part in parts if part.startswith(("t=", "v1="))}
    return {name: value.strip() for name, value in headers.items()}


def mutated(dice: random.Random, text: str) -> str:
    at = dice.randrange(len(text)) if text else 0
    match dice.randrange(6):
        case 0:
            return text[:at] + text[at + 1 :]
        case 1:
            return text[:at] + dice.choice("0aZ=,.é \x00٣") + text[at + 1 :]
        case 2:
            return text[:at] + dice.choice("0aZ=") + text[at:]
        case 3:
            return text[::-1]
        case 4:
            return ""
        case _:
            return text.swapcase()


def test_a_batch_of_which_only_the_first_event_is_signed_needs_the_secret_header() -> None:
    first = b'{"messageId":"1","type":"track"}'
    body = b'{"batch":[' + first + b',{"messageId":"2","type":"track"}]}'
    headers = segment(first, SECRET, NOW)
    verify, config = VENDORS["segment"].verify, CONFIGS["segment"]
    with pytest.raises(Refusal, match="first event"):
        verify(post(headers, body), SECRET, NOW, config)
    verify(post({**headers, "x-csl-secret": SECRET.decode()}, body), SECRET, NOW, config)
    verify(post(segment(body, SECRET, NOW), body), SECRET, NOW, config)


def test_any_one_of_stripes_signatures_may_match() -> None:
    headers = stripe(BODY, SECRET, NOW)
    rotated = {"stripe-signature": headers["stripe-signature"] + f",v1={'0' * 64},v0=x"}
    VENDORS["stripe"].verify(post(rotated), SECRET, NOW, CONFIGS["stripe"])


def test_hubspot_signs_the_url_with_some_characters_decoded() -> None:
    assert decoded("https://x.example/a%2Fb%3Fc%20d%e9?e=%3a") == "https://x.example/a/b?c%20d%e9?e=:"
