"""Salesforce: every real body, both forms, and each trap that its documentation warns of."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from common.contracts import client
from common.settings import REPOSITORY_CONFIG
from ingest.domain.refs import Ref
from ingest.domain.statement import Ignored, SourceEvent, Statement, Unreadable
from ingest.sources import CATALOGUE, load_sources, salesforce
from ingest.sources.salesforce import SalesforceSource
from ingest.sources.signatures import Refusal, Request
from loopctl.signing import SIGNERS, basic

from tests.support.crm_bodies import ACCOUNT, change, soap
from tests.support.mapped_words import PAYLOADS, said, shared, told

SOURCES = load_sources(REPOSITORY_CONFIG)
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
SALESFORCE = SalesforceSource.model_validate(SOURCES["salesforce"].model_dump())
EXPECTED: dict[str, list[tuple[str, str, dict[str, Any]]]] = {
    "cdc_account_create_docs.json": [
        (
            "salesforce:account:<record_ID>",
            "client_registered",
            {"name": "Acme", "refs": [{"source": "salesforce", "kind": "account", "id": "<record_ID>"}]},
        )
    ],
    "outbound_message_account.xml": [
        (
            f"salesforce:account:{ACCOUNT}",
            "client_registered",
            {"refs": [{"source": "salesforce", "kind": "account", "id": ACCOUNT}]},
        ),
        (f"salesforce:account:{ACCOUNT}", "client_updated", {"name": "New Account From Webhook"}),
    ],
}


@shared
@pytest.mark.parametrize("file", EXPECTED)
def test_a_real_body_says_what_we_say_it_says(file: str) -> None:
    assert told("salesforce", (PAYLOADS / "salesforce" / file).read_bytes()) == EXPECTED[file]


@shared
def test_every_body_has_an_expectation() -> None:
    assert {file.name for file in (PAYLOADS / "salesforce").glob("*")} == set(EXPECTED)


def one(source: str, body: Any, **options: Any) -> Statement:
    [statement] = said(source, body, **options)
    assert isinstance(statement, Statement), statement
    return statement


def sf_events(body: Any, **options: Any) -> list[SourceEvent]:
    config = SalesforceSource.model_validate({**SOURCES["salesforce"].model_dump(), **options})
    return salesforce.split(body if isinstance(body, bytes) else json.dumps(body).encode(), {}, config)


def test_up_to_a_hundred_notifications_come_in_one_message_each_with_its_own_key() -> None:
    body = soap(*((f"04l{n:015d}", "Account", {"Id": f"001{n:015d}", "Name": f"Client {n}"}) for n in range(100)))
    events = sf_events(body)
    assert [event.key for event in events] == [f"04l{n:015d}" for n in range(100)]
    assert len({ref for name in told("salesforce", body) for ref in [name[0]]}) == 100
    rest = salesforce.join([event.body for event in events[40:42]])
    assert [event.key for event in sf_events(rest)] == ["04l" + f"{n:015d}" for n in (40, 41)]


@pytest.mark.parametrize(
    "bomb",
    [
        '<!DOCTYPE a [<!ENTITY l "ha"><!ENTITY m "&l;&l;&l;&l;">]>',
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE a SYSTEM "http://example.com/a.dtd">',
    ],
)
def test_entity_bombs_are_refused_unread_and_acknowledged_all_the_same(bomb: str) -> None:
    body = soap(("04l1", "Account", {"Id": ACCOUNT}), head=bomb)
    with pytest.raises(Unreadable):
        sf_events(body)
    answer = salesforce.reply(body)
    assert answer is not None, "what is quarantined is durable: Salesforce is not to send it for 24 hours"
    assert b"<Ack>true</Ack>" in answer.body


@pytest.mark.parametrize(
    "body",
    [b"<", b"<a/>", b"<?xml version='1.0' encoding='nonsense'?><a/>", b"<a>\x00</a>", b"<a>&#xD800;</a>",
     b"<a>\xff</a>", b"\xef\xbb\xbf  <Notification/>", b"<n><Notification><Id>1</Id></Notification></n>",
     b"<Notification>" * 50_000, b"<a>" * 100_000 + b"</a>" * 100_000, "<a>".encode("utf-16")],
)  # fmt: skip
def test_broken_xml_is_unreadable_and_nothing_else(body: bytes) -> None:
    with pytest.raises(Unreadable):
        sf_events(body)


def test_only_a_message_in_xml_gets_the_answer_in_xml() -> None:
    assert salesforce.reply(b'{"a": 1}') is None
    assert CATALOGUE["salesforce"].reply is salesforce.reply
    assert salesforce.reply(b"\xef\xbb\xbf\n<a/>") is not None


@pytest.mark.parametrize(
    "wrap",
    [
        lambda event: event,
        lambda event: [event],
        lambda event: {"schema": "s", "payload": event, "event": {"replayId": 6}},
        lambda event: {"data": {"schema": "s", "payload": event}, "channel": "/data/AccountChangeEvent"},
        lambda event: {"detail-type": "AccountChangeEvent", "detail": {"payload": event}},
    ],
)
def test_a_change_event_is_read_however_a_forwarder_wraps_it(wrap: Any) -> None:
    [(ref, name, data)] = told("salesforce", wrap(change("Account", "CREATE", {"Name": "Acme", "Industry": "Food"})))
    assert (ref, name) == (f"salesforce:account:{ACCOUNT}", "client_registered")
    assert (data["name"], data["industry"]) == ("Acme", "Food")


def test_a_change_told_of_several_records_is_an_event_for_each() -> None:
    body = change("Account", "UPDATE", {"Industry": "Food"}, recordIds=["001A", "001B"], changedFields=["Industry"])
    assert told("salesforce", body) == [
        ("salesforce:account:001A", "client_updated", {"industry": "Food"}),
        ("salesforce:account:001B", "client_updated", {"industry": "Food"}),
    ]
    assert [e.key for e in sf_events(body)] == ["t-1:1:Account:001A", "t-1:1:Account:001B"]
    [rest] = sf_events(salesforce.join([sf_events(body)[1].body]))
    assert rest.key == "t-1:1:Account:001B", "what an erasure leaves keeps its key"


def test_gap_events_say_no_more_than_they_know() -> None:
    [(_, name, data)] = told("salesforce", change("Account", "GAP_CREATE"))
    assert (name, set(data)) == ("client_registered", {"refs"})
    assert one("salesforce", change("Contact", "GAP_DELETE")).contact is not None
    for body in (
        change("Account", "GAP_UPDATE"),
        change("Account", "GAP_OVERFLOW", recordIds=["000000000000000AAA"]),
        change("Account", "UPDATE", {"Name": "x"}, recordIds=["001*"]),
        change("Case", "GAP_CREATE"),
        change("Opportunity", "GAP_CREATE"),
    ):
        [ignored] = said("salesforce", body)
        assert isinstance(ignored, Ignored), body
        assert not ignored.unknown


def test_a_field_that_cannot_be_read_does_not_hold_up_the_client() -> None:
    """The creation counts; the field is quarantined alone, and read when `tiers` is mended."""
    fields = {"Name": "Acme", "Client_Tier__c": "Platinum", "Website": "no domain"}
    for body, kind in (
        (change("Account", "CREATE", fields), "Account.CREATE"),
        (soap(("04l1", "Account", {"Id": ACCOUNT, **fields})), "Account.MESSAGE"),
    ):
        events = sf_events(body)
        assert [event.kind for event in events] == [kind, "Account.UPDATE", "Account.UPDATE"]
        assert len({event.key for event in events}) == 3
        created = salesforce.interpret(events[0], SALESFORCE)
        assert isinstance(created, list)
        assert created[0].creates
        with pytest.raises(Unreadable, match="Platinum"):
            salesforce.interpret(events[1], SALESFORCE)
        mended = SalesforceSource.model_validate({**SALESFORCE.model_dump(), "tiers": {"Platinum": "strategic"}})
        replayed = salesforce.interpret(events[1], mended)
        assert isinstance(replayed, list)
        assert replayed[0].data == client.ClientUpdated(tier=client.Tier.STRATEGIC)
        again = sf_events(salesforce.join([event.body for event in events]))
        assert {event.key for event in again} == {event.key for event in events}


@pytest.mark.parametrize(
    ("field", "value"),
    [("Seats__c", -1), ("Industry", "x" * 600), ("CSM_Email__c", "may a@ours.example"), ("MRR__c", "much")],
)
def test_a_value_that_our_contract_refuses_does_not_hold_up_the_client_either(field: str, value: Any) -> None:
    created, alone = sf_events(change("Account", "CREATE", {"Name": "Acme", field: value}))
    assert isinstance(salesforce.interpret(created, SALESFORCE), list)
    with pytest.raises(Unreadable, match=field):
        salesforce.interpret(alone, SALESFORCE)


def test_enriched_fields_are_not_news_and_nulls_are_no_values() -> None:
    body = change("Account", "UPDATE", {"Name": "Acme", "Industry": "Food", "MRR__c": None},
                  changedFields=["Industry", "MRR__c", "LastModifiedDate"])  # fmt: skip
    assert told("salesforce", body) == [(f"salesforce:account:{ACCOUNT}", "client_updated", {"industry": "Food"})]
    [ignored] = said("salesforce", change("Account", "UPDATE", {"Name": "Acme"}, changedFields=["Phone"]))
    assert isinstance(ignored, Ignored)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("MRR__c", 1250.5, {"mrr": {"amount": 125050, "currency": "USD"}}),
        ("Website", "https://www.acme.example/x", {"domain": "acme.example"}),
        ("Client_Tier__c", "Enterprise", {"tier": "strategic"}),
        ("Renewal_Date__c", "2026-12-31", {"renewal_on": "2026-12-31"}),
        ("Renewal_Date__c", 1_798_675_200_000, {"renewal_on": "2026-12-31"}),
        ("Key_Features__c", "reports;automation", {"key_features": ["reports", "automation"]}),
        ("Is_Test_Client__c", True, {"test": True}),
        ("Seats__c", 40.0, {"seats": 40}),
        ("CSM_Email__c", "Maya@Ours.example", {"csm_email": "maya@ours.example"}),
    ],
)
def test_account_fields_become_fields_of_ours(field: str, value: Any, expected: dict[str, Any]) -> None:
    body = change("Account", "UPDATE", {field: value}, changedFields=[field])
    assert told("salesforce", body) == [(f"salesforce:account:{ACCOUNT}", "client_updated", expected)]


def test_a_records_own_currency_counts() -> None:
    for currency, minor in (("JPY", 100), ("EUR", 10_000), ("KWD", 100_000)):
        body = change("Account", "UPDATE", {"MRR__c": 100, "CurrencyIsoCode": currency}, changedFields=["MRR__c"])
        assert told("salesforce", body)[0][2] == {"mrr": {"amount": minor, "currency": currency}}


def test_other_systems_ids_are_linked_and_unlisted_owners_are_not_said() -> None:
    fields = {"Name": "Acme", "OwnerId": "005xx000001SvWY", "Stripe_Customer_Id__c": "cus_9"}
    registered, linked = said("salesforce", change("Account", "CREATE", fields))
    assert registered.data.csm_email is None
    assert (linked.data, linked.links) == (None, (Ref("stripe", "customer", "cus_9"),))
    [owned, _] = said(
        "salesforce", change("Account", "CREATE", fields), owners={"005xx000001SvWY": "maya@ours.example"}
    )
    assert owned.data.csm_email == "maya@ours.example"


def test_a_message_need_not_create_and_a_deleted_account_is_no_lost_client() -> None:
    body = soap(("04l1", "Account", {"Id": ACCOUNT, "Name": "Acme"}))
    assert [name for _, name, _ in told("salesforce", body, messages_create=False)] == ["client_updated"]
    [ignored] = said("salesforce", change("Account", "DELETE"))
    assert isinstance(ignored, Ignored)
    assert [name for _, name, _ in told("salesforce", change("Account", "UNDELETE", {"Name": "Acme"}))] == [
        "client_registered",
        "client_updated",
    ]


def test_our_own_write_back_is_dropped() -> None:
    origin = "com/salesforce/api/rest/60.0;client=3MVG9"
    body = change("Account", "UPDATE", {"Name": "x"}, changedFields=["Name"], changeOrigin=origin)
    assert isinstance(said("salesforce", body, own_client="3MVG9")[0], Ignored)
    assert isinstance(said("salesforce", body, own_client="3MVG")[0], Statement)


def posted(body: bytes, headers: dict[str, str]) -> Request:
    return Request("POST", ("https://x.example/hook",), {k.lower(): v for k, v in headers.items()}, body)


@pytest.mark.parametrize("vendor", ["salesforce", "pipedrive"])
def test_who_signs_nothing_shows_credentials_or_the_secret_header(vendor: str) -> None:
    verify, config = CATALOGUE[vendor].module.verify, SOURCES[vendor]
    verify(posted(b"{}", SIGNERS[vendor]("user:password", "", b"{}", NOW)), b"user:password", NOW, config)
    verify(posted(b"{}", {"X-CSL-Secret": "s3cret"}), b"s3cret", NOW, config)
    for headers in (
        {},
        {"Authorization": basic("other")},
        {"Authorization": "Bearer s3cret"},
        {"X-CSL-Secret": "S3cret"},
    ):
        with pytest.raises(Refusal):
            verify(posted(b"{}", headers), b"s3cret", NOW, config)


def test_a_message_of_another_org_is_refused() -> None:
    config = SalesforceSource.model_validate({**SALESFORCE.model_dump(), "organization_id": "00Dxx0000001gER"})
    own, other = (
        soap(("04l1", "Account", {"Id": ACCOUNT})),
        soap(("04l1", "Account", {"Id": ACCOUNT}), org="00Dxx0000009zzz"),
    )
    salesforce.verify(posted(own, {"X-CSL-Secret": "s"}), b"s", NOW, config)
    salesforce.verify(posted(b'{"a": 1}', {"X-CSL-Secret": "s"}), b"s", NOW, config)
    salesforce.verify(posted(b"<broken", {"X-CSL-Secret": "s"}), b"s", NOW, config)
    with pytest.raises(Refusal, match="another org"):
        salesforce.verify(posted(other, {"X-CSL-Secret": "s"}), b"s", NOW, config)


def test_loop_send_posts_xml_as_xml() -> None:
    assert SIGNERS["salesforce"]("s", "", b"<a/>", NOW)["content-type"].startswith("text/xml")
    assert "content-type" not in SIGNERS["salesforce"]("s", "", b"{}", NOW)
