"""JMESPath over strangers' JSON (jmespath.org): compiled once, and it never raises.

An expression that does not fit a body (the length of nothing, a sum over words) finds nothing there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jmespath
from jmespath import functions
from jmespath.exceptions import JMESPathError

from ingest.sources import bodies
from ingest.sources.segment import slug

Find = Callable[[Any], Any]
_MISFITS = (JMESPathError, TypeError, ValueError, ArithmeticError, AttributeError, LookupError, RecursionError)
"""What jmespath raises where types do not fit; beside its own errors it lets Python's through."""


class WrongPath(Exception):  # noqa: N818  (a finding about a configuration)
    """No JMESPath, or one that calls what is not there."""


class _Functions(functions.Functions):
    """JMESPath's own functions, and the few that mappings need beside them."""

    @functions.signature({"types": ["number"]}, {"types": ["number"]})
    def _func_multiply(self, one: float, other: float) -> float:
        return one * other

    @functions.signature({"types": ["string"]})
    def _func_lower(self, text: str) -> str:
        return text.lower()

    @functions.signature({"types": ["string"]})
    def _func_slug(self, text: str) -> str:
        """`Report Exported` → `report_exported`."""
        return slug(text)

    @functions.signature({"types": ["string"]})
    def _func_person_id(self, email: str) -> str:
        """The contact id of somebody known by an address alone, so that the address itself stays out of ids."""
        return bodies.person_id(email)


_OPTIONS = jmespath.Options(custom_functions=_Functions())
_KNOWN: Mapping[str, Any] = _Functions.FUNCTION_TABLE


def compiled(text: object) -> Find:
    """What finds the value in a body; None for nothing. Raises WrongPath."""
    if isinstance(text, bool):
        raise WrongPath(f"YAML reads this word as {str(text).lower()}: put it in quotes")
    if not isinstance(text, str) or not text.strip():
        raise WrongPath(f"expected a JMESPath, not {text!r}")
    try:
        parsed = jmespath.compile(text)
    except JMESPathError as error:
        raise WrongPath(f"{text!r} is no JMESPath: {str(error).splitlines()[0]}") from error
    _check_functions(parsed.parsed)
    names = _plain(parsed.parsed)
    if names is not None:
        return _walker(names)

    def find(body: Any) -> Any:
        try:
            return parsed.search(body, options=_OPTIONS)
        except _MISFITS:
            return None

    return find


def _check_functions(node: Mapping[str, Any]) -> None:
    """jmespath would say so at the first event only."""
    if node["type"] == "function_expression":
        known = _KNOWN.get(node["value"])
        if known is None:
            raise WrongPath(f"there is no function {node['value']}(); there are {', '.join(sorted(_KNOWN))}")
        wanted, given = len(known["signature"]), len(node["children"])
        variadic = bool(known["signature"]) and known["signature"][-1].get("variadic")
        if given < wanted or (given > wanted and not variadic):
            raise WrongPath(f"{node['value']}() takes {wanted} arguments, not {given}")
    for child in node["children"]:
        if isinstance(child, dict):
            _check_functions(child)


def _plain(node: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The names of `a.b.c`, which most rules are and which need no interpreter."""
    if node["type"] == "field":
        return (node["value"],)
    if node["type"] != "subexpression":
        return None
    parts = [_plain(child) for child in node["children"]]
    return tuple(name for part in parts if part for name in part) if all(parts) else None


def _walker(names: tuple[str, ...]) -> Find:
    def find(body: Any) -> Any:
        for name in names:
            if not isinstance(body, dict):
                return None
            body = body.get(name)
        return body

    return find


def holds(value: Any) -> bool:
    """JMESPath's truth: 0 is true, what is empty is not."""
    return value is not None and value is not False and value != "" and value != [] and value != {}
