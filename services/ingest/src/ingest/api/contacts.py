"""People of clients: their erasure."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from common.auth import Caller, requires
from common.db import SessionDep
from common.http import PROBLEMS
from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from ingest import erasure
from ingest.runtime import RuntimeDep

router = APIRouter(tags=["contacts"])


@router.delete(
    "/v1/contacts/{contact_id:path}",
    summary="Erase a person, here and in every service",
    status_code=204,
    dependencies=[requires("ingest:erase")],
    responses={404: PROBLEMS[404], 409: PROBLEMS[409]},
)
async def erase_contact(
    session: SessionDep,
    runtime: RuntimeDep,
    caller: Caller,
    contact_id: Annotated[str, Path(min_length=1, max_length=300, pattern=r"^[^\x00]*$")],
    client_id: Annotated[UUID | None, Query(description="Whose person, where several clients have this id.")] = None,
    source: Annotated[
        str | None, Query(max_length=200, pattern=r"^[^\x00]*$", description="The source that knows them by this id.")
    ] = None,
) -> Response:
    """Cannot be taken back; again for an erased one: nothing. 409 lists the clients where the id is ambiguous.

    What the client did through them stays a fact, said of nobody; late webhooks and old imports do not bring them back.
    """
    await erasure.erase_contact(
        session, contact_id, runtime.sources, runtime.clock.now(), by=caller.subject, client_id=client_id, source=source
    )
    return Response(status_code=204)
