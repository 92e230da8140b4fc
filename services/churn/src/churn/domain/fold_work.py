"""How the state changes with the work we do together (milestones, KPIs, blockers, approvals) and its invoices."""

from __future__ import annotations

from churn.domain.fold_words import Fact, Step, marked, read
from churn.domain.moments import DAY, optional, parse
from churn.domain.state import KEPT_OPEN, KEPT_RATINGS, State, keep, mark, see

LARGEST_VALUE = 1e9
SEVERITIES = {"low": 1, "medium": 2, "high": 3, "critical": 4}


def _milestone_planned(state: State, data: Fact, at: int, event_id: str) -> None:
    see(state, "milestones")
    due = parse(data["due_at"])
    known = state.milestones.get(data["milestone"])
    state.milestones[data["milestone"]] = [known[0] if known else due, due, known[2] if known else None]
    keep(state.milestones, KEPT_OPEN)
    weight = data.get("weight")
    # A field of the sender's own, so it may be anything that JSON can say.
    if isinstance(weight, int | float) and not isinstance(weight, bool) and 0 <= weight <= LARGEST_VALUE:
        worth = state.worth.get(data["milestone"])
        state.worth[data["milestone"]] = [float(weight), worth[1] if worth else None]
        keep(state.worth, KEPT_OPEN)


def _milestone_completed(state: State, data: Fact, at: int, event_id: str) -> None:
    see(state, "milestones")
    known = state.milestones.setdefault(data["milestone"], [at, at, None])
    known[2] = at if known[2] is None else known[2]
    value = data.get("kpi_value")
    if value is not None:
        value = min(LARGEST_VALUE, max(-LARGEST_VALUE, value))
        if data["milestone"] in state.worth:
            state.worth[data["milestone"]][1] = float(value)
        state.ratings.setdefault("milestone", []).append([at, round(1000 * value), event_id])
        del state.ratings["milestone"][:-KEPT_RATINGS]


def _milestone_moved(state: State, data: Fact, at: int, event_id: str) -> None:
    due = parse(data["due_after"])
    known = state.milestones.setdefault(data["milestone"], [optional(data.get("due_before")) or due, due, None])
    known[1] = due
    mark(state, "milestone_moved", at, event_id)


def _kpi_target(state: State, data: Fact, at: int, event_id: str) -> None:
    known = state.kpis.get(data["kpi"])
    state.kpis[data["kpi"]] = [data["baseline"], data["target"], known[2] if known else None]
    keep(state.kpis, KEPT_OPEN)


def _kpi_reported(state: State, data: Fact, at: int, event_id: str) -> None:
    if data["kpi"] in state.kpis:
        state.kpis[data["kpi"]][2] = data["value"]


def _blocker_logged(state: State, data: Fact, at: int, event_id: str) -> None:
    see(state, "blockers")
    state.blockers[data["blocker_id"]] = [SEVERITIES.get(data["severity"], 2), at, event_id]
    keep(state.blockers, KEPT_OPEN)
    read(state, data, at, event_id)


def _blocker_resolved(state: State, data: Fact, at: int, event_id: str) -> None:
    state.blockers.pop(data["blocker_id"], None)


def _awaited(kind: str) -> Step:
    def step(state: State, data: Fact, at: int, event_id: str) -> None:
        see(state, "deliveries")
        state.waiting[f"{kind}:{data[f'{kind}_id']}"] = optional(data.get("due_at"))
        keep(state.waiting, KEPT_OPEN)

    return step


def _arrived(kind: str) -> Step:
    def step(state: State, data: Fact, at: int, event_id: str) -> None:
        due = state.waiting.pop(f"{kind}:{data[f'{kind}_id']}", None)
        if due is not None and at > due:
            mark(state, f"{kind}_late", at, event_id)

    return step


def _invoice_issued(state: State, data: Fact, at: int, event_id: str) -> None:
    see(state, "invoices")
    state.invoices[data["invoice_id"]] = [parse(data["due_on"]) + DAY, event_id]
    keep(state.invoices, KEPT_OPEN)


def _invoice_settled(state: State, data: Fact, at: int, event_id: str) -> None:
    see(state, "invoices")
    invoice = state.invoices.pop(data["invoice_id"], None)
    if invoice is not None and at > invoice[0]:
        mark(state, "paid_late", at, event_id)


def _invoice_overdue(state: State, data: Fact, at: int, event_id: str) -> None:
    """Overdue without having seen the invoice: its age tells when it was due."""
    see(state, "invoices")
    due = at - int(data.get("days") or 0) * DAY
    state.invoices.setdefault(data["invoice_id"], [due, event_id])
    keep(state.invoices, KEPT_OPEN)


STEPS: dict[str, Step] = {
    "milestone_planned": _milestone_planned,
    "milestone_completed": _milestone_completed,
    "milestone_rescheduled": _milestone_moved,
    "kpi_target_set": _kpi_target,
    "kpi_reported": _kpi_reported,
    "training_completed": marked("training"),
    "blocker_logged": _blocker_logged,
    "blocker_resolved": _blocker_resolved,
    "approval_requested": _awaited("approval"),
    "approval_given": _arrived("approval"),
    "deliverable_due": _awaited("deliverable"),
    "deliverable_completed": _arrived("deliverable"),
    "invoice_issued": _invoice_issued,
    "invoice_paid": _invoice_settled,
    "invoice_voided": _invoice_settled,
    "invoice_overdue": _invoice_overdue,
    "payment_failed": marked("payment_failed", "invoices"),
    "invoice_disputed": marked("disputed", "invoices"),
}
