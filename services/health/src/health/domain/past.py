"""Moments of the past: one walk over a client's facts, evaluated wherever it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from common.contracts.base import Event

from health.domain.evaluate import Evaluation, evaluate
from health.domain.fold import apply
from health.domain.journey import ONBOARDED_BEFORE_US, Template
from health.domain.model import Model
from health.domain.moments import DAY, seconds_of
from health.domain.state import ClientState

Choice = Callable[[ClientState], tuple[Model, Template]]
"""The model and the journey that serve a client as it was."""

WEEK = 7
MONDAY = 1
HAND_OFF = "hand_off"
"""The milestone that says the same as `client_handed_off`."""


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
    """From the contract's start to the hand-off.

    Over, too: for a client that we first saw more than 45 days after the start, be it in an import; once it renewed;
    and after 45 days where nobody ever told us of a milestone, since then nobody will tell us of the hand-off.
    """
    start = state.contract_start
    if start is None or state.first is None or state.handed_off is not None or state.renewed is not None:
        return False
    entry = state.milestones.get(HAND_OFF)
    if entry is not None and entry[5] is not None:
        return False
    first_seen = state.first if state.seen is None else state.seen
    told_until = state.last if not state.milestones else first_seen
    return max(first_seen, told_until) // DAY - start <= ONBOARDED_BEFORE_US
