"""Signatures: the vendors' published values, and 20,000 ways to be wrong."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from common.settings import REPOSITORY_CONFIG
from ingest.config import Source
from ingest.sources import VENDORS, load_sources, signatures
from ingest.sources.hubspot import HubspotSource, decoded
from ingest.sources.mapped.schemes import StandardWebhooks, signed_headers
from ingest.sources.mapped.schemes import verify as verify_scheme
from ingest.sources.mapped.settings import MappedSource
from ingest.sources.signatures import Refusal, Request
from loopctl.signing import SIGNERS

VECTORS = Path(__file__).parents[4] / "shared" / "payloads" / "SIGNATURE_VECTORS.json"
SOURCES = load_sources(REPOSITORY_CONFIG)
STANDARD = StandardWebhooks(scheme="standard_webhooks")
HUBSPOTS: dict[str, Source] = {
    f"hubspot_{v}": HubspotSource(name="hubspot", vendor="hubspot", signature=v) for v in ("v1", "v2", "v3")
}
CONFIGS: dict[str, Source] = {**{name: config for name, config in SOURCES.items() if name != "hubspot"}, **HUBSPOTS}
"""Every shipped source, and each way in which HubSpot signs."""

Verify = Callable[[Request, bytes, datetime], None]


def verifier(name: str) -> Verify:
    if name == "standardwebhooks":
        return lambda request, secret, now: verify_scheme(STANDARD, request, secret, now, "x-csl-secret")
    config = CONFIGS[name]
    return lambda request, secret, now: VENDORS[config.vendor].verify(request, secret, now, config)


def vectors() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(VECTORS.read_text())["vectors"] if VECTORS.exists() else []
    return found


AT_1700000000 = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
WHERE: dict[str, Callable[[dict[str, Any]], dict[str, str]]] = {
    "hubspot": lambda v: {"x-hubspot-signature": v["expected"]},
    "hubspot_v3": lambda v: {"x-hubspot-request-timestamp": "1700000000000", "x-hubspot-signature-v3": v["expected"]},
    "jira": lambda v: {"x-hub-signature": v["expected"]},
    "standardwebhooks": lambda v: {
        "webhook-id": v["id"],
        "webhook-timestamp": str(v["timestamp"]),
        "webhook-signature": v["expected"],
    },
    "slack": lambda v: {"x-slack-request-timestamp": v["timestamp"], "x-slack-signature": v["expected"]},
    "stripe": lambda v: {"stripe-signature": v["expected"]},
    "calendly": lambda v: {"calendly-webhook-signature": v["expected"]},
    "zendesk": lambda v: {
        "x-zendesk-webhook-signature-timestamp": "2023-11-14T22:13:20Z",
        "x-zendesk-webhook-signature": v["expected"],
    },
    "typeform": lambda v: {"typeform-signature": v["expected"]},
    "intercom": lambda v: {"x-hub-signature": v["expected"]},
    "segment": lambda v: {"x-signature": v["expected"]},
    "delighted": lambda v: {"x-delighted-webhook-signature": v["expected"]},
}
"""Vendor of a vector → the headers in which its value travels."""


def case(vector: dict[str, Any]) -> tuple[str, Request, datetime]:
    """The post that a vector describes, and the moment at which it was fresh."""
    vendor = vector["vendor"]
    name = f"hubspot_{vector['version']}" if vendor == "hubspot" else vendor
    moment = (
        datetime.fromtimestamp(int(vector["timestamp"]), UTC) if vector.get("timestamp") is not None else AT_1700000000
    )
    # the v3 vector was computed over the URL of the published v2 one
    url = vector.get("uri", "https://www.example.com/webhook_uri")
    headers = WHERE[vendor](vector)
    return name, Request(vector.get("method", "POST"), (url,), headers, vector["body"].encode()), moment


@pytest.mark.skipif(not VECTORS.exists(), reason="the shared payloads are not beside this checkout")
@pytest.mark.parametrize(
    "vector", vectors(), ids=lambda v: f"{v['vendor']}-{v.get('version', '')}-{v.get('method', '')}"
)
def test_published_and_computed_values_are_ours(vector: dict[str, Any]) -> None:
    name, request, moment = case(vector)
    verify = verifier(name)
    verify(request, vector["secret"].encode(), moment)
    with pytest.raises(Refusal):
        verify(request, b"another secret", moment)


NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
BODY, SECRET = b'{"id":"evt_1","n":1}', b"whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODk="
URL = "https://x.example/hook?a=1%3A2"


def sign(name: str, body: bytes = BODY) -> dict[str, str]:
    """As the vendor signs: by what `loop send` has, by the file of a mapped source, or by HubSpot's older formulas."""
    config = CONFIGS[name]
    if name in {"hubspot_v1", "hubspot_v2"}:
        parts = (SECRET, body) if name.endswith("1") else (SECRET, b"POST", URL.encode(), body)
        return {"x-hubspot-signature": signatures.plain_sha256_hex(*parts)}
    if isinstance(config, MappedSource):
        assert config.signature is not None
        made = signed_headers(config.signature, SECRET.decode(), URL, body, NOW, config.secret_header)
    else:
        made = SIGNERS[config.vendor](SECRET.decode(), decoded(URL), body, NOW)
    return {header.lower(): value for header, value in made.items()}


def post(headers: dict[str, str], body: bytes = BODY) -> Request:
    return Request("POST", (URL,), headers, body)


def refused(
    name: str, headers: dict[str, str], body: bytes = BODY, now: datetime = NOW, secret: bytes = SECRET
) -> bool:
    try:
        verifier(name)(post(headers, body), secret, now)
    except Refusal:
        return True
    return False


SIGNING = [
    name
    for name, config in CONFIGS.items()
    if not (isinstance(config, MappedSource) and config.signature is None) and refused(name, sign(name), BODY + b" ")
]
"""Those that sign the body; the others show credentials."""
TIMELESS = {"hubspot_v1", "hubspot_v2", "intercom", "jira", "segment", "typeform", "delighted"}
"""Those that send no timestamp."""
MUTATIONS = 20_000


@pytest.mark.parametrize("name", SIGNING)
def test_a_good_signature_is_taken_and_a_stale_one_is_not(name: str) -> None:
    headers = sign(name)
    assert not refused(name, headers)
    if name not in TIMELESS:
        for off in (timedelta(minutes=6), -timedelta(minutes=6)):
            assert refused(name, headers, now=NOW + off)


def test_every_vendor_of_which_it_is_known_signs() -> None:
    known = {"stripe", "zendesk", "calendly", "typeform", "intercom", "jira", "segment", "slack", "delighted"}
    assert {*known, *HUBSPOTS} <= set(SIGNING)
    assert set(SIGNING) >= TIMELESS


@pytest.mark.parametrize("name", SIGNING)
def test_no_mutation_is_accepted(name: str) -> None:
    dice = random.Random(f"seed {name}")
    good = sign(name)
    accepted = tried = 0
    while tried < MUTATIONS // len(SIGNING) + 1:
        headers, body, secret = dict(good), BODY, SECRET
        part = dice.choice([*headers, "body", "secret"])
        if part == "body":
            body = mutated(dice, body.decode()).encode("utf-8", "replace")
        elif part == "secret":
            secret = mutated(dice, secret.decode()).encode("utf-8", "replace")
        else:
            headers[part] = mutated(dice, headers[part])
        if (meaning(headers), body, secret) == (meaning(good), BODY, SECRET):
            continue
        tried += 1
        accepted += not refused(name, headers, body, secret=secret)
    assert accepted == 0


def meaning(headers: dict[str, str]) -> Any:
    """`t=…,v1=…` may hold parts that do not count; spaces around a value do not count anywhere."""
    return {name: parts_of(value) if "t=" in value else value.strip() for name, value in headers.items()}


def parts_of(value: str) -> set[str]:
    return {part.strip() for part in value.split(",") if part.strip().startswith(("t=", "v1="))}


def mutated(dice: random.Random, text: str) -> str:
    at = dice.randrange(len(text)) if text else 0
    match dice.randrange(7):
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
        case 5 if text.isdigit():
            return str(int(text) + dice.choice([-1000, -1, 1, 1000]))
        case _:
            return text.swapcase()


def test_a_batch_of_which_only_the_first_event_is_signed_needs_the_secret_header() -> None:
    first = b'{"messageId":"1","type":"track"}'
    body = b'{"batch":[' + first + b',{"messageId":"2","type":"track"}]}'
    headers = sign("segment", first)
    with pytest.raises(Refusal, match="first event"):
        verifier("segment")(post(headers, body), SECRET, NOW)
    assert not refused("segment", {**headers, "x-csl-secret": SECRET.decode()}, body)
    assert not refused("segment", sign("segment", body), body)


@pytest.mark.parametrize(
    ("name", "header"), [("stripe", "stripe-signature"), ("calendly", "calendly-webhook-signature")]
)
def test_any_one_of_several_signatures_may_match_and_one_timestamp_must(name: str, header: str) -> None:
    held = sign(name)[header]
    assert not refused(name, {header: held + f",v1={'0' * 64},v0=x"})
    assert refused(name, {header: held + ",t=1"})
    assert refused(name, {header: held.replace("v1=", "v0=")}), "an older scheme is no way round the newer one"


@pytest.mark.parametrize(("name", "seconds"), [("calendly", 180), ("stripe", 300), ("slack", 300), ("zendesk", 300)])
def test_a_post_is_fresh_for_as_long_as_its_vendor_says(name: str, seconds: int) -> None:
    for sign_of in (1, -1):
        assert not refused(name, sign(name), now=NOW + sign_of * timedelta(seconds=seconds))
        assert refused(name, sign(name), now=NOW + sign_of * timedelta(seconds=seconds + 1))


def test_hubspot_signs_the_url_with_some_characters_decoded() -> None:
    assert decoded("https://x.example/a%2Fb%3Fc%20d%e9?e=%3a") == "https://x.example/a/b?c%20d%e9?e=:"
