"""`DIR/secrets.json`: random secrets of one local stack, made once, kept, readable for its owner only."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from loopctl import given
from loopctl.files import write_json
from loopctl.paths import SERVICES

BYTES = 32


def _new() -> str:
    return secrets.token_urlsafe(BYTES)


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

    @classmethod
    def load(cls, file: Path, sources: Sequence[str] = ()) -> Secrets:
        """Read the file; whatever is not in it yet (a new source, a new release's secret) is added to it.

        What the operator gives decides: CSL_JWT_SECRET, <SERVICE>_DATABASE_PASSWORD, <SOURCE>_WEBHOOK_SECRET, and
        INGEST_WEBHOOK_SECRETS.
        """
        told, newest = given.variables(), {name: old[0] for name, old in given.webhook_secrets().items() if old}
        kept = json.loads(file.read_text()) if file.exists() else {}
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
                source: newest.get(source)
                or told.get(f"{source.upper()}_WEBHOOK_SECRET")
                or kept.get("webhooks", {}).get(source)
                or _new()
                for source in sorted({*sources, *kept.get("webhooks", {}), *newest})
            },
            slack_signing=kept.get("slack_signing") or _new(),
        )
        if asdict(whole) != kept:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_json(file, asdict(whole))
        return whole
