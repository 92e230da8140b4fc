"""The short page that `loop up` ends with."""

from __future__ import annotations

from loopctl import business_time, playing
from loopctl.stack import Stack


def front_page(stack: Stack, started: list[str], seconds: float) -> str:
    """What runs, what to open, what to type next."""
    loop = _command(stack)
    lines = [
        "",
        f"The loop runs ({'started ' + ', '.join(started) if started else 'all of it ran already'}, {seconds:.0f} s).",
        "",
        f"  Messages people would get   {stack.url('catcher')}/",
        f"  APIs (OpenAPI)              {stack.url('ingest')}/docs … {stack.url('notify')}/docs",
        f"  Business time               {_time(stack)}",
        "",
        f"  {loop('portfolio'):<44}clients by MRR at risk",
        f"  {loop('send hubspot FILE'):<44}post a webhook, signed as the vendor signs",
        f"  {loop('token --scope health:read'):<44}a bearer token for the APIs",
        f"  {loop('doctor'):<44}what is wrong, and what to do",
        f"  {loop('down'):<44}stop it all; data stays in {stack.folder}",
    ]
    state = playing.state(stack).get("state")
    if "demo" in started or (state == playing.PLAYING and playing.should_play(stack)):
        lines += ["", f"  The demo portfolio plays: {loop('logs demo -f')} tells its story as it happens."]
    return "\n".join(lines)


def _time(stack: Stack) -> str:
    lag = business_time.lag(stack)
    if not lag:
        return "wall time"
    course = business_time.read(stack)
    scale = f"{course.scale:g}" if course else "1"
    return f"{business_time.now(stack):%Y-%m-%d %H:%M} UTC, {lag.days} days behind, running {scale} times as fast"


def _command(stack: Stack) -> _Command:
    return _Command(stack)


class _Command:
    """`.venv/bin/loop …`, with --data where this is not the default stack."""

    def __init__(self, stack: Stack) -> None:
        from pathlib import Path

        self._data = "" if stack.folder == (Path.cwd() / ".loop") else f" --data {stack.folder}"

    def __call__(self, arguments: str) -> str:
        return f".venv/bin/loop {arguments}{self._data}"
