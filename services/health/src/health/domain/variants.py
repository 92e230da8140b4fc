"""A model for a segment and a tier: other weights where the model says so, and what is usual among such clients.

The signals, their order and their curves stay the same, so that any evaluation of a version reads alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from common.contracts.errors import Refused

from health.domain.journey import segment_key
from health.domain.model import PER_CENT, PRIOR, Component, Model, Signal, Weights


def serving(model: Model, profile: Mapping[str, Any]) -> Model:
    """The model with the weights and priors of such a client; the model itself where it names neither."""
    if model.variant is not None:
        return model
    key = (profile.get("segment"), profile.get("tier"))
    known = model.variants.get(key)
    if known is None:
        segments, tiers = _named(model)
        segment = None if key[0] is None else segments.get(segment_key(key[0]))
        tier = key[1] if key[1] in tiers else None
        known = model.variants.get((segment, tier)) or _made(model, segment, tier)
        model.variants[(segment, tier)] = known
        if len(model.variants) < MOST_CACHED:
            model.variants[key] = known
    return known


MOST_CACHED = 1000
"""Segments are free words: a client list with a segment a client must not fill the memory."""


def of_name(model: Model, variant: str | None) -> Model:
    """The variant that an evaluation was made with, by its name."""
    if variant is None:
        return model
    segment, _, tier = variant.rpartition("/")
    return serving(model, {"segment": segment or None, "tier": tier or None})


def name_of(segment: str | None, tier: str | None) -> str:
    """`smb/core`, `smb/`, `/core`."""
    return f"{segment or ''}/{tier or ''}"


def check(model: Model) -> None:
    """Raises Refused with the rule that an entry of `weights` breaks."""
    seen = set()
    for nth, weights in enumerate(model.weights):
        place = f"weights.{nth}"
        whom = (None if weights.segment is None else segment_key(weights.segment), weights.tier)
        if whom == (None, None):
            raise Refused("say for which segment or tier these weights are", field=f"{place}.for")
        if whom in seen:
            raise Refused("the same clients have weights twice", field=f"{place}.for")
        seen.add(whom)
        _known(weights.components, [c.name for c in model.components], f"{place}.components")
        _known(weights.signals, [c.name for c in model.components], f"{place}.signals")
        for component in model.components:
            signals = weights.signals.get(component.name, {})
            _known(signals, [s.name for s in component.signals], f"{place}.signals.{component.name}")
            if signals:
                _sums([s.weight for s in _weighed(component, weights).signals], f"{place}.signals.{component.name}")
        _sums([_weighed(component, weights).weight for component in model.components], f"{place}.components")


def _known(given: Mapping[str, object], names: Sequence[str], place: str) -> None:
    if unknown := sorted(given.keys() - set(names)):
        raise Refused(f"there is no {unknown[0]}; there are {', '.join(names)}", field=f"{place}.{unknown[0]}")


def _sums(weights: Sequence[int], place: str) -> None:
    if sum(weights) != PER_CENT:
        raise Refused(f"with the others the weights sum to {sum(weights)}, not to 100", field=place)


def _named(model: Model) -> tuple[dict[str, str], set[str]]:
    """Segments (by `segment_key`: as the model first spells them) and tiers that make a difference to it."""
    segments = [weights.segment for weights in model.weights if weights.segment is not None]
    segments += [segment for signal in model.signals for segment in signal.priors]
    spelled = {segment_key(segment): segment for segment in reversed(segments)}
    return spelled, {weights.tier for weights in model.weights if weights.tier is not None}


def _made(model: Model, segment: str | None, tier: str | None) -> Model:
    weights = _most_specific(model.weights, segment, tier)
    components = tuple(_usual(_weighed(component, weights), segment) for component in model.components)
    if components == model.components:
        return model
    return replace(model, components=components, variant=name_of(segment, tier))


def _most_specific(every: Sequence[Weights], segment: str | None, tier: str | None) -> Weights | None:
    """Both before the segment alone, the segment before the tier alone. One entry counts, they do not add up."""
    fitting = [w for w in every if _same(w.segment, segment) and w.tier in (None, tier)]
    return max(fitting, key=lambda w: (w.segment is not None, w.tier is not None), default=None)


def _same(named: str | None, segment: str | None) -> bool:
    """Whether what is for a segment (None: for any) is for this one."""
    return named is None or (segment is not None and segment_key(named) == segment_key(segment))


def _weighed(component: Component, weights: Weights | None) -> Component:
    if weights is None:
        return component
    own = weights.signals.get(component.name, {})
    signals = tuple(replace(s, weight=own[s.name]) if s.name in own else s for s in component.signals)
    return replace(component, weight=weights.components.get(component.name, component.weight), signals=signals)


def _usual(component: Component, segment: str | None) -> Component:
    return replace(component, signals=tuple(_shrunk(signal, segment) for signal in component.signals))


def _shrunk(signal: Signal, segment: str | None) -> Signal:
    usual = next((prior for named, prior in signal.priors.items() if segment and _same(named, segment)), None)
    return signal if usual is None else replace(signal, params={**signal.params, PRIOR: usual})
