"""Cases and procedures as the API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from escalation.adapters.sop_yaml import SopSpec
from escalation.domain.case import Case, Outcome, State, Step, StepState
from escalation.domain.sop import Proof
from escalation.repository import SopVersion
from escalation.service import Shown


class StepView(BaseModel):
    """One deadline. A step done late is `done` and keeps `breached_at`."""

    step: str = Field(examples=["root_cause_call"])
    title: str = Field(examples=["Schedule a root-cause call with the client"])
    asks_for: Proof = Field(description="What evidence completes it.")
    due_at: datetime
    due_soon_at: datetime
    state: StepState
    breached_at: datetime | None = None
    done_at: datetime | None = None
    done_by: str | None = Field(None, description="Token subject of who completed it; `loop` for a calendar event.")
    evidence: dict[str, Any] | None = None

    @classmethod
    def of(cls, case: Case, step: Step) -> StepView:
        rule = case.rule(step.step)
        return cls(
            step=step.step,
            title=rule.title,
            asks_for=rule.proof,
            due_at=step.due_at,
            due_soon_at=step.due_soon_at,
            state=step.state,
            breached_at=step.breached_at,
            done_at=step.done_at,
            done_by=step.done_by,
            evidence=dict(step.evidence) if step.evidence is not None else None,
        )


class FlagView(BaseModel):
    """Why the case is there, as churn said it when the flag was raised."""

    flag_id: UUID
    episode: int
    rule: str = Field(examples=["threshold"])
    raised_at: datetime
    said: dict[str, Any] = Field(description="Probability or points, threshold, model and reasons.")


class TrailView(BaseModel):
    """One thing that happened to the case."""

    nth: int
    what: str = Field(examples=["step_done"])
    at: datetime
    by: str = Field(examples=["maya@ours.example"], description="Token subject; `loop` where no person did it.")
    step: str | None = None
    details: dict[str, Any]
    caused_by: UUID | None = Field(None, description="Id of the event that caused it.")


class CaseView(BaseModel):
    """One escalation of a client."""

    case_id: UUID
    client_id: UUID
    client_name: str | None = None
    state: State
    opened_at: datetime
    sop: str = Field(examples=["churn-risk"])
    sop_version: int
    flag_id: UUID
    flag: FlagView
    steps: list[StepView]
    next_due_at: datetime | None = Field(None, description="The nearest deadline that still runs.")
    csm: str | None = Field(None, examples=["maya@ours.example"])
    csm_named_by: str | None = Field(None, description="Null while only the client's record names them.")
    executive_sponsor: str | None = None
    executive_sponsor_named_by: str | None = None
    paused_at: datetime | None = None
    paused_until: datetime | None = None
    closed_at: datetime | None = None
    outcome: Outcome | None = None
    absorbed_by: UUID | None = Field(None, description="The case it went on in, when two clients were merged.")
    version: int = Field(description="Counts what happened to it; the ETag follows it.")

    @classmethod
    def of(cls, shown: Shown) -> CaseView:
        return cls(**_fields(shown))


class CaseDetail(CaseView):
    """One escalation with everything that happened to it."""

    trail: list[TrailView]

    @classmethod
    def of(cls, shown: Shown) -> CaseDetail:
        lines = [
            TrailView(
                nth=row.nth,
                what=row.what,
                at=row.at,
                by=row.by,
                step=row.step,
                details=row.details,
                caused_by=row.caused_by,
            )
            for row in shown.trail or []
        ]
        return cls(**_fields(shown), trail=lines)


def _fields(shown: Shown) -> dict[str, Any]:
    case = shown.case
    running = [step.due_at for step in case.pending()] if case.state is State.OPEN else []
    flag = case.flag
    return {
        "case_id": case.case_id,
        "client_id": case.client_id,
        "client_name": shown.client_name,
        "state": case.state,
        "opened_at": case.opened_at,
        "sop": case.sop.sop,
        "sop_version": case.sop.version,
        "flag_id": flag.flag_id,
        "flag": FlagView(
            flag_id=flag.flag_id,
            episode=flag.episode,
            rule=flag.rule,
            raised_at=flag.raised_at,
            said=dict(flag.said),
        ),
        "steps": [StepView.of(case, step) for step in case.steps],
        "next_due_at": min(running, default=None),
        "csm": case.csm.email if case.csm else None,
        "csm_named_by": case.csm.by if case.csm else None,
        "executive_sponsor": case.executive_sponsor.email if case.executive_sponsor else None,
        "executive_sponsor_named_by": case.executive_sponsor.by if case.executive_sponsor else None,
        "paused_at": case.pause.since if case.pause else None,
        "paused_until": case.pause.until if case.pause else None,
        "closed_at": case.closed_at,
        "outcome": case.outcome,
        "absorbed_by": case.absorbed_by,
        "version": case.happenings,
    }


class SopView(BaseModel):
    """One version of a procedure."""

    sop: str
    version: int
    active: bool = Field(description="Whether new cases follow it.")
    loaded_at: datetime
    loaded_by: str
    content: SopSpec

    @classmethod
    def of(cls, one: SopVersion) -> SopView:
        return cls(
            sop=one.spec.sop,
            version=one.version,
            active=one.active,
            loaded_at=one.loaded_at,
            loaded_by=one.loaded_by,
            content=one.spec,
        )
