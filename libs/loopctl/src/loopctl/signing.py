"""How each vendor signs a post (formulas: the vendor's documentation of its signature)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime
from typing import Any

Signer = Callable[[str, str, bytes, datetime], dict[str, str]]
"""(secret, URL, body, moment) → headers."""


def hubspot(secret: str, url: str, body: bytes, moment: datetime) -> dict[str, str]:
    """Version 3: base64(HMAC-SHA256(method + URI + body + timestamp in ms))."""
    timestamp = str(int(moment.timestamp() * 1000))
    signed = b"POST" + url.encode() + body + timestamp.encode()
    return {"X-HubSpot-Signature-v3": _base64(secret, signed), "X-HubSpot-Request-Timestamp": timestamp}


def stripe(secret: str, _url: str, body: bytes, moment: datetime) -> dict[str, str]:
    """`t=…,v1=` hex(HMAC-SHA256(timestamp + "." + body))."""
    return {"Stripe-Signature": _stamped(secret, body, moment)}


def calendly(secret: str, _url: str, body: bytes, moment: datetime) -> dict[str, str]:
    """As Stripe."""
    return {"Calendly-Webhook-Signature": _stamped(secret, body, moment)}


def typeform(secret: str, _url: str, body: bytes, _moment: datetime) -> dict[str, str]:
    """`sha256=` base64(HMAC-SHA256(body))."""
    return {"Typeform-Signature": "sha256=" + _base64(secret, body)}


def slack(secret: str, _url: str, body: bytes, moment: datetime) -> dict[str, str]:
    """`v0=` hex(HMAC-SHA256("v0:" + timestamp + ":" + body))."""
    timestamp = str(int(moment.timestamp()))
    signed = b"v0:" + timestamp.encode() + b":" + body
    return {
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": "v0=" + _hex(secret, signed, hashlib.sha256),
    }


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


def intercom(secret: str, _url: str, body: bytes, _moment: datetime) -> dict[str, str]:
    """`sha1=` hex(HMAC-SHA1(body))."""
    return {"X-Hub-Signature": "sha1=" + _hex(secret, body, hashlib.sha1)}


def jira(secret: str, _url: str, body: bytes, _moment: datetime) -> dict[str, str]:
    """`sha256=` hex(HMAC-SHA256(body))."""
    return {"X-Hub-Signature": "sha256=" + _hex(secret, body, hashlib.sha256)}


def pipedrive(secret: str, _url: str, _body: bytes, _moment: datetime) -> dict[str, str]:
    """Signs nothing: HTTP Basic."""
    return {"Authorization": basic(secret)}


def salesforce(secret: str, _url: str, body: bytes, _moment: datetime) -> dict[str, str]:
    """Signs nothing: HTTP Basic; an outbound message is XML."""
    kind = {"content-type": "text/xml; charset=utf-8"} if body.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] == b"<" else {}
    return {"Authorization": basic(secret), **kind}


SIGNERS: dict[str, Signer] = {
    "calendly": calendly,
    "hubspot": hubspot,
    "intercom": intercom,
    "jira": jira,
    "pipedrive": pipedrive,
    "salesforce": salesforce,
    "segment": segment,
    "slack": slack,
    "stripe": stripe,
    "typeform": typeform,
    "zendesk": zendesk,
}
"""By vendor; a source says which vendor it is of."""


def basic(secret: str) -> str:
    """Basic credentials; a secret without a user is the password of any."""
    pair = secret if ":" in secret else f"loop:{secret}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _stamped(secret: str, body: bytes, moment: datetime) -> str:
    timestamp = str(int(moment.timestamp()))
    return f"t={timestamp},v1=" + _hex(secret, timestamp.encode() + b"." + body, hashlib.sha256)


def _hex(secret: str, signed: bytes, algorithm: Any) -> str:
    return hmac.new(secret.encode(), signed, algorithm).hexdigest()


def _base64(secret: str, signed: bytes) -> str:
    return base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()
