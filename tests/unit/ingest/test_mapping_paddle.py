"""Paddle, connected by its file alone from Paddle's public documentation; bodies are ours, in its shape."""

from __future__ import annotations

import json
from typing import Any

from ingest.domain.statement import Statement

from tests.unit.ingest.test_mapping_mapped import statements, told

PADDLE = {
    "id": "sub_1", "status": "active", "customer_id": "ctm_1", "currency_code": "EUR",
    "billing_cycle": {"interval": "year", "frequency": 1}, "scheduled_change": None,
    "items": [
        {"quantity": 10, "recurring": True, "price": {"unit_price": {"amount": "36000", "currency_code": "EUR"}}},
        {"quantity": 1, "recurring": True, "price": {"unit_price": {"amount": "12000", "currency_code": "EUR"}}},
        {"quantity": 1, "recurring": False, "price": {"unit_price": {"amount": "99900", "currency_code": "EUR"}}},
    ],
    "custom_data": {"client_ref": "hubspot:company:7"},
}  # fmt: skip
TRANSACTION = {
    "id": "txn_1", "customer_id": "ctm_1", "subscription_id": "sub_1", "invoice_id": "inv_1", "currency_code": "JPY",
    "billed_at": "2026-03-02T09:00:00Z", "details": {"totals": {"grand_total": "30000", "currency_code": "JPY"}},
    "payments": [{"status": "error"}, {"status": "error"}, {"status": "captured"}],
}  # fmt: skip


def paddle(kind: str, data: dict[str, Any], **changes: Any) -> Any:
    return {"event_id": "evt_1", "event_type": kind, "occurred_at": "2026-03-02T09:00:00.123456Z",
            "notification_id": "ntf_1", "data": {**data, **changes}}  # fmt: skip


def test_paddles_subscription() -> None:
    ref, now = "paddle:customer:ctm_1", {"subscription_id": "sub_1", "status": "active", "seats": 11}
    mrr = {"amount": 31000, "currency": "EUR"}
    assert told("paddle", paddle("subscription.created", PADDLE)) == [
        (ref, "subscription_changed", {**now, "mrr_after": mrr})
    ]
    notice = {"action": "cancel", "effective_at": "2027-01-05T10:00:00Z"}
    assert told("paddle", paddle("subscription.updated", PADDLE, scheduled_change=notice)) == [
        (ref, "subscription_changed", {**now, "mrr_after": mrr}),
        (ref, "contract_cancelled", {"contract_id": "sub_1", "effective_on": "2027-01-05"}),
    ]
    assert told("paddle", paddle("subscription.updated", PADDLE))[1] == (
        ref, "cancellation_withdrawn", {"contract_id": "sub_1"},
    )  # fmt: skip
    gone = {"status": "canceled", "canceled_at": "2026-03-02T09:00:00Z"}
    assert told("paddle", paddle("subscription.canceled", PADDLE, **gone)) == [
        (ref, "subscription_changed", {**now, "status": "canceled", "mrr_after": {"amount": 0, "currency": "EUR"}}),
        (ref, "contract_cancelled", {"contract_id": "sub_1", "effective_on": "2026-03-02"}),
    ]
    [linked, *_] = statements("paddle", json.dumps(paddle("subscription.created", PADDLE)).encode())
    assert isinstance(linked, Statement)
    assert [str(name) for name in (*linked.refs, *linked.links)] == [ref, "hubspot:company:7", ref]


def test_paddles_transactions_in_whole_yen() -> None:
    ref, yen = "paddle:customer:ctm_1", {"amount": 30000, "currency": "JPY"}
    assert told("paddle", paddle("transaction.billed", TRANSACTION)) == [
        (ref, "invoice_issued", {"invoice_id": "inv_1", "amount": yen, "due_on": "2026-03-02"})
    ]
    assert told("paddle", paddle("transaction.payment_failed", TRANSACTION)) == [
        (ref, "payment_failed", {"invoice_id": "inv_1", "amount": yen, "attempt": 2})
    ]
    assert told("paddle", paddle("transaction.completed", TRANSACTION, invoice_id=None)) == [
        (ref, "invoice_paid", {"invoice_id": "txn_1", "amount": yen})
    ]
    nothing = {"totals": {"grand_total": "0", "currency_code": "JPY"}}
    assert told("paddle", paddle("transaction.completed", TRANSACTION, details=nothing)) == []


def test_paddles_customer_waits_with_hints() -> None:
    body = paddle("customer.created", {"id": "ctm_1", "name": "Acme", "email": "ap@acme.example", "custom_data": None})
    [said] = statements("paddle", json.dumps(body).encode())
    assert isinstance(said, Statement)
    assert ([str(ref) for ref in said.refs], said.hints) == (
        ["paddle:customer:ctm_1"], {"name": "Acme", "email": "ap@acme.example"},
    )  # fmt: skip
