"""Real processes of the probe services, and what must hold after whatever was done to them."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from alembic.migration import MigrationContext
from alembic.operations import Operations
from common.contracts import health
from common.db import async_url
from common.migrations import create_plumbing_v1
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.support.probe import event_id
from tests.support.stack import TestStack

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
"""Wall seconds within which everything must have come through."""


async def make_schema(url: str, schema: str) -> None:
    """A fresh schema with the shared tables."""
    engine = create_async_engine(async_url(url), connect_args={"server_settings": {"search_path": schema}})

    def build(connection: Connection) -> None:
        connection.execute(text(f"DROP SCHEMA IF EXISTS {schema} CASCADE"))
        connection.execute(text(f"CREATE SCHEMA {schema}"))
        create_plumbing_v1(Operations(MigrationContext.configure(connection)))

    async with engine.begin() as connection:
        await connection.run_sync(build)
    await engine.dispose()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Process:
    """One process of a probe service."""

    role: str
    environment: dict[str, str]
    port: int = field(default_factory=free_port)
    popen: subprocess.Popen[bytes] | None = None

    def start(self, *, kill_at: str = "") -> None:
        log = Path(self.environment["PROBE_LOGS"]) / f"{self.role}-{self.port}.log"
        with log.open("ab") as out:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "tests.support.probe", self.role],
                cwd=ROOT,
                env=self.environment | {"PROBE_PORT": str(self.port), "PROBE_KILL_AT": kill_at},
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def signal(self, number: signal.Signals) -> None:
        assert self.popen is not None
        self.popen.send_signal(number)

    async def died(self) -> int:
        """Wait until it is gone; returns its exit code (−9: SIGKILL)."""
        assert self.popen is not None
        return await asyncio.wait_for(asyncio.to_thread(self.popen.wait), PATIENCE)

    def stop(self) -> None:
        if self.popen is not None and self.popen.poll() is None:
            self.popen.send_signal(signal.SIGCONT)
            self.popen.terminate()
            try:
                self.popen.wait(15)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()


class World:
    """An emitter, folders, a load between them, and the audit."""

    def __init__(self, stack: TestStack, sources: TestStack, logs: Path) -> None:
        self.stack = stack
        self.sources = sources
        self.clients = [uuid4() for _ in range(20)]
        self.group = f"probe-{uuid4()}"
        self.sent = 0
        self._logs = logs
        self._processes: list[Process] = []
        self.emitter = self._process("emit", sources.owner_url)

    def folder(self, instance: str = "") -> Process:
        return self._process("fold", self.stack.owner_url, PROBE_CONSUMER_INSTANCE=instance)

    def _process(self, role: str, url: str, **more: str) -> Process:
        process = Process(
            role,
            {
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "PROBE_DATABASE_URL": url,
                "PROBE_KAFKA_BOOTSTRAP_SERVERS": self.stack.kafka_servers,
                "PROBE_GROUP": self.group,
                "PROBE_LOGS": str(self._logs),
                **more,
            },
        )
        self._processes.append(process)
        return process

    def stop(self) -> None:
        for process in self._processes:
            process.stop()

    async def emit(self, rounds: int, *, each: int = 5, pause: float = 0.02) -> None:
        """`rounds` requests of `each` numbers for every client; a refused one is sent again, as vendors do."""
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.emitter.port}", timeout=10) as http:
            for _ in range(rounds):
                await self._emit_once(http, each)
                await asyncio.sleep(pause)

    async def _emit_once(self, http: httpx.AsyncClient, each: int) -> None:
        body = {"clients": [str(c) for c in self.clients], "first": self.sent, "count": each}

        async def accepted() -> bool:
            try:
                return (await http.post("/emit", json=body)).status_code == 202
            except httpx.HTTPError:
                return False

        await until(accepted, "the emitter accepts", pause=0.1)
        self.sent += each

    async def states(self) -> dict[UUID, dict[str, int]]:
        connection = await asyncpg.connect(self.stack.owner_url)
        try:
            rows = await connection.fetch("SELECT client_id, body FROM fold.states WHERE fold_version > 0")
        finally:
            await connection.close()
        return {row["client_id"]: orjson.loads(row["body"]) for row in rows}

    async def execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.stack.owner_url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def settle(self) -> None:
        """Wait until every client has counted as much as was sent, and what fold says is all on Kafka."""
        wanted = {"events": self.sent, "sum": self.sent * (self.sent - 1) // 2}

        async def complete() -> bool:
            try:
                states = await self.states()
            except (OSError, asyncpg.PostgresError):
                return False
            return all(states.get(client_id) == wanted for client_id in self.clients)

        await until(complete, f"every client has exactly {wanted}", self.states)
        await until(self._quiet, "fold's outbox and timers are empty")

    async def _quiet(self) -> bool:
        connection = await asyncpg.connect(self.stack.owner_url)
        try:
            return bool(
                await connection.fetchval(
                    "SELECT NOT EXISTS (SELECT 1 FROM fold.outbox_unsent) AND NOT EXISTS (SELECT 1 FROM fold.timers)"
                )
            )
        finally:
            await connection.close()

    async def audit(self) -> None:
        """No event lost, no effect doubled, order kept: read from Kafka itself."""
        await self.settle()
        scored, signs = await self._said()
        causes = Counter(cause for event in scored.values() for cause in event.data.caused_by)
        expected = {event_id(c, n) for c in self.clients for n in range(self.sent)}
        assert set(causes) == expected, f"{len(expected - set(causes))} events caused no score"
        assert max(causes.values()) == 1, "an event counted in two scores"
        assert Counter(e.subject for e in signs.values()) == Counter(str(c) for c in self.clients), (
            "each client's timer has exactly one effect"
        )

    async def _said(self) -> tuple[dict[UUID, Any], dict[UUID, Any]]:
        """Distinct scored and sign events about our clients."""
        from common.contracts import registry

        ours = {str(c) for c in self.clients}
        scored: dict[UUID, Any] = {}
        signs: dict[UUID, Any] = {}
        for record in await read_topic(self.stack.kafka_servers, health.Scored.TOPIC):
            kind = dict(record.headers)["ce_type"].decode()
            if record.key.decode() not in ours:
                continue
            event = registry.parse(record.value, kind)
            (scored if kind == health.Scored.TYPE else signs)[event.id] = event
        return scored, signs

    async def emitted_in_order(self) -> None:
        """Per client, first appearances on Kafka are in the order accepted."""
        from common.contracts import client, registry

        last: dict[str, int] = {}
        seen: set[UUID] = set()
        for record in await read_topic(self.stack.kafka_servers, client.LoggedIn.TOPIC):
            event = registry.parse(record.value, client.LoggedIn.TYPE)
            if event.client_id not in self.clients or event.id in seen:
                continue
            seen.add(event.id)
            assert event.sequence == last.get(event.subject, -1) + 1, "out of order on Kafka"
            last[event.subject] = event.sequence


async def read_topic(bootstrap: str, topic: str) -> list[Any]:
    """Everything on a topic up to now."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions: set[TopicPartition] = consumer.assignment()
        ends = await consumer.end_offsets(partitions)
        assert ends, f"no partitions of {topic} are known"
        records: list[Any] = []
        while any([await consumer.position(p) < end for p, end in ends.items()]):
            for batch in (await consumer.getmany(timeout_ms=500)).values():
                records.extend(batch)
        return records
    finally:
        await consumer.stop()


async def until(
    holds: Callable[[], Any], what: str, show: Callable[[], Any] | None = None, *, pause: float = 0.2
) -> None:
    """Look again and again until it holds; outside processes have clocks of their own."""
    for _ in range(int(PATIENCE / pause)):
        if await holds():
            return
        await asyncio.sleep(pause)
    shown = f"; now: {await show()}" if show else ""
    raise AssertionError(f"not within {PATIENCE:.0f} s: {what}{shown}")
