"""Family *delivery*: milestones, KPIs, blockers, approvals, scope and budget of the work itself."""

from __future__ import annotations

from churn.domain.features.view import MISSING, View, mean
from churn.domain.moments import DAY

ON_TIME = DAY
"""A milestone done within a day of its due time was on time."""


def milestones_late(view: View) -> float:
    """Milestones past their original due time and not done."""
    if not view.has("milestones"):
        return MISSING
    return float(sum(1 for due, _, done in view.state.milestones.values() if done is None and due < view.moment))


def milestone_late_days(view: View) -> float:
    """Days by which the latest of them is late; 0 with none late."""
    if not view.has("milestones"):
        return MISSING
    late: list[int] = [view.moment - due for due, _, done in view.state.milestones.values() if done is None]
    return max(0, *late, 0) / DAY


def milestones_on_time(view: View) -> float:
    """Share on time of the milestones that fell due in the last 180 days."""
    due = [
        (due, done) for due, _, done in view.state.milestones.values() if view.moment - 180 * DAY < due <= view.moment
    ]
    return mean(1.0 if done is not None and done <= when + ON_TIME else 0.0 for when, done in due)


def milestone_scores(view: View) -> float:
    """Mean of the last four KPI values that came with completed milestones, 0 … 1."""
    return mean(score / 1000 for _, score, _ in view.ratings.get("milestone", ())[-4:])


def kpi_attainment(view: View) -> float:
    """Mean attainment of agreed KPIs, (value − baseline) ÷ (target − baseline), each between −0.5 and 1.5."""
    reached = [
        min(1.5, max(-0.5, (value - start) / (target - start)))
        for start, target, value in view.state.kpis.values()
        if value is not None and target != start
    ]
    return mean(reached)


def blockers_weight(view: View) -> float:
    """Sum of the severities (low 1 … critical 4) of blockers that are open."""
    return float(sum(b[0] for b in view.state.blockers.values())) if view.has("blockers") else MISSING


def approvals_late(view: View) -> float:
    """Approvals and deliverables past their due time, or late in the last 60 days."""
    if not view.has("deliveries"):
        return MISSING
    waiting = sum(1 for due in view.state.waiting.values() if due is not None and due < view.moment)
    return float(waiting + view.marks("approval_late", 60) + view.marks("deliverable_late", 60))


def scope_changes(view: View) -> float:
    """Days of the last 90 on which the client questioned the scope."""
    return float(view.marks("scope_changed", 90)) if view.has("deliveries") else MISSING


def budget_cut(view: View) -> float:
    """Days of the last 90 on which a smaller or frozen budget came up."""
    return float(view.marks("budget_cut", 90)) if view.has("mood") else MISSING
