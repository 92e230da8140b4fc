"""What health says on the bus, made of evaluations; and how an evaluation is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from common.contracts import health
from common.contracts.base import Event, Origin
from common.contracts.health import Mode
from common.contracts.ids import derived_id

from health.domain.decision import Change, Standing
from health.domain.evaluate import Evaluation
from health.domain.facts import Measure
from health.domain.hold import Held, Hold
from health.domain.model import POINT
from health.domain.moments import moment_of
from health.domain.why import Move
from health.repository import Row

SOURCE = "csl/health"
MOVES_TOLD = 6


def points(sixteenths: int | None) -> float | None:
    """A score as people read it: exact, since sixteenths are."""
    return None if sixteenths is None else sixteenths / POINT


def uuids(marks: Sequence[str | None]) -> list[UUID]:
    """Event ids behind a figure, each once, newest kept as they come."""
    return [UUID(mark) for mark in dict.fromkeys(mark for mark in marks if mark)]


def scored(
    client_id: UUID,
    result: Evaluation,
    mode: Mode,
    caused_by: Sequence[UUID],
    asked: str,
    change: Change | None = None,
) -> Event[Any]:
    """One evaluation. `asked` tells evaluations apart that no event caused (a timer, an import)."""
    data = health.Scored(**_body(client_id, result, mode, caused_by, change))
    as_of = moment_of(result.now)
    cause = list(caused_by) if caused_by and mode is Mode.LIVE else [as_of.isoformat(), asked]
    return Event.of(
        data,
        id=derived_id("scored", client_id, mode, *cause),
        source=SOURCE,
        subject=client_id,
        time=as_of,
        origin=Origin.LIVE if mode is Mode.LIVE else Origin.IMPORT,
    )


def scored_held(
    client_id: UUID, said: Standing, held: Held, now: int, caused_by: Sequence[UUID], asked: str
) -> Event[Any]:
    """An evaluation that is held: score, band and components as they were last said, with the hold that keeps them."""
    as_of = moment_of(now)
    data = health.Scored.model_validate(
        {
            "client_id": client_id,
            "mode": Mode.LIVE,
            "model": said.model,
            "model_version": said.model_version,
            "score": points(said.score),
            "band": said.band,
            "confidence": said.confidence / 1000,
            "components": held.components,
            "as_of": as_of,
            "caused_by": list(caused_by),
            "held": held.hold_id,
        }
    )
    cause: list[object] = list(caused_by) if caused_by else [as_of.isoformat(), asked]
    return Event.of(
        data, id=derived_id("scored", client_id, Mode.LIVE, *cause), source=SOURCE, subject=client_id, time=as_of
    )


def changes_held(
    hold: Hold, *, source: str | None = None, model: str | None = None, version: int | None = None
) -> Event[Any]:
    """One feed or one publication moves too many clients at once: that waits for a person."""
    at = hold.told_at or hold.opened_at
    data = health.ChangesHeld(
        hold_id=hold.id,
        source=source,
        model=model,
        model_version=version,
        moved=hold.moved,
        clients=hold.clients,
        limit_percent=float(hold.percent),
        as_of=at,
    )
    return Event.of(data, id=derived_id("changes_held", hold.id), source=SOURCE, subject=f"hold:{hold.id}", time=at)


def band_changed(
    client_id: UUID,
    result: Evaluation,
    change: Change,
    before: Standing | None,
    caused_by: Sequence[UUID],
    moves: Sequence[Move],
) -> Event[Any]:
    """A live change of band, with what moved the score."""
    data = health.BandChanged(
        **_body(client_id, result, Mode.LIVE, caused_by, change),
        score_before=points(before.score if before else None),
        last_known_band=change.known_before,
        moves=[told(move) for move in moves[:MOVES_TOLD]],
    )
    as_of = moment_of(result.now)
    return Event.of(
        data,
        id=derived_id("band_changed", client_id, as_of.isoformat(), change.before, result.band),
        source=SOURCE,
        subject=client_id,
        time=as_of,
    )


def told(move: Move) -> health.Move:
    return health.Move(
        kind=move.kind,
        signal=move.signal,
        delta=move.delta / POINT,
        text=move.text,
        events=tuple(uuids(move.marks)),
    )


def kept(
    client_id: UUID,
    result: Evaluation,
    mode: Mode,
    caused_by: Sequence[UUID] = (),
    change: Change | None = None,
) -> Row:
    """An evaluation as a row of history; of the past without the events behind it, which its facts tell as well."""

    def marks(measure: Measure) -> list[str]:
        return [mark for mark in measure.marks if mark] if mode is Mode.LIVE else []

    return Row(
        client_id=client_id,
        as_of=moment_of(result.now),
        mode=mode.value,
        model=result.model.name,
        model_version=result.model.version,
        score=result.score,
        band=result.band,
        confidence=result.confidence,
        band_before=change.before if change else None,
        cause=change.cause.value if change else None,
        caused_by=list(caused_by),
        parts=[
            None if measure is None else [measure.value, score, result.fresh >> nth & 1, marks(measure)]
            for nth, (measure, score) in enumerate(zip(result.measures, result.scores, strict=True))
        ],
        journey=result.template.label,
        variant=result.model.variant,
    )


def _body(
    client_id: UUID, result: Evaluation, mode: Mode, caused_by: Sequence[UUID], change: Change | None
) -> dict[str, Any]:
    return {
        "client_id": client_id,
        "mode": mode,
        "model": result.model.name,
        "model_version": result.model.version,
        "score": points(result.score),
        "band": result.band,
        "band_before": change.before if change else None,
        "cause": change.cause if change else None,
        "confidence": result.confidence / 1000,
        "components": components(result),
        "as_of": moment_of(result.now),
        "caused_by": list(caused_by),
    }


def components(result: Evaluation) -> list[dict[str, Any]]:
    """Its components, as they are said."""
    fresh = result.component_fresh()
    return [
        {"name": component.name, "weight": component.weight, "score": points(score), "fresh": fresh[nth]}
        for nth, (component, score) in enumerate(zip(result.model.components, result.component_scores(), strict=True))
    ]
