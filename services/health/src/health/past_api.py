"""`/v1/clients/{id}/health/…`: what was said when, why it is another now, and the picture of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from common.contracts.base import UtcDatetime
from common.contracts.health import Mode
from common.db import SessionDep
from common.http import Page, decode_cursor, encode_cursor, etag_of
from common.http.pages import Cursor, Limit
from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from health import explaining, views_past
from health.asking import READ, UNKNOWN, Now, moment_of
from health.past_repository import Resolution, Wanted
from health.picture import Theme, svg

router = APIRouter()
WEEKS_SHOWN = timedelta(days=28)
FIRST_WEEKS = datetime.min.replace(tzinfo=UTC) + WEEKS_SHOWN
PICTURE_FRESH = 60
"""Seconds for which a reader may show the same picture without asking again."""


class Span(BaseModel):
    """Which evaluations, and how many of each day or week."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    since: UtcDatetime | None = Field(None, alias="from")
    until: UtcDatetime | None = Field(None, alias="to")
    mode: list[Mode] = Field([Mode.LIVE, Mode.HISTORIC, Mode.RESTATED])
    resolution: Resolution = Field("all", description="day, week: the last of each, the restated one beside it")
    limit: Limit = 50
    cursor: Cursor = None


@router.get("/clients/{client_id}/health/history", dependencies=[READ], responses=UNKNOWN, summary="Scores before")
async def get_health_history(
    client_id: UUID, query: Annotated[Span, Query()], session: SessionDep
) -> Page[views_past.HistoryItem]:
    """Newest first: live ones as they were known then, historic ones of imported spans, and restated ones.

    `all` gives each kept evaluation an item of its own. `day` and `week` give one item for each that has any: the
    last that was said (live or historic), with `restated` beside it where late facts changed it since.
    """
    after = None
    if query.cursor is not None:
        position = decode_cursor(query.cursor, "at", "mode")
        after = (moment_of(position["at"]), str(position["mode"]))
    wanted = Wanted(query.since, query.until, [mode.value for mode in query.mode], query.resolution)
    items = await explaining.history(session, client_id, wanted, after, query.limit + 1)
    cursor = None
    if len(items) > query.limit:
        items = items[: query.limit]
        last = items[-1]
        at = last.as_of.isoformat() if query.resolution == "all" else f"{last.day.isoformat()}T00:00:00+00:00"
        cursor = encode_cursor({"at": at, "mode": last.mode.value})
    return Page(items=items, next=cursor)


class Moments(BaseModel):
    """Two moments; left out: four weeks ago, and now."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    since: UtcDatetime | None = Field(None, alias="from")
    until: UtcDatetime | None = Field(None, alias="to", description="Later than now: now")


@router.get("/clients/{client_id}/health/why", dependencies=[READ], responses=UNKNOWN, summary="Why it changed")
async def get_health_why(
    client_id: UUID, query: Annotated[Moments, Query()], session: SessionDep, now: Now
) -> views_past.WhyView:
    """Causes, strongest first, whose deltas sum exactly to the difference of the two scores.

    A score at a moment is that of all that was known by then; a UTC midnight ends the day before.
    """
    end = min(query.until or now, now)
    return await explaining.explain(session, client_id, query.since or max(end, FIRST_WEEKS) - WEEKS_SHOWN, end)


class Drawn(BaseModel):
    """How the picture is drawn."""

    model_config = ConfigDict(extra="forbid")

    theme: Theme = Field("auto", description="auto follows the reader's `prefers-color-scheme`")
    days: int = Field(180, ge=7, le=730, description="How many days the line goes back")


@router.get(
    "/clients/{client_id}/health.svg",
    dependencies=[READ],
    response_class=Response,
    responses={
        200: {"content": {"image/svg+xml": {}}, "description": "The picture"},
        304: {"description": "The picture is the one that `If-None-Match` names"},
        **UNKNOWN,
    },
    summary="The score as a picture",
)
async def get_health_svg(
    client_id: UUID,
    query: Annotated[Drawn, Query()],
    session: SessionDep,
    now: Now,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """The line of the last months, broken and marked where another model took over, and a thermometer of the bands."""
    drawn = svg(await explaining.picture(session, client_id, now, query.days), query.theme)
    headers = {
        "ETag": etag_of(drawn),
        "Cache-Control": f"private, max-age={PICTURE_FRESH}",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    }
    if headers["ETag"] in [tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")]:
        return Response(status_code=304, headers=headers)
    return Response(drawn, media_type="image/svg+xml", headers=headers)
