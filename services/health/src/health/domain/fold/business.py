"""Who the client is, what it pays, and where it stands on its journey."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from common.contracts import client

from health.domain.fold.stamp import Stamp, keep_last, put
from health.domain.moments import seconds_of
from health.domain.state import ClientState

INVOICES = 48
SUBSCRIPTIONS = 200
MRR_STEPS = 24
MOVES = 8
PAID = 12
MILESTONES = 48
BLOCKERS = 48
KEPT_AS_SAID = ("name", "segment", "industry", "engagement", "tier", "timezone", "csm_email",
                "executive_sponsor_email", "seats", "test")  # fmt: skip
RECORD = ""
"""The subscription that stands for "the MRR on the client's record"."""


def profile(state: ClientState, data: client.ClientRegistered | client.ClientUpdated, at: Stamp) -> None:
    for field in KEPT_AS_SAID:
        value = getattr(data, field)
        if value is not None:
            state.profile[field] = value if isinstance(value, (int, bool)) else str(value)
    if data.key_features is not None:
        state.profile["key_features"] = list(dict.fromkeys(data.key_features))[:64]
    if data.contract_started_on is not None:
        state.contract_start = data.contract_started_on.toordinal()
    if data.renewal_on is not None:
        state.renewal = data.renewal_on.toordinal()
        state.marks["renewal"] = at.mark
    if data.mrr is not None:
        _pays(state, RECORD, data.mrr.currency, data.mrr.amount, at)
    state.marks["profile"] = at.mark


def contract_signed(state: ClientState, data: client.ContractSigned, at: Stamp) -> None:
    if state.contract_start is None:
        state.contract_start = data.starts_on.toordinal()
    _terms(state, data, at)


def contract_renewed(state: ClientState, data: client.ContractRenewed, at: Stamp) -> None:
    state.renewed = [at.second, at.mark, state.renewal]
    _terms(state, data, at)


def _terms(state: ClientState, data: client.ContractSigned | client.ContractRenewed, at: Stamp) -> None:
    state.notice = None
    if data.ends_on is not None:
        state.renewal = data.ends_on.toordinal()
    if data.seats is not None:
        state.profile["seats"] = data.seats
    if data.mrr is not None:
        _pays(state, RECORD, data.mrr.currency, data.mrr.amount, at)
    state.marks["renewal"] = at.mark


def contract_cancelled(state: ClientState, data: client.ContractCancelled, at: Stamp) -> None:
    state.notice = [at.second, data.effective_on.toordinal(), at.mark]


def cancellation_withdrawn(state: ClientState, data: client.CancellationWithdrawn, at: Stamp) -> None:
    state.notice = None
    state.marks["renewal"] = at.mark


def subscription_changed(state: ClientState, data: client.SubscriptionChanged, at: Stamp) -> None:
    known = state.subscriptions.get(data.subscription_id)
    before = data.mrr_before.amount if data.mrr_before is not None else (known[1] if known else 0)
    after = data.mrr_after.amount
    if before and after != before:
        keep_last(state.plan_moves, [at.day, 1 if after > before else -1, at.mark], MOVES)
    _pays(state, data.subscription_id, data.mrr_after.currency, after, at)
    if data.seats is not None:
        state.profile["seats"] = data.seats


def _pays(state: ClientState, subscription: str, currency: str, amount: int, at: Stamp) -> None:
    known = state.subscriptions
    put(known, subscription, [currency, amount], SUBSCRIPTIONS, lambda name: known[name][1])  # ended ones go first
    total = mrr(state, currency)
    latest = next((e for e in reversed(state.mrr_log) if e[1] == currency), None)
    if latest is not None and latest[0] == at.day:  # of a day counts how it ended: what begins together is no growth
        latest[2:] = [total, at.mark]
    elif latest is None or latest[2] != total:
        keep_last(state.mrr_log, [at.day, currency, total, at.mark], MRR_STEPS)
    state.marks["mrr"] = at.mark


def mrr(state: ClientState, currency: str) -> int:
    """Sum over the subscriptions in one currency; the record's figure counts only while there are none."""
    real = [entry for key, entry in state.subscriptions.items() if key != RECORD]
    return sum(amount for code, amount in real or state.subscriptions.values() if code == currency)


def expansion_requested(state: ClientState, data: client.ExpansionRequested, at: Stamp) -> None:
    keep_last(state.plan_moves, [at.day, 1, at.mark], MOVES)


def invoice_issued(state: ClientState, data: client.InvoiceIssued, at: Stamp) -> None:
    _owes(state, data.invoice_id, data.due_on.toordinal(), at)
    state.marks["invoice"] = at.mark


def invoice_overdue(state: ClientState, data: client.InvoiceOverdue, at: Stamp) -> None:
    if data.invoice_id not in state.invoices:
        _owes(state, data.invoice_id, at.day - (data.days or 0), at)
    state.marks["invoice"] = at.mark


def _owes(state: ClientState, invoice: str, due: int, at: Stamp) -> None:
    """Of very many unpaid ones those are kept that are due the longest."""
    invoices = state.invoices
    put(invoices, invoice, [due, at.mark], INVOICES, lambda known: -invoices[known][0])


def invoice_paid(state: ClientState, data: client.InvoicePaid, at: Stamp) -> None:
    owed = state.invoices.get(data.invoice_id)
    if owed is not None:
        keep_last(state.paid, [at.day, at.day - owed[0], at.mark], PAID)
    invoice_settled(state, data, at)


def invoice_settled(state: ClientState, data: client.InvoicePaid | client.InvoiceVoided, at: Stamp) -> None:
    state.invoices.pop(data.invoice_id, None)
    state.failed_payments = [entry for entry in state.failed_payments if entry[1] != data.invoice_id]
    state.marks["invoice"] = at.mark


def invoice_disputed(state: ClientState, data: client.InvoiceDisputed, at: Stamp) -> None:
    put(state.disputes, data.invoice_id, [at.day, at.mark], INVOICES)
    state.marks["invoice"] = at.mark


def dispute_closed(state: ClientState, data: client.DisputeClosed, at: Stamp) -> None:
    state.disputes.pop(data.invoice_id, None)
    state.marks["invoice"] = at.mark


def payment_failed(state: ClientState, data: client.PaymentFailed, at: Stamp) -> None:
    keep_last(state.failed_payments, [at.day, data.invoice_id, at.mark], 8)
    state.marks["invoice"] = at.mark


def client_handed_off(state: ClientState, data: client.ClientHandedOff, at: Stamp) -> None:
    if state.handed_off is None:
        state.handed_off = at.second
        state.marks["hand_off"] = at.mark


def milestone_planned(state: ClientState, data: client.MilestonePlanned, at: Stamp) -> None:
    known = state.milestones.get(data.milestone)
    due = seconds_of(data.due_at)
    original = known[4] if known and known[4] is not None else due
    done, value, moved = (known[5], known[6], known[7]) if known else (None, None, 0)
    if known and known[3] not in {None, due}:  # planned again for another time: moved all the same
        moved += 1
    entry = [str(data.phase), data.owner_email, data.kpi, due, original, done, value, moved, at.mark, at.second]
    _plan(state, data.milestone, entry)


def milestone_completed(state: ClientState, data: client.MilestoneCompleted, at: Stamp) -> None:
    entry = _milestone(state, data.milestone, at)
    if entry[5] is None:
        entry[5], entry[8] = at.second, at.mark
    if data.kpi_value is not None:
        entry[6] = data.kpi_value
    state.marks["milestone"] = at.mark


def milestone_rescheduled(state: ClientState, data: client.MilestoneRescheduled, at: Stamp) -> None:
    entry = _milestone(state, data.milestone, at)
    if entry[4] is None and data.due_before is not None:
        entry[4] = seconds_of(data.due_before)
    entry[3], entry[7], entry[8] = seconds_of(data.due_after), entry[7] + 1, at.mark


def _milestone(state: ClientState, name: str, at: Stamp) -> list[Any]:
    """What is known of a milestone; a shipped one enters the state only when something happens to it."""
    if name not in state.milestones:
        _plan(state, name, [None, None, None, None, None, None, None, 0, None, at.second])
    entry: list[Any] = state.milestones[name]
    entry[9] = at.second
    return entry


def _plan(state: ClientState, name: str, entry: list[Any]) -> None:
    """Of very many milestones those go first that were planned by name and are done; a hand-off was not."""
    known = state.milestones
    put(known, name, entry, MILESTONES, lambda one: (known[one][3] is None, known[one][5] is None))


def import_finished(state: ClientState, data: client.ImportFinished, at: Stamp) -> None:
    state.imported = at.second


def referral_given(state: ClientState, data: client.ReferralGiven, at: Stamp) -> None:
    if state.advocacy is None:
        state.advocacy = at.second


def blocker_logged(state: ClientState, data: client.BlockerLogged, at: Stamp) -> None:
    state.marks["blocker"] = at.mark
    put(state.blockers, data.blocker_id, [str(data.severity), str(data.kind), at.second], BLOCKERS)


def blocker_resolved(state: ClientState, data: client.BlockerResolved, at: Stamp) -> None:
    state.blockers.pop(data.blocker_id, None)


RULES: dict[type[Any], Callable[[ClientState, Any, Stamp], None]] = {
    client.ClientRegistered: profile,
    client.ClientUpdated: profile,
    client.ContractSigned: contract_signed,
    client.ContractRenewed: contract_renewed,
    client.ContractCancelled: contract_cancelled,
    client.CancellationWithdrawn: cancellation_withdrawn,
    client.SubscriptionChanged: subscription_changed,
    client.ExpansionRequested: expansion_requested,
    client.InvoiceIssued: invoice_issued,
    client.InvoiceOverdue: invoice_overdue,
    client.InvoicePaid: invoice_paid,
    client.InvoiceVoided: invoice_settled,
    client.InvoiceDisputed: invoice_disputed,
    client.DisputeClosed: dispute_closed,
    client.PaymentFailed: payment_failed,
    client.ClientHandedOff: client_handed_off,
    client.MilestonePlanned: milestone_planned,
    client.MilestoneCompleted: milestone_completed,
    client.MilestoneRescheduled: milestone_rescheduled,
    client.ImportFinished: import_finished,
    client.ReferralGiven: referral_given,
    client.BlockerLogged: blocker_logged,
    client.BlockerResolved: blocker_resolved,
}
