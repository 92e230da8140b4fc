"""`/v1/holds`: moves for the worse that the breaker holds, until somebody releases or discards them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from common import timers
from common.auth import Caller
from common.contracts.health import Band, Cause
from common.db import SessionDep
from common.errors import Conflict
from common.http import Once, Page, encode_cursor
from common.http.pages import Cursor, Limit
from fastapi import APIRouter, Response
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from health import breaker, definitions_repository, holds_repository, repository
from health.asking import DECIDED, READ, UNKNOWN, WRITE, Decision, Now, id_in
from health.domain.hold import DISCARDED, OPEN, RELEASED, WEIGHING, Hold

router = APIRouter()
State = Literal["weighing", "open", "released", "discarded", "superseded"]
WAITING = [WEIGHING, OPEN]


class HoldView(BaseModel):
    """Moves for the worse that one feed or one publication made, and that are not told.

    weighing: a publication whose clients are being gone through; open: somebody has to decide.
    """

    id: UUID
    state: State
    kind: str = Field(description="feed or publication", examples=["feed"])
    name: str = Field(description="The source, or the model or journey map with its version", examples=["segment"])
    definition_id: UUID | None
    moved: int = Field(description="Clients that it moved to a worse band when that was told, those told of included")
    clients: int = Field(description="Of how many")
    limit_percent: float
    held: int = Field(description="Clients that it holds now")
    opened_at: datetime
    told_at: datetime | None = Field(description="When whoever is on call was told")
    decided_at: datetime | None
    decided_by: str | None
    reason: str | None


class HeldView(BaseModel):
    """A client whose move is held: what is said of it, and what was worked out."""

    client_id: UUID
    name: str | None
    since: datetime
    band_said: Band | None
    band: Band = Field(description="As worked out when it was last scored")
    cause: Cause


@router.get("/holds", dependencies=[READ], summary="Moves for the worse that are held")
async def list_holds(
    session: SessionDep, state: State | Literal["all"] | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[HoldView]:
    """Newest first; those that wait for a decision unless asked otherwise."""
    states = [*WAITING, RELEASED, DISCARDED, "superseded"] if state == "all" else [state] if state else WAITING
    found = await holds_repository.page(session, states, id_in(cursor), limit + 1)
    following = encode_cursor({"id": str(found[limit - 1].id)}) if len(found) > limit else None
    return Page(items=await _shown(session, found[:limit]), next=following)


@router.get("/holds/{hold_id}", dependencies=[READ], responses=UNKNOWN, summary="One hold")
async def get_hold(hold_id: UUID, session: SessionDep) -> HoldView:
    """Who moved how many clients, and who decided what."""
    return (await _shown(session, [await holds_repository.hold(session, hold_id)]))[0]


@router.get("/holds/{hold_id}/clients", dependencies=[READ], responses=UNKNOWN, summary="Clients of a hold")
async def list_held_clients(
    hold_id: UUID, session: SessionDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[HeldView]:
    """Those that it still holds, by id."""
    await holds_repository.hold(session, hold_id)
    found = await holds_repository.held_under(session, hold_id, id_in(cursor) or UUID(int=0), limit + 1)
    rows = await repository.clients(session, [each.client_id for each in found])
    items = [
        HeldView(
            client_id=each.client_id,
            name=rows[each.client_id].name,
            since=each.since,
            band_said=_band(rows[each.client_id].band),
            band=Band(each.band),
            cause=Cause(each.cause),
        )
        for each in found[:limit]
        if each.client_id in rows
    ]
    following = encode_cursor({"id": str(found[limit - 1].client_id)}) if len(found) > limit else None
    return Page(items=items, next=following)


@router.post(
    "/holds/{hold_id}/release",
    dependencies=[WRITE],
    responses={200: {"model": HoldView}, **DECIDED},
    summary="Tell what was held",
)
async def release_hold(
    hold_id: UUID, body: Decision, session: SessionDep, caller: Caller, once: Once, now: Now
) -> Response:
    """It is real: each change is told with the cause that it had, a hundred a second; what the same feed moves
    within the next hour is told at once."""
    return await once.keep(await _decide(session, hold_id, RELEASED, caller.subject, body.reason, now))


@router.post(
    "/holds/{hold_id}/discard",
    dependencies=[WRITE],
    responses={200: {"model": HoldView}, **DECIDED},
    summary="Never tell what was held",
)
async def discard_hold(
    hold_id: UUID, body: Decision, session: SessionDep, caller: Caller, once: Once, now: Now
) -> Response:
    """It is not real: what was said of these clients stays until their band changes once more."""
    return await once.keep(await _decide(session, hold_id, DISCARDED, caller.subject, body.reason, now))


def _band(name: str | None) -> Band | None:
    return None if name is None else Band(name)


async def _decide(session: AsyncSession, hold_id: UUID, state: str, by: str, reason: str, now: datetime) -> HoldView:
    try:
        hold, following = await breaker.decide(session, hold_id, state=state, by=by, reason=reason, now=now)
    except ValueError as error:
        raise Conflict(f"this hold is {error}: there is nothing to decide") from error
    await timers.schedule(session, following)
    return (await _shown(session, [hold]))[0]


async def _shown(session: AsyncSession, holds: list[Hold]) -> list[HoldView]:
    held = await holds_repository.count_held(session, [hold.id for hold in holds])
    return [await _view(session, hold, held.get(hold.id, 0)) for hold in holds]


async def _view(session: AsyncSession, hold: Hold, held: int) -> HoldView:
    kind, _, name = hold.mover.partition(":")
    definition_id = None if kind == "feed" else UUID(name)
    if definition_id is not None:
        definition, _ = await definitions_repository.read(session, definition_id)
        name = f"{definition.name} {definition.version}"
    return HoldView.model_validate(
        {
            "id": hold.id,
            "state": hold.state,
            "kind": "feed" if definition_id is None else "publication",
            "name": name,
            "definition_id": definition_id,
            "moved": hold.moved,
            "clients": hold.clients,
            "limit_percent": hold.percent,
            "held": held,
            "opened_at": hold.opened_at,
            "told_at": hold.told_at,
            "decided_at": hold.decided_at,
            "decided_by": hold.decided_by,
            "reason": hold.reason,
        }
    )
