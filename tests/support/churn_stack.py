"""Churn on a real database, driven by hand: deliver events, assess, fire timers, send requests, read what it said."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID, uuid4

import httpx
import orjson
from aiokafka import ConsumerRecord
from churn.jobs import Assessing
from churn.main import wire
from churn.settings import Settings
from common import outbox
from common.auth import make_token
from common.clock import ManualClock, SystemClock
from common.contracts import client, health, registry
from common.contracts.base import Data, Event, Origin
from common.db import Database
from common.dispatch import Dispatcher
from common.timers import TimerWorker
from sqlalchemy import text

from tests.support.churn_world import body_of

MAYA = "maya@ours.example"


class ChurnStack:
    """A few words to build a test's world with."""

    def __init__(self, url: str, clock: ManualClock, **settings: Any) -> None:
        self.clock = clock
        self.database = Database(url, schema="churn", pool_size=6)
        self.settings = Settings(database_url=url, kafka_bootstrap_servers="nowhere:1", **settings)
        self.service = wire(self.settings, self.database, clock)
        spec = self.service.consumers[0]
        self._dispatcher = Dispatcher("churn", clock, spec.subscriptions, spec.keep, spec.erase)
        self._offset = 0
        self._seen = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.database.close()

    # Events in

    def event(
        self, name: str, client_id: UUID, /, *, at: datetime | None = None, live: bool = True, **data: Any
    ) -> Event[Any]:
        body = body_of(name, **data)
        return self.wrap(body, client_id, at=at, live=live)

    def wrap(self, body: Data, client_id: UUID, *, at: datetime | None = None, live: bool = True) -> Event[Any]:
        return Event.of(
            body,
            id=uuid4(),
            source="csl/test",
            subject=client_id,
            time=at or self.clock.now(),
            origin=Origin.LIVE if live else Origin.IMPORT,
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

    async def say(self, name: str, client_id: UUID, /, **how: Any) -> Event[Any]:
        """Something happens now."""
        event = self.event(name, client_id, **how)
        await self.deliver(event)
        return event

    async def scored(self, client_id: UUID, score: float, *, at: datetime | None = None, mode: str = "live") -> None:
        """Health says a score."""
        moment = at or self.clock.now()
        body = health.Scored.model_validate(
            {
                "client_id": client_id,
                "mode": mode,
                "model": "loop",
                "model_version": 1,
                "score": score,
                "band": "green" if score >= 80 else "amber" if score >= 60 else "red",
                "confidence": 1.0,
                "components": [{"name": "usage", "weight": 35, "score": score, "fresh": True}],
                "as_of": moment,
                "caused_by": [],
            }
        )
        await self.deliver(self.wrap(body, client_id, at=moment, live=mode == "live"))

    async def finish_import(self, client_id: UUID) -> None:
        now = self.clock.now()
        body = client.ImportFinished.model_validate(
            {"import_id": uuid4(), "from": now - timedelta(days=180), "to": now}
        )
        await self.deliver(self.wrap(body, client_id, live=False))

    # Time

    async def assess(self, *, rested: bool = True) -> int:
        """Whoever waits is assessed, when those assessed just now have had their rest."""
        if rested:
            self.clock.advance(seconds=self.settings.assess_rest)
        assessing: Assessing = self.service.worker_work[0].__self__  # type: ignore[attr-defined]  # a bound method
        taken = 0
        while more := await assessing.once():
            taken += more
        return taken

    async def fire(self) -> int:
        """Timers that are due fire."""
        worker = TimerWorker(self.database, self.clock, self.service.timers, asyncio.Event())
        fired = 0
        while more := await worker.fire_due():
            fired += more
        return fired

    # Requests in

    def http(self, *scopes: str, subject: str = MAYA) -> httpx.AsyncClient:
        """A client with a token; without scopes it has all of churn's."""
        token = make_token(
            self.settings.jwt_secret.get_secret_value(),
            subject=subject,
            scopes=list(scopes or ("churn:read", "churn:override", "churn:admin")),
            audience=self.settings.jwt_audience,
            clock=SystemClock(),
            hours=1,
        )
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.service.app, raise_app_exceptions=False),
            base_url="http://churn",
            headers={"Authorization": f"Bearer {token}"},
        )

    async def get(self, path: str, **params: Any) -> httpx.Response:
        async with self.http() as http:
            return await http.get(path, params=params)

    async def post(self, path: str, body: Any = None, *scopes: str, **headers: str) -> httpx.Response:
        async with self.http(*scopes) as http:
            return await http.post(path, json=body if body is not None else {}, headers=headers)

    async def risk(self, client_id: UUID) -> dict[str, Any]:
        answer = await self.get(f"/v1/clients/{client_id}/risk")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def override(self, client_id: UUID, *, days: int = 30, **more: Any) -> httpx.Response:
        wish = {
            "reason_code": "renewal_agreed",
            "note": "Their COO confirmed the renewal by phone.",
            "until": (self.clock.now() + timedelta(days=days)).isoformat(),
            **more,
        }
        return await self.post(f"/v1/clients/{client_id}/overrides", wish)

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
        """The same in words."""
        return [event.data.type_name() for event in await self.said()]
