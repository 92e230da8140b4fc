"""What the service still lacks before a model can be trained: leavers, months, and kinds of facts never seen."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from churn.domain.moments import DAY
from churn.domain.saying import plural
from churn.domain.state import State

LEAVERS_NEEDED = 50
HORIZONS_NEEDED = 3
"""A horizon to learn from, one between, one to measure on."""
MONTH = 30.4375

KINDS: dict[str, str] = {
    "contracts": "contracts and notices",
    "revenue": "recurring revenue",
    "logins": "logins",
    "usage": "usage of features",
    "tickets": "support tickets",
    "messages": "messages",
    "mood": "the mood of what clients write",
    "surveys": "surveys and ratings (NPS, CSAT)",
    "contacts": "contacts and their roles",
    "meetings": "meetings",
    "milestones": "milestones",
    "goals": "agreed goals (KPIs)",
    "blockers": "blockers",
    "deliveries": "approvals and deliverables",
    "invoices": "invoices and payments",
}
"""Kinds of data that features are made of, as they are said."""


def kinds_of(state: State) -> set[str]:
    """Kinds of data that were ever seen of a client."""
    life = state.life
    found = {
        "contracts": bool(life.contracts or life.notices),
        "revenue": life.mrr is not None,
        "surveys": any(kind != "milestone" for kind in state.ratings),
        "goals": bool(state.kpis),
    }
    return (set(state.seen) | {kind for kind, there in found.items() if there}) & set(KINDS)


@dataclass(frozen=True, slots=True)
class Stock:
    """What there is to learn from."""

    clients: int
    leavers: int
    since: int | None
    """Second of the first thing known of anybody."""
    kinds: Collection[str]

    def months(self, now: int) -> float:
        return 0.0 if self.since is None else round(max(0, now - self.since) / DAY / MONTH, 1)

    def unseen(self) -> list[str]:
        return [kind for kind in KINDS if kind not in self.kinds]


def lacks(stock: Stock, now: int, horizon_days: int) -> list[str]:
    """What is missing, in sentences; empty when there is enough of everything."""
    said = []
    if stock.leavers < LEAVERS_NEEDED:
        said.append(f"{stock.leavers} of {LEAVERS_NEEDED} leavers seen")
    needed = months_needed(horizon_days)
    if stock.months(now) < needed:
        said.append(f"{stock.months(now):g} of {needed:g} months of history")
    unseen = stock.unseen()
    if unseen:
        words = ", ".join(KINDS[kind] for kind in unseen)
        said.append(f"{plural(len(unseen), 'kind')} of facts never seen: {words}")
    return said


def months_needed(horizon_days: int) -> float:
    return round(HORIZONS_NEEDED * horizon_days / MONTH, 1)
