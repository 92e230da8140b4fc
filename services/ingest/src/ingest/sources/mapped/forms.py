"""What a field of our events needs, and how a stranger's value becomes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import Enum, StrEnum
from math import isfinite
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from zoneinfo import ZoneInfo

from common.contracts.base import Money
from common.contracts.client import Reading
from pydantic import AwareDatetime, BaseModel

from ingest.domain import times
from ingest.sources import bodies
from ingest.sources.mapped.amounts import Figures, Misfit


class Form(StrEnum):
    """Kinds of field."""

    TEXT = "text"
    CODE = "code"
    """One of a few words."""
    WHOLE = "whole number"
    NUMBER = "number"
    TRUTH = "true or false"
    DAY = "day"
    MOMENT = "moment"
    MONEY = "money"
    LIST = "list"
    OBJECT = "object"
    ANY = "value"
    """As it stands."""
    CLOSED = "closed"
    """Not for a map to fill."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What one field needs."""

    form: Form
    choices: tuple[str, ...] = ()
    item: Shape | None = None
    model: type[BaseModel] | None = None


@dataclass(frozen=True, slots=True)
class Writing:
    """How texts of a source write numbers and days."""

    figures: Figures = field(default_factory=Figures)
    dates: tuple[str, ...] = ()
    """strptime formats, tried in order before ISO 8601."""
    timezone: ZoneInfo | None = None
    """Of moments without an offset; None: UTC."""


ANY, TEXT, NUMBER, MOMENT = Shape(Form.ANY), Shape(Form.TEXT), Shape(Form.NUMBER), Shape(Form.MOMENT)


def shape_of(annotation: Any) -> Shape:
    """The shape that a field's annotation asks for."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return shape_of(arguments[0])
    if origin in {Union, UnionType}:
        return shape_of(next(part for part in arguments if part is not type(None)))
    if origin is Literal:
        return Shape(Form.CODE, tuple(str(choice) for choice in arguments))
    if origin is tuple:
        return Shape(Form.LIST, item=shape_of(arguments[0]))
    return _class_shape(annotation)


def _class_shape(known: Any) -> Shape:
    plain = {str: Form.TEXT, int: Form.WHOLE, float: Form.NUMBER, bool: Form.TRUTH, date: Form.DAY,
             datetime: Form.MOMENT, AwareDatetime: Form.MOMENT, Money: Form.MONEY}  # fmt: skip
    if known in plain:
        return Shape(plain[known])
    if isinstance(known, type) and issubclass(known, Enum):
        return Shape(Form.CODE, tuple(str(choice.value) for choice in known))
    if isinstance(known, type) and issubclass(known, BaseModel) and known is not Reading:
        return Shape(Form.OBJECT, model=known)
    return Shape(Form.CLOSED)


def absent(value: Any) -> bool:
    """Vendors leave out, send null, or send nothing in quotes."""
    return value is None or (isinstance(value, str) and not value.strip()) or value == [] or value == {}


def fitted(value: Any, shape: Shape, writing: Writing) -> Any:
    """The value as the field needs it. Raises Misfit."""
    if shape.form is Form.LIST:
        items = value if isinstance(value, list) else [value]
        assert shape.item is not None  # noqa: S101  (a list has items; for the type checker)
        return [fitted(item, shape.item, writing) for item in items if not absent(item)]
    return _FIT[shape.form](value, shape, writing)


def _text(value: Any, shape: Shape, writing: Writing) -> str:
    found = bodies.text(value)
    if found is None:
        raise Misfit(f"{_shown(value)} is no text")
    return found


def _code(value: Any, shape: Shape, writing: Writing) -> str:
    found = _text(value, shape, writing)
    by_word = {choice.lower(): choice for choice in shape.choices}
    if found.lower() not in by_word:
        raise Misfit(f"{found[:60]!r} is none of {', '.join(shape.choices)}")
    return by_word[found.lower()]


def _whole(value: Any, shape: Shape, writing: Writing) -> int:
    number = writing.figures.read(value)
    if number != number.to_integral_value():
        raise Misfit(f"{_shown(value)} is no whole number")
    return int(number)


def _number(value: Any, shape: Shape, writing: Writing) -> float:
    number = float(writing.figures.read(value))
    if not isfinite(number):
        raise Misfit("is too large a number")
    return number


def _truth(value: Any, shape: Shape, writing: Writing) -> bool:
    word = str(value).strip().lower() if isinstance(value, str | int | float) else ""
    if word in {"true", "yes", "y", "1", "1.0"}:
        return True
    if word in {"false", "no", "n", "0", "0.0"}:
        return False
    raise Misfit(f"{_shown(value)} is neither true nor false")


def _day(value: Any, shape: Shape, writing: Writing) -> date:
    written = _as_written(value, writing)
    found = written.date() if written is not None else times.day(value.strip() if isinstance(value, str) else value)
    if found is None:
        raise Misfit(f"{_shown(value)} is no day")
    return found


def _moment(value: Any, shape: Shape, writing: Writing) -> datetime:
    written = _as_written(value, writing)
    if written is None and isinstance(value, str) and writing.timezone is not None:
        try:
            written = datetime.fromisoformat(value.strip())
        except ValueError:
            written = None  # no ISO text: an epoch, or nothing
    found = times.moment(value) if written is None else _in_zone(written, writing)
    if found is None:
        raise Misfit(f"{_shown(value)} is no moment")
    return found


def _as_written(value: Any, writing: Writing) -> datetime | None:
    """By the first of the source's own formats that fits; without an offset unless the format has one."""
    if isinstance(value, str):
        for form in writing.dates:
            try:
                return datetime.strptime(value.strip(), form)  # noqa: DTZ007  (its zone follows, see _in_zone)
            except ValueError:
                continue
    return None


def _in_zone(parsed: datetime, writing: Writing) -> datetime:
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=writing.timezone or UTC)
    try:
        return aware.astimezone(UTC)
    except OverflowError as error:
        raise Misfit("is outside the calendar") from error


def _as_it_is(value: Any, shape: Shape, writing: Writing) -> Any:
    return value


def _never(value: Any, shape: Shape, writing: Writing) -> Any:
    raise Misfit("cannot be filled from a single value")


_FIT: Mapping[Form, Any] = {
    Form.TEXT: _text,
    Form.CODE: _code,
    Form.WHOLE: _whole,
    Form.NUMBER: _number,
    Form.TRUTH: _truth,
    Form.DAY: _day,
    Form.MOMENT: _moment,
    Form.ANY: _as_it_is,
    Form.MONEY: _never,
    Form.OBJECT: _never,
    Form.CLOSED: _never,
}


def _shown(value: Any) -> str:
    return repr(value)[:60] if isinstance(value, str | int | float | bool) else f"a {type(value).__name__}"
