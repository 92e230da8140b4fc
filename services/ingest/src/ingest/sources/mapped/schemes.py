"""How a vendor proves that a post is its own, told in a few options: what most webhooks of the world do."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import Field, model_validator

from ingest.config import Settled
from ingest.sources import signatures
from ingest.sources.signatures import Refusal, Request

_PART = re.compile(r"\{(body|timestamp|url|method|header:[A-Za-z0-9-]+)\}")
SYMMETRIC, PUBLIC_KEY = "whsec_", "whpk_"
Window = Annotated[int, Field(gt=0, le=24 * 3600)]
"""Seconds that a timestamp may be off, on either side."""


class Parts(Settled):
    """A header that holds several things: `t=1614265330,v1=4c9f…`."""

    separator: str = ","
    timestamp: str | None = "t"
    signature: str = "v1"


class Stamp(Settled):
    """Where the moment of signing stands, and how it is written."""

    header: str | None = None
    """None: in the signature's header, under `parts`."""
    format: Literal["seconds", "milliseconds", "iso"] = "seconds"


class Hmac(Settled):
    """HMAC over what `signed` says."""

    scheme: Literal["hmac"]
    header: str
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""
    signed: str = "{body}"
    """Of {body}, {timestamp}, {url}, {method}, {header:Name}, and whatever stands between them."""
    parts: Parts | None = None
    timestamp: Stamp | None = None
    window_seconds: Window = 300
    secret: Literal["text", "base64", "hex"] = "text"  # noqa: S105  (how it is written, not what it is)
    """How the vendor writes the secret down."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if "{body}" not in self.signed:
            raise ValueError("signed: a signature that does not cover the {body} proves nothing of it")
        if unknown := re.findall(r"\{[^}]*\}", _PART.sub("", self.signed)):
            raise ValueError(f"signed: {unknown[0]} is not known; there are body, timestamp, url, method, header:NAME")
        stamped = self.timestamp is not None or (self.parts is not None and self.parts.timestamp is not None)
        if stamped != ("{timestamp}" in self.signed):
            raise ValueError("signed: a timestamp counts only if it is signed, and must stand somewhere to be signed")
        if self.parts and self.parts.timestamp and self.timestamp and self.timestamp.header:
            raise ValueError("timestamp: it stands under parts or in a header of its own, not in both")
        return self


class StandardWebhooks(Settled):
    """https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md."""

    scheme: Literal["standard_webhooks"]
    headers: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")] = "webhook"
    """What the three headers begin with: `svix` for Svix's older senders."""
    window_seconds: Window = 300
    secret: Literal["text", "base64"] = "text"  # noqa: S105  (how it is written, not what it is)
    """How a secret without `whsec_` is written."""


class Shared(Settled):
    """Nothing is signed: Basic credentials, or the secret in a header."""

    scheme: Literal["shared"]
    header: str | None = None
    """None: `secret_header` of the source, or Basic credentials."""
    prefix: str = ""
    """What stands before the secret: `Bearer `."""


Known = Hmac | StandardWebhooks | Shared
Scheme = Annotated[Known, Field(discriminator="scheme")]


def verify(
    scheme: Hmac | StandardWebhooks | Shared, request: Request, secret: bytes, now: datetime, named: str
) -> None:
    """Raises Refusal. `named`: the source's secret_header."""
    if isinstance(scheme, Hmac):
        _verify_hmac(scheme, request, secret, now)
    elif isinstance(scheme, StandardWebhooks):
        _verify_standard(scheme, request, secret, now)
    else:
        _verify_shared(scheme, request, secret, named)


def _verify_hmac(scheme: Hmac, request: Request, secret: bytes, now: datetime) -> None:
    held = signatures.header(request, scheme.header)
    stamp, given = _taken_apart(scheme, held)
    if scheme.timestamp is not None and scheme.timestamp.header:
        stamp = signatures.header(request, scheme.timestamp.header)
    if "{timestamp}" in scheme.signed:
        _fresh(scheme, stamp, now)
    key = key_of(secret, scheme.secret)
    signed_url = "{url}" in scheme.signed
    for url in request.urls if signed_url else request.urls[:1] or ("",):
        expected = signature(scheme, key, replace(request, urls=(url,)), stamp or "")
        if any(signatures.same(expected, value) for value in given):
            return
    raise Refusal(f"no signature in {scheme.header} matches")


def _taken_apart(scheme: Hmac, held: str) -> tuple[str | None, list[str]]:
    if scheme.parts is None:
        stamps, given = [], [held]
    else:
        pairs = [part.strip().partition("=") for part in held.split(scheme.parts.separator)]
        stamps = [value for name, _, value in pairs if name == scheme.parts.timestamp]
        given = [value for name, _, value in pairs if name == scheme.parts.signature]
        if not given or len(stamps) != (scheme.parts.timestamp is not None):
            raise Refusal(f"{scheme.header} does not hold what it should")
    if not all(value.startswith(scheme.prefix) for value in given):
        raise Refusal(f"{scheme.header} does not begin with {scheme.prefix}")
    return (stamps[0] if stamps else None), [value.removeprefix(scheme.prefix) for value in given]


def _fresh(scheme: Hmac, stamp: str | None, now: datetime) -> None:
    form = scheme.timestamp.format if scheme.timestamp else "seconds"
    digits = 13 if form == "milliseconds" else 10
    if form != "iso" and not re.fullmatch(rf"[0-9]{{{digits}}}", stamp or "", re.ASCII):
        raise Refusal("the timestamp cannot be read")
    signatures.fresh(stamp or "", now, timedelta(seconds=scheme.window_seconds))


def signature(scheme: Hmac, key: bytes, request: Request, stamp: str) -> str:
    """What the vendor would have written for this post, without its prefix."""
    mac = hmac.new(key, b"".join(_signed(scheme.signed, request, stamp)), scheme.algorithm).digest()
    return mac.hex() if scheme.encoding == "hex" else base64.b64encode(mac).decode()


def _signed(template: str, request: Request, stamp: str) -> Iterator[bytes]:
    for nth, part in enumerate(_PART.split(template)):
        if nth % 2 == 0:
            yield part.encode()
        elif part == "body":
            yield request.body
        else:
            known = {"timestamp": stamp, "url": request.urls[0] if request.urls else "", "method": request.method}
            text = known[part] if part in known else request.headers.get(part.removeprefix("header:").lower(), "")
            yield text.encode("utf-8", "surrogateescape")


def key_of(secret: bytes, written: str) -> bytes:
    """The key's bytes. Raises Refusal for a secret that is not written so, or empty: anybody has the empty one."""
    try:
        key = base64.b64decode(secret, validate=True) if written == "base64" else secret
        key = binascii.unhexlify(secret) if written == "hex" else key
    except (binascii.Error, ValueError) as error:
        raise Refusal(f"the configured secret is no {written}") from error
    if not key:
        raise Refusal("the configured secret is empty")
    return key


def _verify_standard(scheme: StandardWebhooks, request: Request, secret: bytes, now: datetime) -> None:
    message, stamp, held = (signatures.header(request, f"{scheme.headers}-{part}") for part in _STANDARD)
    if not re.fullmatch(r"[0-9]{10}", stamp, re.ASCII):
        raise Refusal("the timestamp cannot be read")
    signatures.fresh(stamp, now, timedelta(seconds=scheme.window_seconds))
    content = standard_content(message, stamp, request.body)
    public = _public_key(secret)
    given = [version.partition(",") for version in held.split()]
    if public is not None:
        if any(version == "v1a" and _signed_by(public, value, content) for version, _, value in given):
            return
    else:
        expected = standard_signature(standard_key(scheme, secret), content)
        if any(version == "v1" and signatures.same(expected, value) for version, _, value in given):
            return
    raise Refusal(f"no signature in {scheme.headers}-signature matches")


_STANDARD = ("id", "timestamp", "signature")


def standard_content(message: str, stamp: str, body: bytes) -> bytes:
    """What a Standard Webhook's signature covers."""
    return f"{message}.{stamp}.".encode("utf-8", "surrogateescape") + body


def standard_key(scheme: StandardWebhooks, secret: bytes) -> bytes:
    """`whsec_` and base64; a secret without it as `secret` says. Raises Refusal."""
    marked = secret.startswith(SYMMETRIC.encode())
    return key_of(secret.removeprefix(SYMMETRIC.encode()), "base64" if marked else scheme.secret)


def standard_signature(key: bytes, content: bytes) -> str:
    """Without its version."""
    return base64.b64encode(hmac.new(key, content, "sha256").digest()).decode()


def _public_key(secret: bytes) -> Ed25519PublicKey | None:
    if not secret.startswith(PUBLIC_KEY.encode()):
        return None
    try:
        return Ed25519PublicKey.from_public_bytes(key_of(secret.removeprefix(PUBLIC_KEY.encode()), "base64"))
    except ValueError as error:
        raise Refusal("the configured public key is none") from error


def _signed_by(key: Ed25519PublicKey, value: str, content: bytes) -> bool:
    try:
        key.verify(base64.b64decode(value, validate=True), content)
    except (InvalidSignature, ValueError):
        return False
    return True


def _verify_shared(scheme: Shared, request: Request, secret: bytes, named: str) -> None:
    if not secret:
        raise Refusal("the configured secret is empty")
    if scheme.header is None and not scheme.prefix:
        signatures.shared(request, secret, named)
        return
    name = scheme.header or named
    held = signatures.header(request, name)
    shown = held.removeprefix(scheme.prefix)
    if not held.startswith(scheme.prefix) or not signatures.same_bytes(
        secret, shown.encode("utf-8", "surrogateescape")
    ):
        raise Refusal(f"{name} does not hold the secret")


def signed_headers(scheme: Known, secret: str, url: str, body: bytes, at: datetime, named: str) -> Mapping[str, str]:
    """The headers with which the vendor itself would send this body: for `loop send`, and for tests."""
    if isinstance(scheme, Hmac):
        return _hmac_headers(scheme, secret.encode(), Request("POST", (url,), {}, body), at)
    if isinstance(scheme, StandardWebhooks):
        message, stamp = f"msg_{signatures.plain_sha256_hex(body)[:24]}", str(int(at.timestamp()))
        value = standard_signature(standard_key(scheme, secret.encode()), standard_content(message, stamp, body))
        return dict(
            zip((f"{scheme.headers}-{part}" for part in _STANDARD), (message, stamp, f"v1,{value}"), strict=True)
        )
    if scheme.header or scheme.prefix:
        return {scheme.header or named: scheme.prefix + secret}
    pair = secret if ":" in secret else f"loop:{secret}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def _hmac_headers(scheme: Hmac, secret: bytes, request: Request, at: datetime) -> Mapping[str, str]:
    form = scheme.timestamp.format if scheme.timestamp else "seconds"
    iso = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    stamp = iso if form == "iso" else str(int(at.timestamp() * (1000 if form == "milliseconds" else 1)))
    value = scheme.prefix + signature(scheme, key_of(secret, scheme.secret), request, stamp)
    if scheme.parts is None:
        extra = {scheme.timestamp.header: stamp} if scheme.timestamp and scheme.timestamp.header else {}
        return {scheme.header: value, **extra}
    pairs = [f"{scheme.parts.signature}={value}"]
    if scheme.parts.timestamp:
        pairs.insert(0, f"{scheme.parts.timestamp}={stamp}")
    extra = {scheme.timestamp.header: stamp} if scheme.timestamp and scheme.timestamp.header else {}
    return {scheme.header: scheme.parts.separator.join(pairs), **extra}
