"""What came of trying to send, and when to try again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

FIRST_DELAY = timedelta(seconds=1)
LONGEST_DELAY = timedelta(minutes=5)
JITTER = 0.25
"""Share of a delay by which it may be longer, so that many do not come back at once."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The target took it. `where`: the target's own words for it (channel and ts, Message-ID)."""

    where: Mapping[str, str] = field(default_factory=dict)
    found: bool = False
    """It was there already, from an attempt whose answer we never saw."""


class NotSent(Exception):  # noqa: N818  (an outcome, like Refused)
    """The target did not take it, or we cannot know."""

    def __init__(
        self,
        reason: str,
        *,
        permanent: bool = False,
        uncertain: bool = False,
        target_down: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason[:500]
        self.permanent = permanent
        """Trying again would change nothing: a person must act."""
        self.uncertain = uncertain
        """It may have arrived; look before sending again."""
        self.target_down = target_down
        """Not about this message: the target as a whole does not answer, or asks for patience."""
        self.retry_after = retry_after
        """Seconds that the target asked for."""


def delay(attempts: int, jitter: float) -> timedelta:
    """Wait after the n-th attempt: doubling from a second to five minutes, `jitter` in 0…1 on top."""
    doublings = min(max(attempts - 1, 0), 16)
    base: timedelta = min(LONGEST_DELAY, FIRST_DELAY * (1 << doublings))
    return base * (1 + JITTER * jitter)


def next_try(
    error: NotSent, *, attempts: int, queued_at: datetime, now: datetime, give_up_after: timedelta, jitter: float
) -> datetime | None:
    """When to try again (wall time); None when it has failed for good."""
    if error.permanent or now - queued_at >= give_up_after:
        return None
    asked = timedelta(seconds=error.retry_after) if error.retry_after is not None else timedelta()
    return now + (asked or delay(attempts, jitter))
