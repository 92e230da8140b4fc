"""What the routes share: wired in main.py, found at `app.state.ingest`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated

from common.clock import Clock
from fastapi import Depends, Request

from ingest.accept import Moments
from ingest.config import Source
from ingest.domain.reading import Reader
from ingest.domain.shared import SharedDomains
from ingest.enrichment import ENRICHED
from ingest.feedbook import FeedBook
from ingest.imports import Importer
from ingest.intake import Intake
from ingest.secretbook import SecretBook


@dataclass(frozen=True)
class Runtime:
    """One a process."""

    sources: Mapping[str, Source]
    secrets: SecretBook
    public_url: str
    clock: Clock
    reader: Reader
    intake: Intake
    book: FeedBook
    importer: Importer
    shared: SharedDomains
    tokens: Collection[str]
    """Sources whose vendor may be asked for what its webhooks leave out."""
    default_owner: str | None = None
    """Who owns a milestone that is planned without an owner; None: it is refused."""

    def enriched(self, source: Source) -> bool:
        """Whether this vendor's webhooks leave out what its API would tell."""
        return source.vendor in ENRICHED

    def moments(self) -> Moments:
        return Moments(self.clock.now(), self.clock.wall())


def _runtime(request: Request) -> Runtime:
    found: Runtime = request.app.state.ingest
    return found


RuntimeDep = Annotated[Runtime, Depends(_runtime)]
