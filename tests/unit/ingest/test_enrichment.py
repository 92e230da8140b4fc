"""What events leave out, what fetched objects say in our words, and how politely vendors are asked."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import respx
import stamina
from common.clock import ManualClock
from ingest.adapters.apis import make_apis
from ingest.adapters.vendor_api import Failed, Gone, Pace, Patience, Rate, Refused, TokenRefused, VendorApi
from ingest.domain.arrival import Lookup
from ingest.domain.refs import Ref
from ingest.domain.statement import SourceEvent, Unreadable
from ingest.enricher import OPEN_FOR, OPENS_AFTER, Circuit
from ingest.enrichment import hubspot, pipedrive, stripe
from ingest.sources import load_sources
from loopctl.paths import REPOSITORY

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
SOURCES = load_sources(REPOSITORY / "deploy" / "config")
HUBSPOT, STRIPE, PIPEDRIVE = (SOURCES[name] for name in ("hubspot", "stripe", "pipedrive"))


def change(kind: str, name: str, value: str | None = "x") -> SourceEvent:
    return SourceEvent("k", kind, {"objectId": 7, "propertyName": name, "propertyValue": value})


@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        (SourceEvent("k", "company.creation", {"objectId": 7}), (Lookup("company", "7"),)),
        (SourceEvent("k", "contact.creation", {"objectId": 7}), (Lookup("contact", "7"),)),
        (SourceEvent("k", "deal.creation", {"objectId": 7}), (Lookup("deal", "7"),)),
        (change("contact.propertyChange", "email"), (Lookup("contact", "7", if_parked=True),)),
        (change("company.propertyChange", "name"), (Lookup("company", "7", if_parked=True),)),
        (change("company.propertyChange", "hubspot_owner_id", "41"), (Lookup("company", "7"),)),
        (change("ticket.propertyChange", "content"), (Lookup("ticket", "7"),)),
        (change("company.propertyChange", "csl_health_band", "red"), ()),
        (SourceEvent("k", "contact.deletion", {"objectId": 7}), ()),
        (SourceEvent("k", "company.creation", {}), ()),
        (SourceEvent("k", "line_item.creation", {"objectId": 7}), ()),
    ],
)
def test_hubspots_bare_ids_are_asked_for(event: SourceEvent, wanted: tuple[Lookup, ...]) -> None:
    assert hubspot.lookups(event, HUBSPOT) == wanted


def associated(*found: tuple[str, str]) -> dict[str, Any]:
    return {"associations": {"companies": {"results": [{"id": id_, "type": kind} for id_, kind in found]}}}


@pytest.mark.parametrize(
    ("found", "company"),
    [
        (associated(("1", "contact_to_company"), ("1", "contact_to_company_unlabeled")), "1"),
        (associated(("2", "contact_to_company_unlabeled"), ("1", "contact_to_company")), "1"),
        (associated(("2", "contact_to_company_unlabeled")), "2"),
        (associated(("1", "contact_to_company_unlabeled"), ("2", "contact_to_company_unlabeled")), None),
        ({}, None),
        ({"associations": {"companies": None}}, None),
    ],
)
def test_a_contact_is_of_its_primary_company_and_never_of_a_guessed_one(found: dict[str, Any], company: str) -> None:
    [said] = hubspot.learnt("contact", {"id": "9", "properties": {"email": "a@b.example"}, **found}, HUBSPOT, NOW)
    person = Ref("hubspot", "contact", "9")
    assert said.refs == ((Ref("hubspot", "company", company), person) if company else (person,))
    assert said.contact.email == "a@b.example"


def test_a_tickets_words_are_the_clients_only_where_the_client_wrote_them() -> None:
    words = {"subject": "Broken", "content": "It fails", "hs_ticket_priority": "HIGH"}
    [theirs] = hubspot.learnt("ticket", {"id": "9", "properties": {**words, "source_type": "EMAIL"}}, HUBSPOT, NOW)
    [ours] = hubspot.learnt("ticket", {"id": "9", "properties": {**words, "source_type": "PHONE"}}, HUBSPOT, NOW)
    assert (theirs.text, theirs.data.author, theirs.data.priority) == ("Broken\nIt fails", "client", "high")
    assert (ours.text, ours.data.author, ours.data.priority) == (None, None, "high")
    assert hubspot.learnt("ticket", {"id": "9", "properties": {}}, HUBSPOT, NOW) == []


def tiered(mode: str, quantity: int, **price: Any) -> dict[str, Any]:
    tiers = [
        {"up_to": 10, "unit_amount": 1000, "flat_amount": 500},
        {"up_to": None, "unit_amount_decimal": "800.5", "flat_amount": None},
    ]
    monthly = {"interval": "month", "interval_count": 1, "usage_type": "licensed"}
    whole = {"billing_scheme": "tiered", "tiers_mode": mode, "tiers": tiers, "recurring": monthly, "currency": "usd"}
    return {"quantity": quantity, "price": {**whole, **price}}


def subscription(item: dict[str, Any], **more: Any) -> dict[str, Any]:
    whole = {"id": "sub_1", "customer": "cus_1", "status": "active", "currency": "usd"}
    return {**whole, "items": {"data": [item]}, **more}


@pytest.mark.parametrize(
    ("mode", "quantity", "amount"),
    [
        ("graduated", 10, 10_500),
        ("graduated", 12, 10_500 + 1601),
        ("volume", 10, 10_500),
        ("volume", 12, 9606),
        ("graduated", 1, 1500),
    ],
)
def test_price_tiers_become_an_amount_a_month(mode: str, quantity: int, amount: int) -> None:
    [said] = stripe.learnt("subscription", subscription(tiered(mode, quantity)), STRIPE, NOW)
    assert said.data.mrr_after.amount == amount
    assert said.data.seats == quantity


def test_coupons_that_were_named_by_id_are_taken_off() -> None:
    coupons = [
        {"coupon": {"percent_off": 50, "duration": "forever"}},
        {"source": {"coupon": {"percent_off": 10.0, "duration": "repeating"}}},
        {"coupon": {"percent_off": 99, "duration": "once"}},
    ]
    [said] = stripe.learnt("subscription", subscription(tiered("volume", 10), discounts=coupons), STRIPE, NOW)
    assert said.data.mrr_after.amount == 10_500 * 45 // 100


@pytest.mark.parametrize(
    ("kind", "thing", "wanted"),
    [
        ("customer.subscription.updated", subscription(tiered("volume", 3)),
         {("subscription", False), ("customer", True)}),
        ("customer.subscription.created", subscription({}, discounts=["di_1"]),
         {("subscription", False), ("customer", True)}),
        ("customer.subscription.updated", subscription({"price": {"unit_amount": 5}}), {("customer", True)}),
        ("customer.subscription.updated",
         subscription(tiered("volume", 3, recurring={"interval": "month", "usage_type": "metered"})),
         {("customer", True)}),
        ("customer.subscription.deleted", subscription(tiered("volume", 3)), {("customer", True)}),
        ("invoice.paid", {"id": "in_1", "customer": "cus_1"}, {("customer", True)}),
        ("invoice.paid", {"id": "in_1", "customer": {"id": "cus_1"}}, set()),
        ("charge.dispute.created", {"id": "dp_1", "charge": "ch_1"}, {("charge", True)}),
        ("customer.updated", {"id": "cus_1"}, set()),
        ("invoice.paid", None, set()),
    ],
)  # fmt: skip
def test_what_stripe_names_by_id_is_asked_for(kind: str, thing: Any, wanted: set[tuple[str, bool]]) -> None:
    event = SourceEvent("k", kind, {"data": {"object": thing}})
    assert {(one.kind, one.if_parked) for one in stripe.lookups(event, STRIPE)} == wanted


def test_a_disputed_charge_leads_to_its_customer_and_invoice() -> None:
    charge = {"id": "ch_1", "customer": "cus_1", "payment_intent": "pi_1", "invoice": "in_1"}
    [said] = stripe.learnt("charge", charge, STRIPE, NOW)
    assert said.refs == (Ref("stripe", "customer", "cus_1"),)
    assert said.links == (Ref("stripe", "charge", "ch_1"), Ref("stripe", "payment_intent", "pi_1"))
    assert said.alias == "in_1"
    assert stripe.learnt("charge", {"id": "ch_1"}, STRIPE, NOW) == []


def piped(kind: str, **now: Any) -> SourceEvent:
    return SourceEvent("k", kind, {"meta": {}, "data": {"id": 7, **now}})


@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        (piped("organization.change", owner_id=41), (Lookup("organization", "7"),)),
        (piped("organization.change", name="x"), (Lookup("organization", "7", if_parked=True),)),
        (piped("person.change", org_id=3), (Lookup("organization", "3", if_parked=True),)),
        (piped("person.create", org_id={"value": 3}), (Lookup("organization", "3", if_parked=True),)),
        (piped("person.create"), (Lookup("person", "7", if_parked=True),)),
        (piped("deal.change", person_id=5), (Lookup("person", "5", if_parked=True),)),
        (piped("activity.create", deal_id=6), (Lookup("deal", "6", if_parked=True),)),
        (piped("activity.create"), ()),
        (piped("person.delete", org_id=3), ()),
    ],
)
def test_what_pipedrive_names_by_id_is_asked_for(event: SourceEvent, wanted: tuple[Lookup, ...]) -> None:
    assert pipedrive.lookups(event, PIPEDRIVE) == wanted


def test_a_fetched_organisation_is_read_as_its_webhook_is() -> None:
    found = {"id": 7, "name": "Northwind", "website": "https://www.northwind.example/", "owner_id": "maya@ours.example"}
    [said] = pipedrive.learnt("organization", found, PIPEDRIVE, NOW)
    assert said.data.model_dump(exclude_none=True) == {
        "name": "Northwind", "domain": "northwind.example", "csm_email": "maya@ours.example",
    }  # fmt: skip


def test_a_fetched_person_and_deal_say_whose_they_are() -> None:
    organization = Ref("pipedrive", "organization", "3")
    [person] = pipedrive.learnt("person", {"id": 7, "org_id": 3, "name": "Ada"}, PIPEDRIVE, NOW)
    [deal] = pipedrive.learnt("deal", {"id": 8, "org_id": 3, "status": "won"}, PIPEDRIVE, NOW)
    assert person.refs[0] == deal.refs[0] == organization
    assert deal.data is None, "a deal that was won before is not won again"


@pytest.mark.parametrize("module", [hubspot, pipedrive, stripe])
@pytest.mark.parametrize("kind", ["company", "organization", "contact", "person", "deal", "customer", "subscription"])
@pytest.mark.parametrize("found", [{}, {"id": 1, "properties": 3, "items": [], "org_id": [], "tiers": {}}])
def test_an_object_however_bent_is_at_most_unreadable(module: Any, kind: str, found: dict[str, Any]) -> None:
    config = {hubspot: HUBSPOT, pipedrive: PIPEDRIVE, stripe: STRIPE}[module]
    try:
        said = module.learnt(kind, found, config, NOW)
    except Unreadable:
        return
    assert isinstance(said, list)


async def test_who_comes_too_early_waits_and_no_window_is_overrun() -> None:
    clock, times = ManualClock(NOW), []
    pace = Pace(Rate(3, 10.0), clock)

    async def ask() -> None:
        await pace.turn()
        times.append(clock.monotonic())

    asking = [asyncio.create_task(ask()) for _ in range(8)]
    for _ in range(3):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        clock.advance(seconds=10)
    await asyncio.gather(*asking)
    assert times == [0, 0, 0, 10, 10, 10, 20, 20]


def test_a_circuit_opens_is_tried_with_one_and_closes() -> None:
    circuit = Circuit()
    for _ in range(OPENS_AFTER - 1):
        circuit.failed(0.0)
    assert circuit.room(0.0) > 1
    circuit.failed(0.0)
    assert circuit.room(OPEN_FOR - 1) == 0
    assert circuit.room(OPEN_FOR) == 1
    circuit.failed(OPEN_FOR)
    assert circuit.room(OPEN_FOR + 1) == 0
    circuit.worked()
    assert circuit.room(3 * OPEN_FOR) > 1


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        (httpx.Response(404), Gone),
        (httpx.Response(401), TokenRefused),
        (httpx.Response(403), TokenRefused),
        (httpx.Response(429, headers={"Retry-After": "7"}), Patience),
        (httpx.Response(429), Patience),
        (httpx.Response(500), Failed),
        (httpx.Response(400), Refused),
        (httpx.Response(200, text="<html>"), Failed),
        (httpx.Response(200, json=[1]), Failed),
        (httpx.ConnectTimeout("slow"), Failed),
        (httpx.RemoteProtocolError("gone"), Failed),
    ],
)
async def test_every_answer_of_a_vendor_has_a_meaning(answer: Any, raised: type[Exception]) -> None:
    api = VendorApi(base_url="https://vendor.test", headers={}, rate=Rate(9, 1.0), clock=ManualClock(NOW))
    with stamina.set_testing(True, attempts=2), respx.mock(base_url="https://vendor.test") as vendor:
        route = vendor.get("/x").mock(side_effect=[answer] * 2)
        with pytest.raises(raised):
            await api.get("/x")
    assert route.call_count == (2 if raised is Failed else 1), "only what may pass is tried again at once"
    await api.close()


async def test_what_was_just_asked_is_answered_from_memory() -> None:
    clock = ManualClock(NOW)
    api = VendorApi(base_url="https://vendor.test", headers={}, rate=Rate(9, 1.0), clock=clock)
    with respx.mock(base_url="https://vendor.test") as vendor:
        route = vendor.get("/x").respond(json={"a": 1})
        assert await api.get("/x") == await api.get("/x") == {"a": 1}
        assert route.call_count == 1
        clock.advance(seconds=61)
        await asyncio.gather(*(api.get("/x") for _ in range(5)))
        assert route.call_count == 2
    await api.close()


@pytest.mark.parametrize("vendor", ["hubspot", "stripe", "pipedrive"])
def test_each_vendors_page_says_what_is_asked_for(vendor: str) -> None:
    page = (REPOSITORY / "docs" / "sources" / f"{vendor}.md").read_text().partition("## Enrichment")[2]
    objects = {
        "hubspot": ["company", "contact", "deal", "ticket", *hubspot.CONTACT, *hubspot.TICKET],
        "stripe": ["customer", "subscription", "charge"],
        "pipedrive": ["organisation", "person", "deal"],
    }
    assert [name for name in objects[vendor] if name not in page] == []


@pytest.mark.parametrize("name", ["hubspto", "zendesk"])
def test_a_token_that_no_source_can_use_is_told_at_start(name: str) -> None:
    with pytest.raises(ValueError, match=f"enrichment_tokens: {name}"):
        make_apis(SOURCES, {name: "t"}, {}, ManualClock(NOW))
