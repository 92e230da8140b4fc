"""What proves a step done, checked field by field. A missing part is refused with its name. Pure.

Evidence is a JSON-ready mapping once it is accepted: it is stored with the step and published with `step_done`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from common.contracts.errors import Refused

from escalation.domain.sop import Proof

TEXT_LIMIT = 2000
LIST_LIMIT = 100
EMAIL_LIMIT = 320
WITHHELD = "withheld"
ERASED = "erased"
_EMAIL = re.compile(r"^[^@\s\x00]+@[^@\s\x00]+$")

Evidence = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Terms:
    """What evidence is held against."""

    opened_at: datetime
    own_domains: frozenset[str] = frozenset()
    """Mail domains of ours; empty: any address is taken for one of ours."""


def check(proof: Proof, given: Evidence, terms: Terms) -> dict[str, Any]:
    """The evidence as it is kept. Raises Refused with the field that is missing or wrong."""
    return _CHECKS[proof](given, terms)


def email_of_ours(value: object, field: str, terms: Terms) -> str:
    """A colleague's address, in lower case. Raises Refused."""
    if (
        not isinstance(value, str)
        or len(value) > EMAIL_LIMIT
        or not _EMAIL.match(value.strip())
        or not _storable(value)
    ):
        raise Refused("name a colleague by e-mail address", field=field)
    address = value.strip().lower()
    if terms.own_domains and address.rpartition("@")[2] not in terms.own_domains:
        raise Refused("this must be an address of ours", field=field)
    return address


def for_publication(evidence: Evidence, ours: Iterable[str]) -> dict[str, Any]:
    """Evidence as the bus may carry it: an address stays only where its mail domain is known to be of ours."""
    domains = {address.rpartition("@")[2] for address in ours}

    def shown(person: str) -> str:
        return person if "@" not in person or person.rpartition("@")[2].lower() in domains else WITHHELD

    published = dict(evidence)
    if "attendees" in evidence:
        published["attendees"] = [shown(one) for one in evidence["attendees"]]
    if "actions" in evidence:
        published["actions"] = [{**one, "owner": shown(one["owner"])} for one in evidence["actions"]]
    return published


def without_contact(evidence: Evidence, contact_id: str) -> dict[str, Any]:
    """Evidence after a client's person was erased."""
    cleared = dict(evidence)
    if "attendees" in evidence:
        cleared["attendees"] = [one for one in evidence["attendees"] if one != contact_id]
    if "actions" in evidence:
        cleared["actions"] = [
            {**one, "owner": ERASED} if one["owner"] == contact_id else one for one in evidence["actions"]
        ]
    return cleared


def _people(given: Evidence, terms: Terms) -> dict[str, Any]:
    return {name: email_of_ours(given.get(name), f"evidence.{name}", terms) for name in ("csm", "executive_sponsor")}


def _call(given: Evidence, terms: Terms) -> dict[str, Any]:
    """The call must lie after the case's opening: one held before the flag cannot be about it."""
    when = _moment(given.get("time"), "evidence.time")
    if when <= terms.opened_at:
        raise Refused("the call must take place after the case was opened", field="evidence.time")
    attendees = _list(given.get("attendees"), "evidence.attendees", "say who takes part")
    return {
        "time": when.isoformat(),
        "attendees": [_person(one, f"evidence.attendees.{n}", terms) for n, one in enumerate(attendees)],
        "invitation": _text(
            given.get("invitation"), "evidence.invitation", "give the invitation's link or calendar id"
        ),
    }


def _plan(given: Evidence, terms: Terms) -> dict[str, Any]:
    actions = _list(given.get("actions"), "evidence.actions", "a plan has at least one action")
    return {
        "actions": [_action(action, f"evidence.actions.{n}", terms) for n, action in enumerate(actions)],
        "tracking_item": _text(
            given.get("tracking_item"),
            "evidence.tracking_item",
            "give the link or key of the plan's item in the PM tool",
        ),
    }


def _note(given: Evidence, terms: Terms) -> dict[str, Any]:
    return {"note": _text(given.get("note"), "evidence.note", "say in a sentence what was done")}


_CHECKS: dict[Proof, Callable[[Evidence, Terms], dict[str, Any]]] = {
    Proof.PEOPLE: _people,
    Proof.CALL: _call,
    Proof.PLAN: _plan,
    Proof.NOTE: _note,
}


def _action(given: object, field: str, terms: Terms) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise Refused("an action has a text, an owner and a date", field=field)
    return {
        "action": _text(given.get("action"), f"{field}.action", "say what will be done"),
        "owner": _person(given.get("owner"), f"{field}.owner", terms),
        "due_on": _day(given.get("due_on"), f"{field}.due_on"),
    }


def _person(given: object, field: str, terms: Terms) -> str:
    """A contact id for one of theirs, an e-mail address for one of ours."""
    value = _text(given, field, "name a person by contact id (theirs) or e-mail address (ours)")
    return email_of_ours(value, field, terms) if "@" in value else value


def _text(value: object, field: str, ask: str) -> str:
    if not isinstance(value, str) or not value.strip() or not _storable(value):
        raise Refused(ask, field=field)
    if len(value) > TEXT_LIMIT:
        raise Refused(f"at most {TEXT_LIMIT} characters", field=field)
    return value.strip()


def _storable(value: str) -> bool:
    """Half of a surrogate pair is JSON but no text; NUL is text that PostgreSQL cannot hold."""
    return "\x00" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _list(value: object, field: str, ask: str) -> Sequence[object]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise Refused(ask, field=field)
    if len(value) > LIST_LIMIT:
        raise Refused(f"at most {LIST_LIMIT}", field=field)
    return value


def _moment(value: object, field: str) -> datetime:
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        if moment.tzinfo is None:
            raise Refused("say the time zone too, as in 2026-03-02T09:30:00Z", field=field)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Refused("give the time of the call, as in 2026-03-02T09:30:00Z", field=field) from error


def _day(value: object, field: str) -> str:
    try:
        return date.fromisoformat(str(value)[:10]).isoformat()
    except ValueError as error:
        raise Refused("give the day by which it is done, as in 2026-03-02", field=field) from error
