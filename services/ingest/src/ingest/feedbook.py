"""What each source sent, gathered in memory and written once a second: the accept path locks no feed row."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from common import logging
from common.clock import Clock
from common.contracts import feeds
from common.contracts.base import Event
from common.contracts.ids import derived_id
from common.db import Database
from common.faults import is_passing
from common.timers import Timer

from ingest import metrics
from ingest.config import Source
from ingest.domain.arrival import Receipt
from ingest.domain.feed import Feed, on_received
from ingest.repository import feeding

log = logging.get(__name__)

FLUSH_EVERY = 1.0
DEADLINE = "feed_deadline"


@dataclass(slots=True)
class Page:
    """One source since the last writing."""

    counts: Counter[str] = field(default_factory=Counter)
    last_received_at: datetime | None = None
    refused_at: datetime | None = None
    refusal: str | None = None


class FeedBook:
    """One a process. A crash loses at most a second of counts, never an event."""

    def __init__(self, database: Database, clock: Clock, sources: dict[str, Source]) -> None:
        self._database = database
        self._clock = clock
        self._sources = sources
        self._pages: dict[str, Page] = {}

    def received(self, source: str, at: datetime, receipt: Receipt) -> None:
        """A post was stored. Only configured sources have a rhythm to watch; internal tools are merely counted."""
        page = self._pages.setdefault(source, Page()) if source in self._sources else Page()
        page.last_received_at = max(at, page.last_received_at or at)
        page.counts["posts"] += 1
        for outcome, count in receipt.outcomes.items():
            page.counts[outcome.value] += count
            metrics.RECEIVED.labels(source, outcome.value).inc(count)
        if receipt.unknown:
            page.counts["unknown"] += receipt.unknown
            metrics.UNKNOWN.labels(source).inc(receipt.unknown)

    def refused(self, source: str, at: datetime, reason: str) -> None:
        """A post was not taken; the reason is for us only."""
        page = self._pages.setdefault(source, Page())
        page.counts["refused"] += 1
        page.refused_at, page.refusal = at, reason[:300]
        log.warning("post_refused", source=source, reason=reason)

    async def run(self) -> None:
        """Write for ever."""
        while True:
            await self._clock.sleep(FLUSH_EVERY)
            await self.write()

    async def write(self) -> None:
        """Write what was gathered; what cannot be written now is kept for the next time."""
        try:
            await self.flush()
        except Exception as error:  # noqa: BLE001  (the edge: nothing is lost but the moment)
            log.warning("feeds_not_written", error=repr(error), passing=is_passing(error))

    async def flush(self) -> None:
        """One transaction over the sources heard of since the last one; put back if it fails."""
        pages, self._pages = self._pages, {}
        if not pages:
            return
        try:
            async with self._database.transaction() as session:
                known = await feeding.lock(session, sorted(pages), self._sources)
                heard = {name: page.last_received_at for name, page in pages.items() if page.last_received_at}
                events: list[Event[Any]] = []
                timers: list[Timer] = []
                for name, at in heard.items():
                    feed, said = on_received(known[name], at)
                    known[name] = feed
                    events += [as_event(body, feed) for body in said]
                    timers += [deadline_timer(feed)] if said else []
                await feeding.save(session, known, pages, events, timers)
        except BaseException:
            self._put_back(pages)
            raise

    def _put_back(self, pages: dict[str, Page]) -> None:
        for name, page in pages.items():
            now = self._pages.setdefault(name, Page())
            now.counts.update(page.counts)
            times = [at for at in (now.last_received_at, page.last_received_at) if at]
            now.last_received_at = max(times, default=None)
            if now.refused_at is None:
                now.refused_at, now.refusal = page.refused_at, page.refusal


def as_event(body: feeds.Feed, feed: Feed) -> Event[Any]:
    """A statement about a feed; its subject and key are the source's name."""
    at = body.last_received_at
    return Event.of(
        body, id=derived_id("feed", feed.source, body.TYPE, at), source="csl/ingest", subject=feed.source, time=at
    )


def deadline_timer(feed: Feed) -> Timer:
    due = feed.deadline()
    assert due is not None  # noqa: S101  (only feeds that were heard of have timers; for the type checker)
    return Timer(DEADLINE, feed.source, feed.generation, due)
