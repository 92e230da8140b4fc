"""Logs for people: JSON lines become one readable line each."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

from loopctl.console import say
from loopctl.errors import WrongUsage
from loopctl.stack import Stack

NAMES = ("ingest", "health", "churn", "escalation", "notify", "catcher", "demo", "kafka", "postgres")
POLL = 0.2
FIRST = ("timestamp", "level", "event", "service", "logger", "exception")
"""Fields with a place of their own in the line; the rest follows as key=value."""


def show_log(stack: Stack, name: str, *, lines: int, follow: bool) -> None:
    """Print the end of a log, and what is added to it. Raises WrongUsage for an unknown name."""
    if name not in NAMES:
        raise WrongUsage(f"{name!r} is no part of the stack; there are {', '.join(NAMES)}")
    file = stack.logs / f"{name}.log"
    if not file.exists():
        say(f"{name} has written no log yet ({file}).")
        return
    pretty = sys.stdout.isatty()
    with file.open(errors="replace") as log:
        for line in deque(log, maxlen=lines):
            say(readable(line.rstrip("\n")) if pretty else line.rstrip("\n"))
        with contextlib.suppress(KeyboardInterrupt):
            while follow:
                line = log.readline()
                if line:
                    say(readable(line.rstrip("\n")) if pretty else line.rstrip("\n"))
                else:
                    time.sleep(POLL)
                    _back_to_start_if_cut(log, file)


def _back_to_start_if_cut(log: Any, file: Path) -> None:
    """The file was set aside at a restart: go on with the new one's beginning."""
    with contextlib.suppress(FileNotFoundError):
        if file.stat().st_size < log.tell():
            log.seek(0)


def readable(line: str) -> str:
    """`12:00:01.123 warning relay_interrupted error=…` for a JSON line; any other line as it is."""
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    if not isinstance(entry, dict) or "event" not in entry:
        return line
    rest = " ".join(f"{key}={value}" for key, value in entry.items() if key not in FIRST)
    moment = str(entry.get("timestamp", ""))[11:23]
    text = f"{moment} {entry.get('level', ''):<8}{entry['event']} {rest}".rstrip()
    return f"{text}\n{entry['exception']}" if "exception" in entry else text
