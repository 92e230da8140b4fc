"""What people and programs read of a client's past: evaluations as they were kept, and why a score is another."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from common.contracts.health import Band, Cause, Mode
from pydantic import BaseModel, Field

from health.domain.model import POINT, Model
from health.domain.walk import Move
from health.past_repository import Kept
from health.repository import Row
from health.telling import points, uuids
from health.views import EvaluationView, Score, components_of


class PastView(EvaluationView):
    """An evaluation of the past, as it was kept."""

    band_before: Band | None = Field(None, description="Set where this evaluation changed the band")
    cause: Cause | None = None
    caused_by: list[UUID] = Field(default_factory=list)
    held_by: UUID | None = Field(None, description="The hold that kept it from being said: it is what was worked out")


class HistoryItem(PastView):
    """One evaluation, or the last one of a day or week; beside it the same day or week as it reads today."""

    day: date = Field(description="The UTC day it is of; of weeks their Monday. Midnight ends the day before")
    model_before: str | None = Field(None, description="Set where the item before has another model or version")
    model_version_before: int | None = None
    restated: PastView | None = Field(
        None, description="Of days and weeks: as worked out again since late, withdrawn or merged facts came in"
    )


class CauseView(BaseModel):
    """One cause of a difference. Deltas of an answer sum exactly to the difference."""

    kind: Cause
    signal: str | None = Field(description="Null: it moved everything at once (another model, a first score)")
    delta: float = Field(description="Points; a multiple of 1/16", examples=[-4.125])
    text: str = Field(examples=["no login since 9 Nov (12 days; was 2): −4.1"])
    events: list[UUID] = Field(description="The events behind it, the latest of them")


class KeptView(BaseModel):
    """What had been said last at a moment."""

    mode: Mode
    as_of: datetime
    score: Score | None
    band: Band
    model: str
    model_version: int


class WhyView(BaseModel):
    """Why a score is another than it was. A score that is null counts as 0 in the sum."""

    client_id: UUID
    score_from: Score | None = Field(description="Of what was known at that moment, to the second")
    score_to: Score | None
    from_: datetime = Field(serialization_alias="from")
    to: datetime
    causes: list[CauseView]
    kept_from: KeptView | None = Field(description="The evaluation that was kept last by then; it may be older")
    kept_to: KeptView | None


def past(row: Row, model: Model) -> PastView:
    """An evaluation as it was kept, under the model that made it."""
    return PastView(**_body(row, model))


def history_item(kept: Kept, model: Model, restated: PastView | None) -> HistoryItem:
    """The same as an item of a list."""
    return HistoryItem(
        **_body(kept.row, model),
        day=kept.span.date(),
        model_before=kept.model_before,
        model_version_before=kept.version_before,
        restated=restated,
    )


def _body(row: Row, model: Model) -> dict[str, object]:
    return {
        "client_id": row.client_id,
        "mode": Mode(row.mode),
        "model": row.model,
        "model_version": row.model_version,
        "score": points(row.score),
        "band": Band(row.band),
        "confidence": row.confidence / 1000,
        "as_of": row.as_of,
        "components": components_of(model, row.parts),
        "data_age_seconds": None,
        "band_before": Band(row.band_before) if row.band_before else None,
        "cause": Cause(row.cause) if row.cause else None,
        "caused_by": row.caused_by,
        "held_by": row.held,
    }


def kept(row: Row | None) -> KeptView | None:
    """An evaluation in short."""
    if row is None:
        return None
    return KeptView(
        mode=Mode(row.mode),
        as_of=row.as_of,
        score=points(row.score),
        band=Band(row.band),
        model=row.model,
        model_version=row.model_version,
    )


def cause(move: Move) -> CauseView:
    """A move as people read it."""
    return CauseView(
        kind=move.kind, signal=move.signal, delta=move.delta / POINT, text=move.text, events=uuids(move.marks)
    )
