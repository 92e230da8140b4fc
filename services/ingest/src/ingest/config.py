"""What an operator sets about sources and words: `deploy/config/sources/<name>.yaml`, `deploy/config/lexicon.yaml`."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any

import yaml
from common.contracts.client import Profile
from pydantic import BaseModel, ConfigDict, Field, model_validator

PROFILE_FIELDS = frozenset(Profile.model_fields)


class Settled(BaseModel):
    """A part of a configuration file: read once at start, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


DAY = 24 * 60
RHYTHMS = dict.fromkeys(("calendly", "chargebee", "delighted", "stripe", "typeform"), 7 * DAY)
"""Vendor (or name, of a mapped source) → minutes of silence that are normal, where they are not a day: billing and
surveys come in bursts, days apart."""


class Source(Settled):
    """What every source has, whoever the vendor; each vendor's module adds its own."""

    name: str = ""
    """Set from the file's name: its webhook is POST /v1/webhooks/<name>."""
    vendor: str
    public_url: str = ""
    """The whole URL that was given to the vendor, where its signature covers the URL; empty: as served."""
    limit_bytes: Annotated[int, Field(gt=0, le=32 << 20)] = 1 << 20
    expected_every_minutes: Annotated[int, Field(gt=0)] = DAY
    """The longest silence that is normal; after it the feed is published as silent. Left out: the vendor's RHYTHMS."""
    allow_addresses: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks from which posts are taken; empty: from anywhere."""
    secret_header: str = "x-csl-secret"  # noqa: S105  (a header's name)
    """For what the vendor does not sign: the header that holds the secret, where Basic credentials cannot be given."""

    @property
    def kept_headers(self) -> tuple[str, ...]:
        """Headers, in lower case, that a body of this source cannot be read again without."""
        return ()

    @model_validator(mode="before")
    @classmethod
    def _rhythm(cls, written: Any) -> Any:
        if isinstance(written, dict) and "expected_every_minutes" not in written:
            known = (RHYTHMS.get(str(written.get(key))) for key in ("name", "vendor"))
            return {**written, "expected_every_minutes": next((minutes for minutes in known if minutes), DAY)}
        return written


class Lexicon(Settled):
    """deploy/config/lexicon.yaml: words and phrases of business that a general mood scorer does not know."""

    version: str
    valence: dict[str, float]
    """Word → −4 … 4, VADER's scale."""
    topics: dict[str, list[str]]
    """Topic → phrases; `(a|b)` are alternatives, a `?` after them makes them optional."""
    negations: list[str] = []
    stopwords: dict[str, list[str]] = {}
    """Language → its commonest small words, by which it is recognised."""


def load_lexicon(directory: Path) -> Lexicon:
    """Raises pydantic.ValidationError or OSError: a service with a wrong lexicon does not start."""
    return Lexicon.model_validate(yaml.safe_load((directory / "lexicon.yaml").read_text()))
