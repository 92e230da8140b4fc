"""HTTP: parse → service → answer."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

from common.auth import Caller, requires
from common.clock import Clock
from common.contracts.errors import NotFound, Refused
from common.contracts.fields import UtcDatetime
from common.db import SessionDep
from common.http import PROBLEMS, Once, Page, decode_cursor, encode_cursor
from common.http.pages import Cursor, Limit
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from sqlalchemy.ext.asyncio import AsyncSession

from churn import card_page, service, views, views_decisions, views_offer
from churn.domain.moments import seconds
from churn.domain.policy import Policy
from churn.registry import Registry
from churn.repository import checks, decisions, models, outcomes, risks

router = APIRouter(prefix="/v1")
READ, OVERRIDE, ADMIN = requires("churn:read"), requires("churn:override"), requires("churn:admin")
Answers = dict[int | str, dict[str, Any]]
MISSING: Answers = {404: PROBLEMS[404]}
INERT = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox",
    "X-Content-Type-Options": "nosniff",
}
"""Whoever may store a model writes its card: what a browser shows of it runs nothing and fetches nothing."""
CONFLICT: Answers = {404: PROBLEMS[404], 409: PROBLEMS[409]}


@router.get("/risks", dependencies=[READ], tags=["risk"])
async def list_risks(session: SessionDep, limit: Limit = 100, cursor: Cursor = None) -> Page[views.RiskView]:
    """The last assessment of every client, the riskiest first; those without a probability come last."""
    after = _position(cursor, "probability", "client_id", read=_risk_place) if cursor else None
    rows = await risks.page(session, after, limit + 1)
    items = [views.risk_view(row) for row in rows[:limit]]
    following = None
    if len(rows) > limit:
        following = encode_cursor({"probability": items[-1].probability, "client_id": items[-1].client_id})
    return Page(items=items, next=following)


@router.get("/clients/{client_id}/risk", dependencies=[READ], tags=["risk"], responses=MISSING)
async def get_risk(client_id: UUID, session: SessionDep) -> views.RiskView:
    """The client's last assessment: probability (or points of the scorecard), reasons, flag and override."""
    return views.risk_view(await service.risk(session, client_id))


@router.get("/clients/{client_id}/risk/history", dependencies=[READ], tags=["risk"])
async def get_risk_history(
    client_id: UUID,
    session: SessionDep,
    since: Annotated[UtcDatetime | None, Query(alias="from")] = None,
    until: Annotated[UtcDatetime | None, Query(alias="to")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[views.HistoryItem]:
    """Assessments as they were made, newest first; one that raised a flag says what became of the client."""
    before = _position(cursor, "as_of", "id", read=_moment_place) if cursor else None
    rows = await decisions.history(session, client_id, since=since, until=until, before=before, limit=limit + 1)
    following = None
    if len(rows) > limit:
        last = rows[limit - 1]
        following = encode_cursor({"as_of": last.as_of.isoformat(), "id": last.event_id})
    return Page(items=[views.history_item(row) for row in rows[:limit]], next=following)


@router.get("/clients/{client_id}/overrides", dependencies=[READ], tags=["decisions"])
async def list_overrides(client_id: UUID, session: SessionDep) -> Page[views.OverrideRecord]:
    """Every downgrade of this client's flags, newest first, and how each ended."""
    rows = await decisions.overrides_of(session, client_id)
    return Page(items=[views.OverrideRecord.model_validate(row) for row in rows])


@router.post(
    "/clients/{client_id}/overrides",
    dependencies=[OVERRIDE],
    tags=["decisions"],
    status_code=201,
    response_model=views.RiskView,
    responses=CONFLICT,
)
async def override_flag(
    client_id: UUID, wish: views.OverrideRequest, request: Request, caller: Caller, session: SessionDep, once: Once
) -> Any:
    """Downgrade the client's flag for a time, because a person knows more than the model. Its number stays visible."""
    clock: Clock = request.app.state.clock
    policy: Policy = request.app.state.policy
    wanted = service.OverrideWish(wish.reason_code, wish.note, wish.until)
    row = await service.override(session, policy, client_id, wanted, by=caller.subject, now=clock.now())
    return await once.keep(views.risk_view(row), 201)


@router.get("/models", dependencies=[READ], tags=["models"])
async def list_models(
    request: Request, session: SessionDep, limit: Limit = 100, cursor: Cursor = None
) -> views.ModelPage:
    """Models, newest first; which is in service, and who decided so."""
    registry: Registry = request.app.state.registry
    before = _position(cursor, "created_at", "model_id", read=_moment_place) if cursor else None
    rows = await models.page(session, before, limit + 1)
    serving = await registry.current(session)
    in_service = serving.record.model_id if serving else None
    following = None
    if len(rows) > limit:
        last = rows[limit - 1]
        following = encode_cursor({"created_at": last.created_at.isoformat(), "model_id": last.model_id})
    return views.ModelPage(
        items=[views.model_view(row, in_service) for row in rows[:limit]],
        next=following,
        in_service=serving.record.version if serving else service.SCORECARD,
        refused=registry.refused or None,
        decisions=[views.decision_view(made) for made in await models.promotions(session, 20)],
        data=await _data(request, session),
    )


@router.post(
    "/models",
    dependencies=[ADMIN],
    tags=["models"],
    status_code=201,
    response_model=views.ModelView,
)
async def register_model(
    offer: views_offer.ModelOffer, request: Request, caller: Caller, session: SessionDep, once: Once
) -> Any:
    """Store a trained model, after it was loaded for trial. The same bytes again are the same model (200)."""
    clock: Clock = request.app.state.clock
    offered = service.Offered(**offer.model_dump())
    record, new = await service.register(session, offered, by=caller.subject, now=clock.now())
    in_force = await models.in_service(session)
    view = views.model_view(record, in_force.model_id if in_force else None)
    return await once.keep(view, 201 if new else 200)


@router.get("/models/{model_id}/content", dependencies=[ADMIN], tags=["models"], responses=MISSING)
async def get_model_content(model_id: UUID, session: SessionDep) -> views.ModelContent:
    """The model itself, so that `loop churn train` can compare a new one with it."""
    stored = await service.content(session, model_id)
    return views.ModelContent(
        model_id=model_id,
        kind=stored.kind,
        content_base64=base64.b64encode(stored.content).decode(),
        sha256=stored.sha256,
        features=stored.features,
        calibration=dict(stored.calibration),
        libraries=dict(stored.libraries),
    )


@router.get("/models/{model_id}/checks", dependencies=[READ], tags=["models"], responses=MISSING)
async def list_model_checks(model_id: UUID, session: SessionDep, limit: Limit = 100) -> Page[views.ModelCheckView]:
    """What drift and matured predictions showed while the model was in service, by day, newest first."""
    if await models.find(session, model_id) is None:
        raise NotFound(f"there is no model {model_id}")
    found = await checks.of_model(session, model_id, limit)
    return Page(items=[views.ModelCheckView.model_validate(one, from_attributes=True) for one in found])


@router.get(
    "/models/{model_id}/card",
    dependencies=[READ],
    tags=["models"],
    response_class=HTMLResponse,
    responses={**MISSING, 200: {"content": {"text/html": {}, "text/markdown": {}}}},
)
async def get_model_card(
    model_id: UUID, session: SessionDep, accept: Annotated[str, Header(max_length=500)] = "text/html"
) -> Response:
    """The model's card: what it was trained on, how good it is, what it cannot know. Markdown if asked for."""
    card = await models.card(session, model_id)
    if card is None:
        raise NotFound(f"there is no model {model_id}")
    if "text/markdown" in accept:
        return PlainTextResponse(card, headers=INERT, media_type="text/markdown")
    return HTMLResponse(card_page.html(card), headers=INERT)


@router.post(
    "/models/{model_id}/promote",
    dependencies=[ADMIN],
    tags=["models"],
    response_model=views.ModelView,
    responses=CONFLICT,
)
async def promote_model(
    model_id: UUID, decision: views.Decision, request: Request, caller: Caller, session: SessionDep, once: Once
) -> Any:
    """Put a model in service; running workers take it up with their next batch, and assess everybody by it."""
    clock: Clock = request.app.state.clock
    record = await service.promote(session, model_id, by=caller.subject, reason=decision.reason, now=clock.now())
    return await once.keep(views.model_view(record, record.model_id))


@router.post(
    "/models/rollback",
    dependencies=[ADMIN],
    tags=["models"],
    response_model=views.RolledBack,
    responses={409: PROBLEMS[409]},
)
async def rollback_model(
    decision: views.Decision, request: Request, caller: Caller, session: SessionDep, once: Once
) -> Any:
    """Back to the model that was in service before, or to the scorecard if there was none."""
    clock: Clock = request.app.state.clock
    record = await service.rollback(session, by=caller.subject, reason=decision.reason, now=clock.now())
    view = views.RolledBack(
        model_id=record.model_id if record else None, version=record.version if record else service.SCORECARD
    )
    return await once.keep(view)


async def _data(request: Request, session: AsyncSession) -> views_decisions.DataView:
    clock: Clock = request.app.state.clock
    policy: Policy = request.app.state.policy
    return views_decisions.data_view(await outcomes.stock(session), seconds(clock.now()), policy.horizon_days)


P = TypeVar("P")


def _position(cursor: str, first: str, second: str, *, read: Callable[[Any, Any], P]) -> P:
    """The place in a list that a cursor names. Raises Refused for one that is not ours."""
    position = decode_cursor(cursor, first, second)
    try:
        return read(position[first], position[second])
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise Refused("not a cursor of this list", field="cursor") from error


def _moment_place(moment: Any, row_id: Any) -> tuple[datetime, UUID]:
    at = datetime.fromisoformat(moment)
    if at.tzinfo is None:
        raise ValueError("a moment without a zone")
    return at.astimezone(UTC), UUID(row_id)


def _risk_place(probability: Any, client_id: Any) -> tuple[float | None, UUID]:
    return None if probability is None else float(probability), UUID(client_id)
