"""Words for tests about cases: a procedure, a flag, a client, and a way to play inputs in turn."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from escalation.domain import inputs
from escalation.domain.case import Case, Flag, Happened, What
from escalation.domain.client import Client
from escalation.domain.decide import decide
from escalation.domain.hours import Elapsed, Hours
from escalation.domain.sop import Proof, Sop, StepRule

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CLIENT = UUID("11111111-1111-4111-8111-111111111111")
OTHER = UUID("22222222-2222-4222-8222-222222222222")
FLAG = UUID("33333333-3333-4333-8333-333333333333")
MAYA, OMAR = "maya@ours.example", "omar@ours.example"

PEOPLE: dict[str, Any] = {"csm": MAYA, "executive_sponsor": OMAR}
PLAN: dict[str, Any] = {
    "actions": [{"action": "restore the export", "owner": MAYA, "due_on": "2026-03-09"}],
    "tracking_item": "https://pm.example/CS-12",
}


def hours(n: float) -> timedelta:
    return timedelta(hours=n)


def call_evidence(at: datetime = MONDAY + timedelta(hours=30)) -> dict[str, Any]:
    return {"time": at.isoformat(), "attendees": ["contact-7", MAYA], "invitation": "https://cal.example/1"}


EVIDENCE: dict[str, dict[str, Any]] = {"assign": PEOPLE, "root_cause_call": call_evidence(), "mitigation_plan": PLAN}


def sop(*, counted: Hours | None = None, version: int = 1) -> Sop:
    return Sop(
        sop="churn-risk",
        version=version,
        title="A client is likely to leave",
        rules=frozenset({"threshold", "scorecard"}),
        tiers=frozenset(),
        hours=counted or Elapsed(),
        steps=(
            StepRule("assign", "Name the people", hours(4), hours(1), Proof.PEOPLE),
            StepRule("root_cause_call", "Schedule the call", hours(24), hours(4), Proof.CALL),
            StepRule("mitigation_plan", "Agree the plan", hours(72), hours(12), Proof.PLAN),
        ),
    )


def flag(flag_id: UUID = FLAG, *, episode: int = 1, at: datetime = MONDAY, rule: str = "threshold") -> Flag:
    return Flag(flag_id, episode, at, rule, {"probability": 0.71})


def flagged(
    of: Flag | None = None, *, client: Client | None = None, client_id: UUID = CLIENT, by: Sop | None = None
) -> inputs.Flagged:
    return inputs.Flagged(of or flag(), client_id, client_id, by or sop(), client or Client())


def opened(client: Client | None = None, *, by: Sop | None = None) -> Case:
    return decide(None, flagged(client=client, by=by), MONDAY)[0]


def play(case: Case, moves: Iterable[tuple[inputs.Input, datetime]]) -> tuple[Case, list[Happened]]:
    """Tell the case one thing after another."""
    told: list[Happened] = []
    for given, now in moves:
        case, happened = decide(case, given, now)
        told += happened
    return case, told


def words(happened: Iterable[Happened]) -> list[str]:
    """`step_done assign`, `case_closed`: what happened, readable in a failure."""
    return [f"{one.what} {one.step}" if one.step else str(one.what) for one in happened]


def breaches(happened: Iterable[Happened]) -> list[str]:
    return [one.step or "" for one in happened if one.what is What.STEP_BREACHED]
