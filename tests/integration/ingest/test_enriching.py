"""What webhooks only name is fetched by a worker and said as further events; vendors answer here as they do there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest
import respx
import stamina
from ingest.enricher import LEASE, MOST_ATTEMPTS, OPENS_AFTER, Enricher
from loopctl import examination
from pydantic import SecretStr

from tests.integration.ingest.conftest import Ingest, start, stop
from tests.support.vendor_api import COMPANY, INVOICE, PATH, Vendor, created, stripe_event

TOKEN = "pat-that-nobody-may-see"
MINUTE = timedelta(seconds=61)
SOURCES = ("hubspot", "stripe", "pipedrive")


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    known = Vendor()
    with stamina.set_testing(True, attempts=1), respx.mock(assert_all_called=False) as router:
        router.route(host="vendor.test").mock(side_effect=known)
        yield known


@pytest.fixture
async def url(service_database: Callable[[str], str]) -> str:
    return await asyncio.to_thread(service_database, "ingest")


def with_tokens() -> dict[str, Any]:
    return {
        "enrichment_tokens": {name: SecretStr(TOKEN) for name in SOURCES},
        "enrichment_urls": dict.fromkeys(SOURCES, "https://vendor.test"),
    }


@pytest.fixture
async def enriched(url: str, vendor: Vendor) -> AsyncIterator[Ingest]:
    own = await start(url, **with_tokens())
    try:
        yield own
    finally:
        await stop(own)


def enricher(ingest: Ingest) -> Enricher:
    return ingest.service.worker_work[0].__self__


async def work(ingest: Ingest, after: timedelta = timedelta(seconds=2)) -> int:
    ingest.clock.advance(after)
    return await enricher(ingest).work()


async def doctor(ingest: Ingest) -> list[str]:
    """What `loop doctor` finds."""
    connection = await asyncpg.connect(**ingest.service.database.asyncpg_arguments())
    try:
        return [finding.what for finding in await examination._ingest(connection)]
    finally:
        await connection.close()


async def state(ingest: Ingest, name: str = "hubspot") -> dict[str, Any]:
    found = (await ingest.call("GET", "/v1/sources")).json()["items"]
    return next(source for source in found if source["name"] == name)["enrichment"]


async def test_a_bare_creation_becomes_a_client_with_all_that_the_crm_knows(enriched: Ingest, vendor: Vendor) -> None:
    vendor.objects = {PATH: COMPANY, "/crm/v3/owners/41": {"id": "41", "email": "Maya@ours.example"}}
    assert (await enriched.webhook("hubspot", created())).status_code == 202
    assert vendor.asked == [], "never on the accept path"
    assert (await state(enriched))["missing"] == {"company": 1}
    assert await work(enriched) == 1
    names = dict(await enriched.said())
    assert names["client_updated"]["refs"], "the stripe customer is this client's from now on"
    updated = next(data for name, data in await enriched.said() if name == "client_updated" and "name" in data)
    assert updated == {
        "name": "Northwind", "domain": "northwind.example", "mrr": {"amount": 120_050, "currency": "USD"},
        "tier": "strategic", "csm_email": "maya@ours.example",
    }  # fmt: skip
    assert {event.source for event in await enriched.published()} == {"csl/ingest/hubspot"}
    assert "stripe_customer_id" in vendor.queries[0]
    assert (await state(enriched))["missing"] == {}
    assert (await state(enriched))["last_fetched_at"] is not None
    found = await enriched.call("GET", "/v1/clients/by-ref/stripe/customer/cus_1")
    assert found.status_code == 200


async def test_a_contact_of_nobody_finds_its_client(enriched: Ingest, vendor: Vendor) -> None:
    await enriched.register("hubspot:company:77", name="Northwind")
    vendor.objects["/crm/v3/objects/contacts/9"] = {
        "id": "9",
        "properties": {"firstname": "Ada", "lastname": "Byron", "email": "ada@n.example", "hs_buying_role": "CHAMPION"},
        "associations": {"companies": {"results": [{"id": "77", "type": "contact_to_company"}]}},
    }
    await enriched.webhook("hubspot", created("contact", 9))
    assert [name for name, _ in await enriched.said()] == ["client_registered"]
    await work(enriched)
    people = [data for name, data in await enriched.said() if name.startswith("contact_")]
    whole = {key: value for data in people for key, value in data.items()}
    assert (whole["name"], whole["email"]) == ("Ada Byron", "ada@n.example")
    assert whole.get("role_after", whole["role"]) == "champion"
    assert (await enriched.call("GET", "/v1/unmatched")).json()["items"] == []


async def test_asked_thrice_in_a_minute_is_fetched_once(enriched: Ingest, vendor: Vendor) -> None:
    vendor.objects[PATH] = COMPANY
    for nth in range(3):
        await enriched.webhook("hubspot", created(event=nth))
        enriched.clock.advance(seconds=0.1)
    assert await work(enriched) == 1
    for nth in range(3, 6):
        await enriched.webhook("hubspot", created(event=nth))
        assert await work(enriched, timedelta(seconds=15)) == 0
    assert vendor.asked.count(PATH) == 1
    assert await work(enriched, MINUTE) == 1, "what came after the look-up may have changed the object"
    assert vendor.asked.count(PATH) == 2
    assert await work(enriched, MINUTE) == 0


async def test_what_is_the_same_as_before_is_not_said_again(enriched: Ingest, vendor: Vendor) -> None:
    vendor.objects[PATH] = COMPANY
    await enriched.webhook("hubspot", created(event=1))
    await work(enriched)
    said = await enriched.said()
    await enriched.webhook("hubspot", created(event=2))
    await work(enriched, MINUTE)
    assert await enriched.said() == said
    vendor.objects[PATH] = {**COMPANY, "properties": {**COMPANY["properties"], "name": "Southwind"}}
    await enriched.webhook("hubspot", created(event=3))
    await work(enriched, MINUTE)
    assert (await enriched.said())[-1][1]["name"] == "Southwind"


async def test_a_repeated_webhook_asks_for_nothing(enriched: Ingest, vendor: Vendor) -> None:
    vendor.objects[PATH] = COMPANY
    for _ in range(2):
        await enriched.webhook("hubspot", created())
        await work(enriched, MINUTE)
    assert vendor.asked.count(PATH) == 1


async def test_without_a_token_what_is_missing_is_told_and_fetched_once_there_is_one(url: str, vendor: Vendor) -> None:
    vendor.objects[PATH] = COMPANY
    without = await start(url)
    try:
        await without.webhook("hubspot", created())
        await without.webhook("hubspot", created("contact", 9, 2))
        assert not await enricher(without).work()
        told = await state(without)
        assert (told["token"], told["missing"]) == (False, {"company": 1, "contact": 1})
        assert vendor.asked == []
    finally:
        await stop(without)
    later = await start(url, **with_tokens())
    try:
        assert await work(later) == 2
        assert (await state(later))["missing"] == {}
        assert (await state(later))["gone"] == {"contact": 1}
    finally:
        await stop(later)


async def test_a_vendor_that_asks_for_patience_gets_it(enriched: Ingest, vendor: Vendor) -> None:
    vendor.objects[PATH] = COMPANY
    vendor.instead = [httpx.Response(429, headers={"Retry-After": "30"})]
    await enriched.webhook("hubspot", created())
    await work(enriched)
    await enriched.webhook("hubspot", created("contact", 9, 2))
    assert await work(enriched, timedelta(seconds=20)) == 0, "nothing of this vendor is asked meanwhile"
    assert (await state(enriched))["failure"] == "asked to wait 30 s"
    assert await work(enriched, timedelta(seconds=11)) == 2
    assert (await state(enriched))["failure"] is None


async def test_what_is_gone_is_not_asked_for_again(enriched: Ingest, vendor: Vendor) -> None:
    await enriched.webhook("hubspot", created())
    await work(enriched)
    assert (await state(enriched))["gone"] == {"company": 1}
    assert await work(enriched, timedelta(days=1)) == 0
    assert len(vendor.asked) == 1


async def test_a_refused_token_is_told_and_rests(
    enriched: Ingest, vendor: Vendor, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    vendor.objects[PATH] = COMPANY
    vendor.instead = [httpx.Response(401, text="expired")]
    await enriched.webhook("hubspot", created())
    await work(enriched)
    told = await state(enriched)
    assert told["failure"] == "the token is refused: 401 expired"
    assert "1 objects of hubspot cannot be fetched (the token is refused: 401 expired)" in await doctor(enriched)
    assert await work(enriched, timedelta(minutes=5)) == 0
    assert await work(enriched, timedelta(minutes=6)) == 1
    assert vendor.tokens == {f"Bearer {TOKEN}"}
    everywhere = (
        str(told) + caplog.text + "".join(capsys.readouterr()) + str(await enriched.rows("SELECT * FROM enrichments"))
    )
    assert TOKEN not in everywhere
    assert not [found for found in await doctor(enriched) if "cannot be fetched" in found]


async def test_a_vendor_that_is_down_is_left_alone_and_tried_with_one(enriched: Ingest, vendor: Vendor) -> None:
    for nth in range(OPENS_AFTER + 3):
        await enriched.webhook("hubspot", created("contact", 100 + nth, nth))
    vendor.instead = [httpx.Response(500), httpx.ConnectTimeout("slow")] * OPENS_AFTER
    await work(enriched)
    asked = len(vendor.asked)
    assert asked == OPENS_AFTER + 3
    assert await work(enriched, timedelta(seconds=30)) == 0
    assert await work(enriched, timedelta(seconds=31)) == 1
    vendor.instead.clear()
    await work(enriched, timedelta(minutes=2))
    assert await work(enriched, timedelta(minutes=10)) > 1
    assert (await state(enriched))["failure"] is None


async def test_what_never_works_is_given_up_and_shown(enriched: Ingest, vendor: Vendor) -> None:
    await enriched.webhook("hubspot", created())
    for _ in range(MOST_ATTEMPTS):
        vendor.instead = [httpx.Response(502)]
        await work(enriched, timedelta(hours=2))
    told = await state(enriched)
    assert (told["missing"], told["failed"], told["failure"]) == ({}, {"company": 1}, "failed: 502")
    vendor.objects[PATH] = COMPANY
    await enriched.webhook("hubspot", created(event=2))
    await work(enriched, MINUTE)
    assert (await state(enriched))["failed"] == {}


async def test_who_dies_while_fetching_lets_go(enriched: Ingest, vendor: Vendor, url: str) -> None:
    """A worker stands still in the middle of a look-up, as kill −9 leaves it; another one takes over."""
    vendor.objects[PATH] = COMPANY
    await enriched.webhook("hubspot", created())
    stuck = asyncio.Event()

    async def never(*_: Any) -> Any:
        stuck.set()
        await asyncio.Event().wait()

    api = enricher(enriched)._apis["hubspot"]
    real, api.fetch = api.fetch, never
    enriched.clock.advance(seconds=2)
    dying = asyncio.create_task(enricher(enriched).work())
    await stuck.wait()
    dying.cancel()
    await asyncio.wait([dying])
    api.fetch = real
    assert await work(enriched) == 0, "it is still leased"
    assert await work(enriched, LEASE) == 1
    assert len([name for name, data in await enriched.said() if data.get("name") == "Northwind"]) == 1


async def test_a_death_between_saying_and_answering_says_nothing_twice(enriched: Ingest, vendor: Vendor) -> None:
    """The same asking worked off twice, as after a lease that ended too early."""
    vendor.objects[PATH] = COMPANY
    await enriched.webhook("hubspot", created())
    enriched.clock.advance(seconds=2)
    own = enricher(enriched)
    from ingest.repository import enriching

    async with enriched.service.database.transaction() as session:
        [wanted] = await enriching.claim(session, "hubspot", enriched.clock.wall(), lease=LEASE, limit=9)
    await asyncio.gather(own._one(wanted), own._one(wanted))
    assert len([name for name, data in await enriched.said() if data.get("name") == "Northwind"]) == 1


async def test_workers_share_the_queue_and_a_vendor_that_hangs_holds_up_no_other(
    enriched: Ingest, vendor: Vendor, url: str
) -> None:
    other, vendor.most = await start(url, **with_tokens()), 12

    async def never(*_: Any) -> Any:
        await asyncio.Event().wait()

    await enriched.webhook("stripe", stripe_event("invoice.paid", INVOICE))
    for nth in range(12):
        await enriched.webhook("hubspot", created("deal", 200 + nth, nth))
    for own in (enriched, other):
        enricher(own)._apis["stripe"].fetch = never
        own.clock.advance(seconds=2)
    running = [asyncio.create_task(enricher(own).run()) for own in (enriched, other)]
    try:
        await asyncio.wait_for(vendor.reached.wait(), 30)
        assert sorted(vendor.asked) == [f"/crm/v3/objects/deals/{200 + nth}" for nth in range(12)]
    finally:
        for task in running:
            task.cancel()
        await asyncio.wait(running)
        await stop(other)


async def test_an_ask_during_the_look_up_is_answered_by_another(enriched: Ingest, vendor: Vendor) -> None:
    vendor.objects[PATH] = COMPANY
    await enriched.webhook("hubspot", created())
    api = enricher(enriched)._apis["hubspot"]
    real = api.fetch

    async def slow(kind: str, id_: str) -> Any:
        found = await real(kind, id_)
        await enriched.webhook("hubspot", created(event=2))
        return found

    api.fetch = slow
    await work(enriched)
    api.fetch = real
    assert (await state(enriched))["missing"] == {"company": 1}
    assert await work(enriched, MINUTE) == 1
    assert (await state(enriched))["missing"] == {}


async def test_an_invoice_of_an_unknown_customer_finds_its_client(enriched: Ingest, vendor: Vendor) -> None:
    await enriched.register("hubspot:company:77", name="Northwind")
    vendor.objects["/v1/customers/cus_1"] = {
        "id": "cus_1", "object": "customer", "metadata": {"client_ref": "hubspot:company:77"},
    }  # fmt: skip
    await enriched.webhook("stripe", stripe_event("invoice.paid", INVOICE))
    assert [name for name, _ in await enriched.said()] == ["client_registered"]
    await work(enriched)
    assert ("invoice_paid", {"invoice_id": "in_1", "amount": {"amount": 5000, "currency": "USD"}}) in (
        await enriched.said()
    )
    await enriched.webhook("stripe", stripe_event("invoice.paid", {**INVOICE, "id": "in_2"}, "evt_2"))
    assert await work(enriched, MINUTE) == 0, "the customer is known by now"


async def test_a_tiered_subscription_gets_its_amount(enriched: Ingest, vendor: Vendor) -> None:
    await enriched.register("stripe:customer:cus_1")
    recurring = {"interval": "month", "interval_count": 1, "usage_type": "licensed"}
    price = {"id": "p", "billing_scheme": "tiered", "tiers_mode": "volume", "recurring": recurring, "currency": "usd"}
    thing = {
        "id": "sub_1", "customer": "cus_1", "status": "active", "currency": "usd",
        "items": {"data": [{"id": "si", "quantity": 12, "price": price}]},
    }  # fmt: skip
    tiers = [{"up_to": 10, "unit_amount": 1000}, {"up_to": None, "unit_amount": 800}]
    whole = {**thing, "items": {"data": [{"id": "si", "quantity": 12, "price": {**price, "tiers": tiers}}]}}
    vendor.objects["/v1/subscriptions/sub_1"] = whole
    await enriched.webhook("stripe", stripe_event("customer.subscription.updated", thing))
    assert [name for name, _ in await enriched.said()] == ["client_registered"]
    await work(enriched)
    name, said = (await enriched.said())[-1]
    assert (name, said["mrr_after"], said["seats"]) == (
        "subscription_changed", {"amount": 9600, "currency": "USD"}, 12,
    )  # fmt: skip
    assert "expand%5B%5D=items.data.price.tiers" in vendor.queries[0]


async def test_pipedrives_owner_has_an_address(enriched: Ingest, vendor: Vendor) -> None:
    vendor.objects = {
        "/api/v2/organizations/7": {"success": True, "data": {"id": 7, "name": "Northwind", "owner_id": 41}},
        "/api/v1/users/41": {"success": True, "data": {"id": 41, "email": "maya@ours.example"}},
    }
    body = {
        "meta": {"action": "create", "entity": "organization", "id": "m1", "timestamp": "2026-03-02T09:00:00Z"},
        "data": {"id": 7, "name": "Northwind", "owner_id": 41}, "previous": None,
    }  # fmt: skip
    assert (await enriched.webhook("pipedrive", body)).status_code == 202
    assert await work(enriched) == 1
    assert {**(await enriched.said())[-1][1]}["csm_email"] == "maya@ours.example"
    assert TOKEN in vendor.tokens


async def test_an_erased_person_does_not_come_back_by_a_look_up(enriched: Ingest, vendor: Vendor) -> None:
    """Asked for before the erasure, fetched after it."""
    client = await enriched.register("hubspot:company:77", name="Northwind")
    ada = {"contact_id": "9", "name": "Ada", "email": "ada@n.example", "role": "user"}
    await enriched.call("POST", "/v1/events", json={"type": "contact_added", "subject": str(client), "data": ada})
    vendor.objects["/crm/v3/objects/contacts/9"] = {
        "id": "9", "properties": {"firstname": "Ada", "email": "ada@n.example"},
        "associations": {"companies": {"results": [{"id": "77", "type": "contact_to_company"}]}},
    }  # fmt: skip
    await enriched.webhook("hubspot", created("contact", 9))
    assert (await enriched.call("DELETE", "/v1/contacts/9", params={"client_id": str(client)})).is_success
    await work(enriched)
    kept = str(await enriched.rows("SELECT person::text FROM contacts")) + str(await enriched.said())
    assert "ada@n.example" not in kept


async def test_nothing_is_asked_about_the_erased(enriched: Ingest, vendor: Vendor) -> None:
    vendor.objects[PATH] = COMPANY
    await enriched.webhook("hubspot", created())
    client = (await enriched.published())[0].client_id
    assert (await enriched.call("DELETE", f"/v1/clients/{client}")).status_code == 204
    assert await work(enriched) == 0
    assert vendor.asked == []
