"""A model as the registry keeps it, and what may be wrong with one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MODEL = "xgboost"


class BadModelError(ValueError):
    """A stored model cannot be trusted or not be used: wrong checksum, another release's features, broken bytes."""


@dataclass(frozen=True)
class StoredModel:
    """What the registry keeps of a model."""

    content: bytes
    sha256: str
    features: tuple[str, ...]
    calibration: Mapping[str, Any]
    libraries: Mapping[str, str]
    kind: str = MODEL
    """Of the scorer that the bytes make: see adapters.scorers."""
