"""Jira's two ways of writing: Atlassian Document Format (JSON) and wiki markup."""

from __future__ import annotations

import re
from typing import Any

from ingest.sources import bodies

MAX_CHARS = 20_000
NOT_SAID = frozenset({"codeBlock", "blockquote", "inlineCard", "blockCard", "media", "mediaSingle", "mediaGroup"})
"""Quotes, code and cards are not the writer's words."""
BLOCKS = frozenset({"paragraph", "heading", "listItem", "tableRow", "hardBreak", "rule", "panel"})
_MACRO = re.compile(r"\{(code|noformat|quote)(?::[^{}\n]{0,200})?\}")
_MARKS = re.compile(
    r"\{[a-z]+(?::[^{}\n]{0,200})?\}|^\s*(?:h[1-6]|bq)\.\s|![^!\n]{1,200}!|\[~[^\]\n]{1,100}\]", re.MULTILINE
)
_LINK = re.compile(r"\[([^|\]\n]{1,300})\|[^\]\n]{1,2000}\]")


def words(value: Any) -> str | None:
    """What a description or comment says, without quotes and code; None for nothing."""
    found = _document(value) if isinstance(value, dict) else _wiki(bodies.text(value) or "")
    return found.strip() or None


def _document(root: dict[str, Any]) -> str:
    """Walks without recursion, in reading order: strangers nest as deep as they like."""
    parts: list[str] = []
    stack: list[Any] = [root]
    while stack:
        node = stack.pop()
        if isinstance(node, str):
            parts.append(node)
        if not isinstance(node, dict) or str(node.get("type")) in NOT_SAID:
            continue
        text = node.get("text") if isinstance(node.get("text"), str) else bodies.mapping(node.get("attrs")).get("text")
        if isinstance(text, str):
            parts.append(text)
        if str(node.get("type")) in BLOCKS:
            stack.append("\n")
        children = node.get("content")
        stack += reversed(children) if isinstance(children, list) else []
    return "".join(parts)[:MAX_CHARS]


def _wiki(text: str) -> str:
    """`{code}`, `{noformat}` and `{quote}` open and close with the same word; what stands between is left out."""
    kept: list[str] = []
    pieces = _MACRO.split(text[:MAX_CHARS])
    inside: str | None = None
    for place, piece in enumerate(pieces):
        if place % 2:
            inside = piece if inside is None else None if piece == inside else inside
        elif inside is None:
            kept.append(piece)
    return _MARKS.sub(" ", _LINK.sub(r"\1", "\n".join(kept)))
