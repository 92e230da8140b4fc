"""Refs that no client owns: what waits for them, who they might be, and the person who says so."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from common.auth import Caller, requires
from common.contracts.errors import Refused
from common.db import SessionDep
from common.http import PROBLEMS, Once, Page, decode_cursor, encode_cursor
from common.http.pages import Cursor, Limit
from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel

from ingest import service
from ingest.api.clients import uuid_of
from ingest.api.models import RefOut
from ingest.repository import queries
from ingest.runtime import RuntimeDep

router = APIRouter(tags=["unmatched"])


class Candidate(BaseModel):
    """A client that might be meant; `reason` says why we think so. Never linked without a person."""

    client_id: UUID
    name: str | None
    domain: str | None
    reason: str


class UnmatchedOut(BaseModel):
    """A ref that no client owns, why nobody was found by the rules, and how many events wait for it."""

    id: UUID
    ref: RefOut
    hints: dict[str, str]
    reason: str
    first_seen_at: datetime
    last_seen_at: datetime
    waiting: int
    candidates: list[Candidate]


class Assignment(BaseModel):
    """Whose the ref is."""

    client_id: UUID


class Assigned(BaseModel):
    """How many events were released."""

    client_id: UUID
    released: int


@router.get("/v1/unmatched", summary="Refs that no client owns", dependencies=[requires("ingest:read")])
async def list_unmatched(
    session: SessionDep,
    runtime: RuntimeDep,
    limit: Limit = 100,
    cursor: Cursor = None,
    source: Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")] = None,
) -> Page[UnmatchedOut]:
    """Oldest first."""
    after = None
    if cursor:
        position = decode_cursor(cursor, "at", "id")
        after = (moment_of(position["at"]), uuid_of(position["id"]))
    rows = await queries.unmatched(session, after=after, limit=limit, source=source, shared=runtime.shared)
    items = [UnmatchedOut.model_validate(row) for row in rows]
    last = items[-1] if len(items) == limit else None
    return Page(items=items, next=encode_cursor({"at": last.first_seen_at, "id": last.id}) if last else None)


@router.post(
    "/v1/unmatched/{unmatched_id}/assign",
    summary="Say whose a ref is; what waited is released",
    dependencies=[requires("ingest:write")],
    response_model=Assigned,
    responses={404: PROBLEMS[404], 409: PROBLEMS[409]},
)
async def assign_unmatched(
    session: SessionDep, runtime: RuntimeDep, caller: Caller, once: Once, unmatched_id: UUID, body: Assignment
) -> Response:
    """Released events keep their own time, and are known from now on."""
    released = await service.assign(
        session, unmatched_id, body.client_id, runtime.clock.now(), runtime.shared, by=caller.subject
    )
    return await once.keep(Assigned(client_id=body.client_id, released=released))


def moment_of(value: object) -> datetime:
    """A moment inside a cursor."""
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise Refused("not a cursor of this list", field="cursor") from error
    if at.tzinfo is None:
        raise Refused("not a cursor of this list", field="cursor")
    return at
