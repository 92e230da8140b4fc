"""One field of a map: where its value stands, and what is done with it before our event takes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError

from ingest.config import Settled
from ingest.located import At
from ingest.sources.mapped import amounts, paths
from ingest.sources.mapped.amounts import Misfit
from ingest.sources.mapped.forms import ANY, NUMBER, TEXT, Form, Shape, Writing, absent, fitted, shape_of

S = TypeVar("S", bound=Settled)
Read = Callable[[Any], Any]
"""Body → value as the field needs it; None: absent. Raises Misfit."""


class Wrong(Exception):  # noqa: N818  (a finding about a configuration)
    """A rule that cannot hold, and where it stands."""

    def __init__(self, at: At, reason: str) -> None:
        super().__init__(reason)
        self.at, self.reason = at, reason


class Constant(Settled):
    """`{is: nps}`."""

    value: Any = Field(alias="is")


class Taken(Settled):
    """`{path: a.b, map: {…}}`."""

    path: str
    map: dict[str, Any] | None = None
    """Their word → ours; case does not matter. A word that is not in it is a misfit, unless `else` says what it is."""
    otherwise: Any = Field(None, alias="else")
    default: Any = None
    """Where nothing is found."""
    split: str | None = None
    """Of lists in one text: what stands between the items."""
    convert: str | None = None
    """`seconds to hours`."""
    times: float | None = None


class Per(Settled):
    """The period that an amount is for; it becomes an amount per month."""

    unit: Any
    every: Any = None


class Sum(Settled):
    """`{money: a.total, currency: a.currency}`."""

    money: Any
    currency: Any
    unit: Literal["minor", "major", "hundredths"] = "minor"
    per: Per | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """What compiling needs to know beside the rule itself."""

    at: At
    writing: Writing

    def inside(self, *parts: str | int) -> Place:
        return replace(self, at=(*self.at, *parts))


def compiled(rule: Any, shape: Shape, place: Place) -> Read:
    """Raises Wrong."""
    if shape.form is Form.CLOSED:
        raise Wrong(place.at, "is not for a map to fill; words go under `text`")
    if isinstance(rule, list):
        return _first([compiled(part, shape, place.inside(nth)) for nth, part in enumerate(rule)])
    if shape.form is Form.OBJECT:
        return _object(rule, shape, place)
    if shape.form is Form.MONEY:
        return _money(rule, place)
    if isinstance(rule, Mapping) and "is" in rule:
        return _constant(_checked(Constant, rule, place).value, shape, place)
    if isinstance(rule, Mapping):
        return _taken(_checked(Taken, rule, place), shape, place)
    find, writing = found(rule, place), place.writing

    def read(body: Any) -> Any:
        value = find(body)
        return None if absent(value) else fitted(value, shape, writing)

    return read


def found(path: Any, place: Place) -> paths.Find:
    """A JMESPath. Raises Wrong."""
    try:
        return paths.compiled(path)
    except paths.WrongPath as wrong:
        raise Wrong(place.at, str(wrong)) from wrong


def names(rule: Any) -> tuple[str, ...]:
    """The fields of a body that a compiled rule reads its value from."""
    parts = rule if isinstance(rule, list) else [rule]
    read = [part.get("path") if isinstance(part, Mapping) else part for part in parts]
    return tuple(dict.fromkeys(name for path in read if isinstance(path, str) for name in paths.names(path)))


def _checked(model: type[S], rule: Any, place: Place) -> S:
    try:
        return model.model_validate(rule)
    except ValidationError as invalid:
        error = invalid.errors(include_url=False, include_input=False)[0]
        raise Wrong((*place.at, *error["loc"]), error["msg"]) from invalid


def _first(reads: Sequence[Read]) -> Read:
    """The first of several places where anything stands."""

    def read(body: Any) -> Any:
        return next((value for each in reads if (value := each(body)) is not None), None)

    return read


def _constant(value: Any, shape: Shape, place: Place) -> Read:
    ready = _fitting(value, shape, place)
    return lambda _body: ready


def _fitting(value: Any, shape: Shape, place: Place) -> Any:
    """A value that stands in the file itself."""
    if value is None:
        return None
    try:
        return fitted(value, shape, Writing())
    except Misfit as misfit:
        raise Wrong(place.at, str(misfit)) from misfit


def _taken(rule: Taken, shape: Shape, place: Place) -> Read:
    find, writing = found(rule.path, place.inside("path")), place.writing
    default = _fitting(rule.default, shape, place.inside("default"))
    change = _steps(rule, shape, place)

    def read(body: Any) -> Any:
        value = find(body)
        if absent(value):
            return default
        for step in change:
            value = step(value)
            if value is None:
                return None
        return fitted(value, shape, writing)

    return read


def _steps(rule: Taken, shape: Shape, place: Place) -> list[Callable[[Any], Any]]:
    steps: list[Callable[[Any], Any]] = []
    if rule.split is not None:
        steps.append(_splitter(rule.split, shape, place))
    if rule.map is not None:
        steps.append(_translator(rule, shape, place))
    elif "otherwise" in rule.model_fields_set:
        raise Wrong(place.inside("else").at, "says what a word outside `map` means, and there is no `map`")
    factor = _factor(rule, place)
    if factor is not None:
        if shape.form not in {Form.WHOLE, Form.NUMBER, Form.ANY}:
            raise Wrong(place.at, f"only numbers can be converted, not a {shape.form}")
        steps.append(_multiplier(factor, shape, place.writing))
    return steps


def _splitter(separator: str, shape: Shape, place: Place) -> Callable[[Any], Any]:
    if shape.form is not Form.LIST or not separator:
        raise Wrong(place.inside("split").at, f"only a list is split, not a {shape.form}")

    def split(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return [part.strip() for part in value.split(separator) if part.strip()] or None

    return split


def _translator(rule: Taken, shape: Shape, place: Place) -> Callable[[Any], Any]:
    item = shape.item if shape.item is not None else shape
    assert rule.map is not None  # noqa: S101  (asked by the caller; for the type checker)
    words = {
        str(theirs).strip().lower(): _fitting(ours, item, place.inside("map", str(theirs)))
        for theirs, ours in rule.map.items()
    }
    if len(words) != len(rule.map):
        raise Wrong(place.inside("map").at, "two of its words differ by case only")
    strict = "otherwise" not in rule.model_fields_set
    other = _fitting(rule.otherwise, item, place.inside("else"))

    def word(value: Any) -> Any:
        said = str(value).strip().lower() if isinstance(value, str | int | float) else None
        if said in words:
            return words[said]
        if strict:
            raise Misfit(f"{str(value)[:60]!r} is not in its map")
        return other

    def translate(value: Any) -> Any:
        if not isinstance(value, list):
            return word(value)
        return [found for part in value if (found := word(part)) is not None] or None

    return translate


def _factor(rule: Taken, place: Place) -> Decimal | None:
    if rule.convert is None:
        return None if rule.times is None else Decimal(str(rule.times))
    units = rule.convert.split(" to ")
    if rule.times is not None or len(units) != 2 or not set(units) <= amounts.SECONDS.keys():
        known = ", ".join(amounts.SECONDS)
        raise Wrong(
            place.inside("convert").at, f"write `seconds to hours`; there are {known} (and no `times` beside it)"
        )
    return amounts.SECONDS[units[0]] / amounts.SECONDS[units[1]]


def _multiplier(factor: Decimal, shape: Shape, writing: Writing) -> Callable[[Any], Any]:
    def multiply(value: Any) -> float | int:
        number = writing.figures.read(value) * factor
        return int(number.to_integral_value(ROUND_FLOOR)) if shape.form is Form.WHOLE else float(number)

    return multiply


def _object(rule: Any, shape: Shape, place: Place) -> Read:
    """An object of several fields; without one that it must have it is absent."""
    assert shape.model is not None  # noqa: S101  (an object has a model; for the type checker)
    fields = shape.model.model_fields
    if not isinstance(rule, Mapping):
        raise Wrong(place.at, f"expected its fields: {', '.join(fields)}")
    unknown = [name for name in rule if name not in fields]
    if unknown:
        raise Wrong(place.inside(unknown[0]).at, f"there is no such field; there are {', '.join(fields)}")
    needed = [name for name, field in fields.items() if field.is_required()]
    if missing := [name for name in needed if name not in rule]:
        raise Wrong(place.at, f"{', '.join(missing)} must be there")
    reads = {name: compiled(part, shape_of(fields[name].annotation), place.inside(name)) for name, part in rule.items()}

    def read(body: Any) -> Any:
        values = {name: value for name, each in reads.items() if (value := each(body)) is not None}
        return values if all(name in values for name in needed) else None

    return read


def _money(rule: Any, place: Place) -> Read:
    if not isinstance(rule, Mapping) or "money" not in rule:
        raise Wrong(place.at, "money is written {money: PATH, currency: PATH or {is: USD}, unit: minor or major}")
    told = _checked(Sum, rule, place)
    amount = compiled(told.money, ANY, place.inside("money"))
    currency = compiled(told.currency, TEXT, place.inside("currency"))
    months = _months(told.per, place.inside("per")) if told.per else None
    figures = place.writing.figures

    def read(body: Any) -> Any:
        value = amount(body)
        if value is None:
            return None
        factor = months(body) if months else Decimal(1)
        return amounts.money(value, currency(body), told.unit, figures, factor)

    return read


def _months(per: Per, place: Place) -> Callable[[Any], Decimal]:
    """How many of its periods a month has."""
    unit = compiled(per.unit, TEXT, place.inside("unit"))
    every = compiled(per.every, NUMBER, place.inside("every")) if per.every is not None else None

    def read(body: Any) -> Decimal:
        word, count = unit(body), every(body) if every else 1
        periods = amounts.PER_MONTH.get((word or "").lower().removesuffix("s"))
        if periods is None or not count or not 0 < count < 10_000:
            raise Misfit(f"{count} {word} is no period")
        return periods / Decimal(str(count))

    return read
