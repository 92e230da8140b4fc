"""Enough of PromQL to say which metrics, and which of their labels, an expression names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.architecture.source import ROOT

WORDS = {
    "and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring", "group_left", "group_right",
    "inf", "nan", "e", "start", "end", "atan2",
}  # fmt: skip
STRING = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`")
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)")
RANGE = re.compile(r"\[[^\]]*\]")
TOKEN = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*|\d[\w.]*|\{[^{}]*\}")
MATCHER = re.compile(r"([a-zA-Z_][a-zA-Z0-9_]*)\s*(?:=~|!~|!=|=)")


@dataclass(frozen=True)
class Use:
    """A metric that an expression names, with the labels it selects by."""

    metric: str
    labels: frozenset[str]


def uses(expression: str) -> Iterator[Use]:
    """Every metric in an expression; functions, keywords and label lists are not metrics."""
    text = GROUPING.sub(" ", RANGE.sub(" ", STRING.sub("''", expression)))
    text = re.sub(r"\$\{?\w+(?::\w+)?\}?", " ", text)
    position = 0
    while position < len(text):
        found = TOKEN.search(text, position)
        if found is None:
            return
        position = found.end()
        word = found.group()
        if word[0].isdigit() or word[0] == "{" or word.lower() in WORDS:
            continue
        if text[position:].lstrip().startswith("("):
            continue
        selector = re.match(r"\s*\{([^{}]*)\}", text[position:])
        yield Use(word, frozenset(MATCHER.findall(selector[1])) if selector else frozenset())


def groupings(expression: str) -> set[str]:
    """Labels named in `by (…)` and its kin."""
    found = GROUPING.findall(STRING.sub("''", expression))
    return {label.strip() for labels in found for label in labels.split(",") if label.strip()}


def expressions() -> dict[str, list[str]]:
    """Every PromQL expression under deploy/, by file."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "deploy" / "grafana").rglob("*.json")):
        found[_name(path)] = [*_in_dashboard(json.loads(path.read_text(encoding="utf-8")))]
    for path in sorted((ROOT / "deploy" / "prometheus").rglob("*.y*ml")):
        found[_name(path)] = [*_in_rules(yaml.safe_load(path.read_text(encoding="utf-8")) or {})]
    return found


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _in_dashboard(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in {"expr", "query"} and isinstance(value, str):
                variable = re.fullmatch(r"label_values\((.+),\s*\w+\)", value)
                yield variable[1] if variable else value
            else:
                yield from _in_dashboard(value)
    elif isinstance(node, list):
        for item in node:
            yield from _in_dashboard(item)


def _in_rules(document: Any) -> Iterator[str]:
    for group in document.get("groups", []):
        for rule in group["rules"]:
            yield rule["expr"]
