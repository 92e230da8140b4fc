"""What most lines of history are: one thing that happened to a client who is known, ready to be written.

Usage, logins, tickets and invoices make up nearly all of a history. Such a line needs one decision here, whose it is,
and nothing of what a statement may do beside (create, link, change people). So its events are rendered where the line
was read, in another process, and only what that decision adds is filled in. Columns, not objects: there are many.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from common.contracts import registry
from common.contracts.base import Origin
from common.contracts.ids import derived_id
from common.contracts.rendering import instant, rendered, written, written_fact

from ingest.domain.kinds import kind_of
from ingest.domain.plan import Circumstance, Fate, Plan, Words
from ingest.domain.refs import own_name, parse_subject
from ingest.domain.statement import Statement
from ingest.domain.times import clamp
from ingest.domain.world import Client

PER_LINE = 8
"""Room in `sequence` for a line and what is inferred from its words: lines of equal time keep their order."""
MAX_SEQUENCE = 2**31 - 1


class Brief(NamedTuple):
    """One event of a line, without its client."""

    number: int
    nth: int
    """Of the line's events: what follows from its words comes after it."""
    line: str
    """The line's id."""
    id: str
    type: str
    source: str
    subject: str
    """As `parse_subject` reads it: a client's id, or a ref."""
    time: str
    """As claimed, RFC 3339 in UTC."""
    data: str
    """The body as published."""
    fact: str
    """The body as kept, without what names people; empty where that is all of it."""
    additive: bool
    words: str | None
    contact: str | None


_NUMBER, _NTH, _LINE, _SUBJECT = map(Brief._fields.index, ("number", "nth", "line", "subject"))


@dataclass(slots=True)
class Briefs:
    """Many of them, a column a field, in the order of the file."""

    columns: Sequence[list[Any]] = field(default_factory=lambda: [[] for _ in Brief._fields])

    def add(self, brief: Brief) -> None:
        for column, value in zip(self.columns, brief, strict=True):
            column.append(value)

    def __iter__(self) -> Iterator[Brief]:
        return map(Brief._make, zip(*self.columns, strict=True))

    @property
    def subjects(self) -> set[str]:
        return set(self.columns[_SUBJECT])

    def lines(self) -> Iterator[tuple[str, int]]:
        """(id, number), once a line."""
        for id_, number, nth in zip(self.columns[_LINE], self.columns[_NUMBER], self.columns[_NTH], strict=True):
            if not nth:
                yield id_, number


def briefed(number: int, source: str, statements: Sequence[Statement], event_id: UUID) -> list[Brief] | None:
    """The events of a line; None where one of its statements may do more than be said."""
    if any(_does_more(s) for s in statements):
        return None
    return [
        _brief(number, nth, source, s, str(event_id), derived_id(event_id, nth) if nth else event_id)
        for nth, s in enumerate(statements)
    ]


def _does_more(s: Statement) -> bool:
    one_subject = len(s.refs) == (0 if s.client_id else 1)
    more = s.links or s.fill or s.creates or s.contact or s.data is None or s.time is None
    kind = kind_of(s.data)
    return bool(more) or not one_subject or kind.profile or kind.person


def _brief(number: int, nth: int, source: str, statement: Statement, line: str, event_id: UUID) -> Brief:
    body, time = statement.data, statement.time
    assert body is not None  # noqa: S101  (_does_more refused it; for the type checker)
    assert time is not None  # noqa: S101  (for the type checker, as above)
    contact = None
    if statement.text:
        contact = getattr(body, "contact_id", None)
        body = body.model_copy(update={"text_ref": str(derived_id("text", event_id))})
    return Brief(
        number=number,
        nth=nth,
        line=line,
        id=str(event_id),
        type=body.TYPE,
        source=source,
        subject=str(statement.client_id or f"ref:{statement.refs[0]}"),
        time=instant(time),
        data=written(body),
        fact=written_fact(body) if body.personal_fields() else "",
        additive=kind_of(body).additive,
        words=statement.text,
        contact=contact,
    )


@dataclass(slots=True)
class Entries:
    """Events to be written, a column a field. Times as text: they are only handed on."""

    ids: list[str] = field(default_factory=list)
    clients: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    times: list[str] = field(default_factory=list)
    knowntimes: list[str] = field(default_factory=list)
    sequences: list[int] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    vias: list[str] = field(default_factory=list)
    """The ref that told whose it is, or our own id written as one."""
    facts: list[str] = field(default_factory=list)
    """For the ledger."""
    bodies: list[str] = field(default_factory=list)
    """For the bus."""


@dataclass(frozen=True, slots=True)
class Known:
    """A subject's client, worked out once a chunk."""

    who: Client
    key: str
    via: str
    first_live: datetime | None


@dataclass(slots=True)
class Telling:
    """Tells the brief lines of one chunk to their clients."""

    plan: Plan
    now: datetime
    entries: Entries = field(default_factory=Entries)
    _known: dict[str, Known] = field(default_factory=dict)

    def whose(self, brief: Brief) -> Known | None:
        """None for an erased client. Raises Refused for one that nobody knows."""
        return self._known.get(brief.subject) or self._find(brief)

    def take_whole(self, brief: Brief) -> Fate:
        """Decide it as any statement: where people of the client were erased, they are not to come back with it."""
        said = replace(
            naming(brief.subject),
            time=datetime.fromisoformat(brief.time),
            data=registry.body(brief.type).model_validate_json(brief.data),
            text=brief.words,
        )
        how = Circumstance(brief.source, UUID(brief.id), _sequence(brief), self.now, Origin.IMPORT)
        return self.plan.take(said, how)

    def overlaps(self, known: Known, brief: Brief) -> bool:
        """Whether its source already spoke live then, so that it would count twice."""
        if not brief.additive or known.first_live is None:
            return False
        since = known.who.first_live(brief.source)
        return since is not None and clamp(datetime.fromisoformat(brief.time), self.now)[0] > since

    def tell(self, known: Known, brief: Brief) -> None:
        """Enter what is to be written of it."""
        claimed = datetime.fromisoformat(brief.time)
        time, clamped = clamp(claimed, self.now)
        happened = instant(time) if clamped else brief.time
        knowntime = happened if known.first_live is None or time < known.first_live else instant(self.now)
        source = f"csl/ingest/{brief.source}"
        sequence = _sequence(brief)
        body = rendered(
            brief.id, source, brief.type, known.key, happened, knowntime, Origin.IMPORT, sequence, brief.data,
            claimed.isoformat() if clamped else None,
        )  # fmt: skip
        into = self.entries
        into.ids.append(brief.id)
        into.clients.append(known.key)
        into.types.append(brief.type)
        into.times.append(happened)
        into.knowntimes.append(knowntime)
        into.sequences.append(sequence)
        into.sources.append(source)
        into.vias.append(known.via)
        into.facts.append(brief.fact or brief.data)
        into.bodies.append(body)
        if brief.words:
            ref = derived_id("text", brief.id)
            self.plan.words.append(Words(ref, known.who.id, brief.contact, time, brief.words))
        self._span(known.who.id, time)

    def _span(self, who: UUID, time: datetime) -> None:
        span = self.plan.spans.get(who)
        if span is None:
            self.plan.spans[who] = (time, time)
        elif time < span[0] or time > span[1]:
            self.plan.spans[who] = (min(span[0], time), max(span[1], time))

    def _find(self, brief: Brief) -> Known | None:
        statement = naming(brief.subject)
        owner = self.plan.client_of(statement)
        if owner is None:
            self.plan.take(statement, Circumstance(brief.source, UUID(brief.id), 0, self.now, Origin.IMPORT))
            return None
        who = self.plan.world.clients[owner]
        named = own_name(statement.client_id) if statement.client_id is not None else statement.refs[0]
        found = self._known[brief.subject] = Known(who, str(owner), str(named), who.first_live())
        return found


def _sequence(brief: Brief) -> int:
    return min(brief.number * PER_LINE + min(brief.nth, PER_LINE - 1), MAX_SEQUENCE)


def naming(subject: str) -> Statement:
    """A statement that says nothing but whom it is about."""
    named = parse_subject(subject)
    if named is None:
        raise ValueError(subject)
    return Statement((), None, client_id=named) if isinstance(named, UUID) else Statement((named,), None)
