"""What is a move for the worse, who moved a client, and how many clients one mover may move at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from common.contracts.base import Event
from common.contracts.health import Cause
from common.contracts.ids import derived_id

from health.domain.decision import Change
from health.domain.evaluate import UNKNOWN, Evaluation
from health.domain.model import Model

WINDOW = timedelta(hours=1)
RANK = {"green": 0, "healthy": 0, "amber": 1, "stable": 1, "red": 2, "at_risk": 2, "critical": 3}
"""Bands of all models on one scale, best first; `unknown` has no rank."""
LOW = 2
"""Bands of this rank or more are below 60 in the shipped models: somebody has to act."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many clients one feed or one publication may move to a worse band within `WINDOW` without being stopped."""

    percent: float = 10.0
    least_clients: int = 5
    """Fewer are never too many, however few clients there are."""

    def exceeded(self, moved: int, clients: int) -> bool:
        return moved >= self.least_clients and moved * 100 > self.percent * clients


def worse(known_before: str | None, band: str) -> bool:
    """Whether a client is in a worse band than the one it was last known to be in. `unknown` is never worse."""
    return known_before is not None and band != UNKNOWN and RANK[band] > RANK[known_before]


def feed(source: str) -> str:
    """The mover that a source is: its name without `csl/ingest/`."""
    return f"feed:{source.rpartition('/')[2]}"


def publication(model: Model) -> str:
    """The mover that a published version of a model is."""
    return f"definition:{derived_id('definition', 'model', model.name, model.version)}"


def movers(
    change: Change,
    result: Evaluation,
    passed: Evaluation | None,
    swept: str | None,
    events: Sequence[Event[Any]],
    without: Callable[[str], str] | None,
) -> tuple[str, ...]:
    """Which feed or publication moved a client; none where it was time.

    `passed`: its state before these events, evaluated now. `swept`: the feed or publication whose clients are being
    gone through. `without(feed)`: the band had that feed's events not come; None where that cannot be told.
    """
    if change.cause is Cause.MODEL and (passed is None or _same(passed.model, result.model)):
        return (publication(result.model),)
    if swept is not None:
        return (swept,)
    if change.cause in (Cause.TIME, Cause.MISSING_DATA):
        return ()
    feeds = sorted({feed(event.source) for event in events})
    if len(feeds) < 2 or without is None:  # one alone, or no way to tell them apart
        return tuple(feeds)
    alone = tuple(name for name in feeds if not worse(change.known_before, without(name)))
    return alone or tuple(feeds)


def _same(one: Model, other: Model) -> bool:
    return (one.name, one.version) == (other.name, other.version)
