"""(state, model, moment) → score. Pure, and the hot path: one call for each client and batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from health.domain.facts import At, Measure
from health.domain.journey import EMPTY, Template
from health.domain.model import Model, Signal
from health.domain.moments import DAY
from health.domain.state import ClientState

UNKNOWN = "unknown"
SAME_SOURCE_DAYS = 28
"""A source that has been quiet for so long while another brought the same kind of data was replaced by it."""
CONTINUOUS = DAY
"""A feed is stale after 24 hours, unless its source's rhythm says otherwise."""
AT_INTERVALS = 35 * DAY
"""What a tool of ours without a rhythm sends now and then (goals, approvals, milestones) is stale after so long.

Whether it is silent or has nothing to tell cannot be known; of bare use there is something to tell every day. Both
count from when the tool last brought that family of any client: one that it tells nothing of meanwhile is quiet."""


class Heard(NamedTuple):
    """When a source was last heard at all (whatever the client), and how often it should be: in seconds.

    `every` 0: a tool of ours, whose rhythm nobody told us; each family it brings is noted by itself.
    """

    last: int
    every: int


Feeds = Mapping[str, Heard]


def tool(source: str, family: str) -> str:
    """Under which a family of a tool of ours is noted among the feeds; no source has a space in its name."""
    return f"{source} {family}"


def heard_of(feeds: Feeds, source: str, family: str) -> Heard | None:
    """What is known of a source that brings a family, whatever the client."""
    return feeds.get(source) or feeds.get(tool(source, family))


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A result. `measures` and `scores` go by the model's signals; None is absent; scores in sixteenths."""

    model: Model
    now: int
    score: int | None
    band: str
    """As shown: the best band becomes `unknown` without confidence or a fresh essential component."""
    band_of_score: str | None
    confidence: int
    """Per mille."""
    measures: tuple[Measure | None, ...]
    scores: tuple[int | None, ...]
    present: int
    fresh: int
    """Masks by signal: which are there, which of these are fresh."""
    template: Template = EMPTY
    """The journey map that milestones were judged by."""
    _parts: list[int] = field(default_factory=list, repr=False, compare=False)

    def contributions(self) -> tuple[int, ...]:
        """What each signal adds to the score, in sixteenths; sums to the score exactly (largest remainder)."""
        if not self._parts and self.score is not None:
            self._parts.extend(contributions(self.model, self.scores))
        return tuple(self._parts)

    def component_scores(self) -> list[int | None]:
        """Each component's own score, in sixteenths."""
        result: list[int | None] = []
        first = 0
        for component in self.model.components:
            total = weight = 0
            for nth, signal in enumerate(component.signals, first):
                score = self.scores[nth]
                if score is not None:
                    total += signal.weight * score
                    weight += signal.weight
            result.append(total // weight if weight else None)
            first += len(component.signals)
        return result

    def component_fresh(self) -> list[bool]:
        """Whether each component has a signal, and every one it has is fresh."""
        result = []
        first = 0
        for component in self.model.components:
            mask = ((1 << len(component.signals)) - 1) << first
            there = self.present & mask
            result.append(bool(there) and there & self.fresh == there)
            first += len(component.signals)
        return result


def evaluate(model: Model, state: ClientState, now: int, feeds: Feeds | None, template: Template = EMPTY) -> Evaluation:
    """The client at the second `now`, which is not before its last fact.

    `feeds` None: a moment of the past, at which every source counts as heard.
    """
    at = At(now, now // DAY, template)
    measures: list[Measure | None] = []
    scores: list[int | None] = []
    present = fresh = 0
    heard: dict[str, bool] = {}
    bit = 1
    for signal in model.signals:
        measure = signal.fact.measure(state, at, signal.params)
        measures.append(measure)
        if measure is None:
            scores.append(None)
        else:
            scores.append(signal.curve(measure.value))
            present |= bit
            if _is_fresh(signal, measure, state, at, feeds, heard):
                fresh |= bit
        bit <<= 1
    return _conclude(model, now, tuple(measures), tuple(scores), present, fresh, template)


class Alike(NamedTuple):
    """What a signal shares with one of another model. `place`: the other's index, None where none measures the same;
    `score`: whether the same curve bends it; `fresh`: whether it is fresh alike."""

    place: int | None
    score: bool
    fresh: bool


def measured_alike(model: Model, other: Model) -> tuple[Alike, ...]:
    """For each signal of a model what it shares with the other's; for `evaluate_beside`."""
    places = {(s.fact.name, tuple(sorted(s.params.items()))): nth for nth, s in enumerate(other.signals)}
    found = []
    for signal in model.signals:
        place = places.get((signal.fact.name, tuple(sorted(signal.params.items()))))
        same = None if place is None else other.signals[place]
        found.append(
            Alike(
                place,
                same is not None and same.curve == signal.curve,
                same is not None and same.within_days == signal.within_days,
            )
        )
    return tuple(found)


def evaluate_beside(model: Model, state: ClientState, known: Evaluation, alike: tuple[Alike, ...]) -> Evaluation:
    """The client of `known`, an evaluation of a moment of the past, under another model: what both measure is taken
    from there (`alike`: see `measured_alike`)."""
    at = At(known.now, known.now // DAY, known.template)
    measures: list[Measure | None] = []
    scores: list[int | None] = []
    present = fresh = 0
    bit = 1
    for signal, (place, same_score, same_fresh) in zip(model.signals, alike, strict=True):
        measure = signal.fact.measure(state, at, signal.params) if place is None else known.measures[place]
        measures.append(measure)
        if measure is None:
            scores.append(None)
        else:
            scores.append(known.scores[place] if place is not None and same_score else signal.curve(measure.value))
            present |= bit
            if place is not None and same_fresh:
                fresh |= bit if known.fresh >> place & 1 else 0
            elif _is_fresh(signal, measure, state, at, None, {}):
                fresh |= bit
        bit <<= 1
    return _conclude(model, known.now, tuple(measures), tuple(scores), present, fresh, known.template)


def _conclude(
    model: Model,
    now: int,
    measures: tuple[Measure | None, ...],
    scores: tuple[int | None, ...],
    present: int,
    fresh: int,
    template: Template,
) -> Evaluation:
    score = combine(model, scores, present)
    confidence = model.confidence(present, fresh)
    band_of_score = None if score is None else model.band(score)
    band = band_of_score or UNKNOWN
    if band == model.best_band and (confidence < model.least_confidence or not _essentials(model, fresh)):
        band = UNKNOWN
    return Evaluation(model, now, score, band, band_of_score, confidence, measures, scores, present, fresh, template)


def combine(model: Model, scores: tuple[int | None, ...], present: int) -> int | None:
    """The weighted sum, rounded down to a sixteenth; None where nothing is known."""
    if not present:
        return None
    numerators, denominator = model.shares(present)
    total = 0
    for numerator, score in zip(numerators, scores, strict=True):
        if score is not None:
            total += numerator * score
    return total // denominator


def contributions(model: Model, scores: tuple[int | None, ...]) -> list[int]:
    """Parts of `combine` by signal; what rounding down lost goes to the largest remainders (then to the first)."""
    present = sum(1 << nth for nth, score in enumerate(scores) if score is not None)
    numerators, denominator = model.shares(present)
    raw = [numerator * (score or 0) for numerator, score in zip(numerators, scores, strict=True)]
    parts = [value // denominator for value in raw]
    missing = sum(raw) // denominator - sum(parts)
    order = sorted(range(len(raw)), key=lambda nth: (-(raw[nth] % denominator), nth))
    for nth in order[:missing]:
        parts[nth] += 1
    return parts


def _essentials(model: Model, fresh: int) -> bool:
    first = 0
    for component in model.components:
        if component.essential and not fresh >> first & ((1 << len(component.signals)) - 1):
            return False
        first += len(component.signals)
    return True


def _is_fresh(
    signal: Signal, measure: Measure, state: ClientState, at: At, feeds: Feeds | None, known: dict[str, bool]
) -> bool:
    if signal.within_days is not None:
        return at.day - measure.day <= signal.within_days
    if feeds is None:
        return True
    for family in signal.fact.families:
        fresh = known.get(family)
        if fresh is None:
            fresh = known[family] = _is_heard(state, family, at.now, feeds)
        if not fresh:
            return False
    return True


def _is_heard(state: ClientState, family: str, now: int, feeds: Feeds) -> bool:
    """Whether every source that feeds a family still talks to us, about whichever client."""
    if family not in state.feeds:
        return True  # it brought nothing yet; what was measured came from the others
    return all(now < deadline for deadline in deadlines(state, family, feeds).values())


def deadlines(state: ClientState, family: str, feeds: Feeds) -> dict[str, int]:
    """Source → the second from which on what it brings of a family is stale: that in which ingest calls it silent.

    Sources that only imports brought have no rhythm: they count where there is no live one, from the import on.
    """
    sources = state.feeds[family]
    latest = max(entry[0] for entry in sources.values())
    current = {name: entry for name, entry in sources.items() if entry[0] > latest - SAME_SOURCE_DAYS * DAY}
    live = {name: entry for name, entry in current.items() if entry[1] or heard_of(feeds, name, family)}
    result = {}
    for name, (last, came_live) in (live or current).items():
        heard = heard_of(feeds, name, family)
        since = last if heard is None else max(last, heard.last)
        if heard is not None and heard.every:
            result[name] = since + heard.every
        elif heard is not None or came_live:
            result[name] = since + (CONTINUOUS if family == "usage" else AT_INTERVALS)
        else:
            result[name] = max(last, state.imported or 0) + CONTINUOUS
    return result
