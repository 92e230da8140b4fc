"""XGBoost behind two words: `train` makes a model from a table, `RiskModel` speaks about clients in bulk.

Importing it takes a second (XGBoost brings scikit-learn), so the service does that only when there is a model.
Deterministic: the same table on the same machine gives the same bytes (fixed seed and threads, recorded versions).
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xgboost

from churn.adapters import calibration
from churn.adapters.calibration import Calibration, Floats
from churn.adapters.stored_model import BadModelError, StoredModel
from churn.domain.features import BY_NAME, NAMES
from churn.domain.reasons import CODES

SEED = 20_260
THREADS = 1
"""OpenMP threads that wait for each other spin; beside a running stack one thread is quicker than two."""
ROUNDS = 160
PARAMETERS: dict[str, Any] = {
    "objective": "binary:logistic",
    "tree_method": "hist",
    "max_depth": 4,
    "eta": 0.06,
    "subsample": 0.8,
    "colsample_bytree": 0.6,
    "min_child_weight": 6,
    "lambda": 4.0,
    "seed": SEED,
    "nthread": THREADS,
}
"""No class re-weighting: it would bend probabilities."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """One row a client: probability, and what each reason code adds to the margin (log-odds) beside `base`."""

    probability: Floats
    groups: Floats
    base: Floats


@dataclass(frozen=True)
class RiskModel:
    """A model ready to speak."""

    booster: xgboost.Booster
    calibrate: Calibration
    features: tuple[str, ...]
    _columns: list[int] = field(init=False, repr=False)
    _grouping: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_columns", [NAMES.index(name) for name in self.features])
        grouping = np.zeros((len(self.features), len(CODES)))
        for row, name in enumerate(self.features):
            grouping[row, CODES.index(BY_NAME[name].reason)] = 1.0
        object.__setattr__(self, "_grouping", grouping)

    def predict(self, rows: Sequence[Sequence[float]] | Floats) -> Prediction:
        """Risk of many clients at once; columns in the order of `features.NAMES`."""
        matrix = np.asarray(rows, dtype=np.float64)[:, self._columns]
        contributions = np.asarray(
            self.booster.predict(_dmatrix(matrix, self.features), pred_contribs=True), dtype=np.float64
        )
        # The margin is the sum of the contributions, so the groups add up to what the probability is made of.
        groups, base = contributions[:, :-1] @ self._grouping, contributions[:, -1]
        return Prediction(self.calibrate(contributions.sum(axis=1)), groups, base)


def train(rows: Floats, left: Floats, features: Sequence[str] = NAMES) -> xgboost.Booster:
    """Fit trees to rows (columns as `features`) and what became of the clients (1 left, 0 stayed)."""
    share = float(np.clip(left.mean(), 1e-4, 1 - 1e-4))
    constraints = "(" + ",".join(str(BY_NAME[name].direction) for name in features) + ")"
    parameters = {**PARAMETERS, "monotone_constraints": constraints, "base_score": share}
    return xgboost.train(parameters, _dmatrix(rows, features, left), num_boost_round=ROUNDS)


def margins(booster: xgboost.Booster, rows: Floats, features: Sequence[str] = NAMES) -> Floats:
    """Log-odds before calibration."""
    return np.asarray(booster.predict(_dmatrix(rows, features), output_margin=True), dtype=np.float64)


def pack(booster: xgboost.Booster, calibrated: Calibration, features: Sequence[str] = NAMES) -> StoredModel:
    """The model as the registry keeps it."""
    content = bytes(booster.save_raw("ubj"))
    return StoredModel(content, hashlib.sha256(content).hexdigest(), tuple(features), calibrated.to_json(), libraries())


def unpack(stored: StoredModel) -> RiskModel:
    """Raises BadModelError: not the bytes that were stored, or made for other features or newer libraries."""
    if hashlib.sha256(stored.content).hexdigest() != stored.sha256:
        raise BadModelError("the stored bytes do not have their sha256")
    unknown = [name for name in stored.features if name not in BY_NAME]
    if unknown:
        raise BadModelError(f"made for features that this release does not compute: {', '.join(unknown)}")
    made_with, here = stored.libraries.get("xgboost", "0"), xgboost.__version__
    if _major(made_with) > _major(here):
        raise BadModelError(f"made with xgboost {made_with}; here is {here}")
    booster = xgboost.Booster({"nthread": THREADS})
    try:
        booster.load_model(bytearray(stored.content))
        calibrated = calibration.from_json(stored.calibration)
    except (xgboost.core.XGBoostError, ValueError, KeyError, TypeError) as error:
        raise BadModelError(f"the bytes are no model: {error}") from error
    if booster.num_features() != len(stored.features):
        raise BadModelError(f"the model has {booster.num_features()} columns, its record {len(stored.features)}")
    return RiskModel(booster, calibrated, stored.features)


def libraries() -> dict[str, str]:
    """What a model depends on beside its bytes."""
    return {"xgboost": xgboost.__version__, "numpy": np.__version__, "python": platform.python_version()}


def _dmatrix(rows: Floats, features: Sequence[str], left: Floats | None = None) -> xgboost.DMatrix:
    return xgboost.DMatrix(rows, label=left, feature_names=list(features), missing=np.nan, nthread=THREADS)


def _major(version: str) -> int:
    return int(version.split(".")[0])
