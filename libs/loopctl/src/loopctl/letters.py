"""Dead letters: read from `csl.<service>.dlq`, shown, and put back to the topic they came from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from loopctl import provision
from loopctl.errors import Problem, WrongUsage
from loopctl.paths import SERVICES
from loopctl.stack import Stack

OURS = "csl_"
"""Headers that the burying service added."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One event that a service gave up."""

    service: str
    partition: int
    offset: int
    buried_at: datetime
    key: str
    headers: dict[str, str]
    body: bytes
    handled: bool = False
    """Whether the service has it among its facts now (it was replayed with success)."""

    @property
    def id(self) -> str:
        return f"{self.service}-{self.partition}-{self.offset}"

    @property
    def type(self) -> str:
        return self.headers.get("ce_type", "")

    @property
    def reason(self) -> str:
        return self.headers.get("csl_reason", "")

    @property
    def origin(self) -> str:
        """The topic it came from."""
        return self.headers.get("csl_topic", "")

    @property
    def event_id(self) -> str:
        """Of the event inside, where the body is readable."""
        try:
            return str(UUID(str(json.loads(self.body)["id"])))
        except (ValueError, KeyError, TypeError):
            return ""

    def as_line(self) -> str:
        done = "  (handled since)" if self.handled else ""
        why = self.reason.split("\n")[0][:120]
        return f"{self.id:<22} {self.buried_at:%Y-%m-%d %H:%M:%S}  {self.type}  client {self.key}\n    {why}{done}"

    def as_json(self, *, with_body: bool = False) -> dict[str, Any]:
        told: dict[str, Any] = {
            "id": self.id,
            "service": self.service,
            "buried_at": self.buried_at.isoformat(),
            "type": self.type,
            "client_id": self.key,
            "event_id": self.event_id,
            "reason": self.reason,
            "from": {
                "topic": self.origin,
                "partition": self.headers.get("csl_partition", ""),
                "offset": self.headers.get("csl_offset", ""),
                "handler": self.headers.get("csl_handler", ""),
            },
            "handled": self.handled,
        }
        if with_body:
            told["body"] = _readable(self.body)
        return told


def _readable(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


def read(stack: Stack, service: str | None = None) -> list[Letter]:
    """All dead letters that Kafka keeps, oldest first. Raises WrongUsage for an unknown service."""
    if service is not None and service not in SERVICES:
        raise WrongUsage(f"{service!r} is no service; there are {', '.join(SERVICES)}")
    wanted = [service] if service else list(SERVICES)
    return provision.run(_read(stack, wanted))


def find(stack: Stack, letter_id: str) -> Letter:
    """One letter by its id. Raises WrongUsage when there is none."""
    service = letter_id.split("-", 1)[0]
    for letter in read(stack, service) if service in SERVICES else []:
        if letter.id == letter_id:
            return letter
    raise WrongUsage(f"There is no dead letter {letter_id!r}; see `loop dlq list --all`")


def replay(stack: Stack, chosen: Sequence[Letter]) -> None:
    """Put letters back as they were: same bytes, key and type, to the topic they came from."""
    lost = [letter.id for letter in chosen if not letter.origin]
    if lost:
        raise Problem(f"{', '.join(lost)} does not say where it came from", remedy="send it by hand")
    provision.run(_replay(stack.bootstrap_servers, chosen))


async def _replay(servers: str, chosen: Sequence[Letter]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=servers, enable_idempotence=True, acks="all")
    await producer.start()
    try:
        for letter in chosen:
            headers = [(k, v.encode()) for k, v in letter.headers.items() if not k.startswith(OURS)]
            await producer.send_and_wait(letter.origin, letter.body, key=letter.key.encode(), headers=headers)
    finally:
        await producer.stop()


async def _read(stack: Stack, services: Sequence[str]) -> list[Letter]:
    records = await read_topics(stack.bootstrap_servers, [f"csl.{service}.dlq" for service in services])
    letters = [
        Letter(
            service=record.topic.split(".")[1],
            partition=record.partition,
            offset=record.offset,
            buried_at=datetime.fromtimestamp(record.timestamp / 1000, UTC),
            key=(record.key or b"").decode(errors="replace"),
            headers={name: value.decode(errors="replace") for name, value in record.headers},
            body=record.value or b"",
        )
        for record in records
    ]
    handled = await _handled(stack, letters) if letters else set()
    marked = [replace(letter, handled=letter.id in handled) for letter in letters]
    return sorted(marked, key=lambda letter: letter.buried_at)


async def read_topics(servers: str, topics: Sequence[str], since: datetime | None = None) -> list[Any]:
    """Every record of these topics up to their ends as they are now, from `since` (Kafka's time) on."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False, auto_offset_reset="none")
    try:
        await consumer.start()
        partitions = [
            TopicPartition(topic, number) for topic in topics for number in await _partitions(consumer, topic)
        ]
        return await _drain(consumer, partitions, since)
    except (KafkaError, OSError) as error:
        raise Problem(
            f"Kafka at {servers} does not answer ({type(error).__name__})",
            remedy="start it with `loop up`, or look at `loop doctor`",
        ) from error
    finally:
        await consumer.stop()


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> list[int]:
    """A topic that does not exist has none."""
    found = await consumer._client._wait_on_metadata(topic) if topic in await consumer.topics() else None  # noqa: SLF001  (aiokafka has no public call for it)
    return sorted(consumer.partitions_for_topic(topic) or found or [])


async def _drain(consumer: AIOKafkaConsumer, partitions: list[TopicPartition], since: datetime | None) -> list[Any]:
    if not partitions:
        return []
    consumer.assign(partitions)
    ends = await consumer.end_offsets(partitions)
    starts = await consumer.beginning_offsets(partitions)
    if since is not None:
        by_time = await consumer.offsets_for_times({p: int(since.timestamp() * 1000) for p in partitions})
        starts = {p: found.offset if (found := by_time[p]) else ends[p] for p in partitions}
    for partition in partitions:
        consumer.seek(partition, starts[partition])
    left = {p for p in partitions if starts[p] < ends[p]}
    records: list[Any] = []
    while left:
        for partition, batch in (await consumer.getmany(timeout_ms=500, max_records=5000)).items():
            records += [record for record in batch if record.offset < ends[partition]]
        for partition in list(left):
            if await consumer.position(partition) >= ends[partition]:
                left.discard(partition)
    return records


async def _handled(stack: Stack, letters: Sequence[Letter]) -> set[str]:
    """Ids of letters whose event is among the facts of its service by now."""
    handled: set[str] = set()
    connection = await provision.connect(stack.owner_url)
    try:
        for service in {letter.service for letter in letters}:
            keys = {(letter.key, letter.event_id): letter for letter in letters if _is_about(letter, service)}
            rows = await connection.fetch(
                f"SELECT client_id::text AS c, event_id::text AS e FROM {service}.facts f"  # noqa: S608  (a service's name of ours; values are parameters)
                " JOIN unnest($1::uuid[], $2::uuid[]) AS u(c, e) ON f.client_id = u.c AND f.event_id = u.e",
                [client for client, _ in keys],
                [event for _, event in keys],
            )
            seen = {(row["c"], row["e"]) for row in rows}
            handled |= {letter.id for letter in letters if (letter.key, letter.event_id) in seen}
    finally:
        await connection.close()
    return handled


def _is_about(letter: Letter, service: str) -> bool:
    try:
        return letter.service == service and bool(letter.event_id) and bool(UUID(letter.key))
    except ValueError:
        return False
