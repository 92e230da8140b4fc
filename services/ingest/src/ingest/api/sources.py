"""Sources: which there are, whether they talk to us, what of it we understand, and why posts were not taken."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from common.auth import requires
from common.db import SessionDep
from common.http import Page
from fastapi import APIRouter
from pydantic import BaseModel

from ingest.config import Source
from ingest.domain.feed import FeedState
from ingest.repository import enriching, queries
from ingest.runtime import Runtime, RuntimeDep

router = APIRouter(tags=["sources"])


class FailuresOut(BaseModel):
    """Bodies and events that were signed and that we could not read. `open` ones wait in /v1/quarantine."""

    count: int
    open: int
    last_at: datetime | None
    last: str | None


class UnknownOut(BaseModel):
    """A type of event that this release has never heard of."""

    type: str
    count: int
    last_at: datetime


class EnrichmentOut(BaseModel):
    """What webhooks only name is fetched from the vendor's API, where a token is configured.

    Objects by kind: `missing` are still to be fetched (without a token: what the events lack), `gone` the vendor no
    longer has, `failed` were given up. `failure` is what went wrong since the last success.
    """

    token: bool
    missing: dict[str, int]
    gone: dict[str, int]
    failed: dict[str, int]
    last_fetched_at: datetime | None
    last_failed_at: datetime | None
    failure: str | None


class SourceOut(BaseModel):
    """A source and its feed. `counts` are source events by what became of them, since the beginning."""

    name: str
    vendor: str
    connected: bool
    """Whether a secret is configured: without one every post is refused."""
    secrets: int
    """In force: two while one follows the other."""
    state: str
    """waiting (nothing ever came), live, silent (longer than expected)."""
    last_received_at: datetime | None
    last_accepted_at: datetime | None
    """When a post was last stored; the same moment, by the name of its opposite `last_refused_at`."""
    last_event_at: datetime | None
    """When the newest event of the feed happened there."""
    lag_seconds: float | None
    """From the newest event of the last post to its receipt: how far behind the feed is."""
    expected_every_seconds: float
    silent_for_seconds: float | None
    counts: dict[str, int]
    last_refused_at: datetime | None
    last_refusal: str | None
    mapping_failures: FailuresOut
    unknown_types: list[UnknownOut]
    enrichment: EnrichmentOut | None
    """null where everything comes with the webhook."""


@router.get("/v1/sources", summary="Sources and their feeds", dependencies=[requires("ingest:read")])
async def list_sources(session: SessionDep, runtime: RuntimeDep) -> Page[SourceOut]:
    """All of them; silence shows at once, before its event is published."""
    now = runtime.clock.now()
    known, fetched = await queries.feeds(session), await enriching.states(session)
    return Page(
        items=[
            _source(runtime, source, known.get(name, {}), fetched.get(name), now)
            for name, source in sorted(runtime.sources.items())
        ]
    )


def _source(
    runtime: Runtime, source: Source, row: Mapping[str, Any], fetched: Mapping[str, Any] | None, now: datetime
) -> SourceOut:
    last, secrets = row.get("last_received_at"), runtime.secrets.get(source.name)
    quiet = max(0.0, (now - last).total_seconds()) if last else None
    expected = source.expected_every_minutes * 60.0
    late = quiet is not None and quiet > expected
    counts = row.get("counts", {})
    return SourceOut(
        name=source.name,
        vendor=source.vendor,
        connected=bool(secrets),
        secrets=len(secrets),
        state=FeedState.SILENT.value if late else row.get("state", FeedState.WAITING.value),
        last_received_at=last,
        last_accepted_at=last,
        last_event_at=row.get("last_event_at"),
        lag_seconds=row.get("lag_seconds"),
        expected_every_seconds=expected,
        silent_for_seconds=quiet,
        counts=counts,
        last_refused_at=row.get("last_refused_at"),
        last_refusal=row.get("last_refusal"),
        mapping_failures=FailuresOut(
            count=counts.get("quarantined", 0),
            open=row.get("open", 0),
            last_at=row.get("last_failed_at"),
            last=row.get("last_failure"),
        ),
        unknown_types=_unknown(row.get("unknown_types", {})),
        enrichment=_enrichment(runtime, source, fetched),
    )


def _unknown(types: Mapping[str, Any]) -> list[UnknownOut]:
    """The most frequent first."""
    found = [UnknownOut(type=kind, count=told["count"], last_at=told["last_at"]) for kind, told in types.items()]
    return sorted(found, key=lambda one: (-one.count, one.type))


def _enrichment(runtime: Runtime, source: Source, fetched: Mapping[str, Any] | None) -> EnrichmentOut | None:
    if not runtime.enriched(source):
        return None
    found = fetched or {}
    counts = found.get("counts", {})
    return EnrichmentOut(
        token=source.name in runtime.tokens,
        missing=counts.get(enriching.WAITING, {}),
        gone=counts.get(enriching.GONE, {}),
        failed=counts.get(enriching.FAILED, {}),
        last_fetched_at=found.get("fetched_at"),
        last_failed_at=found.get("failed_at"),
        failure=found.get("failure"),
    )
