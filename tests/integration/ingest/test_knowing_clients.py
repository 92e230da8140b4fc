"""Identity is never guessed; who says whose a ref is releases what waited; who is erased stays erased."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID

from tests.integration.ingest.conftest import Ingest
from tests.integration.ingest.test_accepting_webhooks import CREATED, changed

TRACK = {"type": "track", "event": "Report Exported", "messageId": "m1", "userId": "u1",
         "context": {"groupId": "g1"}, "timestamp": "2026-03-02T08:00:00Z"}  # fmt: skip


async def unmatched(ingest: Ingest) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await ingest.call("GET", "/v1/unmatched")).json()["items"]
    return found


async def test_what_waits_is_released_in_order_with_its_own_time_and_todays_knowntime(ingest: Ingest) -> None:
    client = await ingest.register(name="Initech", domain="initech.example")
    await ingest.register("hubspot:company:78", name="Initech Labs", domain="www.initech.example")
    await ingest.webhook("segment", {**TRACK, "messageId": "late", "timestamp": "2026-03-02T08:30:00Z"})
    await ingest.webhook("segment", TRACK)
    group = {"type": "group", "messageId": "g", "groupId": "g1", "userId": "u2",
             "traits": {"name": "Initech", "website": "https://initech.example"}}  # fmt: skip
    await ingest.webhook("segment", group)
    [waiting] = await unmatched(ingest)
    assert waiting["waiting"] == 3
    assert [c["reason"] for c in waiting["candidates"]] == ["same domain", "same domain"]
    assert waiting["reason"] == "no client has this ref; 2 clients have the domain initech.example"
    ingest.clock.advance(hours=2)
    path = f"/v1/unmatched/{waiting['id']}/assign"
    answer = await ingest.call("POST", path, json={"client_id": str(client)})
    assert answer.json() == {"client_id": str(client), "released": 3}
    used = [event for event in await ingest.published() if event.type == "csl.client.usage_recorded.v1"]
    assert [event.time.isoformat()[11:16] for event in used] == ["08:00", "08:30"]
    assert {event.knowntime for event in used} == {ingest.clock.now()}
    assert await unmatched(ingest) == []
    # u2 was linked by the group call that waited, too
    person = {key: value for key, value in TRACK.items() if key != "context"}
    await ingest.webhook("segment", {**person, "userId": "u2", "messageId": "m9"})
    assert (await ingest.published())[-1].client_id == client
    assert (await ingest.call("POST", path, json={"client_id": str(client)})).status_code == 404


async def test_assigning_tells_the_others_of_the_clients_new_name(ingest: Ingest) -> None:
    client = await ingest.register()
    await ingest.webhook("segment", TRACK)
    [waiting] = await unmatched(ingest)
    await ingest.call("POST", f"/v1/unmatched/{waiting['id']}/assign", json={"client_id": str(client)})
    said = [data for name, data in await ingest.said() if name == "client_updated"]
    assert [(r["source"], r["id"]) for r in said[0]["refs"]] == [("hubspot", "77"), ("segment", "g1")]


async def test_only_an_existing_client_can_be_meant(ingest: Ingest) -> None:
    await ingest.webhook("segment", TRACK)
    [waiting] = await unmatched(ingest)
    answer = await ingest.call("POST", f"/v1/unmatched/{waiting['id']}/assign", json={"client_id": waiting["id"]})
    assert answer.status_code == 422


async def test_a_property_of_the_crm_links_another_systems_id(ingest: Ingest) -> None:
    await ingest.webhook("segment", TRACK)
    await ingest.webhook("hubspot", [CREATED, changed("segment_group_id", "g1", 5)])
    names = [name for name, _ in await ingest.said()]
    assert names == ["client_registered", "client_updated", "usage_recorded"]
    assert await unmatched(ingest) == []


async def test_a_stripe_customer_names_its_client_in_its_metadata(ingest: Ingest) -> None:
    client = await ingest.register("hubspot:company:12")
    customer = {"id": "cus_9", "object": "customer", "metadata": {"client_ref": "hubspot:company:12"}}
    seen = {"id": "evt_1", "type": "customer.created", "created": 1772442000, "data": {"object": customer}}
    await ingest.webhook("stripe", seen)
    found = await ingest.call("GET", "/v1/clients/by-ref/stripe/customer/cus_9")
    assert found.json()["client_id"] == str(client)


async def test_a_contacts_company_releases_what_is_known_of_the_contact(ingest: Ingest) -> None:
    contact = {**CREATED, "subscriptionType": "contact.creation", "objectId": 501, "eventId": 20}
    named = {**contact, "subscriptionType": "contact.propertyChange", "propertyName": "firstname",
             "propertyValue": "Ada", "eventId": 21, "occurredAt": CREATED["occurredAt"] + 1}  # fmt: skip
    linked = {**contact, "subscriptionType": "contact.associationChange", "associationType": "CONTACT_TO_COMPANY",
              "fromObjectId": 501, "toObjectId": CREATED["objectId"], "associationRemoved": False, "eventId": 22,
              "occurredAt": CREATED["occurredAt"] + 2}  # fmt: skip
    await ingest.webhook("hubspot", [contact, named])
    await ingest.webhook("hubspot", [CREATED, linked])
    said = await ingest.said()
    assert [name for name, _ in said] == ["client_registered", "contact_added", "contact_updated"]
    assert said[-1][1]["name"] == "Ada"
    people = (await ingest.call("GET", f"/v1/clients/by-ref/hubspot/company/{CREATED['objectId']}")).json()["people"]
    assert [(p["contact_id"], p["first_name"]) for p in people] == [("501", "Ada")]


async def test_an_erased_client_is_gone_from_every_table_and_does_not_come_back(ingest: Ingest) -> None:
    other = {**CREATED, "objectId": 4, "eventId": 40}
    await ingest.webhook(
        "hubspot", [CREATED, changed("name", "Secret Ltd", 2), other, changed("name", "Other", 3, company=4)]
    )
    client = UUID(
        (await ingest.call("GET", f"/v1/clients/by-ref/hubspot/company/{CREATED['objectId']}")).json()["client_id"]
    )
    ingest.clock.advance(minutes=1)
    assert (await ingest.call("DELETE", f"/v1/clients/{client}")).status_code == 204
    assert (await ingest.call("DELETE", f"/v1/clients/{client}")).status_code == 204
    assert (await ingest.call("GET", f"/v1/clients/{client}")).status_code == 404
    assert [e.type for e in await ingest.published() if e.client_id == client] == ["csl.client.client_erased.v1"]
    from ingest.repository.saving import unpack

    for row in await ingest.rows("SELECT body FROM raw_bodies"):
        assert b"Secret" not in unpack(bytes(row.body))
        assert [item["objectId"] for item in json.loads(unpack(bytes(row.body)))] == [4, 4]
    # a retry with another key, and a late change: neither brings it back
    await ingest.webhook("hubspot", [{**CREATED, "eventId": 90}, changed("name", "Secret Ltd", 91)])
    assert (await ingest.call("GET", "/v1/clients")).json()["items"][0]["profile"] == {"name": "Other"}
    assert await unmatched(ingest) == []
    # created anew, it is another client
    anew = {**CREATED, "eventId": 92, "occurredAt": int(ingest.clock.now().timestamp() * 1000) + 1000}
    await ingest.webhook("hubspot", [anew])
    found = (await ingest.call("GET", f"/v1/clients/by-ref/hubspot/company/{CREATED['objectId']}")).json()
    assert found["client_id"] != str(client)


async def test_clients_are_listed_searched_and_paged(ingest: Ingest) -> None:
    for nth in range(5):
        await ingest.register(f"hubspot:company:{nth}", name=f"Client {nth}", test=nth == 4)
    first = (await ingest.call("GET", "/v1/clients?limit=3")).json()
    rest = (await ingest.call("GET", f"/v1/clients?limit=3&cursor={first['next']}")).json()
    names = {item["profile"]["name"] for item in first["items"] + rest["items"]}
    assert (len(names), rest["next"]) == (5, None)
    found = (await ingest.call("GET", "/v1/clients?search=client 3")).json()["items"]
    assert [item["profile"]["name"] for item in found] == ["Client 3"]
    assert len((await ingest.call("GET", "/v1/clients?test=true")).json()["items"]) == 1
    assert (await ingest.call("GET", "/v1/clients?cursor=nonsense")).status_code == 422


async def test_feeds_are_seen_fall_silent_and_recover(ingest: Ingest) -> None:
    await ingest.webhook("segment", TRACK)
    await ingest.flush_feeds()
    await ingest.webhook("segment", {**TRACK, "messageId": "m2"})
    await ingest.flush_feeds()
    ingest.clock.advance(hours=20)
    await ingest.webhook("segment", {**TRACK, "messageId": "m3"})
    await ingest.flush_feeds()
    ingest.clock.advance(hours=5)
    await ingest.fire_timers()
    ingest.clock.advance(hours=20)
    await ingest.fire_timers()
    await ingest.fire_timers()
    sources = {s["name"]: s for s in (await ingest.call("GET", "/v1/sources")).json()["items"]}
    assert (sources["segment"]["state"], sources["stripe"]["state"]) == ("silent", "waiting")
    await ingest.webhook("segment", {**TRACK, "messageId": "m4"})
    await ingest.flush_feeds()
    said = [event.type.split(".")[2] for event in await ingest.published("csl.ingest.feeds.v1")]
    assert said == ["feed_seen", "feed_seen", "feed_silent", "feed_recovered"]


async def test_erasing_assigning_and_accepting_at_once_ends_without_a_fault(ingest: Ingest) -> None:
    clients = [await ingest.register(f"hubspot:company:{nth}", name=f"C{nth}") for nth in range(6)]

    async def post(nth: int) -> int:
        posts = [
            changed("name", f"N{nth}", 100 + nth, company=nth % 6),
            changed("seats", "4", 200 + nth, company=50 + nth),
        ]
        return (await ingest.webhook("hubspot", posts)).status_code

    async def erase(client: UUID) -> int:
        return (await ingest.call("DELETE", f"/v1/clients/{client}")).status_code

    async def say(nth: int) -> int:
        event = {"type": "client_updated", "subject": f"ref:hubspot:company:{60 + nth}", "data": {"seats": 1}}
        return (await ingest.call("POST", "/v1/events", json=event)).status_code

    work = [*(post(nth) for nth in range(24)), *(erase(client) for client in clients), *(say(nth) for nth in range(12))]
    statuses = await asyncio.gather(*work)
    assert set(statuses) <= {202, 204}
    assert (await ingest.call("GET", "/v1/clients")).json()["items"] == []
