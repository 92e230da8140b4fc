"""Every real body of the four vendors, and what it says in our words: expectations written by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from common.settings import REPOSITORY_CONFIG
from ingest.domain.refs import Ref
from ingest.domain.statement import Ignored, Statement, Unreadable
from ingest.sources import VENDORS, load_sources

PAYLOADS = Path(__file__).parents[4] / "shared" / "payloads"
SOURCES = load_sources(REPOSITORY_CONFIG)
pytestmark = pytest.mark.skipif(not PAYLOADS.exists(), reason="the shared payloads are not beside this checkout")

Said = tuple[str, str, dict[str, Any]]
"""(ref, event, data)"""


def body_of(file: str) -> bytes:
    raw = (PAYLOADS / file).read_bytes()
    value = json.loads(raw)
    return json.dumps(value["_body"]).encode() if isinstance(value, dict) and "_body" in value else raw


def statements(source: str, raw: bytes) -> list[Statement | Ignored]:
    config = SOURCES[source]
    found: list[Statement | Ignored] = []
    for event in VENDORS[config.vendor].split(raw, {}, config):
        said = VENDORS[config.vendor].interpret(event, config)
        found += [said] if isinstance(said, Ignored) else said
    return found


def told(source: str, raw: bytes) -> list[Said]:
    return [_said(s) for s in statements(source, raw) if isinstance(s, Statement)]


def _said(statement: Statement) -> Said:
    ref = str(statement.refs[0])
    if statement.contact:
        contact = statement.contact
        kept = {name: getattr(contact, name) for name in contact.__slots__}
        return ref, "contact", {name: value for name, value in kept.items() if value not in (None, False)}
    if statement.data is None:
        return ref, "link", {"links": [str(link) for link in statement.links]}
    data = statement.data.model_dump(mode="json", exclude_none=True)
    return ref, statement.data.TYPE.split(".")[2], data


USD_20 = {"amount": 2000, "currency": "USD"}
USD_0 = {"amount": 0, "currency": "USD"}
SUB, CUSTOMER = "sub_1TlzbBRWzNe0GNGmpgiGtqSY", "stripe:customer:cus_UlWecDPcrrvdG2"
COMPANY, CONTACT = "hubspot:company:330222354146", "hubspot:contact:508369434347"
TICKET = "hubspot:ticket:318514647758"
EXPECTED: dict[str, list[Said]] = {
    "hubspot/maton_company.updated.json": [],  # the city is not mapped
    "hubspot/prismatic_contact_creation_with_headers.json": [
        ("hubspot:contact:65059681032", "contact", {"contact_id": "65059681032"})
    ],
    "hubspot/maton_batch_13_events.json": [
        (CONTACT, "contact", {"contact_id": "508369434347"}),
        (CONTACT, "contact", {"contact_id": "508369434347", "first_name": "Maton"}),
        (CONTACT, "contact", {"contact_id": "508369434347", "left": True}),
        (COMPANY, "client_registered", {"refs": [{"source": "hubspot", "kind": "company", "id": "330222354146"}]}),
        (TICKET, "ticket_opened", {"ticket_id": "318514647758", "priority": "normal"}),
        (TICKET, "ticket_updated", {"ticket_id": "318514647758"}),
    ],
    "stripe/maton_subscription.created.json": [
        (CUSTOMER, "subscription_changed",
         {"subscription_id": SUB, "status": "active", "mrr_after": USD_20, "seats": 1})
    ],
    "stripe/maton_subscription.canceled.json": [
        (CUSTOMER, "subscription_changed",
         {"subscription_id": SUB, "status": "canceled", "mrr_before": USD_20, "mrr_after": USD_0}),
        (CUSTOMER, "contract_cancelled",
         {"contract_id": SUB, "effective_on": "2026-06-24", "reason": "cancellation_requested", "voluntary": True}),
    ],
    "stripe/maton_invoice.paid.json": [
        (CUSTOMER, "invoice_paid", {"invoice_id": "in_1TlzbBRWzNe0GNGmStbaJSGV", "amount": USD_20})
    ],
    "stripe/maton_invoice.payment_failed.json": [
        ("stripe:customer:cus_UlWeN7c8OHpXNO", "payment_failed",
         {"invoice_id": "in_1TlzbIRWzNe0GNGm6BCH1QVe", "amount": USD_20, "attempt": 1})
    ],
    "stripe/zulip_customer_subscription_updated.json": [
        # a trial brings nothing in; before it 800 seats at 100 cents a year were 66.67 dollars a month
        ("stripe:customer:cus_00000000000000", "subscription_changed",
         {"subscription_id": "sub_E6STM5w5EX3K28", "status": "trialing", "seats": 800,
          "mrr_before": {"amount": 6667, "currency": "USD"}, "mrr_after": USD_0})
    ],
    "zendesk/event_ticket_created.json": [
        ("zendesk:organization:8447346622462", "ticket_opened",
         {"ticket_id": "5158", "priority": "low", "contact_id": "8447388090494"})
    ],
    "segment/track_1.json": [
        ("segment:user:AiUGstSDIg", "usage_recorded", {"feature": "course_clicked", "quantity": 1.0})
    ],
    "segment/identify_1.json": [
        ("segment:user:97980cfea0067", "contact",
         {"contact_id": "97980cfea0067", "name": "Peter Gibbons", "email": "peter@example.com"})
    ],
    "segment/group_1.json": [
        ("segment:group:0e8c78ea9d97a7b8185e8632", "link", {"links": ["segment:user:97980cfea0067"]})
    ],
}  # fmt: skip


@pytest.mark.parametrize("file", EXPECTED)
def test_a_real_body_says_what_we_say_it_says(file: str) -> None:
    assert told(file.split("/", maxsplit=1)[0], body_of(file)) == EXPECTED[file]


def test_every_body_of_our_vendors_has_an_expectation() -> None:
    vendors = {file.partition("/")[0] for file in EXPECTED}
    files = {f"{v}/{f.name}" for v in vendors for f in (PAYLOADS / v).glob("*")}
    assert files == {*EXPECTED, "stripe/pay_data_subscription.updated.json"}


def test_a_fragment_is_unreadable_alone_and_read_in_its_event() -> None:
    """`data` only; a 2025 shape with the old `price`."""
    fragment = body_of("stripe/pay_data_subscription.updated.json")
    with pytest.raises(Unreadable):
        VENDORS["stripe"].split(fragment, {}, SOURCES["stripe"])
    event = {
        "id": "evt_1",
        "type": "customer.subscription.updated",
        "created": 1487872069,
        "data": json.loads(fragment),
    }
    [(ref, name, data)] = told("stripe", json.dumps(event).encode())
    assert (ref, name) == ("stripe:customer:cus_00000000000000", "subscription_changed")
    assert data["status"] == "canceled"
    assert data["mrr_after"] == USD_0


def test_times_are_the_vendors_own() -> None:
    [created] = statements("zendesk", body_of("zendesk/event_ticket_created.json"))
    assert isinstance(created, Statement)
    assert created.time == datetime(2025, 1, 8, 10, 12, 7, 672717, tzinfo=UTC)
    [tracked] = statements("segment", body_of("segment/track_1.json"))
    assert isinstance(tracked, Statement)
    assert tracked.time == datetime(2015, 12, 12, 19, 11, 1, 249000, tzinfo=UTC)


def test_an_agents_own_ticket_is_not_the_clients_mood() -> None:
    [created] = statements("zendesk", body_of("zendesk/event_ticket_created.json"))
    assert isinstance(created, Statement)
    assert created.text is None, "here requester, submitter and assignee are one agent"


def test_a_payment_teaches_us_which_invoice_a_charge_pays() -> None:
    [paid] = statements("stripe", body_of("stripe/maton_invoice.paid.json"))
    assert isinstance(paid, Statement)
    assert Ref("stripe", "charge", "ch_3TlzbCRWzNe0GNGm0syyVUT2") in paid.links
    assert paid.alias == "in_1TlzbBRWzNe0GNGmStbaJSGV"
