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
from health.domain.journey import Item
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


def milestone_late(client_id: UUID, item: Item, days: int, at: int) -> Event[Any]:
    """`at` is the second at which this lateness was reached."""
    data = health.MilestoneLate(
        client_id=client_id,
        milestone=item.name,
        phase=item.phase or None,
        owner_email=item.owner,
        kpi=item.kpi,
        due_at=moment_of(item.due),
        days_late=days,
        as_of=moment_of(at),
    )
    return Event.of(
        data,
        id=derived_id("milestone_late", client_id, item.name, item.due, days),
        source=SOURCE,
        subject=client_id,
        time=moment_of(at),
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
    )


def _body(
    client_id: UUID, result: Evaluation, mode: Mode, caused_by: Sequence[UUID], change: Change | None
) -> dict[str, Any]:
    fresh = result.component_fresh()
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
        "components": [
            {"name": component.name, "weight": component.weight, "score": points(score), "fresh": fresh[nth]}
            for nth, (component, score) in enumerate(
                zip(result.model.components, result.component_scores(), strict=True)
            )
        ],
        "as_of": moment_of(result.now),
        "caused_by": list(caused_by),
    }
