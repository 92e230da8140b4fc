"""Field types that event bodies share. Numbers and booleans are strict: `"5"` is not 5, and 1 is not true.

Strings are bounded and free of NUL, which PostgreSQL cannot store.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict

from common.contracts.base import Money, UtcDatetime, iso_text_only

_NO_NUL = r"^[^\x00]*$"

Identifier = Annotated[str, Field(min_length=1, max_length=300, pattern=_NO_NUL)]
"""An id or a short code, as its source writes it."""
Name = Annotated[str, Field(min_length=1, max_length=500, pattern=_NO_NUL)]
Text = Annotated[str, Field(max_length=5000, pattern=_NO_NUL)]
"""A sentence or a few, of ours or a program's; words of client people stay in ingest."""
Email = Annotated[str, Field(max_length=320, pattern=r"^[^@\s\x00]+@[^@\s\x00]+$", examples=["maya@ours.example"])]

Integer = Annotated[int, Strict()]
Count = Annotated[int, Strict(), Field(ge=0, le=2**53)]
Number = Annotated[float, Strict(), Field(ge=-(2**53), le=2**53, allow_inf_nan=False)]
Quantity = Annotated[float, Strict(), Field(ge=0, le=2**53, allow_inf_nan=False)]
Fraction = Annotated[float, Strict(), Field(ge=0, le=1, allow_inf_nan=False)]
Score = Annotated[float, Strict(), Field(ge=0, le=100, allow_inf_nan=False, examples=[71.5])]
"""0–100, higher is healthier; a multiple of 1/16, so that sums and differences are exact."""
Boolean = Annotated[bool, Strict()]
Day = Annotated[date, BeforeValidator(iso_text_only)]
"""A calendar day, `YYYY-MM-DD`."""


def _midnight(value: object) -> object:
    """A bare day stands for its first instant in UTC."""
    return f"{value}T00:00:00Z" if isinstance(value, str) and len(value) == len("2026-03-02") else value


Bound = Annotated[UtcDatetime, BeforeValidator(_midnight)]
"""Start or end of a period: a moment, or a day that stands for its first instant in UTC."""

ContactId = Annotated[Identifier, Field(examples=["hubspot-contact-1251"])]
"""A contact of the client, as ingest knows it."""
Person = Annotated[Identifier, Field(examples=["hubspot-contact-1251", "maya@ours.example"])]
"""A contact id for one of theirs, an e-mail address for one of ours."""
TextRef = Annotated[Identifier, Field(examples=["0198c0de-7b1e-7c44-9f0e-3f1f2a6d9b10"])]
"""Where ingest keeps the words; nobody else has them."""


class Value(BaseModel):
    """Root of the small objects inside event bodies; as tolerant to additions as the bodies themselves."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)


Json = dict[str, Any]
"""A JSON object whose shape belongs to whoever wrote it."""

__all__ = [
    "UUID",
    "Boolean",
    "Bound",
    "ContactId",
    "Count",
    "Day",
    "Email",
    "Fraction",
    "Identifier",
    "Integer",
    "Json",
    "Money",
    "Name",
    "Number",
    "Person",
    "Quantity",
    "Score",
    "Text",
    "TextRef",
    "UtcDatetime",
    "Value",
]
