"""One client's risk at a moment, whichever way it was worked out, ready to be decided on and published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from common.contracts.churn import Assessed, Change, Reason, Rule
from common.contracts.health import Mode


class Level(StrEnum):
    """Where a risk stands between the two lines of the hysteresis."""

    HIGH = "high"
    BETWEEN = "between"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Assessment:
    """`groups` are all contributions by reason code; with `base` they sum to the model's margin (log-odds)."""

    client_id: UUID
    as_of: datetime
    level: Level
    rule: Rule
    threshold: float
    horizon_days: int
    model: str
    model_version: str
    calibrated: bool
    reasons: tuple[Reason, ...]
    probability: float | None = None
    points: float | None = None
    simulated: bool | None = None
    base: float = 0.0
    groups: Mapping[str, float] | None = None
    mode: Mode = Mode.LIVE
    changes: tuple[Change, ...] | None = None
    compared_to: datetime | None = None
    """The assessment before, if it was by the same model: what `changes` are since."""

    def risk(self) -> dict[str, Any]:
        """The fields that every event about a risk carries."""
        return {
            "client_id": self.client_id,
            "mode": self.mode,
            "probability": self.probability,
            "points": self.points,
            "threshold": self.threshold,
            "horizon_days": self.horizon_days,
            "model": self.model,
            "model_version": self.model_version,
            "calibrated": self.calibrated,
            "simulated": self.simulated,
            "reasons": self.reasons,
            "changes": self.changes,
            "compared_to": self.compared_to,
            "as_of": self.as_of,
        }

    def kept_groups(self) -> dict[str, Any]:
        """What the next assessment is compared with, and what a reader may check the sum of: `by`, `base`, `model`."""
        return {
            "by": {code: round(value, 6) for code, value in (self.groups or {}).items() if value},
            "base": round(self.base, 6),
            "model": f"{self.model} {self.model_version}",
            "as_of": self.as_of.isoformat(),
        }

    def event(self) -> Assessed:
        return Assessed(**self.risk())


def level_of(value: float, threshold: float, clear_below: float) -> Level:
    """High from the threshold on, low below the clearing line, between them what was before stays."""
    if value >= threshold:
        return Level.HIGH
    return Level.LOW if value < clear_below else Level.BETWEEN
