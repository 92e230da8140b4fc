"""What all wording shares: the context, the client's own lines, and where links lead."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from notify.domain.card import Card
from notify.domain.message import Fact, Link, Message, day, money
from notify.domain.occasion import Occasion
from notify.domain.rules import Tone

SIMULATED = "Demo: the model behind this was trained on simulated data. It says nothing about a real client."


@dataclass(frozen=True, slots=True)
class Context:
    """What wording needs besides the occasion. `links_base`: where links lead, without a trailing slash."""

    card: Card | None
    now: datetime
    links_base: str
    tz: ZoneInfo | None = None


def worded(context: Context, title: str, **parts: Any) -> Message:
    """The part of a message that its kind knows; `compose` adds the rest."""
    return Message(Tone.INFO, title, name_of(context), **parts)


def name_of(context: Context) -> str:
    return context.card.shown_name if context.card else ""


def sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def about(card: Card | None, *, with_csm: bool) -> tuple[Fact, ...]:
    if card is None:
        return ()
    facts = []
    if card.tier:
        facts.append(Fact("Tier", card.tier))
    if card.mrr is not None and card.currency:
        facts.append(Fact("MRR", money(card.mrr, card.currency)))
    if card.renewal_on:
        facts.append(Fact("Renewal", day(card.renewal_on)))
    if card.csm and with_csm:
        facts.append(Fact("CSM", card.csm))
    return tuple(facts)


def links_of(occasion: Occasion, context: Context) -> tuple[Link, ...]:
    if not context.links_base or occasion.client_id is None:
        return ()
    links = [Link("Open client", f"{context.links_base}/clients/{occasion.client_id}")]
    if occasion.case_id:
        links.insert(0, Link("Open case", f"{context.links_base}/cases/{occasion.case_id}"))
    return tuple(links)
