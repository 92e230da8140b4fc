"""A message as Block Kit. Whatever clients or programs wrote is data: escaped, never a link, never a mention.

Limits: docs.slack.dev/reference/block-kit/blocks (header 150 characters, section 3000, ten fields, button text 75).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from notify.domain.message import Bar, Message, number, one_line
from notify.domain.rules import Tone

SIGNS = {Tone.CRITICAL: "🔴", Tone.WARNING: "🟠", Tone.INFO: "🔵", Tone.GOOD: "🟢"}
HEADER = 150
SECTION = 3000
FIELDS = 10
FIELD = 2000
BAR = 10
"""Cells of a component's bar."""

Block = dict[str, Any]


def escape(text: str) -> str:
    """Slack's three control characters (docs.slack.dev, "Formatting message text")."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def fallback(message: Message) -> str:
    """What a phone's notification shows, and what screen readers say."""
    return escape(f"{SIGNS[message.tone]} {message.title}")


def blocks(message: Message, delivery_id: str) -> list[Block]:
    """What changed, why, what to do next, where to look; then the small print."""
    result = [_header(message)]
    result += _lines(None, message.changed)
    result += _lines("Why", message.why, bullet="•")
    result += _bars(message.bars)
    result += _lines("What speaks for them", message.against, bullet="•")
    result += _lines("Deadlines", message.deadlines, bullet="◷")
    result += _lines("What to do next", message.next, bullet="→")
    result += _fields(message)
    if message.notes:
        result.append(_context(["_" + escape(note).replace("_", " ") + "_" for note in message.notes]))
    result += _buttons(message, delivery_id)
    return result


def _header(message: Message) -> Block:
    text = one_line(f"{SIGNS[message.tone]} {message.title}", HEADER)
    return {"type": "header", "text": {"type": "plain_text", "text": text, "emoji": True}}


def _mrkdwn(text: str, limit: int = SECTION) -> Block:
    """`verbatim`: Slack shall not turn what looks like a channel or an address into a link."""
    return {"type": "mrkdwn", "text": _cut(text, limit), "verbatim": True}


def _cut(text: str, limit: int) -> str:
    """Never in the middle of an escape."""
    if len(text) <= limit:
        return text
    return text[: limit - 12].rsplit("\n", 1)[0].rsplit("&", 1)[0] + "…"


def _lines(title: str | None, lines: Sequence[str], bullet: str = "") -> list[Block]:
    if not lines:
        return []
    shown = [f"{bullet} {escape(line)}".strip() for line in lines]
    heading = [f"*{title}*"] if title else []
    return [{"type": "section", "text": _mrkdwn("\n".join(heading + shown))}]


def _bars(bars: Sequence[Bar]) -> list[Block]:
    if not bars:
        return []
    width = max(len(bar.name) for bar in bars)
    rows = [f"`{escape(bar.name.ljust(width))} {_cells(bar)}` {_reading(bar)}" for bar in bars]
    return [{"type": "section", "text": _mrkdwn("\n".join(["*Components*", *rows]))}]


def _cells(bar: Bar) -> str:
    if bar.score is None:
        return "·" * BAR
    full = round(bar.score / 100 * BAR)
    return "█" * full + "░" * (BAR - full)


def _reading(bar: Bar) -> str:
    score = "no data" if bar.score is None else number(bar.score)
    stale = "" if bar.fresh or bar.score is None else " · _stale_"
    return f"*{score}* · weight {number(bar.weight)}{stale}"


def _fields(message: Message) -> list[Block]:
    if not message.facts:
        return []
    shown = [_mrkdwn(f"*{escape(fact.label)}*\n{escape(fact.value)}", FIELD) for fact in message.facts[:FIELDS]]
    return [{"type": "divider"}, {"type": "section", "fields": shown}]


def _context(texts: Sequence[str]) -> Block:
    return {"type": "context", "elements": [_mrkdwn(text) for text in texts[:10]]}


def _buttons(message: Message, delivery_id: str) -> list[Block]:
    elements: list[Block] = []
    for nth, link in enumerate(message.links):
        button: Block = {
            "type": "button",
            "text": {"type": "plain_text", "text": link.text},
            "url": link.url,
            "action_id": f"open_{nth}",
        }
        elements.append(button | ({"style": "primary"} if nth == 0 else {}))
    elements += [
        {
            "type": "button",
            "text": {"type": "plain_text", "text": answer.text},
            "action_id": answer.action,
            "value": delivery_id,
        }
        for answer in message.buttons
    ]
    return [{"type": "actions", "block_id": "answers", "elements": elements}] if elements else []
