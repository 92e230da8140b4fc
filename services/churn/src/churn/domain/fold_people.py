"""How the state changes with the client's people and the meetings with them."""

from __future__ import annotations

from churn.domain.fold_words import Fact, Step, engage
from churn.domain.moments import parse
from churn.domain.state import KEPT_CONTACTS, KEPT_OPEN, State, keep, mark, see


def _contact(state: State, data: Fact, at: int, event_id: str) -> None:
    see(state, "contacts")
    state.contacts[data["contact_id"]] = [data["role"], None]
    keep(state.contacts, KEPT_CONTACTS)


def _contact_moved(state: State, data: Fact, at: int, event_id: str) -> None:
    contact = data["contact_id"]
    known = state.contacts.get(contact, [None, None])
    before = data.get("role_before") or known[0]
    after = data.get("role_after") or "other"
    if before in ("sponsor", "champion") and before != after:
        mark(state, f"{before}_lost", at, event_id)
    state.contacts[contact] = [after, known[1]]
    keep(state.contacts, KEPT_CONTACTS)


def _contact_left(state: State, data: Fact, at: int, event_id: str) -> None:
    see(state, "contacts")
    contact = data["contact_id"]
    known = state.contacts.get(contact, [None, None])
    if known[1] is not None:
        return
    role = data.get("role_before") or known[0] or "other"
    kind = f"{role}_lost" if role in ("sponsor", "champion") else "contact_left"
    mark(state, kind, at, event_id)
    state.contacts[contact] = [role, at]
    state.engaged.pop(contact, None)


def _sponsor_changed(state: State, data: Fact, at: int, event_id: str) -> None:
    see(state, "contacts")
    before, after = data.get("contact_before"), data.get("contact_after")
    mark(state, "sponsor_changed" if after else "sponsor_lost", at, event_id)
    if before and before in state.contacts and state.contacts[before][0] == "sponsor":
        state.contacts[before] = ["other", state.contacts[before][1]]
    if after:
        state.contacts[after] = ["sponsor", None]


def _meeting_scheduled(state: State, data: Fact, at: int, event_id: str) -> None:
    see(state, "meetings")
    state.meetings[data["meeting_id"]] = parse(data["starts_at"])
    keep(state.meetings, KEPT_OPEN)


def _meeting_held(state: State, data: Fact, at: int, event_id: str) -> None:
    see(state, "meetings")
    state.meetings.pop(data["meeting_id"], None)
    mark(state, "meeting_held", at, event_id)
    if data.get("absent"):
        mark(state, "meeting_missed", at, event_id)
    for person in data.get("attended") or ():
        if "@" not in person:  # an address is one of ours
            engage(state, {"contact_id": person}, at)


def _meeting_cancelled(state: State, data: Fact, at: int, event_id: str) -> None:
    see(state, "meetings")
    state.meetings.pop(data["meeting_id"], None)
    if data["by"] == "client":
        mark(state, "meeting_cancelled", at, event_id)


STEPS: dict[str, Step] = {
    "contact_added": _contact,
    "contact_updated": _contact,
    "contact_role_changed": _contact_moved,
    "contact_left": _contact_left,
    "sponsor_changed": _sponsor_changed,
    "meeting_scheduled": _meeting_scheduled,
    "meeting_held": _meeting_held,
    "meeting_cancelled": _meeting_cancelled,
}
