"""`loop verify`: an audit of the last 72 h. Nothing that was accepted may be missing anywhere.

A snapshot is taken: every event that any service wrote to its outbox until then, and every one that is on Kafka (a
database restored from a backup has forgotten some). It must be on Kafka, where it may arrive after the snapshot; every
service that subscribes to its type must have it among its facts, or among its dead letters, or have erased its client.
And no timer may be overdue or given up, no open case without its deadline's timer. What is still under way gets up to
30 s to settle.
"""

from __future__ import annotations

import importlib
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from common.clock import SystemClock

from loopctl import business_time, programs, provision
from loopctl.letters import read_topics
from loopctl.stack import Stack

WINDOW = timedelta(hours=72)
SETTLE_SECONDS = 30.0
LOOK_AGAIN = 1.0
SHOWN = 20
"""Differences of one kind that are named one by one."""
CHUNK = 20_000


@dataclass(frozen=True, slots=True)
class Said:
    """One event that a service's outbox holds."""

    producer: str
    event_id: UUID
    topic: str
    key: str
    type: str
    sent_at: datetime | None = None
    """Kafka's time, of one that was seen there."""

    @property
    def client_id(self) -> UUID | None:
        """None for events about a feed: their key is a source's name, and nobody keeps them as facts."""
        try:
            return UUID(self.key)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not as it must be."""

    kind: str
    service: str
    what: str

    def as_json(self) -> dict[str, str]:
        return {"kind": self.kind, "service": self.service, "what": self.what}


@dataclass
class Report:
    """What the audit found."""

    taken_at: datetime
    business_at: datetime
    """Business time of the snapshot: what falls due later is not its concern."""
    events: int = 0
    checked: int = 0
    """Pairs of (event, subscriber)."""
    dead: int = 0
    timers: int = 0
    differences: list[Difference] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "taken_at": self.taken_at.isoformat(),
            "events": self.events,
            "checked": self.checked,
            "dead_lettered": self.dead,
            "timers": self.timers,
            "differences": [difference.as_json() for difference in self.differences],
        }

    def as_text(self) -> str:
        hours = WINDOW.total_seconds() / 3600
        looked = f"{self.checked} times looked for at a subscriber, {self.timers} timers ahead"
        lines = [f"{self.events} events of the last {hours:.0f} h, {looked}"]
        if self.dead:
            lines.append(f"{self.dead} of them are dead letters: see `loop dlq list`")
        counts = Counter((d.kind, d.service) for d in self.differences)
        for (kind, service), count in counts.items():
            lines.append(f"✗ {service}: {count} × {kind}")
            named = [d.what for d in self.differences if (d.kind, d.service) == (kind, service)]
            lines += [f"    {what}" for what in named[:SHOWN]]
            lines += [f"    … and {count - SHOWN} more"] if count > SHOWN else []
        return "\n".join(lines if self.differences else [*lines, "Nothing is missing."])


def verify(stack: Stack) -> Report:
    """Look until all is in order, or until what is missing had its time to come. Raises Problem."""
    types = {service: subscribed_types(stack, service) for service in programs.installed_services()}
    taken_at, business_at = SystemClock().wall(), business_time.now(stack)
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        report = provision.run(_audit(stack, types, taken_at, business_at))
        if not report.differences or time.monotonic() >= deadline:
            return report
        time.sleep(LOOK_AGAIN)


async def _audit(stack: Stack, types: Mapping[str, set[str]], taken_at: datetime, business_at: datetime) -> Report:
    """`types`: what each service listens to."""
    services = list(types)
    report = Report(taken_at, business_at)
    connection = await provision.connect(stack.owner_url)
    try:
        said = {event.event_id: event for service in services for event in await _said(connection, service, taken_at)}
        unsent = [row for service in services for row in await _unsent(connection, service, taken_at)]
        seen = await _on_kafka(stack, taken_at)
        _published(said, unsent, seen, report)
        before = {id_: event for id_, event in seen.items() if event.sent_at is None or event.sent_at <= taken_at}
        everything = [event for event in (before | said).values() if not event.topic.endswith(".dlq")]
        report.events = len(everything)
        dead = await _dead(stack, services, taken_at)
        for service in services:
            await _received(connection, service, types[service], everything, dead.get(service, set()), report)
            await _timers(connection, service, report)
        if "escalation" in services:
            await _cases(connection, report)
    finally:
        await connection.close()
    return report


async def _said(connection: Any, service: str, taken_at: datetime) -> list[Said]:
    since = taken_at - WINDOW
    rows = await connection.fetch(
        f"SELECT event_id, topic, key, headers->>'ce_type' AS type FROM {service}.outbox"  # noqa: S608  (a service's name of ours; values are parameters)
        " WHERE day BETWEEN $1 AND $2 AND written_at BETWEEN $3 AND $4",
        since.date(), taken_at.date(), since, taken_at,
    )  # fmt: skip
    return [Said(service, r["event_id"], r["topic"], r["key"], r["type"] or "") for r in rows]


async def _on_kafka(stack: Stack, taken_at: datetime) -> dict[UUID, Said]:
    """Every event on our topics, those too that were written before the snapshot and sent after it.

    Looked at after the outbox: what was off the list of the unsent then is on Kafka now, or lost.
    """
    topics = [topic for topic in provision.TOPICS if not topic.endswith(".dlq")]
    found: dict[UUID, Said] = {}
    for record in await read_topics(stack.bootstrap_servers, topics, taken_at - WINDOW):
        event_id = _event_id(record.value)
        if event_id is not None:
            type_ = next((value.decode() for name, value in record.headers if name == "ce_type"), "")
            key = (record.key or b"").decode(errors="replace")
            sent_at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
            found[event_id] = Said(record.topic.split(".")[1], event_id, record.topic, key, type_, sent_at)
    return found


async def _unsent(connection: Any, service: str, taken_at: datetime) -> list[tuple[str, str, UUID]]:
    """(what is the matter, service, event) of what the relay has still to send, or has given up."""
    found: list[tuple[str, str, UUID]] = []
    for table, kind in (("outbox_unsent", "not on Kafka yet"), ("outbox_parked", "can never be sent")):
        rows = await connection.fetch(
            f"SELECT o.event_id FROM {service}.{table} t"  # noqa: S608  (a service's name of ours; values are parameters)
            f" JOIN {service}.outbox o ON o.day = t.day AND o.seq = t.seq WHERE o.written_at <= $1",
            taken_at,
        )
        found += [(kind, service, row["event_id"]) for row in rows]
    return found


def _published(
    said: dict[UUID, Said], unsent: list[tuple[str, str, UUID]], seen: dict[UUID, Said], report: Report
) -> None:
    """Sent by the book, and seen on Kafka: the one without the other is a loss."""
    waiting = [(kind, service, id_) for kind, service, id_ in unsent if id_ not in seen]
    report.differences += [Difference(kind, service, f"event {id_}") for kind, service, id_ in waiting]
    known = {*seen, *(id_ for _, _, id_ in waiting)}
    for event in said.values():
        if not event.topic.endswith(".dlq") and event.event_id not in known:
            what = f"{event.type} {event.event_id}: `loop republish {event.producer}`"
            report.differences.append(Difference("sent, but not on Kafka", event.producer, what))


def _event_id(body: bytes | None) -> UUID | None:
    try:
        return UUID(orjson.loads(body or b"{}")["id"])
    except (ValueError, KeyError, TypeError):
        return None


async def _dead(stack: Stack, services: list[str], taken_at: datetime) -> dict[str, set[UUID]]:
    """Events among the dead letters of each service."""
    records = await read_topics(stack.bootstrap_servers, [f"csl.{s}.dlq" for s in services], taken_at - WINDOW)
    found: dict[str, set[UUID]] = {}
    for record in records:
        event_id = _event_id(record.value)
        if event_id is not None:
            found.setdefault(record.topic.split(".")[1], set()).add(event_id)
    return found


def subscribed_types(stack: Stack, service: str) -> set[str]:
    """Event types that a service listens to: asked of the service itself, wired as its main.py wires it."""
    from common.contracts.client import ClientErased

    main = importlib.import_module(f"{service}.main")
    with _environment(programs.service_environment(stack, service)):
        consumers = main.build(main.Settings()).consumers
    types = {body.TYPE for consumer in consumers for body in consumer.subscriptions}
    return types | {ClientErased.TYPE} if types else types  # the consumer itself listens to erasures


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """These environment variables for a moment: settings read nothing else."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


async def _received(
    connection: Any, service: str, types: set[str], said: list[Said], dead: set[UUID], report: Report
) -> None:
    """Every event of a subscribed type is among the service's facts, its dead letters, or about an erased client."""
    wanted = {(e.client_id, e.event_id): e for e in said if e.type in types and e.client_id is not None}
    report.checked += len(wanted)
    for chunk in _chunks(list(wanted)):
        missing = await connection.fetch(
            "SELECT u.client_id, u.event_id FROM unnest($1::uuid[], $2::uuid[]) AS u(client_id, event_id)"  # noqa: S608  (a service's name of ours; values are parameters)
            f" WHERE NOT EXISTS (SELECT 1 FROM {service}.facts f"
            "   WHERE f.client_id = u.client_id AND f.event_id = u.event_id)"
            f" AND NOT EXISTS (SELECT 1 FROM {service}.erased_clients e WHERE e.client_id = u.client_id)",
            [client for client, _ in chunk],
            [event for _, event in chunk],
        )
        for row in missing:
            event = wanted[(row["client_id"], row["event_id"])]
            if event.event_id in dead:
                report.dead += 1
            else:
                what = f"{event.type} {event.event_id} of client {event.key}"
                report.differences.append(Difference("never arrived", service, what))


def _chunks(pairs: list[Any]) -> Iterable[list[Any]]:
    return (pairs[start : start + CHUNK] for start in range(0, len(pairs), CHUNK))


async def _timers(connection: Any, service: str, report: Report) -> None:
    """A timer has fired (then its row is gone), or lies ahead; one that is due and still there is being missed."""
    rows = await connection.fetch(
        f"SELECT kind, owner, due_at, parked_at, last_error FROM {service}.timers"  # noqa: S608  (a service's name of ours; values are parameters)
        " WHERE due_at <= $1 OR parked_at IS NOT NULL",
        report.business_at,
    )
    for row in rows:
        what = f"{row['kind']} of {row['owner']}, due {row['due_at']:%Y-%m-%d %H:%M:%S}"
        if row["parked_at"] is not None:
            what += f": {row['last_error']}"
        kind = "timer given up" if row["parked_at"] is not None else "timer overdue"
        report.differences.append(Difference(kind, service, what))
    report.timers += await connection.fetchval(
        f"SELECT count(*) FROM {service}.timers WHERE due_at > $1 AND parked_at IS NULL",  # noqa: S608  (a service's name of ours; values are parameters)
        report.business_at,
    )


async def _cases(connection: Any, report: Report) -> None:
    """Every open case's next deadline has the timer that sees it pass: both go in one transaction."""
    rows = await connection.fetch(
        "SELECT case_id, next_due_at FROM escalation.cases c"
        " WHERE state = 'open' AND next_due_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM escalation.timers t"
        "   WHERE t.kind = 'step_breach' AND t.generation = c.generation AND t.due_at = c.next_due_at"
        "   AND t.owner LIKE c.case_id::text || '/%')"
    )
    for row in rows:
        what = f"case {row['case_id']}, due {row['next_due_at']:%Y-%m-%d %H:%M:%S}"
        report.differences.append(Difference("deadline without a timer", "escalation", what))
