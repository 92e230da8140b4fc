"""What routes of several files share: business time, settings, and how a person gives a reason."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from common.auth import requires
from common.clock import Clock
from common.errors import Refused
from common.http import PROBLEMS, decode_cursor
from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from health.domain.blast import Limits
from health.settings import Settings

READ, WRITE = requires("health:read"), requires("health:write")
UNKNOWN: dict[int | str, dict[str, Any]] = {404: PROBLEMS[404]}
DECIDED: dict[int | str, dict[str, Any]] = {404: PROBLEMS[404], 409: PROBLEMS[409]}


def business_now(request: Request) -> datetime:
    clock: Clock = request.app.state.clock
    return clock.now()


def limits_of(request: Request) -> Limits:
    settings: Settings = request.app.state.settings
    return settings.limits


Now = Annotated[datetime, Depends(business_now)]
LimitsNow = Annotated[Limits, Depends(limits_of)]
NO_NUL = r"^[^\x00]*$"
"""Of text that a query compares: PostgreSQL knows no NUL."""
Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True),  # blanks are none
    Field(min_length=3, max_length=2000, pattern=NO_NUL, examples=["logins matter less since the API"]),
]


class Decision(BaseModel):
    """Why somebody decided so; kept with the decision."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


def id_in(cursor: str | None) -> UUID | None:
    """The id at which a page begins. Raises Refused."""
    return None if cursor is None else uuid_of(decode_cursor(cursor, "id")["id"])


def uuid_of(value: Any) -> UUID:
    """Of a cursor. Raises Refused."""
    try:
        return UUID(str(value))
    except ValueError as error:
        raise Refused("not a cursor of this list", field="cursor") from error


def moment_of(value: Any) -> datetime:
    """Of a cursor. Raises Refused."""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise Refused("not a cursor of this list", field="cursor") from error
    if moment.tzinfo is None:
        raise Refused("not a cursor of this list", field="cursor")
    return moment
