"""HTTP of signs: what a client shows and showed, and what all clients show now."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from common.auth import requires
from common.contracts.health import SignKind
from common.db import SessionDep
from common.errors import Refused
from common.http import PROBLEMS, Page, decode_cursor, encode_cursor
from common.http.pages import Cursor, Limit
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from health import service, signs_repository
from health.asking import NO_NUL
from health.domain.signs import SIGNS
from health.signs_repository import Filter, Position, Row

router = APIRouter(prefix="/v1", tags=["signs"])

READ = requires("health:read")
NAMES = sorted(SIGNS)


class SignView(BaseModel):
    """A named condition of a client, from when we noticed it until it ended."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "client_id": "6f1d3a52-8c7e-5b0a-9d55-2f4b7c1e9a01",
                "client_name": "Northwind Labs",
                "sign": "client_silent",
                "kind": "early_warning",
                "about": None,
                "text": "no word from them since we asked on 2 Mar, 09:30 UTC",
                "started_at": "2026-03-04T09:30:00Z",
                "noticed_at": "2026-03-04T09:30:00Z",
                "ended_at": None,
                "ended_text": None,
                "open": True,
                "told": True,
                "definition": "standard",
                "definition_version": 1,
                "events": ["1472601e-50a7-5051-8077-2ed32d546ea0"],
            }
        }
    )

    client_id: UUID
    client_name: str | None
    sign: str = Field(description=f"One of {', '.join(NAMES)}")
    kind: SignKind
    about: str | None = Field(description="What tells several of one sign apart: the meeting, or the brighter side")
    text: str = Field(description="A sentence of facts; while it is open, as it read when last looked at")
    started_at: datetime = Field(description="Since when it holds, as the facts tell")
    noticed_at: datetime = Field(description="When we saw it")
    ended_at: datetime | None
    ended_text: str | None
    open: bool
    told: bool = Field(description="Whether it was published; what an import or a merge brought to light was not")
    definition: str
    definition_version: int = Field(description="The version of the definition that found it")
    events: list[UUID] = Field(description="The client events behind it")


class Listed(BaseModel):
    """Filters of a client's signs."""

    model_config = ConfigDict(extra="forbid")

    kind: SignKind | None = None
    sign: Annotated[str, Field(max_length=100)] | None = Field(None, examples=["client_silent"])
    open: bool | None = Field(None, description="true: those there now; false: those that ended")
    limit: Limit = 50
    cursor: Cursor = None


class ListedOfAll(Listed):
    """Filters of all clients' signs."""

    client_id: UUID | None = None
    csm_email: Annotated[str, Field(max_length=320, pattern=NO_NUL)] | None = None
    tier: Literal["strategic", "core", "standard"] | None = None


@router.get(
    "/clients/{client_id}/signs",
    dependencies=[READ],
    responses={404: PROBLEMS[404]},
    summary="What a client shows and showed",
)
async def list_client_signs(client_id: UUID, query: Annotated[Listed, Query()], session: SessionDep) -> Page[SignView]:
    """Early-warning signs, red flags about us, missed rhythm, disagreement: latest noticed first."""
    found = await service.known(session, client_id)
    return await _page(session, query, client_id=found.client_id)


@router.get("/signs", dependencies=[READ], summary="What clients show")
async def list_signs(query: Annotated[ListedOfAll, Query()], session: SessionDep) -> Page[SignView]:
    """Of all clients, latest noticed first; `open=true` for those that are there now."""
    return await _page(session, query, client_id=query.client_id, csm_email=query.csm_email, tier=query.tier)


async def _page(session: SessionDep, query: Listed, **more: Any) -> Page[SignView]:
    _known_name(query.sign)
    kind = query.kind.value if query.kind is not None else None
    wanted = Filter(kind=kind, sign=query.sign, open=query.open, **more)
    rows = await signs_repository.page(session, wanted, _position(query.cursor), query.limit + 1)
    shown = rows[: query.limit]
    cursor = _cursor(shown[-1][0]) if len(rows) > query.limit else None
    return Page(items=[_view(row, name) for row, name in shown], next=cursor)


def _known_name(sign: str | None) -> None:
    if sign is not None and sign not in SIGNS:
        raise Refused(f"no sign is called {sign!r}; there are {', '.join(NAMES)}", field="sign")


def _view(row: Row, name: str | None) -> SignView:
    return SignView(
        client_id=row.client_id,
        client_name=name,
        sign=row.sign,
        kind=SignKind(row.kind),
        about=row.about or None,
        text=row.text,
        started_at=row.started_at,
        noticed_at=row.noticed_at,
        ended_at=row.ended_at,
        ended_text=row.ended_text,
        open=row.ended_at is None,
        told=row.told,
        definition=row.definition,
        definition_version=row.definition_version,
        events=row.caused_by,
    )


def _cursor(row: Row) -> str:
    position = {"noticed_at": row.noticed_at, "client_id": row.client_id, "sign": row.sign, "about": row.about}
    return encode_cursor(position)


def _position(cursor: str | None) -> Position | None:
    if cursor is None:
        return None
    value = decode_cursor(cursor, "noticed_at", "client_id", "sign", "about")
    try:
        noticed = datetime.fromisoformat(str(value["noticed_at"]))
        position = (noticed, UUID(str(value["client_id"])), str(value["sign"]), str(value["about"]))
    except ValueError as error:
        raise Refused("not a cursor of this list", field="cursor") from error
    if noticed.tzinfo is None:
        raise Refused("not a cursor of this list", field="cursor")
    return position
