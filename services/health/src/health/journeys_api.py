"""HTTP of journeys and blockers: parse → use case → response."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from uuid import UUID

from common.auth import Caller
from common.contracts.base import UtcDatetime
from common.contracts.client.delivery import Phase
from common.db import SessionDep
from common.http import PROBLEMS, Once, Page
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from health import journeys, onboardings
from health import views_journey as views
from health.asking import NO_NUL, READ, UNKNOWN, WRITE, Now, Reason

router = APIRouter()
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""No span that is left out begins before."""
QUARTER, HALF_YEAR = timedelta(days=91), timedelta(days=182)


@router.get("/clients/{client_id}/journey", dependencies=[READ], responses=UNKNOWN, summary="Phases and milestones")
async def get_journey(client_id: UUID, session: SessionDep, now: Now) -> views.JourneyView:
    """Where the client stands and why, since when it is in each phase, and what is due from whom."""
    return await journeys.journey_of(session, client_id, now)


class NewPhase(BaseModel):
    """Where the client is, and why the rules are wrong about it."""

    model_config = ConfigDict(extra="forbid")

    phase: Phase
    reason: Reason = Field(examples=["the automation was switched off again: we start over with them"])


@router.post(
    "/clients/{client_id}/journey/phase",
    dependencies=[WRITE],
    responses={200: {"model": views.PhaseMove}, 404: PROBLEMS[404], 409: PROBLEMS[409]},
    summary="Say in which phase a client is",
)
async def move_phase(
    client_id: UUID, body: NewPhase, session: SessionDep, caller: Caller, once: Once, now: Now
) -> Response:
    """Kept with who and why, and published. The rules move the client on once they say something new."""
    moved = await journeys.move(session, client_id, body.phase.value, reason=body.reason, by=caller.subject, now=now)
    return await once.keep(moved)


@router.get("/clients/{client_id}/blockers", dependencies=[READ], responses=UNKNOWN, summary="What holds it up")
async def list_blockers(client_id: UUID, session: SessionDep) -> Page[views.BlockerView]:
    """Open ones first."""
    return Page(items=await journeys.blockers(session, client_id))


class Opened(BaseModel):
    """Which blockers; left out: those opened in the last 91 days."""

    model_config = ConfigDict(extra="forbid")

    since: UtcDatetime | None = None
    until: UtcDatetime | None = None
    most: int = Field(5, ge=1, le=50, description="Root causes and preventions told of each kind")


@router.get("/blockers/statistics", dependencies=[READ], summary="Blockers by kind")
async def get_blocker_statistics(
    query: Annotated[Opened, Query()], session: SessionDep, now: Now
) -> views.BlockerStatisticsView:
    """How many, how long they took, what they cost, and what people learned from them; test clients do not count."""
    until = query.until or now
    since = query.since or max(until, EPOCH + QUARTER) - QUARTER
    return await journeys.blocker_statistics(session, since, until, query.most)


class Began(BaseModel):
    """Which clients; left out: those whose contract began in the last 182 days."""

    model_config = ConfigDict(extra="forbid")

    since: date | None = None
    until: date | None = Field(None, description="The day after the last")
    segment: Annotated[str, Field(max_length=300, pattern=NO_NUL)] | None = Field(
        None, description="All on the journey map of it"
    )


@router.get("/journey/metrics", dependencies=[READ], summary="How onboardings go")
async def get_onboarding_metrics(
    query: Annotated[Began, Query()], session: SessionDep, now: Now
) -> views.OnboardingMetricsView:
    """Speed, quality, engagement, business and efficiency, each with its target, its red flag and what it is of."""
    until = query.until or now.date() + timedelta(days=1)
    since = query.since or max(until, EPOCH.date() + HALF_YEAR) - HALF_YEAR
    return await onboardings.metrics(session, since, until, query.segment, now)
