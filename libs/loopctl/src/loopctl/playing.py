"""Whether the demo portfolio is to play: `DIR/demo.json` says how far it is."""

from __future__ import annotations

import json
from typing import Any

from loopctl.files import write_json
from loopctl.stack import Stack

PLAYING, DONE, REMOVED = "playing", "done", "removed"


def state(stack: Stack) -> dict[str, Any]:
    """What the demo last wrote; empty before its first play."""
    try:
        content = json.loads((stack.folder / "demo.json").read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def record(stack: Stack, **facts: Any) -> None:
    """Remember how far the demo is (`state`: playing, done, removed)."""
    write_json(stack.folder / "demo.json", state(stack) | facts)


def should_play(stack: Stack) -> bool:
    """A new stack plays it, a stopped one goes on; not after `--no-demo`, its end, or its removal."""
    if not stack.known().get("demo", True) or stack.production:
        return False
    return bool(state(stack).get("state", PLAYING) == PLAYING)
