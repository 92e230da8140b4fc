"""One module a vendor: verify a post, split its body into source events, map each to statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from ingest.domain.statement import Ignored, SourceEvent, Statement
from ingest.sources import hubspot, segment, stripe, zendesk
from ingest.sources.signatures import Request


class Vendor(Protocol):
    """What a vendor's module offers. `config` is the source's own typed configuration."""

    def verify(self, request: Request, secret: bytes, now: datetime, config: Any) -> None:
        """Raises Refusal unless the vendor signed this with `secret`; `now` is wall time."""

    def split(self, body: bytes, headers: Mapping[str, str]) -> list[SourceEvent]:
        """The events of a body. Raises Unreadable."""

    def join(self, bodies: Sequence[Mapping[str, Any]]) -> bytes:
        """The reverse of split for what remains after an erasure."""

    def interpret(self, event: SourceEvent, config: Any) -> list[Statement] | Ignored:
        """What the event says in our words. Raises Unreadable where it breaks its own shape."""


VENDORS: Mapping[str, Vendor] = {
    "hubspot": hubspot,
    "stripe": stripe,
    "zendesk": zendesk,
    "segment": segment,
}
