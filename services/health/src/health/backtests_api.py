"""`/v1/backtests`: a candidate model on past states, as known then, beside what is in force."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from common.auth import Caller
from common.contracts.base import UtcDatetime
from common.db import SessionDep
from common.errors import Conflict, NotFound, Refused
from common.http import Once, Page, encode_cursor
from common.http.pages import Cursor, Limit
from common.ids import new_id
from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from health import backtest, backtests_repository, definitions, definitions_repository, publishing
from health.asking import DECIDED, READ, UNKNOWN, WRITE, Now, id_in
from health.backtests_repository import CANCELED, UNDER_WAY, WAITING, Backtest

router = APIRouter()

MOST_UNDER_WAY = 10
FIRST = UUID(int=0)


class BacktestIn(BaseModel):
    """The candidate, as YAML or as a version that was uploaded; and the span of weeks."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    definition: str | None = Field(None, min_length=1, max_length=200_000, examples=["model: loop\nbands: …"])
    model_id: UUID | None = None
    since: UtcDatetime | None = Field(None, alias="from", description="Left out: 52 weeks before the end")
    until: UtcDatetime | None = Field(None, alias="to", description="Left out: now")


class BacktestView(BaseModel):
    """A backtest. `state`: waiting, running, done, failed or canceled."""

    id: UUID
    state: str
    model: str
    from_: datetime = Field(serialization_alias="from")
    to: datetime
    asked_at: datetime
    asked_by: str
    clients: int = Field(description="To be looked at")
    clients_done: int
    finished_at: datetime | None
    error: str | None
    report: dict[str, Any] | None = Field(description="docs/what-if.md says what each figure means")


@router.post(
    "/backtests",
    dependencies=[WRITE],
    status_code=202,
    responses={202: {"model": BacktestView}, **DECIDED},
    summary="Try a model on the past",
)
async def ask_backtest(body: BacktestIn, session: SessionDep, caller: Caller, once: Once, now: Now) -> Response:
    """A job of the worker: `GET /v1/backtests/{id}` tells how far it is. 409 while ten are under way."""
    text = await _candidate(session, body)
    book = await definitions_repository.book(session)
    model = definitions.model_from(text)
    publishing.with_model(book, model.compiled(0))
    backtest.grid(body.since, body.until, now)  # refuses spans that are none
    if await backtests_repository.count_under_way(session) >= MOST_UNDER_WAY:
        raise Conflict(f"{MOST_UNDER_WAY} backtests are under way: wait for one, or cancel it")
    asked = Backtest(
        id=new_id(),
        state=WAITING,
        text=text,
        model=model.model,
        book=await definitions_repository.in_force(session),
        since=body.since or min(body.until or now, now) - backtest.WEEKS,
        until=min(body.until or now, now),
        asked_at=now,
        asked_by=caller.subject,
        clients=await backtests_repository.count_clients(session),
        clients_done=0,
        after=FIRST,
        attempts=0,
    )
    await backtests_repository.ask(session, asked)
    return await once.keep(_view(asked).model_dump(by_alias=True), 202)


async def _candidate(session: AsyncSession, body: BacktestIn) -> str:
    if (body.definition is None) == (body.model_id is None):
        raise Refused("name the candidate: `definition` or `model_id`", field="definition")
    if body.model_id is None:
        return body.definition or ""
    definition, text = await definitions_repository.read(session, body.model_id)
    if definition.kind != definitions_repository.MODEL:
        raise NotFound("there is no such model")
    return text


@router.get("/backtests", dependencies=[READ], summary="Backtests")
async def list_backtests(session: SessionDep, limit: Limit = 20, cursor: Cursor = None) -> Page[BacktestView]:
    """Newest first."""
    found = await backtests_repository.page(session, id_in(cursor), limit + 1)
    following = encode_cursor({"id": str(found[limit - 1].id)}) if len(found) > limit else None
    return Page(items=[_view(each) for each in found[:limit]], next=following)


@router.get("/backtests/{backtest_id}", dependencies=[READ], responses=UNKNOWN, summary="How far it is, what it found")
async def get_backtest(backtest_id: UUID, session: SessionDep) -> BacktestView:
    """With the report once it is done."""
    return _view(await backtests_repository.backtest(session, backtest_id))


@router.post(
    "/backtests/{backtest_id}/cancel",
    dependencies=[WRITE],
    responses={200: {"model": BacktestView}, **DECIDED},
    summary="Stop it",
)
async def cancel_backtest(backtest_id: UUID, session: SessionDep, once: Once, now: Now) -> Response:
    """409 if it is over."""
    held = await backtests_repository.backtest(session, backtest_id, lock=True)
    if held.state not in UNDER_WAY:
        raise Conflict(f"this backtest is {held.state}")
    await backtests_repository.change(session, backtest_id, state=CANCELED, finished_at=now)
    await backtests_repository.drop_parts(session, backtest_id)
    found = await backtests_repository.backtest(session, backtest_id)
    return await once.keep(_view(found).model_dump(by_alias=True))


def _view(found: Backtest) -> BacktestView:
    return BacktestView(
        id=found.id,
        state=found.state,
        model=found.model,
        from_=found.since,
        to=found.until,
        asked_at=found.asked_at,
        asked_by=found.asked_by,
        clients=found.clients,
        clients_done=found.clients_done,
        finished_at=found.finished_at,
        error=found.error,
        report=found.report,
    )
