"""A model ready to speak about clients in bulk, and how it gets into the registry and out of it.

Importing this takes a second (XGBoost), so the service does that only when there is a model.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import sklearn
import xgboost

from churn.adapters import calibration, scorers
from churn.adapters.calibration import Calibration, Floats
from churn.adapters.scorers import Scorer
from churn.adapters.stored_model import BadModelError, StoredModel
from churn.domain.features import BY_NAME, NAMES
from churn.domain.reasons import CODES


@dataclass(frozen=True, slots=True)
class Prediction:
    """One row a client: probability, and what each reason code adds to the margin (log-odds) beside `base`."""

    probability: Floats
    groups: Floats
    base: Floats


@dataclass(frozen=True)
class RiskModel:
    """A model of the features of this release; `features` are those it was fitted to, in its order."""

    scorer: Scorer
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
        contributions = self.scorer.contributions(self.chosen(rows))
        # The margin is the sum of the contributions, so the groups add up to what the probability is made of.
        # Not `@`: BLAS would wake threads for a product that one is through with sooner.
        groups, base = np.einsum("rc,cg->rg", contributions[:, :-1], self._grouping), contributions[:, -1]
        return Prediction(self.calibrate(contributions.sum(axis=1)), groups, base)

    def probabilities(self, rows: Sequence[Sequence[float]] | Floats) -> Floats:
        """The same without what it is made of."""
        return self.calibrate(self.scorer.margins(self.chosen(rows)))

    def chosen(self, rows: Sequence[Sequence[float]] | Floats) -> Floats:
        """The columns that the model knows, in its order."""
        return np.asarray(rows, dtype=np.float64)[:, self._columns]


def pack(scorer: Scorer, calibrated: Calibration, features: Sequence[str]) -> StoredModel:
    """The model as the registry keeps it."""
    content = scorer.content()
    sha256 = hashlib.sha256(content).hexdigest()
    return StoredModel(content, sha256, tuple(features), calibrated.to_json(), libraries(), scorer.kind)


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
    if not stored.content:
        raise BadModelError("the bytes are no model: there are none")  # XGBoost would end the process
    scorer = scorers.load(stored.kind, stored.content, len(stored.features))
    try:
        calibrated = calibration.from_json(stored.calibration)
    except (ValueError, KeyError, TypeError) as error:
        raise BadModelError(f"the calibration is none: {error}") from error
    model = RiskModel(scorer, calibrated, stored.features)
    _heard(model)
    return model


def _heard(model: RiskModel) -> None:
    """Raises BadModelError for a model that gives no probabilities: in service it would put off everybody."""
    rows = np.array([[value] * len(NAMES) for value in (np.nan, 0.0, 1.0)])
    try:
        found, plain = model.predict(rows), model.probabilities(rows)
    except (ValueError, TypeError, IndexError, xgboost.core.XGBoostError) as error:
        raise BadModelError(f"it cannot speak of clients: {error}") from error
    for told in (found.probability, plain):
        if told.shape != (len(rows),) or not ((told >= 0) & (told <= 1)).all():
            raise BadModelError("what it says of clients are no probabilities")
    if not (np.isfinite(found.groups).all() and np.isfinite(found.base).all()):
        raise BadModelError("what it says of clients is not made of numbers")


def libraries() -> dict[str, str]:
    """What a model depends on beside its bytes."""
    return {
        "xgboost": xgboost.__version__,
        "scikit-learn": sklearn.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "threads": str(scorers.THREADS),
    }


def _major(version: str) -> int:
    """Raises BadModelError for what is no version."""
    try:
        return int(version.split(".")[0])
    except ValueError as error:
        raise BadModelError(f"{version!r} is no version of XGBoost") from error
