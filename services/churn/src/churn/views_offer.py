"""What a trained model is offered with. The parts of its report that this service reads later have a form: a report
that breaks its readers would break them for as long as the model is in service."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, Self

import orjson
from common.contracts.fields import Identifier
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

SHA256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def storable(value: Any) -> Any:
    """Raises ValueError for what strict JSON or PostgreSQL does not take: NaN, NUL, half a surrogate pair, depths."""
    try:
        json.dumps(value, allow_nan=False)
        text = orjson.dumps(value)
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"cannot be stored as JSON: {error}") from error
    if b"\\u0000" in text:
        raise ValueError("cannot be stored as JSON: it holds a NUL character")
    return value


class Check(BaseModel):
    """One thing that the gate asks for."""

    name: str
    passed: bool
    text: str


class Verdict(BaseModel):
    """What the gate said."""

    passed: bool
    checks: list[Check]

    @model_validator(mode="after")
    def _as_its_checks(self) -> Self:
        if self.passed != all(check.passed for check in self.checks):
            raise ValueError("passed is not what its checks say")
        return self


class Rival(BaseModel):
    """The model in service that this one was compared with."""

    version: str


class Figure(BaseModel):
    """A figure with its interval; null where the test had nothing to count."""

    value: FiniteFloat | None
    low: FiniteFloat | None
    high: FiniteFloat | None


class Threshold(BaseModel):
    """A point of the curve over thresholds."""

    start: Annotated[FiniteFloat, Field(alias="from")]
    new_a_week: FiniteFloat | None = None
    precision: Figure
    recall: Figure


class Capacity(BaseModel):
    """A point of the curve over capacities."""

    share_of_clients: FiniteFloat
    precision: Figure
    recall: Figure


class Curves(BaseModel):
    """What `GET /v1/thresholds` reads."""

    thresholds: list[Threshold] = []
    capacity: list[Capacity] = []
    clients_a_moment: Annotated[FiniteFloat, Field(gt=0)] | None = None


class Spread(BaseModel):
    """How values fell into cells: between rising edges, and missing."""

    edges: list[FiniteFloat]
    shares: list[Annotated[FiniteFloat, Field(ge=0, le=1)]]

    @model_validator(mode="after")
    def _cells(self) -> Self:
        if len(self.shares) != len(self.edges) + 2:
            raise ValueError("shares has one value for each cell between edges, and one for missing")
        if not rising(self.edges):
            raise ValueError("edges do not rise")
        return self


class Profile(BaseModel):
    """What drift is measured against."""

    columns: dict[str, Spread]
    prediction: Spread


class Report(BaseModel):
    """The parts of a report that are read here; the others are shown as they are."""

    auc: Figure | None = None
    gate: Verdict | None = None
    in_service: Rival | None = None
    curves: Curves | None = None
    profile: Profile | None = None


def rising(values: Sequence[float]) -> bool:
    return all(one < other for one, other in pairwise(values))


def _readable(metrics: dict[str, Any]) -> dict[str, Any]:
    try:
        Report.model_validate(metrics)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    return metrics


class ModelOffer(BaseModel):
    """A trained model with what it was trained on, as `loop churn train` sends it."""

    model_config = ConfigDict(extra="forbid")

    content_base64: Annotated[str, Field(max_length=20_000_000)]
    sha256: SHA256
    features: Annotated[tuple[Identifier, ...], Field(min_length=1, max_length=500)]
    calibration: Annotated[dict[str, Any], AfterValidator(storable)]
    libraries: Annotated[dict[str, str], AfterValidator(storable)]
    trained_on: Annotated[str, Field(pattern="^(simulated|own)$")]
    fingerprint: SHA256
    horizon_days: Annotated[int, Field(ge=1, le=730)]
    metrics: Annotated[dict[str, Any], AfterValidator(storable), AfterValidator(_readable)]
    card: Annotated[str, Field(max_length=2_000_000, pattern=r"^[^\x00]*$")]
    kind: Annotated[str, Field(pattern="^(xgboost|logistic|mean)$")] = "xgboost"
