"""One statement of a map: checked against our events when the file is read, then made from any body."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from common.contracts import client
from common.contracts.base import Data
from common.contracts.errors import Refused

from ingest import forms as canonical
from ingest.config import Settled
from ingest.domain.refs import Ref, bare_domain, parse_ref, parse_subject
from ingest.domain.statement import ContactChange, Statement, Unreadable
from ingest.sources import bodies
from ingest.sources.mapped import paths, values
from ingest.sources.mapped.amounts import Misfit
from ingest.sources.mapped.forms import MOMENT, TEXT, Form, Shape, Writing, shape_of
from ingest.sources.mapped.values import Place, Read, Wrong

NOT_SAID = {*canonical.OURS, client.EventWithdrawn}
"""What ingest alone decides."""
SAID = {body.type_name(): body for body in client.EVENTS if body not in NOT_SAID}
CONTACT: Mapping[str, Shape] = {
    **dict.fromkeys(("contact_id", "name", "first_name", "last_name", "email"), TEXT),
    "role": Shape(Form.CODE, tuple(str(role.value) for role in client.ContactRole)),
}
HINTS = ("name", "domain", "email")
MAX_HINT = 500
MAX_REF = 300
Make = Callable[[Any], tuple[Data | None, ContactChange | None]]


class Rule(Settled):
    """One statement, as the file says it. At most one of say, contact and canonical; without any it only links."""

    say: str | None = None
    contact: Literal["known", "left"] | None = None
    canonical: str | None = None
    when: str | None = None
    refs: list[dict[str, Any]] | None = None
    links: list[dict[str, Any]] | None = None
    time: Any = None
    hints: dict[str, Any] | None = None
    text: Any = None
    fields: dict[str, Any] = {}
    moves: bool = False


@dataclass(frozen=True, slots=True)
class Around:
    """What a rule takes over from its file."""

    source: str
    refs: Sequence[Mapping[str, Any]]
    links: Sequence[Mapping[str, Any]]
    time: Any
    hints: Mapping[str, Any]
    creates: bool
    writing: Writing


@dataclass(frozen=True, slots=True)
class Named:
    """One way in which a body names a client."""

    read: Read
    source: str = ""
    kind: str = ""

    def find(self, body: Any) -> Ref | UUID | None:
        """A ref; or our own client id, where the body holds a whole ref or id. Raises Misfit."""
        value = self.read(body)
        if value is None:
            return None
        if self.kind:
            known = bodies.identifier(value)
            if known is None and len(value) > MAX_REF:
                raise Misfit(f"an id of over {MAX_REF} characters")
            return Ref(self.source, self.kind, known) if known else None
        return parse_subject(value) or parse_ref(value)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A rule, ready for any body."""

    name: str
    when: paths.Find | None
    make: Make
    refs: tuple[Named, ...]
    links: tuple[Named, ...]
    time: Read | None
    hints: tuple[tuple[str, Read], ...]
    text: Read | None
    creates: bool
    moves: bool
    canonical: paths.Find | None = None
    may_create: bool = False
    times: tuple[str, ...] = ()
    """The fields of a body that may say when it happened."""

    def applies(self, body: Any) -> bool:
        return self.when is None or paths.holds(self.when(body))

    def said(self, body: Any) -> Statement:
        """Raises Unreadable where the body lacks what must be there."""
        try:
            return self._canonical(body) if self.canonical else self._mapped(body)
        except Misfit as misfit:
            raise Unreadable(f"{self.name}: {misfit}") from misfit

    def _mapped(self, body: Any) -> Statement:
        refs, client_id = _names(self.refs, body)
        links, _ = _names(self.links, body)
        if not refs and client_id is None:
            raise Unreadable(f"{self.name}: nothing in it names a client")
        data, contact = self.make(body)
        if isinstance(data, client.ClientRegistered):
            every = dict.fromkeys((*refs, *links))
            data = data.model_copy(
                update={"refs": tuple(client.Ref(source=r.source, kind=r.kind, id=r.id) for r in every)}
            )
        return Statement(
            refs, self._time(body), data, contact, links=links, creates=self.creates, moves=self.moves,
            client_id=client_id, text=self.text(body) if self.text else None, hints=self._hints(body),
        )  # fmt: skip

    def _time(self, body: Any) -> datetime | None:
        """A time that cannot be read counts as missing: the receipt takes its place, as for every vendor."""
        try:
            found: datetime | None = self.time(body) if self.time else None
        except Misfit:
            return None
        return found

    def _hints(self, body: Any) -> dict[str, str]:
        found = {}
        for name, read in self.hints:
            value = read(body)
            known = bare_domain(value) if name == "domain" else value
            if known:
                found[name] = known[:MAX_HINT]
        return found

    def _canonical(self, body: Any) -> Statement:
        """An event in our own words, as POST /v1/events takes it."""
        assert self.canonical is not None  # noqa: S101  (asked by the caller; for the type checker)
        value = self.canonical(body)
        given = {name: part for name, part in value.items() if part is not None} if isinstance(value, dict) else value
        try:
            statement = canonical.read(given, imported=False).statement
        except Refused as refused:
            raise Unreadable(f"{refused.field}: {refused.detail}" if refused.field else refused.detail) from refused
        if statement.creates and not self.may_create:
            raise Unreadable("client_registered: this source has no `creates: true`")
        return statement


def _names(named: Iterable[Named], body: Any) -> tuple[tuple[Ref, ...], UUID | None]:
    found = [name for each in named if (name := each.find(body)) is not None]
    refs = dict.fromkeys(name for name in found if isinstance(name, Ref))
    return tuple(refs), next((name for name in found if isinstance(name, UUID)), None)


def compiled(rule: Rule, around: Around, at: tuple[str | int, ...]) -> Compiled:
    """Raises Wrong."""
    place = Place(at, around.writing)
    if sum(part is not None for part in (rule.say, rule.contact, rule.canonical)) > 1:
        raise Wrong(at, "one statement says one thing: say, contact or canonical")
    body = _event(rule, place) if rule.say else None
    creates = body is client.ClientRegistered
    if (creates or rule.moves) and not around.creates:
        what = "client_registered creates clients" if creates else "moves takes refs from other clients"
        raise Wrong(at, f"{what}: only a source that says `creates: true` may")
    if rule.text is not None and (body is None or "reading" not in body.model_fields):
        raise Wrong(place.inside("text").at, f"{rule.say or 'this'} carries no words")
    if not rule.canonical and not (rule.refs or around.refs):
        raise Wrong(at, "no refs: nothing says which client is meant")
    links = around.links if rule.links is None else rule.links
    if not (rule.say or rule.contact or rule.canonical or links):
        raise Wrong(at, "it says nothing and links nothing")
    time, hints = around.time if rule.time is None else rule.time, {**around.hints, **(rule.hints or {})}
    if unknown := [name for name in hints if name not in HINTS]:
        raise Wrong(place.inside("hints", unknown[0]).at, f"a hint is one of {', '.join(HINTS)}")
    return Compiled(
        name=rule.say or ("contact" if rule.contact else "link"),
        when=values.found(rule.when, place.inside("when")) if rule.when is not None else None,
        make=_maker(rule, body, place),
        refs=named(rule.refs or around.refs, around.source, place.inside("refs")),
        links=named(links, around.source, place.inside("links")),
        time=values.compiled(time, MOMENT, place.inside("time")) if time is not None else None,
        hints=tuple((name, values.compiled(part, TEXT, place.inside("hints", name))) for name, part in hints.items()),
        text=_words(rule.text, place.inside("text")) if rule.text is not None else None,
        creates=creates,
        moves=rule.moves,
        canonical=values.found(rule.canonical, place.inside("canonical")) if rule.canonical else None,
        may_create=around.creates,
        times=values.names(time),
    )


def named(rules: Sequence[Mapping[str, Any]], source: str, place: Place) -> tuple[Named, ...]:
    """`customer: path` of this source, `{source, kind, id}` of another, `ref: path` for a whole ref. Raises Wrong."""
    return tuple(_named(rule, source, place.inside(nth)) for nth, rule in enumerate(rules))


def _named(rule: Mapping[str, Any], source: str, place: Place) -> Named:
    if rule.keys() == {"ref"}:
        return Named(values.compiled(rule["ref"], TEXT, place.inside("ref")))
    if "id" in rule and "kind" in rule and rule.keys() <= {"source", "kind", "id"}:
        kind, owner = rule["kind"], rule.get("source", source)
        if not isinstance(kind, str) or not isinstance(owner, str) or ":" in kind + owner:
            raise Wrong(place.at, "source and kind are words")
        return Named(values.compiled(rule["id"], TEXT, place.inside("id")), owner, kind)
    if len(rule) == 1:
        [(kind, path)] = rule.items()
        if isinstance(kind, str) and kind and ":" not in kind:
            return Named(values.compiled(path, TEXT, place.inside(kind)), source, kind)
    raise Wrong(place.at, "write `customer: PATH`, `{source: hubspot, kind: company, id: PATH}` or `ref: PATH`")


def _words(rule: Any, place: Place) -> Read:
    """Words of people: of several places all, one below the other (a subject and a description)."""
    parts = [values.compiled(part, TEXT, place) for part in (rule if isinstance(rule, list) else [rule])]

    def read(body: Any) -> str | None:
        found = []
        for part in parts:
            try:
                found.append(part(body))
            except Misfit:
                continue  # words in an odd shape are no words; what else is said still counts
        return "\n\n".join(text for text in found if text)[: canonical.MAX_TEXT] or None

    return read


def _event(rule: Rule, place: Place) -> type[client.ClientEvent]:
    body = SAID.get(rule.say or "")
    if body is None:
        near = difflib.get_close_matches(rule.say or "", SAID, n=1)
        meant = f": did you mean {near[0]}?" if near else f"; there are {', '.join(SAID)}"
        raise Wrong(place.inside("say").at, f"{rule.say!r} is no client event that a source may say{meant}")
    return body


def _maker(rule: Rule, body: type[client.ClientEvent] | None, place: Place) -> Make:
    inside = place.inside("fields")
    if body is not None:
        fields = {name: shape_of(field.annotation) for name, field in body.model_fields.items() if name != "refs"}
        needed = [name for name, field in body.model_fields.items() if field.is_required() and name != "refs"]
        reads = _reads(rule.fields, fields, needed, body.type_name(), inside)
        given = {"refs": ()} if body is client.ClientRegistered else {}  # its names follow, see Compiled._mapped
        return lambda found: (body.model_validate({**_filled(reads, needed, found), **given}), None)
    if rule.contact is not None:
        left = rule.contact == "left"
        reads = _reads(rule.fields, CONTACT, ["contact_id"], "contact", inside)
        return lambda found: (None, _contact(_filled(reads, ["contact_id"], found), left))
    if rule.fields:
        raise Wrong(inside.at, "fields of what? `say` or `contact` is missing")
    return lambda found: (None, None)


def _contact(filled: Mapping[str, Any], left: bool) -> ContactChange:
    if len(filled["contact_id"]) > MAX_REF:
        raise Misfit(f"a contact_id of over {MAX_REF} characters")
    return ContactChange(**filled, left=left)


def _reads(
    rules: Mapping[str, Any], shapes: Mapping[str, Shape], needed: Sequence[str], what: str, place: Place
) -> tuple[tuple[str, Read], ...]:
    for name in rules:
        if name not in shapes:
            near = difflib.get_close_matches(name, shapes, n=1)
            meant = f": did you mean {near[0]}?" if near else f"; there are {', '.join(shapes)}"
            raise Wrong(place.inside(name).at, f"{what} has no such field{meant}")
    if missing := [name for name in needed if name not in rules]:
        raise Wrong(place.at, f"{what} needs {', '.join(missing)}")
    return tuple((name, values.compiled(part, shapes[name], place.inside(name))) for name, part in rules.items())


def _filled(reads: Iterable[tuple[str, Read]], needed: Sequence[str], body: Any) -> dict[str, Any]:
    filled: dict[str, Any] = {}
    for name, read in reads:
        try:
            value = read(body)
        except Misfit as misfit:
            raise Misfit(f"{name}: {misfit}") from misfit
        if value is not None:
            filled[name] = value
    for name in needed:
        if name not in filled:
            raise Misfit(f"{name} is missing")
    return filled
