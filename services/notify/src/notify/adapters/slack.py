"""Slack by its own SDK: find the person, post once, and look for our delivery id before posting again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.signature import Clock as SlackClock
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient

from notify.adapters.slack_blocks import blocks, fallback
from notify.domain.attempt import NotSent, Sent
from notify.repository.queue import Claimed

EVENT_TYPE = "csl_delivery"
PASSING = frozenset({"ratelimited", "rate_limited", "request_timeout", "team_added_to_org", "accesslimited"})
"""Refusals that pass; the message was not taken."""
UNSURE = frozenset({"fatal_error", "internal_error", "service_unavailable"})
"""Slack's own faults: "it's possible some aspect of the operation succeeded" (docs.slack.dev, chat.postMessage)."""
SETUP = frozenset({"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope"})
"""Nothing will go through until a person mends the app's installation."""
SKEW = timedelta(minutes=2)
"""Slack's clock against ours, when looking for a message since an attempt."""
PAGES = 10
PAGE = 200


class SlackSender:
    """Posts deliveries; remembers only which channel a person's direct messages go to."""

    def __init__(self, *, base_url: str, token: str, timeout: float) -> None:
        self._base_url = base_url if base_url.endswith("/") else base_url + "/"
        self._token = token
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None
        self._channels: dict[str, str] = {}

    async def send(self, claimed: Claimed, message: Any) -> Sent:
        """Raises NotSent."""
        channel = await self._channel_of(claimed.recipient)
        identity = str(claimed.delivery_id)
        payload = {"delivery_id": identity, "rule": claimed.rule}
        payload |= {k: str(v) for k in ("client_id", "case_id") if (v := getattr(claimed, k)) is not None}
        answer = await self._call(
            "chat_postMessage",
            posting=True,
            channel=channel,
            text=fallback(message),
            blocks=blocks(message, identity),
            metadata={"event_type": EVENT_TYPE, "event_payload": payload},
            unfurl_links=False,
            unfurl_media=False,
        )
        return Sent({"channel": str(answer["channel"]), "ts": str(answer["ts"])})

    async def find(self, claimed: Claimed) -> Sent | None:
        """The message of an earlier attempt, if it arrived: by our id in its metadata."""
        channel = await self._channel_of(claimed.recipient)
        if channel.startswith("#"):
            return await self._find_in(await self._resolve(channel), claimed)
        return await self._find_in(channel, claimed)

    async def _find_in(self, channel: str, claimed: Claimed) -> Sent | None:
        oldest = _stamp(claimed.first_attempt_at - SKEW)
        cursor: str | None = None
        for _ in range(PAGES):
            page = await self._call(
                "conversations_history",
                channel=channel,
                oldest=oldest,
                limit=PAGE,
                cursor=cursor,
                include_all_metadata=True,
            )
            for found in page["messages"]:
                payload = (found.get("metadata") or {}).get("event_payload") or {}
                if payload.get("delivery_id") == str(claimed.delivery_id):
                    return Sent({"channel": channel, "ts": str(found["ts"])}, found=True)
            cursor = (page.get("response_metadata") or {}).get("next_cursor") or None
            if cursor is None:
                return None
        return None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _channel_of(self, recipient: str) -> str:
        """A person's direct-message channel by their address; a channel as it is named."""
        if recipient.startswith("#") or "@" not in recipient:
            return recipient
        if recipient not in self._channels:
            user = await self._call("users_lookupByEmail", email=recipient)
            opened = await self._call("conversations_open", users=str(user["user"]["id"]))
            self._channels[recipient] = str(opened["channel"]["id"])
        return self._channels[recipient]

    async def _resolve(self, name: str) -> str:
        """History wants a channel's id, posting takes its name too: the id is in the list of channels."""
        if name not in self._channels:
            cursor: str | None = None
            for _ in range(PAGES):
                page = await self._call("conversations_list", limit=PAGE, cursor=cursor, exclude_archived=True)
                for channel in page["channels"]:
                    self._channels["#" + str(channel["name"])] = str(channel["id"])
                cursor = (page.get("response_metadata") or {}).get("next_cursor") or None
                if name in self._channels or cursor is None:
                    break
        return self._channels.get(name, name)

    async def _call(self, method: str, *, posting: bool = False, **arguments: Any) -> Any:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._timeout))
        # No retry handlers: the SDK's would post again after a lost connection, without looking.
        slack = AsyncWebClient(
            token=self._token,
            base_url=self._base_url,
            timeout=int(self._timeout),
            session=self._session,
            retry_handlers=[],
        )
        try:
            return await getattr(slack, method)(**arguments)
        except SlackApiError as error:
            raise refused(error, posting=posting) from error
        except aiohttp.ClientConnectorError as error:
            raise NotSent(f"Slack cannot be reached: {error}", target_down=True) from error
        except (TimeoutError, aiohttp.ClientError, SlackClientError, ValueError) as error:
            reason = f"Slack did not answer: {type(error).__name__}: {error}"
            raise NotSent(reason, uncertain=posting, target_down=True) from error


def refused(error: SlackApiError, *, posting: bool) -> NotSent:
    """What Slack's refusal means for the delivery."""
    response = error.response
    status = int(getattr(response, "status_code", 0) or 0)
    headers = getattr(response, "headers", None) or {}
    data = getattr(response, "data", None)
    code = str(data.get("error") or "") if isinstance(data, dict) else ""
    if status == 429 or code in PASSING:
        after = headers.get("Retry-After") or headers.get("retry-after")
        seconds = float(after) if after and str(after).isdigit() else None
        return NotSent(f"Slack asks for patience ({code or status})", target_down=True, retry_after=seconds)
    if status >= 500 or code in UNSURE or not code:
        return NotSent(f"Slack failed: {code or status}", uncertain=posting, target_down=True)
    hint = "; mend the Slack app, then retry the delivery" if code in SETUP else ""
    details = _details(data)
    return NotSent(f"Slack refused: {code}{details}{hint}", permanent=True)


def _details(data: Any) -> str:
    if not isinstance(data, dict):
        return ""
    needed = data.get("needed")
    messages = (data.get("response_metadata") or {}).get("messages") or []
    return f" (needs {needed})" if needed else f" {messages}" if messages else ""


def _stamp(at: datetime) -> str:
    return f"{at.timestamp():.6f}"


class _At(SlackClock):
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def now(self) -> float:
        return self._seconds


def signed_by_slack(secret: str, *, body: bytes, timestamp: str | None, signature: str | None, now: datetime) -> bool:
    """Slack's v0 signature over the raw bytes, not older than five minutes (the SDK's own check, on our clock)."""
    if timestamp is None or not timestamp.isascii() or not timestamp.isdigit():
        return False
    try:
        return SignatureVerifier(secret, _At(now.timestamp())).is_valid(body, timestamp, signature)
    except (UnicodeDecodeError, TypeError):
        return False


def delivery_of(value: Any) -> UUID | None:
    """The delivery id that a button carries."""
    try:
        return UUID(str(value))
    except ValueError:
        return None
