"""Vendors that are connected by a file alone: what their bodies say in our words, expectations written by hand.

Bodies of Chargebee and Standard Webhooks are ours, in the shape that their documentation gives.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from common.settings import REPOSITORY_CONFIG
from ingest.domain.statement import Ignored, Statement
from ingest.sources import VENDORS, load_sources

PAYLOADS = Path(__file__).parents[4] / "shared" / "payloads"
SOURCES = load_sources(REPOSITORY_CONFIG)
MAPPED = {name: config for name, config in SOURCES.items() if config.vendor == "mapped"}
Said = tuple[str, str, dict[str, Any]]
"""(ref, event, data)"""

PERSON, CHARLIE = "mail-d2fef79948c57453a12d76c212f94fa0", "mail-26bc4de0ceb81582241c221763f10137"
EXPECTED: dict[str, list[Said]] = {
    "freshdesk/zulip_ticket_created.json": [
        (f"freshdesk:contact:{PERSON}", "contact",
         {"contact_id": PERSON, "name": "Requester ☃ Bob", "email": "requester-bob@example.com"}),
        (f"freshdesk:contact:{PERSON}", "ticket_opened",
         {"ticket_id": "11", "priority": "high", "contact_id": PERSON}),
    ],
    "delighted/zulip_survey_response_updated_promoter.json": [
        ("delighted:contact:5975", "contact",
         {"contact_id": CHARLIE, "name": "Charlie Gravis", "email": "charlie_gravis@example.com"}),
        ("delighted:contact:5975", "survey_answered",
         {"survey": "nps", "contact_id": CHARLIE, "score": 9.0, "scale_min": 0.0, "scale_max": 10.0}),
    ],
    "posthog/webhook_default_body.json": [
        ("posthog:user:uuid", "usage_recorded", {"feature": "pageview", "quantity": 1.0}),
    ],
}  # fmt: skip


def statements(source: str, raw: bytes, headers: dict[str, str] | None = None) -> list[Statement | Ignored]:
    config = SOURCES[source]
    found: list[Statement | Ignored] = []
    for event in VENDORS["mapped"].split(raw, headers or {}, config):
        said = VENDORS["mapped"].interpret(event, config)
        found += [said] if isinstance(said, Ignored) else said
    return found


def told(source: str, body: Any) -> list[Said]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return [_said(s) for s in statements(source, raw) if isinstance(s, Statement)]


def _said(statement: Statement) -> Said:
    ref = str(statement.refs[0])
    if statement.contact:
        kept = {name: getattr(statement.contact, name) for name in statement.contact.__slots__}
        return ref, "contact", {name: value for name, value in kept.items() if value not in (None, False)}
    if statement.data is None:
        return ref, "link", {"links": [str(link) for link in statement.links]}
    return ref, statement.data.TYPE.split(".")[2], statement.data.model_dump(mode="json", exclude_none=True)


@pytest.mark.skipif(not PAYLOADS.exists(), reason="the shared payloads are not beside this checkout")
@pytest.mark.parametrize("file", EXPECTED)
def test_a_real_body_says_what_we_say_it_says(file: str) -> None:
    assert told(file.split("/", maxsplit=1)[0], (PAYLOADS / file).read_bytes()) == EXPECTED[file]


@pytest.mark.skipif(not PAYLOADS.exists(), reason="the shared payloads are not beside this checkout")
def test_every_body_of_a_mapped_vendor_has_an_expectation() -> None:
    files = {f"{name}/{file.name}" for name in MAPPED for file in (PAYLOADS / name).glob("*")}
    assert files == set(EXPECTED)


@pytest.mark.skipif(not PAYLOADS.exists(), reason="the shared payloads are not beside this checkout")
def test_words_times_and_hints_are_taken_along() -> None:
    [_, opened] = statements("freshdesk", (PAYLOADS / "freshdesk/zulip_ticket_created.json").read_bytes())
    assert isinstance(opened, Statement)
    assert opened.text == "Test ticket subject ☃\n\n<div>Test ticket description ☃.</div>"
    assert opened.hints == {"email": "requester-bob@example.com"}
    assert opened.time is None, "Freshdesk does not say when: the receipt counts"
    file = PAYLOADS / "delighted/zulip_survey_response_updated_promoter.json"
    [_, answered] = statements("delighted", file.read_bytes())
    assert isinstance(answered, Statement)
    assert answered.text == "Your service is fast and flawless!"
    assert answered.time is not None
    assert answered.time.isoformat() == "2016-12-24T14:33:29+00:00"


# Freshdesk


def ticket(event: str, **more: Any) -> Any:
    return {"freshdesk_webhook": {"triggered_event": event, "ticket_id": 7, "ticket_company_name": "Acme", **more}}


def test_freshdesk_tickets_change_and_end() -> None:
    acme = "freshdesk:company:Acme"
    assert told("freshdesk", ticket("{status:{from:2,to:4}}", ticket_status="Resolved", performed_by="agent")) == [
        (acme, "ticket_resolved", {"ticket_id": "7", "status": "Resolved", "author": "us"})
    ]
    assert told("freshdesk", ticket("{status:{from:2,to:3}}", ticket_status="Pending")) == [
        (acme, "ticket_updated", {"ticket_id": "7", "status": "Pending"})
    ]
    assert told("freshdesk", ticket("{priority:{from:1,to:4}}", ticket_priority="Urgent")) == [
        (acme, "ticket_updated", {"ticket_id": "7", "priority": "urgent"})
    ]


def test_freshdesk_agents_words_are_not_the_clients_mood() -> None:
    words = {"ticket_latest_public_comment": "Still broken!"}
    [theirs] = statements(
        "freshdesk", json.dumps(ticket("{reply_sent:sent}", performed_by="requester", **words)).encode()
    )
    [ours] = statements("freshdesk", json.dumps(ticket("{reply_sent:sent}", performed_by="agent", **words)).encode())
    [unsaid] = statements("freshdesk", json.dumps(ticket("{note_type:public}", **words)).encode())
    texts = [said.text for said in (theirs, ours, unsaid) if isinstance(said, Statement)]
    assert texts == ["Still broken!", None, None]


# Chargebee

CUSTOMER = {"id": "cb_1", "company": "Acme", "email": "ap@acme.example", "object": "customer"}
SUBSCRIPTION = {
    "id": "sub_1", "customer_id": "cb_1", "status": "active", "currency_code": "USD", "billing_period": 1,
    "billing_period_unit": "month", "current_term_start": 1772442000, "current_term_end": 1775120400,
    "subscription_items": [
        {"item_price_id": "pro", "item_type": "plan", "quantity": 12, "unit_price": 1500, "amount": 18000},
        {"item_price_id": "sso", "item_type": "addon", "quantity": 1, "unit_price": 2000, "amount": 2000},
        {"item_price_id": "setup", "item_type": "charge", "amount": 99900},
    ],
}  # fmt: skip
INVOICE = {
    "id": "inv_9", "customer_id": "cb_1", "subscription_id": "sub_1", "status": "payment_due", "date": 1772442000,
    "due_date": 1774861200, "total": 20000, "amount_due": 20000, "amount_paid": 0, "currency_code": "USD",
}  # fmt: skip


def chargebee(kind: str, **content: Any) -> Any:
    return {"id": "ev_1", "occurred_at": 1772442000, "event_type": kind, "api_version": "v2",
            "content": {"customer": CUSTOMER, **content}}  # fmt: skip


def usd(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "USD"}


def changed(**subscription: Any) -> Any:
    body = chargebee("subscription_changed", subscription={**SUBSCRIPTION, **subscription})
    [(ref, name, data)] = told("chargebee", body)
    assert (ref, name) == ("chargebee:customer:cb_1", "subscription_changed")
    return data


def test_chargebees_own_mrr_is_taken_and_worked_out_where_it_is_not_yet_there() -> None:
    assert changed(mrr=19000)["mrr_after"] == usd(19000)
    assert changed()["mrr_after"] == usd(20000), "the items' price; a charge comes once"
    assert changed(mrr=0)["mrr_after"] == usd(20000), "0 is what Chargebee says before it has worked it out"
    assert changed(billing_period_unit="year")["mrr_after"] == usd(1667)
    assert changed(billing_period=3)["mrr_after"] == usd(6667)
    assert changed(seats=None)["seats"] == 12


def test_chargebees_older_catalogue_is_read_too() -> None:
    old = {"subscription_items": None, "plan_amount": 108000, "plan_quantity": 30, "billing_period_unit": "year",
           "addons": [{"id": "x", "amount": 12000}]}  # fmt: skip
    assert changed(**old) == {"subscription_id": "sub_1", "status": "active", "mrr_after": usd(10000), "seats": 30}
    assert changed(**{**old, "addons": None})["mrr_after"] == usd(9000)


def test_yen_have_no_cents() -> None:
    items = [{"item_type": "plan", "quantity": 1, "amount": 30000}]
    assert changed(currency_code="JPY", subscription_items=items)["mrr_after"] == {"amount": 30000, "currency": "JPY"}


@pytest.mark.parametrize("status", ["in_trial", "future", "paused", "cancelled"])
def test_what_brings_nothing_in_counts_nothing(status: str) -> None:
    assert changed(status=status, mrr=19000)["mrr_after"] == usd(0)


def test_chargebees_subscription_begins_renews_and_ends() -> None:
    ref = "chargebee:customer:cb_1"
    now = {"subscription_id": "sub_1", "status": "active", "mrr_after": usd(20000), "seats": 12}
    assert told("chargebee", chargebee("subscription_created", subscription=SUBSCRIPTION)) == [
        (ref, "subscription_changed", now)
    ]
    assert told("chargebee", chargebee("subscription_renewed", subscription=SUBSCRIPTION)) == [
        (ref, "subscription_changed", now)
    ]
    year = {**SUBSCRIPTION, "billing_period_unit": "year", "mrr": 20000}
    assert told("chargebee", chargebee("subscription_renewed", subscription=year)) == [
        (ref, "subscription_changed", now),
        (ref, "contract_renewed", {"contract_id": "sub_1", "starts_on": "2026-03-02", "ends_on": "2026-04-02",
                                   "mrr": usd(20000), "seats": 12}),
    ]  # fmt: skip
    ended = {**SUBSCRIPTION, "status": "cancelled", "cancelled_at": 1772442000, "cancel_reason_code": "Too expensive"}
    assert told("chargebee", chargebee("subscription_cancelled", subscription=ended)) == [
        (ref, "subscription_changed", {**now, "status": "cancelled", "mrr_after": usd(0)}),
        (ref, "contract_cancelled", {"contract_id": "sub_1", "effective_on": "2026-03-02", "reason": "Too expensive",
                                     "voluntary": True}),
    ]  # fmt: skip
    unpaid = {**ended, "cancel_reason": "not_paid", "cancel_reason_code": None}
    assert told("chargebee", chargebee("subscription_cancelled", subscription=unpaid))[1][2]["voluntary"] is False
    notice = {**SUBSCRIPTION, "status": "non_renewing", "cancelled_at": 1775120400}
    assert told("chargebee", chargebee("subscription_cancellation_scheduled", subscription=notice)) == [
        (ref, "contract_cancelled", {"contract_id": "sub_1", "effective_on": "2026-04-02", "voluntary": True})
    ]
    assert told("chargebee", chargebee("subscription_scheduled_cancellation_removed", subscription=SUBSCRIPTION)) == [
        (ref, "cancellation_withdrawn", {"contract_id": "sub_1"})
    ]


def test_chargebees_invoices() -> None:
    ref = "chargebee:customer:cb_1"
    assert told("chargebee", chargebee("invoice_generated", invoice=INVOICE)) == [
        (ref, "invoice_issued", {"invoice_id": "inv_9", "amount": usd(20000), "due_on": "2026-03-30"})
    ]
    tries = {**INVOICE, "dunning_attempts": [{"attempt": 1}, {"attempt": 2}]}
    assert told("chargebee", chargebee("payment_failed", invoice=tries)) == [
        (ref, "payment_failed", {"invoice_id": "inv_9", "amount": usd(20000), "attempt": 2})
    ]
    paid = {**INVOICE, "status": "paid", "amount_paid": 20000, "amount_due": 0}
    assert told("chargebee", chargebee("payment_succeeded", invoice=paid)) == [
        (ref, "invoice_paid", {"invoice_id": "inv_9", "amount": usd(20000)})
    ]
    assert told("chargebee", chargebee("payment_succeeded", invoice=INVOICE)) == [], "a part is not the whole"
    assert told("chargebee", chargebee("invoice_updated", invoice={**INVOICE, "status": "not_paid"})) == [
        (ref, "invoice_overdue", {"invoice_id": "inv_9", "amount": usd(20000)})
    ]
    assert told("chargebee", chargebee("invoice_updated", invoice={**INVOICE, "status": "voided"})) == [
        (ref, "invoice_voided", {"invoice_id": "inv_9", "amount": usd(20000)})
    ]


def test_chargebees_customer_is_linked_by_its_custom_field_and_never_creates() -> None:
    body = chargebee("customer_created", customer={**CUSTOMER, "cf_client_ref": "hubspot:company:7"})
    [said] = statements("chargebee", json.dumps(body).encode())
    assert isinstance(said, Statement)
    assert [str(ref) for ref in said.refs] == ["chargebee:customer:cb_1", "hubspot:company:7"]
    assert [str(ref) for ref in said.links] == ["chargebee:customer:cb_1"]
    assert said.hints == {"name": "Acme", "email": "ap@acme.example"}
    assert (said.data, said.creates) == (None, False)


def test_chargebees_people() -> None:
    contact = {"id": "contact_1", "first_name": "Ada", "last_name": "Okafor", "email": "ada@acme.example"}
    [(_, _, added)] = told("chargebee", chargebee("contact_added", contact=contact))
    assert (added["first_name"], added["last_name"], added["email"]) == ("Ada", "Okafor", "ada@acme.example")
    [(_, _, left)] = told("chargebee", chargebee("contact_deleted", contact=contact))
    assert left == {"contact_id": added["contact_id"], "left": True}


@pytest.mark.parametrize(
    ("source", "kind", "unknown"),
    [
        ("chargebee", "card_expiring", False),
        ("chargebee", "subscription_shipping_address_updated", False),
        ("chargebee", "brand_new_thing", True),
        ("posthog", "$autocapture", False),
        ("delighted", "unsubscribe.created", False),
        ("delighted", "something.else", True),
        ("freshdesk", "{note_type:private}", False),
        ("freshdesk", "{something:new}", True),
    ],
)
def test_a_kind_is_known_and_silent_or_counted_as_unknown(source: str, kind: str, unknown: bool) -> None:
    bodies = {
        "chargebee": chargebee(kind),
        "posthog": {"event": {"event": kind, "uuid": "u", "distinct_id": "d"}},
        "delighted": {"event_type": kind, "event_id": "1"},
        "freshdesk": ticket(kind),
    }
    [said] = statements(source, json.dumps(bodies[source]).encode())
    assert isinstance(said, Ignored)
    assert said.unknown is unknown


# Delighted, PostHog


def test_delighted_knows_scales_of_its_kinds_of_survey() -> None:
    def score(kind: str | None, score: float) -> Any:
        person = {"id": 1, "person_properties": None}
        body = {"event_type": "survey_response.created", "event_id": "1",
                "event_data": {"id": "1", "person": person, "survey_type": kind, "score": score}}  # fmt: skip
        return [(d["survey"], d["scale_min"], d["scale_max"]) for _, _, d in told("delighted", body)]

    assert score("nps", 9) == score(None, 9) == [("nps", 0, 10)]
    assert score("csat", 4) == score("stars_five", 4) == [("csat", 1, 5)]
    assert score("ces7", 7) == [("ces", 1, 7)]
    assert score("enps", 9) == [], "our own people are not the client"


def test_posthog_groups_name_the_client_and_people_are_learned() -> None:
    event = {"uuid": "u-1", "event": "Report Exported", "distinct_id": "d", "timestamp": "2026-03-02T09:00:00Z"}
    body = {
        "event": event,
        "person": {"id": "p1"},
        "groups": {"company": {"id": "acme-7", "properties": {"name": "Acme"}}},
    }
    assert told("posthog", body) == [
        ("posthog:group:acme-7", "usage_recorded", {"feature": "report_exported", "quantity": 1.0})
    ]
    in_properties = {**event, "properties": {"$groups": {"company": "acme-7"}}}
    assert told("posthog", {"event": in_properties})[0][0] == "posthog:group:acme-7"
    assert told("posthog", {**body, "event": {**event, "event": "user_logged_in"}}) == [
        ("posthog:group:acme-7", "logged_in", {"contact_id": "p1", "count": 1})
    ]
    person = {"id": "p1", "properties": {"email": "ada@acme.example", "first_name": "Ada"}}
    assert told("posthog", {"event": {**event, "event": "$identify"}, "person": person}) == [
        ("posthog:user:p1", "contact", {"contact_id": "p1", "first_name": "Ada", "email": "ada@acme.example"})
    ]


# Standard Webhooks


def test_standard_webhooks_speak_our_words_or_a_maps() -> None:
    ours = {"type": "csl.client.usage_recorded.v1", "timestamp": "2026-03-02T09:00:00Z",
            "subject": "ref:hubspot:company:7", "data": {"feature": "reports", "quantity": 3}}  # fmt: skip
    [said] = statements("standardwebhooks", json.dumps(ours).encode(), {"webhook-id": "msg_1"})
    assert isinstance(said, Statement)
    assert _said(said) == ("hubspot:company:7", "usage_recorded", {"feature": "reports", "quantity": 3.0})
    assert said.time is not None
    assert said.time.isoformat() == "2026-03-02T09:00:00+00:00"
    theirs = {"type": "user.signed_in", "timestamp": "2026-03-02T09:00:00Z", "data": {"company_id": 7, "user_id": "u"}}
    assert told("standardwebhooks", theirs) == [
        ("standardwebhooks:company:7", "logged_in", {"contact_id": "u", "count": 1})
    ]


def test_a_standard_webhooks_repeat_is_told_by_its_message_id() -> None:
    body, config = json.dumps({"type": "ping"}).encode(), SOURCES["standardwebhooks"]
    keys = [VENDORS["mapped"].split(body, {"webhook-id": name}, config)[0].key for name in ("msg_1", "msg_1", "msg_2")]
    assert keys == ["msg_1", "msg_1", "msg_2"]
    assert VENDORS["mapped"].split(body, {}, config)[0].key.startswith("sha256:")
