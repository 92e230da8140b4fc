"""A health model: components, their signals, the curve of each, weights and bands. Checked when built, then fixed.

Scores are integers in sixteenths of a point (`POINT`): exact in binary and in decimal, so that differences of scores
that people see sum exactly.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import lcm
from typing import TypeAlias

from common.contracts.errors import Refused

from health.domain.facts import FACTS, Fact
from health.domain.journey import segment_key

POINT = 16
TOP = 100 * POINT
PER_CENT = 100
PRIOR = "prior"
"""The setting of a fact that says what is usual; see `Fact.params`."""
WINDOW = "window"
"""The setting of a fact that says how many days it looks back."""
SCALES = (("green", "amber", "red"), ("healthy", "stable", "at_risk", "critical"))
"""Bands that belong together, best first; a model may leave some out."""

Shares: TypeAlias = tuple[tuple[int, ...], int]
"""Numerators by signal, and the common denominator: the part of the score that each signal makes up."""


@dataclass(frozen=True, slots=True)
class Curve:
    """From a fact to 0–100: linear between points, flat beyond the ends. Integers; rounding is downwards."""

    xs: tuple[int, ...]
    ys: tuple[int, ...]

    @classmethod
    def of(cls, points: Sequence[tuple[float, float]], scale: int) -> Curve:
        """`points` as people write them: (fact, score 0–100). Raises Refused for anything that is not a curve."""
        if len(points) < 2:
            raise Refused("a curve needs at least two points", field="curve")
        xs = tuple(round(x * scale) for x, _ in points)
        if any(b <= a for a, b in pairwise(xs)):
            raise Refused("the points of a curve go from left to right, each further than the last", field="curve")
        if any(not 0 <= y <= 100 for _, y in points):
            raise Refused("a curve's scores lie between 0 and 100", field="curve")
        return cls(xs, tuple(round(y * POINT) for _, y in points))

    def __call__(self, value: int) -> int:
        xs, ys = self.xs, self.ys
        nth = bisect_right(xs, value)
        if nth == 0:
            return ys[0]
        if nth == len(xs):
            return ys[-1]
        x, y = xs[nth - 1], ys[nth - 1]
        return y + (ys[nth] - y) * (value - x) // (xs[nth] - x)


@dataclass(frozen=True, slots=True)
class Signal:
    """One measured fact turned into 0–100. `weight` counts among the signals of its component."""

    name: str
    fact: Fact
    weight: int
    curve: Curve
    params: Mapping[str, int] = field(default_factory=dict)
    within_days: int | None = None
    """For facts that come at intervals (surveys, KPIs): stale when older; None: stale when its source is silent."""
    optional: bool = False
    """Many clients have none of it and are no less known for that: it counts for confidence only when there."""
    priors: Mapping[str, int] = field(default_factory=dict)
    """What is usual in a segment, in the fact's scale, where that is not `params["prior"]`."""


@dataclass(frozen=True, slots=True)
class Component:
    """A weighted group of signals; `weight` is per cent of the score."""

    name: str
    weight: int
    signals: tuple[Signal, ...]
    essential: bool = False


@dataclass(frozen=True, slots=True)
class Serves:
    """Which clients a model is for; empty means all. Of several that fit, the one with more conditions goes first."""

    engagements: frozenset[str] = frozenset()
    onboarding: bool | None = None


@dataclass(frozen=True, slots=True)
class Weights:
    """Other weights for the clients of a segment, a tier or both (None: any); per cent, by name."""

    segment: str | None
    tier: str | None
    components: Mapping[str, int]
    signals: Mapping[str, Mapping[str, int]]
    """Component → signal → weight."""


@dataclass(frozen=True)
class Model:
    """A version of a model. Immutable; results name it."""

    name: str
    version: int
    components: tuple[Component, ...]
    bands: tuple[tuple[str, int], ...]
    """Best first: (band, lowest score in sixteenths); the last begins at 0."""
    least_confidence: int
    """Per mille; a client below it is not shown in the best band."""
    serves: Serves = Serves()
    weights: tuple[Weights, ...] = ()
    variant: str | None = None
    """The segment and tier (`smb/core`) whose weights and priors these are; None: those for everybody."""
    signals: tuple[Signal, ...] = field(init=False)
    component_of: tuple[int, ...] = field(init=False)
    _shares: dict[int, Shares] = field(init=False, default_factory=dict, repr=False, compare=False)
    _confidence: dict[tuple[int, int], int] = field(init=False, default_factory=dict, repr=False, compare=False)
    variants: dict[tuple[str | None, str | None], Model] = field(
        init=False, default_factory=dict, repr=False, compare=False
    )
    """Made by `variants` when first asked for."""

    def __post_init__(self) -> None:
        _check(self)
        object.__setattr__(self, "signals", tuple(s for c in self.components for s in c.signals))
        object.__setattr__(self, "component_of", tuple(n for n, c in enumerate(self.components) for _ in c.signals))

    @property
    def best_band(self) -> str:
        return self.bands[0][0]

    def band(self, score: int) -> str:
        """By the real number: 79.99 is not 80."""
        return next(name for name, lowest in self.bands if score >= lowest)

    def rank(self, band: str) -> int:
        """0 is the best band; `unknown` and bands of other models have none (ValueError)."""
        return [name for name, _ in self.bands].index(band)

    def shares(self, present: int) -> Shares:
        """Weights when only the signals in the bit mask are there: what is absent goes to its siblings."""
        shares = self._shares.get(present)
        if shares is None:
            shares = self._shares[present] = _shares(self, present)
        return shares

    def confidence(self, present: int, fresh: int) -> int:
        """Per mille of the weight that is fresh and real (masks of signals)."""
        key = (present, fresh)
        known = self._confidence.get(key)
        if known is None:
            known = self._confidence[key] = _confidence(self, present, fresh)
        return known


def _shares(model: Model, present: int) -> Shares:
    """share = component weight × signal weight ÷ (weights present in it) ÷ (weights of components present)."""
    groups, first = [], 0
    for component in model.components:
        there = [present >> (first + n) & 1 for n in range(len(component.signals))]
        weights = [s.weight * bit for s, bit in zip(component.signals, there, strict=True)]
        groups.append((component.weight if any(weights) else 0, weights))
        first += len(component.signals)
    total = sum(weight for weight, _ in groups)
    common = lcm(*(sum(weights) or 1 for _, weights in groups))
    numerators = tuple(
        weight * signal * (common // (sum(weights) or 1)) for weight, weights in groups for signal in weights
    )
    return numerators, max(1, common * total)


def _confidence(model: Model, present: int, fresh: int) -> int:
    known, first = 0, 0
    for component in model.components:
        expected = real = 0
        for n, signal in enumerate(component.signals):
            bit = 1 << (first + n)
            if present & bit or not signal.optional:
                expected += signal.weight
                real += signal.weight if present & fresh & bit else 0
        known += component.weight * 1000 * real // expected if expected else 0
        first += len(component.signals)
    return known // PER_CENT


def _check(model: Model) -> None:
    """Raises Refused with the rule that is broken."""
    if sum(component.weight for component in model.components) != PER_CENT:
        total = sum(component.weight for component in model.components)
        raise Refused(f"the weights of the components sum to {total}, not to 100", field="components")
    names = [signal.name for component in model.components for signal in component.signals]
    if len(set(names)) != len(names):
        raise Refused("two signals have the same name", field="components")
    for component in model.components:
        if component.weight <= 0 or not component.signals:
            raise Refused("a component needs a weight above 0 and a signal", field=f"components.{component.name}")
        if any(signal.weight <= 0 for signal in component.signals):
            raise Refused("the weight of a signal is above 0", field=f"components.{component.name}.signals")
    if not any(component.essential for component in model.components):
        raise Refused("at least one component is essential: green must rest on something", field="components")
    lowest = [score for _, score in model.bands]
    if len(lowest) < 2 or lowest != sorted(lowest, reverse=True) or len(set(lowest)) != len(lowest) or lowest[-1]:
        raise Refused("bands go from the best down to 0, each lower than the last", field="bands")
    if not any([name for name, _ in model.bands] == [b for b in scale if b in dict(model.bands)] for scale in SCALES):
        scales = ", or ".join(", ".join(scale) for scale in SCALES)
        raise Refused(f"bands are those of one scale, the best first: {scales}", field="bands")
    if not 0 <= model.least_confidence <= 1000:
        raise Refused("confidence lies between 0 and 1", field="confidence")


def signal(
    name: str,
    fact: str,
    weight: int,
    curve: Sequence[tuple[float, float]],
    params: Mapping[str, float] | None = None,
    within_days: int | None = None,
    optional: bool = False,
    prior: float | None = None,
    priors: Mapping[str, float] | None = None,
) -> Signal:
    """A signal by the words of its YAML; `prior` and `priors` in the fact's own unit. Raises Refused with the word."""
    known = FACTS.get(fact)
    if known is None:
        raise Refused(f"no fact is called {fact!r}; there are {', '.join(sorted(FACTS))}", field="fact")
    settings = {**known.params, **_settings(known, params or {})}
    if (prior is not None or priors) and PRIOR not in known.params:
        raise Refused(f"the fact {fact} is counted in full: it has no prior", field="priors" if priors else "prior")
    if prior is not None:
        if params and PRIOR in params:
            raise Refused("say the prior once: `prior` in the fact's unit, not `params.prior` too", field="prior")
        settings[PRIOR] = round(prior * known.scale)
    usual = {segment: round(value * known.scale) for segment, value in (priors or {}).items()}
    if len({segment_key(segment) for segment in usual}) < len(usual):
        raise Refused("a segment has one prior, however it is spelled", field="priors")
    bent = Curve.of(curve, known.scale)
    for word, given in [("prior", prior), *(("priors", one) for one in (priors or {}).values())]:
        if given is not None:
            _near(given, bent, known.scale, word)
    return Signal(name, known, weight, bent, settings, within_days, optional, usual)


def _near(prior: float, curve: Curve, scale: int, word: str) -> None:
    """What is usual lies about where the curve bends: 70 for answers of 0 to 10 is in another unit."""
    first, last = curve.xs[0] / scale, curve.xs[-1] / scale
    if not first - (last - first) <= prior <= last + (last - first):
        rule = f"a prior is in the unit of its curve: {prior:g} is far from its points ({first:g} to {last:g})"
        raise Refused(rule, field=word)


def _settings(fact: Fact, given: Mapping[str, float]) -> dict[str, int]:
    if unknown := given.keys() - fact.params.keys():
        raise Refused(f"the fact {fact.name} has no setting {', '.join(sorted(unknown))}", field="params")
    if any(value != round(value) or value < 0 for value in given.values()):
        raise Refused("settings of facts are whole numbers, 0 or more", field="params")
    if WINDOW in given and not given[WINDOW]:
        raise Refused("a window is a day or more", field="params.window")
    if fact.most_days is not None and given.get(WINDOW, 0) > fact.most_days:
        raise Refused(f"the fact {fact.name} looks back {fact.most_days} days at most", field="params.window")
    return {key: round(value) for key, value in given.items()}


def fitting(models: Sequence[Model], *, engagement: str | None, onboarding: bool) -> list[Model]:
    """The models that such a client is served by: those with the most conditions that hold, one in a sound book."""
    ranked = [
        ((bool(m.serves.engagements) + (m.serves.onboarding is not None), bool(m.serves.engagements)), m)
        for m in models
        if (not m.serves.engagements or engagement in m.serves.engagements)
        and m.serves.onboarding in (None, onboarding)
    ]
    most = max((rank for rank, _ in ranked), default=None)
    return [model for rank, model in ranked if rank == most]


def choose(models: Sequence[Model], *, engagement: str | None, onboarding: bool) -> Model:
    """The model that serves such a client. Raises LookupError where none does."""
    found = fitting(models, engagement=engagement, onboarding=onboarding)
    if not found:
        raise LookupError("no published model serves this client")
    return found[0]
