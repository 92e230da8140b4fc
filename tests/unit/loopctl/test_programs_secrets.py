"""Secrets reach programs through their environment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from loopctl import programs
from loopctl.paths import SIGNING_SECRET
from loopctl.stack import Stack


def test_the_catchers_secret_is_no_argument(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments are seen by everybody on the machine, and one that begins with a dash is taken for an option."""
    stack = Stack(tmp_path / "loop", base=8100)
    known = replace(stack.secrets, slack_signing="-begins-with-a-dash")
    monkeypatch.setitem(stack.__dict__, "secrets", known)
    program = programs.catcher(stack)
    assert not [word for word in program.command if "begins-with" in word]
    assert program.environment[SIGNING_SECRET] == "-begins-with-a-dash"
