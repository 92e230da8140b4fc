"""Jira: each trap that its documentation warns of. Its real bodies are in test_mapping_support.py."""

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
from ingest.sources import jira, load_sources
from ingest.sources.intercom import IntercomSource
from ingest.sources.jira import JiraSource
from ingest.sources.jira_texts import words
from pydantic import ValidationError

from tests.support.mapped_words import said, told
from tests.support.support_bodies import (
    AGENT,
    CUSTOMER,
    FIELD,
    SECONDS,
    changed,
    event,
    issue,
)

SOURCES = load_sources(REPOSITORY_CONFIG)
INTERCOM = IntercomSource.model_validate(SOURCES["intercom"].model_dump())
JIRA = JiraSource.model_validate(SOURCES["jira"].model_dump())
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
LEAD = "intercom:contact:5c9553cb27e377f24eed49f7"


def one(source: str, body: Any, **options: Any) -> Statement:
    [statement] = said(source, body, **options)
    assert isinstance(statement, Statement), statement
    return statement


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
