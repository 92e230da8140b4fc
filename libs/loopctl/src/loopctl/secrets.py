"""`DIR/secrets.json`: random secrets of one local stack, made once, kept, readable for its owner only."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from loopctl import given
from loopctl.files import write_json
from loopctl.paths import SERVICES

BYTES = 32
BASE64_SECRETS = frozenset({"standardwebhooks"})
"""Sources whose secrets are base64 behind `whsec_` (Standard Webhooks, "Signing secret")."""


def _new() -> str:
    return secrets.token_urlsafe(BYTES)


def _new_key() -> str:
    return base64.b64encode(secrets.token_bytes(BYTES)).decode()


@dataclass(frozen=True)
class Secrets:
    """What the stack's programs prove themselves with."""

    jwt: str
    postgres: str
    roles: dict[str, str]
    """Password of each service's login role."""
    webhooks: dict[str, str] = field(default_factory=dict)
    """Signing secret of each configured source."""
    slack_signing: str = field(default_factory=_new)
    """Of Slack's interaction callbacks."""
    ingest_secrets_key: str = field(default_factory=_new_key)
    """With which ingest seals the secrets that it stores."""
    rotated: list[str] = field(default_factory=list)
    """Sources of which ingest stores the secrets: what the environment says of them is over."""

    @classmethod
    def load(cls, file: Path, sources: Sequence[str] = ()) -> Secrets:
        """Read the file; whatever is not in it yet (a new source, a new release's secret) is added to it.

        What the operator gives decides: CSL_JWT_SECRET, <SERVICE>_DATABASE_PASSWORD, <SOURCE>_WEBHOOK_SECRET, and
        INGEST_WEBHOOK_SECRETS; of a source that was rotated here, the newest secret does.
        """
        told, newest = given.variables(), {name: old[0] for name, old in given.webhook_secrets().items() if old}
        kept = json.loads(file.read_text()) if file.exists() else {}
        own = kept.get("webhooks", {})
        rotated = {source: own[source] for source in kept.get("rotated", []) if source in own}
        whole = cls(
            jwt=told.get("CSL_JWT_SECRET") or kept.get("jwt") or _new(),
            postgres=kept.get("postgres") or _new(),
            roles={
                service: told.get(f"{service.upper()}_DATABASE_PASSWORD")
                or kept.get("roles", {}).get(service)
                or _new()
                for service in SERVICES
            },
            webhooks={
                source: rotated.get(source)
                or newest.get(source)
                or told.get(f"{source.upper()}_WEBHOOK_SECRET")
                or kept.get("webhooks", {}).get(source)
                or _new()
                for source in sorted({*sources, *kept.get("webhooks", {}), *newest})
            },
            slack_signing=kept.get("slack_signing") or _new(),
            ingest_secrets_key=kept.get("ingest_secrets_key") or _new_key(),
            rotated=sorted(rotated),
        )
        if asdict(whole) != kept:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_json(file, asdict(whole))
        return whole


def remember_rotation(file: Path, source: str, secret: str) -> None:
    """From now on this is what posts of the source are signed with (`loop send`, the demo)."""
    kept = json.loads(file.read_text())
    kept["webhooks"] = {**kept.get("webhooks", {}), source: secret}
    kept["rotated"] = sorted({*kept.get("rotated", []), source})
    write_json(file, kept)


def generate(source: str) -> str:
    """A signing secret of our own choice, in the form in which the source's vendor would write it."""
    if source in BASE64_SECRETS:
        return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
    return _new()
