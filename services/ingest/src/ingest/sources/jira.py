"""Jira webhooks, automation rules (docs/sources/jira.md): issues are tickets; a field, label or project says whose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from common.contracts import client
from common.contracts.client import Author, Priority
from pydantic import Field, model_validator

from ingest.config import Source
from ingest.domain.refs import Ref, parse_ref
from ingest.domain.statement import Ignored, SourceEvent, Statement, Unreadable
from ingest.domain.times import moment
from ingest.sources import bodies, signatures
from ingest.sources.jira_texts import words

IDENTIFIER = "x-atlassian-webhook-identifier"
PRIORITIES = {"highest": "urgent", "blocker": "urgent", "critical": "urgent", "high": "high", "major": "high",
              "medium": "normal", "normal": "normal", "low": "low", "minor": "low", "lowest": "low",
              "trivial": "low"}  # fmt: skip
"""Jira's own names of priorities, of Cloud and of Data Center."""
LIMIT = 4 << 20
"""An issue carries all its fields, in Data Center its comments and worklogs, too, and the changelog of a long
description holds it twice: Jira's bodies pass the 1 MiB that do for the other vendors."""
Said = list[Statement] | Ignored
SourceKind = Annotated[str, Field(pattern="^[^:]+:[^:]+$")]
WholeRef = Annotated[str, Field(pattern="^[^:]+:[^:]+:.+$")]


class JiraSource(Source):
    """Where an issue says whose it is, and what its words mean."""

    vendor: Literal["jira"]
    limit_bytes: Annotated[int, Field(gt=0, le=32 << 20)] = LIMIT
    client_field: str = ""
    """The field that names the client (`customfield_10050`): `source:kind:id`, a bare id, or a name."""
    client_field_kind: SourceKind | Literal[""] = ""
    """`source:kind` of the bare ids in it (`hubspot:company`)."""
    clients: dict[str, WholeRef] = {}
    """Name in the client field → ref, for fields that people choose from."""
    organizations_field: str = ""
    """Jira Service Management's field *Organizations* (`customfield_10002`): its entry is a ref of this source."""
    labels: dict[str, SourceKind] = {}
    """Beginning of a label → `source:kind` of the id that follows it: `client-18412397`."""
    projects: dict[str, WholeRef] = {}
    """Project key → ref, for projects that serve one client."""
    internal_projects: list[str] = []
    """Keys of projects that are no client's; their issues are ignored."""
    priorities: dict[str, Priority] = {}
    done_statuses: list[str] = []
    """Statuses that end a ticket beside those of Jira's category *Done*."""

    @property
    def kept_headers(self) -> tuple[str, ...]:
        return (IDENTIFIER,)

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        both = {key for key in self.projects if key in self.internal_projects}
        if both:
            raise ValueError(f"projects: {', '.join(sorted(both))} cannot be a client's and internal")
        return self


def verify(request: signatures.Request, secret: bytes, now: datetime, config: JiraSource) -> None:
    """`sha256=` HMAC of the body; automation rules sign nothing and show the secret in a header of theirs instead."""
    if "x-hub-signature" not in request.headers:
        signatures.shared(request, secret, config.secret_header)
        return
    given = signatures.header(request, "X-Hub-Signature")
    if not signatures.same("sha256=" + signatures.sha256_hex(secret, request.body), given):
        raise signatures.Refusal("the signature does not match")


def split(body: bytes, headers: Mapping[str, str], config: JiraSource) -> list[SourceEvent]:
    value = bodies.parse(body)
    items = value if isinstance(value, list) else [value]
    if isinstance(value, dict) and isinstance(value.get("issues"), list):
        items = [{"issue": issue} for issue in value["issues"]]
    if not items or not all(isinstance(item, dict) for item in items):
        raise Unreadable("expected an event, an issue, or a list of them")
    delivery = headers.get(IDENTIFIER, "")[:200]
    found = []
    for position, item in enumerate(items):
        whole = {"issue": item} if "issue" not in item and "fields" in item and "key" in item else item
        kind = _kind(whole)
        if kind is None:
            raise Unreadable("neither an event (webhookEvent) nor an issue")
        key = f"{delivery}:{position}" if delivery else "sha256:" + bodies.digest(bodies.canonical(item))
        found.append(SourceEvent(key, kind[:200], whole))
    return found


def join(items: Sequence[Mapping[str, Any]]) -> bytes:
    return bodies.dump(list(items))


def _kind(item: Mapping[str, Any]) -> str | None:
    """Automation rules and old servers leave out what happened: then the body's own parts tell."""
    named = bodies.text(item.get("webhookEvent"))
    precise = bodies.text(item.get("issue_event_type_name"))
    has_issue, has_comment = isinstance(item.get("issue"), dict), isinstance(item.get("comment"), dict)
    if named == "jira:issue_updated" and has_comment:
        return _commented(item, precise)
    if named is not None:
        return named
    if precise in {"issue_created", "issue_deleted"} and has_issue:
        return f"jira:{precise}"
    if has_comment:
        return _commented(item, precise)
    return "issue" if has_issue else None


def _commented(item: Mapping[str, Any], precise: str | None) -> str:
    """Data Center tells of comments by an updated issue; an edit by the comment's own times."""
    comment = item["comment"]
    if precise in {"issue_comment_edited", "issue_comment_deleted"}:
        return "comment_updated" if precise == "issue_comment_edited" else "comment_deleted"
    created, updated = moment(comment.get("created")), moment(comment.get("updated"))
    return "comment_updated" if created and updated and updated > created else "comment_created"


def interpret(event: SourceEvent, config: JiraSource) -> Said:
    mapped = _KINDS.get(event.kind)
    if mapped is None:
        family = event.kind.removeprefix("jira:").split("_")[0]
        return _KNOWN_SILENT.get(event.kind) or Ignored(f"{event.kind} is not read", unknown=family not in _SILENT)
    issue = event.body.get("issue")
    if not isinstance(issue, dict):
        return Ignored("the issue is not in it (Data Center): jira:issue_updated brings the comment, too")
    project = bodies.text(bodies.mapping(_fields(issue).get("project")).get("key"))
    key = bodies.text(issue.get("key"))
    if (project or (key or "").rpartition("-")[0]) in config.internal_projects:
        return Ignored("an issue of an internal project")
    return mapped(event.body, issue, config)


def _fields(issue: Mapping[str, Any]) -> Mapping[str, Any]:
    return bodies.mapping(issue.get("fields"))


def _ticket(issue: Mapping[str, Any]) -> str:
    """The id: unlike the key it stays when an issue goes to another project."""
    found = bodies.identifier(issue.get("id"))
    if found is None:
        raise Unreadable("the issue's id is missing")
    return found


def _about(issue: Mapping[str, Any], config: JiraSource) -> dict[str, Any]:
    """Whose an issue is: the field, the label, the organisation; what it taught us before; its project.

    Comments hold hardly any field, so every statement about an issue that names its client links the issue.
    """
    named = _named(issue, config)
    own = Ref(config.name, "issue", _ticket(issue))
    project = bodies.identifier(bodies.mapping(_fields(issue).get("project")).get("key"))
    given = parse_ref(config.projects[project]) if project in config.projects else None
    last = given or (Ref(config.name, "project", project) if project else None)
    refs = (*((named,) if named else ()), own, *((last,) if last else ()))
    return {"refs": refs, "links": (own,) if named else (), "moves": named is not None, "hints": _hints(issue, config)}


def _hints(issue: Mapping[str, Any], config: JiraSource) -> dict[str, str]:
    """What helps to say whose an issue is: the client's name in a field, and its customer's address."""
    fields = _fields(issue)
    said = [_values(fields.get(name)) for name in (config.client_field, config.organizations_field) if name]
    names = [name for values in said for name in values]
    reporter = bodies.mapping(fields.get("reporter"))
    email = bodies.text(reporter.get("emailAddress")) if _side(reporter) is Author.CLIENT else None
    return {key: value[:300] for key, value in (("name", names[0] if names else None), ("email", email)) if value}


def _named(issue: Mapping[str, Any], config: JiraSource) -> Ref | None:
    """Raises Unreadable where an issue names several clients: whose it is is never guessed."""
    fields = _fields(issue)
    by_field = (
        [_by_name(value, config) for value in _values(fields.get(config.client_field))] if config.client_field else []
    )
    labels = [label for value in _values(fields.get("labels")) if (label := value)]
    by_label = [
        Ref(*_pair(target), label[len(start) :])
        for start, target in config.labels.items()
        for label in labels
        if label.startswith(start) and 0 < len(label) - len(start) <= 300
    ]
    organisations = _ids(fields.get(config.organizations_field)) if config.organizations_field else []
    by_organisation = [Ref(config.name, "organization", found) for found in organisations]
    for found in (by_field, by_label, by_organisation):
        several = list(dict.fromkeys(found))
        if len(several) > 1:
            raise Unreadable(f"the issue names several clients: {', '.join(map(str, several[:5]))}"[:500])
        if several:
            return several[0]
    return None


def _by_name(value: str, config: JiraSource) -> Ref:
    """A listed name, a ref, an id of the configured kind; any other name waits for a person to say whose it is."""
    listed = config.clients.get(value)
    found = parse_ref(listed) if listed else parse_ref(value)
    if found is not None:
        return found
    source, kind = _pair(config.client_field_kind) if config.client_field_kind else (config.name, "customer")
    return Ref(source, kind, value[:300])


def _pair(target: str) -> tuple[str, str]:
    source, _, kind = target.partition(":")
    return source, kind


def _values(value: Any) -> list[str]:
    """A field's values as text, be it a text, a number, a choice or several."""
    items = value if isinstance(value, list) else [value]
    shown = (item.get("value", item.get("name", item.get("id"))) if isinstance(item, dict) else item for item in items)
    return [found for item in shown if (found := bodies.text(item))]


def _ids(value: Any) -> list[str]:
    items = value if isinstance(value, list) else [value]
    return [found for item in items if (found := bodies.identifier(bodies.mapping(item).get("id")))]


def _side(person: Any) -> Author | None:
    """Accounts of Jira Service Management's portal are customers, the others people and programs of ours.

    Data Center names no type: there it is not known, and no one's mood.
    """
    kind = bodies.text(bodies.mapping(person).get("accountType"))
    return {"customer": Author.CLIENT, "app": Author.SYSTEM, None: None}.get(kind, Author.US)


def _priority(value: Any, config: JiraSource) -> Priority | None:
    name = bodies.text(bodies.mapping(value).get("name")) or ""
    if name in config.priorities:
        return config.priorities[name]
    return Priority(PRIORITIES[name.lower()]) if name.lower() in PRIORITIES else None


def _created(body: Mapping[str, Any], issue: Mapping[str, Any], config: JiraSource) -> Said:
    fields, about = _fields(issue), _about(issue, config)
    reporter = bodies.mapping(fields.get("reporter"))
    theirs = _side(reporter) is Author.CLIENT
    parts = (bodies.text(fields.get("summary")), words(fields.get("description")))
    said = client.TicketOpened(
        ticket_id=_ticket(issue),
        priority=_priority(fields.get("priority"), config) or Priority.NORMAL,
        contact_id=bodies.identifier(reporter.get("accountId")) if theirs else None,
    )
    at = moment(fields.get("created")) or moment(body.get("timestamp"))
    return [Statement(time=at, data=said, text="\n".join(filter(None, parts)) if theirs else None, **about)]


def _state(issue: Mapping[str, Any], config: JiraSource, *, status: bool, priority: bool) -> client.TicketChange | None:
    """What an issue's status and priority are now; None if neither is asked for and known."""
    fields = _fields(issue)
    shown = bodies.mapping(fields.get("status"))
    name = bodies.text(shown.get("name")) if status else None
    level = _priority(fields.get("priority"), config) if priority else None
    if name is None and level is None:
        return None
    category = bodies.text(bodies.mapping(shown.get("statusCategory")).get("key"))
    done = name is not None and (category == "done" or name in config.done_statuses)
    body = client.TicketResolved if done else client.TicketUpdated
    return body(ticket_id=_ticket(issue), status=name.lower()[:300] if name else None, priority=level)


def _updated(body: Mapping[str, Any], issue: Mapping[str, Any], config: JiraSource) -> Said:
    changed = _changed(body)
    at = moment(body.get("timestamp")) or moment(_fields(issue).get("updated"))
    said = _state(issue, config, status="status" in changed, priority="priority" in changed)
    about = _about(issue, config)
    if said is not None:
        return [Statement(time=at, data=said, **about)]
    telling = {"labels", "project", config.client_field, config.organizations_field} - {""}
    if changed & telling and about["links"]:
        return [Statement(time=at, **about)]
    return Ignored("neither status nor priority changed")


def _changed(body: Mapping[str, Any]) -> set[str]:
    items = bodies.mapping(body.get("changelog")).get("items")
    found = [bodies.mapping(item) for item in items] if isinstance(items, list) else []
    return {name.lower() for item in found for key in ("fieldId", "field") if (name := bodies.text(item.get(key)))}


def _shown(body: Mapping[str, Any], issue: Mapping[str, Any], config: JiraSource) -> Said:
    """An issue without a word of what happened: new if it never changed since, else as it is now."""
    fields = _fields(issue)
    created, updated = moment(fields.get("created")), moment(fields.get("updated"))
    if created is not None and created == updated:
        return _created(body, issue, config)
    if _changed(body):
        return _updated(body, issue, config)
    said = _state(issue, config, status=True, priority=True)
    at = moment(body.get("timestamp")) or updated
    return [Statement(time=at, data=said, **_about(issue, config))] if said else Ignored("an issue without its status")


def _gone(body: Mapping[str, Any], issue: Mapping[str, Any], config: JiraSource) -> Said:
    said = client.TicketResolved(ticket_id=_ticket(issue), status="deleted")
    return [Statement(time=moment(body.get("timestamp")), data=said, **_about(issue, config))]


def _comment(body: Mapping[str, Any], issue: Mapping[str, Any], config: JiraSource) -> Said:
    comment = bodies.mapping(body.get("comment"))
    if comment.get("jsdPublic") is False or comment.get("visibility"):
        return Ignored("an internal comment")
    author = _side(comment.get("author"))
    said = client.TicketUpdated(ticket_id=_ticket(issue), author=author)
    text = words(comment.get("body")) if author is Author.CLIENT else None
    at = moment(comment.get("created")) or moment(body.get("timestamp"))
    return [Statement(time=at, data=said, text=text, **_about(issue, config))]


_KINDS: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any], JiraSource], Said]] = {
    "jira:issue_created": _created,
    "jira:issue_updated": _updated,
    "jira:issue_deleted": _gone,
    "comment_created": _comment,
    "issue": _shown,
}
_KNOWN_SILENT = {
    "comment_updated": Ignored("an edited comment is not read again"),
    "comment_deleted": Ignored("a deleted comment was read already"),
}
_SILENT = frozenset(
    ["app", "attachment", "board", "component", "filter", "issue", "issuelink", "issuetype", "option", "project",
     "sprint", "user", "version", "worklog", "jira"]
)  # fmt: skip
