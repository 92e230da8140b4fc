"""One transaction of a replay, a few posts: what today's mapping says beside what was said, and what follows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from common import outbox
from common.contracts import client
from common.contracts.errors import Refused
from common.contracts.ids import derived_id
from common.contracts.rendering import Draft
from sqlalchemy.ext.asyncio import AsyncSession

from ingest import accept
from ingest.accept import Moments
from ingest.domain import moving
from ingest.domain.arrival import PER_ITEM, Arrival, Item
from ingest.domain.differing import Difference, difference
from ingest.domain.moving import PEOPLE_TYPES, PROFILE_TYPES, Line
from ingest.domain.plan import Circumstance, Fate, Parked, Plan, Said
from ingest.domain.refs import Ref
from ingest.domain.shared import SharedDomains
from ingest.domain.statement import ContactChange, Statement, dump
from ingest.domain.times import clamp
from ingest.domain.world import Person
from ingest.repository import ledger, loading, replays, saving
from ingest.repository.replays import Replay

ROOTS = 16
"""Events that a source event is taken to have said at most, beside those that it says today."""
GAPS = ("name", "first_name", "last_name", "email")
BY = "replay"


@dataclass(frozen=True, slots=True)
class Reread:
    """A post as today's mapping reads it."""

    day: date
    arrival: Arrival


@dataclass(slots=True)
class Found:
    """What was different."""

    counts: Counter[str] = field(default_factory=Counter)
    types: list[tuple[str, str]] = field(default_factory=list)
    """(new, corrected or withdrawn; the type's middle word), once an event."""
    samples: list[dict[str, Any]] = field(default_factory=list)


_Told = tuple[str, str, Line | None, Said | None]


@dataclass(slots=True)
class _Event:
    """One source event: its statements with their circumstances, and what it said before."""

    item: Item
    raw_id: UUID | None
    received_at: datetime
    parts: list[tuple[Statement, Circumstance]]
    roots: list[UUID]
    before: list[Line] = field(default_factory=list)
    waiting: list[Parked] = field(default_factory=list)
    elsewhere: bool = False
    """Whether another post, or a person, said it."""


@dataclass
class Rereading:
    """Some posts of one replay."""

    session: AsyncSession
    shared: SharedDomains
    at: Moments
    asked: Replay

    async def publish(self, posts: Sequence[Reread]) -> Found:
        """Do it, in the caller's transaction. Raises loading.Moved."""
        found = Found(Counter(bodies=len(posts), unreadable=sum(p.arrival.unreadable is not None for p in posts)))
        events = [event for post in posts for event in _events(post, self.at.now)]
        raws = [post.arrival.raw_id for post in posts if post.arrival.raw_id]
        plan = await self._prepare(events, raws)
        spent = await replays.spent(self.session, [root for event in events for root in event.roots])
        told = await self._last_told(plan, events)
        different: list[Difference] = []
        ends: list[Parked] = []
        done: set[UUID] = set()
        for event in events:
            decided = _Decision(plan, event, told, done, found).decide(spent, readings=self.asked.readings)
            if decided is not None:
                different.append(decided)
                ends += event.waiting
        await self._write(plan, different, ends, found)
        mapped = [(e.item.key, e.item.kind, e.received_at) for e in events if e.item.broken is None and e.parts]
        await replays.resolve(self.session, self.asked.source, mapped, at=self.at.now)
        return found

    async def _prepare(self, events: Sequence[_Event], raws: Sequence[UUID]) -> Plan:
        """Locks first; then what was said is what was said."""
        first = await replays.told_by(self.session, raws)
        homes = [Statement((), None, client_id=id_) for id_ in {line.client_id for line in first}]
        statements = [statement for event in events for statement, _ in event.parts]
        plan = Plan(await loading.world(self.session, [*statements, *homes], self.shared))
        lines = await replays.told_by(self.session, raws)
        if not {line.client_id for line in lines} <= {line.client_id for line in first}:
            raise loading.Moved
        _share_out(lines, events)
        await self._parked(events)
        await self._elsewhere(plan, events, raws)
        return plan

    async def _parked(self, events: Sequence[_Event]) -> None:
        """What of it waits for its client."""
        by_root: dict[UUID, list[_Event]] = defaultdict(list)
        for event in events:
            for root in event.roots:
                by_root[root].append(event)
        for parked in await saving.parked_as(self.session, list(by_root)):
            raw = parked.how.raw[1] if parked.how.raw else None
            for event in by_root[parked.how.id]:
                event.elsewhere |= event.raw_id != raw
                event.waiting += [parked] if event.raw_id == raw else []

    async def _elsewhere(self, plan: Plan, events: Sequence[_Event], raws: Sequence[UUID]) -> None:
        """What another post said, or a person who had it read again."""
        asked = [
            (who, root)
            for event in events
            for who in {plan.client_of(statement) for statement, _ in event.parts}
            if who is not None
            for root in event.roots
        ]
        told = await replays.told_elsewhere(self.session, asked, raws)
        for event in events:
            event.elsewhere |= not event.before and any(root in told for root in event.roots)

    async def _last_told(self, plan: Plan, events: Sequence[_Event]) -> dict[tuple[UUID, str], datetime]:
        contacts = {s.contact.contact_id for event in events for s, _ in event.parts if s.contact}
        return await replays.last_told(self.session, list(plan.world.clients), sorted(contacts))

    async def _write(self, plan: Plan, different: Sequence[Difference], ends: Sequence[Parked], found: Found) -> None:
        withdrawn = [line for d in different for line in d.withdrawn]
        corrected = [c for d in different for c in d.corrected]
        moved = [c.line for c in corrected if c.moves]
        plan.said += [said for d in different for said in (*(c.said for c in d.corrected), *d.new)]
        _forget_words(plan)
        await self._relearn(plan, [*withdrawn, *(c.line for c in corrected)])
        await saving.unpark(self.session, ends)
        found.counts["released"] += await accept.release(self.session, plan, self.at.now)
        for line in (*withdrawn, *moved):
            await ledger.strike(self.session, line.client_id, [line.root])
        await replays.spend(self.session, withdrawn)
        said, plan.said = plan.said, []
        await saving.save(self.session, plan, now=self.at.now, by=BY)
        await saving.name_raw(self.session, plan.raw_clients)
        await ledger.write(self.session, said)
        gone = [moving.withdrawn(line, self.at.now) for line in (*withdrawn, *moved)]
        messages = [outbox.message(event) for event in (*gone, *(s.event for s in said))]
        # as live as they were, but not before what happens now
        await outbox.add_messages(self.session, [replace(m, lane=outbox.IMPORT) for m in messages])
        found.counts["parked"] += len(plan.parked)

    async def _relearn(self, plan: Plan, lost: Sequence[Line]) -> None:
        """What a profile was taught by what is not said any more, the rest of what was said teaches again."""
        doubtful = [line for line in lost if line.type in PROFILE_TYPES]
        for id_ in {line.client_id for line in doubtful}:
            who = plan.world.clients.get(plan.world.root(id_))
            if who is None:
                continue
            gone = {line.root for line in doubtful if line.client_id == id_}
            left = [line for line in await ledger.profiles(self.session, id_) if line.root not in gone]
            new = [_line(said) for said in plan.said if said.event.client_id == id_]
            moving.relearn(who, [line for line in doubtful if line.client_id == id_], [*left, *new])


@dataclass
class _Decision:
    """One source event under today's mapping."""

    plan: Plan
    event: _Event
    told: dict[tuple[UUID, str], datetime]
    done: set[UUID]
    """Roots that this transaction has dealt with: a post may hold an event twice, and two posts the same."""
    found: Found

    def decide(self, spent: Mapping[UUID, UUID], *, readings: bool) -> Difference | None:
        """None where it is left as it is."""
        event, counts = self.event, self.found.counts
        counts["events"] += 1
        if event.item.broken is not None:
            counts["unreadable"] += 1
            return None
        if event.elsewhere or event.roots[0] in self.done:
            counts["unchanged"] += 1
            return None
        self.done.update(event.roots)
        today = self._take()
        if today is None:
            return None
        taken = {line.root for line in event.before}
        found = difference(_comparable(event), today, spent, event.roots, taken=taken, readings=readings)
        self._count(found)
        return found

    def _take(self) -> list[Said] | None:
        """What it says today that can be compared; what depends on what is known is said by the plan at once."""
        plan, event = self.plan, self.event
        said, parked = len(plan.said), len(plan.parked)
        fates = []
        try:
            for statement, how in event.parts:
                fates.append(self._take_one(statement, how))
        except Refused:
            self.found.counts["refused"] += 1
            del plan.said[said:], plan.parked[parked:]
            return None
        if Fate.ERASED in fates:
            self.found.counts["erased"] += 1
            del plan.said[said:], plan.parked[parked:]
            return None
        if self._only_waits(plan.parked[parked:]):
            self.found.counts["unchanged"] += 1
            del plan.said[said:], plan.parked[parked:]
            return None
        new = plan.said[said:]
        del plan.said[said:]
        named = {derived_id(root, "refs") for root in event.roots}
        settled = [one for one in new if one.root in named or one.event.type in PEOPLE_TYPES]
        plan.said += settled
        self._tell([("new", one.event.type, None, one) for one in settled])
        return [_without_strangers(one, plan) for one in new if one not in settled]

    def _take_one(self, statement: Statement, how: Circumstance) -> Fate:
        if statement.contact is not None:
            spared = self._gaps(statement)
            if spared is None:
                return Fate.MAPPED
            statement = spared
        elif isinstance(statement.data, client.Contact | client.ContactMoved) and self.event.before:
            return Fate.MAPPED
        registered = any(line.type == client.ClientRegistered.TYPE for line in self.event.before)
        who = self.plan.client_of(statement)
        if not registered or who is None or who in self.plan.created:
            return self.plan.take(statement, how)
        self.plan.created.add(who)  # it was new when it was said: the same words count as said
        try:
            return self.plan.take(statement, how)
        finally:
            self.plan.created.discard(who)

    def _gaps(self, statement: Statement) -> Statement | None:
        """Of a person of whom later things were said, only what nobody has said since; None: nothing."""
        contact = statement.contact
        who = self.plan.client_of(statement)
        if contact is None or who is None:
            return statement
        known = self.plan.world.people.get((who, contact.contact_id))
        last = self.told.get((who, contact.contact_id))
        if known is None or last is None or statement.time is None or last <= statement.time:
            if statement.time is not None:
                self.told[who, contact.contact_id] = max(statement.time, last or statement.time)
            return statement
        filled = _filled(contact, known)
        if filled is None and not statement.links:
            return None
        return replace(statement, contact=filled)

    def _only_waits(self, parked: Sequence[Parked]) -> bool:
        """Whether it waits as it waited, or for a ref by which something was said of a client before."""
        vias = {line.via for line in self.event.before}
        if any(str(ref) in vias for one in parked for ref in one.statement.refs):
            return True
        before = sorted((str(p.how.id), str(dump(_settled(p)))) for p in self.event.waiting)
        return bool(parked) and before == sorted((str(p.how.id), str(dump(_settled(p)))) for p in parked)

    def _count(self, found: Difference) -> None:
        told: list[_Told] = [
            *(("new", said.event.type, None, said) for said in found.new),
            *(("corrected", c.said.event.type, c.line, c.said) for c in found.corrected),
            *(("withdrawn", line.type, line, None) for line in found.withdrawn),
        ]
        self.found.counts["unchanged"] += not told
        self._tell(told)

    def _tell(self, told: Sequence[_Told]) -> None:
        for kind, type_, line, said in told:
            name = type_.split(".")[2]
            self.found.counts[kind] += 1
            self.found.types.append((kind, name))
            about = said.event if said else None
            time = about.time if about else line.time if line else self.event.received_at
            sample = {
                "what": kind,
                "type": name,
                "client_id": str(about.client_id if about else line.client_id if line else ""),
                "time": time.isoformat(),
                "before": dict(line.data) if line else None,
                "after": about.data.fact() if about else None,
            }
            self.found.samples.append(sample)


def _events(post: Reread, now: datetime) -> Iterator[_Event]:
    arrival = post.arrival
    for item in arrival.items:
        parts = []
        for nth, statement in enumerate(item.statements):
            how = arrival.circumstance(item, nth, statement, post.day)._replace(received_at=now)
            time, _ = clamp(statement.time, arrival.received_at)
            # links teach, but take nothing away: whose a ref is was decided when it was
            parts.append((replace(statement, time=time, moves=False), how))
        nobody = Statement((), None)
        more = [arrival.circumstance(item, nth, nobody, post.day).id for nth in range(len(parts) + ROOTS)]
        roots = list(dict.fromkeys([*(how.id for _, how in parts), *more]))
        yield _Event(item, arrival.raw_id, arrival.received_at, parts, roots)


def _share_out(lines: Sequence[Line], events: Sequence[_Event]) -> None:
    """Each line to the source event that said it: by its root, else by where it stood in the post."""
    by_root = {(event.raw_id, root): event for event in events for root in event.roots}
    for (raw, root), event in list(by_root.items()):
        by_root |= {(raw, derived_id(root, what)): event for what in ("refs", 1, 2, 3)}
    places = {(event.raw_id, event.item.position): event for event in events}
    for line in lines:
        raw = line.raw[1] if line.raw else None
        told = by_root.get((raw, line.root)) or places.get((raw, line.sequence // PER_ITEM))
        if told is not None:
            told.before.append(line)


def _comparable(event: _Event) -> list[Line]:
    """Without what depended on what was known then: refs gained, changes of people."""
    named = {derived_id(root, "refs") for root in event.roots}
    return [line for line in event.before if line.root not in named and line.type not in PEOPLE_TYPES]


def _filled(contact: ContactChange, known: Person) -> ContactChange | None:
    gaps = {name: value for name in GAPS if getattr(known, name) is None and (value := getattr(contact, name))}
    if known.first_name or known.last_name or known.name:
        gaps = {name: value for name, value in gaps.items() if name == "email"}
    return ContactChange(contact.contact_id, **gaps, left=known.left) if gaps else None


def _settled(parked: Parked) -> Statement:
    """As it is kept while it waits, its time included."""
    return replace(parked.statement, creates=False, moves=False, time=None)


def _without_strangers(said: Said, plan: Plan) -> Said:
    """A profile names only refs that are its client's: one may have moved since."""
    refs = getattr(said.event.data, "refs", None)
    if said.event.type not in PROFILE_TYPES or not refs:
        return said
    asked = [(ref, plan.world.owners.get(Ref(ref.source, ref.kind, ref.id))) for ref in refs]
    own = tuple(ref for ref, owner in asked if owner is None or owner.client_id == said.event.client_id)
    if len(own) == len(refs):
        return said
    data = said.event.data.model_copy(update={"refs": own})
    event = said.event
    told = event._replace(data=data) if isinstance(event, Draft) else event.model_copy(update={"data": data})
    return said._replace(event=told)


def _forget_words(plan: Plan) -> None:
    """Words of what is not said again are kept already."""
    wanted = {getattr(said.event.data, "text_ref", None) for said in plan.said}
    plan.words = [words for words in plan.words if str(words.ref) in wanted]


def _line(said: Said) -> Line:
    event = said.event
    return Line(
        client_id=event.client_id, root=said.root, event_id=event.id, type=event.type, time=event.time,
        knowntime=event.knowntime, sequence=event.sequence, origin=event.origin, source=event.source,
        via=str(said.via) if said.via else None, raw=said.raw, data=event.data.fact(),
    )  # fmt: skip
