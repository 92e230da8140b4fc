"""Zendesk (docs/sources/zendesk.md): event subscriptions (`zen:event-type:…`) and webhooks called by triggers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from common.contracts import client

from ingest.config import Source
from ingest.domain.refs import Ref, parse_ref, parse_subject
from ingest.domain.statement import ContactChange, Ignored, SourceEvent, Statement, Unreadable
from ingest.domain.times import moment
from ingest.sources import bodies, signatures

WINDOW = timedelta(minutes=5)
PREFIX = "zen:event-type:"
TRIGGER = "trigger."
DONE = frozenset({"solved", "closed"})
RATINGS = {"good": 1, "bad": 0}
"""The old satisfaction rating knows two answers; the new one counts from 1 to 5."""


class ZendeskSource(Source):
    """Nothing to set: Zendesk's words are fixed."""

    vendor: Literal["zendesk"]


def verify(request: signatures.Request, secret: bytes, now: datetime, config: ZendeskSource) -> None:
    stamp = signatures.header(request, "X-Zendesk-Webhook-Signature-Timestamp")
    given = signatures.header(request, "X-Zendesk-Webhook-Signature")
    signatures.fresh(stamp, now, WINDOW)
    if not signatures.same(signatures.sha256_base64(secret, stamp.encode(), request.body), given):
        raise signatures.Refusal("the signature does not match")


def split(body: bytes, headers: Mapping[str, str], config: Source) -> list[SourceEvent]:
    value = bodies.parse(body)
    if not isinstance(value, dict):
        raise Unreadable("expected an event object")
    kind = bodies.text(value.get("type"))
    if kind is not None and kind.startswith(PREFIX):
        key = bodies.identifier(value.get("id")) or "sha256:" + bodies.digest(body)
        return [SourceEvent(key, kind.removeprefix(PREFIX)[:200], value)]
    kind = bodies.text(value.get("event"))
    if kind is None or "ticket" not in value:
        raise Unreadable("neither an event (type zen:event-type:…) nor a trigger's body (event, ticket)")
    invocation = headers.get("x-zendesk-webhook-invocation-id", "")[:200]
    return [SourceEvent(invocation or "sha256:" + bodies.digest(body), TRIGGER + kind[:200], value)]


def join(items: Sequence[Mapping[str, Any]]) -> bytes:
    return bodies.dump(items[0])


def interpret(event: SourceEvent, config: ZendeskSource) -> list[Statement] | Ignored:
    if event.kind.startswith(TRIGGER):
        return _trigger(event, config)
    mapped = _KINDS.get(event.kind)
    if mapped is None:
        known = event.kind.split(".")[0] in {"ticket", "user", "organization"}
        return Ignored(f"{event.kind} is not read", unknown=not known)
    detail = event.body.get("detail")
    if not isinstance(detail, dict):
        raise Unreadable("detail is missing")
    return mapped(detail, bodies.mapping(event.body.get("event")), moment(event.body.get("time")), config)


def _who(detail: Mapping[str, Any], config: ZendeskSource) -> tuple[tuple[Ref, ...], tuple[Ref, ...]]:
    """The client by its organisation, else by the requester; a known organisation teaches us its requesters."""
    organisation = bodies.identifier(detail.get("organization_id"))
    requester = bodies.identifier(detail.get("requester_id"))
    own = requester is not None and requester == bodies.identifier(detail.get("assignee_id"))
    user = (Ref(config.name, "user", requester),) if requester and not own else ()
    if organisation:
        return (Ref(config.name, "organization", organisation), *user), user
    if not user:
        raise Unreadable("the ticket has neither organisation nor a requester who is not its agent")
    return user, ()


def _ticket(detail: Mapping[str, Any]) -> str:
    found = bodies.identifier(detail.get("id"))
    if found is None:
        raise Unreadable("the ticket's id is missing")
    return found


def _priority(value: Any) -> client.Priority | None:
    found = (bodies.text(value) or "").lower()
    return client.Priority(found) if found in set(client.Priority) else None


def _status(value: Any) -> str | None:
    found = bodies.identifier(value)
    return found.lower() if found else None


def _created(
    detail: Mapping[str, Any], event: Mapping[str, Any], at: datetime | None, config: ZendeskSource
) -> list[Statement] | Ignored:
    refs, links = _who(detail, config)
    requester = bodies.identifier(detail.get("requester_id"))
    # a ticket that an agent writes for a client, or for himself, holds the agent's words
    theirs = requester in {bodies.identifier(detail.get("submitter_id")), None} and requester != bodies.identifier(
        detail.get("assignee_id")
    )
    words = "\n".join(part for name in ("subject", "description") if (part := bodies.text(detail.get(name))))
    said = client.TicketOpened(
        ticket_id=_ticket(detail),
        priority=_priority(detail.get("priority")) or client.Priority.NORMAL,
        contact_id=requester,
    )
    return [Statement(refs, at, said, links=links, text=words if theirs else None)]


def _commented(
    detail: Mapping[str, Any], event: Mapping[str, Any], at: datetime | None, config: ZendeskSource
) -> list[Statement] | Ignored:
    refs, links = _who(detail, config)
    comment = bodies.mapping(event.get("comment"))
    staff = bodies.mapping(comment.get("author")).get("is_staff")
    theirs = staff is False and comment.get("is_public") is not False
    said = client.TicketUpdated(
        ticket_id=_ticket(detail),
        author=client.Author.CLIENT if theirs else client.Author.US,
        status=_status(detail.get("status")),
    )
    return [Statement(refs, at, said, links=links, text=bodies.text(comment.get("body")) if theirs else None)]


def _status_changed(
    detail: Mapping[str, Any], event: Mapping[str, Any], at: datetime | None, config: ZendeskSource
) -> list[Statement] | Ignored:
    refs, links = _who(detail, config)
    status = _status(event.get("current")) or _status(detail.get("status"))
    if status is None:
        raise Unreadable("the new status is missing")
    body = client.TicketResolved if status in DONE else client.TicketUpdated
    return [Statement(refs, at, body(ticket_id=_ticket(detail), status=status), links=links)]


def _priority_changed(
    detail: Mapping[str, Any], event: Mapping[str, Any], at: datetime | None, config: ZendeskSource
) -> list[Statement] | Ignored:
    refs, links = _who(detail, config)
    priority = _priority(event.get("current")) or client.Priority.NORMAL
    return [Statement(refs, at, client.TicketUpdated(ticket_id=_ticket(detail), priority=priority), links=links)]


def _organisation(
    detail: Mapping[str, Any], event: Mapping[str, Any], at: datetime | None, config: ZendeskSource
) -> list[Statement] | Ignored:
    """An organisation whose external id is one of our refs links itself; any other waits for a person."""
    ref = Ref(config.name, "organization", _ticket(detail))
    named = bodies.text(detail.get("external_id"))
    target = (parse_subject(named) or parse_ref(named)) if named else None
    hints = {"name": name} if (name := bodies.text(detail.get("name"))) else {}
    refs = (ref, target) if isinstance(target, Ref) else (ref,)
    return [Statement(refs, at, links=(ref,), client_id=None if isinstance(target, Ref) else target, hints=hints)]


def _user(
    detail: Mapping[str, Any], event: Mapping[str, Any], at: datetime | None, config: ZendeskSource
) -> list[Statement] | Ignored:
    if bodies.text(detail.get("role")) not in {None, "end-user"}:
        return Ignored("one of us")
    user, organisation = Ref(config.name, "user", _ticket(detail)), bodies.identifier(detail.get("organization_id"))
    email = bodies.text(detail.get("email"))
    refs = (Ref(config.name, "organization", organisation), user) if organisation else (user,)
    contact = ContactChange(user.id, name=bodies.text(detail.get("name")), email=email)
    return [Statement(refs, at, contact=contact, links=(user,), hints={"email": email} if email else {})]


def _trigger(event: SourceEvent, config: ZendeskSource) -> list[Statement] | Ignored:
    """A body of our template (docs/sources/zendesk.md); placeholders that Zendesk leaves empty count as absent."""
    ticket, at = event.body.get("ticket"), moment(event.body.get("time"))
    if not isinstance(ticket, dict):
        raise Unreadable("ticket is not an object")
    what = event.kind.removeprefix(TRIGGER)
    if what == "created":
        return _created({"submitter_id": ticket.get("current_user_id"), **ticket}, {}, at, config)
    if what == "comment":
        return _commented(ticket, {"comment": _trigger_comment(ticket)}, at, config)
    if what == "status":
        return _status_changed(ticket, {}, at, config)
    if what == "priority":
        return _priority_changed(ticket, {"current": ticket.get("priority")}, at, config)
    if what == "satisfaction":
        return _rated(ticket, at, config)
    return Ignored(f"trigger event {what} is not read", unknown=True)


def _trigger_comment(ticket: Mapping[str, Any]) -> dict[str, Any]:
    writer = bodies.identifier(ticket.get("current_user_id"))
    theirs = writer is not None and writer == bodies.identifier(ticket.get("requester_id"))
    return {"author": {"is_staff": not theirs}, "body": ticket.get("comment")}


def _rated(ticket: Mapping[str, Any], at: datetime | None, config: ZendeskSource) -> list[Statement] | Ignored:
    refs, links = _who(ticket, config)
    words = (bodies.text(ticket.get("satisfaction")) or "").lower()
    stars = bodies.integer(words)
    if stars is not None and 1 <= stars <= 5:
        csat = client.Csat(score=stars, scale_min=1, scale_max=5)
    elif words[:4].rstrip(",") in RATINGS or words[:3] in RATINGS:
        csat = client.Csat(score=RATINGS[words[:4] if words[:4] in RATINGS else words[:3]], scale_min=0, scale_max=1)
    else:
        return Ignored("no rating was given")
    said = client.TicketUpdated(ticket_id=_ticket(ticket), author=client.Author.CLIENT, csat=csat)
    return [Statement(refs, at, said, links=links, text=bodies.text(ticket.get("satisfaction_comment")))]


_KINDS: dict[str, Callable[..., list[Statement] | Ignored]] = {
    "ticket.created": _created,
    "ticket.comment_added": _commented,
    "ticket.status_changed": _status_changed,
    "ticket.priority_changed": _priority_changed,
    "organization.created": _organisation,
    "organization.external_id_changed": _organisation,
    "user.created": _user,
}
