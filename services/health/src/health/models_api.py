"""`/v1/models`: upload a version, see what it would change, put it in force, take it back."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from common.auth import Caller
from common.contracts.health import Band
from common.db import SessionDep
from common.http import Once, Page, decode_cursor, encode_cursor
from common.http.pages import Cursor, Limit
from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from health import definitions_repository, publications_repository, publishing, views
from health.asking import DECIDED, READ, UNKNOWN, WRITE, Decision, LimitsNow, Now, Reason, moment_of, uuid_of
from health.publications_repository import Publication
from health.publishing import TAKE_BACK, Difference, Wish
from health.telling import points

router = APIRouter()


class NewModel(BaseModel):
    """A health model in the YAML (or JSON) of `deploy/config/health`."""

    model_config = ConfigDict(extra="forbid")

    definition: str = Field(min_length=1, max_length=200_000, examples=["model: loop\nbands: …"])


class PublicationIn(BaseModel):
    """Why this version goes into force."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason
    preview: bool = Field(False, description="Only tell the difference; nothing is published")
    difference: str | None = Field(
        None,
        max_length=100,
        description="Token of the difference that was looked at: 409 if something else was put in force since",
    )


class MovedView(BaseModel):
    """A client that would change its band."""

    client_id: UUID
    name: str | None
    band_before: Band
    band_after: Band
    score_before: float | None
    score_after: float | None


class DifferenceView(BaseModel):
    """What putting a version in force would change at this moment."""

    token: str = Field(description="Give it to `publish` as `difference`")
    clients: int = Field(description="Compared: all, or of more than 5,000 so many by their random ids")
    of: int = Field(description="Clients that are with us")
    changed: int = Field(description="That would be in another band")
    worse: int = Field(description="That would be in a worse band; moves to unknown are none")
    better: int
    matrix: dict[str, dict[str, int]] = Field(examples=[{"green": {"green": 40, "amber": 3}}])
    held: bool = Field(description="Whether the breaker would hold the moves for the worse until somebody decides")
    limit_percent: float
    examples: list[MovedView] = Field(description="The deepest falls")


class PublishedView(views.DefinitionView):
    """A version that was put in force, and what that changes."""

    published: bool = Field(description="False for a preview")
    difference: DifferenceView


class PublicationView(BaseModel):
    """Who put what in force when, and why."""

    id: UUID
    definition_id: UUID
    kind: str
    name: str
    version: int
    before_id: UUID | None
    action: str = Field(description="publish or take_back")
    at: datetime
    by: str
    reason: str
    difference: dict[str, Any] | None


@router.get("/models", dependencies=[READ], summary="Versions of the health models")
async def list_models(session: SessionDep) -> Page[views.DefinitionView]:
    """Newest first of each model; `active` is in force."""
    found = await definitions_repository.versions(session, definitions_repository.MODEL)
    return Page(items=[views.definition(row) for row in found])


@router.post(
    "/models",
    dependencies=[WRITE],
    status_code=201,
    responses={201: {"model": views.DefinitionView}},
    summary="Upload a model",
)
async def create_model(body: NewModel, session: SessionDep, caller: Caller, once: Once, now: Now) -> Response:
    """Checked and kept as a new version; nothing is scored with it until it is published."""
    row = await publishing.add_model(session, body.definition, by=caller.subject, now=now)
    return await once.keep(views.definition(row), 201)


@router.get(
    "/models/{model_id}/difference", dependencies=[READ], responses=UNKNOWN, summary="What publishing would change"
)
async def get_difference(model_id: UUID, session: SessionDep, now: Now, limits: LimitsNow) -> DifferenceView:
    """Every client under what is in force and under this version, at this moment. Nothing is changed."""
    return _difference(await publishing.difference(session, model_id, now, limits))


@router.post(
    "/models/{model_id}/publish",
    dependencies=[WRITE],
    responses={200: {"model": PublishedView}, **DECIDED},
    summary="Put a version in force",
)
async def publish_model(
    model_id: UUID, body: PublicationIn, session: SessionDep, caller: Caller, once: Once, now: Now, limits: LimitsNow
) -> Response:
    """Every client is evaluated under it, a hundred a second. Its moves for the worse are told when all clients were
    gone through, or held if they are too many (`/v1/holds`). `preview` tells the difference and does nothing."""
    if body.preview:
        found = await publishing.difference(session, model_id, now, limits)
        return await once.keep(_published(found.definition, found, published=False))
    wish = Wish(caller.subject, body.reason, now, limits, token=body.difference)
    row, found = await publishing.publish_model(session, model_id, wish)
    return await once.keep(_published(row, found, published=True))


@router.post(
    "/models/{model_id}/take-back",
    dependencies=[WRITE],
    responses={200: {"model": PublishedView}, **DECIDED},
    summary="Take a version back",
)
async def take_back_model(
    model_id: UUID, body: Decision, session: SessionDep, caller: Caller, once: Once, now: Now, limits: LimitsNow
) -> Response:
    """What was in force before it is in force again. What the breaker still held of it is never told.
    409 if it is not in force, or nothing was before it."""
    wish = Wish(caller.subject, body.reason, now, limits, action=TAKE_BACK)
    row, found = await publishing.take_back(session, model_id, wish)
    return await once.keep(_published(row, found, published=True))


@router.get("/publications", dependencies=[READ], summary="What was put in force, by whom and why")
async def list_publications(session: SessionDep, limit: Limit = 50, cursor: Cursor = None) -> Page[PublicationView]:
    """Models and journey maps, newest first."""
    after = None
    if cursor is not None:
        position = decode_cursor(cursor, "at", "id")
        after = (moment_of(position["at"]), uuid_of(position["id"]))
    found = await publications_repository.page(session, after, limit + 1)
    last = found[limit - 1] if len(found) > limit else None
    return Page(
        items=[_publication(each) for each in found[:limit]],
        next=encode_cursor({"at": last.at.isoformat(), "id": str(last.id)}) if last else None,
    )


def _publication(found: Publication) -> PublicationView:
    return PublicationView.model_validate({name: getattr(found, name) for name in PublicationView.model_fields})


def _published(row: definitions_repository.Definition, found: Difference, *, published: bool) -> PublishedView:
    shown = views.definition(row).model_dump()
    return PublishedView(**shown, published=published, difference=_difference(found))


def _difference(found: Difference) -> DifferenceView:
    return DifferenceView(
        token=found.token,
        clients=found.clients,
        of=found.of,
        changed=found.changed,
        worse=found.worse,
        better=found.better,
        matrix={before: dict(row) for before, row in found.matrix.items()},
        held=found.held,
        limit_percent=found.limits.percent,
        examples=[
            MovedView(
                client_id=row.client_id,
                name=row.name,
                band_before=Band(before.band),
                band_after=Band(after.band),
                score_before=points(before.score),
                score_after=points(after.score),
            )
            for _, row, before, after in found.examples
        ],
    )
