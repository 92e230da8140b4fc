"""Slack: whose words they are, in which channel, and what of it is nobody's words."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from common.contracts import client
from common.settings import REPOSITORY_CONFIG
from ingest.domain.refs import Ref
from ingest.domain.statement import Ignored, Statement, Unreadable
from ingest.sources import CATALOGUE, VENDORS, load_sources
from ingest.sources.slack import SlackSource, plain
from pydantic import ValidationError

SOURCES = load_sources(REPOSITORY_CONFIG)


def said(body: Any, **options: Any) -> list[Any]:
    """Statements and Ignored of a body, in the shipped configuration with `options` over it."""
    config = SlackSource.model_validate({**SOURCES["slack"].model_dump(), **options})
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    found: list[Any] = []
    for event in VENDORS["slack"].split(raw, {}, config):
        told = VENDORS["slack"].interpret(event, config)
        found += [told] if isinstance(told, Ignored) else told
    return found


OURS, THEIRS = "T0OURS", "T0THEIRS"


def message(text: str = "Hello", *, shared_channel: bool = True, **parts: Any) -> dict[str, Any]:
    event = {"type": "message", "channel": "C1", "channel_type": "channel", "user": "U9", "text": text,
             "ts": "1772442000.000200", "user_team": THEIRS, "source_team": THEIRS, **parts}  # fmt: skip
    return {"type": "event_callback", "event_id": "Ev1", "team_id": THEIRS, "event": event, "event_time": 1772442000,
            "is_ext_shared_channel": shared_channel,
            "authorizations": [{"team_id": OURS, "is_bot": True}]}  # fmt: skip


def spoken(body: Any, **options: Any) -> Statement:
    [statement] = said(body, **options)
    assert isinstance(statement, Statement), statement
    return statement


def exchanged(body: Any, **options: Any) -> dict[str, Any]:
    data = spoken(body, **options).data
    assert isinstance(data, client.MessageExchanged)
    return data.model_dump(exclude_none=True)


def test_their_message_is_inbound_with_their_words() -> None:
    statement = spoken(message("Still broken?"))
    assert statement.refs == (Ref("slack", "channel", "C1"), Ref("slack", "user", "U9"))
    assert statement.links == (Ref("slack", "user", "U9"),)
    assert (statement.text, statement.time) == ("Still broken?", datetime(2026, 3, 2, 9, 0, 0, 200, tzinfo=UTC))
    assert exchanged(message()) == {
        "message_id": "C1:1772442000.000200", "channel": "slack", "direction": "inbound", "contact_id": "U9",
    }  # fmt: skip


def test_our_message_is_outbound_and_nobodys_mood() -> None:
    ours = message("Did it work?", user="U1", user_team=OURS, source_team=OURS)
    assert spoken(ours).text is None
    assert spoken(ours).refs == (Ref("slack", "channel", "C1"),), "our person is no name of a client"
    said_by = exchanged(ours, our_people={"U1": "maya@ours.example"})
    assert (said_by["direction"], said_by["person_email"], said_by["expects_reply"]) == (
        "outbound",
        "maya@ours.example",
        True,
    )
    assert exchanged(message("Done.", user_team=OURS))["expects_reply"] is False


@pytest.mark.parametrize(
    ("parts", "options", "direction"),
    [
        ({"user_team": None, "source_team": None, "team": THEIRS}, {}, "inbound"),
        (
            {"user_team": None, "source_team": None, "files": [{"user_team": THEIRS}], "subtype": "file_share"},
            {},
            "inbound",
        ),
        ({"user_team": "T0SISTER"}, {"our_teams": ["T0SISTER"]}, "outbound"),
        ({}, {"our_people": {"U9": "tom@ours.example"}}, "outbound"),
        ({"user_team": OURS}, {"guests": ["U9"]}, "inbound"),
    ],
)
def test_the_writers_workspace_tells_whose_words_they_are(
    parts: dict[str, Any], options: dict[str, Any], direction: str
) -> None:
    assert exchanged(message(**parts), **options)["direction"] == direction


def test_a_writer_of_unknown_workspace_in_a_shared_channel_is_not_guessed() -> None:
    with pytest.raises(Unreadable, match="whose person"):
        said(message(user_team=None, source_team=None))
    inner = message(user_team=None, source_team=None, shared_channel=False)
    assert exchanged(inner, channels={"C1": "hubspot:company:77"})["direction"] == "outbound"


def test_replies_name_their_thread() -> None:
    reply = exchanged(message(thread_ts="1772441000.000100", subtype="thread_broadcast"))
    assert reply["thread_id"] == reply["in_reply_to"] == "C1:1772441000.000100"
    parent = exchanged(message(thread_ts="1772442000.000200"))
    assert parent["thread_id"] == parent["message_id"]
    assert "in_reply_to" not in parent


@pytest.mark.parametrize(
    "parts",
    [
        {"subtype": "bot_message"}, {"bot_id": "B1"}, {"subtype": "message_changed"}, {"subtype": "message_deleted"},
        {"subtype": "channel_join"}, {"subtype": "channel_topic"}, {"channel_type": "im"},
    ],
)  # fmt: skip
def test_bots_edits_and_joins_are_nobodys_words(parts: dict[str, Any]) -> None:
    [ignored] = said(message(**parts))
    assert isinstance(ignored, Ignored)
    assert not ignored.unknown


def test_a_channel_of_our_own_is_left_alone_unless_it_is_listed() -> None:
    inner = message(shared_channel=False)
    assert said(inner) == [Ignored("a channel of our own")]
    assert spoken(inner, only_shared=False).refs[0] == Ref("slack", "channel", "C1")
    listed = spoken(inner, channels={"C1": "hubspot:company:77"})
    assert listed.refs[:2] == (Ref("slack", "channel", "C1"), Ref("hubspot", "company", "77"))
    assert Ref("slack", "channel", "C1") in listed.links
    assert Ref("slack", "channel", "C1").names_client


def test_a_challenge_is_given_back_and_nothing_else_is() -> None:
    challenge = b'{"token": "x", "challenge": "3eZbrw1aB", "type": "url_verification"}'
    reply = CATALOGUE["slack"].reply
    assert reply is not None
    answer = reply(challenge)
    assert answer is not None
    assert (answer.body, answer.media_type) == (b'{"challenge":"3eZbrw1aB"}', "application/json")
    assert said(challenge) == [Ignored("Slack asked whether the address is ours")]
    spoof = message("url_verification challenge")
    for other in (
        json.dumps(spoof).encode(),
        b"url_verification",
        b'{"type":"url_verification"}',
        b'["url_verification"]',
    ):
        assert reply(other) is None


def test_a_retry_has_the_same_key() -> None:
    raw = json.dumps(message()).encode()
    [first] = VENDORS["slack"].split(raw, {}, SOURCES["slack"])
    [again] = VENDORS["slack"].split(raw, {"x-slack-retry-num": "1"}, SOURCES["slack"])
    assert first.key == again.key == "Ev1"


def test_slacks_markup_is_not_words() -> None:
    text = "Hi <@U1>, see <https://x.example/terrible|the report> &amp; <#C2|general> <!here> :tada: a &lt; b <https://y.example>"
    assert plain(text).split() == ["Hi", ",", "see", "the", "report", "&", "a", "<", "b"]


def test_an_unknown_event_is_counted_as_unknown() -> None:
    assert said({"type": "event_callback", "event": {"type": "teleport"}})[0].unknown
    assert SlackSource(vendor="slack").only_shared


def test_joining_what_is_left_gives_a_body_that_splits_again() -> None:
    body = message()
    [event] = VENDORS["slack"].split(VENDORS["slack"].join([body]), {}, SOURCES["slack"])
    assert event.body == body


@pytest.mark.parametrize(
    "wrong",
    [
        {"channels": {"C1": "Northwind"}},
        {"our_people": {"U1": "maya"}},
        {"our_people": {"U1": "m@o.example"}, "guests": ["U1"]},
    ],
)
def test_a_wrong_configuration_does_not_start(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"channels|our_people|guests"):
        SlackSource.model_validate({"vendor": "slack", **wrong})
