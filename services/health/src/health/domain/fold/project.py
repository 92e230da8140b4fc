"""The work itself: approvals, deliverables, the budget of a project."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from common.contracts import client

from health.domain.fold.stamp import Stamp, put
from health.domain.moments import seconds_of
from health.domain.state import ClientState

APPROVALS = 24
DELIVERABLES = 32


def approval_requested(state: ClientState, data: client.ApprovalRequested, at: Stamp) -> None:
    known = state.approvals.get(data.approval_id)
    due = seconds_of(data.due_at) if data.due_at is not None else known[1] if known else None
    asked, given = (known[0], known[2]) if known else (at.second, None)
    put(state.approvals, data.approval_id, [asked, due, given, at.mark], APPROVALS)


def approval_given(state: ClientState, data: client.ApprovalGiven, at: Stamp) -> None:
    known = state.approvals.get(data.approval_id) or [at.second, None, None, at.mark]
    due = seconds_of(data.due_at) if data.due_at is not None else known[1]
    put(state.approvals, data.approval_id, [known[0], due, known[2] or at.second, at.mark], APPROVALS)


def deliverable_due(state: ClientState, data: client.DeliverableDue, at: Stamp) -> None:
    _deliverable(state, data, at)


def deliverable_completed(state: ClientState, data: client.DeliverableCompleted, at: Stamp) -> None:
    entry = _deliverable(state, data, at)
    if entry[1] is None:
        entry[1] = at.second


def _deliverable(state: ClientState, data: client.DeliverableDue | client.DeliverableCompleted, at: Stamp) -> list[Any]:
    entry: list[Any] = state.deliverables.get(data.deliverable_id) or [None, None, 0, at.mark]
    if data.due_at is not None:
        entry[0] = seconds_of(data.due_at)
    if data.revisions is not None:
        entry[2] = data.revisions
    entry[3] = at.mark
    put(state.deliverables, data.deliverable_id, entry, DELIVERABLES)
    return entry


def budget_reported(state: ClientState, data: client.BudgetReported, at: Stamp) -> None:
    if data.budget.currency == data.spent.currency:  # what is spent in another currency says nothing without a rate
        state.budget = [data.budget.amount, data.spent.amount, at.day, at.mark]


RULES: dict[type[Any], Callable[[ClientState, Any, Stamp], None]] = {
    client.ApprovalRequested: approval_requested,
    client.ApprovalGiven: approval_given,
    client.DeliverableDue: deliverable_due,
    client.DeliverableCompleted: deliverable_completed,
    client.BudgetReported: budget_reported,
}
