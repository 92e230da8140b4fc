"""A person is erased: from every table, packed or not; what the client did through them stays, said of nobody."""

from __future__ import annotations

import contextlib
import json
import zlib
from typing import Any
from uuid import UUID

from common.contracts import client as said_of

from tests.integration.ingest.conftest import Ingest
from tests.integration.ingest.test_accepting_webhooks import CREATED, changed
from tests.integration.ingest.test_knowing_clients import unmatched
from tests.integration.ingest.test_linking_new_refs import tracked

NAME, EMAIL, WORDS = "Ada Okafor", "ada.okafor@initech.example", "zanzibar pomegranate"
AT = "2026-03-02T08:00:00Z"


async def traces(ingest: Ingest, *needles: str) -> list[str]:
    """Where any of these words still stands: table, column and row, compressed columns unpacked."""
    found = []
    tables = await ingest.rows(
        "SELECT c.relname AS name FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace"
        " AND c.relkind = 'r' ORDER BY 1"
    )
    for table in tables:
        for row in await ingest.rows(f"SELECT * FROM {table.name}"):
            for column, value in row._mapping.items():
                shown = readable(value).lower()
                found += [f"{table.name}.{column}: {shown[:300]}" for needle in needles if needle.lower() in shown]
    return found


def readable(value: Any) -> str:
    if isinstance(value, bytes | memoryview):
        raw = bytes(value)
        with contextlib.suppress(zlib.error):
            raw = zlib.decompress(raw)
        return raw.decode("utf-8", "replace")
    return json.dumps(value, default=str, ensure_ascii=False)


def contact(name: str, value: str, event: int, contact_id: int = 501) -> dict[str, Any]:
    return {**CREATED, "subscriptionType": "contact.propertyChange", "objectId": contact_id, "propertyName": name,
            "propertyValue": value, "eventId": event, "occurredAt": CREATED["occurredAt"] + event}  # fmt: skip


def association(event: int, contact_id: int = 501) -> dict[str, Any]:
    return {**CREATED, "subscriptionType": "contact.associationChange", "associationType": "CONTACT_TO_COMPANY",
            "fromObjectId": contact_id, "toObjectId": CREATED["objectId"], "associationRemoved": False,
            "eventId": event, "occurredAt": CREATED["occurredAt"] + event}  # fmt: skip


def identify(message: str, user: str, group: str) -> dict[str, Any]:
    return {"type": "identify", "messageId": message, "userId": user, "timestamp": AT, "context": {"groupId": group},
            "traits": {"email": EMAIL, "name": NAME}}  # fmt: skip


async def world(ingest: Ingest) -> UUID:
    """A client whose Ada is known to its CRM, its product and its desk."""
    created = {**CREATED, "subscriptionType": "contact.creation", "objectId": 501, "eventId": 20}
    await ingest.webhook("hubspot", [CREATED, changed("name", "Initech", 2), created, association(21)])
    await ingest.webhook("hubspot", [contact("firstname", "Ada", 22), changed("seats", "4", 24)])
    await ingest.webhook("hubspot", [contact("lastname", "Okafor", 23), contact("email", EMAIL, 25)])
    found = await ingest.call("GET", f"/v1/clients/by-ref/hubspot/company/{CREATED['objectId']}")
    client = UUID(found.json()["client_id"])
    group = {"type": "group", "messageId": "g", "groupId": "g1", "userId": "u1", "timestamp": AT}
    person = {"type": "identify", "messageId": "i", "userId": "u1", "traits": {"email": EMAIL, "name": NAME},
              "context": {"groupId": "g1"}, "timestamp": AT}  # fmt: skip
    await ingest.call("PUT", "/v1/refs/segment/group/g1", json={"client_id": str(client)})
    await ingest.webhook("segment", {"batch": [group, person, tracked("g1")]})
    await ingest.webhook("segment", {**tracked("g1", nth=2), "userId": "u1"})
    for contact_id, text in (("501", f"{WORDS}, says {NAME}"), ("77", f"I talked to ADA OKAFOR <{EMAIL}> today.")):
        event = {"type": "ticket_opened", "subject": str(client), "text": text,
                 "data": {"ticket_id": f"t{contact_id}", "priority": "high", "contact_id": contact_id}}  # fmt: skip
        assert (await ingest.call("POST", "/v1/events", json=event)).status_code == 202
    await ingest.webhook("segment", identify("p", "u1", "unknown"))
    await ingest.webhook("hubspot", [{"objectId": 501, "propertyValue": EMAIL}])
    await ingest.webhook("hubspot", b"{not json " + EMAIL.encode())
    deep = b"[" * 900 + b'"%s"' % EMAIL.encode() + b"]" * 900
    await ingest.webhook("hubspot", b'[{"eventId": 1, "portalId": 2, "objectId": 3, "deep": %s}]' % deep)
    ingest.clock.advance(minutes=5)
    return client


async def erase(ingest: Ingest, contact_id: str, **query: str) -> Any:
    return await ingest.call("DELETE", f"/v1/contacts/{contact_id}", params=query)


async def test_nothing_of_an_erased_person_is_left_in_any_table(ingest: Ingest) -> None:
    client = await world(ingest)
    before, unsent = await ingest.published(), await ingest.count("outbox_unsent")
    assert await traces(ingest, NAME, EMAIL, WORDS), "there must be something to erase"
    assert (await erase(ingest, "501")).status_code == 204
    assert await traces(ingest, NAME, EMAIL, WORDS) == []
    after = await ingest.published()
    assert [e.id for e in after][: len(before)] == [e.id for e in before], "the same events go out, without the person"
    assert [(e.time, e.type) for e in after][: len(before)] == [(e.time, e.type) for e in before]
    erased = after[len(before) :]
    assert await ingest.count("outbox_unsent") == unsent + len(erased), "what had not been sent still goes out"
    assert {e.data.contact_id for e in erased} == {"501", "u1"}, "one human, known to two systems"
    shown = (await ingest.call("GET", f"/v1/clients/{client}")).json()
    assert shown["people"] == []
    assert shown["profile"]["name"] == "Initech"
    used = [e for e in after if isinstance(e.data, said_of.UsageRecorded)]
    assert len(used) == 2, "what the client did stays"
    # others' bodies and words are still there
    kept = " ".join(readable(row.body) for row in await ingest.rows("SELECT body FROM raw_bodies"))
    assert "seats" in kept
    assert "Report Exported" in kept
    assert [readable(row.body) for row in await ingest.rows("SELECT body FROM texts")] == [
        "I talked to [erased] <[erased]> today."
    ]
    [line] = (await ingest.call("GET", "/v1/audit?action=contact_erased")).json()["items"]
    assert (line["by"], line["client_id"]) == ("maya", str(client))


async def test_nothing_brings_an_erased_person_back(ingest: Ingest) -> None:
    client = await world(ingest)
    line = (
        b'{"type": "contact_added", "subject": "%s", "source": "old", "time": "2026-01-02T00:00:00Z",'
        b' "data": {"contact_id": "501", "name": "%s", "email": "%s", "role": "user"}}'
    ) % (str(client).encode(), NAME.encode(), EMAIL.encode())
    login = (
        b'{"type": "logged_in", "subject": "%s", "source": "old", "time": "2026-01-02T00:00:00Z",'
        b' "data": {"contact_id": "501"}}'
    ) % str(client).encode()
    await erase(ingest, "501")
    count = len(await ingest.published())
    assert (await ingest.call("POST", "/v1/imports", content=login)).json()["accepted"] == 0
    assert (await ingest.call("POST", "/v1/imports", content=line)).json()["accepted"] == 0
    await ingest.webhook("hubspot", [contact("lastname", "Okafor", 90), changed("seats", "9", 91)])
    await ingest.webhook("segment", identify("late", "u1", "g1"))
    await ingest.webhook("segment", identify("other", "u-new", "g-new"))
    said = (await ingest.published())[count:]
    assert [e.data.type_name() for e in said] == ["client_updated"]
    assert await unmatched(ingest) == []
    assert await traces(ingest, NAME, "Okafor", EMAIL) == []


async def test_what_an_erased_person_does_later_is_said_of_nobody(ingest: Ingest) -> None:
    client = await world(ingest)
    await erase(ingest, "501")
    ingest.clock.advance(minutes=1)
    event = {"type": "logged_in", "subject": str(client), "data": {"contact_id": "501"}}
    await ingest.call("POST", "/v1/events", json=event)
    last = (await ingest.published())[-1]
    assert (last.data.type_name(), last.data.contact_id) == ("logged_in", None)
    late = {**event, "time": "2026-03-01T00:00:00Z"}
    await ingest.call("POST", "/v1/events", json=late)
    assert (await ingest.published())[-1].id == last.id, "before the erasure there is nothing more to be told"


async def test_an_id_of_several_clients_people_asks_whose(ingest: Ingest) -> None:
    clients = [await ingest.register(f"hubspot:company:{nth}") for nth in range(2)]
    for client in clients:
        data = {"contact_id": "9", "name": f"Bob Of {client}", "role": "user"}
        await ingest.call("POST", "/v1/events", json={"type": "contact_added", "subject": str(client), "data": data})
    answer = await erase(ingest, "9")
    assert answer.status_code == 409
    assert all(str(client) in answer.json()["detail"] for client in clients)
    assert (await erase(ingest, "9", client_id=str(clients[0]))).status_code == 204
    assert (await erase(ingest, "9", client_id=str(clients[0]))).status_code == 204
    people = [(await ingest.call("GET", f"/v1/clients/{client}")).json()["people"] for client in clients]
    assert [len(each) for each in people] == [0, 1]
    assert (await erase(ingest, "never-seen")).status_code == 404
    assert (await ingest.call("DELETE", "/v1/contacts/9", scopes=["ingest:write"])).status_code == 403


async def test_an_address_used_as_an_id_is_gone_too(ingest: Ingest) -> None:
    client = await ingest.register("hubspot:company:1")
    await ingest.call("PUT", "/v1/refs/segment/group/g1", json={"client_id": str(client)})
    person = {"type": "identify", "messageId": "i", "userId": EMAIL, "traits": {"email": EMAIL, "name": NAME},
              "context": {"groupId": "g1"}, "timestamp": AT}  # fmt: skip
    await ingest.webhook("segment", person)
    await ingest.webhook("segment", {**tracked("g1"), "userId": EMAIL})
    assert (await erase(ingest, EMAIL)).status_code == 204
    left = await traces(ingest, NAME, EMAIL)
    assert [line for line in left if "contact_erased" not in line] == [], "only the news of it says whom it is about"


async def test_erasing_a_client_leaves_nothing_in_the_quarantine_nor_of_those_merged_into_it(ingest: Ingest) -> None:
    first, second = await ingest.register("hubspot:company:1", name="Quux"), await ingest.register("hubspot:company:2")
    await ingest.webhook("hubspot", [{"objectId": 1, "propertyValue": "Quux Limited"}])
    path, key = f"/v1/clients/{second}/merge", {"Idempotency-Key": "once"}
    await ingest.call("POST", path, json={"from_client_id": str(first)}, headers=key)
    ingest.clock.advance(minutes=1)
    assert (await ingest.call("DELETE", f"/v1/clients/{first}")).status_code == 409
    assert (await ingest.call("DELETE", f"/v1/clients/{second}")).status_code == 204
    assert await traces(ingest, "Quux") == []
    assert [await ingest.count(table) for table in ("merges", "moves", "refs", "said", "idempotency_keys")] == [0] * 5
    erased = [e.client_id for e in await ingest.published() if e.data.type_name() == "client_erased"]
    assert set(erased) == {first, second}
