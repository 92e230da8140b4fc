"""Intercom and Jira: every real body, both generations, and each trap that their documentation warns of."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from common.contracts import client
from common.contracts.client import Author
from common.settings import REPOSITORY_CONFIG
from ingest.domain.refs import Ref
from ingest.domain.statement import Ignored, Statement, Unreadable
from ingest.reading import make_reader
from ingest.sources import intercom, jira, load_sources
from ingest.sources.intercom import IntercomSource
from ingest.sources.jira import JiraSource
from ingest.sources.signatures import Refusal, Request
from loopctl.signing import SIGNERS

from tests.support.mapped_words import PAYLOADS, said, shared, told
from tests.support.support_bodies import (
    SECONDS,
    conversation,
    notice,
    part,
    person,
    ticket,
)

SOURCES = load_sources(REPOSITORY_CONFIG)
INTERCOM = IntercomSource.model_validate(SOURCES["intercom"].model_dump())
JIRA = JiraSource.model_validate(SOURCES["jira"].model_dump())
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
LEAD = "intercom:contact:5c9553cb27e377f24eed49f7"

EXPECTED: dict[str, list[tuple[str, str, dict[str, Any]]]] = {
    "intercom/zulip_conversation_user_created.json": [
        (
            LEAD,
            "ticket_opened",
            {"ticket_id": "21321941764", "priority": "normal", "contact_id": "5c9553cb27e377f24eed49f7"},
        )
    ],
    "intercom/zulip_conversation_user_replied.json": [
        (LEAD, "ticket_updated", {"ticket_id": "21322009097", "author": "client"})
    ],
    "intercom/zulip_conversation_admin_closed.json": [
        (LEAD, "ticket_resolved", {"ticket_id": "21322009097", "status": "closed"})
    ],
    "intercom/zulip_ping.json": [],
    "jira/mm_webhook-issue-created.json": [
        ("jira:issue:10040", "ticket_opened", {"ticket_id": "10040", "priority": "high"})
    ],
    "jira/mm_webhook-issue-updated-resolved.json": [
        ("jira:issue:10040", "ticket_resolved", {"ticket_id": "10040", "status": "done"})
    ],
}


@shared
@pytest.mark.parametrize("file", EXPECTED)
def test_a_real_body_says_what_we_say_it_says(file: str) -> None:
    source, raw = file.partition("/")[0], (PAYLOADS / file).read_bytes()
    expected = EXPECTED[file]
    assert told(source, raw) == expected if expected else isinstance(said(source, raw)[0], Ignored)


@shared
def test_every_body_has_an_expectation() -> None:
    assert {f"{v}/{f.name}" for v in ("intercom", "jira") for f in (PAYLOADS / v).glob("*")} == set(EXPECTED)


@shared
def test_real_words_and_moments_are_the_clients_own() -> None:
    [replied] = said("intercom", (PAYLOADS / "intercom/zulip_conversation_user_replied.json").read_bytes())
    assert replied.text == "<p>Well, I need some help getting access to a developer account.</p>"
    assert replied.time == datetime(2019, 3, 22, 21, 48, 27, tzinfo=UTC), "the reply's own, not the notification's"
    assert replied.hints == {"email": "contributor@example.com"}, "an address is a hint, not a ref"
    reading = make_reader(REPOSITORY_CONFIG).read(replied.text)
    assert reading.words == 11, "markup is not read"
    [created] = said("jira", (PAYLOADS / "jira/mm_webhook-issue-created.json").read_bytes())
    assert created.text is None, "nobody says that the reporter is the client's"
    assert created.time == datetime(2019, 2, 16, 3, 1, 52, 971000, tzinfo=UTC)
    assert str(created.shown_as) == "jira:project:TES", "one line for a person to decide, not one an issue"


def one(source: str, body: Any, **options: Any) -> Statement:
    [statement] = said(source, body, **options)
    assert isinstance(statement, Statement), statement
    return statement


# Intercom


def test_the_newer_shape_says_the_same() -> None:
    opened = one("intercom", notice("conversation.user.created", conversation(priority="priority")))
    assert opened.data == client.TicketOpened(ticket_id="215", priority=client.Priority.HIGH, contact_id="c-1")
    assert opened.text == "Help\n<p>It fails</p>"
    assert opened.refs == (Ref("intercom", "contact", "c-1"), Ref("intercom", "conversation", "215"))
    assert opened.links == (Ref("intercom", "conversation", "215"),)
    replied = one("intercom", notice("conversation.user.replied", conversation(part("lead"))))
    assert replied.data == client.TicketUpdated(ticket_id="215", author=Author.CLIENT)
    assert replied.text == "<p>Still broken!</p>"


def test_an_admins_words_and_the_bots_are_not_the_clients_mood() -> None:
    ours = one("intercom", notice("conversation.admin.replied", conversation(part("admin"))))
    assert (ours.data, ours.text) == (client.TicketUpdated(ticket_id="215", author=Author.US), None)
    odd = one("intercom", notice("conversation.user.replied", conversation(part("bot"))))
    assert odd.text is None
    for topic in ("conversation.operator.replied", "conversation.admin.noted"):
        assert isinstance(said("intercom", notice(topic, conversation(part("bot"))))[0], Ignored)


def test_a_conversation_that_we_begin_is_a_message_and_its_answers() -> None:
    sent = one("intercom", notice("conversation.admin.single.created", conversation(begun_by="admin")))
    assert sent.data == client.MessageExchanged(
        message_id="m-1",
        channel="intercom",
        direction="outbound",
        contact_id="c-1",
        thread_id="215",
        expects_reply=True,
    )
    assert sent.text is None
    answer = one("intercom", notice("conversation.user.replied", conversation(part("user"), begun_by="admin")))
    assert answer.data == client.MessageExchanged(
        message_id="p-1", channel="intercom", direction="inbound", contact_id="c-1", thread_id="215", in_reply_to="m-1",
        expects_reply=False,
    )  # fmt: skip
    assert answer.text is not None
    closed = said("intercom", notice("conversation.admin.closed", conversation(begun_by="admin")))
    assert isinstance(closed[0], Ignored), "a message is no ticket that could be resolved"


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("conversation.admin.closed", client.TicketResolved(ticket_id="215", status="closed")),
        ("conversation.admin.opened", client.TicketUpdated(ticket_id="215", status="open")),
        ("conversation.admin.snoozed", client.TicketUpdated(ticket_id="215", status="snoozed")),
        ("conversation.priority.updated", client.TicketUpdated(ticket_id="215", priority=client.Priority.NORMAL)),
    ],
)
def test_what_admins_do_with_a_conversation(topic: str, expected: client.ClientEvent) -> None:
    assert one("intercom", notice(topic, conversation())).data == expected


def test_a_rating_is_a_csat_from_one_to_five() -> None:
    rating = {"rating": 2, "remark": "took too long", "created_at": SECONDS}
    rated = one("intercom", notice("conversation.rating.added", conversation(conversation_rating=rating)))
    csat = client.Csat(score=2, scale_min=1, scale_max=5)
    assert rated.data == client.TicketUpdated(ticket_id="215", author=Author.CLIENT, csat=csat)
    assert rated.text == "took too long"
    assert isinstance(said("intercom", notice("conversation.rating.added", conversation()))[0], Ignored)
    with pytest.raises(Unreadable):
        said("intercom", notice("conversation.rating.added", conversation(conversation_rating={"rating": 9})))


def test_tickets_name_their_company_and_internal_ones_are_ours() -> None:
    opened = one("intercom", notice("ticket.created", ticket()))
    assert opened.refs[0] == Ref("intercom", "company", "co-1")
    assert opened.data == client.TicketOpened(ticket_id="300", priority=client.Priority.NORMAL, contact_id="c-1")
    inner = {"type": "ticket_ticket_part", "ticket": ticket(), "ticket_part": part("user")}
    replied = one("intercom", notice("ticket.contact.replied", inner))
    assert (replied.data, replied.text) == (
        client.TicketUpdated(ticket_id="300", author=Author.CLIENT),
        "<p>Still broken!</p>",
    )
    ours = one("intercom", notice("ticket.admin.replied", inner))
    assert (ours.data, ours.text) == (client.TicketUpdated(ticket_id="300", author=Author.US), None)
    resolved = one("intercom", notice("ticket.state.updated", ticket()))
    assert resolved.data == client.TicketResolved(ticket_id="300", status="resolved")
    assert isinstance(said("intercom", notice("ticket.created", ticket(category="Back-office")))[0], Ignored)


@pytest.mark.parametrize(
    "topic", ["contact.user.created", "contact.lead.updated", "user.created", "contact.email.updated"]
)
def test_people_are_known_by_intercoms_id_and_their_one_company(topic: str) -> None:
    [alone] = said("intercom", notice(topic, person()))
    assert alone.refs == (Ref("intercom", "contact", "c-1"),)
    assert (alone.contact.contact_id, alone.contact.name, alone.hints) == (
        "c-1",
        "Ada Okafor",
        {"email": "ada@acme.example"},
    )
    for companies in ({"data": [{"id": "co-1"}]}, {"companies": [{"id": "co-1", "company_id": "6"}]}):
        [known] = said("intercom", notice(topic, person(companies=companies)))
        assert (known.refs[0], known.links) == (
            Ref("intercom", "company", "co-1"),
            (Ref("intercom", "contact", "c-1"),),
        )
    [torn] = said("intercom", notice(topic, person(companies={"data": [{"id": "co-1"}, {"id": "co-2"}]})))
    assert (torn.refs, torn.links) == ((Ref("intercom", "contact", "c-1"),), ()), "of two companies neither is guessed"


def test_companies_attach_and_detach_people() -> None:
    both = {"company": {"type": "company", "id": "co-1", "company_id": "6"}, "contact": person()}
    attached = one("intercom", notice("company.contact.attached", both))
    assert attached.refs[0] == Ref("intercom", "company", "co-1")
    assert attached.links == (Ref("intercom", "contact", "c-1"),)
    detached = one("intercom", notice("company.contact.detached", both)).contact
    assert detached is not None
    assert detached.left
    for topic in ("contact.deleted", "contact.archived", "user.deleted"):
        gone = one("intercom", notice(topic, {"type": "contact", "id": "c-1"})).contact
        assert gone is not None
        assert gone.left


def test_a_company_never_creates_a_client_but_may_name_it() -> None:
    company = {
        "type": "company",
        "id": "co-1",
        "company_id": "acme-6",
        "name": "Acme",
        "website": "https://acme.example",
    }
    waiting = one("intercom", notice("company.created", company))
    assert not waiting.creates
    assert waiting.refs == (Ref("intercom", "company", "co-1"), Ref("segment", "group", "acme-6"))
    assert waiting.links == (Ref("intercom", "company", "co-1"),)
    assert waiting.hints == {"name": "Acme", "domain": "acme.example"}
    named = {**company, "custom_attributes": {"client_ref": "hubspot:company:77"}}
    assert Ref("hubspot", "company", "77") in one("intercom", notice("company.updated", named)).refs
    by_id = {**company, "custom_attributes": {"client_ref": "0198c0de-7b1e-7c44-9f0e-3f1f2a6d9b10"}}
    assert str(one("intercom", notice("company.updated", by_id)).client_id) == "0198c0de-7b1e-7c44-9f0e-3f1f2a6d9b10"
    assert one("intercom", notice("company.created", company), company_id_kind="").refs == (
        Ref("intercom", "company", "co-1"),
    )


def test_a_ping_without_an_id_is_known_and_a_repeat_is_the_same() -> None:
    ping = notice("ping", {"type": "ping", "message": "x"}, id=None)
    [ignored] = said("intercom", ping)
    assert isinstance(ignored, Ignored)
    assert not ignored.unknown

    def key(body: dict[str, Any]) -> str:
        [event] = intercom.split(json.dumps(body).encode(), {}, INTERCOM)
        return event.key

    assert key(ping) == key({**ping, "delivery_attempts": 2, "first_sent_at": 1})
    assert key(ping) != key({**ping, "created_at": SECONDS + 1})
    assert key(notice("conversation.user.created", conversation())) == "notif_1"
    assert said("intercom", notice("starship.launched", {}))[0].unknown
    assert not said("intercom", notice("admin.logged_in", {}))[0].unknown


def posted(body: bytes, headers: dict[str, str]) -> Request:
    return Request("POST", ("https://x.example/hook",), {k.lower(): v for k, v in headers.items()}, body)


def test_intercom_signs_with_sha1_and_jira_with_sha256() -> None:
    for vendor, module, config in (("intercom", intercom, INTERCOM), ("jira", jira, JIRA)):
        signed = SIGNERS[vendor]("s3cret", "", b"{}", NOW)
        module.verify(posted(b"{}", signed), b"s3cret", NOW, config)
        value = signed["X-Hub-Signature"]
        for wrong in (
            {},
            {"X-Hub-Signature": value.upper()},
            {"X-Hub-Signature": value.partition("=")[2]},
            {"X-Hub-Signature": ""},
        ):
            with pytest.raises(Refusal):
                module.verify(posted(b"{}", wrong), b"s3cret", NOW, config)
        with pytest.raises(Refusal):
            module.verify(posted(b"{} ", signed), b"s3cret", NOW, config)


def test_an_automation_rule_shows_the_secret_in_a_header() -> None:
    jira.verify(posted(b"{}", {"X-CSL-Secret": "s3cret"}), b"s3cret", NOW, JIRA)
    with pytest.raises(Refusal):
        jira.verify(posted(b"{}", {"X-CSL-Secret": "s3cret", "X-Hub-Signature": "sha256=00"}), b"s3cret", NOW, JIRA)
