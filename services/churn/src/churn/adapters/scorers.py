"""What a model is made of: something that gives rows of a table their log-odds, and says what each column adds.

XGBoost's trees, a straight line (logistic regression), and the mean of both. Importing XGBoost takes a second, so the
service does that only when there is a model. Deterministic: the same rows on the same machine give the same bytes.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import orjson
import xgboost
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from churn.adapters.stored_model import BadModelError
from churn.domain.columns import Column

Floats = NDArray[np.float64]
SEED = 20_260
THREADS = 1
"""Threads that wait for each other spin (OpenMP, BLAS): beside a running stack one thread is quicker than two."""


class Scorer(Protocol):
    """Log-odds of rows; columns in the order it was fitted to."""

    @property
    def kind(self) -> str:
        """What `load` is to be told."""

    def margins(self, rows: Floats) -> Floats:
        """One log-odds a row."""

    def contributions(self, rows: Floats) -> Floats:
        """What each column adds, then the base: (rows, columns + 1); a row sums to its margin."""

    def content(self) -> bytes:
        """What `load` makes the same scorer from."""


@dataclass(frozen=True)
class Trees:
    """Gradient-boosted trees (Chen & Guestrin, KDD 2016); contributions are their SHAP values (Lundberg 2018)."""

    booster: xgboost.Booster
    kind: str = "xgboost"

    def margins(self, rows: Floats) -> Floats:
        return np.asarray(self.booster.predict(_matrix(rows), output_margin=True), dtype=np.float64)

    def contributions(self, rows: Floats) -> Floats:
        return np.asarray(self.booster.predict(_matrix(rows), pred_contribs=True), dtype=np.float64)

    def content(self) -> bytes:
        return bytes(self.booster.save_raw("ubj"))

    @classmethod
    def load(cls, content: bytes, columns: int) -> Trees:
        booster = xgboost.Booster({"nthread": THREADS})
        try:
            booster.load_model(bytearray(content))
        except (xgboost.core.XGBoostError, ValueError) as error:
            raise BadModelError(f"the bytes are no model: {error}") from error
        if booster.num_features() != columns:
            raise BadModelError(f"the model has {booster.num_features()} columns, its record {columns}")
        return cls(booster)


@dataclass(frozen=True)
class Line:
    """Logistic regression on squashed columns: x ↦ tanh((x − centre) ÷ scale), and 1 where x is missing, else 0."""

    centre: Floats
    scale: Floats
    weights: Floats
    absent: Floats
    """Weight of each column's being missing."""
    base: float
    kind: str = "logistic"

    def margins(self, rows: Floats) -> Floats:
        return np.asarray(self.contributions(rows).sum(axis=1))

    def contributions(self, rows: Floats) -> Floats:
        missing = np.isnan(rows)
        squashed = np.where(missing, 0.0, np.tanh((np.where(missing, 0.0, rows) - self.centre) / self.scale))
        added = squashed * self.weights + missing * self.absent
        return np.column_stack([added, np.full(len(rows), self.base)])

    def content(self) -> bytes:
        parts = {name: getattr(self, name).tolist() for name in _VECTORS}
        return orjson.dumps({**parts, "base": self.base})

    @classmethod
    def load(cls, content: bytes, columns: int) -> Line:
        try:
            parts = orjson.loads(content)
            vectors = {name: np.asarray(parts[name], dtype=np.float64) for name in _VECTORS}
            base = float(parts["base"])
        except (ValueError, KeyError, TypeError) as error:
            raise BadModelError(f"the bytes are no model: {error}") from error
        if any(vector.shape != (columns,) for vector in vectors.values()):
            raise BadModelError(f"the model has {len(vectors['weights'])} columns, its record {columns}")
        if not all(np.isfinite(vector).all() for vector in vectors.values()) or not np.isfinite(base):
            raise BadModelError("the bytes are no model: a weight is no number")
        return cls(vectors["centre"], vectors["scale"], vectors["weights"], vectors["absent"], base)


_VECTORS = ("centre", "scale", "weights", "absent")


@dataclass(frozen=True)
class Mean:
    """The mean of two: trees see what a line cannot, a line goes on where trees have seen nobody."""

    parts: tuple[Scorer, ...]
    kind: str = "mean"

    def margins(self, rows: Floats) -> Floats:
        return np.asarray(np.mean([part.margins(rows) for part in self.parts], axis=0))

    def contributions(self, rows: Floats) -> Floats:
        return np.asarray(np.mean([part.contributions(rows) for part in self.parts], axis=0))

    def content(self) -> bytes:
        parts = [[part.kind, base64.b64encode(part.content()).decode()] for part in self.parts]
        return orjson.dumps(parts)

    @classmethod
    def load(cls, content: bytes, columns: int) -> Mean:
        try:
            parts = [(kind, base64.b64decode(text, validate=True)) for kind, text in orjson.loads(content)]
        except (ValueError, TypeError) as error:
            raise BadModelError(f"the bytes are no model: {error}") from error
        if not parts or not all(isinstance(kind, str) for kind, _ in parts):
            raise BadModelError("the bytes are no model: a mean is made of scorers, each with its kind")
        return cls(tuple(load(kind, part, columns) for kind, part in parts))


_KINDS: dict[str, Callable[[bytes, int], Scorer]] = {"xgboost": Trees.load, "logistic": Line.load, "mean": Mean.load}


def load(kind: str, content: bytes, columns: int) -> Scorer:
    """Raises BadModelError for bytes that are not such a model of so many columns."""
    if kind not in _KINDS:
        raise BadModelError(f"this release does not know models of kind {kind!r}")
    return _KINDS[kind](content, columns)


@dataclass(frozen=True, slots=True)
class TreeSettings:
    """What the search may change. Classes are never re-weighted: it would bend probabilities."""

    depth: int = 3
    rounds: int = 160
    eta: float = 0.06
    least_weight: float = 6
    ridge: float = 4.0

    def parameters(self) -> dict[str, Any]:
        return {
            "objective": "binary:logistic",
            "tree_method": "hist",
            "max_depth": self.depth,
            "eta": self.eta,
            "subsample": 0.8,
            "colsample_bytree": 0.6,
            "min_child_weight": self.least_weight,
            "lambda": self.ridge,
            "seed": SEED,
        }


def fit_trees(
    rows: Floats, left: Floats, columns: Sequence[Column], settings: TreeSettings, threads: int = THREADS
) -> Trees:
    """Trees on rows and what became of the clients (1 left, 0 stayed), monotone where the domain is sure."""
    share = float(np.clip(left.mean(), 1e-4, 1 - 1e-4))
    constraints = "(" + ",".join(str(column.direction) for column in columns) + ")"
    parameters = {
        **settings.parameters(), "nthread": threads, "monotone_constraints": constraints, "base_score": share
    }  # fmt: skip
    return Trees(xgboost.train(parameters, _matrix(rows, left), num_boost_round=settings.rounds))


def fit_line(rows: Floats, left: Floats, *, strength: float = 0.1) -> Line:
    """A line on squashed columns; `strength` is scikit-learn's C (smaller holds weights back more)."""
    from sklearn.linear_model import LogisticRegression

    missing = np.isnan(rows)
    centre, scale = _spread(rows, missing)
    squashed = np.where(missing, 0.0, np.tanh((np.where(missing, 0.0, rows) - centre) / scale))
    design = np.column_stack([squashed, missing.astype(np.float64)])
    with threadpool_limits(THREADS):
        found = LogisticRegression(C=strength, max_iter=2_000).fit(design, left)
    weights, absent = np.split(found.coef_[0], 2)
    return Line(centre, scale, weights, absent, float(found.intercept_[0]))


def fit_plain(rows: Floats, left: Floats) -> Callable[[Floats], Floats]:
    """What anybody would try first: logistic regression of scikit-learn as it comes, on standardised columns with
    medians where something is missing. Gives log-odds of rows."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    known = ~np.isnan(rows).all(axis=0)
    found = make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression(max_iter=2_000))
    with threadpool_limits(THREADS):
        found.fit(rows[:, known], left)
    return lambda others: np.asarray(found.decision_function(others[:, known]))


def _spread(rows: Floats, missing: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Median and twice the mean distance from it, of what is known of each column."""
    centre, scale = np.zeros(rows.shape[1]), np.ones(rows.shape[1])
    for column in range(rows.shape[1]):
        known = rows[~missing[:, column], column]
        if known.size:
            centre[column] = np.median(known)
            scale[column] = 2 * float(np.abs(known - centre[column]).mean()) or 1.0
    return centre, scale


def _matrix(rows: Floats, left: Floats | None = None) -> xgboost.DMatrix:
    return xgboost.DMatrix(rows, label=left, missing=np.nan, nthread=THREADS)
