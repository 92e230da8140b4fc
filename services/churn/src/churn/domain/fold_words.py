"""What every part of the fold shares: reading words, ratings, and who of the client's people was seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from churn.domain.state import KEPT_CONTACTS, KEPT_RATINGS, State, keep, mark, see, total

Fact = Mapping[str, Any]
Step = Callable[[State, Fact, int, str], None]

TOPIC_MARKS = {
    "cancel_intent": "cancel_intent",
    "competitor": "competitor",
    "budget_down": "budget_cut",
    "budget_freeze": "budget_cut",
    "legal": "legal",
    "praise": "praise",
    "planning": "planning",
}
"""What a reading's topics are noted as."""


def read(state: State, data: Fact, at: int, event_id: str) -> None:
    """Mood and topics of what a client person wrote."""
    reading = data.get("reading")
    if not reading:
        return
    sentiment = reading.get("sentiment")
    if sentiment is not None:
        see(state, "mood")
        total(state.mood, at, round(1000 * sentiment))
    for topic in reading.get("topics") or ():
        if topic in TOPIC_MARKS:
            mark(state, TOPIC_MARKS[topic], at, event_id)


def engage(state: State, data: Fact, at: int) -> None:
    contact = data.get("contact_id")
    if contact:
        state.engaged.pop(contact, None)
        state.engaged[contact] = at
        keep(state.engaged, KEPT_CONTACTS)


def rate(state: State, kind: str, score: float, scale: tuple[float, float], at: int, event_id: str) -> None:
    low, high = scale
    if high <= low:
        return
    ratings = state.ratings.setdefault(kind, [])
    ratings.append([at, round(1000 * (score - low) / (high - low)), event_id])
    del ratings[:-KEPT_RATINGS]


def marked(kind: str, seen: str | None = None) -> Step:
    """A step that only notes that the thing happened."""

    def step(state: State, data: Fact, at: int, event_id: str) -> None:
        if seen:
            see(state, seen)
        mark(state, kind, at, event_id)

    return step
