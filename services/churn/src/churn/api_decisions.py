"""HTTP about decisions: flags with what became of them, overrides taken back, and whether people were right."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from common.auth import Caller, requires
from common.clock import Clock
from common.contracts.churn import Rule
from common.contracts.errors import Refused
from common.contracts.fields import UtcDatetime
from common.db import SessionDep
from common.http import PROBLEMS, Page, decode_cursor, encode_cursor
from common.http.pages import Cursor, Limit
from fastapi import APIRouter, Query, Request

from churn import deciding, views, views_decisions
from churn.repository.outcomes import Wanted

router = APIRouter(prefix="/v1")
READ, OVERRIDE = requires("churn:read"), requires("churn:override")
OutcomeWanted = Literal["left", "stayed", "stayed_after_case", "unknown", "pending"]


@router.get("/flags", dependencies=[READ], tags=["decisions"])
async def list_flags(
    session: SessionDep,
    client_id: UUID | None = None,
    rule: Rule | None = None,
    outcome: OutcomeWanted | None = None,
    standing: bool | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[views_decisions.FlagRecord]:
    """Every flag that was raised, newest first, with what became of the client once its horizon was over."""
    before = _flag_place(cursor) if cursor else None
    wanted = Wanted(None, rule.value if rule else None, outcome, standing)
    rows = await deciding.flags_page(session, client_id, wanted, before, limit + 1)
    following = None
    if len(rows) > limit:
        last = rows[limit - 1]
        place = {"raised_at": last.raised_at.isoformat(), "flag_id": last.flag_id, "episode": last.episode}
        following = encode_cursor(place)
    return Page(items=[views_decisions.flag_record(row) for row in rows[:limit]], next=following)


@router.get("/overrides/report", dependencies=[READ], tags=["decisions"])
async def report_overrides(
    session: SessionDep,
    since: Annotated[UtcDatetime | None, Query(alias="from")] = None,
    until: Annotated[UtcDatetime | None, Query(alias="to")] = None,
) -> views_decisions.OverrideReport:
    """Was the human right? Of overridden flags, how many clients left all the same, by person and by reason."""
    if since is not None and until is not None and until <= since:
        raise Refused("`from` has to lie before `to`", field="from")
    return views_decisions.override_report(await deciding.report(session, since, until))


@router.delete(
    "/clients/{client_id}/overrides/{override_id}",
    dependencies=[OVERRIDE],
    tags=["decisions"],
    status_code=202,
    responses={404: PROBLEMS[404]},
)
async def withdraw_override(
    client_id: UUID, override_id: UUID, request: Request, caller: Caller, session: SessionDep
) -> views.RiskView:
    """Take an override back: the client is looked at afresh at once, and its flag raised again if the risk lasts."""
    clock: Clock = request.app.state.clock
    row = await deciding.withdraw(session, client_id, override_id, by=caller.subject, now=clock.now())
    return views.risk_view(row)


def _flag_place(cursor: str) -> tuple[datetime, UUID, int]:
    """The place in the list of flags that a cursor names. Raises Refused for one that is not ours."""
    position: dict[str, Any] = decode_cursor(cursor, "raised_at", "flag_id", "episode")
    try:
        at = datetime.fromisoformat(position["raised_at"])
        zone, at = at.tzinfo, at.astimezone(UTC)
        flag_id, episode = UUID(position["flag_id"]), position["episode"]
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise Refused("not a cursor of this list", field="cursor") from error
    if zone is None or not isinstance(episode, int) or not 0 <= episode < 1 << 31:
        raise Refused("not a cursor of this list", field="cursor")
    return at, flag_id, episode
