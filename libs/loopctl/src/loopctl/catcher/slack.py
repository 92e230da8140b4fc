"""Slack's Web API as far as our app calls it: answers, errors and limits (docs.slack.dev/reference/methods)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from loopctl.catcher.faults import Fault
from loopctl.catcher.parts import Own
from loopctl.catcher.slack_ids import TEAM_ID, slack_id
from loopctl.catcher.slack_limits import broken_blocks
from loopctl.catcher.store import CLOCK, Caught, Store

BOT_ID = "B0LOOP"
UNKNOWN_PEOPLE = ("nobody@", "unknown@")
"""Addresses that start like this have no Slack user, so that tests can meet `users_not_found`."""
HISTORY_LIMIT = 999
TEXT_LIMIT = 40_000

Arguments = Mapping[str, Any]
Answer = dict[str, Any]


class SlackApi:
    """The methods. Each takes the decoded arguments and gives the JSON that Slack would."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._last_ts = 0
        self.methods: dict[str, Callable[[Arguments], Answer]] = {
            "api.test": lambda _: {"ok": True},
            "auth.test": self.auth_test,
            "chat.postMessage": self.post_message,
            "chat.update": self.update,
            "users.lookupByEmail": self.lookup_by_email,
            "conversations.open": self.open_conversation,
            "conversations.history": self.history,
            "conversations.list": self.list_conversations,
        }

    def auth_test(self, _: Arguments) -> Answer:
        return {
            "ok": True,
            "team": "Local",
            "team_id": TEAM_ID,
            "user": "loop",
            "user_id": "U0LOOP",
            "bot_id": BOT_ID,
        }

    def lookup_by_email(self, arguments: Arguments) -> Answer:
        email = str(arguments.get("email", "")).strip().lower()
        if "@" not in email or email.startswith(UNKNOWN_PEOPLE):
            return {"ok": False, "error": "users_not_found"}
        user = slack_id("U", email)
        self.store.remember_name(user, email)
        name = email.split("@")[0].replace(".", " ").title()
        profile = {"email": email, "real_name": name, "display_name": name}
        return {"ok": True, "user": {"id": user, "team_id": TEAM_ID, "name": name, "profile": profile}}

    def open_conversation(self, arguments: Arguments) -> Answer:
        user = str(arguments.get("users", ""))
        name = self.store.name_of(user)
        if name is None:
            return {"ok": False, "error": "user_not_found"}
        channel = slack_id("D", user)
        self.store.remember_name(channel, name)
        return {"ok": True, "channel": {"id": channel}}

    def list_conversations(self, _: Arguments) -> Answer:
        known = [{"id": id_, "name": name.lstrip("#")} for id_, name in self.store.slack_channels()]
        return {"ok": True, "channels": known, "response_metadata": {"next_cursor": ""}}

    def channel_of(self, named: str) -> tuple[str, str] | None:
        """(id, name to show) for `#name`, `name` or an id; None for what is no channel of ours."""
        if named.startswith(("C", "D", "U")) and (known := self.store.name_of(named)):
            return (slack_id("D", named), known) if named.startswith("U") else (named, known)
        name = "#" + named.lstrip("#").lower()
        if name == "#" or " " in name or name.startswith("#missing"):
            return None
        channel = slack_id("C", name)
        self.store.remember_name(channel, name)
        return channel, name

    def post_message(self, arguments: Arguments) -> Answer:
        found = self.channel_of(str(arguments.get("channel", "")))
        if found is None:
            return {"ok": False, "error": "channel_not_found"}
        text, blocks = str(arguments.get("text") or ""), decoded(arguments.get("blocks")) or []
        if not text and not blocks:
            return {"ok": False, "error": "no_text"}
        if len(text) > TEXT_LIMIT:
            return {"ok": False, "error": "msg_too_long"}
        if wrong := broken_blocks(blocks):
            return {
                "ok": False,
                "error": "invalid_blocks",
                "errors": wrong,
                "response_metadata": {"messages": wrong},
            }
        channel, name = found
        ts = self._next_ts()
        metadata = decoded(arguments.get("metadata")) or {}
        payload = metadata.get("event_payload") or {}
        message: Answer = {"type": "message", "ts": ts, "text": text, "blocks": blocks, "bot_id": BOT_ID}
        body = {**message, "channel": channel, "metadata": metadata}
        caught = Caught(
            "slack",
            name,
            text,
            body,
            delivery_id=payload.get("delivery_id"),
            client_id=payload.get("client_id"),
            case_id=payload.get("case_id"),
        )
        self.store.add(caught)
        return {"ok": True, "channel": channel, "ts": ts, "message": message}

    def update(self, arguments: Arguments) -> Answer:
        found = self.channel_of(str(arguments.get("channel", "")))
        for caught in self.store.find(where={"channel": "slack", "inbox": found[1]}, limit=100_000) if found else []:
            if caught.body["ts"] == arguments.get("ts"):
                changes = {"text": arguments.get("text"), "blocks": decoded(arguments.get("blocks"))}
                self.store.replace_body(caught.id, {**caught.body, **{k: v for k, v in changes.items() if v}})
                return {"ok": True, "channel": caught.body["channel"], "ts": caught.body["ts"]}
        return {"ok": False, "error": "message_not_found"}

    def history(self, arguments: Arguments) -> Answer:
        """Newest first, as Slack gives it; metadata only when asked for."""
        found = self.channel_of(str(arguments.get("channel", "")))
        if found is None:
            return {"ok": False, "error": "channel_not_found"}
        oldest, limit = (
            float(arguments.get("oldest") or 0),
            min(int(arguments.get("limit") or 100), HISTORY_LIMIT),
        )
        before = int(cursor) if (cursor := str(arguments.get("cursor") or "")) else None
        here = {"channel": "slack", "inbox": found[1]}
        page = self.store.find(where=here, before=before, limit=limit + 1, newest_first=True)
        with_metadata = str(arguments.get("include_all_metadata", "")).lower() in ("true", "1")
        messages = []
        for caught in page[:limit]:
            if float(caught.body["ts"]) <= oldest:
                break
            hidden = {"channel"} if with_metadata else {"channel", "metadata"}
            messages.append({k: v for k, v in caught.body.items() if k not in hidden})
        more = len(page) > limit and len(messages) == limit
        following = {"next_cursor": str(page[limit - 1].id) if more else ""}
        return {"ok": True, "messages": messages, "has_more": more, "response_metadata": following}

    def _next_ts(self) -> str:
        """Unique in a channel, as Slack promises."""
        self._last_ts = max(self._last_ts + 1, int(CLOCK.wall().timestamp() * 1_000_000))
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"


def decoded(value: Any) -> Any:
    """Blocks and metadata come as JSON, or as JSON text in a form."""
    return json.loads(value) if isinstance(value, str) and value else value


async def arguments_of(request: Request) -> dict[str, Any]:
    raw = await request.body()
    arguments: dict[str, Any] = dict(request.query_params)
    if request.headers.get("content-type", "").startswith("application/json"):
        arguments.update(json.loads(raw or b"{}"))
    else:
        arguments.update(parse_qsl(raw.decode()))
    return arguments


def refused(fault: Fault) -> Response | None:
    """The answer that a fault stands for; None for those that hang."""
    if fault.kind == "rate_limited":
        headers = {"Retry-After": str(fault.retry_after)}
        return JSONResponse({"ok": False, "error": "ratelimited"}, status_code=429, headers=headers)
    if fault.kind == "server_error":
        return Response("upstream connect error", status_code=500)
    words = {
        "unauthorized": "invalid_auth",
        "rejected": "channel_not_found",
        "missing_scope": "missing_scope",
    }
    if fault.kind in words:
        return JSONResponse({"ok": False, "error": fault.error or words[fault.kind]})
    return None


router = APIRouter()


@router.api_route("/slack/api/{method}", methods=["GET", "POST"])
async def call(method: str, request: Request, own: Own) -> Response:
    fault = own.faults.take("slack", method)
    if fault and (answer := refused(fault)):
        return answer
    if fault and fault.kind == "hang_before":
        return await hang(fault)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        return JSONResponse({"ok": False, "error": "not_authed"})
    if not token.startswith("xox"):
        return JSONResponse({"ok": False, "error": "invalid_auth"})
    api: SlackApi = request.app.state.slack
    known = api.methods.get(method)
    if known is None:
        return JSONResponse({"ok": False, "error": "unknown_method"})
    result = known(await arguments_of(request))
    return await hang(fault) if fault else JSONResponse(result)


async def hang(fault: Fault) -> Response:
    """Longer than any sender waits; then as a proxy would put it."""
    await asyncio.sleep(fault.hang_seconds)
    return Response("timeout", status_code=504)
