"""The real process on real Kafka: from an event on the bus to a message, and through kill −9."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Self
from uuid import UUID

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from common import outbox
from common.clock import SystemClock
from common.contracts.base import Data
from notify.settings import LOCAL_SIGNING_SECRET

from tests.support import notify_world as world
from tests.support.notify_stack import CatcherStack, free_port
from tests.support.notify_world import MAYA
from tests.support.stack import TestStack

ROOT = Path(__file__).parents[3]
PATIENCE = 90.0
"""Wall seconds: machines that run tests are busy."""


class NotifyProcess:
    """`python -m notify.main`, its environment, and a producer on its topics."""

    def __init__(self, stack: TestStack, catcher: CatcherStack, folder: Path) -> None:
        self.port = free_port()
        self._log = folder / "notify.log"
        self._producer = AIOKafkaProducer(bootstrap_servers=stack.kafka_servers)
        own = {
            "NOTIFY_SLACK_SIGNING_SECRET": LOCAL_SIGNING_SECRET,
            "NOTIFY_PORT": str(self.port),
            "NOTIFY_SLACK_BASE_URL": f"{catcher.url}/slack/api/",
            "NOTIFY_SLACK_TOKEN": "xoxb-test",
            "NOTIFY_SMTP_HOST": "127.0.0.1",
            "NOTIFY_SMTP_PORT": str(catcher.smtp_port),
            "NOTIFY_HUBSPOT_BASE_URL": f"{catcher.url}/hubspot",
            "NOTIFY_HUBSPOT_TOKEN": "pat-test",
        }
        self._environment = {**stack.environment("notify"), **own}
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self, *, kill_at: str = "") -> None:
        """Ready when this returns; with `kill_at` maybe gone already: other tests' events wait on the shared topics."""
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(  # noqa: ASYNC220  (starts at once)
                [sys.executable, "-m", "notify.main"],
                cwd=ROOT,
                env=self._environment | ({"NOTIFY_KILL_AT": kill_at} if kill_at else {}),
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        async with httpx.AsyncClient() as http:

            async def ready() -> bool:
                try:
                    return (await http.get(f"http://127.0.0.1:{self.port}/readyz")).status_code == 200
                except httpx.HTTPError:
                    return False

            async def ready_or_gone() -> bool:
                return await ready() or (bool(kill_at) and self.died())

            await until(ready_or_gone, f"notify is ready: {self._log.read_text()[-2000:]}")

    async def counts(self, line: str) -> bool:
        """Whether the metrics have a line like this."""
        async with httpx.AsyncClient() as http:
            return line in (await http.get(f"http://127.0.0.1:{self.port}/metrics")).text

    def died(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def stop(self) -> None:
        if self._process is not None and not self.died():
            self._process.terminate()
            self._process.wait(20)

    async def publish(self, body: Data, client_id: UUID) -> None:
        """As the producing service's relay does, now in real time."""
        message = outbox.message(world.event(body, client_id, at=SystemClock().now()))
        headers = [(name, value.encode()) for name, value in message.headers.items()]
        await self._producer.send_and_wait(message.topic, message.body, message.key.encode(), headers=headers)

    async def __aenter__(self) -> Self:
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop()
        await self._producer.stop()


async def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        result = condition()
        if await result if asyncio.iscoroutine(result) else result:
            return
        await asyncio.sleep(0.1)
    pytest.fail(f"not within {PATIENCE} s: {what}")


@pytest.fixture
async def process(
    stack: TestStack, service_database: Callable[[str], str], catcher: CatcherStack, tmp_path: Path
) -> AsyncIterator[NotifyProcess]:
    service_database("notify")
    async with NotifyProcess(stack, catcher, tmp_path) as own:
        yield own


async def test_an_event_on_the_bus_becomes_messages_and_a_write_back(
    process: NotifyProcess, catcher: CatcherStack, client_id: UUID
) -> None:
    await process.start()
    await process.publish(world.registered(client_id), client_id)
    await process.publish(world.scored(client_id), client_id)
    await process.publish(world.band_changed(client_id), client_id)
    mine = {"client_id": str(client_id)}
    await until(lambda: len(catcher.caught(**mine)) >= 2, "a Slack message and a mail")
    assert {(each.channel, each.inbox) for each in catcher.caught(**mine)} == {("slack", MAYA), ("email", MAYA)}
    await until(lambda: catcher.store.company("18412397").get("csl_health_band") == "red", "the write-back")
    catcher.presser.url = f"http://127.0.0.1:{process.port}/v1/slack/interactions"
    [post] = catcher.caught("slack", **mine)
    assert await catcher.presser.press(post, "acknowledged") == 200, "a pressed button reaches notify"
    assert [each.pressed for each in catcher.caught("slack", **mine)] == [("acknowledged",)]
    await until(lambda: process.counts('csl_signal_to_message_seconds_count{channel="email"}'), "the mail is booked")
    assert await process.counts('csl_deliveries_total{channel="slack",outcome="delivered"}')
    assert await process.counts("csl_delivery_queue_messages")


async def test_killed_between_post_and_bookkeeping_it_says_nothing_twice(
    process: NotifyProcess, catcher: CatcherStack, client_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(process._environment, "NOTIFY_SMTP_HOST", "")
    monkeypatch.setitem(process._environment, "NOTIFY_HUBSPOT_TOKEN", "")
    monkeypatch.setitem(process._environment, "NOTIFY_LEASE_SECONDS", "3")
    await process.start(kill_at="after_send")
    await process.publish(world.registered(client_id), client_id)
    await process.publish(world.flag_raised(client_id), client_id)
    await until(process.died, "the process kills itself after the post")
    assert len(catcher.caught("slack")) >= 1, "it was posted before the kill"
    await process.start()
    await until(
        lambda: process.counts('csl_deliveries_total{channel="slack",outcome="found"}'), "the earlier post is found"
    )
    await until(lambda: catcher.caught("slack", client_id=str(client_id)), "the message is there")
    # Other tests' events are on the shared topics too: none of them may come twice either.
    posted = [message.delivery_id for message in catcher.caught("slack")]
    assert len(posted) == len(set(posted))


def test_the_process_says_plainly_what_is_wrong_with_its_rules(tmp_path: Path) -> None:
    bad = tmp_path / "rules.yaml"
    bad.write_text("limit: {most: 5, within: 1h}\nrules: [{name: x, on: nothing, to: [csm]}]\n")
    environment = {
        **os.environ,
        "NOTIFY_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none",
        "NOTIFY_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
        "NOTIFY_RULES_FILE": str(bad),
    }
    run = subprocess.run(
        [sys.executable, "-m", "notify.main"], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode != 0
    assert "no such kind of event: nothing" in run.stderr
