"""What moved a score, in words that a CSM would use: a sentence for each fact, from the states before and after.

Sentences name features, KPIs, milestones, tickets and invoices; never people, and never what anybody wrote. A fact
without a sentence of its own is told by its figure (`Fact.say`), so that a new fact needs no line here.
"""

from __future__ import annotations

from collections.abc import Mapping

from health.domain.model import POINT, Signal
from health.domain.words import experience, financial, onboarding, outcome, relationship, usage
from health.domain.words.sight import Farewell, Sight, Teller

__all__ = ["FAREWELLS", "TELLERS", "Sight", "sentence"]

TELLERS: Mapping[str, Teller] = {
    **usage.TELLERS, **outcome.TELLERS, **relationship.TELLERS, **financial.TELLERS,
    **onboarding.TELLERS, **experience.TELLERS,
}  # fmt: skip
FAREWELLS: Mapping[str, Farewell] = {
    **usage.FAREWELLS, **outcome.FAREWELLS, **relationship.FAREWELLS, **financial.FAREWELLS,
    **onboarding.FAREWELLS, **experience.FAREWELLS,
}  # fmt: skip


def sentence(signal: Signal, before: Sight | None, after: Sight, *, began: str = "") -> str:
    """What became of a signal between two moments. `began` goes first: how it came that more is known of one."""
    name = signal.fact.name
    former = before if before is not None and before.measure is not None else None
    if after.measure is None:
        leave = FAREWELLS.get(name)
        gone = leave(after) if leave is not None else f"no figure any more for {signal.name.replace('_', ' ')}"
        return f"{began}{gone}" + ("" if former is None else f" (was: {signal.fact.say(former.value)}{_at(former)})")
    tell = TELLERS.get(name)
    told = tell(former, after) if tell is not None else None
    if told is None:
        told = by_figure(signal, former, after)
    if former is not None:
        return f"{began}{told}"
    # A good figure pulls a better score down: without its points people would not believe it.
    return f"{began}{told[:-1]}; new{_at(after)})" if told.endswith(")") else f"{began}{told} (new{_at(after)})"


def _at(sight: Sight) -> str:
    return "" if sight.score is None else f", at {sight.score // POINT} points"


def by_figure(signal: Signal, before: Sight | None, after: Sight) -> str:
    """The fact in its own words, and `was 4` where only a figure differs, else the whole former sentence."""
    now = signal.fact.say(after.value)
    then = now if before is None else signal.fact.say(before.value)
    if then == now:
        return now
    old, new = then.split(), now.split()
    differing = [a for a, b in zip(old, new, strict=False) if a != b]
    if len(old) == len(new) and len(differing) == 1 and any(c.isdigit() for c in differing[0]):
        return f"{now} (was {differing[0].strip('(),')})"
    return f"{now} (was: {then})"
