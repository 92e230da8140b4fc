"""`loop send`: a webhook as the vendor would post it."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import httpx
from common.clock import SystemClock

from loopctl import business_time, quarantine
from loopctl.api import TIMEOUT, reason
from loopctl.errors import Problem, WrongUsage
from loopctl.signing import SIGNERS, Signer
from loopctl.stack import Stack

MAPPED = "mapped"
SHOWN = 5
"""Reasons that are told."""


@dataclass(frozen=True, slots=True)
class Sent:
    """How the service took it."""

    accepted: bool
    text: str
    hints: Sequence[str] = ()
    """What the answer does not say: what of it could not be read."""


def unwrap(raw: bytes, kept: Collection[str] = ()) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a `{"_headers": …, "_body": …}` file; any other file is the body itself.

    A wrapped body that is text is taken byte for byte. The vendor's own signature headers in such a file were made
    with a secret we do not have: they are replaced. `kept`: further headers that the source reads.
    """
    try:
        content = json.loads(raw)
    except ValueError:
        return raw, {}
    if not isinstance(content, dict) or "_body" not in content:
        return raw, {}
    body = content["_body"]
    text = body if isinstance(body, str) else json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    headers = {str(k): str(v) for k, v in (content.get("_headers") or {}).items() if k.lower() in {*_KEPT, *kept}}
    return text.encode(), headers


_KEPT = ("content-type", "user-agent", "x-zendesk-webhook-id", "x-zendesk-webhook-invocation-id")


def send(stack: Stack, source: str, file: Path) -> Sent:
    """Post a file to a source's webhook. Raises WrongUsage for an unknown source."""
    secret = stack.secrets.webhooks.get(source)
    if secret is None:
        known = ", ".join(sorted(stack.secrets.webhooks))
        raise WrongUsage(f"{source!r} is no configured source of this stack; there are {known}")
    body, headers = unwrap(file.read_bytes(), _read_headers(source))
    before = business_time.now(stack) - timedelta(seconds=1)
    sent = post(stack, source, secret, body, headers)
    return replace(sent, hints=_quarantined(stack, source, before)) if sent.accepted else sent


def _quarantined(stack: Stack, source: str, since: datetime) -> list[str]:
    """A vendor is told nothing of it; who tries a body is."""
    try:
        found = quarantine.waiting(stack, source=source, since=since.isoformat())
    except Problem as problem:
        return [f"Whether it could be read is not known: {problem.what}."]
    hints = [f"Quarantined, not counted: {item['reason']}" for item in found[:SHOWN]]
    hints += [f"… and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return [*hints, f"See `loop quarantine show {found[0]['id']}`; mend, then replay it."] if found else []


def post(stack: Stack, source: str, secret: str, body: bytes, headers: dict[str, str] | None = None) -> Sent:
    """Sign and post. Raises Problem when ingest does not answer."""
    url = f"{stack.url('ingest')}/v1/webhooks/{source}"
    signed = signer_of(source)(secret, url, body, SystemClock().wall())
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
    """Which vendor's a source is, by its file in deploy/config/sources; one without a file is its own vendor."""
    import yaml

    file = _file_of(source)
    return str(yaml.safe_load(file.read_text()).get("vendor", source)) if file.exists() else source


def signer_of(source: str) -> Signer:
    """How posts to a source are signed: as its vendor does, or as its own file says. Raises WrongUsage."""
    vendor = vendor_of(source)
    if vendor == MAPPED:
        return _signer_by_file(source)
    signer = SIGNERS.get(vendor)
    if signer is None:
        raise WrongUsage(f"`loop send` does not know how {vendor!r} signs; it knows {', '.join(SIGNERS)} and {MAPPED}")
    return signer


def _signer_by_file(source: str) -> Signer:
    from ingest.sources import load_source
    from ingest.sources.mapped import MappedSource, schemes

    config = load_source(_file_of(source))
    scheme = config.signature if isinstance(config, MappedSource) else None
    if scheme is None:
        raise WrongUsage(f"{source!r} takes files only: `loop import --source {source} FILE.csv`")

    def sign(secret: str, url: str, body: bytes, moment: datetime) -> dict[str, str]:
        return dict(schemes.signed_headers(scheme, secret, url, body, moment, config.secret_header))

    return sign


def _read_headers(source: str) -> Collection[str]:
    from ingest.sources import load_source

    file = _file_of(source)
    return load_source(file).kept_headers if file.exists() else ()


def _file_of(source: str) -> Path:
    from loopctl.paths import REPOSITORY

    return REPOSITORY / "deploy" / "config" / "sources" / f"{source}.yaml"
