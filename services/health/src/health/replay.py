"""Scores of the past from a file of client events, without a database: what churn is trained and tested on.

The same fold, the same model and the same journey as live; only how facts get there is another, since a file has
hundreds of thousands of them. At each moment counts what was known then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from health import definitions
from health.book import Book
from health.domain import past
from health.domain.evaluate import Evaluation, evaluate
from health.domain.model import POINT
from health.domain.moments import moment_of
from health.recall import EPOCH, MICRO, Happened, Recall

WEEK = 7


class Replayed(NamedTuple):
    """A score of the past: the second (since 1970) at which it counts, and the body of a `scored` event."""

    second: int
    data: dict[str, Any]


def shipped_book(config_dir: Path) -> Book:
    """The models and journeys of a configuration folder, as version 1 each."""
    models, journeys = definitions.shipped(config_dir / "health")
    return Book(
        tuple(definitions.model_from(text).compiled(1) for text in models),
        tuple(definitions.journey_from(text).compiled(1) for text in journeys),
    )


def replay(
    events: Sequence[Happened], book: Book, client_id: str, *, until: int, every_days: int = WEEK
) -> Iterator[Replayed]:
    """One client's scores at every UTC midnight of the grid, up to the second `until` (since 1970).

    `events` in the order of the contracts. Nothing is scored after the client's end, unless it
    comes back.
    """
    if not events:
        return
    moments = past.day_ends(EPOCH + events[0].time // MICRO, EPOCH + until, every_days)
    recall = Recall(events)
    for moment in moments:
        state = recall.to(moment)
        if state.first is None:
            continue
        if past.ended(state, moment):
            continue  # it may take its cancellation back
        model, template = book.choice(state)
        yield Replayed(moment - EPOCH, scored(client_id, evaluate(model, state, moment, None, template)))


def scored(client_id: str, result: Evaluation) -> dict[str, Any]:
    """The body of a historic `scored` event, as JSON."""
    fresh = result.component_fresh()
    return {
        "client_id": client_id,
        "mode": "historic",
        "model": result.model.name,
        "model_version": result.model.version,
        "score": None if result.score is None else result.score / POINT,
        "band": result.band,
        "confidence": result.confidence / 1000,
        "components": [
            {"name": part.name, "weight": part.weight, "score": None if own is None else own / POINT, "fresh": fresh[n]}
            for n, (part, own) in enumerate(zip(result.model.components, result.component_scores(), strict=True))
        ],
        "as_of": moment_of(result.now).isoformat(),
        "caused_by": [],
    }
