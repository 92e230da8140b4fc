"""Whether a source still talks to us."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from common.contracts import feeds

SEEN_EVERY = timedelta(minutes=1)


class FeedState(StrEnum):
    """What is known of a feed."""

    WAITING = "waiting"
    """Nothing ever came."""
    LIVE = "live"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Feed:
    """One source's rhythm. `generation` numbers its deadline timers; only the newest counts."""

    source: str
    expected_every: timedelta
    state: FeedState = FeedState.WAITING
    last_received_at: datetime | None = None
    seen_said_at: datetime | None = None
    generation: int = 0

    def deadline(self) -> datetime | None:
        return self.last_received_at + self.expected_every if self.last_received_at else None


def on_received(feed: Feed, at: datetime) -> tuple[Feed, list[feeds.Feed]]:
    """Something came. Said at most once a minute; a silent feed's return is said at once.

    The deadline timer is set anew with every saying, so it may fire up to a minute early: it then looks again.
    """
    last = max(at, feed.last_received_at) if feed.last_received_at else at
    now = replace(feed, last_received_at=last)
    if feed.state is FeedState.SILENT:
        now = replace(now, state=FeedState.LIVE, seen_said_at=last, generation=feed.generation + 1)
        return now, [_said(feeds.FeedRecovered, now)]
    if feed.seen_said_at is None or last - feed.seen_said_at >= SEEN_EVERY:
        now = replace(now, state=FeedState.LIVE, seen_said_at=last, generation=feed.generation + 1)
        return now, [_said(feeds.FeedSeen, now)]
    return now, []


def on_deadline(feed: Feed, generation: int, now: datetime) -> tuple[Feed, list[feeds.Feed]]:
    """The deadline passed: silent, or, if something came meanwhile, a new deadline (a higher generation)."""
    due = feed.deadline()
    if generation != feed.generation or feed.state is not FeedState.LIVE or due is None:
        return feed, []
    if due > now:
        return replace(feed, generation=feed.generation + 1), []
    silent = replace(feed, state=FeedState.SILENT)
    return silent, [_said(feeds.FeedSilent, silent)]


def _said(body: type[feeds.Feed], feed: Feed) -> feeds.Feed:
    assert feed.last_received_at is not None  # noqa: S101  (set by both callers; for the type checker)
    return body(
        source=feed.source,
        last_received_at=feed.last_received_at,
        expected_every_seconds=feed.expected_every.total_seconds(),
    )
