"""What people and programs read of journeys over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, Field


class MilestoneView(BaseModel):
    """A milestone with its owner, its KPI and its due time."""

    milestone: str = Field(examples=["first_automation_live"])
    title: str
    phase: str
    owner_email: str
    kpi: str
    due_at: datetime
    due_on: date = Field(description="The last day on which it is in time")
    due_at_first: datetime = Field(description="Before anybody rescheduled it")
    rescheduled: int = Field(description="How often it was moved")
    state: str = Field(description="done, done_late, pending or late")
    done_at: datetime | None
    days_late: int | None = Field(description="Whole days past due, done or not; null when in time")
    days_late_at_first: int | None = Field(description="The same against its first due time")
    kpi_value: float | None
    event: UUID | None


class PhaseView(BaseModel):
    """A phase of the journey. Of one that a client came into again: its last stay, and the days of all."""

    phase: str = Field(examples=["first_value"])
    title: str
    current: bool
    entered_at: datetime | None
    left_at: datetime | None
    days: float | None = Field(description="Spent in it so far, in all", examples=[8.5])
    milestones: list[MilestoneView]


class StayView(BaseModel):
    """A client came into a phase."""

    phase: str
    phase_before: str | None
    entered_at: datetime = Field(description="When what moved it happened")
    noted_at: datetime = Field(description="When we said so")
    reason: str = Field(description="rule, renewal, corrected, template, person; first_seen: worked out from facts")
    text: str = Field(examples=["Kick-off & provisioning ended: Access provisioned"])
    by: str | None = Field(description="Who said so, where a person did")
    journey: str = Field(examples=["standard:1"])


class ObstacleView(BaseModel):
    """What keeps a client from being on track."""

    kind: str = Field(description="milestone or blocker")
    name: str = Field(description="The milestone, or the blocker's id", examples=["first_automation_live"])
    text: str = Field(examples=["First automation live is 5 days late"])
    days: int = Field(description="Late, or open")
    stuck: bool = Field(description="Whether it alone makes the client stuck")
    owner_email: str | None


class JourneyView(BaseModel):
    """Where a client stands on its journey."""

    client_id: UUID
    journey: str = Field(description="The journey map that it is on", examples=["standard"])
    journey_version: int
    segment: str | None
    phase: str | None
    phase_since: datetime | None
    phase_by_rule: str | None = Field(description="What the rules say now; another phase where a person decided so")
    standing: str = Field(description="on_track, behind or stuck")
    because: list[ObstacleView] = Field(description="Why it is behind or stuck, what weighs most first")
    contract_started_on: date | None
    renewal_on: date | None
    phases: list[PhaseView]
    elsewhere: list[MilestoneView] = Field(
        description="Milestones of none of these phases, or done under another journey map"
    )
    last_term: list[MilestoneView] = Field(description="Of the term that the latest renewal ended")
    history: list[StayView] = Field(description="Phases as they were noted, oldest first")


class PhaseMove(BaseModel):
    """A person says in which phase a client is."""

    client_id: UUID
    phase: str
    phase_before: str
    since: datetime
    by: str
    reason: str


class BlockerView(BaseModel):
    """What holds or held a client up."""

    blocker_id: str
    kind: str = Field(examples=["missing_assets"])
    title: str = Field(examples=["Missing assets or credentials"])
    severity: str
    owner_email: str | None
    impact_days: float | None
    opened_at: datetime
    resolved_at: datetime | None
    hours_to_resolve: float | None
    root_cause: str | None
    prevention: str | None


class ToldView(BaseModel):
    """In the words of whoever resolved them; the same words count as one."""

    text: str = Field(examples=["nobody there owned the export"])
    blockers: int


class BlockerKindView(BaseModel):
    """Blockers of one kind that were opened in a span of time."""

    kind: str = Field(examples=["missing_assets"])
    title: str
    known: bool = Field(description="Whether it is one of the six kinds known by name")
    count: int
    open: int
    critical: int
    clients: int
    median_hours: float | None = Field(description="To resolve, of those resolved")
    p90_hours: float | None
    impact_days: float = Field(description="As estimated when they were logged")
    root_causes: list[ToldView]
    prevention: list[ToldView]


class BlockerStatisticsView(BaseModel):
    """Blockers over all clients but test clients, by kind."""

    since: datetime
    until: datetime
    count: int
    open: int
    kinds: list[BlockerKindView]


class MetricView(BaseModel):
    """An onboarding metric over many clients, against its target."""

    metric: str = Field(examples=["time_to_first_win"])
    group: str = Field(description="speed, quality, engagement, business or efficiency")
    unit: str = Field(examples=["days, median"])
    value: float | None = Field(description="Null: nothing to measure it by")
    n: int = Field(
        description="What it is of: clients; milestones, NPS answers or touchpoints where it is a share of these"
    )
    target: float
    red_flag: float = Field(description="Beyond this; lower is better where it is above the target")
    verdict: str | None = Field(description="on_target, between or red_flag", examples=["on_target"])


class OnboardingMetricsView(BaseModel):
    """How clients came along whose contract began in a span of days."""

    since: date
    until: date
    segment: str | None
    journey: str = Field(description="The journey map whose targets are shown")
    clients: int = Field(description="Without test clients, and those that were onboarded before we heard of them")
    metrics: list[MetricView]
