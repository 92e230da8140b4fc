"""What our CRM should say of a client's health, and when it is worth a write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from common.contracts import churn, health
from common.contracts.base import Data, Event

SCORE_STEP = 1.0
"""Points of score that are worth a write."""
RISK_STEP = 0.05
"""Difference of probability that is worth a write."""
REASONS_LENGTH = 1000

STATUS_TYPES: tuple[type[Data], ...] = (
    health.Scored,
    health.BandChanged,
    churn.Assessed,
    churn.FlagRaised,
    churn.FlagCleared,
    churn.FlagOverridden,
    churn.OverrideEnded,
)


@dataclass(frozen=True, slots=True)
class Status:
    """The newest known state of a client, JSON-ready."""

    score: float | None = None
    band: str | None = None
    confidence: float | None = None
    health_as_of: str | None = None
    health_order: tuple[str, ...] | None = None
    """Order of the event that said so; an earlier one changes nothing."""
    risk: float | None = None
    risk_kind: str | None = None
    """probability, or signs while uncalibrated."""
    flag: str = "none"
    """none, likely_churn, risk_signs, among_riskiest, overridden"""
    reasons: str | None = None
    simulated: bool = False
    risk_as_of: str | None = None
    risk_order: tuple[str, ...] | None = None

    def properties(self) -> dict[str, str]:
        """HubSpot company properties; an empty text clears one."""
        return {
            "csl_health_score": "" if self.score is None else f"{self.score:.1f}",
            "csl_health_band": self.band or "",
            "csl_health_confidence": "" if self.confidence is None else f"{self.confidence:.2f}",
            "csl_health_as_of": self.health_as_of or "",
            "csl_churn_risk": "" if self.risk is None else f"{self.risk:.2f}",
            "csl_churn_flag": self.flag,
            "csl_churn_reasons": self.reasons or "",
            "csl_churn_as_of": self.risk_as_of or "",
            "csl_simulated": "true" if self.simulated else "false",
        }


def advance(status: Status, event: Event[Any]) -> Status:
    """The status after an event; results about past moments are not written anywhere."""
    data = event.data
    if data.mode != health.Mode.LIVE:
        return status
    order = tuple(str(part) for part in (event.time.isoformat(), event.knowntime.isoformat(), event.sequence))
    if isinstance(data, health.Evaluation):
        return status if _older(order, status.health_order) else _with_health(status, data, order)
    if isinstance(data, churn.Risk):
        return status if _older(order, status.risk_order) else _with_risk(status, data, order)
    return status


def _older(order: tuple[str, ...], known: tuple[str, ...] | None) -> bool:
    return known is not None and order < tuple(known)


def _with_health(status: Status, data: health.Evaluation, order: tuple[str, ...]) -> Status:
    return replace(
        status,
        score=data.score,
        band=data.band.value,
        confidence=data.confidence,
        health_as_of=_instant(data.as_of),
        health_order=order,
    )


def _with_risk(status: Status, data: churn.Risk, order: tuple[str, ...]) -> Status:
    calibrated = data.calibrated and data.probability is not None
    raised = "likely_churn" if calibrated else "risk_signs"
    if isinstance(data, churn.FlagEvent) and data.rule is churn.Rule.CAPACITY:
        raised = "among_riskiest"
    flags: Mapping[type[Data], str] = {
        churn.FlagRaised: raised,
        churn.OverrideEnded: raised,
        churn.FlagCleared: "none",
        churn.FlagOverridden: "overridden",
    }
    reasons = sorted((r for r in data.reasons if r.contribution > 0), key=lambda r: -r.contribution)
    return replace(
        status,
        risk=data.probability if calibrated else None,
        risk_kind="probability" if calibrated else "signs",
        flag=flags.get(type(data), status.flag),
        reasons="; ".join(reason.text for reason in reasons[:3])[:REASONS_LENGTH] or None,
        simulated=bool(data.simulated),
        risk_as_of=_instant(data.as_of),
        risk_order=order,
    )


def _instant(at: datetime) -> str:
    """HubSpot's datetime properties take ISO 8601 in UTC."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def due_at(
    wanted: Status, written: Status | None, *, written_at: datetime | None, now: datetime, interval: timedelta
) -> datetime | None:
    """When `wanted` should be written (wall time); None when what is there is good enough.

    Moves of band or flag go at once, those to and from `unknown` included; a score or a risk that merely drifts
    waits until `interval` has passed since the last write, and only the newest state is then written.
    """
    if wanted.band is None and wanted.risk_order is None:
        return None
    if written is None or written_at is None:
        return now
    if (wanted.band, wanted.flag, wanted.risk_kind) != (written.band, written.flag, written.risk_kind):
        return now
    if _moved(wanted.score, written.score, SCORE_STEP) or _moved(wanted.risk, written.risk, RISK_STEP):
        return max(now, written_at + interval)
    return None


def _moved(wanted: float | None, written: float | None, step: float) -> bool:
    if wanted is None or written is None:
        return wanted is not written
    return abs(wanted - written) >= step
