"""The few signature schemes that vendors share. Comparison is in constant time, always over the raw bytes."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ingest.domain.times import moment


class Refusal(Exception):  # noqa: N818  (an answer, not a fault of the program)
    """A signature that is wrong, missing or stale; the reason goes to our log, never to the sender."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


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


def sha256_hex(secret: bytes, *parts: bytes) -> str:
    return _mac(secret, parts, "sha256").hex()


def sha256_base64(secret: bytes, *parts: bytes) -> str:
    return base64.b64encode(_mac(secret, parts, "sha256")).decode()


def sha1_hex(secret: bytes, *parts: bytes) -> str:
    return _mac(secret, parts, "sha1").hex()


def plain_sha256_hex(*parts: bytes) -> str:
    """HubSpot v1 and v2: a hash over secret and request, no HMAC."""
    return hashlib.sha256(b"".join(parts)).hexdigest()


def same(expected: str, given: str) -> bool:
    """Constant time, and at ease with any characters."""
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogateescape"))


def _mac(secret: bytes, parts: tuple[bytes, ...], algorithm: str) -> bytes:
    mac = hmac.new(secret, digestmod=algorithm)
    for part in parts:
        mac.update(part)
    return mac.digest()
