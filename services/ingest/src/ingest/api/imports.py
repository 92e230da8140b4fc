"""`/v1/imports`: history, streamed in; its progress and what of it was not taken."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from common.auth import Caller, requires
from common.contracts.errors import Refused
from common.db import SessionDep
from common.http import PROBLEMS, Page, decode_cursor, encode_cursor
from common.http.pages import Cursor, Limit
from common.ids import new_id
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from ingest.imports import REPORTED
from ingest.lines import MAX_LINE
from ingest.repository import importing
from ingest.runtime import RuntimeDep

MOST_LINES = 10**12
"""More than any file has, and few enough for their numbers to be kept."""
router = APIRouter(tags=["imports"])

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "One event a line; `source` and `time` required, `subject` a client id or `ref:…`.",
        "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
    }
}


class LineOut(BaseModel):
    """A line that was not taken: refused (wrong), skipped (rightly not counted), repeated (twice in the file)."""

    line: int
    outcome: str
    reason: str


class ImportOut(BaseModel):
    """An import: `lines` is the last one stored, and each of them is one of the five that follow it.

    A line that is sent again, as an interrupted import's are, does not count again.
    """

    import_id: UUID
    started_at: datetime
    finished_at: datetime | None
    lines: int
    accepted: int
    repeated: int
    skipped: int
    refused: int
    blank: int
    not_taken: list[LineOut]
    """The first of them; all: GET /v1/imports/{id}/lines."""


@router.post(
    "/v1/imports",
    summary="Import history (NDJSON, streamed)",
    dependencies=[requires("ingest:import")],
    openapi_extra=_BODY,
    responses={503: PROBLEMS[503]},
)
async def import_history(
    request: Request,
    runtime: RuntimeDep,
    caller: Caller,
    import_id: Annotated[UUID | None, Query(description="Go on with this import; else a new one.")] = None,
    first_line: Annotated[
        int, Query(ge=1, le=MOST_LINES, description="Number of the first line sent, where some are left out.")
    ] = 1,
    recreate: Annotated[bool, Query(description="Create clients anew that were erased.")] = False,
) -> ImportOut:
    """Answers when all of it is stored. A cut-off import is simply sent again: what is in has no effect twice."""
    found = await runtime.importer.run(
        import_id or new_id(), _lines(request.stream()), by=caller.subject, recreate=recreate, first=first_line
    )
    return _out(found)


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Lines of a stream, one in memory at a time. Raises Refused for one that never ends."""
    rest = b""
    async for chunk in chunks:
        rest += chunk
        *whole, rest = rest.split(b"\n")
        for line in whole:
            yield line
        if len(rest) > 2 * MAX_LINE:
            raise Refused(f"a line is over {MAX_LINE} bytes: one event a line", field="body")
    if rest.strip():
        yield rest


@router.get(
    "/v1/imports/{import_id}",
    summary="How far an import is",
    dependencies=[requires("ingest:read")],
    responses={404: PROBLEMS[404]},
)
async def get_import(session: SessionDep, import_id: UUID) -> ImportOut:
    """Progress while it runs, the report afterwards."""
    return _out(await importing.report(session, import_id, limit=REPORTED))


@router.get(
    "/v1/imports/{import_id}/lines",
    summary="Lines that were not taken, and why",
    dependencies=[requires("ingest:read")],
    responses={404: PROBLEMS[404]},
)
async def list_import_lines(
    session: SessionDep, import_id: UUID, limit: Limit = 100, cursor: Cursor = None
) -> Page[LineOut]:
    """In order of line."""
    after = decode_cursor(cursor, "line")["line"] if cursor else 0
    if not isinstance(after, int):
        raise Refused("not a cursor of this list", field="cursor")
    found = await importing.report(session, import_id, limit=limit, after=after)
    items = [LineOut(line=line, outcome=outcome, reason=reason) for line, outcome, reason in found.told]
    return Page(items=items, next=encode_cursor({"line": items[-1].line}) if len(items) == limit else None)


def _out(found: importing.Report) -> ImportOut:
    counts = {name: found.counts.get(name, 0) for name in ("accepted", "repeated", "skipped", "refused", "blank")}
    return ImportOut(
        import_id=found.import_id,
        started_at=found.started_at,
        finished_at=found.finished_at,
        lines=found.lines,
        not_taken=[LineOut(line=line, outcome=outcome, reason=reason) for line, outcome, reason in found.told],
        **counts,
    )
