"""Intercom notifications of both generations (docs/sources/intercom.md): conversations, tickets, people, companies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

from common.contracts import client
from common.contracts.client import Author, Priority
from pydantic import Field

from ingest.config import Source
from ingest.domain.refs import Ref, bare_domain, parse_ref, parse_subject
from ingest.domain.statement import ContactChange, Ignored, SourceEvent, Statement, Unreadable
from ingest.domain.times import moment
from ingest.sources import bodies, signatures

CHANNEL = "intercom"
PEOPLE = frozenset({"user", "lead", "contact", "visitor"})
"""Types of authors who are the client's."""
OURS = frozenset({"admin", "team"})
RATINGS = (1, 5)
"""Conversation ratings: from the sad face to the happy one."""
Said = list[Statement] | Ignored


class IntercomSource(Source):
    """How a company in Intercom says which client it is."""

    vendor: Literal["intercom"]
    client_ref_attribute: str = "client_ref"
    """Custom attribute of a company that holds `source:kind:id` or our own client id."""
    company_id_kind: Annotated[str, Field(pattern="^[^:]+:[^:]+$")] | Literal[""] = ""
    """`source:kind` of the `company_id` that your product gives to Intercom (`segment:group`)."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification: what it is about, and when it was made."""

    item: Mapping[str, Any]
    at: datetime | None


def verify(request: signatures.Request, secret: bytes, now: datetime, config: IntercomSource) -> None:
    """`sha1=` HMAC of the body with the app's client secret. No timestamp: repeats are caught by the id."""
    given = signatures.header(request, "X-Hub-Signature")
    if not signatures.same("sha1=" + signatures.sha1_hex(secret, request.body), given):
        raise signatures.Refusal("the signature does not match")


def split(body: bytes, headers: Mapping[str, str], config: IntercomSource) -> list[SourceEvent]:
    value = bodies.parse(body)
    topic = bodies.text(value.get("topic")) if isinstance(value, dict) else None
    if topic is None:
        raise Unreadable("expected a notification with a topic")
    stable = [topic, value.get("created_at"), value.get("data")]
    key = bodies.identifier(value.get("id")) or "sha256:" + bodies.digest(bodies.canonical(stable))
    return [SourceEvent(key, topic[:200], value)]


def join(items: Sequence[Mapping[str, Any]]) -> bytes:
    return bodies.dump(items[0])


def interpret(event: SourceEvent, config: IntercomSource) -> Said:
    mapped = _KINDS.get(event.kind)
    if mapped is None:
        return Ignored(f"{event.kind} is not read", unknown=event.kind.split(".")[0] not in _FAMILIES)
    item = bodies.mapping(event.body.get("data")).get("item")
    if not isinstance(item, dict):
        raise Unreadable("data.item is missing")
    return mapped(Notice(item, moment(event.body.get("created_at"))), config)


def _listed(value: Any, *names: str) -> list[Mapping[str, Any]]:
    """Intercom's lists: `{"type": "contact.list", "contacts": [...]}`, or the items under `data`."""
    holder = bodies.mapping(value)
    for name in (*names, "data"):
        if isinstance(holder.get(name), list):
            return [bodies.mapping(item) for item in holder[name]]
    return [bodies.mapping(item) for item in value] if isinstance(value, list) else []


def _own(item: Mapping[str, Any], what: str) -> str:
    found = bodies.identifier(item.get("id"))
    if found is None:
        raise Unreadable(f"the {what}'s id is missing")
    return found


def _ref(kind: str, value: Any, config: IntercomSource) -> Ref | None:
    found = bodies.identifier(value)
    return Ref(config.name, kind, found) if found else None


def _about(thing: Mapping[str, Any], kind: str, config: IntercomSource) -> tuple[dict[str, Any], str | None]:
    """Whose a conversation or ticket is, and its contact: by its company, its people, and by what was known of it."""
    old = bodies.mapping(thing.get("user"))
    people = [old] if old else _listed(thing.get("contacts"), "contacts")
    contacts = [ref for person in people if (ref := _ref("contact", person.get("id"), config))]
    company = _ref("company", thing.get("company_id") or bodies.mapping(thing.get("company")).get("id"), config)
    own = Ref(config.name, kind, _own(thing, kind))
    # somebody of another company who is copied in does not make it theirs: the first wrote it
    refs = (*((company,) if company else ()), *contacts[:1], own)
    email = bodies.text(old.get("email"))
    said = {"refs": refs, "links": (own,) if len(refs) > 1 else (), "hints": {"email": email} if email else {}}
    return said, contacts[0].id if contacts else None


def _opening(conversation: Mapping[str, Any]) -> Mapping[str, Any]:
    """`source` since 2.0, `conversation_message` before."""
    return bodies.mapping(conversation.get("source")) or bodies.mapping(conversation.get("conversation_message"))


def _is_ours(conversation: Mapping[str, Any]) -> bool:
    """Whether one of us began it: then it is a message and its answers, not a ticket."""
    return _author(_opening(conversation)) in OURS


def _author(part: Mapping[str, Any]) -> str | None:
    return bodies.text(bodies.mapping(part.get("author")).get("type"))


def _part(conversation: Mapping[str, Any]) -> Mapping[str, Any]:
    """The newest part: a notification brings what has just been said."""
    parts = _listed(conversation.get("conversation_parts"), "conversation_parts")
    return parts[-1] if parts else {}


def _words(part: Mapping[str, Any]) -> str | None:
    """Bodies are HTML, which the reader takes off."""
    return "\n".join(words for name in ("subject", "body") if (words := bodies.text(part.get(name)))) or None


def _priority(thing: Mapping[str, Any]) -> Priority:
    """Intercom knows a flag only."""
    flag = thing.get("priority")
    return Priority.HIGH if flag == "priority" or flag is True else Priority.NORMAL


def _begun(notice: Notice, config: IntercomSource) -> Said:
    conversation, (about, contact) = notice.item, _about(notice.item, "conversation", config)
    if _is_ours(conversation):
        return Ignored("we began it: its answers are read")
    ticket = _own(conversation, "conversation")
    said = client.TicketOpened(ticket_id=ticket, priority=_priority(conversation), contact_id=contact)
    theirs = _author(_opening(conversation)) in {*PEOPLE, None}
    at = moment(conversation.get("created_at")) or notice.at
    return [Statement(time=at, data=said, text=_words(_opening(conversation)) if theirs else None, **about)]


def _addressed(notice: Notice, config: IntercomSource) -> Said:
    """One of us wrote to one of them first."""
    conversation, (about, contact) = notice.item, _about(notice.item, "conversation", config)
    thread = _own(conversation, "conversation")
    said = client.MessageExchanged(
        message_id=bodies.identifier(_opening(conversation).get("id")) or thread,
        channel=CHANNEL,
        direction="outbound",
        contact_id=contact,
        thread_id=thread,
        expects_reply=True,
    )
    return [Statement(time=moment(conversation.get("created_at")) or notice.at, data=said, **about)]


def _replied(notice: Notice, config: IntercomSource, *, author: Author) -> Said:
    conversation, (about, contact) = notice.item, _about(notice.item, "conversation", config)
    part = _part(conversation)
    thread, at = _own(conversation, "conversation"), moment(part.get("created_at")) or notice.at
    theirs = author is Author.CLIENT and _author(part) in {*PEOPLE, None}
    text = _words(part) if theirs else None
    if not _is_ours(conversation):
        said: client.ClientEvent = client.TicketUpdated(ticket_id=thread, author=author)
    else:
        said = client.MessageExchanged(
            message_id=bodies.identifier(part.get("id")) or f"{thread}:{at.isoformat() if at else ''}",
            channel=CHANNEL,
            direction="inbound" if author is Author.CLIENT else "outbound",
            contact_id=contact,
            thread_id=thread,
            in_reply_to=bodies.identifier(_opening(conversation).get("id")) if author is Author.CLIENT else None,
            expects_reply=author is Author.US,
        )
    return [Statement(time=at, data=said, text=text, **about)]


def _changed(notice: Notice, config: IntercomSource, *, status: str) -> Said:
    conversation, (about, _) = notice.item, _about(notice.item, "conversation", config)
    if _is_ours(conversation):
        return Ignored("a message of ours is no ticket")
    body = client.TicketResolved if status == "closed" else client.TicketUpdated
    at = moment(_part(conversation).get("created_at")) or notice.at
    return [Statement(time=at, data=body(ticket_id=_own(conversation, "conversation"), status=status), **about)]


def _prioritised(notice: Notice, config: IntercomSource) -> Said:
    conversation, (about, _) = notice.item, _about(notice.item, "conversation", config)
    said = client.TicketUpdated(ticket_id=_own(conversation, "conversation"), priority=_priority(conversation))
    return [Statement(time=notice.at, data=said, **about)]


def _rated(notice: Notice, config: IntercomSource) -> Said:
    conversation, (about, _) = notice.item, _about(notice.item, "conversation", config)
    return _rating(conversation, "conversation_rating", "conversation", about, notice)


def _rating(thing: Mapping[str, Any], name: str, what: str, about: dict[str, Any], notice: Notice) -> Said:
    rating = bodies.mapping(thing.get(name))
    score = bodies.integer(rating.get("rating"))
    if score is None:
        return Ignored("no rating was given")
    if not RATINGS[0] <= score <= RATINGS[1]:
        raise Unreadable(f"a rating of {score} is not on Intercom's scale of 1 to 5")
    csat = client.Csat(score=score, scale_min=RATINGS[0], scale_max=RATINGS[1])
    said = client.TicketUpdated(ticket_id=_own(thing, what), author=Author.CLIENT, csat=csat)
    at = moment(rating.get("created_at")) or notice.at
    return [Statement(time=at, data=said, text=bodies.text(rating.get("remark")), **about)]


def _ticket(notice: Notice) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The ticket, and the part of it that the notification is about."""
    inner = bodies.mapping(notice.item.get("ticket"))
    return (inner, bodies.mapping(notice.item.get("ticket_part"))) if inner else (notice.item, {})


def _internal(ticket: Mapping[str, Any]) -> bool:
    """Back-office and tracker tickets are between ourselves."""
    return ticket.get("category") not in {"Customer", None} if isinstance(ticket.get("category"), str) else False


def _ticket_said(notice: Notice, config: IntercomSource, *, what: str) -> Said:
    ticket, part = _ticket(notice)
    if _internal(ticket):
        return Ignored("an internal ticket")
    about, contact = _about(ticket, "ticket", config)
    own, at = _own(ticket, "ticket"), moment(part.get("created_at")) or notice.at
    if what == "rated":
        return _rating(ticket, "ticket_rating", "ticket", about, notice)
    if what == "created":
        # its title and description may be an agent's or the bot's: they are no one's mood
        opened = client.TicketOpened(ticket_id=own, priority=_priority(ticket), contact_id=contact)
        return [Statement(time=moment(ticket.get("created_at")) or at, data=opened, **about)]
    if what in {"client", "us"}:
        said = client.TicketUpdated(ticket_id=own, author=Author(what))
        return [Statement(time=at, data=said, text=_words(part) if what == "client" else None, **about)]
    state = bodies.mapping(ticket.get("ticket_state"))
    status = (
        "closed" if what == "closed" else bodies.text(state.get("category")) or bodies.text(ticket.get("ticket_state"))
    )
    body = client.TicketResolved if status in {"closed", "resolved"} else client.TicketUpdated
    return [Statement(time=at, data=body(ticket_id=own, status=status[:300] if status else None), **about)]


def _contact(notice: Notice, config: IntercomSource) -> Said:
    person = notice.item
    ref = Ref(config.name, "contact", _own(person, "contact"))
    companies = [
        c for item in _listed(person.get("companies"), "companies") if (c := _ref("company", item.get("id"), config))
    ]
    # of somebody in several companies it cannot be told whose he is, until one of them attaches him
    company = companies[0] if len(companies) == 1 else None
    return [_known(ref, company, person, notice.at)]


def _known(ref: Ref, company: Ref | None, person: Mapping[str, Any], at: datetime | None) -> Statement:
    email = bodies.text(person.get("email"))
    contact = ContactChange(ref.id, name=bodies.text(person.get("name")), email=email)
    refs = (company, ref) if company else (ref,)
    hints = {"email": email} if email else {}
    return Statement(refs, at, contact=contact, links=(ref,) if company else (), hints=hints)


def _contact_gone(notice: Notice, config: IntercomSource) -> Said:
    ref = Ref(config.name, "contact", _own(notice.item, "contact"))
    return [Statement((ref,), notice.at, contact=ContactChange(ref.id, left=True))]


def _attached(notice: Notice, config: IntercomSource, *, left: bool) -> Said:
    company = _ref("company", bodies.mapping(notice.item.get("company")).get("id"), config)
    person = bodies.mapping(notice.item.get("contact"))
    ref = Ref(config.name, "contact", _own(person, "contact"))
    if company is None:
        raise Unreadable("the company's id is missing")
    if left:
        return [Statement((company,), notice.at, contact=ContactChange(ref.id, left=True))]
    return [_known(ref, company, person, notice.at)]


def _company(notice: Notice, config: IntercomSource) -> Said:
    """A company never creates a client: it is linked by what it says of itself, or waits for a person."""
    company = notice.item
    ref = Ref(config.name, "company", _own(company, "company"))
    named = bodies.text(bodies.mapping(company.get("custom_attributes")).get(config.client_ref_attribute))
    target = (parse_subject(named) or parse_ref(named)) if named else None
    outside = bodies.identifier(company.get("company_id")) if config.company_id_kind else None
    source, _, kind = config.company_id_kind.partition(":")
    others = (target if isinstance(target, Ref) else None, Ref(source, kind, outside) if outside else None)
    hints = {"name": name} if (name := bodies.text(company.get("name"))) else {}
    if domain := bare_domain(bodies.text(company.get("website"))):
        hints["domain"] = domain
    refs = (ref, *(other for other in others if other))
    known = target if target is not None and not isinstance(target, Ref) else None
    return [Statement(refs, notice.at, links=(ref,), client_id=known, hints=hints)]


_KINDS: dict[str, Callable[[Notice, IntercomSource], Said]] = {
    "conversation.user.created": _begun,
    "conversation.admin.single.created": _addressed,
    "conversation.user.replied": partial(_replied, author=Author.CLIENT),
    "conversation.admin.replied": partial(_replied, author=Author.US),
    "conversation.admin.closed": partial(_changed, status="closed"),
    "conversation.admin.opened": partial(_changed, status="open"),
    "conversation.admin.snoozed": partial(_changed, status="snoozed"),
    "conversation.admin.unsnoozed": partial(_changed, status="open"),
    "conversation.priority.updated": _prioritised,
    "conversation.rating.added": _rated,
    "ticket.created": partial(_ticket_said, what="created"),
    "ticket.contact.replied": partial(_ticket_said, what="client"),
    "ticket.admin.replied": partial(_ticket_said, what="us"),
    "ticket.state.updated": partial(_ticket_said, what="state"),
    "ticket.closed": partial(_ticket_said, what="closed"),
    "ticket.rating.provided": partial(_ticket_said, what="rated"),
    **dict.fromkeys(
        ["contact.created", "contact.user.created", "contact.user.updated", "contact.lead.created",
         "contact.lead.updated", "contact.lead.signed_up", "contact.lead.added_email", "contact.signed_up",
         "contact.added_email", "contact.email.updated", "contact.unarchived", "user.created", "user.email.updated"],
        _contact,
    ),
    **dict.fromkeys(["contact.deleted", "contact.archived", "user.deleted"], _contact_gone),
    "company.contact.attached": partial(_attached, left=False),
    "company.contact.detached": partial(_attached, left=True),
    "company.created": _company,
    "company.updated": _company,
}  # fmt: skip
_FAMILIES = frozenset(
    ["admin", "article", "call", "company", "contact", "content_stat", "conversation", "conversation_part", "event",
     "granular", "job", "ping", "subscription", "ticket", "user", "visitor"]
)  # fmt: skip
"""Topics that exist; `ping` is Intercom asking whether we are there."""
