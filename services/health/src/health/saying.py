"""What is said of a client that was scored: now, or as it was said before while a move for the worse is held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from common.contracts.base import Event
from common.contracts.health import Mode

from health import metrics, telling
from health.domain.decision import Change, Standing, stand
from health.domain.evaluate import Evaluation
from health.domain.hold import Held
from health.domain.moments import moment_of
from health.domain.why import Move
from health.repository import Client, Row


@dataclass(frozen=True, slots=True)
class Asked:
    """Why a client is scored: by events or by time; quietly after an import; for what came late."""

    trigger: str
    caused_by: list[UUID] = field(default_factory=list)
    quiet: bool = False
    late: bool = False
    swept: str | None = None
    """The feed or publication (a mover of `domain.blast`) whose clients are being gone through."""


@dataclass(frozen=True, slots=True)
class Saying:
    """A client's new evaluation, ready to be said."""

    row: Client
    before: Standing | None
    result: Evaluation
    asked: Asked
    new_day: bool
    change: Change | None = None
    moves: Sequence[Move] = ()
    behind: Sequence[UUID] | None = None
    """The events behind a change that was held; None: those it was asked by."""


def say(saying: Saying) -> tuple[list[Event[Any]], list[Row]]:
    """Its events, and the row of history where there is news; the client stands where it was evaluated."""
    row, before, result, asked, change = saying.row, saying.before, saying.result, saying.asked, saying.change
    after = stand(before, result)
    news = saying.new_day or before is None or _said_of(before) != _said_of(after)
    events: list[Event[Any]] = []
    rows: list[Row] = []
    if asked.caused_by or news:
        events.append(telling.scored(row.client_id, result, Mode.LIVE, asked.caused_by, asked.trigger, change))
    if news:
        rows.append(telling.kept(row.client_id, result, Mode.LIVE, asked.caused_by, change))
    if change is not None:
        behind = asked.caused_by if saying.behind is None else saying.behind
        events.append(telling.band_changed(row.client_id, result, change, before, behind, saying.moves))
        metrics.BAND_CHANGES.labels(change.cause.value).inc()
    row.stands(after)
    row.hold_id = None
    return events, rows


def say_held(saying: Saying, held: Held, *, first: bool) -> tuple[list[Event[Any]], list[Row]]:
    """The score, band and components as last said, marked; history keeps what was worked out, marked too."""
    row, before, result, asked = saying.row, saying.before, saying.result, saying.asked
    if before is None:
        raise RuntimeError(f"{row.client_id} was never scored: there is nothing to hold")
    events: list[Event[Any]] = []
    rows: list[Row] = []
    if asked.caused_by or saying.new_day:
        events.append(telling.scored_held(row.client_id, before, held, result.now, asked.caused_by, asked.trigger))
    if first or saying.new_day or held.band != result.band:
        kept = telling.kept(row.client_id, result, Mode.LIVE, asked.caused_by)
        rows.append(replace(kept, held=held.hold_id))
    row.as_of = moment_of(result.now)
    row.hold_id = held.hold_id
    return events, rows


def _said_of(standing: Standing) -> tuple[Any, ...]:
    return (standing.model, standing.model_version, standing.score, standing.band, standing.confidence)
