"""Salesforce, Pipedrive, Intercom and Jira over HTTP: whose it is, what waits, and the answers that vendors want."""

from __future__ import annotations

import json
from typing import Any

from ingest.repository.saving import unpack

from tests.integration.ingest.conftest import Ingest
from tests.support.crm_bodies import ACCOUNT, DEAL, change, soap, v2
from tests.support.support_bodies import CUSTOMER, conversation, event, issue, notice, part, person

OTHER = "001xx000003D9zzAAC"


async def client_of(ingest: Ingest, source: str, kind: str, id_: str) -> dict[str, Any]:
    found: dict[str, Any] = (await ingest.call("GET", f"/v1/clients/by-ref/{source}/{kind}/{id_}")).json()
    return found


async def quarantined(ingest: Ingest) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await ingest.call("GET", "/v1/quarantine")).json()["items"]
    return found


async def unmatched(ingest: Ingest) -> list[str]:
    items = (await ingest.call("GET", "/v1/unmatched")).json()["items"]
    return [":".join(item["ref"][part] for part in ("source", "kind", "id")) for item in items]


async def test_salesforce_is_acknowledged_in_soap_once_its_message_is_durable(ingest: Ingest) -> None:
    message = soap(
        ("04l1", "Account", {"Id": ACCOUNT, "Name": "Acme"}), ("04l2", "Account", {"Id": OTHER, "Name": "Other"})
    )
    for _ in range(2):
        answer = await ingest.webhook("salesforce", message)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/xml")
        assert "<Ack>true</Ack>" in answer.text
    assert (await client_of(ingest, "salesforce", "account", ACCOUNT))["profile"]["name"] == "Acme"
    assert [name for name, _ in await ingest.said()] == ["client_registered", "client_updated"] * 2
    stranger = await ingest.http.post("/v1/webhooks/salesforce", content=message)
    assert stranger.status_code == 401
    assert "Ack" not in stranger.text


async def test_an_entity_bomb_is_quarantined_and_acknowledged(ingest: Ingest) -> None:
    bomb = soap(("04l1", "Account", {"Id": ACCOUNT}), head='<!DOCTYPE a [<!ENTITY l "ha"><!ENTITY m "&l;&l;">]>')
    answer = await ingest.webhook("salesforce", bomb)
    assert (answer.status_code, "<Ack>true</Ack>" in answer.text) == (200, True)
    [kept] = await quarantined(ingest)
    assert "Forbidden" in kept["reason"]
    assert await ingest.said() == []


async def test_salesforces_change_events_find_the_account_that_they_named_once(ingest: Ingest) -> None:
    fields = {"AccountId": ACCOUNT, "StageName": "Prospecting"}
    await ingest.webhook("salesforce", change("Opportunity", "CREATE", fields, transactionKey="t-2"))
    assert await unmatched(ingest) == [f"salesforce:account:{ACCOUNT}"]
    created = change("Account", "CREATE", {"Name": "Acme", "Stripe_Customer_Id__c": "cus_9"}, transactionKey="t-1")
    answer = await ingest.webhook("salesforce", created)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "duplicates": 0})
    won = change(
        "Opportunity", "UPDATE", {"StageName": "Closed Won"}, changedFields=["StageName"], transactionKey="t-3"
    )
    await ingest.webhook("salesforce", won)
    assert await unmatched(ingest) == []
    assert (await ingest.said())[-1] == ("contract_signed", {"contract_id": DEAL, "starts_on": "2026-03-02"})
    by_stripe = await client_of(ingest, "stripe", "customer", "cus_9")
    assert by_stripe["profile"]["name"] == "Acme", "another system's id finds the same client"


async def test_a_field_that_cannot_be_read_waits_alone_for_a_better_mapping(ingest: Ingest) -> None:
    await ingest.webhook("salesforce", change("Account", "CREATE", {"Name": "Acme", "Client_Tier__c": "Platinum"}))
    data = {"id": 7, "name": "Beta", "website": "none", "custom_fields": {}}
    await ingest.webhook("pipedrive", v2("organization", "create", data))
    assert (await client_of(ingest, "salesforce", "account", ACCOUNT))["profile"] == {"name": "Acme"}
    assert (await client_of(ingest, "pipedrive", "organization", "7"))["profile"] == {"name": "Beta"}
    reasons = sorted(kept["reason"] for kept in await quarantined(ingest))
    assert [reason.partition(":")[0] for reason in reasons] == ["Client_Tier__c", "website"]


async def test_erasing_one_account_of_a_message_leaves_the_others_in_a_body_that_can_be_read(ingest: Ingest) -> None:
    message = soap(
        ("04l1", "Account", {"Id": ACCOUNT, "Name": "Acme"}), ("04l2", "Account", {"Id": OTHER, "Name": "Other"})
    )
    await ingest.webhook("salesforce", message)
    who = (await client_of(ingest, "salesforce", "account", ACCOUNT))["client_id"]
    assert (await ingest.call("DELETE", f"/v1/clients/{who}")).status_code == 204
    [row] = await ingest.rows("SELECT body FROM raw_bodies")
    rest = json.loads(unpack(row.body))
    assert [item["Notification"]["fields"]["Name"] for item in rest] == ["Other"]
    await ingest.webhook("salesforce", soap(("04l3", "Account", {"Id": ACCOUNT, "Name": "Acme again"})))
    assert "Acme again" not in str(await ingest.said())


async def test_an_intercom_company_that_names_its_client_releases_its_conversations(ingest: Ingest) -> None:
    who = await ingest.register("hubspot:company:77", name="Acme")
    opened = await ingest.webhook("intercom", notice("conversation.user.created", conversation(), id="n1"))
    assert opened.status_code == 202
    await ingest.webhook("intercom", notice("conversation.admin.replied", conversation(part("admin")), id="n2"))
    assert await unmatched(ingest) == ["intercom:contact:c-1"]
    company = {"type": "company", "id": "co-1", "custom_attributes": {"client_ref": "hubspot:company:77"}}
    await ingest.webhook("intercom", notice("company.updated", company, id="n3"))
    both = {"company": company, "contact": person(email="ada@gmail.com")}
    await ingest.webhook("intercom", notice("company.contact.attached", both, id="n4"))
    assert await unmatched(ingest) == []
    events = [e for e in await ingest.published() if e.type.split(".")[2].startswith("ticket")]
    assert [(e.client_id, e.type.split(".")[2]) for e in events] == [(who, "ticket_opened"), (who, "ticket_updated")]
    assert events[0].data.reading is not None
    assert events[1].data.reading is None, "an admin's words are not the client's mood"
    ping = await ingest.webhook("intercom", notice("ping", {"type": "ping"}, id=None))
    assert (ping.status_code, ping.json()) == (202, {"accepted": 1, "duplicates": 0})
    assert (await ingest.http.head("/v1/webhooks/intercom")).status_code == 200


async def test_a_jira_comment_finds_the_client_that_its_issues_label_named(ingest: Ingest) -> None:
    who = await ingest.register("hubspot:company:77", name="Acme")
    labelled = event(
        "jira:issue_created", issue(labels=["client-77"], reporter={**CUSTOMER, "emailAddress": "a@gmail.com"})
    )
    await ingest.webhook("jira", labelled, {"X-Atlassian-Webhook-Identifier": "d-1"})
    comment = {"id": "1", "body": "This is still broken. Any news?", "author": CUSTOMER, "jsdPublic": True,
               "created": "2026-03-02T08:30:00.000+0000"}  # fmt: skip
    slim = {"id": "10040", "key": "SUP-41", "fields": {"project": {"key": "SUP"}, "summary": "Export fails"}}
    for _ in range(2):
        await ingest.webhook(
            "jira", event("comment_created", slim, comment=comment), {"X-Atlassian-Webhook-Identifier": "d-2"}
        )
    tickets = [e for e in await ingest.published() if e.type.split(".")[2].startswith("ticket")]
    assert [(e.client_id, e.data.ticket_id) for e in tickets] == [(who, "10040")] * 2
    assert tickets[1].data.author == "client"
    assert tickets[1].data.reading.questions == 1


async def test_a_jira_project_is_assigned_once_for_all_of_its_issues(ingest: Ingest) -> None:
    who = await ingest.register("hubspot:company:77", name="Acme")
    for nth in (1, 2):
        await ingest.webhook("jira", event("jira:issue_created", {**issue(), "id": str(nth)}))
    [waiting] = (await ingest.call("GET", "/v1/unmatched")).json()["items"]
    assert (waiting["ref"]["kind"], waiting["ref"]["id"], waiting["waiting"]) == ("project", "SUP", 2)
    answer = await ingest.call("POST", f"/v1/unmatched/{waiting['id']}/assign", json={"client_id": str(who)})
    assert answer.status_code == 200
    await ingest.webhook("jira", event("jira:issue_created", {**issue(), "id": "3"}))
    tickets = [e.data.ticket_id for e in await ingest.published() if e.type.split(".")[2] == "ticket_opened"]
    assert sorted(tickets) == ["1", "2", "3"]


async def test_jiras_bodies_pass_a_mebibyte_and_not_the_limit(ingest: Ingest) -> None:
    def body(words: int) -> dict[str, Any]:
        return event("jira:issue_created", issue(reporter=CUSTOMER, description="word " * words))

    assert (await ingest.webhook("jira", body(250_000))).status_code == 202
    too_long = await ingest.webhook("jira", body(900_000))
    assert too_long.status_code == 413
    assert too_long.headers["content-type"] == "application/problem+json"
