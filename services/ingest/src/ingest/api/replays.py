"""`/v1/replays`: old posts through today's mapping; a summary first, then only what differs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from common.auth import Caller, requires
from common.contracts.base import UtcDatetime
from common.contracts.errors import Refused
from common.db import SessionDep
from common.errors import Conflict
from common.http import PROBLEMS, Once, Page, decode_cursor, encode_cursor
from common.http.pages import Cursor, Limit
from common.ids import new_id
from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from ingest.api.clients import uuid_of
from ingest.repository import auditing, replays
from ingest.repository.replays import Replay
from ingest.runtime import RuntimeDep

router = APIRouter(tags=["replays"])
READ, WRITE = requires("ingest:read"), requires("ingest:write")


class ReplayIn(BaseModel):
    """Which posts are read again: those of one source that were received since then."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"source": "segment", "since": "2026-03-01T00:00:00Z", "dry_run": True}]}
    )

    source: Annotated[str, Field(min_length=1, max_length=200)]
    since: UtcDatetime
    until: UtcDatetime | None = None
    """The last moment of receipt; else now."""
    dry_run: bool = True
    """Only tell what would be published; `/publish` does it."""
    readings: bool = True
    """Whether words are read again: with false, sentiments and topics stay as they were read."""


class Preview(BaseModel):
    """What the dry run found."""

    counts: dict[str, int]
    types: dict[str, dict[str, int]]


class ReplayOut(BaseModel):
    """A replay. `state`: previewing → previewed → publishing → done.

    `counts`: bodies and events read; of the events unchanged, erased, refused, unreadable; new, corrected and withdrawn
    client events. `types`: the last three by type. `samples`: the first differences, without what names people.
    """

    id: UUID
    source: str
    since: datetime
    until: datetime
    readings: bool
    state: str
    asked_by: str
    asked_at: datetime
    published_by: str | None
    finished_at: datetime | None
    counts: dict[str, int]
    types: dict[str, dict[str, int]]
    samples: list[dict[str, Any]]
    preview: Preview | None


@router.post(
    "/v1/replays",
    summary="Run old posts through today's mapping",
    status_code=202,
    dependencies=[WRITE],
    response_model=ReplayOut,
    responses={422: PROBLEMS[422]},
)
async def ask_replay(session: SessionDep, runtime: RuntimeDep, caller: Caller, once: Once, wish: ReplayIn) -> Response:
    """A job of the worker: `GET /v1/replays/{id}` tells how far it is."""
    now = runtime.clock.now()
    until = wish.until or now
    if wish.source not in runtime.sources:
        raise Refused("no such source is configured", field="source")
    if wish.since >= until:
        raise Refused("since is before until", field="since")
    asked = Replay(
        id=new_id(), source=wish.source, since=wish.since, until=until, readings=wish.readings,
        state=replays.PREVIEWING if wish.dry_run else replays.PUBLISHING, asked_by=caller.subject, asked_at=now,
        published_by=None if wish.dry_run else caller.subject, finished_at=None, at=None, counts={}, types={},
        samples=(), preview=None,
    )  # fmt: skip
    await replays.ask(session, asked)
    if not wish.dry_run:
        await _audit(session, asked, now, caller.subject)
    return await once.keep(_out(asked), status=202)


@router.get("/v1/replays", summary="Replays", dependencies=[READ])
async def list_replays(session: SessionDep, limit: Limit = 100, cursor: Cursor = None) -> Page[ReplayOut]:
    """Newest first."""
    before = uuid_of(decode_cursor(cursor, "id")["id"]) if cursor else None
    items = [_out(found) for found in await replays.replays(session, before=before, limit=limit)]
    return Page(items=items, next=encode_cursor({"id": items[-1].id}) if len(items) == limit else None)


@router.get(
    "/v1/replays/{replay_id}", summary="What a replay found", dependencies=[READ], responses={404: PROBLEMS[404]}
)
async def get_replay(session: SessionDep, replay_id: UUID) -> ReplayOut:
    """So far, while it is under way."""
    return _out(await replays.replay(session, replay_id))


@router.post(
    "/v1/replays/{replay_id}/publish",
    summary="Publish what a dry run found",
    status_code=202,
    dependencies=[WRITE],
    response_model=ReplayOut,
    responses={404: PROBLEMS[404], 409: PROBLEMS[409]},
)
async def publish_replay(
    session: SessionDep, runtime: RuntimeDep, caller: Caller, once: Once, replay_id: UUID
) -> Response:
    """409 unless its dry run is over and nothing of it was published."""
    held = await replays.replay(session, replay_id, lock=True)
    if held.state != replays.PREVIEWED:
        raise Conflict(f"this replay is {held.state}")
    await replays.publish(session, replay_id, by=caller.subject)
    await _audit(session, held, runtime.clock.now(), caller.subject)
    return await once.keep(_out(await replays.replay(session, replay_id)), status=202)


async def _audit(session: SessionDep, asked: Replay, now: datetime, by: str) -> None:
    detail = {"replay": str(asked.id), "source": asked.source, "since": asked.since, "until": asked.until}
    await auditing.note(session, "replay_published", at=now, by=by, client_id=None, detail=detail)


def _out(found: Replay) -> ReplayOut:
    fields = {name: getattr(found, name) for name in ReplayOut.model_fields}
    return ReplayOut.model_validate(fields)
