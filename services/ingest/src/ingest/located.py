"""Where in a YAML file something is wrong: file, line and rule, for whoever wrote it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import yaml

At = tuple[str | int, ...]
"""The way to a part of the file: keys and positions."""


class WrongFile(ValueError):  # noqa: N818  (a finding about a file)
    """A configuration file with faults, each told as `name:line: rule: what is wrong`."""

    def __init__(self, name: str, text: str, faults: Iterable[tuple[At, str]]) -> None:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        super().__init__("\n".join(sorted({f"{name}:{_line(root, at)}: {_rule(at)}{why}" for at, why in faults})))


class Faults(Exception):  # noqa: N818  (findings, gathered so that all are told at once)
    """What is wrong in a configuration, by place. No ValueError: pydantic would swallow the places."""

    def __init__(self, found: Sequence[tuple[At, str]]) -> None:
        super().__init__("; ".join(f"{_rule(at)}{why}" for at, why in found))
        self.found = tuple(found)


def read(name: str, text: str) -> dict[str, Any]:
    """The file as one mapping. A key written twice is a fault: YAML would drop the first without a word.

    Raises WrongFile.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        twice = [(at, "is written twice") for at in _doubled(root, ())]
        value = yaml.safe_load(text) or {}
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ValueError(f"{name}:{line}: {error.problem}") from error
    if twice:
        raise WrongFile(name, text, twice)
    if not isinstance(value, dict):
        raise WrongFile(name, text, [((), "expected keys and values")])
    return value


def _doubled(node: yaml.Node | None, at: At) -> Iterator[At]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            here = (*at, str(key.value))
            if key.value in seen and key.value != "<<":
                yield here
            seen.add(str(key.value))
            yield from _doubled(value, here)
    elif isinstance(node, yaml.SequenceNode):
        for nth, item in enumerate(node.value):
            yield from _doubled(item, (*at, nth))


def _line(node: yaml.Node | None, at: At) -> int:
    """The line of the deepest part of the way that stands in the file; of a key written twice the last."""
    line = node.start_mark.line if node else 0
    for part in at:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(part)]
            if found:
                line, node = found[-1][0].start_mark.line, found[-1][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
    return line + 1


def _rule(at: At) -> str:
    told = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in at).lstrip(".")
    return f"{told}: " if told else ""
