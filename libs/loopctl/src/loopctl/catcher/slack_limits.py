"""Block Kit's limits: what Slack would refuse is refused here (docs.slack.dev/reference/block-kit/blocks)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

BLOCKS = 50
HEADER = 150
SECTION = 3000
FIELDS = 10
FIELD = 2000
CONTEXT_ELEMENTS = 10
ACTIONS = 25
BUTTON = 75
VALUE = 2000
URL = 3000
IDENTIFIER = 255


def broken_blocks(blocks: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is wrong, in Slack's manner of speaking; empty when all is well."""
    if len(blocks) > BLOCKS:
        return [f"[ERROR] no more than {BLOCKS} items allowed [json-pointer:/blocks]"]
    wrong: list[str] = []
    for index, block in enumerate(blocks):
        check = CHECKS.get(str(block.get("type")))
        faults = check(block) if check else [f"unsupported type: {block.get('type')}"]
        wrong += [f"[ERROR] {fault} [json-pointer:/blocks/{index}]" for fault in faults]
    return wrong


def _text(value: Any, limit: int, *, kinds: tuple[str, ...] = ("plain_text", "mrkdwn")) -> list[str]:
    if not isinstance(value, Mapping) or value.get("type") not in kinds:
        return ["missing required field: text"]
    text = value.get("text")
    if not isinstance(text, str) or not text:
        return ["must be more than 0 characters"]
    return [f"must be less than {limit + 1} characters"] if len(text) > limit else []


def _header(block: Mapping[str, Any]) -> list[str]:
    return _text(block.get("text"), HEADER, kinds=("plain_text",))


def _section(block: Mapping[str, Any]) -> list[str]:
    fields = block.get("fields") or []
    if "text" not in block and not fields:
        return ["missing required field: text or fields"]
    wrong = _text(block["text"], SECTION) if "text" in block else []
    if len(fields) > FIELDS:
        wrong.append(f"no more than {FIELDS} items allowed")
    return wrong + [fault for item in fields for fault in _text(item, FIELD)]


def _context(block: Mapping[str, Any]) -> list[str]:
    elements = block.get("elements") or []
    if not 0 < len(elements) <= CONTEXT_ELEMENTS:
        return [f"between 1 and {CONTEXT_ELEMENTS} elements"]
    return [fault for item in elements if item.get("type") != "image" for fault in _text(item, SECTION)]


def _actions(block: Mapping[str, Any]) -> list[str]:
    elements = block.get("elements") or []
    if not 0 < len(elements) <= ACTIONS:
        return [f"between 1 and {ACTIONS} elements"]
    wrong: list[str] = []
    for button in elements:
        wrong += _text(button.get("text"), BUTTON, kinds=("plain_text",))
        limits = {"value": VALUE, "url": URL, "action_id": IDENTIFIER}
        wrong += [f"{name} too long" for name, limit in limits.items() if len(str(button.get(name, ""))) > limit]
    identifiers = [button.get("action_id") for button in elements if button.get("action_id")]
    if len(identifiers) != len(set(identifiers)):
        wrong.append("`action_id` already exists for another element in this block")
    return wrong


CHECKS: dict[str, Callable[[Mapping[str, Any]], list[str]]] = {
    "header": _header,
    "section": _section,
    "context": _context,
    "actions": _actions,
    "divider": lambda _: [],
}
