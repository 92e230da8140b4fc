"""Bodies of every kind that Salesforce, Pipedrive, Intercom and Jira send, bent: no error, and every event has one end.

The bodies are ours, in the vendors' shapes, and every option of the sources is set: more is read than by default.
"""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from common.settings import REPOSITORY_CONFIG
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ingest import interpret
from ingest.config import Source
from ingest.domain.plan import Plan
from ingest.domain.world import World
from ingest.interpret import MAPPING_FAILED
from ingest.reading import make_reader
from ingest.sources import CATALOGUE, VENDORS, load_sources

from tests.support.bending import NOW, bend, fate_of
from tests.support.crm_bodies import (
    ACCOUNT,
    CASE,
    CONTACT,
    CUSTOM,
    DEAL,
    PLAIN,
    WRAPPED,
    activity,
    change,
    soap,
    v1,
    v2,
)
from tests.support.support_bodies import (
    AGENT,
    CUSTOMER,
    FIELD,
    changed,
    conversation,
    event,
    issue,
    notice,
    part,
    person,
    ticket,
)

SOURCES = load_sources(REPOSITORY_CONFIG)
READER = make_reader(REPOSITORY_CONFIG)
OPTIONS: dict[str, dict[str, Any]] = {
    "salesforce": {
        "deal_stages": {
            "Closed Won@Renewal": "contract_renewed",
            "Closed Won": "contract_signed",
            "Lost": "contract_cancelled",
        },
        "deal_fields": {"Amount": "mrr", "Seats__c": "seats", "Ends__c": "ends_on"},
        "owners": {"005A": "maya@ours.example"},
        "own_client": "3MVG9",
        "organization_id": "00Dxx0000001gER",
    },
    "pipedrive": {
        **CUSTOM,
        "deal_stages": {"won": "contract_signed", "won@2": "contract_renewed", "lost": "contract_cancelled"},
        "deal_fields": {"value": "mrr"},
        "contact_role_property": "f6",
        "owners": {"77": "maya@ours.example"},
        "own_user_id": "1",
    },
    "intercom": {},
    "jira": {**FIELD, "organizations_field": "customfield_10002", "projects": {"ACM": "hubspot:company:1"}},
}
CONFIGS: dict[str, Source] = {
    name: CATALOGUE[name].settings.model_validate({**SOURCES[name].model_dump(), **options})
    for name, options in OPTIONS.items()
}
ORGANISATION = {"id": 7, "name": "Acme", "owner_id": 77, "custom_fields": WRAPPED}
PERSON = {"id": 8, "name": "Ada", "first_name": "Ada", "org_id": 7, "f6": "Champion",
          "emails": [{"value": "a@b.example", "primary": True}]}  # fmt: skip
PIPEDRIVE_DEAL = {"id": 5, "org_id": 7, "person_id": 8, "pipeline_id": 2, "stage_id": 3, "status": "won", "value": 900,
                  "currency": "EUR", "won_time": "2026-03-01 23:30:00", "lost_reason": "budget"}  # fmt: skip
MEETING = {"Type": "QBR", "AccountId": ACCOUNT, "WhoId": CONTACT, "WhatId": DEAL, "OwnerId": "005A",
           "StartDateTime": "2026-03-05T14:00:00Z", "EndDateTime": "2026-03-05T15:00:00Z"}  # fmt: skip
WORDS = {"type": "doc", "content": [{"type": "paragraph", "content": [{"type": "text", "text": "Hi"}]}]}
COMMENT = {"id": "1", "body": WORDS, "author": CUSTOMER, "created": "2026-03-02T08:30:00.000+0000",
           "jsdPublic": True}  # fmt: skip
OWN: list[tuple[str, Any]] = [
    ("salesforce", change("Account", "CREATE", {"Name": "Acme", "MRR__c": 12.5, "Client_Tier__c": "Core",
                                                "Website": "acme.example", "OwnerId": "005A",
                                                "Stripe_Customer_Id__c": "cus_9"})),
    ("salesforce", {"data": {"payload": change("Account", "UPDATE", {"Name": "Acme"}, changedFields=["Name"])}}),
    ("salesforce", change("Contact", "CREATE", {"Name": {"FirstName": "Ada", "LastName": "O"}, "Email": "a@b.example",
                                                "AccountId": ACCOUNT, "Buying_Role__c": "Champion"})),
    ("salesforce", change("Opportunity", "UPDATE", {"StageName": "Closed Won", "Type": "Renewal", "Amount": 9,
                                                    "AccountId": ACCOUNT, "Seats__c": 3, "Ends__c": "2027-01-01"},
                          changedFields=["StageName"])),
    ("salesforce", change("Case", "CREATE", {"Origin": "Email", "Subject": "x", "Description": "y", "Status": "Closed",
                                             "Priority": "High", "AccountId": ACCOUNT, "ContactId": CONTACT})),
    ("salesforce", change("EmailMessage", "CREATE", {"ParentId": CASE, "Incoming": True, "HtmlBody": "<p>Hi"})),
    ("salesforce", change("CaseComment", "CREATE", {"ParentId": CASE, "IsPublished": True})),
    ("salesforce", [change("Event", "CREATE", MEETING), change("Event", "DELETE", MEETING)]),
    ("pipedrive", v2("organization", "create", ORGANISATION)),
    ("pipedrive", v2("organization", "change", ORGANISATION, {"custom_fields": dict.fromkeys(WRAPPED), "name": "A"})),
    ("pipedrive", v1("organization", "updated", {"id": 7, "name": "Acme", **PLAIN}, {"id": 7, "name": "A"})),
    ("pipedrive", v2("person", "change", PERSON, {"org_id": 6, "f6": None})),
    ("pipedrive", v1("person", "deleted", None, {**PERSON, "org_id": {"value": 7}})),
    ("pipedrive", v2("deal", "change", PIPEDRIVE_DEAL, {"status": "open"})),
    ("pipedrive", v2("activity", "create", activity(participants=[{"person_id": 9}]))),
    ("pipedrive", v2("activity", "change", activity(done=True, due_time={"value": "14:30:00"}), {"done": False})),
    ("pipedrive", v2("activity", "delete", None, activity())),
    ("intercom", notice("conversation.user.created", conversation(priority="priority"))),
    ("intercom", notice("conversation.user.replied", conversation(part("user")))),
    ("intercom", notice("conversation.user.replied", conversation(part("user"), begun_by="admin"))),
    ("intercom", notice("conversation.admin.single.created", conversation(begun_by="admin"))),
    ("intercom", notice("conversation.rating.added", conversation(conversation_rating={"rating": 2, "remark": "x"}))),
    ("intercom", notice("ticket.contact.replied", {"ticket": ticket(), "ticket_part": part("user")})),
    ("intercom", notice("ticket.state.updated", ticket())),
    ("intercom", notice("contact.user.created", person(companies={"data": [{"id": "co-1"}]}))),
    ("intercom", notice("company.contact.attached", {"company": {"id": "co-1"}, "contact": person()})),
    ("intercom", notice("company.updated", {"id": "co-1", "company_id": "6", "name": "Acme", "website": "acme.example",
                                            "custom_attributes": {"client_ref": "hubspot:company:1"}})),
    ("jira", event("jira:issue_created", issue(reporter=CUSTOMER, description="{code}x{code} y", labels=["client-77"],
                                               customfield_10050={"value": "Acme Inc"},
                                               customfield_10002=[{"id": "5"}]))),
    ("jira", event("jira:issue_updated", issue(labels=["client-77"]), **changed("status", "priority", "labels"))),
    ("jira", event("comment_created", comment=COMMENT)),
    ("jira", event("jira:issue_updated", comment={**COMMENT, "author": AGENT})),
    ("jira", {"issues": [issue(), issue(project={"key": "ACM"})]}),
]  # fmt: skip


@st.composite
def bent(draw: st.DrawFn) -> tuple[str, Any]:
    name, value = draw(st.sampled_from(OWN))
    return name, bend(draw, value)


def ends(name: str, raw: bytes) -> list[str]:
    """How each source event of a body ends; a body that nobody can read has one end."""
    arrival = interpret.arrival(CONFIGS[name], raw, {}, NOW, READER)
    if arrival.unreadable is not None:
        assert arrival.items == []
        return ["quarantined"]
    faults = [item.broken for item in arrival.items if item.broken and item.broken.startswith(MAPPING_FAILED)]
    assert not faults, "a shape that the mapping did not expect is to be named, not survived"
    plan = Plan(World())
    found = [fate_of(arrival, item, plan) for item in arrival.items]
    for said in plan.events:
        assert json.loads(said.to_json())["time"] <= "2026-07-01T00:05:00Z"
    rest = VENDORS[name].join([item.body for item in arrival.items])
    again = interpret.arrival(CONFIGS[name], rest, {}, NOW, READER)
    assert len(again.items) == len(arrival.items), "what an erasure leaves can be read again"
    return found


@pytest.mark.parametrize("nth", range(len(OWN)))
def test_unbent_they_all_say_something(nth: int) -> None:
    name, value = OWN[nth]
    found = ends(name, json.dumps(value).encode())
    assert found
    assert set(found) <= {"mapped", "parked"}, value


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(bent())
def test_a_bent_body_is_taken_apart_without_an_error(case: tuple[str, Any]) -> None:
    name, value = case
    assert ends(name, json.dumps(value).encode())


MESSAGE = soap(
    ("04l1", "Account", {"Id": ACCOUNT, "Name": "Acme", "MRR__c": "12.5", "LastModifiedDate": "2026-03-02T09:00:00Z"}),
    ("04l2", "Case", {"Id": CASE, "Status": "New", "Priority": "High", "AccountId": ACCOUNT}),
    ("04l3", "Opportunity", {"Id": DEAL, "StageName": "Closed Won", "CloseDate": "2026-03-02", "AccountId": ACCOUNT}),
)


def test_two_thousand_bent_messages_are_taken_apart_without_an_error() -> None:
    dice = random.Random("outbound")
    for _ in range(2000):
        raw = bytearray(MESSAGE)
        for _ in range(dice.randint(1, 3)):
            start = dice.randrange(len(raw))
            end = min(len(raw), start + dice.randint(0, 60))
            raw[start:end] = dice.choice(
                [b"", b"<", b"/>", b"&amp;", b"\xff", b"</sObject>", bytes(raw[start:end]) * 2, b"]]>"]
            )
        assert ends("salesforce", bytes(raw))
