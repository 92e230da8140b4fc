"""What vendors' webhooks only name is fetched from their APIs, in a worker's own time; never on the accept path.

One small module a vendor, pure: `lookups` says what an event leaves out, `learnt` what a fetched object says in our
words. Fetching is in `adapters/`, the queue in `ingest.enricher`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from ingest.domain.arrival import Lookup
from ingest.domain.statement import SourceEvent, Statement
from ingest.enrichment import hubspot, pipedrive, stripe


class Enriched(Protocol):
    """What a vendor's module offers. `config` is the source's own typed configuration."""

    def lookups(self, event: SourceEvent, config: Any) -> tuple[Lookup, ...]:
        """Objects that this event names and tells too little of."""

    def learnt(self, kind: str, found: Mapping[str, Any], config: Any, now: datetime) -> list[Statement]:
        """What a fetched object says. Raises Unreadable."""


ENRICHED: Mapping[str, Enriched] = {"hubspot": hubspot, "pipedrive": pipedrive, "stripe": stripe}
"""By vendor; of the others everything comes with the webhook."""
