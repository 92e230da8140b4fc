"""HTTP of health: parse → service → response."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from common.auth import Caller, requires
from common.clock import Clock
from common.contracts.base import UtcDatetime
from common.contracts.health import Band, Mode
from common.db import SessionDep
from common.errors import Refused
from common.http import PROBLEMS, Once, Page, decode_cursor, encode_cursor
from common.http.pages import Cursor, Limit
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from health import definitions_repository, reading, service, views

router = APIRouter(prefix="/v1", tags=["health"])

READ, WRITE = requires("health:read"), requires("health:write")
UNKNOWN: dict[int | str, dict[str, Any]] = {404: PROBLEMS[404]}
WEEKS_SHOWN = timedelta(days=28)


def business_now(request: Request) -> datetime:
    clock: Clock = request.app.state.clock
    return clock.now()


Now = Annotated[datetime, Depends(business_now)]


class Listed(BaseModel):
    """Filters of the client list."""

    model_config = ConfigDict(extra="forbid")

    band: Band | None = None
    tier: Literal["strategic", "core", "standard"] | None = None
    segment: Annotated[str, Field(max_length=300)] | None = None
    csm_email: Annotated[str, Field(max_length=320)] | None = None
    phase: Annotated[str, Field(max_length=100)] | None = None
    journey: Literal["on_track", "behind", "stuck"] | None = None
    name: Annotated[str, Field(max_length=200, description="Part of the name")] | None = None
    ended: bool | None = Field(False, description="Clients whose notice took effect")
    test: bool | None = None
    sort: reading.Sort = Field("score", description="A minus turns it round; equal values go by id")
    limit: Limit = 50
    cursor: Cursor = None


@router.get("/clients", dependencies=[READ], summary="Clients with their scores")
async def list_clients(query: Annotated[Listed, Query()], session: SessionDep, now: Now) -> Page[views.ClientView]:
    """Worst first unless asked otherwise."""
    after = None
    if query.cursor is not None:
        position = decode_cursor(query.cursor, "sort", "value", "id")
        if position["sort"] != query.sort:
            raise Refused("this cursor belongs to a list in another order", field="cursor")
        after = (_sort_value(query.sort, position["value"]), _uuid(position["id"]))
    wanted = reading.Filter(**query.model_dump(exclude={"sort", "limit", "cursor"}))
    items, following = await service.clients(session, wanted, query.sort, after, query.limit, now)
    cursor = None
    if following is not None:
        cursor = encode_cursor({"sort": query.sort, "value": following[0], "id": str(following[1])})
    return Page(items=items, next=cursor)


@router.get("/clients/{client_id}/health", dependencies=[READ], responses=UNKNOWN, summary="The score now")
async def get_health(client_id: UUID, session: SessionDep, now: Now) -> views.EvaluationView:
    """Score, band, confidence, components, signals, facts and the events behind them, at this moment."""
    return await service.health(session, client_id, now)


class Span(BaseModel):
    """Which evaluations, and how many of each day or week."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    since: UtcDatetime | None = Field(None, alias="from")
    until: UtcDatetime | None = Field(None, alias="to")
    mode: list[Mode] = Field([Mode.LIVE, Mode.HISTORIC, Mode.RESTATED])
    resolution: reading.Resolution = Field("all", description="day, week: the last of each")
    limit: Limit = 50
    cursor: Cursor = None


@router.get("/clients/{client_id}/health/history", dependencies=[READ], responses=UNKNOWN, summary="Scores before")
async def get_health_history(
    client_id: UUID, query: Annotated[Span, Query()], session: SessionDep
) -> Page[views.HistoryItem]:
    """Newest first; live ones as they were known then, historic and restated ones beside them, each marked."""
    after = None
    if query.cursor is not None:
        position = decode_cursor(query.cursor, "as_of", "mode")
        after = (_moment(position["as_of"]), str(position["mode"]))
    items = await service.history(
        session,
        client_id,
        since=query.since,
        until=query.until,
        modes=[mode.value for mode in query.mode],
        resolution=query.resolution,
        after=after,
        limit=query.limit + 1,
    )
    cursor = None
    if len(items) > query.limit:
        items = items[: query.limit]
        cursor = encode_cursor({"as_of": items[-1].as_of.isoformat(), "mode": items[-1].mode.value})
    return Page(items=items, next=cursor)


class Moments(BaseModel):
    """Two moments; left out: four weeks ago, and now."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    since: UtcDatetime | None = Field(None, alias="from")
    until: UtcDatetime | None = Field(None, alias="to")


@router.get("/clients/{client_id}/health/why", dependencies=[READ], responses=UNKNOWN, summary="Why it changed")
async def get_health_why(
    client_id: UUID, query: Annotated[Moments, Query()], session: SessionDep, now: Now
) -> views.WhyView:
    """Causes, strongest first, whose deltas sum exactly to the difference of the two scores."""
    end = min(query.until or now, now)
    return await service.explain(session, client_id, query.since or end - WEEKS_SHOWN, end)


@router.get("/clients/{client_id}/journey", dependencies=[READ], responses=UNKNOWN, summary="Phases and milestones")
async def get_journey(client_id: UUID, session: SessionDep, now: Now) -> views.JourneyView:
    """Where the client stands, and what is due from whom."""
    return await service.journey_of(session, client_id, now)


@router.get("/clients/{client_id}/blockers", dependencies=[READ], responses=UNKNOWN, summary="What holds it up")
async def list_blockers(client_id: UUID, session: SessionDep) -> Page[views.BlockerView]:
    """Open ones first."""
    return Page(items=await service.blockers(session, client_id))


class NewModel(BaseModel):
    """A health model in the YAML (or JSON) of `deploy/config/health`."""

    model_config = ConfigDict(extra="forbid")

    definition: str = Field(min_length=1, max_length=200_000, examples=["model: loop\nbands: …"])


class Publication(BaseModel):
    """Why this version goes into force."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=3, max_length=2000, pattern=r"^[^\x00]*$")] = Field(
        examples=["logins matter less since the API was launched"]
    )


@router.get("/models", dependencies=[READ], summary="Versions of the health models")
async def list_models(session: SessionDep) -> Page[views.DefinitionView]:
    """Newest first of each model; `active` is in force."""
    found = await definitions_repository.versions(session, definitions_repository.MODEL)
    return Page(items=[views.definition(row) for row in found])


@router.post(
    "/models",
    dependencies=[WRITE],
    status_code=201,
    responses={201: {"model": views.DefinitionView}},
    summary="Upload a model",
)
async def create_model(body: NewModel, session: SessionDep, caller: Caller, once: Once, now: Now) -> Response:
    """Checked and kept as a new version; nothing is scored with it until it is published."""
    row = await service.add_model(session, body.definition, by=caller.subject, now=now)
    return await once.keep(views.definition(row), 201)


@router.post(
    "/models/{model_id}/publish",
    dependencies=[WRITE],
    responses={200: {"model": views.DefinitionView}, **UNKNOWN},
    summary="Put a version in force",
)
async def publish_model(
    model_id: UUID, body: Publication, session: SessionDep, caller: Caller, once: Once, now: Now
) -> Response:
    """Every client is evaluated under it, a hundred a second; publishing an older version takes a newer one back."""
    row = await service.publish_model(session, model_id, by=caller.subject, reason=body.reason, now=now)
    return await once.keep(views.definition(row))


def _sort_value(sort: str, value: Any) -> Any:
    key = sort.removeprefix("-")
    if key in {"score", "mrr"} and not isinstance(value, int):
        raise Refused("not a cursor of this list", field="cursor")
    if key == "name" and not isinstance(value, str):
        raise Refused("not a cursor of this list", field="cursor")
    return _moment(value) if key == "as_of" else value


def _moment(value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise Refused("not a cursor of this list", field="cursor") from error
    if moment.tzinfo is None:
        raise Refused("not a cursor of this list", field="cursor")
    return moment


def _uuid(value: Any) -> UUID:
    try:
        return UUID(str(value))
    except ValueError as error:
        raise Refused("not a cursor of this list", field="cursor") from error
