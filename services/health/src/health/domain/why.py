"""Why a score is another now: telescoped along the client's own events, so that the causes sum exactly.

From the first moment to the second, each step changes one thing (a day passes, events come in, late ones become known,
another model serves) and its difference is booked under what changed (`walk`), in the words of `words`.

A score at a moment is that of all facts that were known by then. A moment that is a UTC midnight ends the day before:
what is dated 00:00 belongs to the day that begins, as in the day ends of the history.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from itertools import groupby
from typing import Any

from common.contracts.base import Event
from common.contracts.health import Cause

from health.domain.decision import Standing
from health.domain.evaluate import Evaluation
from health.domain.fold import apply, fold
from health.domain.moments import DAY, HOUR, seconds_of
from health.domain.state import ClientState, Mark
from health.domain.walk import Choice, Move, Walk, said

__all__ = ["Answer", "Move", "Question", "between", "known_by", "published", "why"]

MOST_STEPS = 1000


@dataclass(frozen=True)
class Question:
    """Two moments and the effective facts known by each (`known_by`), in order; what served the client when."""

    known_then: Sequence[Event[Any]]
    known_now: Sequence[Event[Any]]
    start: datetime
    end: datetime
    choose: Choice
    turns: Sequence[int] = ()
    """Seconds at which another published version came into force."""


@dataclass(frozen=True)
class Answer:
    """Scores in sixteenths (None: nothing was known), and moves whose deltas sum to the difference."""

    score_from: int | None
    score_to: int | None
    moves: list[Move]


def why(question: Question) -> Answer:
    """Explain the difference of two scores, the strongest cause first."""
    then = question.known_then
    # Clocks of vendors run ahead by seconds: what was known counts, even if it is dated a little later.
    start = max([seconds_of(question.start), *(seconds_of(e.time) for e in then[-1:])])
    end = max([seconds_of(question.end), start, *(seconds_of(e.time) for e in question.known_now[-1:])])
    known_then = {event.id for event in then}
    before = [e for e in question.known_now if e.id in known_then or _is_over(e, question.start)]
    # All that is folded before the walk begins lies before all that is met on the way.
    first = max((e.order for e in before), default=None)
    before = [e for e in question.known_now if first is not None and e.order <= first]
    if differing := _differing(then, before):
        walk = Walk(question.choose, fold(then), start)
        score_from = walk.score
        walk.learn(fold(before), sorted(e.id.hex for e in differing), _how(differing, then, before))
    else:
        walk = Walk(question.choose, fold(before), start)
        score_from = walk.score
    _meet(walk, question.known_now[len(before) :], end, question.turns)
    return Answer(score_from, walk.score, walk.told())


def _differing(then: Sequence[Event[Any]], now: Sequence[Event[Any]]) -> list[Event[Any]]:
    """Facts that only one side knows."""
    both = {e.id for e in then} & {e.id for e in now}
    return [e for e in (*then, *now) if e.id not in both]


def _how(differing: Sequence[Event[Any]], then: Sequence[Event[Any]], now: Sequence[Event[Any]]) -> str:
    """How it came that more, or less, is known of the same past."""
    whose, whose_now = {e.subject for e in then}, {e.subject for e in now}
    if then and now and {e.subject for e in differing} <= whose ^ whose_now:
        return "known since records were merged" if whose < whose_now else "told apart from another record"
    gone = {e.id for e in then} - {e.id for e in now}
    return "taken back" if all(e.id in gone for e in differing) else "learned late"


def _meet(walk: Walk, events: Sequence[Event[Any]], end: int, turns: Sequence[int]) -> None:
    """Go on to the end: past each turn, and through the events, neighbours of a kind together."""
    ahead = iter(sorted(turn for turn in turns if walk.now < turn < end))
    turn = next(ahead, None)
    for group in steps(events):
        first, last = seconds_of(group[0].time), seconds_of(group[-1].time)
        while turn is not None and turn <= first:
            _pass(walk, turn)
            turn = next(ahead, None)
        _pass(walk, first, closely=_may_change_within_a_day(walk.state))
        for event in group:
            apply(walk.state, event)
        walk.look(max(last, walk.now), Cause.BEHAVIOUR, [event.id.hex for event in group])
    while turn is not None:
        _pass(walk, turn)
        turn = next(ahead, None)
    _pass(walk, end)


def _pass(walk: Walk, until: int, *, closely: bool = True) -> None:
    """Nothing happens until then; what time does to a figure is one step, however long it is."""
    if until > walk.now and (closely or until // DAY != walk.now // DAY):
        walk.look(until, Cause.TIME)


def _may_change_within_a_day(state: ClientState) -> bool:
    """Facts count UTC days, but for hours of waiting, and for milestones due at an hour that somebody set."""
    return bool(state.waiting) or any(entry[5] is None for entry in state.milestones.values())


def between(
    choose: Choice, before: tuple[ClientState, int], after: tuple[ClientState, int], *, kind: Cause,
    marks: Sequence[Mark],
) -> list[Move]:  # fmt: skip
    """The short form for one batch: a state at the second of its last evaluation, and the state after the batch now."""
    walk = Walk(choose, *before)
    walk.look(max(after[1], walk.now), Cause.TIME)
    walk.state = after[0]
    walk.look(max(after[1], walk.now), kind, marks)
    return walk.told()


def published(before: Standing, after: Evaluation) -> Move:
    """Another version came into force since a client was last looked at: one cause, all of the difference."""
    delta = (after.score or 0) - (before.score or 0)
    new = after.model
    text = f"model {new.name} v{new.version} instead of {before.model} v{before.model_version}: {said(delta)}"
    return Move(Cause.MODEL, None, delta, text)


def known_by(events: Iterable[Event[Any]], moment: datetime) -> list[Event[Any]]:
    """Facts that were known at a moment, whether they count or were taken back since; in their order."""
    if moment.timetz().replace(tzinfo=None) == time.min:
        return [event for event in events if event.knowntime < moment]
    return [event for event in events if event.knowntime <= moment]


def _is_over(event: Event[Any], moment: datetime) -> bool:
    midnight = moment.timetz().replace(tzinfo=None) == time.min
    return event.time < moment if midnight else event.time <= moment


def steps(events: Sequence[Event[Any]]) -> list[list[Event[Any]]]:
    """Neighbours of one kind and hour act together: ten logins of a morning are one step. Of a client of whom there is
    more to tell than that, the events of a day do, whatever their kinds: an answer takes no longer for it."""
    closely = [list(g) for _, g in groupby(events, key=lambda e: (seconds_of(e.time) // HOUR, e.type))]
    if len(closely) <= MOST_STEPS:
        return closely
    return [list(group) for _, group in groupby(events, key=lambda e: e.time.toordinal())]
