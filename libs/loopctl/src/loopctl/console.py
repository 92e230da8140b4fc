"""What a person sees: steps with their time, signs of life while something takes long, and one way to fail."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

SIGN_OF_LIFE = 5.0
"""Seconds after which a step that is still at work says so."""


def say(line: str = "") -> None:
    """One line to stdout, at once (a pipe or a log would otherwise get it late)."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def complain(line: str) -> None:
    """One line to stderr; red at a terminal."""
    text = f"\033[31m{line}\033[0m" if sys.stderr.isatty() else line
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


class Step:
    """One thing that is being done; `note` is what it says when it is done."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.note = "ready"
        self.waits_for = ""


@contextmanager
def step(name: str) -> Iterator[Step]:
    """Tell how long a step took, and every few seconds what it waits for."""
    current = Step(name)
    started = time.monotonic()
    done = threading.Event()

    def signs_of_life() -> None:
        while not done.wait(SIGN_OF_LIFE):
            what = f", {current.waits_for}" if current.waits_for else ""
            say(f"  {name:<12} … {time.monotonic() - started:.0f} s{what}")

    ticker = threading.Thread(target=signs_of_life, daemon=True)
    ticker.start()
    try:
        yield current
    finally:
        done.set()
        ticker.join()
    say(f"  {name:<12} {current.note} ({time.monotonic() - started:.1f} s)")
