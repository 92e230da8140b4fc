"""New refs find their client by rules in order: assigned · known · the company's domain · a contact's address."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tests.integration.ingest.conftest import Ingest
from tests.integration.ingest.test_accepting_webhooks import CREATED, changed
from tests.integration.ingest.test_knowing_clients import unmatched

AT = "2026-03-02T08:00:00Z"


def identify(user: str, email: str, group: str | None = None, nth: int = 1) -> dict[str, Any]:
    body = {"type": "identify", "messageId": f"i{nth}{user}", "userId": user, "timestamp": AT,
            "traits": {"email": email, "name": "Ada Okafor"}}  # fmt: skip
    return body | ({"context": {"groupId": group}} if group else {})


def grouped(group: str, website: str | None = None, nth: int = 1) -> dict[str, Any]:
    traits = {"website": website} if website else {}
    return {"type": "group", "messageId": f"g{nth}{group}", "groupId": group, "userId": f"of-{group}", "timestamp": AT,
            "traits": traits}  # fmt: skip


def tracked(group: str, nth: int = 1) -> dict[str, Any]:
    return {"type": "track", "event": "Report Exported", "messageId": f"t{nth}{group}", "userId": f"of-{group}",
            "context": {"groupId": group}, "timestamp": AT}  # fmt: skip


async def linked(ingest: Ingest, client: UUID) -> dict[str, str]:
    """The client's refs, with what linked each."""
    refs = (await ingest.call("GET", f"/v1/clients/{client}")).json()["refs"]
    return {f"{ref['source']}:{ref['kind']}:{ref['id']}": ref["linked_by"] for ref in refs}


async def test_a_group_is_linked_by_its_companys_domain_and_what_waited_is_said(ingest: Ingest) -> None:
    client = await ingest.register(domain="https://www.Initech.example/")
    await ingest.webhook("segment", tracked("g1"))
    await ingest.webhook("segment", grouped("g1", "initech.example/about"))
    refs = await linked(ingest, client)
    assert refs["segment:group:g1"] == "domain"
    assert [name for name, _ in await ingest.said()][1:] == ["client_updated", "usage_recorded"]
    assert await unmatched(ingest) == []


async def test_a_person_is_linked_by_the_domain_of_the_address_but_not_the_group_they_were_seen_in(
    ingest: Ingest,
) -> None:
    client = await ingest.register(domain="initech.example")
    await ingest.webhook("segment", identify("u1", "ada@Initech.example", group="an-agency"))
    refs = await linked(ingest, client)
    assert refs["segment:user:u1"] == "email_domain"
    assert "segment:group:an-agency" not in refs
    assert [name for name, _ in await ingest.said()] == ["client_registered", "contact_added"]


@pytest.mark.parametrize(
    "email", ["ada@gmail.com", "ada@t-online.de", "ada@eu.initech.example", "ada@acme.wordpress.com", "no address"]
)
async def test_shared_and_other_domains_link_nobody(ingest: Ingest, email: str) -> None:
    for nth, domain in enumerate(["gmail.com", "t-online.de", "initech.example", "acme.wordpress.com"]):
        await ingest.register(f"hubspot:company:{nth}", domain=domain)
    await ingest.webhook("segment", identify("u1", email))
    [waiting] = await unmatched(ingest)
    assert waiting["waiting"] == 1
    assert waiting["candidates"] == []


async def test_a_domain_of_two_clients_is_for_a_person_to_decide(ingest: Ingest) -> None:
    first = await ingest.register("hubspot:company:1", domain="initech.example")
    await ingest.register("hubspot:company:2", domain="initech.example")
    await ingest.webhook("segment", identify("u1", "ada@initech.example"))
    [waiting] = await unmatched(ingest)
    assert waiting["reason"] == "no client has this ref; 2 clients have the domain initech.example"
    assert len(waiting["candidates"]) == 2
    await ingest.call("POST", f"/v1/unmatched/{waiting['id']}/assign", json={"client_id": str(first)})
    assert (await linked(ingest, first))["segment:user:u1"] == "maya"


async def test_what_waits_with_a_domain_is_released_when_a_client_learns_it(ingest: Ingest) -> None:
    await ingest.webhook("segment", identify("u1", "ada@initech.example"))
    await ingest.webhook("segment", grouped("g1", "initech.example"))
    await ingest.webhook("segment", tracked("g1"))
    assert sum(one["waiting"] for one in await unmatched(ingest)) == 3
    await ingest.webhook("hubspot", [CREATED, changed("domain", "initech.example", 2)])
    assert await unmatched(ingest) == []
    names = sorted(name for name, _ in await ingest.said())
    assert names == ["client_registered", "client_updated", "client_updated", "contact_added", "usage_recorded"]


async def test_a_second_system_registers_the_same_company_and_the_first_system_another(ingest: Ingest) -> None:
    client = await ingest.register("hubspot:company:1", domain="initech.example")
    assert await ingest.register("salesforce:account:1", domain="initech.example") == client
    assert await ingest.register("hubspot:company:2", domain="initech.example") != client


async def test_what_a_person_assigned_no_source_takes_away(ingest: Ingest) -> None:
    right = await ingest.register("hubspot:company:1")
    wrong = await ingest.register("hubspot:company:2")
    await ingest.webhook("segment", tracked("g1"))
    [waiting] = await unmatched(ingest)
    await ingest.call("POST", f"/v1/unmatched/{waiting['id']}/assign", json={"client_id": str(right)})
    await ingest.webhook("hubspot", [changed("segment_group_id", "g1", 7, company=2)])
    assert "segment:group:g1" in await linked(ingest, right)
    assert "segment:group:g1" not in await linked(ingest, wrong)
