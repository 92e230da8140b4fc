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
from ingest.sources.jira_texts import words
from ingest.sources.signatures import Refusal, Request
from loopctl.signing import SIGNERS
from pydantic import ValidationError

from tests.unit.ingest.test_mapping_conversations import PAYLOADS, said, shared, told

SOURCES = load_sources(REPOSITORY_CONFIG)
INTERCOM = IntercomSource.model_validate(SOURCES["intercom"].model_dump())
JIRA = JiraSource.model_validate(SOURCES["jira"].model_dump())
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
SECONDS = 1_772_442_000
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


def notice(topic: str, item: Any, **more: Any) -> dict[str, Any]:
    return {"type": "notification_event", "id": "notif_1", "topic": topic, "created_at": SECONDS,
            "delivery_attempts": 1, "data": {"type": "notification_event_data", "item": item}, **more}  # fmt: skip


def part(author: str, body: str | None = "<p>Still broken!</p>", at: int = SECONDS - 60) -> dict[str, Any]:
    return {
        "id": "p-1",
        "part_type": "comment",
        "body": body,
        "created_at": at,
        "author": {"type": author, "id": "c-1"},
    }


def conversation(*parts: dict[str, Any], begun_by: str = "user", **more: Any) -> dict[str, Any]:
    """As since 2.0: `source` and `contacts`."""
    return {
        "type": "conversation", "id": "215", "created_at": SECONDS - 600, "state": "open", "priority": "not_priority",
        "source": {"id": "m-1", "subject": "Help", "body": "<p>It fails</p>",
                   "author": {"type": begun_by, "id": "c-1"}},
        "contacts": {"type": "contact.list", "contacts": [{"type": "contact", "id": "c-1", "external_id": "24"}]},
        "conversation_parts": {"type": "conversation_part.list", "conversation_parts": list(parts)}, **more,
    }  # fmt: skip


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


def ticket(**more: Any) -> dict[str, Any]:
    return {"type": "ticket", "id": "300", "category": "Customer", "company_id": "co-1", "created_at": SECONDS - 900,
            "ticket_state": {"category": "resolved"}, "contacts": {"contacts": [{"id": "c-1"}]}, **more}  # fmt: skip


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


def person(**more: Any) -> dict[str, Any]:
    return {"type": "contact", "id": "c-1", "external_id": "24", "role": "user", "name": "Ada Okafor",
            "email": "ada@acme.example", **more}  # fmt: skip


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


# Jira


def issue(**fields: Any) -> dict[str, Any]:
    return {
        "id": "10040", "key": "SUP-41",
        "fields": {"project": {"key": "SUP"}, "summary": "Export fails", "created": "2026-03-02T08:00:00.000+0000",
                   "updated": "2026-03-02T09:00:00.000+0000", "priority": {"name": "Highest"},
                   "status": {"name": "In Progress", "statusCategory": {"key": "indeterminate"}}, **fields},
    }  # fmt: skip


def event(name: str | None, shown: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    named = {"webhookEvent": name} if name else {}
    return {"timestamp": SECONDS * 1000, **named, "issue": shown or issue(), **more}


def changed(*fields: str) -> dict[str, Any]:
    return {"changelog": {"id": "1", "items": [{"field": field, "fieldId": field} for field in fields]}}


CUSTOMER = {"accountId": "qm:1", "accountType": "customer", "displayName": "Ada", "emailAddress": "ada@acme.example"}
AGENT = {"accountId": "557:2", "accountType": "atlassian", "emailAddress": "maya@ours.example"}


def test_a_customers_issue_is_the_clients_mood_and_anybody_elses_is_not() -> None:
    theirs = one(
        "jira", event("jira:issue_created", issue(reporter=CUSTOMER, description="It {code}x = 1{code} breaks"))
    )
    assert theirs.data == client.TicketOpened(ticket_id="10040", priority=client.Priority.URGENT, contact_id="qm:1")
    assert theirs.text is not None
    assert "Export fails" in theirs.text
    assert "x = 1" not in theirs.text
    assert theirs.hints == {"email": "ada@acme.example"}
    for reporter in (AGENT, {"displayName": "From a Data Center"}, None):
        ours = one("jira", event("jira:issue_created", issue(reporter=reporter, description="angry words")))
        assert (ours.text, ours.hints) == (None, {})


@pytest.mark.parametrize(
    ("author", "side", "read"),
    [
        (CUSTOMER, Author.CLIENT, True),
        (AGENT, Author.US, False),
        ({"accountType": "app"}, Author.SYSTEM, False),
        ({"name": "a user of a Data Center"}, None, False),
    ],
)
def test_comments_are_their_authors(author: dict[str, Any], side: Author | None, read: bool) -> None:
    comment = {
        "id": "1",
        "body": "Any news?",
        "author": author,
        "created": "2026-03-02T08:30:00.000+0000",
        "jsdPublic": True,
    }
    told_of = one("jira", event("comment_created", comment=comment))
    assert told_of.data == client.TicketUpdated(ticket_id="10040", author=side)
    assert told_of.text == ("Any news?" if read else None)
    assert told_of.time == datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
    internal = event("comment_created", comment={**comment, "jsdPublic": False})
    assert isinstance(said("jira", internal)[0], Ignored)


def test_atlassians_documents_are_read_without_code_and_quotes() -> None:
    def text(value: str) -> dict[str, Any]:
        return {"type": "paragraph", "content": [{"type": "text", "text": value}]}

    body = {"type": "doc", "version": 1, "content": [
        text("We are "), {"type": "paragraph", "content": [{"type": "mention", "attrs": {"text": "@Maya"}}]},
        {"type": "blockquote", "content": [text("you said it works")]},
        {"type": "codeBlock", "content": [text("x = 1")]},
        {"type": "bulletList", "content": [{"type": "listItem", "content": [text("still broken")]}]},
    ]}  # fmt: skip
    found = words(body)
    assert found is not None
    assert found.split() == ["We", "are", "@Maya", "still", "broken"]
    deep: Any = text("deep down")
    for _ in range(20_000):
        deep = {"type": "panel", "content": [deep]}
    assert (words(deep) or "").strip() == "deep down"
    odd: list[Any] = [None, 7, [], {"type": "doc"}, {"content": "x"}, {"content": [None, 1, [], {"text": 5}]}, "  "]
    assert [words(value) for value in odd] == [None, "7", None, None, None, None, None]


def test_wiki_markup_is_read_without_code_and_quotes() -> None:
    text = (
        "h2. Hello [~accountid:5c]\n{quote}old words{quote}\n"
        "See [our page|https://x.example] {code:java}int x;{code} {color:red}now{color}"
    )
    found = words(text)
    assert found is not None
    assert found.split() == ["Hello", "See", "our", "page", "now"]
    assert words("{code}" * 5000) is None
    assert words("{" * 20_000) == "{" * 20_000


def test_status_and_priority_changes() -> None:
    moved = one("jira", event("jira:issue_updated", **changed("status")))
    assert moved.data == client.TicketUpdated(ticket_id="10040", status="in progress")
    done = issue(status={"name": "Done", "statusCategory": {"key": "done"}})
    assert one(
        "jira", event("jira:issue_updated", done, **changed("resolution", "status"))
    ).data == client.TicketResolved(ticket_id="10040", status="done")
    ours = event("jira:issue_updated", issue(status={"name": "Shipped"}), **changed("status"))
    assert isinstance(one("jira", ours, done_statuses=["Shipped"]).data, client.TicketResolved)
    assert one("jira", event("jira:issue_updated", **changed("priority"))).data == client.TicketUpdated(
        ticket_id="10040", priority=client.Priority.URGENT
    )
    assert isinstance(said("jira", event("jira:issue_updated", **changed("summary")))[0], Ignored)
    gone = one("jira", event("jira:issue_deleted"))
    assert gone.data == client.TicketResolved(ticket_id="10040", status="deleted"), "it is not open for ever"


def test_bodies_without_an_event_type_are_told_by_their_parts() -> None:
    comment = {"id": "1", "body": "Any news?", "author": CUSTOMER, "created": "2026-03-02T08:30:00.000+0000",
               "updated": "2026-03-02T08:30:00.000+0000"}  # fmt: skip
    old = event("jira:issue_updated", comment=comment)
    assert one("jira", old).data == client.TicketUpdated(ticket_id="10040", author=Author.CLIENT)
    edited = event("jira:issue_updated", comment={**comment, "updated": "2026-03-02T08:40:00.000+0000"})
    assert isinstance(said("jira", edited)[0], Ignored)
    commented = {"timestamp": SECONDS * 1000, "issue": issue(), "comment": comment}
    assert one("jira", commented).data == client.TicketUpdated(ticket_id="10040", author=Author.CLIENT)
    new = issue(updated="2026-03-02T08:00:00.000+0000")
    for body in ({"issue": new}, new, {"issues": [new]}, [{"issue": new}]):
        assert isinstance(one("jira", body).data, client.TicketOpened), body
    [(_, name, data)] = told("jira", {**issue(), "id": 10040, "changelog": {"histories": None}})
    assert (name, data) == ("ticket_updated", {"ticket_id": "10040", "status": "in progress", "priority": "urgent"})
    assert isinstance(one("jira", event(None, issue_event_type_name="issue_created")).data, client.TicketOpened)
    for nothing in ({}, {"a": 1}, [], [1], 7, "x", {"webhookEvent": None}):
        with pytest.raises(Unreadable):
            jira.split(json.dumps(nothing).encode(), {}, JIRA)


def test_a_comment_without_its_issue_is_known_and_brought_by_the_update() -> None:
    body = {"timestamp": 1, "webhookEvent": "comment_created", "comment": {"id": "1"}}
    [ignored] = said("jira", body)
    assert isinstance(ignored, Ignored)
    assert not ignored.unknown


FIELD = {
    "client_field": "customfield_10050",
    "client_field_kind": "hubspot:company",
    "clients": {"Acme Inc": "stripe:customer:cus_9"},
}


@pytest.mark.parametrize(
    ("value", "ref"),
    [
        ("18412397", Ref("hubspot", "company", "18412397")),
        (18412397, Ref("hubspot", "company", "18412397")),
        ("stripe:customer:cus_1", Ref("stripe", "customer", "cus_1")),
        ({"value": "Acme Inc", "id": "3"}, Ref("stripe", "customer", "cus_9")),
        ([{"value": "Acme Inc"}], Ref("stripe", "customer", "cus_9")),
    ],
)
def test_a_field_names_the_client(value: Any, ref: Ref) -> None:
    found = one("jira", event("jira:issue_created", issue(customfield_10050=value)), **FIELD)
    assert found.refs == (ref, Ref("jira", "issue", "10040"), Ref("jira", "project", "SUP"))
    assert found.links == (Ref("jira", "issue", "10040"),), "its comments will not name the field"
    assert found.moves


def test_a_name_that_nobody_listed_waits_for_a_person() -> None:
    found = one("jira", event("jira:issue_created", issue(customfield_10050="Acme")), client_field="customfield_10050",
                client_field_kind="")  # fmt: skip
    assert (str(found.shown_as), found.hints) == ("jira:customer:Acme", {"name": "Acme"})


def test_labels_organisations_and_projects_name_the_client_too() -> None:
    labelled = one("jira", event("jira:issue_created", issue(labels=["bug", "client-77"])))
    assert labelled.refs[0] == Ref("hubspot", "company", "77")
    organisations = [{"id": "5", "name": "Acme"}]
    served = one(
        "jira",
        event("jira:issue_created", issue(customfield_10002=organisations)),
        organizations_field="customfield_10002",
    )
    assert (served.refs[0], served.hints) == (Ref("jira", "organization", "5"), {"name": "Acme"})
    own = one("jira", event("jira:issue_created"), projects={"SUP": "hubspot:company:78"})
    assert own.refs == (Ref("jira", "issue", "10040"), Ref("hubspot", "company", "78"))
    assert own.links == ()
    internal = said("jira", event("jira:issue_created"), internal_projects=["SUP"])
    assert isinstance(internal[0], Ignored)


def test_an_issue_of_two_clients_is_nobodys_until_a_person_decides() -> None:
    with pytest.raises(Unreadable, match="several clients"):
        said("jira", event("jira:issue_created", issue(labels=["client-77", "client-78"])))
    assert one("jira", event("jira:issue_created", issue(labels=["client-77", "client-77"]))).refs[0].id == "77"


def test_naming_the_client_later_links_the_issue() -> None:
    later = one("jira", event("jira:issue_updated", issue(labels=["client-77"]), **changed("labels")))
    assert (later.data, later.links) == (None, (Ref("jira", "issue", "10040"),))


def test_the_deliverys_identifier_is_the_key_and_is_kept_with_the_body() -> None:
    raw = json.dumps([event("jira:issue_created"), event("jira:issue_created")]).encode()
    assert [e.key for e in jira.split(raw, {jira.IDENTIFIER: "d-1"}, JIRA)] == ["d-1:0", "d-1:1"]
    assert jira.IDENTIFIER in JIRA.kept_headers
    [lone] = jira.split(json.dumps(event("jira:issue_created")).encode(), {}, JIRA)
    assert lone.key.startswith("sha256:")


def test_jiras_bodies_may_pass_a_mebibyte() -> None:
    assert JiraSource(vendor="jira").limit_bytes == JIRA.limit_bytes == 4 << 20
    long = json.dumps(event("jira:issue_created", issue(reporter=CUSTOMER, description="word " * 300_000))).encode()
    assert len(long) > 1 << 20
    [opened] = said("jira", long)
    assert len(opened.text) < 30_000


def test_what_is_not_read_is_known_and_what_is_new_to_us_unknown() -> None:
    for known in (
        "comment_updated",
        "comment_deleted",
        "worklog_created",
        "jira:version_released",
        "sprint_started",
        "issuelink_created",
    ):
        [ignored] = said("jira", event(known))
        assert isinstance(ignored, Ignored), known
        assert not ignored.unknown, known
    assert said("jira", event("starship_launched"))[0].unknown


def test_a_project_is_a_clients_or_internal() -> None:
    with pytest.raises(ValidationError, match="cannot be"):
        JiraSource.model_validate({"vendor": "jira", "projects": {"A": "a:b:c"}, "internal_projects": ["A"]})
