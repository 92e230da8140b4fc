"""`loop send`: a webhook as the vendor would post it (formulas: each vendor's documentation of its signature)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from common.clock import SystemClock

from loopctl.api import TIMEOUT, reason
from loopctl.errors import Problem, WrongUsage
from loopctl.stack import Stack

Signer = Callable[[str, str, bytes, datetime], dict[str, str]]
"""(secret, URL, body, moment) → headers."""


@dataclass(frozen=True, slots=True)
class Sent:
    """How the service took it."""

    accepted: bool
    text: str


def hubspot(secret: str, url: str, body: bytes, moment: datetime) -> dict[str, str]:
    """Version 3: base64(HMAC-SHA256(method + URI + body + timestamp in ms))."""
    timestamp = str(int(moment.timestamp() * 1000))
    signed = b"POST" + url.encode() + body + timestamp.encode()
    return {"X-HubSpot-Signature-v3": _base64(secret, signed), "X-HubSpot-Request-Timestamp": timestamp}


def stripe(secret: str, _url: str, body: bytes, moment: datetime) -> dict[str, str]:
    """`t=…,v1=` hex(HMAC-SHA256(timestamp + "." + body))."""
    timestamp = str(int(moment.timestamp()))
    signature = _hex(secret, timestamp.encode() + b"." + body, hashlib.sha256)
    return {"Stripe-Signature": f"t={timestamp},v1={signature}"}


def zendesk(secret: str, _url: str, body: bytes, moment: datetime) -> dict[str, str]:
    """base64(HMAC-SHA256(timestamp + body)), the timestamp in ISO 8601."""
    timestamp = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "X-Zendesk-Webhook-Signature": _base64(secret, timestamp.encode() + body),
        "X-Zendesk-Webhook-Signature-Timestamp": timestamp,
    }


def segment(secret: str, _url: str, body: bytes, _moment: datetime) -> dict[str, str]:
    """hex(HMAC-SHA1(body))."""
    return {"X-Signature": _hex(secret, body, hashlib.sha1)}


SIGNERS: dict[str, Signer] = {"hubspot": hubspot, "stripe": stripe, "zendesk": zendesk, "segment": segment}
"""By vendor; a source says which vendor it is of."""


def _hex(secret: str, signed: bytes, algorithm: Any) -> str:
    return hmac.new(secret.encode(), signed, algorithm).hexdigest()


def _base64(secret: str, signed: bytes) -> str:
    return base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()


def unwrap(raw: bytes) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a `{"_headers": …, "_body": …}` file; any other file is the body itself.

    A wrapped body that is text is taken byte for byte. The vendor's own signature headers in such a file were made
    with a secret we do not have: they are replaced.
    """
    try:
        content = json.loads(raw)
    except ValueError:
        return raw, {}
    if not isinstance(content, dict) or "_body" not in content:
        return raw, {}
    body = content["_body"]
    text = body if isinstance(body, str) else json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    headers = {str(k): str(v) for k, v in (content.get("_headers") or {}).items() if k.lower() in _KEPT}
    return text.encode(), headers


_KEPT = ("content-type", "user-agent", "x-zendesk-webhook-id", "x-zendesk-webhook-invocation-id")


def send(stack: Stack, source: str, file: Path) -> Sent:
    """Post a file to a source's webhook. Raises WrongUsage for an unknown source."""
    secret = stack.secrets.webhooks.get(source)
    if secret is None:
        known = ", ".join(sorted(stack.secrets.webhooks))
        raise WrongUsage(f"{source!r} is no configured source of this stack; there are {known}")
    body, headers = unwrap(file.read_bytes())
    return post(stack, source, secret, body, headers)


def post(stack: Stack, source: str, secret: str, body: bytes, headers: dict[str, str] | None = None) -> Sent:
    """Sign and post. Raises Problem when ingest does not answer."""
    url = f"{stack.url('ingest')}/v1/webhooks/{source}"
    signer = SIGNERS.get(vendor_of(source))
    if signer is None:
        raise WrongUsage(f"`loop send` does not know how {vendor_of(source)!r} signs; it knows {', '.join(SIGNERS)}")
    signed = signer(secret, url, body, SystemClock().wall())
    try:
        response = httpx.post(
            url,
            content=body,
            headers={"content-type": "application/json", **(headers or {}), **signed},
            timeout=TIMEOUT,
            trust_env=False,
        )
    except httpx.TransportError as error:
        raise Problem("ingest does not answer", remedy="start it with `loop up`") from error
    said = response.text.strip() if response.is_success else reason(response)
    return Sent(response.is_success, f"{response.status_code} {said}")


def vendor_of(source: str) -> str:
    """Which vendor's a source is, by deploy/config/sources.yaml; a source without an entry is its own vendor."""
    import yaml

    from loopctl.paths import REPOSITORY

    file = REPOSITORY / "deploy" / "config" / "sources.yaml"
    sources = (yaml.safe_load(file.read_text()) or {}).get("sources", {}) if file.exists() else {}
    entries = {entry["name"]: entry for entry in sources} if isinstance(sources, list) else sources
    return str((entries.get(source) or {}).get("vendor", source))
