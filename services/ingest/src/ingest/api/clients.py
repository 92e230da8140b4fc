"""Clients: who they are, by whatever name, and their erasure."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from common.auth import Caller, requires
from common.contracts.errors import Refused
from common.db import SessionDep
from common.errors import NotFound
from common.http import PROBLEMS, Page, decode_cursor, encode_cursor
from common.http.pages import Cursor, Limit
from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from ingest import erasure
from ingest.api.models import ClientDetail, ClientOut
from ingest.domain.refs import Ref
from ingest.repository import queries
from ingest.runtime import RuntimeDep

router = APIRouter(tags=["clients"])
READ = requires("ingest:read")


@router.get("/v1/clients", summary="Clients", dependencies=[READ])
async def list_clients(
    session: SessionDep,
    limit: Limit = 100,
    cursor: Cursor = None,
    search: Annotated[str | None, Query(max_length=200, description="Part of a name or domain.")] = None,
    test: Annotated[bool | None, Query(description="Only test clients, or none of them.")] = None,
) -> Page[ClientOut]:
    """In order of id."""
    after = uuid_of(decode_cursor(cursor, "id")["id"]) if cursor else None
    rows = await queries.clients(session, after=after, limit=limit, search=search, test=test)
    items = [ClientOut.model_validate(row) for row in rows]
    return Page(items=items, next=encode_cursor({"id": items[-1].client_id}) if len(items) == limit else None)


@router.get(
    "/v1/clients/by-ref/{source}/{kind}/{id:path}",
    summary="The client behind an outside system's id",
    dependencies=[READ],
    responses={404: PROBLEMS[404]},
)
async def get_client_by_ref(
    session: SessionDep, source: str, kind: str, ref_id: Annotated[str, Path(alias="id")]
) -> ClientDetail:
    """404 where no client has this ref: look into /v1/unmatched."""
    if "\x00" in source + kind + ref_id:
        raise NotFound("no client has this ref")
    client_id = await queries.owner(session, Ref(source, kind, ref_id))
    if client_id is None:
        raise NotFound("no client has this ref")
    return await _detail(session, client_id)


@router.get("/v1/clients/{client_id}", summary="One client", dependencies=[READ], responses={404: PROBLEMS[404]})
async def get_client(session: SessionDep, client_id: UUID) -> ClientDetail:
    """With its refs and people."""
    return await _detail(session, client_id)


async def _detail(session: SessionDep, client_id: UUID) -> ClientDetail:
    row = await queries.client(session, client_id)
    if row is None:
        raise NotFound("no such client")
    return ClientDetail.model_validate(row)


@router.delete(
    "/v1/clients/{client_id}",
    summary="Erase a client, here and in every service",
    status_code=204,
    dependencies=[requires("ingest:erase")],
    responses={404: PROBLEMS[404], 409: PROBLEMS[409]},
)
async def erase_client(session: SessionDep, runtime: RuntimeDep, caller: Caller, client_id: UUID) -> Response:
    """Cannot be taken back; again for an erased one: nothing.

    Its refs stay known as erased: late webhooks and old imports do not bring it back.
    """
    await erasure.erase_client(session, client_id, runtime.sources, runtime.clock.now(), by=caller.subject)
    return Response(status_code=204)


def uuid_of(value: object) -> UUID:
    """An id inside a cursor."""
    try:
        return UUID(str(value))
    except ValueError as error:
        raise Refused("not a cursor of this list", field="cursor") from error
