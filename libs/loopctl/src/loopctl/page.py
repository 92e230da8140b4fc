"""The short page that `loop up` ends with."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from loopctl import business_time, playing
from loopctl.stack import Stack

NEXT = (
    ("portfolio", "clients by MRR at risk"),
    ("send hubspot FILE", "post a webhook, signed as the vendor signs"),
    ("token --scope health:read", "a bearer token for the APIs"),
    ("status", "what runs"),
    ("doctor", "what is wrong, and what to do"),
    ("down", "stop it all; data stays"),
)


def front_page(stack: Stack, started: list[str], seconds: float) -> str:
    """What runs, what to open, what to type next."""
    data = "" if stack.folder == Path.cwd() / ".loop" else f" --data {stack.folder}"
    ran = f"started {', '.join(started)}" if started else "all of it ran already"
    lines = [
        "",
        f"The loop runs ({ran}; {seconds:.0f} s).",
        "",
        f"  Messages people would get   {stack.url('catcher')}/",
        f"  APIs (OpenAPI)              {stack.url('ingest')}/docs … {stack.url('notify')}/docs",
        f"  Business time               {_time(stack)}",
        f"  Logs, data, secrets         {stack.folder}",
        "",
        "  What to type next" + (f", each with{data}:" if data else ":"),
        *(f"    .venv/bin/loop {command:<28}{what}" for command, what in NEXT),
    ]
    if playing.should_play(stack):
        lines += ["", "  The demo portfolio plays; `.venv/bin/loop logs demo -f` tells its story as it happens."]
    return "\n".join(lines)


def _time(stack: Stack) -> str:
    lag = business_time.lag(stack)
    if not lag:
        return "wall time"
    course = business_time.read(stack)
    if course is None or course.until is not None:
        pace = "moved by the demo"
    else:
        pace = "standing still" if course.scale == 0 else f"running {course.scale:g} times as fast"
    return f"{business_time.now(stack):%Y-%m-%d %H:%M} UTC, {_behind(lag)} behind, {pace}"


def _behind(lag: timedelta) -> str:
    hours = round(lag.total_seconds() / 3600)
    return f"{hours // 24} days" if hours >= 48 else f"{hours} hours" if hours >= 2 else "less than two hours"
