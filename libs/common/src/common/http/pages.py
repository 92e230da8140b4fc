"""Lists: `{"items": [...], "next": cursor or null}` with `limit`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, Any, Generic, TypeVar

import orjson
from fastapi import Query
from pydantic import BaseModel

from common.errors import Refused

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=500, description="Items per page.")]
Cursor = Annotated[str | None, Query(max_length=1000, description="`next` of the page before.")]


class Page(BaseModel, Generic[T]):
    """One page of a list; `next` is null on the last."""

    items: list[T]
    next: str | None = None


def encode_cursor(position: Mapping[str, Any]) -> str:
    """An opaque cursor of JSON-ready values (UUIDs and datetimes too)."""
    return base64.urlsafe_b64encode(orjson.dumps(dict(position), default=str)).decode().rstrip("=")


def decode_cursor(cursor: str, *fields: str) -> dict[str, Any]:
    """The position in a cursor; Refused when it is not one of ours with exactly these fields."""
    try:
        value = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError) as error:
        raise Refused("not a cursor of this list", field="cursor") from error
    if not isinstance(value, dict) or (fields and set(value) != set(fields)):
        raise Refused("not a cursor of this list", field="cursor")
    if any(isinstance(part, str) and "\x00" in part for part in value.values()):  # PostgreSQL knows no NUL
        raise Refused("not a cursor of this list", field="cursor")
    return value
