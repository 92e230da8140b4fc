"""Notify on a real database with the real catcher as its outside world, driven by hand."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import httpx
import orjson
import uvicorn
from aiokafka import ConsumerRecord
from common import outbox
from common.auth import make_token
from common.clock import ManualClock, SystemClock
from common.contracts import registry
from common.contracts.base import Data, Event
from common.db import Database
from common.dispatch import Dispatcher
from common.http import create_app
from common.timers import TimerWorker
from loopctl.catcher import mail
from loopctl.catcher.__main__ import build as build_catcher
from loopctl.catcher.faults import Fault, Faults
from loopctl.catcher.parts import Parts
from loopctl.catcher.press import Presser
from loopctl.catcher.store import Caught, Store
from notify import api, handlers
from notify.adapters.hubspot import HubSpot
from notify.adapters.mail import MailSender
from notify.adapters.slack import SlackSender
from notify.domain.routing import Address
from notify.domain.rules import Channel
from notify.main import make_desk
from notify.sending import MailTarget, Sender
from notify.settings import LOCAL_SIGNING_SECRET, Settings
from notify.write_back import Writer
from sqlalchemy import text

from tests.support.notify_world import event, registered

TIMEOUT = 2.0
"""Wall seconds that notify waits for a target in tests that let one hang."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class CatcherStack:
    """The catcher, served on free ports of this process's loop."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder)
        self.faults = Faults()
        self.http_port, self.smtp_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.http_port}"
        self.presser = Presser(self.store, "http://127.0.0.1:9/none", LOCAL_SIGNING_SECRET)

    async def __aenter__(self) -> Self:
        self._smtp = await mail.serve(self.store, self.faults, "127.0.0.1", self.smtp_port)
        app = build_catcher(Parts(self.store, self.faults, self.presser))
        config = uvicorn.Config(
            app, port=self.http_port, log_level="warning", lifespan="off", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._server.capture_signals = contextlib.nullcontext  # type: ignore[assignment, method-assign]  # pytest keeps Ctrl-C
        self._serving = asyncio.create_task(self._server.serve())
        while not self._server.started:  # noqa: ASYNC110  (uvicorn has no event for it)
            await asyncio.sleep(0.01)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        await self._serving
        self._smtp.close()
        self.store.close()

    def fail(self, channel: str, kind: str, **more: Any) -> None:
        """The next requests of a channel fail."""
        self.faults.add(Fault.model_validate({"channel": channel, "kind": kind, **more}))

    def caught(self, channel: str = "", inbox: str = "", **where: str) -> list[Caught]:
        return self.store.find(limit=1000, where={"channel": channel, "inbox": inbox, **where})


class NotifyStack:
    """A few words to build a test's world with."""

    def __init__(self, url: str, clock: ManualClock, catcher: CatcherStack, **settings: Any) -> None:
        self.clock, self.catcher = clock, catcher
        self.database = Database(url, schema="notify", pool_size=6)
        configured: dict[str, Any] = {
            "slack_base_url": f"{catcher.url}/slack/api/",
            "slack_token": "xoxb-test",
            "smtp_host": "127.0.0.1",
            "smtp_port": catcher.smtp_port,
            "mail_from": "Client Success Loop <loop@ours.example>",
            "hubspot_base_url": f"{catcher.url}/hubspot",
            "hubspot_token": "pat-test",
            "links_base": catcher.url,
            "send_timeout_seconds": TIMEOUT,
        }
        self.settings = Settings(database_url=url, kafka_bootstrap_servers="nowhere:1", **{**configured, **settings})
        self.desk, self._load_rules = make_desk(self.settings, self.database, clock)
        self._dispatcher = Dispatcher("notify", clock, handlers.subscriptions(self.desk), handlers.KEPT, handlers.erase)
        token = self.settings.slack_token.get_secret_value()
        self._slack = SlackSender(base_url=self.settings.slack_base_url, token=token, timeout=TIMEOUT)
        self.hubspot = HubSpot(base_url=self.settings.hubspot_base_url, token="pat-test", timeout=TIMEOUT)
        self._offset = self._seen = 0
        self._app = create_app(
            "notify",
            self.settings,
            database=self.database,
            clock=clock,
            routers=api.ROUTERS,
            title="Notify",
        )
        self._app.state.desk = self.desk

    async def __aenter__(self) -> Self:
        await self._load_rules()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._slack.close()
        await self.hubspot.close()
        await self.database.close()

    # Events in

    async def deliver(self, *events: Event[Any]) -> None:
        """As the consumer does it: parsed from bytes, repeats dropped, one transaction."""
        async with self.database.transaction() as session:
            await self._dispatcher.handle(session, [[self._record(each) for each in events]])

    def _record(self, each: Event[Any]) -> ConsumerRecord[Any, Any]:
        message = outbox.message(each)
        self._offset += 1
        headers = [(name, value.encode()) for name, value in message.headers.items()]
        return ConsumerRecord(
            message.topic, 0, self._offset, 0, 0, message.key.encode(), message.body, None, 0, 0, headers
        )

    async def say(self, body: Data, subject: UUID | str, **how: Any) -> Event[Any]:
        """Something happens now and is delivered."""
        said = event(body, subject, at=how.pop("at", None) or self.clock.now(), **how)
        await self.deliver(said)
        return said

    async def has(self, client_id: UUID, **profile: Any) -> None:
        """A client is registered."""
        await self.say(registered(client_id, **profile), client_id)

    # Workers

    def sender(self, channel: Channel) -> Sender:
        """A worker of one channel, as a process has it; several may be made."""
        target: Any = self._slack if channel is Channel.SLACK else MailTarget(MailSender(self.settings), self.clock)
        return Sender(
            self.database,
            self.clock,
            channel,
            target,
            team=Address(Channel.SLACK, self.desk.directory.team),
            give_up_after=timedelta(hours=72),
            lease=self.settings.lease,
        )

    async def send(self) -> int:
        """Send all that is due on both channels; says how many attempts were made."""
        attempts = 0
        for channel in Channel:
            worker = self.sender(channel)
            while made := await worker.send_due():
                attempts += made
        return attempts

    def writer(self) -> Writer:
        return Writer(
            self.database, self.clock, self.hubspot, interval=timedelta(minutes=10), lease=self.settings.lease
        )

    async def write_back(self) -> int:
        worker, attempts = self.writer(), 0
        while made := await worker.write_due():
            attempts += made
        return attempts

    async def fire(self) -> int:
        timers = TimerWorker(self.database, self.clock, handlers.timer_handlers(self.desk), asyncio.Event())
        return await timers.fire_due()

    # What came of it

    async def rows(self, query: str, **values: Any) -> list[Any]:
        async with self.database.read() as session:
            return list((await session.execute(text(query), values)).mappings())

    async def deliveries(self, **where: Any) -> list[Any]:
        clause = " AND ".join(f"{name} = :{name}" for name in where) or "true"
        return await self.rows(f"SELECT * FROM deliveries WHERE {clause} ORDER BY seq", **where)

    async def published(self, body: type[Data]) -> list[Any]:
        """Bodies of a type in the outbox, oldest first."""
        rows = await self.rows("SELECT body FROM outbox ORDER BY seq")
        events = [registry.parse_object(orjson.loads(row["body"])) for row in rows]
        return [each.data for each in events if isinstance(each.data, body)]

    # HTTP

    def http(self, *scopes: str) -> httpx.AsyncClient:
        secret = self.settings.jwt_secret.get_secret_value()
        token = make_token(
            secret,
            subject="tester",
            scopes=list(scopes),
            audience=self.settings.jwt_audience,
            clock=SystemClock(),
            hours=1,
        )
        transport = httpx.ASGITransport(app=self._app)
        headers = {"Authorization": f"Bearer {token}"} if scopes else {}
        return httpx.AsyncClient(transport=transport, base_url="http://notify", headers=headers)
