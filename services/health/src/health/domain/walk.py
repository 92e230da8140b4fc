"""One client on its way from a moment to a later one: each step's difference is booked under what made it.

The steps meet, so what is booked sums to the whole difference, to the sixteenth of a point. Which signal a step moved
is told by the signals' parts of the score (`contributions`); one that comes or goes is booked with what it does to the
weight of its siblings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

from common.contracts.health import Cause

from health.domain.evaluate import Evaluation, combine, contributions, evaluate
from health.domain.facts import At, Measure
from health.domain.journey import Template
from health.domain.model import POINT, Model, Signal
from health.domain.moments import DAY
from health.domain.state import ClientState, Mark, dump, load
from health.domain.words import Sight, sentence
from health.domain.words.models import changed_model, first_known, nothing_left, reweighed
from health.domain.words.sight import written

EVENTS_NAMED = 20
"""A cause names its latest events, at most so many."""

Choice: TypeAlias = Callable[[ClientState, int], tuple[Model, Template]]
"""The model and the journey map that served a client, as it was, at a second."""
_Key: TypeAlias = tuple[Cause, str | None, object]
_OWN = (Cause.BEHAVIOUR, Cause.TIME, Cause.MISSING_DATA)
"""What one signal is told about in one sentence: what the client did, and what it means that time passed."""


@dataclass
class Move:
    """What one kind of change did through one signal (None: all of them). `delta` in sixteenths."""

    kind: Cause
    signal: str | None
    delta: int = 0
    text: str = ""
    marks: list[Mark] = field(default_factory=list)
    legs: list[int] = field(default_factory=list)
    """Which legs of the way it was booked on."""
    tell: Callable[[int], str] | None = field(default=None, compare=False, repr=False)
    """What to say of a cause that is no signal's, given the last day of the way."""


@dataclass
class _Leg:
    """A part of the way under one model: where it began, and where it ended."""

    begin: _Place
    end: _Place


@dataclass(frozen=True)
class _Place:
    """The client at a moment under a model. Its state does not change any more."""

    state: ClientState
    seen: Evaluation

    def sight(self, signal: Signal) -> Sight | None:
        """What a sentence about a signal is made of; None where the model here has no such signal."""
        for nth, known in enumerate(self.seen.model.signals):
            if known.name == signal.name and known.fact is signal.fact:
                at = At(self.seen.now, self.seen.now // DAY, self.seen.template)
                return Sight(self.state, at, known.params, self.seen.measures[nth], self.seen.scores[nth])
        return None


class Walk:
    """Where we are between the two moments, and what was booked so far."""

    def __init__(self, choose: Choice, state: ClientState, now: int) -> None:
        self._choose = choose
        self.state = state
        self._model, self._template = choose(state, now)
        self._seen = evaluate(self._model, state, now, None, self._template)
        self.score = self._seen.score
        place = _Place(copied(state), self._seen)
        self._legs = [_Leg(place, place)]
        self._scores = self._seen.scores
        self._moves: dict[_Key, Move] = {}
        self._behind: list[tuple[Mark | None, ...]] = []
        self._how = ""

    @property
    def now(self) -> int:
        """The second at which we are."""
        return self._seen.now

    def learn(self, state: ClientState, marks: Sequence[Mark], how: str) -> None:
        """The same moment with what became known of it later: another state. `how` begins its sentences."""
        self._how = how
        self.state = state
        self.look(self.now, Cause.LATE_DATA, marks)
        self._legs[-1].end = _Place(copied(state), self._seen)
        self._legs.append(_Leg(self._legs[-1].end, self._legs[-1].end))

    def look(self, now: int, kind: Cause, marks: Sequence[Mark] = ()) -> None:
        """See the client as it is (the state may have moved on), and book what that changed under `kind`.

        Where another model serves it from here on, that is a step of its own: the same state under both.
        """
        chosen = self._choose(self.state, now)
        if self.score is None and chosen != (self._model, self._template):
            self._turn_to(*chosen, now)  # nothing was known: there is nothing that a model could change
        self._to(evaluate(self._model, self.state, now, None, self._template), kind, marks)
        if chosen != (self._model, self._template):
            self._change_model(*chosen, marks)

    def told(self) -> list[Move]:
        """The moves in words, strongest first; what cancelled out is left out."""
        self._legs[-1].end = _Place(self.state, self._seen)
        for signal, fact in dict.fromkeys((signal, fact) for _, signal, fact in self._moves if signal is not None):
            self._settle(signal, fact)
        self._gather()
        moves = [move for move in self._moves.values() if move.delta]
        for move in moves:
            if move.tell is None:
                self._word(move)
            else:
                move.text = move.tell(self.now // DAY)
            move.text = f"{move.text}: {said(move.delta)}"
            move.marks = list(dict.fromkeys(move.marks))[-EVENTS_NAMED:]
        return sorted(moves, key=lambda m: (-abs(m.delta), m.kind, m.signal or "", m.text))

    def _to(self, target: Evaluation, kind: Cause, marks: Sequence[Mark]) -> None:
        """Go to an evaluation under the same model, booking each signal's part."""
        if target.scores != self._scores:
            self._behind = [measure.marks if measure is not None else () for measure in target.measures]
            if self.score is None or target.score is None:
                self._all_or_nothing(target, kind, marks)
            else:
                both = tuple(
                    new if new is not None and old is not None else old
                    for old, new in zip(self._scores, target.scores, strict=True)
                )
                self._shift(both, kind, marks)
                for nth, (old, new) in enumerate(zip(both, target.scores, strict=True)):
                    if (old is None) != (new is None):
                        self._appear(nth, new, kind, marks)
        self._seen = target

    def _all_or_nothing(self, target: Evaluation, kind: Cause, marks: Sequence[Mark]) -> None:
        """From no score to the first, or back: one cause, since no signal did it alone."""
        gone = target.score is None
        move = self._moves.setdefault((kind, None, gone), Move(kind, None))
        if move.tell is None or gone:  # the first of the firsts, the last of the lasts
            move.tell = partial(nothing_left, target.now) if gone else partial(first_known, target)
        move.delta += (target.score or 0) - (self.score or 0)
        move.marks.extend(marks)
        self._scores, self.score = target.scores, target.score

    def _change_model(self, model: Model, template: Template, marks: Sequence[Mark]) -> None:
        """The same state at the same moment under another model, or with another journey map: one cause."""
        old, new = (self._model, self._template), (model, template)
        names = (old[0].name, old[0].version, old[1].label, new[0].name, new[0].version, new[1].label)
        move = self._moves.setdefault((Cause.MODEL, None, names), Move(Cause.MODEL, None))
        move.tell = partial(changed_model, old, new, self.now)
        before = self.score
        self._turn_to(model, template, self.now)
        move.delta += (self.score or 0) - (before or 0)
        move.marks.extend(marks)

    def _turn_to(self, model: Model, template: Template, now: int) -> None:
        state = copied(self.state)
        self._legs[-1].end = _Place(state, self._seen)
        self._model, self._template = model, template
        unknown = self.score is None
        self._seen = evaluate(model, state, now, None, template)
        # Where nothing was known, nothing is until the next step says so: else this turn would book a first score.
        self._scores = (None,) * len(model.signals) if unknown else self._seen.scores
        self.score = None if unknown else self._seen.score
        self._legs.append(_Leg(_Place(state, self._seen), _Place(state, self._seen)))

    def _shift(self, scores: tuple[int | None, ...], kind: Cause, marks: Sequence[Mark]) -> None:
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
            self._book(nth, delta, kind, marks)
        self._scores, self.score = scores, sum(new)

    def _appear(self, nth: int, new: int | None, kind: Cause, marks: Sequence[Mark]) -> None:
        """A signal comes or goes: its weight moves from or to its siblings."""
        scores = (*self._scores[:nth], new, *self._scores[nth + 1 :])
        present = sum(1 << n for n, score in enumerate(scores) if score is not None)
        score = combine(self._model, scores, present)
        if kind is Cause.TIME:  # too old to say anything any more, or old enough to be compared with
            kind = Cause.MISSING_DATA
        self._book(nth, (score or 0) - (self.score or 0), kind, marks)
        self._scores, self.score = scores, score

    def _book(self, nth: int, delta: int, kind: Cause, marks: Sequence[Mark]) -> None:
        signal = self._model.signals[nth]
        move = self._moves.setdefault((kind, signal.name, signal.fact.name), Move(kind, signal.name))
        move.delta += delta
        behind = self._behind[nth]
        # Of events that acted together, those that the figure rests on; all of them where it names none of them.
        move.marks.extend([mark for mark in marks if mark in behind] or marks)
        leg = len(self._legs) - 1
        if leg not in move.legs:
            move.legs.append(leg)

    def _settle(self, signal: str, fact: object) -> None:
        """Every weekend takes what every Monday gives back: a signal is told once, with what is left, under what
        outweighs."""
        moves = [move for kind in _OWN if (move := self._moves.get((kind, signal, fact))) is not None]
        if len(moves) < 2:
            return
        most = max(moves, key=lambda move: abs(move.delta))
        delta, legs = sum(move.delta for move in moves), sorted({leg for move in moves for leg in move.legs})
        for move in moves:
            move.delta = 0
        most.delta, most.legs = delta, legs

    def _sights(self, move: Move) -> tuple[Signal, Sight | None, Sight]:
        """A signal where its move began, and as it is now; of one that no model looks at any more, where it ended."""
        first, last = self._legs[move.legs[0]], self._legs[move.legs[-1]]
        signal = next(s for s in last.end.seen.model.signals if s.name == move.signal)
        after = last.end.sight(signal)
        if move.kind in _OWN:
            after = self._legs[-1].end.sight(signal) or after
        if after is None:
            raise LookupError(f"no signal {move.signal} where it was booked")
        return signal, first.begin.sight(signal), after

    def _gather(self) -> None:
        """Figures that are what they were weigh more or less as others come and go: that is told once, for all."""
        same = []
        for key, move in self._moves.items():
            if move.signal is not None and move.delta and key[0] in _OWN:
                _, before, after = self._sights(move)
                measures = (before.measure if before else None, after.measure)
                if measures[0] is not None and measures[1] is not None and measures[0].value == measures[1].value:
                    same.append(move)
        if same:
            most = max(same, key=lambda move: abs(move.delta))
            total = sum(move.delta for move in same)
            for move in same:
                move.delta = 0
            self._moves[(most.kind, None, "same")] = Move(most.kind, None, total, tell=reweighed)

    def _word(self, move: Move) -> None:
        """Its sentence, from the states before and after; and the events to name: those that the figures rest on."""
        signal, before, after = self._sights(move)
        learned = move.kind is Cause.LATE_DATA
        began = f"{self._how}: " if learned and self._how else ""
        if not learned and self._legs[-1].end.sight(signal) is None:
            began = f"until {written(after.at.day, self.now // DAY)}: "  # no signal of the model that came after
        move.text = sentence(signal, before, after, began=began)
        behind = _behind(after.measure) or _behind(before.measure if before else None)
        if learned:  # of all that came late, what this figure rests on
            move.marks = [mark for mark in behind if mark in set(move.marks)] or move.marks
        move.marks = move.marks or behind


def _behind(measure: Measure | None) -> list[Mark]:
    return [mark for mark in measure.marks if mark] if measure is not None else []


def copied(state: ClientState) -> ClientState:
    """A state of its own: folds change theirs in place."""
    return load(dump(state))


def said(delta: int) -> str:
    """A difference (sixteenths) in points as people read it, with a true minus: halves round away from zero."""
    tenths = (abs(delta) * 20 + POINT) // (2 * POINT)
    return f"{'−' if delta < 0 else '+'}{tenths // 10}.{tenths % 10}"
