"""Which phase a client is in: it moves on by rule, and never back without a reason.

The rules (`journey.endings`) read the facts as they are known now; a phase that was told stays told. So it goes back
only where facts turned out wrong, where the template says so before a renewal, or where a person says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from common.contracts.health import PhaseReason

from health.domain.journey import PHASES, Item, Phase, Template, endings, onboarded_before_us
from health.domain.moments import DAY
from health.domain.state import ClientState


class Ruled(NamedTuple):
    """What the rules say: the phase, since when (second), why, and in words."""

    phase: str
    since: int
    reason: PhaseReason
    text: str


class Phased(NamedTuple):
    """What is said of a client. `overruled`: the rules' phase at the time a person decided otherwise."""

    phase: str
    since: int
    overruled: str | None = None


class Moved(NamedTuple):
    """A client is in another phase than was said."""

    now: Phased
    before: str | None
    reason: PhaseReason
    text: str


class Span(NamedTuple):
    """A phase with the second at which a client came into it."""

    phase: str
    since: int


def ruled(state: ClientState, template: Template, items: Sequence[Item], now: int) -> Ruled | None:
    """The first phase that has not ended; near a renewal the phase that returns then. None: a template without."""
    by_name = {item.name: item for item in items}
    since = _begin(state, now)
    begun = state.contract_start is not None and not onboarded_before_us(state)
    text = "the contract began" if begun else "first heard of"
    passed: list[Phase] = []
    for phase, ended in endings(state, template, items):
        if ended is None or phase is template.phases[-1]:
            found = Ruled(phase.name, min(since, now), PhaseReason.RULE, text)
            return _returned(state, passed, now) or found
        passed.append(phase)
        if ended // DAY >= since // DAY:  # use is known by the day: of two on one day the later phase ended last
            item = by_name.get(phase.ends_with or "")
            why = item.title if item and item.done else phase.ends_says
            since, text = max(since, ended), f"{phase.title} ended: {why}" if why else text
    return None


def _returned(state: ClientState, passed: Sequence[Phase], now: int) -> Ruled | None:
    for phase in passed:
        days = phase.returns_before_renewal
        if days is not None and state.renewal is not None and state.notice is None:
            since = (state.renewal - days) * DAY
            if since <= now:
                return Ruled(phase.name, since, PhaseReason.RENEWAL, f"the renewal is {days} days ahead or less")
    return None


def _begin(state: ClientState, now: int) -> int:
    """The contract's start; of a client that was onboarded before us the moment we first heard of it."""
    first = now if state.first is None else state.first
    if state.contract_start is None or onboarded_before_us(state):
        return first
    return min(first, state.contract_start * DAY)


def spans(state: ClientState, template: Template, items: Sequence[Item], now: int) -> list[Span]:
    """The phases that a client went through before we kept them, as its facts tell: up to what the rules say now."""
    past = onboarded_before_us(state)
    since = _begin(state, now)
    found = []
    for phase, ended in endings(state, template, items):
        if past and ended is not None and ended <= since and phase is not template.phases[-1]:
            continue  # over before we heard of the client: we cannot say when
        found.append(Span(phase.name, min(since, now)))
        if ended is None:
            break
        since = max(since, ended)
    return found


def moved(known: Phased, says: Ruled, template: Template, now: int, *, corrected: bool) -> Moved | None:
    """Where the client goes from what is said of it; `corrected`: facts were taken back, joined or set right."""
    if says.phase == known.phase or says.phase == known.overruled:
        return None
    ahead = PHASES.index(says.phase) > PHASES.index(known.phase)
    if ahead or says.reason is PhaseReason.RENEWAL:
        since = min(max(says.since, known.since), now)
        return Moved(Phased(says.phase, since), known.phase, says.reason, says.text)
    if corrected and known.overruled is None:
        return Moved(Phased(says.phase, now), known.phase, PhaseReason.CORRECTED, "facts behind it were set right")
    if known.phase not in {phase.name for phase in template.phases}:
        return Moved(Phased(says.phase, now), known.phase, PhaseReason.TEMPLATE, f"its journey is now {template.name}")
    return None


def caught_up(known: Phased, says: Ruled) -> Phased:
    """A person's decision is over once the rules say the same."""
    return known._replace(overruled=None) if says.phase == known.phase else known


def decided(known: Phased, phase: str, says: Ruled, now: int) -> Moved:
    """A person says where the client is; rules move it again only when they say something new."""
    overruled = says.phase if says.phase != phase else None
    return Moved(Phased(phase, now, overruled), known.phase, PhaseReason.PERSON, "")


def back(before: str | None, phase: str) -> bool:
    """Whether that is a step back."""
    return before is not None and PHASES.index(phase) < PHASES.index(before)
