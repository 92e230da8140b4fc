"""Contracts, subscriptions, invoices and budgets."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from common.contracts.client.base import ClientEvent, Reading
from common.contracts.fields import Boolean, ContactId, Count, Day, Identifier, Money, Text, TextRef

ContractId = Annotated[Identifier, Field(examples=["ctr-2026-07"])]
InvoiceId = Annotated[Identifier, Field(examples=["in_1RmZsG2eZvKYlo2C"])]


class Contract(ClientEvent):
    """Terms of a contract."""

    contract_id: ContractId | None = None
    starts_on: Day
    ends_on: Day | None = None
    mrr: Money | None = None
    seats: Count | None = None


class ContractSigned(Contract):
    """A contract was signed."""

    TYPE: ClassVar[str] = "csl.client.contract_signed.v1"


class ContractRenewed(Contract):
    """A contract was renewed."""

    TYPE: ClassVar[str] = "csl.client.contract_renewed.v1"


class ContractCancelled(ClientEvent):
    """Notice was given; the event's `time` is the moment of the notice."""

    TYPE: ClassVar[str] = "csl.client.contract_cancelled.v1"
    contract_id: ContractId | None = None
    effective_on: Day
    reason: Annotated[Text, Field(examples=["price"])] | None = None
    voluntary: Boolean | None = None


class CancellationWithdrawn(ClientEvent):
    """Notice was taken back: the client stays."""

    TYPE: ClassVar[str] = "csl.client.cancellation_withdrawn.v1"
    contract_id: ContractId | None = None


class SubscriptionChanged(ClientEvent):
    """A subscription's terms changed; the client's MRR is the sum over its subscriptions."""

    TYPE: ClassVar[str] = "csl.client.subscription_changed.v1"
    subscription_id: Annotated[Identifier, Field(examples=["sub_1RmZsG2eZvKYlo2C"])]
    status: Annotated[Identifier, Field(examples=["active"])] | None = None
    mrr_before: Money | None = None
    mrr_after: Money
    seats: Count | None = None
    reason: Annotated[Text, Field(examples=["downgrade"])] | None = None


class InvoiceIssued(ClientEvent):
    """An invoice went out."""

    TYPE: ClassVar[str] = "csl.client.invoice_issued.v1"
    invoice_id: InvoiceId
    amount: Money
    due_on: Day


class Invoice(ClientEvent):
    """Something happened to an invoice."""

    invoice_id: InvoiceId
    amount: Money | None = None
    days: Annotated[Count, Field(examples=[14])] | None = None
    """Days past the due date, where that is what the event is about."""
    attempt: Annotated[Count, Field(examples=[2])] | None = None


class InvoicePaid(Invoice):
    """An invoice was paid."""

    TYPE: ClassVar[str] = "csl.client.invoice_paid.v1"


class InvoiceVoided(Invoice):
    """An invoice was voided: nothing is owed on it."""

    TYPE: ClassVar[str] = "csl.client.invoice_voided.v1"


class InvoiceOverdue(Invoice):
    """An invoice passed its due date unpaid."""

    TYPE: ClassVar[str] = "csl.client.invoice_overdue.v1"


class InvoiceDisputed(Invoice):
    """The client disputes an invoice or its payment."""

    TYPE: ClassVar[str] = "csl.client.invoice_disputed.v1"


class DisputeClosed(Invoice):
    """A dispute over an invoice is settled."""

    TYPE: ClassVar[str] = "csl.client.dispute_closed.v1"


class PaymentFailed(Invoice):
    """An attempt to collect an invoice failed."""

    TYPE: ClassVar[str] = "csl.client.payment_failed.v1"


class BudgetReported(ClientEvent):
    """A project's budget and what of it is spent."""

    TYPE: ClassVar[str] = "csl.client.budget_reported.v1"
    budget: Money
    spent: Money


class BudgetDirection(StrEnum):
    """Where the client's budget is said to go."""

    INCREASE = "increase"
    DECREASE = "decrease"
    FREEZE = "freeze"


class BudgetDiscussed(ClientEvent):
    """The client spoke about its budget."""

    TYPE: ClassVar[str] = "csl.client.budget_discussed.v1"
    direction: BudgetDirection
    contact_id: ContactId | None = None
    inferred: Boolean | None = None
    reading: Reading | None = None
    text_ref: TextRef | None = None


class ExpansionRequested(ClientEvent):
    """The client asked for more."""

    TYPE: ClassVar[str] = "csl.client.expansion_requested.v1"
    what: Annotated[Text, Field(examples=["20 more seats"])] | None = None
    contact_id: ContactId | None = None


EVENTS: tuple[type[ClientEvent], ...] = (
    ContractSigned,
    ContractRenewed,
    ContractCancelled,
    CancellationWithdrawn,
    SubscriptionChanged,
    InvoiceIssued,
    InvoicePaid,
    InvoiceVoided,
    InvoiceOverdue,
    InvoiceDisputed,
    DisputeClosed,
    PaymentFailed,
    BudgetReported,
    BudgetDiscussed,
    ExpansionRequested,
)
