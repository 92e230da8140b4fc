"""Corrections of identity: merging two clients, taking it back, moving a ref; and the audit of all that."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from common.auth import Caller, requires
from common.contracts.errors import Refused
from common.db import SessionDep
from common.http import PROBLEMS, Once, Page, decode_cursor, encode_cursor
from common.http.pages import Cursor, Limit
from fastapi import APIRouter, Path, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ingest import identity
from ingest.api.clients import uuid_of
from ingest.api.models import RefOut
from ingest.domain.refs import MAX_PART, Ref
from ingest.repository import auditing
from ingest.runtime import RuntimeDep

router = APIRouter(tags=["identity"])
WRITE = requires("ingest:write")
Part = Annotated[str, Path(min_length=1, max_length=MAX_PART, pattern=r"^[^\x00]*$")]


class MergeIn(BaseModel):
    """The other client: `from_client_id` goes on under the client of the path, or that one under `into_client_id`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"from_client_id": "0197b0a2-7c3e-7a51-9d0f-2f6c3f0f8f11"}]}
    )

    from_client_id: UUID | None = None
    into_client_id: UUID | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.from_client_id is None) == (self.into_client_id is None):
            raise ValueError("name from_client_id or into_client_id")
        return self


class Merged(BaseModel):
    """The client that goes on, and the one that goes on under it."""

    client_id: UUID
    from_client_id: UUID


class UnmergeIn(BaseModel):
    """Which client is set free, where the path names the one it was merged into."""

    from_client_id: UUID | None = None


class MovedOut(BaseModel):
    """How many events were said again of the right client; `done` is false while the rest follows by itself."""

    client_id: UUID
    from_client_id: UUID | None
    events: int = Field(ge=0)
    done: bool


class MovedRef(MovedOut):
    """With the ref."""

    ref: RefOut


class MoveIn(BaseModel):
    """Whose the ref is."""

    client_id: UUID


class MoveRefIn(MoveIn):
    """Which ref, and whose it is."""

    ref: RefOut


class AuditLine(BaseModel):
    """Who changed what, when. Names no person of a client's."""

    id: UUID
    at: datetime
    by: str
    action: str
    """client_erased, clients_merged, clients_unmerged, contact_erased, ref_assigned, ref_moved."""
    client_id: UUID | None
    detail: dict[str, Any]


@router.post(
    "/v1/clients/{client_id}/merge",
    summary="Two records are one client",
    dependencies=[WRITE],
    response_model=Merged,
    responses={404: PROBLEMS[404], 409: PROBLEMS[409]},
)
async def merge_clients(
    session: SessionDep, runtime: RuntimeDep, caller: Caller, once: Once, client_id: UUID, body: MergeIn
) -> Response:
    """Refs, people and later events follow to the surviving client; can be taken back."""
    from_id, into_id = (body.from_client_id or client_id), (body.into_client_id or client_id)
    await identity.merge(session, from_id, into_id, runtime.clock.now(), runtime.shared, by=caller.subject)
    return await once.keep(Merged(client_id=into_id, from_client_id=from_id))


@router.post(
    "/v1/clients/{client_id}/unmerge",
    summary="Take a merge back",
    dependencies=[WRITE],
    response_model=MovedOut,
    responses={404: PROBLEMS[404], 409: PROBLEMS[409]},
)
async def unmerge_clients(
    session: SessionDep,
    runtime: RuntimeDep,
    caller: Caller,
    once: Once,
    client_id: UUID,
    body: UnmergeIn | None = None,
) -> Response:
    """The client's refs go back to it, with what they have told since the merge."""
    from_id = (body.from_client_id if body else None) or client_id
    moved = await identity.unmerge(session, from_id, runtime.clock.now(), runtime.shared, by=caller.subject)
    if client_id not in {from_id, moved.from_client_id}:
        raise Refused("that client is merged into another one", field="from_client_id")
    return await once.keep(
        MovedOut(client_id=from_id, from_client_id=moved.from_client_id, events=moved.events, done=moved.done)
    )


@router.put(
    "/v1/refs/{source}/{kind}/{id:path}",
    summary="Say whose a ref is, known or not",
    dependencies=[WRITE],
    response_model=MovedRef,
    responses={404: PROBLEMS[404], 409: PROBLEMS[409]},
)
async def put_ref(
    session: SessionDep,
    runtime: RuntimeDep,
    caller: Caller,
    once: Once,
    source: Part,
    kind: Part,
    ref_id: Annotated[str, Path(alias="id", min_length=1, max_length=MAX_PART, pattern=r"^[^\x00]*$")],
    body: MoveIn,
) -> Response:
    """What it told of a wrong client is withdrawn there and said of this one; no source takes it away again."""
    ref = Ref(source, kind, ref_id)
    moved = await identity.move(session, ref, body.client_id, runtime.clock.now(), runtime.shared, by=caller.subject)
    return await once.keep(_moved_ref(ref, moved))


@router.post(
    "/v1/clients/{client_id}/refs/move",
    summary="Move a wrongly linked ref away from a client",
    dependencies=[WRITE],
    response_model=MovedRef,
    responses={404: PROBLEMS[404], 409: PROBLEMS[409]},
)
async def move_ref(
    session: SessionDep, runtime: RuntimeDep, caller: Caller, once: Once, client_id: UUID, body: MoveRefIn
) -> Response:
    """The same, refused if the ref is not this client's (any more)."""
    ref = Ref(body.ref.source, body.ref.kind, body.ref.id)
    await identity.must_own(session, client_id, ref)
    moved = await identity.move(session, ref, body.client_id, runtime.clock.now(), runtime.shared, by=caller.subject)
    return await once.keep(_moved_ref(ref, moved))


def _moved_ref(ref: Ref, moved: identity.Moved) -> MovedRef:
    return MovedRef(
        ref=RefOut(source=ref.source, kind=ref.kind, id=ref.id),
        client_id=moved.into_client_id,
        from_client_id=moved.from_client_id,
        events=moved.events,
        done=moved.done,
    )


@router.get("/v1/audit", summary="Who changed whose something is", dependencies=[requires("ingest:read")])
async def list_audit(
    session: SessionDep,
    limit: Limit = 100,
    cursor: Cursor = None,
    client_id: UUID | None = None,
    action: Annotated[str | None, Query(max_length=100, pattern=r"^[^\x00]*$")] = None,
) -> Page[AuditLine]:
    """Newest first."""
    before = uuid_of(decode_cursor(cursor, "id")["id"]) if cursor else None
    rows = await auditing.lines(session, before=before, limit=limit, client_id=client_id, action=action)
    items = [AuditLine.model_validate(row) for row in rows]
    return Page(items=items, next=encode_cursor({"id": items[-1].id}) if len(items) == limit else None)
