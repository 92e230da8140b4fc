"""Answers that a vendor needs in place of ours."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    """200 with these bytes."""

    body: bytes
    media_type: str
