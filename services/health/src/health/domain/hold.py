"""A hold: moves for the worse that one feed or one publication made, kept back until somebody decides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

WEIGHING, OPEN, RELEASED, DISCARDED, SUPERSEDED = "weighing", "open", "released", "discarded", "superseded"


@dataclass(frozen=True, slots=True)
class Hold:
    """Moves for the worse of one mover (`feed:<source>`, `definition:<id>`).

    weighing: a publication whose clients are being gone through; open: a person has to decide.
    """

    id: UUID
    mover: str
    state: str
    opened_at: datetime
    told_at: datetime | None
    moved: int
    clients: int
    percent: float
    decided_at: datetime | None = None
    decided_by: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A client's move that is held: the band as worked out, why it moved, and the components as last said."""

    client_id: UUID
    hold_id: UUID
    since: datetime
    band: str
    cause: str
    caused_by: list[UUID]
    moves: list[Any]
    components: list[Any]
