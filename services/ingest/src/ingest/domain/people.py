"""What is known of a client's people, and what of a change is worth an event."""

from __future__ import annotations

from dataclasses import replace

from common.contracts import client
from common.contracts.base import Data

from ingest.domain.statement import ContactChange
from ingest.domain.world import Person

_FIELDS = ("name", "first_name", "last_name", "email", "role")


def change(known: Person | None, said: ContactChange) -> tuple[Person, list[Data]]:
    """The person as known now, and the events that tell it; none where nothing is new."""
    before = known or Person()
    fresh = {name: value for name in _FIELDS if (value := getattr(said, name)) is not None}
    after = replace(before, **fresh, left=said.left)
    who, role = said.contact_id, client.ContactRole(after.role)
    if said.left:
        left = client.ContactLeft(contact_id=who, role_before=client.ContactRole(before.role) if known else None)
        return after, [] if known and before.left else [left]
    if known is None or before.left:
        return after, [client.ContactAdded(contact_id=who, name=_name(after), email=_email(after), role=role)]
    events: list[Data] = []
    if before.role != after.role:
        events.append(
            client.ContactRoleChanged(
                contact_id=who, role_before=client.ContactRole(before.role), role_after=client.ContactRole(after.role)
            )
        )
    if (before.full_name, before.email) != (after.full_name, after.email):
        events.append(client.ContactUpdated(contact_id=who, name=_name(after), email=_email(after), role=role))
    return after, events


def note(known: Person | None, body: client.Contact | client.ContactMoved) -> tuple[Person, Data]:
    """The same for an event that came ready-made: remember it, and fill in the role before."""
    before = known or Person()
    if isinstance(body, client.Contact):
        name = body.name or before.name
        person = replace(before, name=name, email=body.email or before.email, role=body.role.value, left=False)
        return (replace(person, first_name=None, last_name=None) if body.name else person), body
    role_before = body.role_before or (client.ContactRole(before.role) if known else None)
    filled = body.model_copy(update={"role_before": role_before})
    if isinstance(body, client.ContactLeft):
        return replace(before, left=True), filled
    return replace(before, role=(body.role_after or client.ContactRole.USER).value), filled


def _name(person: Person) -> str | None:
    return (person.full_name or "")[:500] or None


def _email(person: Person) -> str | None:
    """Only what looks like an address: the contract refuses anything else, and a typo must not lose the person."""
    email = (person.email or "").strip().lower()
    plausible = email.count("@") == 1 and not email.startswith("@") and not email.endswith("@") and len(email) <= 320
    return email if plausible and not any(c.isspace() for c in email) else None
