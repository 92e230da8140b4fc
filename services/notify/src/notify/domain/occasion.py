"""What may concern people: an event of another service, reduced to what rules look at and messages are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from common.contracts import churn, client, escalation, feeds, health
from common.contracts.base import Data, Event, Origin
from common.contracts.client.delivery import Phase

RANK = {
    health.Band.GREEN: 3,
    health.Band.HEALTHY: 3,
    health.Band.AMBER: 2,
    health.Band.STABLE: 2,
    health.Band.AT_RISK: 1,
    health.Band.RED: 1,
    health.Band.CRITICAL: 0,
}
"""Bands of all models on one scale, best highest; `unknown` has no rank."""
ALARMING = 1
"""A first known band of this rank or less counts as a change for the worse."""

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Occasion:
    """One event that a rule may match. `facts` are what `when:` compares, by name; see docs/notify.md."""

    kind: str
    event: Event[Any]
    client_id: UUID | None
    facts: Facts
    case_id: UUID | None = None
    owner: str | None = None
    """Who owns the milestone or the blocker."""
    case_csm: str | None = None
    case_sponsor: str | None = None

    @property
    def at(self) -> datetime:
        return self.event.time


@dataclass(frozen=True, slots=True)
class _Read:
    """How one type of event becomes an occasion."""

    kind: str
    facts: Callable[[Any], Facts] = field(default=lambda _: {})


def worse(data: health.BandChanged) -> bool:
    """Whether the client is in a worse band than it was last known to be in."""
    now = RANK.get(data.band)
    if now is None:
        return False
    before = RANK.get(data.last_known_band or health.Band.UNKNOWN)
    if before is None:
        before = RANK.get(data.band_before or health.Band.UNKNOWN)
    return now <= ALARMING if before is None else now < before


def better(data: health.BandChanged) -> bool:
    now, before = RANK.get(data.band), RANK.get(data.last_known_band or data.band_before or health.Band.UNKNOWN)
    return now is not None and before is not None and now > before


def _band(data: health.BandChanged) -> Facts:
    return {
        "band": data.band.value,
        "band_before": (data.last_known_band or data.band_before or health.Band.UNKNOWN).value,
        "score": data.score,
        "score_before": data.score_before,
        "worse": worse(data),
        "better": better(data),
        "cause": data.cause.value if data.cause else None,
        "model": data.model,
        "confidence": data.confidence,
    }


def _flag(data: churn.FlagEvent) -> Facts:
    return {
        "rule": data.rule.value,
        "probability": data.probability,
        "points": data.points,
        "calibrated": data.calibrated,
        "simulated": bool(data.simulated),
        "episode": data.episode,
    }


def _step(data: escalation.StepEvent) -> Facts:
    facts: dict[str, Any] = {"step": data.step, "sop": data.sop}
    if isinstance(data, escalation.StepDue):
        facts["notice"] = data.notice
    return facts


def _milestone(data: health.MilestoneLate | health.MilestoneDue | health.MilestoneReached) -> dict[str, Any]:
    facts: dict[str, Any] = {"milestone": data.milestone, "phase": data.phase.value if data.phase else None}
    if isinstance(data, health.MilestoneDue):
        return {**facts, "days_left": data.days_left}
    return {**facts, "days_late": data.days_late}


def _reached(data: health.MilestoneReached) -> Facts:
    return {**_milestone(data), "next": data.next.milestone if data.next else None, "has_next": data.next is not None}


PHASES = list(Phase)


def went_back(data: health.PhaseChanged) -> bool:
    """Whether the client is in an earlier phase than before."""
    return data.phase_before is not None and PHASES.index(data.phase) < PHASES.index(data.phase_before)


def _phase(data: health.PhaseChanged) -> Facts:
    before = data.phase_before
    return {
        "phase": data.phase.value,
        "phase_before": before.value if before else None,
        "reason": data.reason.value,
        "back": went_back(data),
    }


def _owner(data: Data) -> str | None:
    """Who owns what is to be done: of a milestone that was reached, the next one."""
    if isinstance(data, health.MilestoneReached) and data.next is not None:
        return data.next.owner_email
    return getattr(data, "owner_email", None)


def _sign(data: health.SignStarted) -> Facts:
    return {"sign": data.sign, "kind": data.kind.value if data.kind else None, "about": data.about}


def _blocker(data: client.BlockerLogged) -> Facts:
    return {"severity": data.severity.value, "kind": data.kind, "impact_days": data.impact_days}


def _feed(data: feeds.Feed) -> Facts:
    return {"source": data.source, "expected_every_seconds": data.expected_every_seconds}


def _hold(data: health.ChangesHeld) -> Facts:
    return {"source": data.source, "model": data.model, "moved": data.moved, "clients": data.clients}


def _fell_back(data: churn.ModelFellBack) -> Facts:
    return {"model_version": data.model_version, "fell_back_to": data.fell_back_to}


ABOUT_NO_CLIENT = (feeds.Feed, health.ChangesHeld, churn.ModelFellBack)
"""Whoever is on call is told of these."""

READS: Mapping[type[Data], _Read] = {
    health.BandChanged: _Read("band_changed", _band),
    health.MilestoneLate: _Read("milestone_late", _milestone),
    health.MilestoneDue: _Read("milestone_due_soon", _milestone),
    health.MilestoneReached: _Read("milestone_reached", _reached),
    health.PhaseChanged: _Read("phase_changed", _phase),
    health.SignStarted: _Read("sign_started", _sign),
    churn.FlagRaised: _Read("flag_raised", _flag),
    churn.FlagCleared: _Read("flag_cleared", lambda data: {**_flag(data), "reason": data.reason}),
    churn.FlagOverridden: _Read("flag_overridden", _flag),
    churn.OverrideEnded: _Read("override_ended", lambda data: {**_flag(data), "because": data.ended_because}),
    escalation.CaseOpened: _Read("case_opened", lambda data: {"sop": data.sop}),
    escalation.CaseAssigned: _Read("case_assigned", lambda data: {"by": data.by}),
    escalation.StepDue: _Read("step_due", _step),
    escalation.StepDone: _Read("step_done", _step),
    escalation.StepBreached: _Read("step_breached", _step),
    escalation.CasePaused: _Read("case_paused", lambda data: {"sop": data.sop}),
    escalation.CaseResumed: _Read("case_resumed", lambda data: {"sop": data.sop}),
    escalation.CaseClosed: _Read("case_closed", lambda data: {"outcome": data.outcome.value, "sop": data.sop}),
    client.BlockerLogged: _Read("blocker_logged", _blocker),
    feeds.FeedSilent: _Read("feed_silent", _feed),
    feeds.FeedRecovered: _Read("feed_recovered", _feed),
    health.ChangesHeld: _Read("changes_held", _hold),
    churn.ModelFellBack: _Read("model_fell_back", _fell_back),
}
KINDS = frozenset(read.kind for read in READS.values())


def occasion_of(event: Event[Any]) -> Occasion | None:
    """None for what never concerns anybody: history, and types that no rule can name."""
    read = READS.get(type(event.data))
    if read is None or is_history(event):
        return None
    data = event.data
    return Occasion(
        kind=read.kind,
        event=event,
        client_id=None if isinstance(data, ABOUT_NO_CLIENT) else event.client_id,
        facts=read.facts(data),
        case_id=getattr(data, "case_id", None),
        owner=_owner(data),
        case_csm=getattr(data, "csm_email", None),
        case_sponsor=getattr(data, "executive_sponsor_email", None),
    )


def is_history(event: Event[Any]) -> bool:
    """History never acts: imported events, and results about moments that had passed."""
    return event.origin is Origin.IMPORT or getattr(event.data, "mode", health.Mode.LIVE) != health.Mode.LIVE
