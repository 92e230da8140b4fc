"""The embedded servers: what they hold survives kill −9, another port, and a dump; root can have them at home."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from loopctl.letters import read_topics
from loopctl.local import ports
from loopctl.local.postgres import Postgres

from tests.support.stack import TestStack

TOPIC = "csl.client.events.v1"


async def ask(stack: TestStack, sql: str) -> object:
    connection = await asyncpg.connect(stack.owner_url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_postgres_keeps_what_was_committed_when_it_is_killed(private_stack: TestStack):
    await ask(private_stack, "CREATE TABLE kept AS SELECT 42 AS answer")
    private_stack.kill_postgres()
    assert private_stack.stack.postgres.process() is None
    private_stack.start_postgres()
    assert await ask(private_stack, "SELECT answer FROM kept") == 42


async def test_a_dump_brings_a_database_back_as_it_was(private_stack: TestStack, tmp_path: Path):
    await ask(private_stack, "CREATE TABLE notes AS SELECT 'before' AS word")
    private_stack.dump(tmp_path / "dump")
    await ask(private_stack, "UPDATE notes SET word = 'after'")
    private_stack.restore(tmp_path / "dump")
    assert await ask(private_stack, "SELECT word FROM notes") == "before"


async def test_kafka_keeps_what_it_acknowledged_when_it_is_killed(private_stack: TestStack):
    producer = AIOKafkaProducer(bootstrap_servers=private_stack.kafka_servers, acks="all")
    await producer.start()
    for number in range(20):
        await producer.send_and_wait(TOPIC, str(number).encode(), key=b"one client")
    await producer.stop()
    private_stack.kill_kafka()
    assert private_stack.stack.kafka.process() is None
    private_stack.start_kafka()
    records = await read_topics(private_stack.kafka_servers, [TOPIC])
    assert [record.value for record in records] == [str(number).encode() for number in range(20)]


async def test_starting_what_runs_does_nothing(private_stack: TestStack):
    assert private_stack.stack.postgres.start() is False
    assert private_stack.stack.kafka.start() is False


def test_a_shared_stack_may_not_be_hurt(stack: TestStack):
    with pytest.raises(AssertionError, match="private_stack"):
        stack.kill_kafka()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a home that PostgreSQL's user cannot enter")
def test_root_can_keep_a_stack_where_the_servers_user_cannot_go(tmp_path: Path):
    closed = tmp_path / "home"
    closed.mkdir(mode=0o700)
    server = Postgres(closed / "stack", ports.free_base(0), "secret")
    try:
        assert server.start()
        assert server.data.is_symlink()
        assert server.ready()
    finally:
        server.stop()
        shutil.rmtree(server.data.resolve(), ignore_errors=True)
