"""What moved a score, in words that a CSM would use: a sentence for each fact, from the states before and after.

Sentences name features, KPIs, milestones, tickets and invoices; never people, and never what anybody wrote. A fact
without a sentence of its own is told by its figure (`Fact.say`), so that a new fact needs no line here.
"""

from __future__ import annotations

from collections.abc import Mapping

from health.domain.model import Signal
from health.domain.words import financial, outcome, relationship, usage
from health.domain.words.sight import Farewell, Sight, Teller

__all__ = ["FAREWELLS", "TELLERS", "Sight", "sentence"]

TELLERS: Mapping[str, Teller] = {
    **usage.TELLERS, **outcome.TELLERS, **relationship.TELLERS, **financial.TELLERS,
}  # fmt: skip
FAREWELLS: Mapping[str, Farewell] = {
    **usage.FAREWELLS, **outcome.FAREWELLS, **relationship.FAREWELLS, **financial.FAREWELLS,
}  # fmt: skip
NEW = " (new: it counts from now on)"


def sentence(signal: Signal, before: Sight | None, after: Sight, *, began: str = "") -> str:
    """What became of a signal between two moments. `began` goes first: how it came that more is known of one."""
    name = signal.fact.name
    former = before if before is not None and before.measure is not None else None
    if after.measure is None:
        leave = FAREWELLS.get(name)
        why = leave(after) if leave is not None else f"no figure any more for {signal.name.replace('_', ' ')}"
        return f"{began}{why}" + (f" (was: {signal.fact.say(former.value)})" if former is not None else "")
    if former is not None and former.value == after.value:
        return f"{began}{signal.fact.say(after.value)}, as before: it weighs otherwise since other figures came or went"
    tell = TELLERS.get(name)
    told = tell(former, after) if tell is not None else None
    if told is None:
        told = by_figure(signal, former, after)
    return f"{began}{told}" if former is not None else f"{began}{told}{NEW}"


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
