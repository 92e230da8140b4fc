"""Bends real bodies, and tells what becomes of them."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st
from ingest.domain.arrival import Arrival, Item
from ingest.domain.plan import Circumstance, Fate, Plan

NOW = datetime(2026, 7, 1, tzinfo=UTC)


def bend(draw: st.DrawFn, whole: Any) -> Any:
    """The value with one to four of its parts dropped, retyped, nested or doubled."""
    value = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, 4))):
        found = [spot for spot in spots(value) if spot]
        if not found:
            break
        *path, last = draw(st.sampled_from(found))
        parent = value
        for key in path:
            parent = parent[key]
        match draw(st.sampled_from(["drop", "odd", "nest", "double"])):
            case "drop":
                del parent[last]
            case "odd":
                parent[last] = copy.deepcopy(draw(ODD))
            case "nest":
                parent[last] = [{"value": parent[last]}]
            case _ if isinstance(parent, list):
                parent.append(copy.deepcopy(parent[last]))
            case _:
                parent[f"{last}2"] = parent[last]
    return value


def fate_of(arrival: Arrival, item: Item, plan: Plan) -> str:
    """What the committer does, without its database."""
    if item.ignored is not None:
        return "ignored"
    if item.broken is not None:
        return "quarantined"
    fates = []
    for nth, statement in enumerate(item.statements):
        how: Circumstance = arrival.circumstance(item, nth, statement, arrival.received_at.date())
        fates.append(plan.take(statement, how))
    return "parked" if Fate.PARKED in fates else "mapped"


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=2**53, max_value=2**80),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.sampled_from(["x" * 5000, "\x00\ud800", "9" * 30, "9999-12-31T23:59:59+14:00", "²"]),
    st.sampled_from([-(10**15), 10**18]),
    st.sampled_from([[], {}, [[]], {"id": {"id": None}}]),
)


def spots(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(spot for key, child in children for spot in spots(child, (*path, key)))]
