"""What the HTTP API answers about decisions: flags with their outcome, the report about overrides, what is lacking."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from common.contracts.churn import Rule
from pydantic import BaseModel

from churn.deciding import Report, Tally
from churn.domain.cold_start import LEAVERS_NEEDED, Stock, lacks, months_needed
from churn.domain.outcome import Outcome, Share
from churn.repository.outcomes import FlagRow


class FlagOutcome(BaseModel):
    """A flag that an assessment raised, with what became of the client."""

    flag_id: UUID
    episode: int
    rule: Rule
    outcome: Outcome | None = None
    """Null while the horizon is not over."""
    left_at: datetime | None = None


class FlagRecord(FlagOutcome):
    """A flag of the past or of today. Episodes of one `flag_id` are the same risk, raised again."""

    client_id: UUID
    csm: str | None
    """Who looked after the client when it was raised."""
    model_version: str
    probability: float | None
    points: float | None
    raised_at: datetime
    cleared_at: datetime | None
    cleared_because: str | None
    due_at: datetime
    """End of its horizon: when its outcome can be known."""
    case_at: datetime | None
    """When a case was opened for it."""
    outcome_at: datetime | None
    left_by: str | None


class ShareView(BaseModel):
    """So many of so many, with the 95 % interval (Wilson); null where there is nothing to share."""

    count: int
    of: int
    value: float | None
    low: float | None
    high: float | None


class TallyView(BaseModel):
    """Flags of a kind, and how many of their clients left within the horizon."""

    name: str
    flags: int
    pending: int
    """Their horizon is not over; they are in no share."""
    unknown: int
    left: ShareView
    expected: float | None
    """Mean of the model's own numbers for those whose outcome is known: what would have been expected of them."""


class OverrideReport(BaseModel):
    """Was the human right? A low share of leavers beside that of the flags left alone says yes."""

    all: TallyView
    by_person: list[TallyView]
    by_reason: list[TallyView]
    not_overridden: TallyView


class DataView(BaseModel):
    """What there is to learn from, and what is still lacking for a model."""

    clients: int
    leavers: int
    leavers_needed: int
    months: float
    months_needed: float
    kinds_unseen: list[str]
    lacks: list[str]
    """In sentences; empty when there is enough of everything."""


def flag_record(row: FlagRow) -> FlagRecord:
    return FlagRecord.model_validate({name: getattr(row, name) for name in FlagRecord.model_fields})


def override_report(report: Report) -> OverrideReport:
    return OverrideReport(
        all=_tally(report.all),
        by_person=[_tally(tally) for tally in report.by_person],
        by_reason=[_tally(tally) for tally in report.by_reason],
        not_overridden=_tally(report.not_overridden),
    )


def _tally(tally: Tally) -> TallyView:
    return TallyView(
        name=tally.name,
        flags=tally.flags,
        pending=tally.pending,
        unknown=tally.unknown,
        left=_share(tally.left),
        expected=tally.expected,
    )


def _share(share: Share) -> ShareView:
    low, high = share.interval() or (None, None)
    return ShareView(count=share.count, of=share.of, value=share.value, low=low, high=high)


def data_view(stock: Stock, now: int, horizon_days: int) -> DataView:
    return DataView(
        clients=stock.clients,
        leavers=stock.leavers,
        leavers_needed=LEAVERS_NEEDED,
        months=stock.months(now),
        months_needed=months_needed(horizon_days),
        kinds_unseen=stock.unseen(),
        lacks=lacks(stock, now, horizon_days),
    )
