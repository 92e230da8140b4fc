"""Stripe events (docs/sources/stripe.md): the object as it is now, and what it was under previous_attributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from common.contracts import client
from common.contracts.base import Money

from ingest.config import Source
from ingest.domain.refs import Ref, parse_ref, parse_subject
from ingest.domain.statement import Ignored, SourceEvent, Statement, Unreadable
from ingest.domain.times import moment
from ingest.sources import bodies, signatures

WINDOW = timedelta(seconds=300)
UNPAYING = frozenset({"canceled", "unpaid", "incomplete", "incomplete_expired", "paused", "trialing"})
"""Statuses in which a subscription brings nothing in."""
IN_HUNDREDTHS = frozenset({"ISK", "UGX"})
"""Currencies without a minor unit that Stripe writes with two decimals all the same (docs.stripe.com/currencies)."""
PER_MONTH = {"day": Decimal(365) / 12, "week": Decimal(365) / 84, "month": Decimal(1), "year": Decimal(1) / 12}


class StripeSource(Source):
    """Where Stripe's objects say which client they belong to."""

    vendor: Literal["stripe"]
    client_ref_metadata: str = "client_ref"
    """Key in a customer's metadata that holds `source:kind:id` or our own client id."""


def verify(request: signatures.Request, secret: bytes, now: datetime, config: StripeSource) -> None:
    signatures.stamped(request, "Stripe-Signature", secret, now, WINDOW)


def split(body: bytes, headers: Mapping[str, str], config: Source) -> list[SourceEvent]:
    value = bodies.parse(body)
    if not isinstance(value, dict):
        raise Unreadable("expected an event object")
    key, kind = bodies.identifier(value.get("id")), bodies.text(value.get("type"))
    if key is None or kind is None:
        raise Unreadable("an event has an id and a type")
    return [SourceEvent(key, kind[:200], value)]


def join(items: Sequence[Mapping[str, Any]]) -> bytes:
    return bodies.dump(items[0])


def interpret(event: SourceEvent, config: StripeSource) -> list[Statement] | Ignored:
    mapped = _KINDS.get(event.kind)
    if mapped is None:
        known = event.kind.split(".")[0] in _FAMILIES
        return Ignored(f"{event.kind} is not read", unknown=not known)
    data = bodies.mapping(event.body.get("data"))
    thing = data.get("object")
    if not isinstance(thing, dict):
        raise Unreadable("data.object is missing")
    return mapped(thing, bodies.mapping(data.get("previous_attributes")), moment(event.body.get("created")), config)


def _customer(thing: Mapping[str, Any], config: StripeSource) -> Ref:
    """`customer` is an id, or the whole object where it was expanded."""
    value = thing.get("customer")
    found = bodies.identifier(value.get("id") if isinstance(value, dict) else value)
    if found is None:
        raise Unreadable("customer is missing")
    return Ref(config.name, "customer", found)


def _who(thing: Mapping[str, Any], config: StripeSource) -> tuple[Ref, ...]:
    """The client by its customer, else by a subscription that the CRM knows."""
    subscription = _subscription_of(thing)
    customer = _customer(thing, config)
    return (customer, Ref(config.name, "subscription", subscription)) if subscription else (customer,)


def _subscription_of(thing: Mapping[str, Any]) -> str | None:
    """An invoice's subscription: under `subscription`, since 2025-03-31 under `parent`."""
    details = bodies.mapping(bodies.mapping(thing.get("parent")).get("subscription_details"))
    return bodies.identifier(_flat(thing.get("subscription"))) or bodies.identifier(_flat(details.get("subscription")))


def _id(thing: Mapping[str, Any]) -> str:
    found = bodies.identifier(thing.get("id"))
    if found is None:
        raise Unreadable("the object's id is missing")
    return found


def _money(amount: Any, currency: Any) -> Money | None:
    """Stripe's amounts are minor units already, for yen and dinar, too; but for the two in IN_HUNDREDTHS."""
    whole, code = bodies.integer(amount), (bodies.text(currency) or "").upper()
    if whole is None or not code.isalpha() or len(code) != 3:
        return None
    return Money(amount=whole // 100 if code in IN_HUNDREDTHS else whole, currency=code)


def _customer_seen(
    thing: Mapping[str, Any], before: Mapping[str, Any], at: datetime | None, config: StripeSource
) -> list[Statement] | Ignored:
    """Links the customer to the client that its metadata names; without that it waits for a person."""
    ref = Ref(config.name, "customer", _id(thing))
    named = bodies.text(bodies.mapping(thing.get("metadata")).get(config.client_ref_metadata))
    target = (parse_subject(named) or parse_ref(named)) if named else None
    hints = {key: value for key in ("name", "email") if (value := bodies.text(thing.get(key)))}
    if isinstance(target, Ref):
        return [Statement((ref, target), at, links=(ref,), hints=hints)]
    return [Statement((ref,), at, links=(ref,), client_id=target, hints=hints)]


def _subscription(
    thing: Mapping[str, Any], before: Mapping[str, Any], at: datetime | None, config: StripeSource
) -> list[Statement] | Ignored:
    subscription = _id(thing)
    refs = (_customer(thing, config), Ref(config.name, "subscription", subscription))
    status = bodies.identifier(thing.get("status"))
    now = _mrr(thing)
    if now is None:
        return Ignored("the price is tiered or metered: its amount is not in the event")
    earlier = _mrr({**thing, **before}) if before else None
    changed = client.SubscriptionChanged(
        subscription_id=subscription, status=status, mrr_before=earlier, mrr_after=now, seats=_seats(thing)
    )
    said = [Statement(refs, at, changed, links=refs)]
    notice = _notice(thing, before, subscription)
    return [*said, Statement(refs, at, notice)] if notice else said


def _ended(
    thing: Mapping[str, Any], before: Mapping[str, Any], at: datetime | None, config: StripeSource
) -> list[Statement] | Ignored:
    subscription = _id(thing)
    refs = (_customer(thing, config), Ref(config.name, "subscription", subscription))
    was = _mrr({**thing, "status": "active"})
    currency = was.currency if was else (bodies.text(thing.get("currency")) or "usd").upper()
    changed = client.SubscriptionChanged(
        subscription_id=subscription, status="canceled", mrr_before=was, mrr_after=Money(amount=0, currency=currency)
    )
    ended = moment(thing.get("ended_at")) or moment(thing.get("canceled_at")) or at
    if ended is None:
        raise Unreadable("neither the event nor the subscription says when")
    return [
        Statement(refs, at, changed, links=refs),
        Statement(refs, at, _cancelled(thing, subscription, ended.date())),
    ]


def _cancelled(thing: Mapping[str, Any], subscription: str, on: date) -> client.ContractCancelled:
    details = bodies.mapping(thing.get("cancellation_details"))
    cause = bodies.text(details.get("reason"))
    reason = bodies.text(details.get("feedback")) or cause
    return client.ContractCancelled(
        contract_id=subscription,
        effective_on=on,
        reason=reason[:200] if reason else None,
        voluntary=cause == "cancellation_requested" if cause else None,
    )


def _notice(thing: Mapping[str, Any], before: Mapping[str, Any], subscription: str) -> client.ClientEvent | None:
    """Notice is given, or taken back, when cancel_at_period_end or cancel_at turns."""
    if not {"cancel_at_period_end", "cancel_at"} & before.keys():
        return None
    will_end = thing.get("cancel_at_period_end") is True or thing.get("cancel_at") is not None
    did_end = before.get("cancel_at_period_end") is True or before.get("cancel_at") is not None
    if will_end and not did_end:
        ends = moment(thing.get("cancel_at")) or _period_end(thing)
        return _cancelled(thing, subscription, ends.date()) if ends else None
    if did_end and not will_end:
        return client.CancellationWithdrawn(contract_id=subscription)
    return None


def _period_end(thing: Mapping[str, Any]) -> datetime | None:
    """On the subscription before 2025-03-31, on its items since."""
    ends = [
        moment(thing.get("current_period_end")),
        *(moment(item.get("current_period_end")) for item in _items(thing)),
    ]
    return max((end for end in ends if end), default=None)


def _items(thing: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = bodies.mapping(thing.get("items")).get("data")
    items: list[Mapping[str, Any]] = (
        [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
    )
    return items or ([thing] if "plan" in thing else [])


def _seats(thing: Mapping[str, Any]) -> int | None:
    counts = [bodies.integer(item.get("quantity")) for item in _items(thing)]
    known = [count for count in counts if count is not None and 0 <= count < 2**53]
    return sum(known) if known else None


def _mrr(thing: Mapping[str, Any]) -> Money | None:
    """Monthly recurring revenue in minor units, discounts taken off; None where an amount is not stated."""
    currency = bodies.text(thing.get("currency"))
    total = Decimal(0)
    for item in _items(thing):
        price = bodies.mapping(item.get("price")) or bodies.mapping(item.get("plan"))
        amount, months, count = _unit_amount(price), _per_month(price), _count(item, price)
        if amount is None or months is None or count is None:
            return None
        total += amount * count * months
        currency = currency or bodies.text(price.get("currency"))
    if currency is None or len(currency) != 3 or not currency.isalpha():
        return None
    paying = bodies.text(thing.get("status")) not in UNPAYING
    if paying and not _items(thing):
        return None
    unit = 100 if currency.upper() in IN_HUNDREDTHS else 1
    rounded = int((total * _kept(thing) / unit).to_integral_value()) if paying else 0
    return Money(amount=rounded, currency=currency.upper())


def _count(item: Mapping[str, Any], price: Mapping[str, Any]) -> int | None:
    """How many units; None where usage decides, or where it is not said."""
    if "metered" in (bodies.mapping(price.get("recurring")).get("usage_type"), price.get("usage_type")):
        return None
    return bodies.integer(item.get("quantity")) if "quantity" in item else 1


def _unit_amount(price: Mapping[str, Any]) -> Decimal | None:
    """Fractions of a cent are in the _decimal twin only."""
    for name in ("unit_amount_decimal", "unit_amount", "amount_decimal", "amount"):
        value = price.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool):
            try:
                found = Decimal(value)
            except InvalidOperation:
                continue
            return found if found.is_finite() and abs(found) < 10**13 else None
    return None


def _per_month(price: Mapping[str, Any]) -> Decimal | None:
    recurring = bodies.mapping(price.get("recurring")) or price
    every = bodies.integer(recurring.get("interval_count")) or 1
    unit = PER_MONTH.get(str(recurring.get("interval")))
    return unit / every if unit is not None and 0 < every < 10_000 else None


def _kept(thing: Mapping[str, Any]) -> Decimal:
    """The share of the price that a percentage coupon leaves; coupons named by id alone are not known."""
    coupon = bodies.mapping(bodies.mapping(thing.get("discount")).get("coupon"))
    off = coupon.get("percent_off")
    if (
        isinstance(off, int | float)
        and not isinstance(off, bool)
        and 0 <= off <= 100
        and coupon.get("duration") != "once"
    ):
        return 1 - Decimal(str(off)) / 100
    return Decimal(1)


def _invoice(body: type[client.Invoice], amount: str) -> Callable[..., list[Statement] | Ignored]:
    def mapped(
        thing: Mapping[str, Any], before: Mapping[str, Any], at: datetime | None, config: StripeSource
    ) -> list[Statement] | Ignored:
        invoice = _id(thing)
        overdue = _days_overdue(thing, at) if body is client.InvoiceOverdue else None
        attempt = bodies.integer(thing.get("attempt_count")) if body is client.PaymentFailed else None
        said = body(invoice_id=invoice, amount=_money(thing.get(amount), thing.get("currency")), days=overdue,
                    attempt=attempt if attempt is not None and attempt >= 0 else None)  # fmt: skip
        payments = _payments(thing, config)
        return [Statement(_who(thing, config), at, said, links=payments, alias=invoice if payments else None)]

    return mapped


def _payments(thing: Mapping[str, Any], config: StripeSource) -> tuple[Ref, ...]:
    """A dispute names its charge or payment intent, never customer or invoice; here is where they meet."""
    found = {("charge", thing.get("charge")), ("payment_intent", thing.get("payment_intent"))} if all(
        isinstance(thing.get(name), str | None) for name in ("charge", "payment_intent")
    ) else set()  # fmt: skip
    payments = bodies.mapping(thing.get("payments")).get("data")
    for payment in payments if isinstance(payments, list) else []:
        inner = bodies.mapping(bodies.mapping(payment).get("payment"))
        for name in ("charge", "payment_intent"):
            if isinstance(inner.get(name), str):
                found.add((name, inner[name]))
    return tuple(sorted(Ref(config.name, kind, known) for kind, value in found if (known := bodies.identifier(value))))


def _days_overdue(thing: Mapping[str, Any], at: datetime | None) -> int | None:
    due = moment(thing.get("due_date"))
    return max(0, (at - due).days) if due and at else None


def _issued(
    thing: Mapping[str, Any], before: Mapping[str, Any], at: datetime | None, config: StripeSource
) -> list[Statement] | Ignored:
    amount = _money(thing.get("amount_due", thing.get("total")), thing.get("currency"))
    if amount is None:
        raise Unreadable("the invoice has no amount or currency")
    transitions = bodies.mapping(thing.get("status_transitions"))
    due = moment(thing.get("due_date")) or moment(transitions.get("finalized_at")) or at
    if due is None:
        raise Unreadable("the invoice has no date")
    said = client.InvoiceIssued(invoice_id=_id(thing), amount=amount, due_on=due.astimezone(UTC).date())
    return [Statement(_who(thing, config), at, said)]


def _dispute(body: type[client.Invoice]) -> Callable[..., list[Statement] | Ignored]:
    def mapped(
        thing: Mapping[str, Any], before: Mapping[str, Any], at: datetime | None, config: StripeSource
    ) -> list[Statement] | Ignored:
        refs = tuple(
            Ref(config.name, kind, found)
            for kind in ("charge", "payment_intent")
            if (found := bodies.identifier(_flat(thing.get(kind))))
        )
        if not refs:
            raise Unreadable("the dispute names neither charge nor payment intent")
        said = body(invoice_id=refs[0].id, amount=_money(thing.get("amount"), thing.get("currency")))
        return [Statement(refs, at, said, fill=("invoice_id", refs[0]))]

    return mapped


def _flat(value: Any) -> Any:
    return value.get("id") if isinstance(value, dict) else value


_KINDS: dict[str, Callable[..., list[Statement] | Ignored]] = {
    "customer.created": _customer_seen,
    "customer.updated": _customer_seen,
    "customer.subscription.created": _subscription,
    "customer.subscription.updated": _subscription,
    "customer.subscription.paused": _subscription,
    "customer.subscription.resumed": _subscription,
    "customer.subscription.deleted": _ended,
    "invoice.finalized": _issued,
    "invoice.paid": _invoice(client.InvoicePaid, "amount_paid"),
    "invoice.payment_failed": _invoice(client.PaymentFailed, "amount_due"),
    "invoice.overdue": _invoice(client.InvoiceOverdue, "amount_remaining"),
    "invoice.voided": _invoice(client.InvoiceVoided, "total"),
    "charge.dispute.created": _dispute(client.InvoiceDisputed),
    "charge.dispute.closed": _dispute(client.DisputeClosed),
}
_FAMILIES = frozenset(
    [
        "account",
        "balance",
        "billing",
        "billing_portal",
        "capability",
        "charge",
        "checkout",
        "coupon",
        "credit_note",
        "customer",
        "file",
        "invoice",
        "invoice_payment",
        "invoiceitem",
        "payment_intent",
        "payment_link",
        "payment_method",
        "payout",
        "plan",
        "price",
        "product",
        "promotion_code",
        "quote",
        "radar",
        "refund",
        "reporting",
        "review",
        "setup_intent",
        "subscription_schedule",
        "tax",
        "tax_rate",
        "test_helpers",
        "topup",
        "transfer",
    ]
)
