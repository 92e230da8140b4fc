"""Whether each source still talks to us: what ingest says of its feeds (key and subject: their names)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from common.contracts.base import Data
from common.contracts.fields import Identifier, Quantity, UtcDatetime

TOPIC = "csl.ingest.feeds.v1"


class Feed(Data):
    """The state of one feed."""

    TOPIC: ClassVar[str] = TOPIC
    source: Annotated[Identifier, Field(examples=["hubspot"])]
    last_received_at: UtcDatetime
    expected_every_seconds: Annotated[Quantity, Field(examples=[86400])]


class FeedSeen(Feed):
    """A source talked to us; said at most once a minute."""

    TYPE: ClassVar[str] = "csl.ingest.feed_seen.v1"


class FeedSilent(Feed):
    """A source has been silent for longer than expected; said once."""

    TYPE: ClassVar[str] = "csl.ingest.feed_silent.v1"


class FeedRecovered(Feed):
    """A silent source talks again."""

    TYPE: ClassVar[str] = "csl.ingest.feed_recovered.v1"


EVENTS: tuple[type[Data], ...] = (FeedSeen, FeedSilent, FeedRecovered)
