"""Columns of a training table: of features worked out from events, or of a table that a team brings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """One number about a client at a moment; NaN where it is not known.

    `direction` says where the domain is sure: +1 more of it raises risk, −1 lowers it, 0 nobody claims to know.
    Contributions of the columns of one `reason` are told together.
    """

    name: str
    reason: str
    direction: int = 0
