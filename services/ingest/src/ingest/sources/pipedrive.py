"""Pipedrive webhooks (docs/sources/pipedrive.md): v1 (`current`, `previous`) and v2 (`data`, `meta.entity`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from common.contracts import client
from common.contracts.client import MeetingKind

from ingest.domain.refs import Ref
from ingest.domain.statement import ContactChange, Ignored, SourceEvent, Statement, Unreadable
from ingest.domain.times import day, moment
from ingest.sources import bodies, crm, signatures
from ingest.sources.crm import ContractField, CrmSource, Written

ACTIONS = {"added": "create", "create": "create", "updated": "change", "change": "change", "merged": "change",
           "deleted": "delete", "delete": "delete"}  # fmt: skip
"""v1's words and v2's; the kinds of events are v2's."""
KEPT_KEY = "csl_key"
"""Where an event that was taken apart (a property of it could not be read) keeps the key of the whole."""
Said = list[Statement] | Ignored
NOTHING = Ignored("no mapped field changed")


class PipedriveSource(CrmSource):
    """Custom fields have 40-digit hashes for names, and ids for choices."""

    vendor: Literal["pipedrive"]
    options: dict[str, dict[str, str]] = {}
    """Single- or multiple-option field → id of a choice → its label: Pipedrive sends the ids only."""
    own_user_id: str = ""
    """The user as whom notify writes our status back; what it changes by the API is dropped when it comes home."""
    deal_fields: dict[str, ContractField] = {}
    """Deal field → field of the contract."""
    meeting_types: dict[str, MeetingKind] = {}
    """Type of an activity → kind of meeting; other activities are no meetings with a client."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one object: as it is (as it was, once deleted), and what it was before."""

    action: str
    now: Mapping[str, Any]
    before: Mapping[str, Any] | None
    """None where the body does not say: then all counts as new."""
    at: datetime | None

    def news(self, name: str) -> bool:
        """Whether this property has another value than before. v2 repeats changed ones only, v1 all."""
        if self.action == "create" or self.before is None:
            return True
        now, before = _properties(self.now), _properties(self.before)
        return name in before and before[name] != now.get(name)


def verify(request: signatures.Request, secret: bytes, now: datetime, config: PipedriveSource) -> None:
    """Pipedrive signs nothing: HTTP Basic, as the webhook was given."""
    signatures.shared(request, secret, config.secret_header)


def split(body: bytes, headers: Mapping[str, str], config: PipedriveSource) -> list[SourceEvent]:
    """One event; a property of an organisation that cannot be read stands alone, so that the others count."""
    value = bodies.parse(body)
    items = value if isinstance(value, list) else [value]
    if not items:
        raise Unreadable("an empty list")
    found: list[SourceEvent] = []
    for item in items:
        if not isinstance(item, dict) or not isinstance(item.get("meta"), dict):
            raise Unreadable("expected an object with meta")
        event = SourceEvent(_key(item), _kind(item), item)
        broken = {} if KEPT_KEY in item else _unreadable(event, config)
        found.append(_without(event, broken) if broken else event)
        found += [_alone(event, name) for name in broken]
    return found


def join(items: Sequence[Mapping[str, Any]]) -> bytes:
    return bodies.dump(list(items))


def _kind(item: Mapping[str, Any]) -> str:
    meta = item["meta"]
    action, _, thing = (bodies.text(item.get("event")) or "").partition(".")
    thing = bodies.text(meta.get("entity")) or bodies.text(meta.get("object")) or thing or "untyped"
    action = bodies.text(meta.get("action")) or action
    return f"{thing}.{ACTIONS.get(action, action)}"[:200]


def _key(item: Mapping[str, Any]) -> str:
    """v2: `meta.id`. In v1 that is the object's id, so its moment and content tell one change from the next."""
    meta = item["meta"]
    if isinstance(item.get(KEPT_KEY), str):
        return str(item[KEPT_KEY])[:1000]
    if "entity" in meta and (found := bodies.identifier(meta.get("id"))):
        return found
    when = bodies.text(meta.get("timestamp_micro")) or bodies.text(meta.get("timestamp"))
    content = bodies.digest(bodies.canonical([item.get("current"), item.get("data"), item.get("previous")]))
    return f"{_kind(item)}:{bodies.text(meta.get('id'))}:{when}:{content[:16]}"[:1000]


def _change(event: SourceEvent) -> Change:
    body, meta, action = event.body, bodies.mapping(event.body.get("meta")), event.kind.rpartition(".")[2]
    now = bodies.mapping(body.get("data")) or bodies.mapping(body.get("current"))
    before = body["previous"] if isinstance(body.get("previous"), dict) else None
    at = moment(meta.get("timestamp_micro")) or moment(meta.get("timestamp"))
    return Change(action, now or (before or {} if action == "delete" else {}), before, at)


def _unreadable(event: SourceEvent, config: PipedriveSource) -> Mapping[str, str]:
    if event.kind not in {"organization.create", "organization.change"}:
        return {}
    return crm.company(_news(_change(event), config.company_properties, config), config).unreadable


def _without(event: SourceEvent, names: Mapping[str, str]) -> SourceEvent:
    holder = "data" if isinstance(event.body.get("data"), dict) else "current"
    now = {name: value for name, value in event.body[holder].items() if name not in names}
    if isinstance(now.get("custom_fields"), dict):
        now["custom_fields"] = {name: value for name, value in now["custom_fields"].items() if name not in names}
    return SourceEvent(event.key, event.kind, {**event.body, holder: now, KEPT_KEY: event.key})


def _alone(event: SourceEvent, name: str) -> SourceEvent:
    now, meta, key = _change(event).now, event.body["meta"], f"{event.key}:{name}"
    shown = {"id": now.get("id"), name: _properties(now)[name]}
    body = {"meta": {**meta, "action": "change"}, "data": shown, "previous": {name: None}, KEPT_KEY: key}
    return SourceEvent(key, "organization.change", body)


def interpret(event: SourceEvent, config: PipedriveSource) -> Said:
    mapped = _KINDS.get(event.kind)
    if mapped is None:
        thing = event.kind.partition(".")[0]
        return _KNOWN_SILENT.get(event.kind) or Ignored(f"{event.kind} is not read", unknown=thing not in _SILENT)
    meta = bodies.mapping(event.body.get("meta"))
    ours = bool(config.own_user_id) and bodies.text(meta.get("user_id")) == config.own_user_id
    if ours and bodies.text(meta.get("change_source")) in {"api", None}:
        return Ignored("our own write-back")
    return mapped(_change(event), config)


def _properties(now: Mapping[str, Any]) -> Mapping[str, Any]:
    """An object's own properties beside its custom fields, which v2 keeps apart."""
    return {**now, **bodies.mapping(now.get("custom_fields"))}


def _news(change: Change, names: Mapping[str, Any], config: PipedriveSource) -> dict[str, Written]:
    """Of these properties those that are new, as text."""
    return _written(change, [name for name in names if change.news(name)], config)


def _written(change: Change, names: Sequence[str], config: PipedriveSource) -> dict[str, Written]:
    every, found = _properties(change.now), {}
    for name in names:
        value = every.get(name)
        text = _text(value, config.options.get(name, {}))
        if text is not None:
            said = bodies.mapping(value).get("currency") or every.get(f"{name}_currency") or every.get("currency")
            found[name] = Written(text, bodies.text(said))
    return found


def _text(value: Any, labels: Mapping[str, str]) -> str | None:
    """A property's value; v2 wraps custom ones by type: `value`, an `id`, or the `values` of a multiple choice."""
    if isinstance(value, dict):
        value = value["values"] if isinstance(value.get("values"), list) else value.get("value", value.get("id"))
    if isinstance(value, list):
        parts = (bodies.text(item.get("id") if isinstance(item, dict) else item) for item in value)
        return ";".join(labels.get(part, part) for part in parts if part) or None
    if isinstance(value, bool):
        return "true" if value else "false"
    found = bodies.text(value)
    return labels.get(found, found) if found else None


def _named(change: Change, field: str, kind: str, config: PipedriveSource) -> Ref | None:
    """An id, or in v1 the whole object with its id as `value`."""
    value = change.now.get(field)
    found = bodies.identifier(value.get("value", value.get("id")) if isinstance(value, dict) else value)
    return Ref(config.name, kind, found) if found else None


def _own(change: Change, kind: str, config: PipedriveSource) -> Ref:
    found = _named(change, "id", kind, config)
    if found is None:
        raise Unreadable("the object's id is missing")
    return found


def _organization(change: Change, config: PipedriveSource) -> Said:
    ref = _own(change, "organization", config)
    mapped = crm.company(_news(change, {**config.company_properties, **config.company_refs}, config), config)
    if mapped.unreadable:
        raise Unreadable("; ".join(mapped.unreadable.values()))
    said: list[Statement] = []
    if change.action == "create":
        known = (client.Ref(source=ref.source, kind=ref.kind, id=ref.id),)
        born = client.ClientRegistered.model_validate({**mapped.said, "refs": known})
        said.append(Statement((ref,), change.at, born, creates=True, hints=mapped.hints))
    elif mapped.said:
        updated = client.ClientUpdated.model_validate(mapped.said)
        said.append(Statement((ref,), change.at, updated, hints=mapped.hints))
    if mapped.refs:
        said.append(Statement((ref,), change.at, links=mapped.refs))
    return said or NOTHING


def _person(change: Change, config: PipedriveSource) -> Said:
    ref, owner = _own(change, "person", config), _named(change, "org_id", "organization", config)
    in_role = bool(config.contact_role_property) and change.news(config.contact_role_property)
    fields = ("name", "first_name", "last_name", "emails", "email", "org_id")
    if not in_role and not any(change.news(name) for name in fields):
        return NOTHING
    said: list[Statement] = []
    moved = change.action == "change" and change.news("org_id")
    old = _named(Change("", change.before or {}, {}, None), "org_id", "organization", config) if moved else None
    if moved and old != owner:
        refs = (old, ref) if old else (ref,)
        if old or owner is None:
            said.append(Statement(refs, change.at, contact=ContactChange(ref.id, left=True)))
        if owner is None:
            return said
    first, last = bodies.text(change.now.get("first_name")), bodies.text(change.now.get("last_name"))
    email = _email(change.now)
    contact = ContactChange(
        ref.id,
        name=bodies.text(change.now.get("name")) if not (first or last) else None,
        first_name=first,
        last_name=last,
        email=email,
        role=crm.role(_role_text(change, config), config) if in_role else None,
    )
    hints = {"email": email} if email else {}
    refs = (owner, ref) if owner else (ref,)
    links = (ref,) if owner else ()
    return [*said, Statement(refs, change.at, contact=contact, links=links, moves=moved, hints=hints)]


def _role_text(change: Change, config: PipedriveSource) -> str | None:
    name = config.contact_role_property
    return _text(_properties(change.now).get(name), config.options.get(name, {}))


def _email(now: Mapping[str, Any]) -> str | None:
    """v2 `emails`, v1 `email`: a list with one primary; long ago a text."""
    value = now.get("emails") or now.get("email")
    if not isinstance(value, list):
        return bodies.text(value)
    items = [bodies.mapping(item) for item in value]
    first = next((item for item in items if item.get("primary") is True), items[0] if items else {})
    return bodies.text(first.get("value"))


def _person_gone(change: Change, config: PipedriveSource) -> Said:
    ref, owner = _own(change, "person", config), _named(change, "org_id", "organization", config)
    refs = (owner, ref) if owner else (ref,)
    return [Statement(refs, change.at, contact=ContactChange(ref.id, left=True))]


def _deal(change: Change, config: PipedriveSource) -> Said:
    ref, event = _own(change, "deal", config), _deal_event(change, config)
    if event is None:
        return Ignored("neither its stage nor its status means anything to us")
    known = (_named(change, "org_id", "organization", config), _named(change, "person_id", "person", config), ref)
    refs = tuple(found for found in known if found)
    ended = moment(change.now.get(f"{bodies.text(change.now.get('status'))}_time")) or change.at
    terms = crm.terms(_written(change, list(config.deal_fields), config), config.deal_fields, config)
    reason = bodies.text(change.now.get("lost_reason"))
    said = crm.contract(event, ref.id, ended.date() if ended else None, terms, reason)
    return [Statement(refs, change.at, said, links=(ref,) if len(refs) > 1 else ())]


def _deal_event(change: Change, config: PipedriveSource) -> crm.ContractEvent | None:
    """By `won`, `lost` or a stage's id, each with `@<pipeline id>` where the pipeline decides."""
    pipeline = bodies.text(change.now.get("pipeline_id"))
    for name in ("status", "stage_id"):
        value = bodies.text(change.now.get(name))
        if value is None or not change.news(name):
            continue
        found = config.deal_stages.get(f"{value}@{pipeline}") or config.deal_stages.get(value)
        if found:
            return found
    return None


def _activity(change: Change, config: PipedriveSource) -> Said:
    kind = config.meeting_types.get(bodies.text(change.now.get("type")) or "")
    if kind is None:
        return Ignored("its type is no meeting with a client")
    ref, starts = _own(change, "activity", config), _starts(change.now)
    kinds = {"org_id": "organization", "person_id": "person", "deal_id": "deal"}
    named = [_named(change, field, what, config) for field, what in kinds.items()]
    refs = tuple(found for found in named if found)
    if not refs:
        return Ignored("an activity with nobody")
    if starts is None:
        raise Unreadable("the activity has no due_date")
    if change.action == "delete":
        hours = (starts - change.at).total_seconds() / 3600 if change.at else None
        if _is_done(change.now):
            return Ignored("a meeting that was held")
        return [Statement(refs, change.at, client.MeetingCancelled(meeting_id=ref.id, by="us", notice_hours=hours))]
    there, length = _there(change.now, config), _clock(change.now.get("duration"))
    if _is_done(change.now):
        if not change.news("done"):
            return NOTHING
        minutes = length.total_seconds() / 60 if length else None
        held = client.MeetingHeld(meeting_id=ref.id, kind=kind, attended=there, minutes=minutes)
        return [Statement(refs, min(starts, change.at) if change.at else starts, held)]
    if not any(change.news(name) for name in ("due_date", "due_time", "type")):
        return NOTHING
    ends = starts + length if length else None
    said = client.MeetingScheduled(
        meeting_id=ref.id, kind=kind, starts_at=starts, ends_at=ends, attendees=there or None
    )
    return [Statement(refs, change.at, said)]


def _starts(now: Mapping[str, Any]) -> datetime | None:
    """due_date and due_time are UTC; an activity for the whole day begins with it."""
    on, at = day(now.get("due_date")), _clock(now.get("due_time"))
    midnight = moment(on.isoformat()) if on else None
    return midnight + at if midnight and at else midnight


def _is_done(now: Mapping[str, Any]) -> bool:
    """v2 says true, v1 1."""
    return bodies.integer(now.get("done")) == 1 or now.get("done") is True


def _clock(value: Any) -> timedelta | None:
    """`14:30` or `14:30:00`, in v2 as `{"value": …}`."""
    text = bodies.text(value.get("value") if isinstance(value, dict) else value)
    parts = [bodies.integer(part) for part in (text or "").split(":")]
    if not 2 <= len(parts) <= 3 or any(part is None or not 0 <= part < 100 for part in parts):
        return None
    hours, minutes = parts[0] or 0, parts[1] or 0
    return timedelta(hours=hours, minutes=minutes)


def _there(now: Mapping[str, Any], config: PipedriveSource) -> tuple[str, ...]:
    """Contact ids of theirs, the address of ours if the owner is listed."""
    listed = now.get("participants")
    people = [bodies.mapping(item).get("person_id") for item in listed] if isinstance(listed, list) else []
    theirs = [found for value in (now.get("person_id"), *people) if (found := bodies.identifier(value))]
    ours = config.owners.get(bodies.text(now.get("owner_id")) or bodies.text(now.get("user_id")) or "")
    return tuple(dict.fromkeys([*theirs, *([ours] if ours else [])]))


_KINDS: dict[str, Callable[[Change, PipedriveSource], Said]] = {
    "organization.create": _organization,
    "organization.change": _organization,
    "person.create": _person,
    "person.change": _person,
    "person.delete": _person_gone,
    "deal.create": _deal,
    "deal.change": _deal,
    "activity.create": _activity,
    "activity.change": _activity,
    "activity.delete": _activity,
}
_KNOWN_SILENT = {
    "organization.delete": Ignored("a deleted organisation is not a lost client: erase, cancel or merge it here"),
    "deal.delete": Ignored("only a deal's stage and status are read"),
}
_SILENT = frozenset(
    ["activityType", "board", "deal_installment", "deal_product", "lead", "note", "phase", "pipeline", "product",
     "project", "stage", "task", "user", *(f"{thing}_field" for thing in ("deal", "lead", "person", "organization"))]
)  # fmt: skip
