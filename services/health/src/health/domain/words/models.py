"""Sentences about everything at once: another model, the first score, none any more."""

from __future__ import annotations

from typing import TypeAlias

from health.domain.evaluate import Evaluation
from health.domain.journey import Template
from health.domain.model import Model
from health.domain.moments import DAY
from health.domain.words.sight import listed, written

Serving: TypeAlias = tuple[Model, Template]


def first_known(result: Evaluation, today: int) -> str:
    """The first score of a client: no signal made it alone."""
    scores = zip(result.model.components, result.component_scores(), strict=True)
    names = [component.name for component, score in scores if score is not None]
    return f"nothing was known before {written(result.now // DAY, today)}; the first score rests on {listed(names)}"


def nothing_left(now: int, today: int) -> str:
    return f"nothing is known any more since {written(now // DAY, today)}"


def changed_model(before: Serving, after: Serving, now: int, today: int) -> str:
    """Another model, version, set of weights or journey map, and since when."""
    (old, map_before), (new, map_now) = before, after
    since = f"since {written(now // DAY, today)}"
    if old.name != new.name:
        handed_off = "handed off from onboarding: " if old.serves.onboarding and not new.serves.onboarding else ""
        return f"{handed_off}model {new.name} v{new.version} instead of {old.name} v{old.version} {since}"
    if old.version != new.version:
        return f"model {new.name} v{new.version} instead of {old.name} v{old.version} {since}"
    if old != new:
        whose = f"of {new.variant.strip('/')}" if new.variant else "of every segment and tier"
        return f"model {new.name} v{new.version} with the weights {whose} {since}"
    if map_before.name != map_now.name:
        return f"journey map {map_now.name} instead of {map_before.name} {since}"
    return f"journey map {map_now.name} v{map_now.version} instead of v{map_before.version} {since}"


def reweighed(today: int) -> str:
    """What figures add that are the same at both ends: they did not move, their weight did."""
    return "figures that stayed the same weigh more or less, as others came or went"
