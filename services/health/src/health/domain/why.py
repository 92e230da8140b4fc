"""Why a score is another now: telescoped along the client's own events, so that the causes sum exactly.

From the first moment to the second, each step changes one thing (a day passes, events come in, a source is missing,
the model changes) and its difference is booked under what changed. The steps meet, so their sum is the whole
difference, to the sixteenth of a point.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any

from common.contracts.base import Event
from common.contracts.health import Cause

from health.domain.evaluate import Evaluation, combine, contributions, evaluate
from health.domain.fold import apply, fold
from health.domain.journey import Template
from health.domain.model import POINT, Model
from health.domain.moments import DAY, HOUR, date_of, seconds_of
from health.domain.state import Mark

EVENTS_NAMED = 20
"""A cause names its latest events, at most so many."""

Scores = tuple[int | None, ...]


@dataclass
class Move:
    """What one kind of change did through one signal (None: all of them). `delta` in sixteenths."""

    kind: Cause
    signal: str | None
    delta: int = 0
    text: str = ""
    marks: list[Mark] = field(default_factory=list)
    before: int | None = None
    after: int | None = None
    since: int = 0


@dataclass(frozen=True)
class Question:
    """Two moments, and what was known at each: facts up to the moment itself, known by then."""

    known_then: Sequence[Event[Any]]
    known_now: Sequence[Event[Any]]
    start: datetime
    end: datetime
    model_then: Model
    model_now: Model
    template: Template


@dataclass(frozen=True)
class Answer:
    """Scores in sixteenths (None: nothing was known), and moves whose deltas sum to the difference."""

    score_from: int | None
    score_to: int | None
    moves: list[Move]


def why(question: Question) -> Answer:
    """Explain the difference of two scores, the strongest cause first."""
    start, end = seconds_of(question.start), seconds_of(question.end)
    then = evaluate(question.model_then, fold(_until(question.known_then, question.start)), start, None,
                    question.template)  # fmt: skip
    walk = Walk(then)
    state = fold(_until(question.known_now, question.start))
    walk.to(evaluate(question.model_then, state, start, None, question.template), Cause.LATE_DATA,
            _differing(question))  # fmt: skip
    for group in _steps([e for e in question.known_now if question.start < e.time <= question.end]):
        first, last = seconds_of(group[0].time), seconds_of(group[-1].time)
        if first != walk.now:
            walk.to(evaluate(question.model_then, state, first, None, question.template), Cause.TIME)
        for event in group:
            apply(state, event)
        walk.to(evaluate(question.model_then, state, last, None, question.template), Cause.BEHAVIOUR,
                [event.id.hex for event in group])  # fmt: skip
    walk.to(evaluate(question.model_then, state, end, None, question.template), Cause.TIME)
    if question.model_now != question.model_then:
        walk.to_model(evaluate(question.model_now, state, end, None, question.template))
    return Answer(then.score, walk.score, walk.told())


def between(
    before: Evaluation, passed: Evaluation, after: Evaluation, *, kind: Cause, marks: Sequence[Mark]
) -> list[Move]:
    """The short form for one batch: last evaluation → the same state now → the state after the batch."""
    walk = Walk(before)
    if passed.model == before.model:
        walk.to(passed, Cause.TIME)
    else:
        walk.to_model(passed)
    walk.to(after, kind, marks)
    return walk.told()


class Walk:
    """Where we are between the two moments, and what was booked so far."""

    def __init__(self, begin: Evaluation) -> None:
        self._model = begin.model
        self._scores = begin.scores
        self._measures = [m.value if m else None for m in begin.measures]
        self.now = begin.now
        self.score = begin.score
        self._moves: dict[tuple[Cause, str | None], Move] = {}

    def to(self, target: Evaluation, kind: Cause, marks: Sequence[Mark] = ()) -> None:
        """Go to an evaluation under the same model, booking each signal's part."""
        values = [m.value if m else None for m in target.measures]
        if target.scores != self._scores:
            both = tuple(
                new if new is not None and old is not None else old
                for old, new in zip(self._scores, target.scores, strict=True)
            )
            self._shift(both, values, kind, marks, target.now)
            for nth, (old, new) in enumerate(zip(both, target.scores, strict=True)):
                if (old is None) != (new is None):
                    self._appear(nth, new, values[nth], kind, marks, target.now)
        self._measures = values
        self.now = target.now

    def to_model(self, target: Evaluation) -> None:
        """The same state under another model: one cause, told by the models' names."""
        move = self._move(Cause.MODEL, None, target.now)
        move.delta += (target.score or 0) - (self.score or 0)
        old, new = self._model, target.model
        move.text = f"model {new.name} v{new.version} instead of {old.name} v{old.version}"
        self._model, self._scores, self.score, self.now = target.model, target.scores, target.score, target.now
        self._measures = [m.value if m else None for m in target.measures]

    def told(self) -> list[Move]:
        """The moves in words, strongest first; what cancelled out is left out."""
        for signal in {signal for _, signal in self._moves if signal is not None}:
            self._settle(signal)
        moves = [move for move in self._moves.values() if move.delta]
        for move in moves:
            move.text = f"{move.text or self._words(move)}: {said(move.delta)}"
        return sorted(moves, key=lambda m: (-abs(m.delta), m.kind, m.signal or ""))

    def _settle(self, signal: str) -> None:
        """Every weekend takes what every Monday gives back: of the two, what outweighs is told, with what is left."""
        acted, passed = (self._moves.get((kind, signal)) for kind in (Cause.BEHAVIOUR, Cause.TIME))
        if acted is None or passed is None or acted.delta * passed.delta >= 0:
            return
        first = min(acted, passed, key=lambda move: move.since)
        more, less = (acted, passed) if abs(acted.delta) >= abs(passed.delta) else (passed, acted)
        more.delta, less.delta = more.delta + less.delta, 0
        nth = next(n for n, known in enumerate(self._model.signals) if known.name == signal)
        more.before, more.since, more.after = first.before, first.since, self._measures[nth]

    def _shift(
        self, scores: Scores, values: Sequence[int | None], kind: Cause, marks: Sequence[Mark], now: int
    ) -> None:
        """Signals that are there before and after change their scores; nothing comes or goes."""
        changed = [n for n, (old, new) in enumerate(zip(self._scores, scores, strict=True)) if old != new]
        if not changed:
            return
        old, new = contributions(self._model, self._scores), contributions(self._model, scores)
        deltas = {nth: new[nth] - old[nth] for nth in changed}
        # Rounding may move a sixteenth through a signal that did not change: it belongs to the largest that did.
        largest = max(changed, key=lambda nth: (abs(deltas[nth]), -nth))
        deltas[largest] += sum(new) - sum(old) - sum(deltas.values())
        for nth, delta in deltas.items():
            self._book(nth, delta, values[nth], kind, marks, now)
        self._scores, self.score = scores, sum(new)

    def _appear(
        self, nth: int, new: int | None, value: int | None, kind: Cause, marks: Sequence[Mark], now: int
    ) -> None:
        """A signal comes or goes: its weight moves from or to its siblings."""
        scores = (*self._scores[:nth], new, *self._scores[nth + 1 :])
        present = sum(1 << n for n, score in enumerate(scores) if score is not None)
        score = combine(self._model, scores, present)
        if kind is Cause.TIME:  # too old to say anything any more, or old enough to be compared with
            kind = Cause.MISSING_DATA
        self._book(nth, (score or 0) - (self.score or 0), value, kind, marks, now)
        self._scores, self.score = scores, score

    def _book(self, nth: int, delta: int, value: int | None, kind: Cause, marks: Sequence[Mark], now: int) -> None:
        move = self._move(kind, self._model.signals[nth].name, now)
        if not move.delta and not move.marks and move.before is None:
            move.before = self._measures[nth]
        move.after = value
        move.delta += delta
        move.marks = [*move.marks, *(m for m in marks if m not in move.marks)][-EVENTS_NAMED:]

    def _move(self, kind: Cause, signal: str | None, now: int) -> Move:
        return self._moves.setdefault((kind, signal), Move(kind, signal, since=now))

    def _words(self, move: Move) -> str:
        signal = next(s for s in self._model.signals if s.name == move.signal)
        say = signal.fact.say
        since = date_of(move.since // DAY)
        before = say(move.before) if move.before is not None else None
        after = say(move.after) if move.after is not None else None
        if after is None:
            return f"{move.signal}: nothing known any more since {since:%-d %b}; it was: {before}"
        if before is None:
            return f"{after} (new: nothing was known before {since:%-d %b})"
        began = "learned late: " if move.kind is Cause.LATE_DATA else ""
        return (
            f"{began}{after} ({_was(before, after)})" if before != after else f"{began}{after} (since {since:%-d %b})"
        )


def _was(before: str, after: str) -> str:
    """`was 4` where only a figure differs in the sentence, else the whole former sentence."""
    old, new = before.split(), after.split()
    start = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), 0)
    end = next((n for n, (a, b) in enumerate(zip(reversed(old), reversed(new), strict=False)) if a != b), 0)
    figure = old[start : len(old) - end]
    if len(old) == len(new) and 0 < len(figure) <= 1:
        return f"was {figure[0].strip('()')}"
    return f"was: {before}"


def said(delta: int) -> str:
    """A difference in points as people read it, with a true minus."""
    return f"{delta / POINT:+.1f}".replace("-", "−")


def _until(events: Iterable[Event[Any]], moment: datetime) -> Iterator[Event[Any]]:
    return (event for event in events if event.time <= moment)


def _differing(question: Question) -> list[Mark]:
    """Facts of before the first moment that only one side knew: came late, or taken back since."""
    then = {event.id.hex for event in _until(question.known_then, question.start)}
    now = {event.id.hex for event in _until(question.known_now, question.start)}
    return sorted(then ^ now)


def _steps(events: Iterable[Event[Any]]) -> Iterator[list[Event[Any]]]:
    """Neighbours of one kind and hour act together: ten logins of a morning are one step."""
    for _, group in groupby(events, key=lambda e: (seconds_of(e.time) // HOUR, e.type)):
        yield list(group)
