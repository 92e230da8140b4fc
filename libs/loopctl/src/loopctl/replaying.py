"""`loop replay`: old webhooks through today's mapping; a summary, then only what differs is published."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from loopctl.api import Api, reason
from loopctl.console import say
from loopctl.errors import WrongUsage
from loopctl.stack import Stack

SCOPES = ("ingest:read", "ingest:write")
LOOK_EVERY = 0.5
TELL_EVERY = 5.0
UNDER_WAY = ("previewing", "publishing")
DIFFERENT = ("new", "corrected", "withdrawn")
LEFT = {
    "unchanged": "say what they said",
    "parked": "wait for their client",
    "refused": "contradict what is known, and are left as they are",
    "erased": "are of erased clients or people, and stay away",
    "unreadable": "cannot be read",
    "failed": "could not be stored, and are left as they are",
    "readable": "webhooks of the quarantine can be read now",
}
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be read again."""

    source: str
    since: datetime
    until: datetime | None = None
    readings: bool = True
    dry_run: bool = False


def run(stack: Stack, wish: Wish, *, agreed: Callable[[str], bool], quiet: bool) -> dict[str, Any]:
    """The replay as it stands in the end: a dry run, and what follows if `agreed` (told of the summary) says so.

    Raises WrongUsage for an unknown source or no span of time, Problem when ingest does not answer.
    """
    api = Api(stack, "ingest", SCOPES)
    body = {
        "source": wish.source,
        "since": wish.since.isoformat(),
        "until": wish.until.isoformat() if wish.until else None,
        "readings": wish.readings,
        "dry_run": True,
    }
    answer = api.call("POST", "/v1/replays", json=body)
    if answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
        raise WrongUsage(f"ingest does not replay this: {reason(answer)}")
    asked = api.good(answer).json()
    found = _wait(api, asked["id"], quiet)
    if wish.dry_run or not differs(found) or not agreed(summary(found)):
        return found
    api.good(api.call("POST", f"/v1/replays/{found['id']}/publish"))
    return _wait(api, found["id"], quiet)


def differs(replay: dict[str, Any]) -> bool:
    """Whether there is anything to publish."""
    counts = replay["counts"]
    return any(counts.get(name) for name in (*DIFFERENT, "parked", "readable"))


def summary(replay: dict[str, Any]) -> str:
    """For people."""
    counts, done = replay["counts"], replay["state"] == "done"
    span = f"from {replay['since']} to {replay['until']}"
    read = f"{counts.get('bodies', 0)} webhooks of {replay['source']}"
    lines = [f"{read} {span} hold {counts.get('events', 0)} events."]
    for kind in DIFFERENT:
        if counts.get(kind):
            types = ", ".join(f"{count} {name}" for name, count in sorted(replay["types"].get(kind, {}).items()))
            lines.append(f"  {counts[kind]} {kind}: {types}")
    lines += [f"  {counts[name]} {words}" for name, words in LEFT.items() if counts.get(name)]
    for sample in replay["samples"][:SHOWN]:
        lines.append(f"  e.g. {sample['what']} {sample['type']} of {sample['time']}, client {sample['client_id']}")
        lines += [f"       {side}: {sample[side]}" for side in ("before", "after") if sample[side] is not None]
    if not differs(replay):
        lines.append("Today's mapping says what was said: there is nothing to publish.")
    elif done:
        lines.append("Published.")
    return "\n".join(lines)


def _wait(api: Api, replay_id: str, quiet: bool) -> dict[str, Any]:
    told = time.monotonic()
    while True:
        found: dict[str, Any] = api.get(f"/v1/replays/{replay_id}")
        if found["state"] not in UNDER_WAY:
            return found
        if not quiet and time.monotonic() - told >= TELL_EVERY:
            told = time.monotonic()
            say(f"  {found['state']}: {found['counts'].get('bodies', 0)} webhooks read")
        time.sleep(LOOK_EVERY)
