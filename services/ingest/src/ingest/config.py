"""What an operator sets about sources and words: `deploy/config/sources/<name>.yaml`, `deploy/config/lexicon.yaml`."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Self

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
    """Topic → phrases of whole words; `(a|b)` are alternatives, a `?` after them makes them optional, `..` is up to two
    words of any kind."""
    negations: list[str] = []
    """What denies a phrase that follows within three words."""
    false_friends: list[str] = []
    """Phrases that look like a topic's and are not meant so."""
    languages: Annotated[list[str], Field(min_length=1)] = ["en"]
    """ISO 639-1 codes among which a text's language is sought; the fewer, the surer with short texts."""

    @model_validator(mode="after")
    def _english_among_them(self) -> Self:
        if "en" not in self.languages:
            raise ValueError("languages: en is missing; the lexicon is English")
        return self


def load_lexicon(directory: Path) -> Lexicon:
    """Raises pydantic.ValidationError or OSError: a service with a wrong lexicon does not start."""
    return Lexicon.model_validate(yaml.safe_load((directory / "lexicon.yaml").read_text()))
