"""JMESPath over strangers' JSON (jmespath.org): compiled once, and it never raises.

An expression that does not fit a body (the length of nothing, a sum over words) finds nothing there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jmespath
from jmespath import functions
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult

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


_FUNCTIONS = _Functions()
_OPTIONS = jmespath.Options(custom_functions=_FUNCTIONS)
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
    quick = _quick(parsed.parsed)

    def find(body: Any) -> Any:
        try:
            return quick(body)
        except _MISFITS:
            return None

    return find


def names(text: str) -> tuple[str, ...]:
    """The fields of a body that an expression begins with: `a.b || c` → a, c. Raises WrongPath."""
    compiled(text)
    return tuple(dict.fromkeys(_names(jmespath.compile(text).parsed)))


def _names(node: Mapping[str, Any]) -> Iterator[str]:
    kind, children = node["type"], node["children"]
    if kind == "field":
        yield node["value"]
    within_the_first = kind in {"subexpression", "pipe", "index_expression", "projection", "filter_projection"}
    for child in children[:1] if within_the_first else children:
        if isinstance(child, dict):
            yield from _names(child)


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


def _quick(node: Mapping[str, Any]) -> Find:
    """What most rules are made of, without jmespath's interpreter: it takes longer than all the rest of an accept."""
    kind, children = node["type"], node["children"]
    if kind == "field":
        return _field(node["value"])
    if kind == "literal":
        return _always(node["value"])
    if kind in {"subexpression", "pipe"}:
        return _chain([_quick(child) for child in children])
    if kind in {"or_expression", "and_expression"}:
        return _either(_quick(children[0]), _quick(children[1]), go_on_if=kind == "and_expression")
    if kind == "not_expression":
        return _negated(_quick(children[0]))
    if kind == "function_expression" and all(child["type"] != "expref" for child in children):
        arguments = [_quick(child) for child in children]
        return lambda body: _FUNCTIONS.call_function(node["value"], [argument(body) for argument in arguments])
    rest = ParsedResult("", dict(node))  # type: ignore[arg-type]  # its stubs keep the type of nodes to themselves
    return lambda body: rest.search(body, options=_OPTIONS)


def _always(value: Any) -> Find:
    return lambda _body: value


def _negated(inner: Find) -> Find:
    return lambda body: not holds(inner(body))


def _field(name: str) -> Find:
    return lambda body: body.get(name) if isinstance(body, dict) else None


def _chain(parts: list[Find]) -> Find:
    def find(body: Any) -> Any:
        for part in parts:
            body = part(body)
        return body

    return find


def _either(first: Find, second: Find, *, go_on_if: bool) -> Find:
    def find(body: Any) -> Any:
        value = first(body)
        return second(body) if holds(value) is go_on_if else value

    return find


def holds(value: Any) -> bool:
    """JMESPath's truth: 0 is true, what is empty is not."""
    return value is not None and value is not False and value != "" and value != [] and value != {}
