"""HTTP of escalation: parse → service → response."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from common.auth import Caller, requires
from common.clock import Clock
from common.contracts.base import UtcDatetime
from common.db import SessionDep
from common.errors import Refused
from common.http import PROBLEMS, Once, Page, check_if_match, decode_cursor, encode_cursor, etag_of
from common.http.pages import Cursor, Limit
from fastapi import APIRouter, Body, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from escalation import service
from escalation.adapters.sop_yaml import SopSpec
from escalation.domain import inputs
from escalation.domain.case import Case, Outcome, State
from escalation.repository import Filter
from escalation.settings import Settings
from escalation.views import CaseDetail, CaseView, SopView

router = APIRouter(prefix="/v1", tags=["cases"])

READ, WRITE, ADMIN = requires("escalation:read"), requires("escalation:write"), requires("escalation:admin")
CHANGES: dict[int | str, dict[str, Any]] = {
    200: {"model": CaseDetail},
    **{status: PROBLEMS[status] for status in (404, 409, 412)},
}
Text = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^[^\x00]*$")]
Email = Annotated[str, Field(max_length=320, examples=["maya@ours.example"])]


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Completion(_Said):
    """What proves the step done; which fields it needs depends on what the step asks for."""

    evidence: dict[str, Any] = Field(
        description="people: csm, executive_sponsor · call: time, attendees, invitation · "
        "plan: actions [{action, owner, due_on}], tracking_item · note: note"
    )


class Assignment(_Said):
    """The case's people; one that is left out stays as it is."""

    csm: Email | None = None
    executive_sponsor: Email | None = Field(None, examples=["omar@ours.example"])


class PauseOrder(_Said):
    """Why the clock stops, and until when (left out: until somebody resumes)."""

    reason: Text = Field(examples=["the client is closed until Monday"])
    until: UtcDatetime | None = None


class Closing(_Said):
    """How it ended, and why."""

    outcome: Literal["saved", "left", "false_alarm"]
    reason: Text = Field(examples=["export fixed; renewed for a year"])


class Changing:
    """A person changes a case: locked, If-Match checked, decided, answered once per Idempotency-Key."""

    def __init__(self, request: Request, session: SessionDep, caller: Caller, once: Once) -> None:
        self._request = request
        self._session = session
        self._by = caller.subject
        self._once = once

    async def __call__(self, case_id: UUID, given: Callable[[str, frozenset[str]], inputs.Input]) -> Response:
        clock: Clock = self._request.app.state.clock
        settings: Settings = self._request.app.state.settings
        case = await service.lock(self._session, case_id)
        check_if_match(self._request, _etag(case))
        ours = frozenset(domain.lower() for domain in settings.own_email_domains)
        shown = await service.tell(self._session, case, given(self._by, ours), clock.now())
        response = await self._once.keep(CaseDetail.of(shown))
        response.headers["ETag"] = _etag(shown.case)
        return response


Change = Annotated[Changing, Depends(Changing, scope="function")]


_moment: TypeAdapter[datetime] = TypeAdapter(UtcDatetime)


def _etag(case: Case) -> str:
    return etag_of(case.case_id, case.client_id, case.happenings)


def _position(cursor: str) -> tuple[datetime, UUID]:
    position = decode_cursor(cursor, "opened_at", "case_id")
    try:
        return _moment.validate_python(position["opened_at"]), UUID(position["case_id"])
    except (ValueError, TypeError) as error:
        raise Refused("not a cursor of this list", field="cursor") from error


COMPLETIONS = {
    "assign": {"value": {"evidence": {"csm": "maya@ours.example", "executive_sponsor": "omar@ours.example"}}},
    "root_cause_call": {
        "value": {
            "evidence": {
                "time": "2026-03-03T15:00:00Z",
                "attendees": ["hubspot-contact-1251", "maya@ours.example"],
                "invitation": "https://calendar.ours.example/e/8f2k",
            }
        }
    },
    "mitigation_plan": {
        "value": {
            "evidence": {
                "actions": [{"action": "restore the export", "owner": "maya@ours.example", "due_on": "2026-03-09"}],
                "tracking_item": "https://pm.ours.example/CS-12",
            }
        }
    },
}


@router.get("/cases", dependencies=[READ], summary="Cases, newest first")
async def list_cases(
    session: SessionDep,
    state: Annotated[list[State] | None, Query(description="May be repeated.")] = None,
    client_id: UUID | None = None,
    person: Annotated[
        str | None,
        Query(max_length=320, pattern=r"^[^\x00]*$", description="CSM or executive sponsor, by e-mail address."),
    ] = None,
    outcome: Outcome | None = None,
    breached: Annotated[bool | None, Query(description="With (without) a missed step not done yet.")] = None,
    opened_from: UtcDatetime | None = None,
    opened_to: UtcDatetime | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[CaseView]:
    wanted = Filter(
        states=state or (),
        person=person.lower() if person else None,
        outcome=outcome,
        breached=breached,
        opened_from=opened_from,
        opened_to=opened_to,
    )
    before = _position(cursor) if cursor else None
    shown, more = await service.page(session, wanted, client_id=client_id, before=before, limit=limit)
    last = shown[-1].case if more else None
    return Page(
        items=[CaseView.of(one) for one in shown],
        next=encode_cursor({"opened_at": last.opened_at, "case_id": last.case_id}) if last else None,
    )


@router.get("/cases/{case_id}", dependencies=[READ], summary="One case with its trail", responses={404: PROBLEMS[404]})
async def get_case(case_id: UUID, session: SessionDep, response: Response) -> CaseDetail:
    shown = await service.show(session, case_id)
    response.headers["ETag"] = _etag(shown.case)
    return CaseDetail.of(shown)


@router.post(
    "/cases/{case_id}/steps/{step}/complete",
    dependencies=[WRITE],
    responses=CHANGES,
    summary="Complete a step with its evidence",
)
async def complete_step(
    case_id: UUID,
    step: str,
    said: Annotated[Completion, Body(openapi_examples=COMPLETIONS)],
    change: Change,
) -> Response:
    return await change(
        case_id, lambda by, ours: inputs.Completed(step=step, evidence=said.evidence, by=by, own_domains=ours)
    )


@router.post("/cases/{case_id}/assign", dependencies=[WRITE], responses=CHANGES, summary="Name the case's people")
async def assign_case(case_id: UUID, said: Assignment, change: Change) -> Response:
    return await change(
        case_id,
        lambda by, ours: inputs.Assigned(said.csm, said.executive_sponsor, by=by, own_domains=ours),
    )


@router.post("/cases/{case_id}/pause", dependencies=[WRITE], responses=CHANGES, summary="Stop the case's clock")
async def pause_case(case_id: UUID, said: PauseOrder, change: Change) -> Response:
    return await change(case_id, lambda by, _: inputs.Paused(by=by, reason=said.reason, until=said.until))


@router.post("/cases/{case_id}/resume", dependencies=[WRITE], responses=CHANGES, summary="Let the clock go on")
async def resume_case(case_id: UUID, change: Change) -> Response:
    return await change(case_id, lambda by, _: inputs.Resumed(by=by))


@router.post("/cases/{case_id}/close", dependencies=[WRITE], responses=CHANGES, summary="Close a case by hand")
async def close_case(case_id: UUID, said: Closing, change: Change) -> Response:
    return await change(case_id, lambda by, _: inputs.Closed(by=by, outcome=Outcome(said.outcome), reason=said.reason))


@router.get("/sops", dependencies=[READ], summary="Procedures, all versions", tags=["procedures"])
async def list_sops(session: SessionDep) -> Page[SopView]:
    return Page(items=[SopView.of(one) for one in await service.sops(session)])


@router.post(
    "/sops",
    dependencies=[ADMIN],
    status_code=201,
    responses={201: {"model": SopView}},
    summary="Publish a procedure for new cases",
    tags=["procedures"],
)
async def publish_sop(said: SopSpec, session: SessionDep, caller: Caller, once: Once, request: Request) -> Response:
    clock: Clock = request.app.state.clock
    published = await service.publish_sop(session, said, by=caller.subject, now=clock.now())
    return await once.keep(SopView.of(published), 201)
