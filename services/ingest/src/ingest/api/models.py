"""Bodies that several routes answer with."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class Accepted(BaseModel):
    """Durable: what was new, and what had been here before."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"accepted": 3, "duplicates": 0}]})

    accepted: int = Field(ge=0)
    duplicates: int = Field(ge=0)


class RefOut(BaseModel):
    """A client's name in an outside system."""

    source: str = Field(min_length=1, max_length=300, pattern=r"^[^\x00]*$")
    kind: str = Field(min_length=1, max_length=300, pattern=r"^[^\x00]*$")
    id: str = Field(min_length=1, max_length=300, pattern=r"^[^\x00]*$")


class LinkedRef(RefOut):
    """With who linked it."""

    linked_at: datetime
    linked_by: str


class ClientOut(BaseModel):
    """A client as ingest knows it: its profile as last said, and its names elsewhere."""

    client_id: UUID
    created_at: datetime
    profile: dict[str, Any]
    refs: list[LinkedRef]
    contacts: int
    live_since: dict[str, datetime]
    """Since when each source speaks of it live."""
    merged_into: UUID | None = None
    """The client that it goes on under, where it was merged: its refs are there."""
    absorbed: list[UUID] = []
    """Clients that were merged into this one."""


class PersonOut(BaseModel):
    """A contact."""

    contact_id: str
    name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    role: str = "user"
    left: bool = False


class ClientDetail(ClientOut):
    """With its people."""

    people: list[PersonOut]
