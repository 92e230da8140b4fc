"""What notify must know of a client to address a message: a fold over its facts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from common.contracts import client, escalation
from common.contracts.base import Data, Event

VERSION = 2
KEPT_CASES = 8
"""Cases remembered of a client, open ones first; a client has one open case at a time."""


@dataclass(frozen=True, slots=True)
class CaseCard:
    """The people of a case and its deadlines. `steps`: name → due (RFC 3339); done ones are gone."""

    csm: str | None = None
    sponsor: str | None = None
    steps: Mapping[str, str] = field(default_factory=dict)
    open: bool = True


@dataclass(frozen=True, slots=True)
class Card:
    """A client as messages need it."""

    client_id: UUID
    known: bool = False
    """Whether the client was registered here; alerts may overtake that on another topic."""
    name: str | None = None
    tier: str | None = None
    segment: str | None = None
    timezone: str | None = None
    csm: str | None = None
    sponsor: str | None = None
    renewal_on: str | None = None
    mrr: int | None = None
    currency: str | None = None
    test: bool = False
    companies: tuple[str, ...] = ()
    """The client's records in CRMs, newest last: `<source>:<id>`."""
    cases: Mapping[str, CaseCard] = field(default_factory=dict)

    @property
    def shown_name(self) -> str:
        return self.name or f"Client {str(self.client_id)[:8]}"

    def company(self, source: str) -> str | None:
        """The newest record in one CRM."""
        found = [name.removeprefix(f"{source}:") for name in self.companies if name.startswith(f"{source}:")]
        return found[-1] if found else None

    def case(self, case_id: UUID | None) -> CaseCard | None:
        """The case named, else the open one."""
        if case_id is not None:
            return self.cases.get(str(case_id))
        return next((case for case in self.cases.values() if case.open), None)


def _profile(card: Card, event: Event[client.Profile]) -> Card:
    data = event.data
    said: dict[str, Any] = {
        "name": data.name,
        "tier": data.tier and data.tier.value,
        "segment": data.segment,
        "timezone": data.timezone,
        "csm": data.csm_email,
        "sponsor": data.executive_sponsor_email,
        "renewal_on": data.renewal_on and data.renewal_on.isoformat(),
        "mrr": data.mrr and data.mrr.amount,
        "currency": data.mrr and data.mrr.currency,
        "test": data.test,
    }
    refs: tuple[client.Ref, ...] = getattr(data, "refs", None) or ()
    companies = [f"{ref.source}:{ref.id}" for ref in refs if ref.kind == "company"]
    kept = [company for company in card.companies if company not in companies]
    changed = {name: value for name, value in said.items() if value is not None}
    return replace(card, known=True, companies=(*kept, *companies), **changed)


def _in_case(card: Card, case_id: UUID, change: Callable[[CaseCard], CaseCard]) -> Card:
    key = str(case_id)
    cases = {**card.cases, key: change(card.cases.get(key, CaseCard()))}
    ordered = sorted(cases.items(), key=lambda item: not item[1].open)
    return replace(card, cases=dict(ordered[:KEPT_CASES]))


def _named(case: CaseCard, data: escalation.Case | escalation.CaseAssigned) -> CaseCard:
    return replace(case, csm=data.csm_email or case.csm, sponsor=data.executive_sponsor_email or case.sponsor)


def _opened(card: Card, event: Event[escalation.CaseOpened]) -> Card:
    steps = _deadlines(event.data.steps)
    return _in_case(card, event.data.case_id, lambda case: replace(_named(case, event.data), steps=steps))


def _resumed(card: Card, event: Event[escalation.CaseResumed]) -> Card:
    steps = _deadlines(event.data.steps)
    return _in_case(card, event.data.case_id, lambda c: replace(_named(c, event.data), steps=steps or c.steps))


def _deadlines(plans: tuple[escalation.StepPlan, ...]) -> dict[str, str]:
    return {plan.step: plan.due_at.isoformat() for plan in plans}


def _assigned(card: Card, event: Event[escalation.CaseAssigned]) -> Card:
    return _in_case(card, event.data.case_id, lambda case: _named(case, event.data))


def _step(card: Card, event: Event[escalation.StepEvent]) -> Card:
    data = event.data

    def change(case: CaseCard) -> CaseCard:
        steps = {name: due for name, due in case.steps.items() if name != data.step}
        if not isinstance(data, escalation.StepDone):
            steps[data.step] = data.due_at.isoformat()
        return replace(_named(case, data), steps=dict(sorted(steps.items(), key=lambda item: item[1])))

    return _in_case(card, data.case_id, change)


def _closed(card: Card, event: Event[escalation.CaseClosed]) -> Card:
    return _in_case(card, event.data.case_id, lambda case: replace(_named(case, event.data), open=False))


APPLY: Mapping[type[Data], Callable[[Card, Any], Card]] = {
    client.ClientRegistered: _profile,
    client.ClientUpdated: _profile,
    escalation.CaseOpened: _opened,
    escalation.CaseResumed: _resumed,
    escalation.CaseAssigned: _assigned,
    escalation.StepDue: _step,
    escalation.StepDone: _step,
    escalation.StepBreached: _step,
    escalation.CaseClosed: _closed,
}
LINKS: frozenset[type[Data]] = frozenset({client.ClientsMerged, client.ClientsUnmerged, client.EventWithdrawn})
KEEP: frozenset[type[Data]] = frozenset(APPLY) | LINKS
"""Facts whose bodies the fold needs."""


class CardFold:
    """`common.folding.Fold` for cards."""

    version = VERSION

    def empty(self, client_id: UUID) -> Card:
        return Card(client_id)

    def apply(self, state: Card, event: Event[Any]) -> Card:
        change = APPLY.get(type(event.data))
        return change(state, event) if change else state

    def dump(self, state: Card) -> bytes:
        return json.dumps({**asdict(state), "client_id": str(state.client_id)}).encode()

    def load(self, raw: bytes) -> Card:
        kept = json.loads(raw)
        cases = {key: CaseCard(**case) for key, case in kept.pop("cases").items()}
        companies = tuple(kept.pop("companies"))
        return Card(client_id=UUID(kept.pop("client_id")), companies=companies, cases=cases, **kept)


CARD = CardFold()


def deadline(text: str) -> datetime:
    """A due time as a card keeps it."""
    return datetime.fromisoformat(text)
