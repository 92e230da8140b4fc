"""What each source sent, gathered in memory and written once a second: the accept path locks no feed row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
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
MOST_CHARACTERS = 300
"""Of a reason that is kept."""


@dataclass(slots=True)
class Page:
    """One source since the last writing."""

    counts: Counter[str] = field(default_factory=Counter)
    last_received_at: datetime | None = None
    refused_at: datetime | None = None
    refusal: str | None = None
    event_at: datetime | None = None
    lag: float | None = None
    failed_at: datetime | None = None
    failure: str | None = None
    unknown: Counter[str] = field(default_factory=Counter)
    unknown_at: datetime | None = None

    def note(self, at: datetime, receipt: Receipt) -> None:
        """What a stored post tells of its feed. `lag`: seconds from the newest event of it to its receipt."""
        if receipt.newest is not None:
            self.event_at = max(receipt.newest, self.event_at or receipt.newest)
            self.lag = max(0.0, (at - receipt.newest).total_seconds())
        if receipt.failure is not None:
            self.failed_at, self.failure = at, receipt.failure[:MOST_CHARACTERS]
        for kind, count in receipt.unknown_kinds.items():
            if kind in self.unknown or len(self.unknown) < feeding.MOST_TYPES:
                self.unknown[kind] += count
                self.unknown_at = at

    def older(self, page: Page) -> None:
        """Take in what was noted before: it could not be written."""
        self.counts.update(page.counts)
        self.unknown.update(page.unknown)
        self.last_received_at = _later(self.last_received_at, page.last_received_at)
        self.event_at = _later(self.event_at, page.event_at)
        self.unknown_at = _later(self.unknown_at, page.unknown_at)
        if self.lag is None:
            self.lag = page.lag
        if self.refused_at is None:
            self.refused_at, self.refusal = page.refused_at, page.refusal
        if self.failed_at is None:
            self.failed_at, self.failure = page.failed_at, page.failure


class FeedBook:
    """One a process. A crash loses at most a second of counts, never an event."""

    def __init__(self, database: Database, clock: Clock, sources: Mapping[str, Source]) -> None:
        self._database = database
        self._clock = clock
        self._sources = sources
        self._pages: dict[str, Page] = {}

    def received(self, source: str, at: datetime, receipt: Receipt) -> None:
        """A post was stored. Only configured sources have a rhythm to watch; internal tools are merely counted."""
        page = self._pages.setdefault(source, Page()) if source in self._sources else Page()
        page.last_received_at = max(at, page.last_received_at or at)
        page.counts["posts"] += 1
        page.note(at, receipt)
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
        page.refused_at, page.refusal = at, reason[:MOST_CHARACTERS]
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
            self._pages.setdefault(name, Page()).older(page)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((at for at in (one, other) if at), default=None)


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
