"""Whose is it, and what is to be said: the decisions of ingest, without IO.

Identity is never guessed: a statement belongs to the client that owns one of its refs, or that its domains fit alone
(`linking`), or it waits until a person, or a later statement, says whose the ref is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from common.contracts import client
from common.contracts.base import Data, Event, Origin
from common.contracts.errors import Refused
from common.contracts.ids import derived_id
from common.contracts.rendering import Draft

from ingest.domain import forgetting, linking, people
from ingest.domain.kinds import kind_of
from ingest.domain.refs import Ref, own_name
from ingest.domain.statement import Statement
from ingest.domain.times import clamp
from ingest.domain.world import Client, Owner, Person, World


class Fate(StrEnum):
    """What became of a statement."""

    MAPPED = "mapped"
    PARKED = "parked"
    ERASED = "erased"
    OVERLAPPING = "overlapping"
    """History of an additive kind from a time when the same source already spoke live."""


class Circumstance(NamedTuple):
    """How a statement came to us."""

    source: str
    id: UUID
    sequence: int
    received_at: datetime
    origin: Origin = Origin.LIVE
    raw: tuple[date, UUID] | None = None
    """The raw body that holds it: its partition and id."""
    recreate: bool = False
    """Whether an erased client may be created again: the sender says that it is meant."""


@dataclass(frozen=True, slots=True)
class Parked:
    """A statement that waits for its client."""

    statement: Statement
    how: Circumstance
    shown_as: Ref


@dataclass(frozen=True, slots=True)
class Words:
    """A client's words, kept here under the reference that its event carries."""

    ref: UUID
    client_id: UUID
    contact_id: str | None
    said_at: datetime
    text: str


class Said(NamedTuple):
    """A line of the ledger: an event, and how we came to say it of this client."""

    event: Draft | Event[Any]
    root: UUID
    """The id that its source event gives it, whatever corrections followed; `event.id` is the one in force."""
    via: Ref | None
    """The ref that decided whose it is, or our own id written as one; None for what ingest itself says."""
    raw: tuple[date, UUID] | None


@dataclass(slots=True)
class Plan:
    """All that is to be written."""

    world: World
    said: list[Said] = field(default_factory=list)
    parked: list[Parked] = field(default_factory=list)
    words: list[Words] = field(default_factory=list)
    linked: dict[Ref, Owner] = field(default_factory=dict)
    moved: set[Ref] = field(default_factory=set)
    explicit: set[Ref] = field(default_factory=set)
    """Refs that a person has given to their client."""
    created: set[UUID] = field(default_factory=set)
    people: set[tuple[UUID, str]] = field(default_factory=set)
    raw_clients: dict[tuple[date, UUID], set[UUID]] = field(default_factory=dict)
    spans: dict[UUID, tuple[datetime, datetime]] = field(default_factory=dict)
    unanswered: list[Ref] = field(default_factory=list)
    """Refs that have an owner since this plan began: what waits for them is to be released."""
    domains: set[str] = field(default_factory=set)
    """Domains that clients have since this plan began: what waits with one of them may fit now."""

    def take(self, statement: Statement, how: Circumstance) -> Fate:
        """Decide one statement. Raises Refused where it contradicts what is known, and nothing has changed then."""
        if kind_of(statement.data).profile:
            self._contradictions(statement)
        fitting: linking.Fit | None = None
        who = self._whose(statement)
        if who is None and (fitting := self._fitting(statement)) is not None:
            who = self.world.clients.get(fitting.client_id)
        if who is None and statement.creates:
            who = self._create(statement, how)
        if who is None:
            return self._without_client(statement, how)
        if who.forgotten:
            spared = forgetting.without_erased(statement, who.forgotten, how.received_at)
            if spared is None:
                return Fate.ERASED
            statement = spared
        if how.origin is Origin.IMPORT and self._overlaps(statement, who, how):
            return Fate.OVERLAPPING
        if statement.links or statement.creates or fitting is not None:
            self._link(statement, who, how, fitting)
        self._say(statement, who, how, self._told_by(statement))
        if how.raw:
            self.raw_clients.setdefault(how.raw, set()).add(who.id)
        return Fate.MAPPED

    def release(self, waiting: Iterable[Parked], now: datetime) -> list[Parked]:
        """Say what waited, each with its own time and today's knowntime; returns what has found its client."""
        found = []
        for parked in sorted(waiting, key=lambda p: (p.statement.time or p.how.received_at, p.how.sequence, p.how.id)):
            time, clamped = clamp(parked.statement.time, parked.how.received_at)
            statement = replace(parked.statement, time=time) if clamped else parked.statement
            if self._whose(statement) is not None or self._fitting(statement) is not None:
                self.take(statement, parked.how._replace(received_at=now))
                found.append(parked)
        return found

    def release_own(self, now: datetime) -> int:
        """The same for what this very plan has parked: a vendor's array may name the owner after the owned."""
        waiting, self.parked = self.parked, []
        found = self.release(waiting, now)
        self.parked += [parked for parked in waiting if parked not in found]
        return len(found)

    @property
    def events(self) -> list[Draft | Event[Any]]:
        """What is to be published, in order."""
        return [said.event for said in self.said]

    def client_of(self, statement: Statement) -> UUID | None:
        """Whose it is, as decided so far."""
        who = self._whose(statement)
        return who.id if who else None

    def _whose(self, statement: Statement) -> Client | None:
        if statement.client_id is not None:
            return self.world.clients.get(self.world.root(statement.client_id))
        ref = self._decisive(statement)
        return self.world.clients.get(self.world.owners[ref].client_id) if ref else None

    def _decisive(self, statement: Statement) -> Ref | None:
        """The first of its refs that anybody owns; none where the client was named by our own id."""
        if statement.client_id is not None:
            return None
        owners = self.world.owners
        for ref in statement.refs:
            if ref in owners:
                return ref
        return None

    def _told_by(self, statement: Statement) -> Ref | None:
        """What is kept of how it was named: when a merge is taken back, it goes where that name goes."""
        return own_name(statement.client_id) if statement.client_id is not None else self._decisive(statement)

    def _fitting(self, statement: Statement) -> linking.Fit | None:
        if any(ref in self.world.erasures for ref in statement.refs):
            return None
        return linking.fit(statement, self.world)

    def _contradictions(self, statement: Statement) -> None:
        """Who describes a client by refs of two clients is told so; links alone yield to what is known."""
        said = (*statement.refs, *statement.links)
        owners = {owner.client_id for ref in said if (owner := self.world.owners.get(ref))}
        named = self.world.root(statement.client_id) if statement.client_id is not None else None
        if named in self.world.clients:
            owners.add(named)
        if len(owners) > 1 or (named is not None and owners - {named}):
            raise Refused("these refs belong to different clients: merge them first", field="data.refs")

    def assign(self, ref: Ref, who: Client, now: datetime) -> None:
        """A person said whose a ref is: that counts more than what any source says later."""
        self.world.owners.pop(ref, None)
        said = Statement((), now, links=(ref,), moves=True)
        self.explicit.add(ref)
        self._link(said, who, Circumstance(ref.source, derived_id("assigned", *_parts(ref), now), 0, now))

    def _without_client(self, statement: Statement, how: Circumstance) -> Fate:
        if statement.client_id in self.world.erased_clients or any(
            ref in self.world.erasures for ref in (*statement.refs, *forgetting.address_refs(statement))
        ):
            return Fate.ERASED
        shown_as = statement.shown_as
        if shown_as is None or how.origin is Origin.IMPORT:
            named = f"ref:{shown_as}" if shown_as else str(statement.client_id)
            raise Refused(f"no client is known as {named}: register it first", field="subject")
        self.parked.append(Parked(replace(statement, creates=False), how, shown_as))
        return Fate.PARKED

    def _create(self, statement: Statement, how: Circumstance) -> Client | None:
        """A client comes into being; one that was erased only if it was created anew after that."""
        erasures = [self.world.erasures[ref] for ref in statement.refs if ref in self.world.erasures]
        time, _ = clamp(statement.time, how.received_at)
        if statement.client_id in self.world.erased_clients:
            return None
        if erasures and not how.recreate and time <= max(erasure.at for erasure in erasures):
            return None
        who = statement.client_id
        if who is None:
            first = statement.refs[0]
            generation = (max(e.times for e in erasures),) if erasures else ()
            who = derived_id("client", first.source, first.kind, first.id, *generation)
        made = self.world.clients[who] = Client(id=who, created_at=how.received_at, changed=True)
        self.created.add(who)
        return made

    def _overlaps(self, statement: Statement, who: Client, how: Circumstance) -> bool:
        if not kind_of(statement.data).additive:
            return False
        since = who.first_live(how.source)
        return since is not None and clamp(statement.time, how.received_at)[0] > since

    def _link(self, statement: Statement, who: Client, how: Circumstance, fitting: linking.Fit | None = None) -> None:
        found = linking.ref_for(fitting.rule, statement) if fitting else None
        through = self._told_by(statement) or found
        gained = False
        refs = (*((found,) if found else ()), *statement.links, *(statement.refs if statement.creates else ()))
        for ref in dict.fromkeys(refs):
            owner = self.world.owners.get(ref)
            if owner is not None and owner.client_id != who.id and (owner.explicit or not statement.moves):
                continue
            alias = statement.alias if ref in statement.links else None
            if owner is not None and owner.client_id == who.id:
                if alias is not None and owner.alias != alias:
                    self._own(ref, replace(owner, alias=alias), moved=False)
                continue
            gained |= ref.names_client and owner is None
            by = fitting.rule.value if fitting and ref == found else None
            told = Owner(who.id, alias, ref in self.explicit, by, through if through != ref else None)
            self._own(ref, told, moved=owner is not None)
        if gained and not statement.creates:
            self.name(who, statement.time, how)

    def name(self, who: Client, time: datetime | None, how: Circumstance) -> None:
        """Tell the others by which names a client is known now."""
        known = [ref for ref, owner in self.world.owners.items() if owner.client_id == who.id and ref.names_client]
        refs_now = tuple(client.Ref(source=r.source, kind=r.kind, id=r.id) for r in sorted(known))
        self._publish(client.ClientUpdated(refs=refs_now), who, time, how, None, derived_id(how.id, "refs"))

    def _own(self, ref: Ref, owner: Owner, *, moved: bool) -> None:
        self.world.owners[ref] = self.linked[ref] = owner
        self.unanswered.append(ref)
        if moved:
            self.moved.add(ref)

    def _say(self, statement: Statement, who: Client, how: Circumstance, via: Ref | None) -> None:
        if statement.contact is not None:
            key = (who.id, statement.contact.contact_id)
            known = self.world.people.get(key)
            person, bodies = people.change(known, statement.contact)
            self._remember(key, person)
            for nth, body in enumerate(bodies):
                self._publish(body, who, statement.time, how, via, derived_id(how.id, nth) if nth else how.id)
        elif statement.data is not None and not self._known_already(statement.data, who):
            body = self._completed(statement, who, how)
            self._publish(body, who, statement.time, how, via, how.id)

    def _known_already(self, body: Data, who: Client) -> bool:
        """A creation that adds nothing to a client we know: its CRM was told of it after us."""
        return kind_of(body).registers and who.id not in self.created and not body.model_fields_set - {"refs"}

    def _completed(self, statement: Statement, who: Client, how: Circumstance) -> Data:
        body = statement.data
        assert body is not None  # noqa: S101  (asked by the caller; for the type checker)
        if statement.fill:
            name, ref = statement.fill
            owner = self.world.owners.get(ref)
            if owner is not None and owner.alias:
                body = body.model_copy(update={name: owner.alias})
        if kind_of(body).person and isinstance(body, client.Contact | client.ContactMoved):
            key = (who.id, body.contact_id)
            person, body = people.note(self.world.people.get(key), body)
            self._remember(key, person)
        if statement.text:
            ref_id = derived_id("text", how.id)
            said_at, _ = clamp(statement.time, how.received_at)
            self.words.append(Words(ref_id, who.id, getattr(body, "contact_id", None), said_at, statement.text))
            body = body.model_copy(update={"text_ref": str(ref_id)})
        return body

    def _remember(self, key: tuple[UUID, str], person: Person) -> None:
        self.world.people[key] = person
        self.people.add(key)

    def _publish(
        self, body: Data, who: Client, claimed: datetime | None, how: Circumstance, via: Ref | None, event_id: UUID
    ) -> None:
        time, clamped = clamp(claimed, how.received_at)
        event = Draft(
            data=body,
            id=event_id,
            source=f"csl/ingest/{how.source}",
            client_id=who.id,
            subject=who.key,
            time=time,
            knowntime=self._known(who, time, how),
            origin=how.origin,
            sequence=how.sequence,
            claimedtime=claimed.isoformat() if clamped and claimed is not None else None,
        )
        self.said.append(Said(event, event_id, via, how.raw))
        if kind_of(body).profile and isinstance(body, client.Profile):
            self._learn(body, who, time)
        if how.origin is Origin.LIVE:
            who.heard(how.source, time)
        else:
            first, last = self.spans.get(who.id, (time, time))
            self.spans[who.id] = (min(first, time), max(last, time))

    def _learn(self, body: client.Profile, who: Client, time: datetime) -> None:
        before = who.domain
        who.learn(body.model_dump(mode="json", exclude_none=True, exclude={"refs"}), time)
        if who.domain != before:
            if before:
                self.world.by_domain.get(before, set()).discard(who.id)
            if who.domain:
                self.world.by_domain.setdefault(who.domain, set()).add(who.id)
                self.domains.add(who.domain)

    def _known(self, who: Client, time: datetime, how: Circumstance) -> datetime:
        """History was known when it happened, as long as nothing live had been heard of the client."""
        if how.origin is Origin.LIVE:
            return how.received_at
        began = who.first_live()
        return time if began is None or time < began else how.received_at


def _parts(ref: Ref) -> tuple[str, str, str]:
    return ref.source, ref.kind, ref.id
