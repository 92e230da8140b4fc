"""Pressing a button of a caught Slack message: the signed request that Slack would send to our app."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx

from loopctl.catcher.slack_ids import TEAM_ID, slack_id
from loopctl.catcher.store import CLOCK, Caught, Store

ANSWER_WITHIN = 3.0
"""Seconds that Slack waits for an app (docs.slack.dev, "Handling user interaction")."""


def signature(secret: str, timestamp: str, body: str) -> str:
    """Slack's v0 signature (docs.slack.dev, "Verifying requests from Slack")."""
    return "v0=" + hmac.new(secret.encode(), f"v0:{timestamp}:{body}".encode(), hashlib.sha256).hexdigest()


def interaction(caught: Caught, action: dict[str, Any], ts: str) -> dict[str, Any]:
    """A `block_actions` payload, as far as apps read it."""
    person = caught.inbox if "@" in caught.inbox else "someone@example.com"
    user = {"id": slack_id("U", person), "username": person.split("@")[0], "team_id": TEAM_ID}
    return {
        "type": "block_actions",
        "team": {"id": TEAM_ID},
        "user": user,
        "container": {
            "type": "message",
            "message_ts": caught.body["ts"],
            "channel_id": caught.body["channel"],
        },
        "channel": {"id": caught.body["channel"]},
        "message": {
            "ts": caught.body["ts"],
            "text": caught.body["text"],
            "metadata": caught.body.get("metadata"),
        },
        "actions": [{**action, "action_ts": ts, "type": "button"}],
    }


@dataclass
class Presser:
    store: Store
    url: str
    secret: str

    async def press(self, caught: Caught, action_id: str) -> int:
        """The app's HTTP status; 0 when it does not answer."""
        buttons = [b for block in caught.body.get("blocks", []) for b in block.get("elements", [])]
        action = next((b for b in buttons if b.get("action_id") == action_id), None)
        if action is None:
            return 404
        stamp = f"{CLOCK.wall().timestamp():.6f}"
        body = urlencode({"payload": json.dumps(interaction(caught, action, stamp))})
        seconds = stamp.partition(".")[0]
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Slack-Request-Timestamp": seconds,
            "X-Slack-Signature": signature(self.secret, seconds, body),
        }
        try:
            async with httpx.AsyncClient(timeout=ANSWER_WITHIN) as client:
                answer = await client.post(self.url, content=body, headers=headers)
        except httpx.HTTPError:
            return 0
        if answer.is_success:
            self.store.press(caught.id, action_id)
        return answer.status_code
