"""What a case needs to know of its client: a pure fold over the client events that escalation keeps."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, Protocol
from uuid import UUID

from common.contracts import client as said
from common.contracts.base import Event

CALLS_KEPT = 20
"""Root-cause calls remembered of a client, the latest first: more than any case has."""
ROOT_CAUSE = "root_cause"


@dataclass(frozen=True, slots=True)
class Call:
    """A root-cause call that stands in somebody's calendar."""

    meeting_id: str
    starts_at: datetime
    scheduled_at: datetime
    attendees: tuple[str, ...] = ()
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """The client said that it leaves."""

    given_at: datetime
    known_at: datetime
    effective_on: date


@dataclass(frozen=True, slots=True)
class Client:
    """State of one client, as far as cases are concerned."""

    name: str | None = None
    tier: str | None = None
    csm_email: str | None = None
    executive_sponsor_email: str | None = None
    calls: tuple[Call, ...] = ()
    notice: Notice | None = None

    def call(self, meeting_id: str) -> Call | None:
        return next((call for call in self.calls if call.meeting_id == meeting_id), None)


def _profile(state: Client, event: Event[said.ClientRegistered | said.ClientUpdated]) -> Client:
    """What is absent was not said: it leaves what is known as it is."""
    told = event.data
    return replace(
        state,
        name=told.name or state.name,
        tier=str(told.tier) if told.tier else state.tier,
        csm_email=told.csm_email or state.csm_email,
        executive_sponsor_email=told.executive_sponsor_email or state.executive_sponsor_email,
    )


def _scheduled(state: Client, event: Event[said.MeetingScheduled]) -> Client:
    if event.data.kind != ROOT_CAUSE:
        return state
    call = Call(
        meeting_id=event.data.meeting_id,
        starts_at=event.data.starts_at,
        scheduled_at=event.time,
        attendees=tuple(event.data.attendees or ()),
    )
    return _with_call(state, call)


def _cancelled(state: Client, event: Event[said.MeetingCancelled]) -> Client:
    call = state.call(event.data.meeting_id)
    return _with_call(state, replace(call, cancelled=True)) if call else state


def _with_call(state: Client, call: Call) -> Client:
    others = [known for known in state.calls if known.meeting_id != call.meeting_id]
    kept = sorted([*others, call], key=lambda known: (known.starts_at, known.meeting_id))[-CALLS_KEPT:]
    return replace(state, calls=tuple(kept))


def _notice(state: Client, event: Event[said.ContractCancelled]) -> Client:
    notice = Notice(given_at=event.time, known_at=event.knowntime, effective_on=event.data.effective_on)
    return replace(state, notice=notice)


def _stays(state: Client, event: Event[Any]) -> Client:
    """A new contract, a renewal or a withdrawn cancellation: the notice no longer stands."""
    return replace(state, notice=None)


class _Apply(Protocol):
    def __call__(self, state: Client, event: Event[Any], /) -> Client: ...


_APPLY: dict[type, _Apply] = {
    said.ClientRegistered: _profile,
    said.ClientUpdated: _profile,
    said.MeetingScheduled: _scheduled,
    said.MeetingCancelled: _cancelled,
    said.ContractCancelled: _notice,
    said.ContractSigned: _stays,
    said.ContractRenewed: _stays,
    said.CancellationWithdrawn: _stays,
}

KEPT = tuple(_APPLY)
"""Client events whose bodies escalation keeps as facts."""


class ClientFold:
    """How common.folding keeps a `Client` for each client."""

    version = 1

    def empty(self, client_id: UUID) -> Client:
        return Client()

    def apply(self, state: Client, event: Event[Any]) -> Client:
        apply = _APPLY.get(type(event.data))
        return apply(state, event) if apply else state

    def dump(self, state: Client) -> bytes:
        return json.dumps(asdict(state), default=str, sort_keys=True).encode()

    def load(self, raw: bytes) -> Client:
        kept = json.loads(raw)
        calls = tuple(
            Call(**{**call, **_moments(call, "starts_at", "scheduled_at"), "attendees": tuple(call["attendees"])})
            for call in kept.pop("calls")
        )
        notice = kept.pop("notice")
        return Client(**kept, calls=calls, notice=_load_notice(notice) if notice else None)


def _load_notice(kept: dict[str, Any]) -> Notice:
    return Notice(**_moments(kept, "given_at", "known_at"), effective_on=date.fromisoformat(kept["effective_on"]))


def _moments(kept: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: datetime.fromisoformat(kept[name]).astimezone(UTC) for name in names}


CLIENT_FOLD = ClientFold()
