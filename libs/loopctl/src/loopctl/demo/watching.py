"""`loop demo` at a terminal: starts the play where there is none, and follows its story to the end."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path

from loopctl import playing, programs
from loopctl.api import Api
from loopctl.console import say
from loopctl.demo import start
from loopctl.errors import Problem
from loopctl.stack import Stack

POLL = 0.1
COLOURS = {"client": 36, "health": 33, "churn": 35, "case": 31, "message": 34, "csm": 32, "the end": 32, "import": 90}
"""ANSI colours by who speaks."""


def play_and_follow(stack: Stack, *, clients: int) -> None:
    """Raises Problem where the demo has been played, or where other clients live."""
    state = playing.state(stack).get("state")
    if state == playing.DONE:
        raise Problem(
            "The demo has been played here",
            remedy="`loop portfolio` shows its clients; after `loop demo --remove` it can be played again",
        )
    if state != playing.PLAYING:
        _need_empty(stack)
        start.prepare(stack, clients=clients)
        stack.update(demo=True)
    program = programs.demo(stack)
    from_line = 0 if state == playing.PLAYING else _lines(program.log)
    program.start()
    with contextlib.suppress(KeyboardInterrupt):
        _follow(stack, program, from_line)


def _need_empty(stack: Stack) -> None:
    """The play begins in the past, where a stack in real use cannot go."""
    known = next(Api(stack, "ingest", ["ingest:read"]).items("/v1/clients"), None)
    if known is not None:
        raise Problem(
            "This stack has clients of its own, and the demo would move its clock into the past",
            remedy="play it in a stack of its own: `loop up --data .loop-demo --ports 8300`",
        )


def _lines(log: Path) -> int:
    return log.read_text(errors="replace").count("\n") if log.exists() else 0


def _follow(stack: Stack, program: programs.Program, skip: int) -> None:
    """Print the story until its process ends. Raises Problem when it ended before the story did."""
    while not program.log.exists():
        time.sleep(POLL)
    with program.log.open(errors="replace") as log:
        for _ in range(skip):
            log.readline()
        while True:
            line = log.readline()
            if line:
                say(_coloured(line.rstrip("\n")))
            elif program.process() is None:
                break
            else:
                time.sleep(POLL)
        for line in log:
            say(_coloured(line.rstrip("\n")))
    if playing.state(stack).get("state") != playing.DONE:
        raise Problem("The demo stopped before its end", remedy="run `loop demo` again: it goes on where it was")


def _coloured(line: str) -> str:
    if not sys.stdout.isatty():
        return line
    for word, colour in COLOURS.items():
        if f"  {word} " in line or line.startswith(word):
            return f"\033[{colour}m{line}\033[0m"
    return line
