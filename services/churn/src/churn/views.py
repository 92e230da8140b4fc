"""What the HTTP API answers: shapes of contracts.md, and how rows become them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from common.contracts.churn import Assessed, Rule
from common.contracts.fields import Identifier, UtcDatetime
from pydantic import BaseModel, ConfigDict, Field

from churn.repository.decisions import Kept
from churn.repository.models import ModelRecord, Promotion
from churn.repository.risks import Risk
from churn.views_decisions import DataView, FlagOutcome

LONGEST_NOTE = 2000


class FlagView(BaseModel):
    """A flag that stands; `probability` (or `points`) is what it was raised at."""

    flag_id: UUID
    episode: int
    rule: Rule
    raised_at: datetime
    probability: float | None = None
    points: float | None = None


class OverrideView(BaseModel):
    """A person's downgrade of the flag; the model's own number stays beside it."""

    override_id: UUID
    by: str
    reason_code: str
    note: str
    made_at: datetime
    until: datetime
    probability: float | None = None
    points: float | None = None
    withdrawn_by: str | None = None
    """Who took it back; it ends with the assessment that follows."""


class EndedView(BaseModel):
    """How the client ended: notice, mrr_zero, lapse; `unknown` for one that was merged into another."""

    kind: str
    at: datetime | None = None


class GroupView(BaseModel):
    """All features of one reason code together: what they add to the margin (log-odds), or points of the scorecard."""

    code: str
    contribution: float


class RiskView(Assessed):
    """The data of `csl.churn.assessed.v1`, with the flag, its override, and how the client ended if it did.

    `base` and all `groups` add up to `margin`: the model's log-odds before calibration, or the scorecard's points.
    """

    flag: FlagView | None = None
    override: OverrideView | None = None
    ended: EndedView | None = None
    base: float | None = None
    groups: tuple[GroupView, ...] = ()
    margin: float | None = None


class HistoryItem(Assessed):
    """An assessment as it was made, with the flag that it raised and what became of that."""

    raised: FlagOutcome | None = None


class OverrideRequest(BaseModel):
    """A downgrade of a flag: why, in a code and in words, and until when (90 days at most)."""

    model_config = ConfigDict(extra="forbid")

    reason_code: Annotated[Identifier, Field(examples=["renewal_agreed"])]
    note: Annotated[
        str,
        Field(
            max_length=LONGEST_NOTE,
            pattern=r"^[^\x00]*$",
            examples=["Their COO confirmed the renewal by phone; the order form follows in May."],
        ),
    ]
    until: UtcDatetime


class OverrideRecord(OverrideView):
    """An override of the past, with how it ended."""

    flag_id: UUID
    episode: int
    ended_at: datetime | None = None
    ended_because: str | None = None
    ended_by: str | None = None
    """Who took it back, if a person did."""


class ModelView(BaseModel):
    """A model of the registry."""

    model_id: UUID
    version: str
    kind: str
    in_service: bool
    trained_on: str
    created_at: datetime
    created_by: str
    horizon_days: int
    sha256: str
    fingerprint: str
    libraries: dict[str, str]
    calibration: dict[str, Any]
    features: list[str]
    metrics: dict[str, Any]


class ModelPage(BaseModel):
    """Models, newest first, with who decided what is in service."""

    items: list[ModelView]
    next: str | None = None
    in_service: str
    """Version of the model in service, or `scorecard`."""
    refused: str | None = None
    """Why the promoted model is not in service, where it could not be loaded."""
    decisions: list[DecisionView]
    data: DataView
    """What there is to learn from, and what is still lacking for a model."""


class DecisionView(BaseModel):
    """A promotion or rollback; `model_id` null is the scorecard."""

    model_id: UUID | None
    action: str
    by: str
    reason: str
    at: datetime


class ModelContent(BaseModel):
    """A model's bytes and what they need to speak, for whoever compares a new one with it."""

    model_id: UUID
    kind: str
    content_base64: str
    sha256: str
    features: tuple[str, ...]
    calibration: dict[str, Any]
    libraries: dict[str, str]


class ModelCheckView(BaseModel):
    """One business day's look at a model in service: drift (PSI), and what came of its matured predictions."""

    day: date
    clients: int
    """Whose columns were looked at."""
    prediction_psi: float
    feature_psi: dict[str, float]
    """By column, the most moved first."""
    noise_psi: float
    """What so many clients show on average without any drift."""
    predictions: int
    """Whose horizon is over, one a client."""
    expected: float
    """Leavers among them by the model's probabilities."""
    came: int
    low: int
    """99 % band of the leavers."""
    high: int
    judged: bool
    """Whether there were enough to say anything."""
    broken: bool
    """Whether the leavers lay outside the band: the model fell back."""


class Decision(BaseModel):
    """Why a model is put in or out of service."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=3, max_length=LONGEST_NOTE, pattern=r"^[^\x00]*$")]


class RolledBack(BaseModel):
    """What is in service after a rollback; null: the scorecard."""

    model_id: UUID | None
    version: str


def risk_view(row: Risk) -> RiskView:
    flag, made = row.watch.flag, row.watch.override
    groups, base = _groups(row)
    return RiskView.model_validate(
        {
            **(row.last or {}),
            "flag": _plain(flag) if flag else None,
            "override": _plain(made) if made else None,
            "ended": row.ended,
            "base": base,
            "groups": groups,
            "margin": round(base + sum(group.contribution for group in groups), 6) if base is not None else None,
        }
    )


def _groups(row: Risk) -> tuple[list[GroupView], float | None]:
    """All groups, the strongest first, and the base; none for a client last assessed before they were kept."""
    if row.groups is None:
        return [], None
    ordered = sorted(row.groups["by"].items(), key=lambda item: (-abs(item[1]), item[0]))
    return [GroupView(code=code, contribution=value) for code, value in ordered], float(row.groups["base"])


def history_item(kept: Kept) -> HistoryItem:
    return HistoryItem.model_validate({**kept.body, "raised": kept.raised})


AT_LENGTH = frozenset({"curves", "profile"})
"""What a model's card is drawn from and its drift is measured against: too long for a list of models."""


def model_view(record: ModelRecord, in_service: UUID | None) -> ModelView:
    metrics = {name: value for name, value in record.metrics.items() if name not in AT_LENGTH}
    return ModelView.model_validate({**_plain(record), "metrics": metrics, "in_service": record.model_id == in_service})


def decision_view(made: Promotion) -> DecisionView:
    return DecisionView.model_validate({name: getattr(made, name) for name in DecisionView.model_fields})


def _plain(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}


ModelPage.model_rebuild()
