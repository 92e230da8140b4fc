"""Salesforce (docs/sources/salesforce.md): outbound messages, and change events as a forwarder posts them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from common.contracts import client
from common.contracts.client import MeetingKind, Priority

from ingest.domain.refs import Ref
from ingest.domain.statement import ContactChange, Ignored, SourceEvent, Statement, Unreadable
from ingest.domain.times import day, moment
from ingest.sources import bodies, crm, signatures
from ingest.sources import salesforce_forms as forms
from ingest.sources.crm import ContractField, CrmSource
from ingest.sources.replies import Reply
from ingest.sources.salesforce_forms import MESSAGE, Record

ACK = (
    b'<?xml version="1.0" encoding="UTF-8"?>'
    b'<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
    b'<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse>'
    b"</soapenv:Body></soapenv:Envelope>"
)
PREFIXES = {"001": "account", "003": "contact", "006": "opportunity", "500": "case"}
"""The first three characters of an id say what it is of (Salesforce, "Standard Field Record ID Prefix Decoder")."""
NEW = timedelta(seconds=5)
"""A record that was created and last changed within this is new."""
BORN = frozenset({"CREATE", "GAP_CREATE"})
BACK = frozenset({"UNDELETE", "GAP_UNDELETE"})
GONE = frozenset({"DELETE", "GAP_DELETE"})
Said = list[Statement] | Ignored
NOTHING = Ignored("no mapped field changed")


class SalesforceSource(CrmSource):
    """Fields, picklists and habits that differ from org to org."""

    vendor: Literal["salesforce"]
    organization_id: str = ""
    """If set, outbound messages of another org are refused."""
    own_client: str = ""
    """The API client id with which notify writes our status back; what it changes is dropped when it comes home."""
    messages_create: bool = True
    """Whether an outbound message of an account that we do not know creates the client."""
    deal_fields: dict[str, ContractField] = {}
    """Opportunity field → field of the contract."""
    loss_reason_property: str = ""
    """Opportunity field that says why a client was lost, where a stage means `contract_cancelled`."""
    case_closed_statuses: list[str] = ["Closed"]
    case_priorities: dict[str, Priority] = {}
    client_origins: list[str] = []
    """Case origins whose subject and description the client wrote; those of the others an agent did."""
    meeting_types: dict[str, MeetingKind] = {}
    """Type of a calendar event → kind of meeting; other events are no meetings with a client."""


def verify(request: signatures.Request, secret: bytes, now: datetime, config: SalesforceSource) -> None:
    """Salesforce signs nothing: Basic credentials or the secret header, and the org where one is set."""
    signatures.shared(request, secret, config.secret_header)
    if config.organization_id:
        named = forms.organisation(request.body)
        if named is not None and named != forms.long_id(config.organization_id):
            raise signatures.Refusal(f"a message of another org: {named[:40]}")


def reply(body: bytes) -> Reply | None:
    """Without this very answer Salesforce sends an outbound message again, for 24 hours. Quarantined is taken, too."""
    return Reply(ACK, "text/xml") if forms.is_xml(body) else None


def split(body: bytes, headers: Mapping[str, str], config: SalesforceSource) -> list[SourceEvent]:
    """One event a record; a field of an account that cannot be read stands alone, so that the others count."""
    found: list[SourceEvent] = []
    for event in forms.events(body):
        broken = _unreadable(event, config)
        if not broken or bodies.mapping(event.body.get(forms.HEADER)).get("key"):
            found.append(event)
            continue
        found.append(forms.without(event, frozenset(broken)))
        found += [forms.alone(event, name) for name in broken]
    return found


def join(items: Sequence[Mapping[str, Any]]) -> bytes:
    return bodies.dump(list(items))


def _unreadable(event: SourceEvent, config: SalesforceSource) -> Mapping[str, str]:
    if not event.kind.startswith("Account."):
        return {}
    try:
        return crm.company(forms.record(event).written(), config).unreadable
    except Unreadable:
        return {}


def interpret(event: SourceEvent, config: SalesforceSource) -> Said:
    kind, _, change = event.kind.partition(".")
    mapped = _KINDS.get(kind)
    if mapped is None:
        return Ignored(f"{kind} is not read", unknown=kind not in _SILENT)
    if change in {"GAP_UPDATE", "GAP_OVERFLOW"}:
        return Ignored("a gap event: Salesforce does not say what changed")
    header = bodies.mapping(event.body.get(forms.HEADER))
    if config.own_client and f"client={config.own_client}" in str(header.get("changeOrigin")).split(";"):
        return Ignored("our own write-back")
    record = forms.record(event)
    if record.id.endswith("*"):
        return Ignored("a conversion of a field's type, in all records")
    return mapped(record, config)


def _named(value: str | None, kind: str, config: SalesforceSource) -> Ref | None:
    found = bodies.identifier(value)
    return Ref(config.name, kind, forms.long_id(found)) if found else None


def _owner(record: Record, config: SalesforceSource) -> Ref | None:
    return _named(record.text("AccountId"), "account", config)


def _account(record: Record, config: SalesforceSource) -> Said:
    if record.change in GONE:
        return Ignored("a deleted account is not a lost client: erase or cancel it here")
    ref = Ref(config.name, "account", record.id)
    found = crm.company(record.written(), config)
    if found.unreadable:
        raise Unreadable("; ".join(found.unreadable.values()))
    known = (client.Ref(source=ref.source, kind=ref.kind, id=ref.id),)
    said: list[Statement] = []
    if record.change in BORN:
        born = client.ClientRegistered.model_validate({**found.said, "refs": known})
        said.append(Statement((ref,), record.at, born, creates=True, hints=found.hints))
    else:
        if record.change in BACK or (record.change == MESSAGE and config.messages_create):
            said.append(Statement((ref,), record.at, client.ClientRegistered(refs=known), creates=True))
        if found.said:
            updated = client.ClientUpdated.model_validate(found.said)
            said.append(Statement((ref,), record.at, updated, hints=found.hints))
    if found.refs:
        said.append(Statement((ref,), record.at, links=found.refs))
    return said or NOTHING


def _contact(record: Record, config: SalesforceSource) -> Said:
    ref = Ref(config.name, "contact", record.id)
    emptied = record.change == "UPDATE" and record.says("AccountId") and record.text("AccountId") is None
    if record.change in GONE or emptied:
        return [Statement((ref,), record.at, contact=ContactChange(ref.id, left=True))]
    compound = bodies.mapping(record.fields.get("Name"))
    parts = {name: record.text(name) or bodies.text(compound.get(name)) for name in ("FirstName", "LastName")}
    email = record.text("Email") if record.says("Email") else None
    in_role = bool(config.contact_role_property) and record.says(config.contact_role_property)
    news = {"Name", "FirstName", "LastName", "Email", "AccountId"}
    if record.change.startswith("GAP_") or not (in_role or any(record.says(name) for name in news)):
        return NOTHING
    contact = ContactChange(
        ref.id,
        name=record.text("Name") if not any(parts.values()) else None,
        first_name=parts["FirstName"],
        last_name=parts["LastName"],
        email=email,
        role=crm.role(record.text(config.contact_role_property), config) if in_role else None,
    )
    owner = _owner(record, config)
    return [
        Statement(
            (owner, ref) if owner else (ref,),
            record.at,
            contact=contact,
            links=(ref,) if owner else (),
            moves=record.says("AccountId"),
            hints={"email": email} if email else {},
        )
    ]


def _opportunity(record: Record, config: SalesforceSource) -> Said:
    """Change events name the account when it changes only: what names it teaches us whose the opportunity is."""
    if record.change in GONE or record.change.startswith("GAP_"):
        return Ignored("only an opportunity's account and stage are read")
    ref, owner = Ref(config.name, "opportunity", record.id), _owner(record, config)
    refs, links = ((owner, ref), (ref,)) if owner else ((ref,), ())
    event = _stage_event(record, config)
    if event is not None:
        on = record.at.date() if record.at else day(record.fields.get("CloseDate"))
        terms = crm.terms(_terms(record, config), config.deal_fields, config)
        said = crm.contract(event, ref.id, on, terms, record.text(config.loss_reason_property))
        return [Statement(refs, record.at, said, links=links)]
    if links and record.says("AccountId"):
        return [Statement(refs, record.at, links=links, moves=True)]
    return Ignored("the stage is not mapped" if record.says("StageName") else "no mapped field changed")


def _terms(record: Record, config: SalesforceSource) -> dict[str, crm.Written]:
    """Terms count with the stage even where they did not change with it (enriched change events repeat them)."""
    currency = record.text("CurrencyIsoCode")
    texts = {name: record.text(name) for name in config.deal_fields}
    return {name: crm.Written(value, currency) for name, value in texts.items() if value}


def _stage_event(record: Record, config: SalesforceSource) -> crm.ContractEvent | None:
    """`Closed Won`, or `Closed Won@Renewal` where the opportunity's Type decides."""
    stage = record.text("StageName") if record.says("StageName") else None
    if stage is None:
        return None
    kind = record.text("Type")
    if kind is None and any(key.startswith(f"{stage}@") for key in config.deal_stages):
        raise Unreadable(f"what {stage} means depends on Type, which the event does not hold: enrich it")
    return config.deal_stages.get(f"{stage}@{kind}") or config.deal_stages.get(stage)


def _case(record: Record, config: SalesforceSource) -> Said:
    ref, owner = Ref(config.name, "case", record.id), _owner(record, config)
    person = _named(record.text("ContactId"), "contact", config)
    known = tuple(found for found in (owner, person) if found)
    refs, links = (*known, ref), (ref,) if known else ()
    if record.change in GONE:
        return [Statement(refs, record.at, client.TicketResolved(ticket_id=ref.id, status="deleted"))]
    if record.change.startswith("GAP_"):
        return NOTHING
    said: list[Statement] = []
    if _is_new(record):
        words = "\n".join(part for name in ("Subject", "Description") if (part := record.text(name)))
        opened = client.TicketOpened(
            ticket_id=ref.id,
            priority=_priority(record, config) or Priority.NORMAL,
            contact_id=person.id if person else None,
        )
        theirs = record.text("Origin") in config.client_origins
        said.append(Statement(refs, record.at, opened, links=links, text=words if theirs else None))
    status = record.text("Status") if record.says("Status") else None
    done = status in config.case_closed_statuses
    priority = _priority(record, config) if record.says("Priority") else None
    if done or (not said and (status or priority)):
        body = client.TicketResolved if done else client.TicketUpdated
        changed = body(ticket_id=ref.id, status=status.lower()[:300] if status else None, priority=priority)
        said.append(Statement(refs, record.at, changed, links=links))
    if not said and links and record.says("AccountId"):
        said.append(Statement(refs, record.at, links=links, moves=True))
    return said or NOTHING


def _is_new(record: Record) -> bool:
    """An outbound message says only when a record was created and last changed."""
    if record.change != MESSAGE:
        return record.change == "CREATE"
    born = moment(record.fields.get("CreatedDate"))
    return born is not None and record.at is not None and record.at - born <= NEW


def _priority(record: Record, config: SalesforceSource) -> Priority | None:
    value = record.text("Priority") or ""
    if value in config.case_priorities:
        return config.case_priorities[value]
    return Priority(value.lower()) if value.lower() in set(Priority) else None


def _comment(record: Record, config: SalesforceSource) -> Said:
    """Salesforce does not say whether a case comment's author is an agent or a portal user: it is no one's mood."""
    case = _named(record.text("ParentId"), "case", config)
    if record.change not in {"CREATE", MESSAGE} or case is None:
        return Ignored("only new comments of cases are read")
    if record.text("IsPublished") == "false":
        return Ignored("an internal comment")
    return [Statement((case,), record.at, client.TicketUpdated(ticket_id=case.id))]


def _email(record: Record, config: SalesforceSource) -> Said:
    case = _named(record.text("ParentId"), "case", config)
    if record.change not in {"CREATE", MESSAGE} or case is None or not case.id.startswith("500"):
        return Ignored("only new e-mails of cases are read")
    theirs = record.text("Incoming") == "true"
    said = client.TicketUpdated(ticket_id=case.id, author=client.Author.CLIENT if theirs else client.Author.US)
    words = (record.text("TextBody") or record.text("HtmlBody")) if theirs else None
    return [Statement((case,), record.at, said, text=words)]


def _event(record: Record, config: SalesforceSource) -> Said:
    """A calendar event with a client. Its type must be in it: enrich change events of Event with Type."""
    kind = config.meeting_types.get(record.text("Type") or "")
    if kind is None:
        return Ignored("its type is no meeting with a client, or is not in the event")
    ref, starts = Ref(config.name, "event", record.id), moment(record.fields.get("StartDateTime"))
    related = [_related(record.text(name), config) for name in ("AccountId", "WhatId", "WhoId")]
    refs = (*dict.fromkeys(found for found in related if found), ref)
    links = (ref,) if len(refs) > 1 else ()
    if record.change in GONE:
        hours = (starts - record.at).total_seconds() / 3600 if starts and record.at else None
        gone = client.MeetingCancelled(meeting_id=ref.id, by="us", notice_hours=hours)
        return [Statement(refs, record.at, gone)]
    if starts is None or not record.says("StartDateTime"):
        return NOTHING
    person = _related(record.text("WhoId"), config)
    owner = config.owners.get(record.text("OwnerId") or "")
    there = tuple(found for found in (person.id if person and person.kind == "contact" else None, owner) if found)
    said = client.MeetingScheduled(
        meeting_id=ref.id,
        kind=kind,
        starts_at=starts,
        ends_at=moment(record.fields.get("EndDateTime")),
        attendees=there or None,
    )
    return [Statement(refs, record.at, said, links=links)]


def _related(value: str | None, config: SalesforceSource) -> Ref | None:
    """WhatId and WhoId may name anything; the prefix says what."""
    kind = PREFIXES.get((value or "")[:3])
    return _named(value, kind, config) if kind else None


_KINDS: dict[str, Callable[[Record, SalesforceSource], Said]] = {
    "Account": _account,
    "Contact": _contact,
    "Opportunity": _opportunity,
    "Case": _case,
    "CaseComment": _comment,
    "EmailMessage": _email,
    "Event": _event,
}
_SILENT = frozenset({"Lead", "Task", "User", "Campaign", "Contract", "Order", "Asset", "Product2", "Quote"})
