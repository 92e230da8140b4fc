"""The few signature schemes that vendors share. Comparison is in constant time, always over the raw bytes."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Protocol

from ingest.domain.times import moment


class Refusal(Exception):  # noqa: N818  (an answer, not a fault of the program)
    """A signature that is wrong, missing or stale; the reason goes to our log, never to the sender."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Address(Protocol):
    """Where a post came from."""

    @property
    def host(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Request:
    """A post as it reached us. `urls`: what the vendor may have called us, most likely first."""

    method: str
    urls: tuple[str, ...]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


def header(request: Request, name: str) -> str:
    """A header that must be there."""
    value = request.headers.get(name.lower())
    if not value:
        raise Refusal(f"{name} is missing")
    return value.strip()


def fresh(stamp: str, now: datetime, window: timedelta) -> None:
    """Refuses a timestamp further than `window` from wall time `now`, on either side."""
    at = moment(stamp)
    if at is None:
        raise Refusal("the timestamp cannot be read")
    if abs(now - at) > window:
        raise Refusal(
            f"the timestamp is {abs(now - at).total_seconds():.0f} s off, {window.total_seconds():.0f} s allowed"
        )


def stamped(request: Request, name: str, secret: bytes, now: datetime, window: timedelta) -> None:
    """The scheme of Stripe and Calendly: `t=<seconds>,v1=<hex HMAC-SHA256 of t.body>`; any one v1 may match."""
    stamps, given = [], []
    for part in header(request, name).split(","):
        key, _, value = part.strip().partition("=")
        if key == "t":
            stamps.append(value)
        elif key == "v1":
            given.append(value)
    if len(stamps) != 1 or not given:
        raise Refusal(f"{name} holds no single t and v1")
    if not (stamps[0].isascii() and stamps[0].isdigit()):
        raise Refusal("the timestamp cannot be read")
    fresh(stamps[0], now, window)
    expected = sha256_hex(secret, stamps[0].encode(), b".", request.body)
    if not any(same(expected, value) for value in given):
        raise Refusal("no v1 signature matches")


def sha256_hex(secret: bytes, *parts: bytes) -> str:
    return _mac(secret, parts, "sha256").hex()


def sha256_base64(secret: bytes, *parts: bytes) -> str:
    return base64.b64encode(_mac(secret, parts, "sha256")).decode()


def sha1_hex(secret: bytes, *parts: bytes) -> str:
    return _mac(secret, parts, "sha1").hex()


def plain_sha256_hex(*parts: bytes) -> str:
    """HubSpot v1 and v2: a hash over secret and request, no HMAC."""
    return hashlib.sha256(b"".join(parts)).hexdigest()


def shared(request: Request, secret: bytes, secret_header: str) -> None:
    """For vendors that sign nothing: Basic credentials, or the secret in a header of the source's choice.

    A secret `user:password` must be shown whole; one without a colon is the password of any user.
    """
    shown = request.headers.get(secret_header.lower())
    if shown is not None:
        if not same_bytes(secret, shown.encode("utf-8", "surrogateescape")):
            raise Refusal(f"{secret_header} does not hold the secret")
        return
    scheme, _, encoded = header(request, "Authorization").partition(" ")
    try:
        pair = base64.b64decode(encoded.strip(), validate=True) if scheme.lower() == "basic" else b""
    except ValueError:
        pair = b""
    given = pair if b":" in secret else pair.partition(b":")[2]
    if not pair or not same_bytes(secret, given):
        raise Refusal("the credentials are wrong")


def allowed(address: Address | None, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    """Whether a post comes from one of these networks. Behind a proxy the address is what uvicorn was told to trust."""
    try:
        known = ip_address(address.host) if address else None
    except ValueError:
        return False
    mapped = getattr(known, "ipv4_mapped", None) or known
    return mapped is not None and any(mapped in network for network in networks)


def same_bytes(expected: bytes, given: bytes) -> bool:
    """Constant time."""
    return hmac.compare_digest(expected, given)


def same(expected: str, given: str) -> bool:
    """Constant time, and at ease with any characters."""
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogateescape"))


def _mac(secret: bytes, parts: tuple[bytes, ...], algorithm: str) -> bytes:
    mac = hmac.new(secret, digestmod=algorithm)
    for part in parts:
        mac.update(part)
    return mac.digest()
