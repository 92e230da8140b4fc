"""What people and programs read over HTTP. Field names are those of the contracts page."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from common.contracts.base import Money
from common.contracts.health import Band, Mode
from pydantic import BaseModel, Field

from health.definitions_repository import Definition
from health.domain.evaluate import Evaluation
from health.domain.model import Model
from health.domain.moments import moment_of
from health.repository import Client
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


class HeldNote(BaseModel):
    """A move for the worse that is not said outside: what is, and which hold keeps it (`/v1/holds/{id}`)."""

    hold_id: UUID
    state: str = Field(description="State of the hold", examples=["open"])
    since: datetime
    band_said: Band | None
    score_said: Score | None


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
    held: HeldNote | None = Field(None, description="The score is as worked out; events and the CRM still say another")


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
    hold_id: UUID | None = Field(None, description="The hold that keeps its move for the worse from being said")
    confidence: float
    as_of: datetime | None
    open_signs: int = Field(description="How many signs it shows: `GET /v1/clients/{id}/signs`", examples=[2])


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
        components=components_of(result.model, parts),
        data_age_seconds=data_age_seconds,
        stale_sources=stale_sources,
    )


def components_of(model: Model, parts: list[Any]) -> list[ComponentView]:
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


def client_item(row: Client, open_signs: int) -> ClientView:
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
        hold_id=row.hold_id,
        open_signs=open_signs,
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
