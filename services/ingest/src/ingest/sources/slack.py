"""Slack Events API (docs/sources/slack.md): messages in the channels that we share with clients."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, Self

from common.contracts import client
from pydantic import model_validator

from ingest.config import Source
from ingest.domain.refs import Ref, parse_ref, parse_subject
from ingest.domain.statement import Ignored, SourceEvent, Statement, Unreadable
from ingest.domain.times import moment
from ingest.sources import bodies, signatures
from ingest.sources.replies import Reply

WINDOW = timedelta(minutes=5)
CHALLENGE = "url_verification"
SPOKEN = frozenset({"file_share", "me_message", "thread_broadcast"})
"""Subtypes that are somebody's words; the others are edits, joins, topics, bots."""
CHANNELS = frozenset({"channel", "group", "mpim"})
_MARKUP = re.compile(r"<([^<>|]{1,3000})(?:\|([^<>]{0,1000}))?>")
_EMOJI = re.compile(r":[a-z0-9_+'-]{2,80}:")


class SlackSource(Source):
    """Which channels are whose, and which people are ours."""

    vendor: Literal["slack"]
    channels: dict[str, str] = {}
    """Channel id → `source:kind:id` or our own client id; a shared channel that is not listed waits for a person."""
    our_teams: list[str] = []
    """Workspace ids of ours (T…), beside the one in which the app is installed."""
    our_people: dict[str, str] = {}
    """User id of one of us → e-mail address."""
    guests: list[str] = []
    """User ids of client people who are guests in our own workspace."""
    only_shared: bool = True
    """Whether channels that are neither shared by Slack Connect nor listed are left alone: they are our own."""

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        for channel, target in self.channels.items():
            if not (parse_subject(target) or parse_ref(target)):
                raise ValueError(f"channels: {channel} → {target}: write source:kind:id, or our client id")
        for user, email in self.our_people.items():
            if email.count("@") != 1:
                raise ValueError(f"our_people: {user} → {email}: write an e-mail address")
        if both := self.our_people.keys() & set(self.guests):
            raise ValueError(f"guests: {min(both)} is one of our_people, too")
        return self


def verify(request: signatures.Request, secret: bytes, now: datetime, config: SlackSource) -> None:
    stamp = signatures.header(request, "X-Slack-Request-Timestamp")
    given = signatures.header(request, "X-Slack-Signature")
    if not (stamp.isascii() and stamp.isdigit()):
        raise signatures.Refusal("the timestamp cannot be read")
    signatures.fresh(stamp, now, WINDOW)
    if not signatures.same("v0=" + signatures.sha256_hex(secret, b"v0:", stamp.encode(), b":", request.body), given):
        raise signatures.Refusal("the signature does not match")


def reply(body: bytes) -> Reply | None:
    """Slack trusts an address that gives its challenge back."""
    if CHALLENGE.encode() not in body:
        return None
    try:
        value = bodies.mapping(bodies.parse(body))
    except Unreadable:
        return None
    challenge = bodies.text(value.get("challenge"))
    if value.get("type") != CHALLENGE or challenge is None:
        return None
    return Reply(bodies.dump({"challenge": challenge}), "application/json")


def split(body: bytes, headers: Mapping[str, str], config: Source) -> list[SourceEvent]:
    """One event a body; a retry (X-Slack-Retry-Num) carries the same event_id."""
    value = bodies.parse(body)
    if not isinstance(value, dict):
        raise Unreadable("expected an event object")
    kind = bodies.text(value.get("type"))
    if kind is None:
        raise Unreadable("an event has a type")
    key = bodies.identifier(value.get("event_id")) or "sha256:" + bodies.digest(body)
    if kind == "event_callback":
        kind = bodies.text(bodies.mapping(value.get("event")).get("type")) or "untyped"
    return [SourceEvent(key, kind[:200], value)]


def join(items: Sequence[Mapping[str, Any]]) -> bytes:
    return bodies.dump(items[0])


def interpret(event: SourceEvent, config: SlackSource) -> list[Statement] | Ignored:
    if event.kind != "message":
        return _SILENT.get(event.kind) or Ignored(f"{event.kind} is not read", unknown=True)
    message = event.body.get("event")
    if not isinstance(message, dict):
        raise Unreadable("event is missing")
    subtype = bodies.text(message.get("subtype"))
    if subtype is not None and subtype not in SPOKEN:
        return Ignored(f"a message of subtype {subtype[:40]} is nobody's words")
    if message.get("bot_id") is not None or message.get("hidden") is True:
        return Ignored("a bot's message")
    return _message(message, event.body, config)


def _message(message: Mapping[str, Any], outer: Mapping[str, Any], config: SlackSource) -> list[Statement] | Ignored:
    channel, user = bodies.identifier(message.get("channel")), bodies.identifier(message.get("user"))
    stamp = bodies.identifier(message.get("ts"))
    if channel is None or user is None or stamp is None:
        raise Unreadable("a message has a channel, a user and a ts")
    kind = bodies.text(message.get("channel_type"))
    if kind is not None and kind not in CHANNELS:
        return Ignored("a direct message is not in a client's channel")
    if channel not in config.channels and config.only_shared and outer.get("is_ext_shared_channel") is False:
        return Ignored("a channel of our own")
    return [_said(message, outer, config, (channel, user, stamp))]


def _said(
    message: Mapping[str, Any], outer: Mapping[str, Any], config: SlackSource, where: tuple[str, str, str]
) -> Statement:
    channel, user, stamp = where
    theirs = not _ours(user, message, outer, config)
    thread = bodies.identifier(message.get("thread_ts"))
    words = plain(bodies.text(message.get("text")) or "")
    said = client.MessageExchanged(
        message_id=f"{channel}:{stamp}",
        channel=config.vendor,
        direction="inbound" if theirs else "outbound",
        contact_id=user if theirs else None,
        person_email=None if theirs else config.our_people.get(user),
        thread_id=f"{channel}:{thread}" if thread else None,
        in_reply_to=f"{channel}:{thread}" if thread and thread != stamp else None,
        # a channel is no direct message: we wait for an answer only where we asked
        expects_reply=None if theirs else "?" in words,
    )
    own, person = Ref(config.name, "channel", channel), Ref(config.name, "user", user)
    named = config.channels.get(channel)
    target = (parse_subject(named) or parse_ref(named)) if named else None
    refs = (own, *((target,) if isinstance(target, Ref) else ()), *((person,) if theirs else ()))
    return Statement(
        refs,
        moment(stamp.replace(".", "")),
        said,
        links=(*((own,) if named else ()), *((person,) if theirs else ())),
        client_id=None if isinstance(target, Ref) else target,
        text=words if theirs else None,
    )


def _ours(user: str, message: Mapping[str, Any], outer: Mapping[str, Any], config: SlackSource) -> bool:
    """One of our people, or of our workspaces. In a shared channel the outer team_id may be either side's."""
    if user in config.our_people:
        return True
    if user in config.guests:
        return False
    ours = {*config.our_teams, *_installed(outer)}
    team = _team(message)
    if team is None and outer.get("is_ext_shared_channel") is not True:
        return True
    if team is None or not ours:
        raise Unreadable("whose person wrote it is not said: list the user under our_people or guests")
    return team in ours


def _installed(outer: Mapping[str, Any]) -> list[str]:
    """Where the app is installed, and that is with us."""
    found = [bodies.identifier(one.get("team_id")) for one in bodies.objects(outer.get("authorizations"))]
    return [team for team in found if team]


def _team(message: Mapping[str, Any]) -> str | None:
    """The writer's workspace; of a message with files only the files tell (slackapi/slack-api-specs issue 62)."""
    files = [file.get("user_team") for file in bodies.objects(message.get("files"))]
    for value in (message.get("user_team"), message.get("source_team"), message.get("team"), *files):
        found = bodies.identifier(value)
        if found:
            return found
    return None


def plain(text: str) -> str:
    """Slack's markup as its reader sees it: mentions and emoji codes out, links by their label."""

    def shown(found: re.Match[str]) -> str:
        target, label = found[1], found[2]
        return " " if target[0] in "@#!" else label or " "

    return html.unescape(_EMOJI.sub(" ", _MARKUP.sub(shown, text))).strip()


_SILENT = {
    CHALLENGE: Ignored("Slack asked whether the address is ours"),
    "app_rate_limited": Ignored("Slack dropped events: more than 30,000 in an hour"),
    "member_joined_channel": Ignored("who is in a channel is not read"),
    "member_left_channel": Ignored("leaving a channel is not leaving the client"),
    "channel_shared": Ignored("the first message shows the channel"),
    "channel_unshared": Ignored("a channel ended; the client may not have"),
    "reaction_added": Ignored("reactions are not read"),
    "reaction_removed": Ignored("reactions are not read"),
    "app_mention": Ignored("the message event says the same"),
}
