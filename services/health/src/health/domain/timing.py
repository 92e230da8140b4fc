"""When a client must be looked at again though nothing happens: time moves scores too."""

from __future__ import annotations

from bisect import bisect_left

from health.domain.evaluate import Evaluation, combine
from health.domain.facts import At
from health.domain.fold.people import FORGOTTEN_AFTER
from health.domain.journey import Template, next_notice
from health.domain.moments import DAY, HOUR
from health.domain.signs import Policy, next_instant
from health.domain.state import ClientState


def next_look(
    result: Evaluation, state: ClientState, template: Template, late_told_until: int, signs: Policy | None = None
) -> int:
    """The second of the next evaluation: a band crossed by silence, a milestone due or late, a sign that begins or ends
    within the day, else the next UTC day."""
    crossing = next_crossing(result, state, template)
    notice = next_notice(state, template, late_told_until)
    instant = next_instant(state, result.now, signs)
    return min(moment for moment in (crossing, notice and max(notice, 0), instant) if moment is not None)


def next_crossing(result: Evaluation, state: ClientState, template: Template) -> int:
    """The next UTC midnight, or the earlier instant at which waiting alone takes the score into another band.

    Facts count UTC days, but for the hours that a client keeps us waiting: within a day only these move, and they
    only move the score down. So the band is the same all day if it is at the day's last full hour of waiting.
    """
    now = result.now
    midnight = (now // DAY + 1) * DAY
    waits: list[int] = [asked for asked, _ in state.waiting.values() if now - asked < FORGOTTEN_AFTER]
    if not waits:
        return midnight
    asked = min(waits)
    end = min(midnight, asked + FORGOTTEN_AFTER)  # a wait that is given up lets the score rise again
    hours = range(asked + ((now - asked) // HOUR + 1) * HOUR, end, HOUR)

    def crossed(second: int) -> bool:
        return _band_at(second, result, state, template) != result.band_of_score

    if not hours or not crossed(hours[-1]):
        return end
    return hours[bisect_left(hours, True, key=crossed)]


def _band_at(second: int, result: Evaluation, state: ClientState, template: Template) -> str | None:
    """The band of the same day at a later second: only what changes by the hour is measured anew."""
    at = At(second, second // DAY, template)
    scores = list(result.scores)
    for nth, signal in enumerate(result.model.signals):
        if signal.fact.hourly:
            measure = signal.fact.measure(state, at, signal.params)
            scores[nth] = None if measure is None else signal.curve(measure.value)
    present = sum(1 << nth for nth, score in enumerate(scores) if score is not None)
    score = combine(result.model, tuple(scores), present)
    return None if score is None else result.model.band(score)
