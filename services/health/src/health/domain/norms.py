"""What is usual: the mean of every fact that is shrunk, over all clients and by segment, as they are today.

Each client counts once, with its plain figure (nothing shrunk). The result is what `prior` and `priors` of a model say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from health.domain.facts import At
from health.domain.model import PRIOR, Model, Signal
from health.domain.state import ClientState

_WEIGHTS = ("weight", "shrink")


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
    _seen: dict[tuple[str, str | None], list[int]] = field(default_factory=dict)
    """(signal, segment; None: all) → [sum, clients]."""

    def take(self, state: ClientState, at: At) -> None:
        """One client at a moment."""
        self.clients += 1
        segment = state.profile.get("segment")
        for signal in _shrunk(self.model):
            plain = {**signal.params, **dict.fromkeys(signal.params.keys() & set(_WEIGHTS), 0)}
            measure = signal.fact.measure(state, at, plain)
            if measure is not None:
                for key in {(signal.name, None), (signal.name, segment)}:
                    seen = self._seen.setdefault(key, [0, 0])
                    seen[0] += measure.value
                    seen[1] += 1

    def told(self, least: int) -> list[Norm]:
        """In the order of the model; means of fewer than `least` clients are left out."""
        return [self._norm(signal, component.name, least) for component in self.model.components
                for signal in component.signals if PRIOR in signal.fact.params]  # fmt: skip

    def _norm(self, signal: Signal, component: str, least: int) -> Norm:
        scale = signal.fact.scale
        usual = {
            segment: Usual(round(total / count / scale, len(str(scale)) - 1 or 1), count)
            for (name, segment), (total, count) in self._seen.items()
            if name == signal.name and count >= least
        }
        return Norm(
            component,
            signal.name,
            signal.params[PRIOR] / scale,
            {segment: prior / scale for segment, prior in signal.priors.items()},
            usual.get(None),
            {segment: usual[segment] for segment in sorted(usual.keys() - {None}, key=str) if segment is not None},
        )


def _shrunk(model: Model) -> Sequence[Signal]:
    return [signal for signal in model.signals if PRIOR in signal.fact.params]
