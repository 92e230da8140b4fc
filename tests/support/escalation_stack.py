"""Escalation on a real database, driven by hand: deliver events, send requests, fire timers, read what it said."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self
from uuid import UUID, uuid4

import httpx
import orjson
from aiokafka import ConsumerRecord
from common import outbox
from common.auth import make_token
from common.clock import ManualClock, SystemClock
from common.contracts import churn, registry
from common.contracts.base import Data, Event, Origin
from common.db import Database
from common.dispatch import Dispatcher
from common.http import create_app
from common.timers import TimerWorker
from escalation import api, service
from escalation.handlers import CONSUMER
from escalation.jobs import TIMERS
from escalation.settings import Settings
from sqlalchemy import text

from tests.support.escalation_world import MAYA


class EscalationStack:
    """A few words to build a test's world with."""

    def __init__(self, url: str, clock: ManualClock, **settings: Any) -> None:
        self.clock = clock
        self.database = Database(url, schema="escalation", pool_size=6)
        self.settings = Settings(database_url=url, kafka_bootstrap_servers="nowhere:1", **settings)
        self._app = create_app(
            "escalation", self.settings, database=self.database, clock=clock, routers=[api.router], title="Escalation"
        )
        self._dispatcher = Dispatcher("escalation", clock, CONSUMER.subscriptions, CONSUMER.keep, CONSUMER.erase)
        self._offset = 0
        self._seen = 0

    async def __aenter__(self) -> Self:
        await service.take_over_files(self.database, self.settings.config_dir, self.clock)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.database.close()

    # Events in

    def event(
        self,
        body: Data,
        client_id: UUID,
        *,
        at: datetime | None = None,
        origin: Origin = Origin.LIVE,
        knowntime: datetime | None = None,
        source: str = "csl/test",
    ) -> Event[Any]:
        time_ = at or self.clock.now()
        return Event.of(
            body, id=uuid4(), source=source, subject=client_id, time=time_, knowntime=knowntime, origin=origin
        )

    async def deliver(self, *events: Event[Any]) -> None:
        """As the consumer does it: parsed from bytes, repeats dropped, one transaction."""
        async with self.database.transaction() as session:
            await self._dispatcher.handle(session, [[self._record(event) for event in events]])

    def _record(self, event: Event[Any]) -> ConsumerRecord[Any, Any]:
        message = outbox.message(event)
        self._offset += 1
        headers = [(name, value.encode()) for name, value in message.headers.items()]
        return ConsumerRecord(
            message.topic, 0, self._offset, 0, 0, message.key.encode(), message.body, None, 0, 0, headers
        )

    async def say(self, body: Data, client_id: UUID, **how: Any) -> Event[Any]:
        """A client event happens now and is delivered."""
        event = self.event(body, client_id, **how)
        await self.deliver(event)
        return event

    async def flag(self, client_id: UUID, flag_id: UUID | None = None, **how: Any) -> UUID:
        """Churn raises a flag; returns the flag's id."""
        flag_id = flag_id or uuid4()
        await self.deliver(self.flag_event(client_id, flag_id, **how))
        return flag_id

    def flag_event(
        self,
        client_id: UUID,
        flag_id: UUID,
        *,
        body: type[Data] = churn.FlagRaised,
        episode: int = 1,
        rule: str = "threshold",
        mode: str = "live",
        at: datetime | None = None,
        **more: Any,
    ) -> Event[Any]:
        said = body.model_validate(
            {
                "client_id": client_id,
                "mode": mode,
                "probability": 0.71,
                "threshold": 0.6,
                "horizon_days": 90,
                "model": "xgboost",
                "model_version": "2026-03-02.1",
                "calibrated": True,
                "reasons": [{"code": "sponsor_left", "text": "the sponsor left on 1 Mar", "contribution": 0.8}],
                "as_of": self.clock.now(),
                "flag_id": flag_id,
                "episode": episode,
                "rule": rule,
                **more,
            }
        )
        return self.event(said, client_id, at=at, source="csl/churn")

    async def end_flag(self, client_id: UUID, flag_id: UUID, **how: Any) -> None:
        await self.deliver(self.flag_event(client_id, flag_id, body=churn.FlagCleared, **how))

    # Timers

    async def fire(self, *, workers: int = 1) -> int:
        """Let so many workers fire what is due, all at once, until nothing is."""
        fired = 0
        while True:
            crew = [TimerWorker(self.database, self.clock, TIMERS, asyncio.Event()) for _ in range(workers)]
            once = sum(await asyncio.gather(*(worker.fire_due() for worker in crew)))
            fired += once
            if not once:
                return fired

    async def timers(self) -> list[tuple[str, str, int]]:
        return [tuple(row) for row in await self.rows("SELECT kind, owner, generation FROM timers ORDER BY 1, 2, 3")]

    # Requests in

    def http(self, *scopes: str, subject: str = MAYA) -> httpx.AsyncClient:
        """A client with a token; without scopes it has both of escalation's."""
        token = make_token(
            self.settings.jwt_secret.get_secret_value(),
            subject=subject,
            scopes=list(scopes or ("escalation:read", "escalation:write")),
            audience=self.settings.jwt_audience,
            clock=SystemClock(),
            hours=1,
        )
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self._app, raise_app_exceptions=False),
            base_url="http://escalation",
            headers={"Authorization": f"Bearer {token}"},
        )

    async def case_of(self, client_id: UUID) -> dict[str, Any]:
        """The client's newest case, in full."""
        async with self.http() as http:
            found = (await http.get("/v1/cases", params={"client_id": str(client_id)})).json()["items"]
            assert found, f"client {client_id} has no case"
            return (await http.get(f"/v1/cases/{found[0]['case_id']}")).json()

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        async with self.http() as http:
            return await http.post(path, json=body if body is not None else {}, headers=headers)

    # What came of it

    async def rows(self, sql: str, **values: Any) -> Sequence[Any]:
        async with self.database.read() as session:
            return (await session.execute(text(sql), values)).all()

    async def said(self) -> list[Event[Any]]:
        """Events written to the outbox since the last look."""
        rows = await self.rows("SELECT seq, body FROM outbox WHERE seq > :seen ORDER BY seq", seen=self._seen)
        self._seen = max([self._seen, *(row.seq for row in rows)])
        return [registry.parse_object(orjson.loads(row.body)) for row in rows]

    async def words(self) -> list[str]:
        """The same in words: `step_due assign`."""
        return [
            f"{event.data.type_name()} {getattr(event.data, 'step', None) or ''}".strip() for event in await self.said()
        ]
