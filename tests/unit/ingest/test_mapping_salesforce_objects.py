"""Salesforce's people, deals, cases and calendar. Bodies, forms and accounts are in test_mapping_salesforce.py."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from common.contracts import client
from common.contracts.ids import derived_id
from common.settings import REPOSITORY_CONFIG
from ingest.domain.plan import Circumstance, Plan
from ingest.domain.refs import Ref
from ingest.domain.statement import Ignored, Statement, Unreadable
from ingest.domain.world import World
from ingest.sources import load_sources
from ingest.sources.salesforce import SalesforceSource
from ingest.sources.salesforce_forms import long_id

from tests.support.crm_bodies import ACCOUNT, CASE, CONTACT, DEAL, change, soap
from tests.support.mapped_words import said

SOURCES = load_sources(REPOSITORY_CONFIG)
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
SALESFORCE = SalesforceSource.model_validate(SOURCES["salesforce"].model_dump())


def one(source: str, body: Any, **options: Any) -> Statement:
    [statement] = said(source, body, **options)
    assert isinstance(statement, Statement), statement
    return statement


def test_contacts_belong_to_their_account_and_go_with_it() -> None:
    name = {"Salutation": "Ms.", "FirstName": "Ada", "LastName": "Okafor"}
    fields = {"Name": name, "Email": "ada@acme.example", "AccountId": ACCOUNT, "Buying_Role__c": "End User;Champion"}
    added = one("salesforce", change("Contact", "CREATE", fields))
    assert added.refs == (Ref("salesforce", "account", ACCOUNT), Ref("salesforce", "contact", CONTACT))
    assert added.links == (Ref("salesforce", "contact", CONTACT),)
    assert added.moves
    assert added.contact is not None
    assert (added.contact.contact_id, added.contact.first_name, added.contact.role) == (CONTACT, "Ada", "champion")
    assert added.hints == {"email": "ada@acme.example"}
    renamed = change("Contact", "UPDATE", {"Name": {"LastName": "Ode"}}, changedFields=["Name.LastName"])
    told_again = one("salesforce", renamed)
    assert told_again.contact is not None
    assert (told_again.contact.first_name, told_again.contact.last_name) == (None, "Ode")
    for gone in (
        change("Contact", "DELETE"),
        change("Contact", "UPDATE", {"AccountId": None}, changedFields=["AccountId"]),
    ):
        left = one("salesforce", gone).contact
        assert left is not None
        assert left.left
    [ignored] = said("salesforce", change("Contact", "UPDATE", {"Phone": "1"}, changedFields=["Phone"]))
    assert isinstance(ignored, Ignored)
    message = soap(("04l1", "Contact", {"Id": CONTACT, "AccountId": ACCOUNT[:15], "LastName": "Okafor"}))
    assert one("salesforce", message).refs[0].id == ACCOUNT, "15 characters name the same account as 18"


def test_ids_of_15_and_18_characters_are_one() -> None:
    assert long_id("001xx000003D8i1") == "001xx000003D8i1AAC"
    assert long_id("001xx000003D8i1AAC") == "001xx000003D8i1AAC"
    assert long_id("<record_ID>") == "<record_ID>"


def test_a_won_opportunity_is_a_contract_of_the_account_that_its_creation_named() -> None:
    """Change events name the account once; the plan remembers it."""
    created = change("Opportunity", "CREATE", {"AccountId": ACCOUNT, "StageName": "Prospecting", "Type": "New"})
    won = change("Opportunity", "UPDATE", {"StageName": "Closed Won"}, changedFields=["StageName"], sequenceNumber=2)
    plan = Plan(World())
    bodies = [change("Account", "CREATE", {"Name": "Acme"}, transactionKey="t-0"), created, won]
    for nth, statement in enumerate(s for body in bodies for s in said("salesforce", body)):
        plan.take(statement, Circumstance("salesforce", derived_id("test", nth), nth, NOW))
    signed = [event for event in plan.events if isinstance(event.data, client.ContractSigned)]
    assert [(event.subject, event.data.contract_id) for event in signed] == [(plan.events[0].subject, DEAL)]


def test_stages_may_mean_something_else_by_type_and_never_by_guessing() -> None:
    stages = {
        "Closed Won": "contract_signed",
        "Closed Won@Renewal": "contract_renewed",
        "Closed Lost@Renewal": "contract_cancelled",
    }
    fields = {"mrr__c": "mrr", "Ends__c": "ends_on"}

    def deal(stage: str, **more: Any) -> Any:
        body = change(
            "Opportunity", "UPDATE", {"StageName": stage, "AccountId": ACCOUNT, **more}, changedFields=["StageName"]
        )
        return said("salesforce", body, deal_stages=stages, deal_fields=fields, loss_reason_property="Loss__c")[0]

    renewed = deal("Closed Won", Type="Renewal", mrr__c=900, Ends__c="2027-03-01").data
    assert isinstance(renewed, client.ContractRenewed)
    assert renewed.model_dump(mode="json", exclude_none=True) == {
        "contract_id": DEAL, "starts_on": "2026-03-02", "ends_on": "2027-03-01",
        "mrr": {"amount": 90000, "currency": "USD"},
    }  # fmt: skip
    assert isinstance(deal("Closed Won", Type="New Business").data, client.ContractSigned)
    lost = deal("Closed Lost", Type="Renewal", Loss__c="price").data
    assert lost.model_dump(mode="json", exclude_none=True) == {
        "contract_id": DEAL, "effective_on": "2026-03-02", "reason": "price"
    }  # fmt: skip
    assert isinstance(deal("Closed Lost", Type="New Business"), Ignored)
    with pytest.raises(Unreadable, match="enrich"):
        deal("Closed Won")


def test_a_case_is_a_ticket_and_an_agents_words_are_nobodys_mood() -> None:
    fields = {"AccountId": ACCOUNT, "ContactId": CONTACT, "Subject": "Broken", "Description": "It fails.",
              "Priority": "Critical", "Status": "New"}  # fmt: skip
    mailed = one("salesforce", change("Case", "CREATE", {**fields, "Origin": "Email"}))
    assert mailed.data == client.TicketOpened(ticket_id=CASE, priority=client.Priority.URGENT, contact_id=CONTACT)
    assert mailed.text == "Broken\nIt fails."
    assert mailed.links == (Ref("salesforce", "case", CASE),)
    assert one("salesforce", change("Case", "CREATE", {**fields, "Origin": "Phone"})).text is None
    closed = one("salesforce", change("Case", "UPDATE", {"Status": "Closed"}, changedFields=["Status"]))
    assert closed.data == client.TicketResolved(ticket_id=CASE, status="closed")
    raised = one("salesforce", change("Case", "UPDATE", {"Priority": "High"}, changedFields=["Priority"]))
    assert raised.data == client.TicketUpdated(ticket_id=CASE, priority=client.Priority.HIGH)
    assert isinstance(
        said("salesforce", change("Case", "UPDATE", {"Subject": "x"}, changedFields=["Subject"]))[0], Ignored
    )
    assert one("salesforce", change("Case", "DELETE")).data == client.TicketResolved(ticket_id=CASE, status="deleted")


def test_a_message_of_a_case_is_new_if_the_case_is() -> None:
    def case(changed: str) -> Statement:
        fields = {"Id": CASE, "Status": "New", "CreatedDate": "2026-03-02T09:00:00.000Z", "LastModifiedDate": changed}
        return one("salesforce", soap(("04l1", "Case", fields)))

    assert isinstance(case("2026-03-02T09:00:01.000Z").data, client.TicketOpened)
    later = case("2026-03-02T11:00:00.000Z")
    assert later.data == client.TicketUpdated(ticket_id=CASE, status="new")
    assert later.time == datetime(2026, 3, 2, 11, tzinfo=UTC)


def test_mail_and_comments_on_cases() -> None:
    mail = {"ParentId": CASE, "Incoming": True, "TextBody": "Still broken!"}
    theirs = one("salesforce", change("EmailMessage", "CREATE", mail))
    assert theirs.data == client.TicketUpdated(ticket_id=CASE, author=client.Author.CLIENT)
    assert theirs.text == "Still broken!"
    ours = one("salesforce", change("EmailMessage", "CREATE", {**mail, "Incoming": False}))
    assert (ours.data, ours.text) == (client.TicketUpdated(ticket_id=CASE, author=client.Author.US), None)
    comment = one(
        "salesforce", change("CaseComment", "CREATE", {"ParentId": CASE, "CommentBody": "Hi", "IsPublished": True})
    )
    assert (comment.data, comment.text) == (client.TicketUpdated(ticket_id=CASE), None)
    internal = change("CaseComment", "CREATE", {"ParentId": CASE, "IsPublished": False})
    assert isinstance(said("salesforce", internal)[0], Ignored)


def test_calendar_events_of_listed_types_are_meetings() -> None:
    fields = {"Type": "QBR", "AccountId": ACCOUNT, "WhoId": CONTACT, "WhatId": DEAL, "OwnerId": "005A",
              "StartDateTime": "2026-03-05T14:00:00.000Z", "EndDateTime": "2026-03-05T15:00:00.000Z"}  # fmt: skip
    scheduled = one("salesforce", change("Event", "CREATE", fields), owners={"005A": "maya@ours.example"})
    assert [ref.kind for ref in scheduled.refs] == ["account", "opportunity", "contact", "event"]
    assert scheduled.data == client.MeetingScheduled(
        meeting_id="a0Bxx0000000001AAA", kind=client.MeetingKind.QBR, starts_at=datetime(2026, 3, 5, 14, tzinfo=UTC),
        ends_at=datetime(2026, 3, 5, 15, tzinfo=UTC), attendees=(CONTACT, "maya@ours.example"),
    )  # fmt: skip
    assert isinstance(said("salesforce", change("Event", "CREATE", {**fields, "Type": "Email"}))[0], Ignored)
    gone = one("salesforce", change("Event", "DELETE", fields)).data
    assert isinstance(gone, client.MeetingCancelled)
    assert gone.notice_hours == 77


def test_types_that_say_nothing_are_known_and_others_are_unknown() -> None:
    assert not said("salesforce", change("Lead", "CREATE"))[0].unknown
    assert said("salesforce", change("Employee__c", "CREATE"))[0].unknown
