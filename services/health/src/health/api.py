"""HTTP of health: parse → service → response."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from common.auth import requires
from common.clock import Clock
from common.contracts.client.delivery import Phase
from common.contracts.health import Band
from common.db import SessionDep
from common.errors import Refused
from common.http import PROBLEMS, Page, decode_cursor, encode_cursor
from common.http.pages import Cursor, Limit
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from health import backtests_api, holds_api, journeys_api, models_api, norms, past_api, reading, service, views
from health.asking import NO_NUL

router = APIRouter(prefix="/v1", tags=["health"])

READ, WRITE = requires("health:read"), requires("health:write")
UNKNOWN: dict[int | str, dict[str, Any]] = {404: PROBLEMS[404]}


def business_now(request: Request) -> datetime:
    clock: Clock = request.app.state.clock
    return clock.now()


Now = Annotated[datetime, Depends(business_now)]
LARGEST = {"score": 2**31 - 1, "mrr": 2**63 - 1}
"""What their columns hold."""


class Listed(BaseModel):
    """Filters of the client list."""

    model_config = ConfigDict(extra="forbid")

    band: Band | None = None
    tier: Literal["strategic", "core", "standard"] | None = None
    segment: Annotated[str, Field(max_length=300, pattern=NO_NUL)] | None = None
    csm_email: Annotated[str, Field(max_length=320, pattern=NO_NUL)] | None = None
    phase: Phase | None = None
    journey: Literal["on_track", "behind", "stuck"] | None = None
    name: Annotated[str, Field(max_length=200, pattern=NO_NUL, description="Part of the name")] | None = None
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


def _sort_value(sort: str, value: Any) -> Any:
    key = sort.removeprefix("-")
    if key in LARGEST and not (isinstance(value, int) and abs(value) <= LARGEST[key]):
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


for part in (past_api, journeys_api, models_api, norms, holds_api, backtests_api):
    router.include_router(part.router)
