"""Moments of the past: one walk over a client's facts, evaluated wherever it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from common.contracts.base import Event

from health.domain.evaluate import Evaluation, evaluate
from health.domain.fold import apply
from health.domain.journey import Template, onboarded_before_us
from health.domain.model import Model
from health.domain.moments import DAY, seconds_of
from health.domain.state import ClientState

Choice = Callable[[ClientState], tuple[Model, Template]]
"""The model and the journey that serve a client as it was."""

WEEK = 7
MONDAY = 1


def evaluations(
    events: Iterable[Event[Any]], moments: Iterable[int], choose: Choice
) -> Iterator[tuple[ClientState, Evaluation]]:
    """The client at each moment (ascending seconds); none before its first fact. `events` in order, effective."""
    state = ClientState()
    waiting = iter(events)
    upcoming = next(waiting, None)
    for moment in moments:
        while upcoming is not None and seconds_of(upcoming.time) < moment:
            apply(state, upcoming)
            upcoming = next(waiting, None)
        if state.first is not None:
            model, template = choose(state)
            yield state, evaluate(model, state, moment, None, template)


def day_ends(start: int, end: int, every_days: int = 1) -> range:
    """UTC midnights after `start` up to `end`; of grids of several days those that fall on a multiple of them."""
    step = every_days * DAY
    # The era began on a Monday: grids of weeks are Monday midnights, the ends of Sundays.
    offset = MONDAY * DAY
    first = (start - offset) // step * step + step + offset
    return range(first, end + 1, step)


def is_week_end(second: int) -> bool:
    """Whether a midnight ends a Sunday."""
    return (second // DAY) % WEEK == MONDAY


def ended(state: ClientState, second: int) -> bool:
    """Whether the client's notice has taken effect: it is no client any more."""
    return state.notice is not None and bool(state.notice[1] < second // DAY)


def onboarding(state: ClientState) -> bool:
    """From the contract's start to the hand-off; a client that was here before us is past it."""
    return state.contract_start is not None and state.handed_off is None and not onboarded_before_us(state)
