"""YAML as people write it: read once, no key twice. What is wrong is told with its line."""

from __future__ import annotations

from typing import Any

import yaml
from common.errors import Refused

Path = tuple[int | str, ...]


def read(text: str, name: str) -> tuple[yaml.Node | None, Any]:
    """The tree, for the lines of later errors, and the value. Raises Refused."""
    try:
        loader = yaml.SafeLoader(text)
        tree = loader.get_single_node()
        _no_key_twice(tree, name, set())
        return tree, None if tree is None else loader.construct_document(tree)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a number or a day that is none
        raise Refused(f"{name}: not readable as YAML: {error}", field="definition") from error
    except RecursionError as error:
        raise Refused(f"{name}: not readable as YAML: nested too deeply", field="definition") from error


def refused(name: str, tree: yaml.Node | None, path: Path, rule: str) -> Refused:
    """The rule that is broken at a path, with file and line."""
    where = ".".join(str(part) for part in path)
    return Refused(f"{name}, line {_line(tree, path)}: {where}: {rule}", field=where or "definition")


def _no_key_twice(node: yaml.Node | None, name: str, seen: set[int]) -> None:
    """YAML keeps the last of two: a block that was pasted and not renamed would be lost in silence."""
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _no_key_twice(item, name, seen)
    if isinstance(node, yaml.MappingNode):
        keys = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in keys:
                    line = key.start_mark.line + 1
                    raise Refused(f"{name}, line {line}: {key.value!r} is written twice", field="definition")
                keys.add(key.value)
            _no_key_twice(value, name, seen)


def _line(node: yaml.Node | None, path: Path) -> int:
    """The line of the deepest part of the path that is there."""
    line = 1
    for part in path:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line
