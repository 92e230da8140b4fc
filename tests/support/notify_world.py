"""What other services say, in a few words, as notify hears it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from common.contracts import churn, client, escalation, feeds, health
from common.contracts.base import Data, Event, Origin

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MAYA = "maya@ours.example"
SAM = "sam@ours.example"
COMPONENTS = [
    {"name": "usage", "weight": 35, "score": 31.5, "fresh": True},
    {"name": "outcome", "weight": 25, "score": 62.25, "fresh": True},
    {"name": "relationship", "weight": 25, "score": 44.5, "fresh": True},
    {"name": "financial", "weight": 15, "score": 88.0, "fresh": False},
]
MOVES = [
    {"kind": "behaviour", "signal": "logins", "delta": -11.5, "text": "logins fell from 34 to 9 a week"},
    {"kind": "behaviour", "signal": "sponsor", "delta": -6.25, "text": "the sponsor left on 12 Feb"},
    {"kind": "behaviour", "signal": "mood", "delta": -2.5, "text": "3 of the last 5 tickets are angry"},
]
REASONS = [
    {"code": "usage_dip", "text": "logins fell from 34 to 9 a week since 3 Feb", "contribution": 1.1},
    {"code": "sponsor_left", "text": "the sponsor left on 12 Feb", "contribution": 0.8},
    {"code": "paid_on_time", "text": "every invoice was paid on time", "contribution": -0.3},
]


def event(
    body: Data, subject: UUID | str, *, at: datetime = NOW, origin: Origin = Origin.LIVE, **more: Any
) -> Event[Any]:
    return Event.of(
        body, id=more.pop("id", None) or uuid4(), source="csl/test", subject=subject, time=at, origin=origin, **more
    )


def registered(client_id: UUID, **more: Any) -> client.ClientRegistered:
    refs = [{"source": "hubspot", "kind": "company", "id": "18412397"}]
    said: dict[str, Any] = {
        "name": "Northwind Labs",
        "tier": "core",
        "csm_email": MAYA,
        "executive_sponsor_email": SAM,
        "refs": refs,
    }
    said |= {"mrr": {"amount": 420000, "currency": "EUR"}, "renewal_on": "2026-06-30"}
    return client.ClientRegistered.model_validate({**said, **more})


def evaluation(client_id: UUID, **more: Any) -> dict[str, Any]:
    return {
        "client_id": client_id,
        "mode": "live",
        "model": "loop",
        "model_version": 1,
        "score": 52.0625,
        "band": "red",
        "band_before": "amber",
        "cause": "behaviour",
        "confidence": 0.92,
        "components": COMPONENTS,
        "as_of": NOW,
        "caused_by": [],
        **more,
    }


def band_changed(client_id: UUID, **more: Any) -> health.BandChanged:
    said = {"score_before": 71.375, "last_known_band": "amber", "moves": MOVES}
    return health.BandChanged.model_validate(evaluation(client_id, **{**said, **more}))


def scored(client_id: UUID, **more: Any) -> health.Scored:
    return health.Scored.model_validate(evaluation(client_id, **more))


def risk(client_id: UUID, **more: Any) -> dict[str, Any]:
    return {
        "client_id": client_id,
        "mode": "live",
        "probability": 0.72,
        "threshold": 0.6,
        "horizon_days": 90,
        "model": "xgboost",
        "model_version": "2026-03-02.1",
        "calibrated": True,
        "reasons": REASONS,
        "as_of": NOW,
        **more,
    }


def flag_raised(client_id: UUID, **more: Any) -> churn.FlagRaised:
    said = {"flag_id": uuid4(), "episode": 1, "rule": "threshold"}
    return churn.FlagRaised.model_validate(risk(client_id, **{**said, **more}))


def scorecard_flag(client_id: UUID, **more: Any) -> churn.FlagRaised:
    """A flag of the points scorecard: no probability."""
    said = {
        "probability": None,
        "points": 7,
        "threshold": 6,
        "calibrated": False,
        "rule": "scorecard",
        "model": "scorecard",
    }
    return flag_raised(client_id, **{**said, **more})


def capacity_flag(client_id: UUID, **more: Any) -> churn.FlagRaised:
    """The client is among the riskiest of its CSM this week."""
    ranking = {"csm": MAYA, "place": 2, "named": 3, "clients": 41, "average": 0.031}
    return flag_raised(client_id, **{"rule": "capacity", "probability": 0.1431, "ranking": ranking, **more})


def case(client_id: UUID, **more: Any) -> dict[str, Any]:
    return {
        "case_id": UUID(int=7),
        "client_id": client_id,
        "flag_id": UUID(int=8),
        "sop": "churn-risk",
        "sop_version": 1,
        "as_of": NOW,
        **more,
    }


PLAN = [
    {"step": "assign", "due_at": NOW + timedelta(hours=4)},
    {"step": "root_cause_call", "due_at": NOW + timedelta(hours=24)},
    {"step": "mitigation_plan", "due_at": NOW + timedelta(hours=72)},
]


def case_opened(client_id: UUID, **more: Any) -> escalation.CaseOpened:
    said = {"steps": PLAN, "reasons": REASONS, "probability": 0.72}
    return escalation.CaseOpened.model_validate(case(client_id, **{**said, **more}))


def case_assigned(client_id: UUID, csm: str, sponsor: str, **more: Any) -> escalation.CaseAssigned:
    people = {"csm_email": csm, "executive_sponsor_email": sponsor, "by": "ops@ours.example"}
    return escalation.CaseAssigned.model_validate(case(client_id, **{**people, **more}))


def step_due(client_id: UUID, step: str = "root_cause_call", **more: Any) -> escalation.StepDue:
    said = {"step": step, "due_at": NOW + timedelta(hours=2), "notice": "due_soon"}
    return escalation.StepDue.model_validate(case(client_id, **{**said, **more}))


def step_breached(client_id: UUID, step: str = "assign", **more: Any) -> escalation.StepBreached:
    return escalation.StepBreached.model_validate(case(client_id, **{"step": step, "due_at": NOW, **more}))


def case_closed(client_id: UUID, outcome: str = "saved", **more: Any) -> escalation.CaseClosed:
    return escalation.CaseClosed.model_validate(case(client_id, outcome=outcome, **more))


def blocker(severity: str = "critical", **more: Any) -> client.BlockerLogged:
    said = {"blocker_id": "blk-12", "kind": "missing_assets", "severity": severity, "impact_days": 5}
    return client.BlockerLogged.model_validate({**said, **more})


def milestone_late(client_id: UUID, days: int = 3, **more: Any) -> health.MilestoneLate:
    said = {"milestone": "first_automation_live", "phase": "first_value", "owner_email": "olga@ours.example"}
    said |= {"kpi": "first automation runs daily"}
    due = NOW - timedelta(days=days)
    return health.MilestoneLate.model_validate(
        {**said, "client_id": client_id, "due_at": due, "days_late": days, "as_of": NOW, **more}
    )


def milestone_due(client_id: UUID, **more: Any) -> health.MilestoneDue:
    said = {"milestone": "first_automation_live", "phase": "first_value", "owner_email": "olga@ours.example"}
    times = {"due_at": NOW + timedelta(days=1), "days_left": 1, "as_of": NOW}
    return health.MilestoneDue.model_validate({**said, **times, "client_id": client_id, **more})


def milestone_reached(client_id: UUID, **more: Any) -> health.MilestoneReached:
    said = {"milestone": "first_automation_live", "phase": "first_value", "owner_email": MAYA, "rescheduled": 0}
    times = {"due_at": NOW, "due_at_first": NOW, "reached_at": NOW - timedelta(hours=2), "days_late": 0, "as_of": NOW}
    following = {"milestone": "core_training_complete", "owner_email": "olga@ours.example", "kpi": "1 course",
                 "due_at": NOW + timedelta(days=8)}  # fmt: skip
    return health.MilestoneReached.model_validate({**said, **times, "next": following, "client_id": client_id, **more})


def phase_changed(client_id: UUID, before: str | None = "adoption", **more: Any) -> health.PhaseChanged:
    said = {"phase": "first_value", "reason": "person", "text": "we start over with them", "by": MAYA}
    made = {"journey": "standard", "journey_version": 1, "since": NOW, "as_of": NOW, "phase_before": before}
    return health.PhaseChanged.model_validate({**said, **made, "client_id": client_id, **more})


def sign_started(client_id: UUID, sign: str = "client_silent", **more: Any) -> health.SignStarted:
    said = {"sign": sign, "kind": "early_warning", "text": "no word from them since we asked on 28 Feb, 09:00 UTC"}
    times = {"started_at": NOW - timedelta(hours=1), "as_of": NOW}
    return health.SignStarted.model_validate({**said, **times, "client_id": client_id, **more})


def feed_silent(source: str = "zendesk") -> feeds.FeedSilent:
    return feeds.FeedSilent(source=source, last_received_at=NOW - timedelta(hours=26), expected_every_seconds=86400.0)
