"""What is usual: the mean of every fact that is shrunk, over all clients and by segment, as they are today.

A client counts with its plain figure, by how much that weighs against a prior: n ÷ (n + weight). So one with two
tickets ever does not pull the mean of ratios as one with two hundred does. Both follow from the fact itself, which is
linear in its prior: fact(0) = figure × n ÷ (n + weight), and what a prior of 1 adds is weight ÷ (n + weight).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from health.domain.facts import At
from health.domain.journey import segment_key
from health.domain.model import PRIOR, Model, Signal
from health.domain.state import ClientState

SHRINK = "shrink"


@dataclass(frozen=True, slots=True)
class Usual:
    """The mean of so many clients, in the fact's own unit."""

    mean: float
    clients: int


@dataclass(frozen=True, slots=True)
class Norm:
    """What is usual in one signal: of all clients with a figure (None: too few), and by segment."""

    component: str
    signal: str
    prior: float
    """What the model says now."""
    priors: Mapping[str, float]
    everybody: Usual | None
    segments: Mapping[str, Usual]


@dataclass
class Norms:
    """Gathers clients, one after the other. `model` as it is for everybody."""

    model: Model
    clients: int = 0
    _seen: dict[tuple[str, str | None], list[float]] = field(default_factory=dict)
    """(signal, segment; None: all) → [sum of weighed figures, sum of weights, clients]."""

    def take(self, state: ClientState, at: At) -> None:
        """One client at a moment."""
        self.clients += 1
        segment = segment_key(state.profile.get("segment") or "") or None
        for signal in _shrunk(self.model):
            far = _far(signal)
            near, other = (signal.fact.measure(state, at, {**signal.params, PRIOR: prior}) for prior in (0, far))
            if near is not None and other is not None:
                weight = 1 - (other.value - near.value) / far
                for key in {(signal.name, None), (signal.name, segment)}:
                    seen = self._seen.setdefault(key, [0, 0, 0])
                    seen[0] += near.value
                    seen[1] += weight
                    seen[2] += 1

    def told(self, least: int) -> list[Norm]:
        """In the order of the model; means of fewer than `least` clients are left out."""
        return [self._norm(signal, component.name, least) for component in self.model.components
                for signal in component.signals if PRIOR in signal.fact.params]  # fmt: skip

    def _norm(self, signal: Signal, component: str, least: int) -> Norm:
        scale = signal.fact.scale
        usual = {
            segment: Usual(round(total / weight / scale, len(str(scale)) - 1 or 1), int(count))
            for (name, segment), (total, weight, count) in self._seen.items()
            if name == signal.name and count >= least and weight > 0
        }
        return Norm(
            component,
            signal.name,
            signal.params[PRIOR] / scale,
            {segment_key(segment): prior / scale for segment, prior in signal.priors.items()},
            usual.get(None),
            {segment: usual[segment] for segment in sorted(usual.keys() - {None}, key=str) if segment is not None},
        )


def _far(signal: Signal) -> int:
    """Another prior to measure with: as far off as the fact's own bounds allow, since facts are whole numbers."""
    scale = signal.fact.scale
    return scale if SHRINK in signal.params else 5 * scale if scale > 1 else 100


def _shrunk(model: Model) -> Sequence[Signal]:
    return [signal for signal in model.signals if PRIOR in signal.fact.params]
