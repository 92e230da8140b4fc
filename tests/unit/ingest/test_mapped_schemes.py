"""How a mapped source's posts are signed: published vectors, other people's libraries, and 6,000 ways to be wrong."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from common.settings import REPOSITORY_CONFIG
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ingest.sources import VENDORS, load_sources
from ingest.sources.mapped import MappedSource, schemes
from ingest.sources.signatures import Refusal, Request
from pydantic import ValidationError
from standardwebhooks import Webhook

VECTORS = Path(__file__).parents[4] / "shared" / "payloads" / "SIGNATURE_VECTORS.json"
SOURCES = load_sources(REPOSITORY_CONFIG)
verify = VENDORS["mapped"].verify
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
URL, BODY, SECRET = "https://x.example/hook", b'{"id":"evt_1","n":1}', b"a-shared-secret"
KINDS = {"event": [{"say": "client_handed_off", "refs": [{"company": "id"}]}]}


def source(**signature: Any) -> MappedSource:
    return MappedSource.model_validate({"vendor": "mapped", "name": "x", "signature": signature, "kinds": KINDS})


def post(headers: Mapping[str, str], body: bytes = BODY) -> Request:
    return Request("POST", (URL,), {name.lower(): value for name, value in headers.items()}, body)


def vector(vendor: str) -> dict[str, Any]:
    if not VECTORS.exists():
        pytest.skip("the shared payloads are not beside this checkout")
    return next(v for v in json.loads(VECTORS.read_text())["vectors"] if v["vendor"] == vendor)


def test_the_published_standard_webhook_is_taken() -> None:
    known = vector("standardwebhooks")
    headers = {"webhook-id": known["id"], "webhook-timestamp": str(known["timestamp"]),
               "webhook-signature": f"v1,AAAA v2,zzz {known['expected']}"}  # fmt: skip
    then, request = datetime.fromtimestamp(known["timestamp"], UTC), post(headers, known["body"].encode())
    verify(request, known["secret"].encode(), then, SOURCES["standardwebhooks"])
    for off in (timedelta(seconds=301), -timedelta(seconds=301)):
        with pytest.raises(Refusal):
            verify(request, known["secret"].encode(), then + off, SOURCES["standardwebhooks"])
    with pytest.raises(Refusal):
        verify(request, b"whsec_AAAA", then, SOURCES["standardwebhooks"])


def test_delighteds_vector_is_taken() -> None:
    known = vector("delighted")
    request = post({"X-Delighted-Webhook-Signature": known["expected"]}, known["body"].encode())
    verify(request, known["secret"].encode(), NOW, SOURCES["delighted"])
    with pytest.raises(Refusal):
        verify(replace(request, body=request.body + b" "), known["secret"].encode(), NOW, SOURCES["delighted"])


def test_what_the_standard_webhooks_library_signs_is_taken_and_what_we_sign_it_takes() -> None:
    secret = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
    library, at = Webhook(secret), datetime.now(UTC)
    signed = {"webhook-id": "msg_1", "webhook-timestamp": str(int(at.timestamp())),
              "webhook-signature": library.sign("msg_1", at, BODY.decode())}  # fmt: skip
    config = SOURCES["standardwebhooks"]
    verify(post(signed), secret.encode(), at, config)
    assert isinstance(config, MappedSource)
    assert config.signature is not None
    ours = schemes.signed_headers(config.signature, secret, URL, BODY, at, "")
    assert library.verify(BODY, dict(ours)) == json.loads(BODY)


def test_a_standard_webhook_may_be_signed_with_a_private_key() -> None:
    private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"a seed").digest())
    secret = b"whpk_" + base64.b64encode(private.public_key().public_bytes_raw())
    stamp = str(int(NOW.timestamp()))
    value = base64.b64encode(private.sign(schemes.standard_content("msg_1", stamp, BODY))).decode()
    headers = {"webhook-id": "msg_1", "webhook-timestamp": stamp, "webhook-signature": f"v1a,{value}"}
    verify(post(headers), secret, NOW, SOURCES["standardwebhooks"])
    with pytest.raises(Refusal):
        verify(post(headers, BODY + b" "), secret, NOW, SOURCES["standardwebhooks"])
    with pytest.raises(Refusal):
        verify(post(headers), b"whpk_AAAA", NOW, SOURCES["standardwebhooks"])


SCHEMES: dict[str, dict[str, Any]] = {
    "github": {"scheme": "hmac", "header": "X-Hub-Signature-256", "prefix": "sha256="},
    "shopify": {"scheme": "hmac", "header": "X-Shopify-Hmac-Sha256", "encoding": "base64"},
    "old": {"scheme": "hmac", "header": "X-Sig", "algorithm": "sha1"},
    "long": {"scheme": "hmac", "header": "X-Sig", "algorithm": "sha512", "encoding": "base64"},
    "stamped": {"scheme": "hmac", "header": "X-Sig", "signed": "{timestamp}.{body}", "timestamp": {"header": "X-Time"}},
    "millis": {"scheme": "hmac", "header": "X-Sig", "signed": "v0:{timestamp}:{body}",
               "timestamp": {"header": "X-Time", "format": "milliseconds"}, "prefix": "v0="},
    "iso": {"scheme": "hmac", "header": "X-Sig", "signed": "{timestamp}{body}",
            "timestamp": {"header": "X-Time", "format": "iso"}},
    "list": {"scheme": "hmac", "header": "X-Sig", "signed": "{timestamp}.{body}", "parts": {}},
    "paddle": {"scheme": "hmac", "header": "Paddle-Signature", "signed": "{timestamp}:{body}",
               "parts": {"separator": ";", "timestamp": "ts", "signature": "h1"}},
    "url": {"scheme": "hmac", "header": "X-Sig", "signed": "{method}{url}{body}"},
    "standard": {"scheme": "standard_webhooks"},
    "svix": {"scheme": "standard_webhooks", "headers": "svix"},
    "bearer": {"scheme": "shared", "header": "Authorization", "prefix": "Bearer "},
    "shared": {"scheme": "shared"},
    "named": {"scheme": "shared", "header": "X-Token"},
}  # fmt: skip
SIGNED = sorted(SCHEMES.keys() - {"bearer", "shared", "named"})


def headers_of(name: str, secret: bytes = SECRET, body: bytes = BODY) -> dict[str, str]:
    signature = source(**SCHEMES[name]).signature
    assert signature is not None
    return dict(schemes.signed_headers(signature, secret.decode(), URL, body, NOW, "x-csl-secret"))


@pytest.mark.parametrize("name", SCHEMES)
def test_what_is_signed_with_the_secret_is_taken_and_nothing_else(name: str) -> None:
    config, good = source(**SCHEMES[name]), headers_of(name)
    verify(post(good), SECRET, NOW, config)
    for secret in (b"another", b""):
        with pytest.raises(Refusal):
            verify(post(good), secret, NOW, config)
    with pytest.raises(Refusal):
        verify(post({}), SECRET, NOW, config)


@pytest.mark.parametrize("name", SIGNED)
def test_a_changed_body_is_refused_and_a_stale_stamp_too(name: str) -> None:
    config, good = source(**SCHEMES[name]), headers_of(name)
    with pytest.raises(Refusal):
        verify(post(good, BODY + b" "), SECRET, NOW, config)
    if name in {"stamped", "millis", "iso", "list", "paddle", "standard", "svix"}:
        for off in (timedelta(seconds=301), -timedelta(seconds=301)):
            with pytest.raises(Refusal):
                verify(post(good), SECRET, NOW + off, config)


def test_the_formulas_are_the_vendors_own() -> None:
    stamp = str(int(NOW.timestamp()))
    paddle = hmac.new(SECRET, stamp.encode() + b":" + BODY, "sha256").hexdigest()
    assert headers_of("paddle") == {"Paddle-Signature": f"ts={stamp};h1={paddle}"}
    shopify = base64.b64encode(hmac.new(SECRET, BODY, "sha256").digest()).decode()
    assert headers_of("shopify") == {"X-Shopify-Hmac-Sha256": shopify}


def test_two_signatures_in_one_header_while_a_secret_is_rotated() -> None:
    config, good = source(**SCHEMES["paddle"]), headers_of("paddle")["Paddle-Signature"]
    stamp, _, signature = good.partition(";")
    verify(post({"Paddle-Signature": f"{stamp};h1=0000;{signature}"}), SECRET, NOW, config)
    for wrong in (f"{stamp};{stamp};{signature}", signature, stamp, f"{stamp};h2={signature[3:]}"):
        with pytest.raises(Refusal):
            verify(post({"Paddle-Signature": wrong}), SECRET, NOW, config)


def test_a_url_is_signed_as_the_vendor_was_given_it_or_as_served() -> None:
    config, good = source(**SCHEMES["url"]), headers_of("url")
    verify(replace(post(good), urls=("https://other.example/hook", URL)), SECRET, NOW, config)
    with pytest.raises(Refusal):
        verify(replace(post(good), urls=("https://other.example/hook",)), SECRET, NOW, config)


@pytest.mark.parametrize(("written", "secret"), [("base64", b"YS1zaGFyZWQ="), ("hex", b"612d736861726564")])
def test_a_secret_may_be_written_in_base64_or_hex(written: str, secret: bytes) -> None:
    config = source(scheme="hmac", header="X-Sig", secret=written)
    value = hmac.new(b"a-shared", BODY, "sha256").hexdigest()
    verify(post({"X-Sig": value}), secret, NOW, config)
    with pytest.raises(Refusal, match=f"no {written}"):
        verify(post({"X-Sig": value}), b"?!", NOW, config)


def test_the_empty_secret_that_anybody_has_is_refused() -> None:
    stamp = str(int(NOW.timestamp()))
    empty = schemes.standard_signature(b"", schemes.standard_content("m", stamp, BODY))
    forged = {"webhook-id": "m", "webhook-timestamp": stamp, "webhook-signature": f"v1,{empty}"}
    with pytest.raises(Refusal, match="empty"):
        verify(post(forged), b"whsec_", NOW, SOURCES["standardwebhooks"])


@pytest.mark.parametrize("name", SIGNED)
def test_no_mutation_is_accepted(name: str) -> None:
    dice, config, good = random.Random(f"seed {name}"), source(**SCHEMES[name]), headers_of(name)
    accepted = []
    for _ in range(500):
        headers, body, secret = dict(good), BODY, SECRET
        part = dice.choice([*headers, "body", "secret"])
        if part == "body":
            body = mutated(dice, body.decode()).encode("utf-8", "replace")
        elif part == "secret":
            secret = mutated(dice, secret.decode()).encode("utf-8", "replace")
        else:
            headers[part] = mutated(dice, headers[part])
        if meaning(headers, config) == meaning(good, config) and (body, secret) == (BODY, SECRET):
            continue
        try:
            verify(post(headers, body), secret, NOW, config)
        except Refusal:
            continue
        accepted.append((headers, body, secret))
    assert accepted == []


def meaning(headers: dict[str, str], config: MappedSource) -> Any:
    """A list may hold parts that do not count; spaces around a value do not count anywhere."""
    signature = config.signature
    if isinstance(signature, schemes.Hmac) and signature.parts:
        parts = [part.strip() for part in headers[signature.header].split(signature.parts.separator)]
        names = (f"{signature.parts.timestamp}=", f"{signature.parts.signature}=")
        return {part for part in parts if part.startswith(names)}
    if isinstance(signature, schemes.StandardWebhooks):
        return {n: {v for v in h.split() if v.startswith("v1,")} if n.endswith("signature") else h.strip()
                for n, h in headers.items()}  # fmt: skip
    return {name: value.strip() for name, value in headers.items()}


def mutated(dice: random.Random, text: str) -> str:
    at = dice.randrange(len(text)) if text else 0
    match dice.randrange(6):
        case 0:
            return text[:at] + text[at + 1 :]
        case 1:
            return text[:at] + dice.choice("0aZ=,; é") + text[at:]
        case 2:
            return text[:at] + dice.choice("0123456789abcdef=") + text[at + 1 :]
        case 3:
            return text.swapcase()
        case 4:
            return ""
        case _:
            return text[::-1]


@pytest.mark.parametrize(
    ("signature", "why"),
    [
        ({"scheme": "none"}, "scheme"),
        ({}, "scheme"),
        ({"scheme": "hmac", "header": "X", "signed": "{timestamp}"}, "does not cover the {body}"),
        ({"scheme": "hmac", "header": "X", "signed": "{body}{nonsense}"}, "{nonsense} is not known"),
        ({"scheme": "hmac", "header": "X", "timestamp": {"header": "X-Time"}}, "only if it is signed"),
        ({"scheme": "hmac", "header": "X", "signed": "{timestamp}{body}"}, "must stand somewhere"),
        ({"scheme": "hmac", "header": "X", "algorithm": "md5"}, "sha512"),
    ],
)  # fmt: skip
def test_a_scheme_that_proves_nothing_is_refused_at_start(signature: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        source(**signature)
