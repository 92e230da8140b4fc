"""What people and programs read over HTTP. Field names are those of the contracts page."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from common.contracts.base import Money
from common.contracts.health import Band, Cause, Mode
from pydantic import BaseModel, Field

from health.definitions_repository import Definition
from health.domain.evaluate import Evaluation
from health.domain.model import Model
from health.domain.moments import moment_of
from health.repository import Client, Row
from health.telling import points, uuids

Score = Annotated[float, Field(ge=0, le=100, examples=[71.5], description="0-100, higher is healthier; exact")]


class SignalView(BaseModel):
    """One measured fact turned into 0-100."""

    name: str = Field(examples=["days_since_login"])
    weight: int = Field(description="Among the signals of its component", examples=[25])
    fact: float | None = Field(description="As measured, in the fact's own unit; null: absent", examples=[12])
    score: Score | None
    fresh: bool
    state: str = Field(description="fresh, stale or absent", examples=["fresh"])
    says: str | None = Field(description="The fact in words", examples=["no login for 12 days"])
    events: list[UUID] = Field(description="The events behind the fact, the latest of them")


class ComponentView(BaseModel):
    """A weighted group of signals."""

    name: str = Field(examples=["usage"])
    weight: int = Field(examples=[35])
    score: Score | None
    fresh: bool
    signals: list[SignalView]


class EvaluationView(BaseModel):
    """A score with all that it is made of."""

    client_id: UUID
    mode: Mode
    model: str = Field(examples=["loop"])
    model_version: int = Field(examples=[1])
    score: Score | None
    band: Band
    confidence: float = Field(ge=0, le=1, description="Share of the weight that is fresh and real")
    as_of: datetime
    components: list[ComponentView]
    data_age_seconds: int | None = Field(description="Since the quietest source that feeds this client was heard")
    stale_sources: list[str] = Field(default=[], description="Sources that are silent for longer than they should be")


class HistoryItem(EvaluationView):
    """An evaluation of the past."""

    band_before: Band | None = Field(None, description="Set where this evaluation changed the band")
    cause: Cause | None = None
    caused_by: list[UUID] = []


class CauseView(BaseModel):
    """One cause of a difference. Deltas of an answer sum exactly to the difference."""

    kind: Cause
    signal: str | None
    delta: float = Field(description="Points; a multiple of 1/16", examples=[-6.1875])
    text: str = Field(examples=["no login for 12 days (was: no login for 2 days): −6.2"])
    events: list[UUID]


class WhyView(BaseModel):
    """Why a score is another than it was. A score that is null counts as 0 in the sum."""

    score_from: Score | None
    score_to: Score | None
    from_: datetime = Field(serialization_alias="from")
    to: datetime
    causes: list[CauseView]


class ClientView(BaseModel):
    """A client in a list."""

    client_id: UUID
    name: str | None
    tier: str | None
    segment: str | None
    csm_email: str | None
    test: bool
    ended: bool
    mrr: Money | None
    phase: str | None
    journey: str | None
    model: str | None
    score: Score | None
    band: Band | None = Field(description="Null: imported, not evaluated yet")
    confidence: float
    as_of: datetime | None


class MilestoneView(BaseModel):
    """A milestone with its owner, its KPI and its due time."""

    milestone: str
    title: str
    phase: str
    owner_email: str
    kpi: str
    due_at: datetime
    due_on: date = Field(description="The last day on which it is in time")
    due_at_first: datetime = Field(description="Before anybody rescheduled it")
    rescheduled: int = Field(description="How often it was moved")
    state: str = Field(description="done, done_late, pending or late")
    done_at: datetime | None
    days_late: int | None = Field(description="Whole days past due, done or not; null when in time")
    kpi_value: float | None
    event: UUID | None


class PhaseView(BaseModel):
    """A phase of the journey."""

    phase: str
    title: str
    current: bool
    milestones: list[MilestoneView]


class JourneyView(BaseModel):
    """Where a client stands on its journey."""

    client_id: UUID
    journey: str
    journey_version: int
    phase: str | None
    standing: str = Field(description="on_track, behind or stuck")
    contract_started_on: date | None
    renewal_on: date | None
    phases: list[PhaseView]


class BlockerView(BaseModel):
    """What holds or held a client up."""

    blocker_id: str
    kind: str
    severity: str
    owner_email: str | None
    impact_days: float | None
    opened_at: datetime
    resolved_at: datetime | None
    hours_to_resolve: float | None
    root_cause: str | None
    prevention: str | None


class DefinitionView(BaseModel):
    """A version of a model."""

    id: UUID
    model: str
    version: int
    active: bool
    created_at: datetime
    created_by: str
    published_at: datetime | None
    published_by: str | None
    reason: str | None


def evaluation(
    client_id: UUID, result: Evaluation, *, data_age_seconds: int | None, stale_sources: list[str]
) -> EvaluationView:
    """An evaluation worked out just now."""
    parts = [
        None if m is None else [m.value, result.scores[n], result.fresh >> n & 1, [k for k in m.marks if k]]
        for n, m in enumerate(result.measures)
    ]
    return EvaluationView(
        client_id=client_id,
        mode=Mode.LIVE,
        model=result.model.name,
        model_version=result.model.version,
        score=points(result.score),
        band=Band(result.band),
        confidence=result.confidence / 1000,
        as_of=moment_of(result.now),
        components=_components(result.model, parts),
        data_age_seconds=data_age_seconds,
        stale_sources=stale_sources,
    )


def history_item(row: Row, model: Model) -> HistoryItem:
    """An evaluation as it was kept, under the model that made it."""
    return HistoryItem(
        client_id=row.client_id,
        mode=Mode(row.mode),
        model=row.model,
        model_version=row.model_version,
        score=points(row.score),
        band=Band(row.band),
        confidence=row.confidence / 1000,
        as_of=row.as_of,
        components=_components(model, row.parts),
        data_age_seconds=None,
        band_before=Band(row.band_before) if row.band_before else None,
        cause=Cause(row.cause) if row.cause else None,
        caused_by=row.caused_by,
    )


def _components(model: Model, parts: list[Any]) -> list[ComponentView]:
    components, first = [], 0
    for component in model.components:
        mine = parts[first : first + len(component.signals)]
        there = [(signal, part) for signal, part in zip(component.signals, mine, strict=True) if part is not None]
        weight = sum(signal.weight for signal, _ in there)
        score = sum(signal.weight * part[1] for signal, part in there) // weight if weight else None
        components.append(
            ComponentView(
                name=component.name,
                weight=component.weight,
                score=points(score),
                fresh=bool(there) and all(part[2] for _, part in there),
                signals=[_signal(signal, part) for signal, part in zip(component.signals, mine, strict=True)],
            )
        )
        first += len(component.signals)
    return components


def _signal(signal: Any, part: list[Any] | None) -> SignalView:
    if part is None:
        return SignalView(
            name=signal.name,
            weight=signal.weight,
            fact=None,
            score=None,
            fresh=False,
            state="absent",
            says=None,
            events=[],
        )
    value, score, fresh, marks = part
    return SignalView(
        name=signal.name,
        weight=signal.weight,
        fact=value / signal.fact.scale,
        score=points(score),
        fresh=bool(fresh),
        state="fresh" if fresh else "stale",
        says=signal.fact.say(value),
        events=uuids(marks),
    )


def client_item(row: Client) -> ClientView:
    """A row of the list."""
    return ClientView(
        client_id=row.client_id,
        name=row.name,
        tier=row.tier,
        segment=row.segment,
        csm_email=row.csm_email,
        test=row.test,
        ended=row.ended,
        mrr=Money(amount=row.mrr, currency=row.mrr_currency) if row.mrr_currency else None,
        phase=row.phase,
        journey=row.journey,
        model=row.model,
        score=points(row.score),
        band=Band(row.band) if row.band else None,
        confidence=row.confidence / 1000,
        as_of=row.as_of,
    )


def definition(row: Definition) -> DefinitionView:
    """A version of a model."""
    return DefinitionView(
        id=row.id,
        model=row.name,
        version=row.version,
        active=row.active,
        created_at=row.created_at,
        created_by=row.created_by,
        published_at=row.published_at,
        published_by=row.published_by,
        reason=row.reason,
    )
