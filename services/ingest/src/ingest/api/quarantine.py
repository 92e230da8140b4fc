"""Signed bodies, or events of them, that we could not read."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from common.auth import requires
from common.contracts.base import UtcDatetime
from common.db import SessionDep
from common.http import PROBLEMS, Once, Page, decode_cursor, encode_cursor
from common.http.pages import Cursor, Limit
from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel

from ingest import service
from ingest.api.clients import uuid_of
from ingest.repository import arriving, queries
from ingest.runtime import RuntimeDep

router = APIRouter(tags=["quarantine"])
READ = requires("ingest:read")


class QuarantineOut(BaseModel):
    """`form`: a whole body, or one event of a body that is otherwise taken."""

    id: UUID
    source: str
    received_at: datetime
    reason: str
    form: str
    key: str | None
    kind: str | None
    resolved_at: datetime | None
    outcome: str | None


class QuarantineDetail(QuarantineOut):
    """With the bytes, as text; what is not UTF-8 in them is shown as U+FFFD."""

    headers: dict[str, str]
    body: str


class Replayed(BaseModel):
    """What became of it under today's mapping."""

    id: UUID
    outcome: str


@router.get("/v1/quarantine", summary="What could not be read", dependencies=[READ])
async def list_quarantine(
    session: SessionDep,
    limit: Limit = 100,
    cursor: Cursor = None,
    source: Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")] = None,
    since: Annotated[UtcDatetime | None, Query(description="Received then or later.")] = None,
    resolved: Annotated[bool, Query(description="Those that were replayed, instead.")] = False,
) -> Page[QuarantineOut]:
    """Oldest first."""
    after = uuid_of(decode_cursor(cursor, "id")["id"]) if cursor else None
    rows = await queries.quarantine(session, after=after, limit=limit, source=source, since=since, resolved=resolved)
    items = [QuarantineOut.model_validate(row) for row in rows]
    return Page(items=items, next=encode_cursor({"id": items[-1].id}) if len(items) == limit else None)


@router.get(
    "/v1/quarantine/{quarantine_id}", summary="One of them, with its body", dependencies=[READ],
    responses={404: PROBLEMS[404]},
)  # fmt: skip
async def get_quarantined(session: SessionDep, quarantine_id: UUID) -> QuarantineDetail:
    """Its body as it came."""
    found = await arriving.quarantined(session, quarantine_id)
    shown = {name: getattr(found, name) for name in QuarantineOut.model_fields}
    return QuarantineDetail(**shown, headers=dict(found.headers), body=found.body.decode("utf-8", "replace"))


@router.post(
    "/v1/quarantine/{quarantine_id}/replay",
    summary="Read it again with today's mapping",
    dependencies=[requires("ingest:write")],
    response_model=Replayed,
    responses={404: PROBLEMS[404], 409: PROBLEMS[409]},
)
async def replay_quarantined(session: SessionDep, runtime: RuntimeDep, once: Once, quarantine_id: UUID) -> Response:
    """422 while it is still unreadable, with the reason."""
    outcome = await service.replay(session, quarantine_id, runtime.sources, runtime.reader, runtime.moments())
    return await once.keep(Replayed(id=quarantine_id, outcome=outcome.value))
