"""The fold: a client's facts, in the order of the contracts, become its state."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from common.contracts import client
from common.contracts.base import Event, Origin

from health.domain import state as states
from health.domain.fold import business, meetings, people, product, project, remarks
from health.domain.fold.stamp import Stamp
from health.domain.moments import DAY
from health.domain.state import FOLD_VERSION, SOURCES_PER_FAMILY, ClientState

Rule = Callable[[ClientState, Any, Stamp], None]

RULES: dict[type[Any], Rule] = {
    **product.RULES, **people.RULES, **meetings.RULES, **remarks.RULES, **project.RULES, **business.RULES,
}  # fmt: skip

FAMILIES: dict[type[Any], str] = {
    kind: family
    for family, kinds in {
        "usage": (client.LoggedIn, client.UsageRecorded),
        "outcome": (client.KpiTargetSet, client.KpiReported, client.MilestonePlanned, client.MilestoneCompleted,
                    client.MilestoneRescheduled, client.TrainingCompleted),
        "support": (client.TicketOpened, client.TicketUpdated, client.TicketResolved),
        "conversation": (client.MessageExchanged, client.MeetingScheduled, client.MeetingHeld,
                         client.MeetingCancelled),
        "project": (client.ApprovalRequested, client.ApprovalGiven, client.DeliverableDue,
                    client.DeliverableCompleted, client.ScopeChanged, client.BudgetReported),
        "survey": (client.SurveyAnswered,),
        "people": (client.ContactAdded, client.ContactUpdated, client.ContactRoleChanged, client.ContactLeft,
                   client.SponsorChanged),
        "billing": (client.InvoiceIssued, client.InvoicePaid, client.InvoiceVoided, client.InvoiceOverdue,
                    client.InvoiceDisputed, client.DisputeClosed, client.PaymentFailed, client.SubscriptionChanged),
        "contract": (client.ContractSigned, client.ContractRenewed, client.ContractCancelled,
                     client.CancellationWithdrawn, client.ClientRegistered, client.ClientUpdated,
                     client.ExpansionRequested),
    }.items()
    for kind in kinds
}  # fmt: skip
"""Which kind of data an event is; freshness is judged by family and source."""


def apply(state: ClientState, event: Event[Any]) -> ClientState:
    """One more fact, not earlier than all before. Changes the state in place and returns it."""
    kind = type(event.data)
    time = event.time
    day = time.toordinal()
    second = day * DAY + time.hour * 3600 + time.minute * 60 + time.second
    step(state, RULES.get(kind), event.data, Stamp(second, day, event.id.hex))
    if state.seen is None and (event.origin is Origin.LIVE or kind is client.ImportFinished):
        state.seen = second
    family = FAMILIES.get(kind)
    if family is not None:
        _heard(state, family, event.source.rpartition("/")[2], second, event.origin is Origin.LIVE)
    return state


def step(state: ClientState, rule: Rule | None, data: Any, at: Stamp) -> None:
    """The heart of `apply`; a replay of files, in which no source can fall silent, needs no more."""
    if state.first is None:
        state.first = at.second
    state.last = at.second
    if rule is not None:
        rule(state, data, at)


def _heard(state: ClientState, family: str, source: str, second: int, live: bool) -> None:
    sources = state.feeds.get(family)
    if sources is None:
        sources = state.feeds[family] = {}
    known = sources.get(source)
    if known is not None:
        known[0] = second
        if live:
            known[1] = 1
        return
    sources[source] = [second, int(live)]
    if len(sources) > SOURCES_PER_FAMILY:
        del sources[min(sources, key=lambda name: (sources[name][0], name))]


def fold(events: Iterable[Event[Any]]) -> ClientState:
    """From nothing; `events` in the order of the contracts."""
    state = ClientState()
    for event in events:
        apply(state, event)
    return state


class HealthFold:
    """What `common.folding` is given."""

    version = FOLD_VERSION

    def empty(self, client_id: UUID) -> ClientState:
        return ClientState()

    def apply(self, state: ClientState, event: Event[Any]) -> ClientState:
        return apply(state, event)

    def dump(self, state: ClientState) -> bytes:
        return states.dump(state)

    def load(self, raw: bytes) -> ClientState:
        return states.load(raw)


FOLD = HealthFold()
