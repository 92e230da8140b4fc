"""Calendly webhooks (docs/sources/calendly.md): meetings booked, moved, called off, and people who did not come."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from common.contracts import client
from common.contracts.client import MeetingKind

from ingest.config import Source
from ingest.domain.refs import PREFIX, Ref, parse_ref
from ingest.domain.statement import ContactChange, Ignored, SourceEvent, Statement, Unreadable
from ingest.domain.times import moment
from ingest.sources import bodies, signatures
from ingest.sources.salesforce_forms import long_id

WINDOW = timedelta(seconds=180)
SALESFORCE = {"001": "account", "003": "contact", "006": "opportunity", "00Q": "lead"}
"""The first three characters of a Salesforce id tell the kind of record."""


class CalendlySource(Source):
    """Which event types are which kind of meeting, and who is one of us."""

    vendor: Literal["calendly"]
    kinds: dict[str, MeetingKind] = {}
    """Part of an event type's name (or its whole URI) → kind of meeting; the longest that fits counts."""
    default_kind: MeetingKind = MeetingKind.CHECK_IN
    our_domains: list[str] = []
    """Domains of our own addresses: guests and invitees from there are ours. Hosts are ours in any case."""
    client_ref_parameter: str = "utm_content"
    """Tracking parameter of the booking link that may hold `ref:source:kind:id`; anything else there is a campaign."""
    salesforce_source: str = "salesforce"
    """Source whose refs `salesforce_uuid` names."""


def verify(request: signatures.Request, secret: bytes, now: datetime, config: CalendlySource) -> None:
    signatures.stamped(request, "Calendly-Webhook-Signature", secret, now, WINDOW)


def split(body: bytes, headers: Mapping[str, str], config: Source) -> list[SourceEvent]:
    value = bodies.parse(body)
    if not isinstance(value, dict):
        raise Unreadable("expected an event object")
    kind = bodies.text(value.get("event"))
    if kind is None:
        raise Unreadable("an event has an event name")
    uri = bodies.text(bodies.mapping(value.get("payload")).get("uri"))
    made = bodies.text(value.get("created_at"))
    key = f"{kind}:{uri}:{made}" if uri and made else "sha256:" + bodies.digest(body)
    return [SourceEvent(key, kind[:200], value)]


def join(items: Sequence[Mapping[str, Any]]) -> bytes:
    return bodies.dump(items[0])


def interpret(event: SourceEvent, config: CalendlySource) -> list[Statement] | Ignored:
    mapped = _KINDS.get(event.kind)
    if mapped is None:
        return _SILENT.get(event.kind) or Ignored(f"{event.kind} is not read", unknown=not _known(event.kind))
    invitee = event.body.get("payload")
    if not isinstance(invitee, dict):
        raise Unreadable("payload is missing")
    email = (bodies.text(invitee.get("email")) or "").lower()
    if email.count("@") != 1:
        raise Unreadable("the invitee has no e-mail address")
    if _ours(email, config):
        return Ignored("the invitee is one of us")
    return mapped(invitee, moment(event.body.get("created_at")), config)


def _known(kind: str) -> bool:
    return kind.partition(".")[0] in {"invitee", "event_type", "meeting_recap", "contact", "user", "organization"}


def _ours(email: str, config: CalendlySource) -> bool:
    return email.rpartition("@")[2] in config.our_domains


def _meeting(invitee: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The meeting's id, and the event itself where the body holds it: older bodies name its URI only."""
    event = bodies.mapping(invitee.get("scheduled_event"))
    uri = bodies.text(event.get("uri")) or bodies.text(invitee.get("event")) or ""
    found = bodies.identifier(uri.rstrip("/").rpartition("/")[2])
    if found is None:
        raise Unreadable("neither scheduled_event.uri nor event names the meeting")
    return found, event


def _statement(invitee: Mapping[str, Any], at: datetime | None, config: CalendlySource, **said: Any) -> Statement:
    """Whose it is: who the booking link says, else whose the Salesforce record is, else whom the invitee belongs to."""
    tracking, email = bodies.mapping(invitee.get("tracking")), str(bodies.text(invitee.get("email")))
    own = Ref(config.name, "contact", bodies.person_id(email))
    named = bodies.text(tracking.get(config.client_ref_parameter)) or ""
    target = parse_ref(named) if named.startswith(PREFIX) else None
    record = bodies.identifier(tracking.get("salesforce_uuid"))
    kind = SALESFORCE.get(record[:3]) if record else None
    refs = (
        *((target,) if target else ()),
        *((Ref(config.salesforce_source, kind, long_id(record)),) if record and kind else ()),
        own,
    )
    hints = {"email": email.lower()}
    return Statement(refs, at, links=(own,), hints=hints, **said)


def _contact(invitee: Mapping[str, Any]) -> str:
    return bodies.person_id(str(bodies.text(invitee.get("email"))))


def _booked(invitee: Mapping[str, Any], told: datetime | None, config: CalendlySource) -> list[Statement] | Ignored:
    """The person, and the meeting if the body says when it is."""
    at = moment(invitee.get("created_at")) or told
    contact = ContactChange(
        _contact(invitee),
        name=bodies.text(invitee.get("name")),
        first_name=bodies.text(invitee.get("first_name")),
        last_name=bodies.text(invitee.get("last_name")),
        email=bodies.text(invitee.get("email")),
    )
    person = _statement(invitee, at, config, contact=contact)
    meeting, event = _meeting(invitee)
    starts = moment(event.get("start_time"))
    if starts is None:
        return [person]
    scheduled = client.MeetingScheduled(
        meeting_id=meeting,
        kind=_kind(event, config),
        starts_at=starts,
        ends_at=moment(event.get("end_time")),
        attendees=tuple(dict.fromkeys((_contact(invitee), *_hosts(event), *_guests(event, config)))),
    )
    return [person, _statement(invitee, at, config, data=scheduled)]


def _kind(event: Mapping[str, Any], config: CalendlySource) -> MeetingKind:
    """By its type's URI, else by the longest configured phrase in its name."""
    by_uri = config.kinds.get(bodies.text(event.get("event_type")) or "")
    if by_uri is not None:
        return by_uri
    name = _plain(bodies.text(event.get("name")) or "")
    fits = [phrase for phrase in config.kinds if f" {_plain(phrase).strip()} " in name]
    return config.kinds[max(fits, key=len)] if fits else config.default_kind


def _plain(name: str) -> str:
    """`Acme – Kick-off (30 min)` → ` acme kick off 30 min `."""
    words = re.findall(r"[^\W_]+", name.lower())
    return f" {' '.join(words)} "


def _hosts(event: Mapping[str, Any]) -> list[str]:
    return _emails(event.get("event_memberships"), "user_email")


def _guests(event: Mapping[str, Any], config: CalendlySource) -> list[str]:
    found = _emails(event.get("event_guests"), "email")
    return [email if _ours(email, config) else bodies.person_id(email) for email in found]


def _emails(value: Any, name: str) -> list[str]:
    found = [(bodies.text(person.get(name)) or "").lower() for person in bodies.objects(value)[:200]]
    return [email for email in found if email.count("@") == 1 and len(email) <= 300]


def _called_off(invitee: Mapping[str, Any], told: datetime | None, config: CalendlySource) -> list[Statement] | Ignored:
    """A moved meeting leaves its old time, too; that is no refusal of the client's, whoever moved it."""
    meeting, event = _meeting(invitee)
    cancellation = bodies.mapping(invitee.get("cancellation")) or bodies.mapping(event.get("cancellation"))
    at = moment(cancellation.get("created_at")) or moment(invitee.get("updated_at")) or told
    notice = _hours(at, event)
    if _active(event) > 0:
        return Ignored("others still come: the meeting takes place")
    if invitee.get("rescheduled") is True:
        moved = {"meeting_id": meeting, "by": "us", "notice_hours": notice, "rescheduled": True}
        return [_statement(invitee, at, config, data=client.MeetingCancelled.model_validate(moved))]
    cancelled = client.MeetingCancelled(
        meeting_id=meeting, by=_by(cancellation, invitee, event, config), notice_hours=notice
    )
    return [_statement(invitee, at, config, data=cancelled)]


def _active(event: Mapping[str, Any]) -> int:
    """How many invitees still come; none where the body does not count them."""
    return bodies.integer(bodies.mapping(event.get("invitees_counter")).get("active")) or 0


def _by(
    cancellation: Mapping[str, Any], invitee: Mapping[str, Any], event: Mapping[str, Any], config: CalendlySource
) -> client.Side:
    """`canceler_type` says it; bodies from before 2021 name the canceller only."""
    kind = bodies.text(cancellation.get("canceler_type"))
    if kind in {"host", "invitee"}:
        return "us" if kind == "host" else "client"
    name = bodies.text(cancellation.get("canceled_by"))
    if name is not None and name in {bodies.text(invitee.get("name")), bodies.text(invitee.get("email"))}:
        return "client"
    hosts = bodies.objects(event.get("event_memberships"))
    ours = {bodies.text(host.get(field)) for host in hosts for field in ("user", "user_email", "user_name")}
    if name is not None and name in ours:
        return "us"
    raise Unreadable("who cancelled is not said")


def _hours(at: datetime | None, event: Mapping[str, Any]) -> float | None:
    starts = moment(event.get("start_time"))
    return round((starts - at).total_seconds() / 3600, 2) if starts and at else None


def _stayed_away(
    invitee: Mapping[str, Any], told: datetime | None, config: CalendlySource
) -> list[Statement] | Ignored:
    """Of several invitees one was absent; the only one called the meeting off by not coming (negative notice)."""
    meeting, event = _meeting(invitee)
    at = moment(bodies.mapping(invitee.get("no_show")).get("created_at")) or told
    if _active(event) > 1:
        held = client.MeetingHeld(
            meeting_id=meeting, kind=_kind(event, config), attended=tuple(_hosts(event)), absent=(_contact(invitee),)
        )
        return [_statement(invitee, at, config, data=held)]
    missed = client.MeetingCancelled(meeting_id=meeting, by="client", notice_hours=_hours(at, event))
    return [_statement(invitee, at, config, data=missed)]


_KINDS: dict[str, Callable[[Mapping[str, Any], datetime | None, CalendlySource], list[Statement] | Ignored]] = {
    "invitee.created": _booked,
    "invitee.canceled": _called_off,
    "invitee_no_show.created": _stayed_away,
}
_SILENT = {
    "invitee_no_show.deleted": Ignored("a no-show was taken back: say the meeting was held, if it was"),
    "routing_form_submission.created": Ignored("a routing form books nothing; the booking comes by itself"),
}
