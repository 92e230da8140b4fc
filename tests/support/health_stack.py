"""Health on a real database, driven by hand: deliver events, fire timers, send requests, read what it said."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Self, TypeVar, overload
from uuid import UUID, uuid4

import httpx
import orjson
from aiokafka import ConsumerRecord
from common import folding, outbox
from common.auth import make_token
from common.clock import ManualClock, SystemClock
from common.contracts import client, feeds, registry
from common.contracts.base import Data, Event, Origin
from common.db import Database
from common.dispatch import Dispatcher
from common.http import create_app
from common.timers import TimerWorker
from health import api, definitions_repository, handlers, partitions, served, service, signs_api
from health.domain.fold import FOLD
from health.domain.state import dump
from health.jobs import TIMERS
from health.settings import Settings
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tests.support.health_world import SOURCES, order

D = TypeVar("D", bound=Data)
FOR_EVER = 10.0**10
MAYA = "maya@ours.example"


class HealthStack:
    """A few words to build a test's world with."""

    def __init__(self, url: str, clock: ManualClock, **settings: Any) -> None:
        self.clock = clock
        self.database = Database(url, schema="health", pool_size=6)
        self.settings = Settings(database_url=url, kafka_bootstrap_servers="nowhere:1", **settings)
        self._app = create_app(
            "health",
            self.settings,
            database=self.database,
            clock=clock,
            routers=[api.router, signs_api.router],
            title="Health",
        )
        spec = handlers.consumer(clock)
        self._dispatcher = Dispatcher("health", clock, spec.subscriptions, spec.keep, spec.erase)
        self._offset = 0
        self._seen = 0

    async def __aenter__(self) -> Self:
        # A process has one database; here the next test's version 2 is another text.
        for cache in (definitions_repository._cached, definitions_repository._models, served._known):
            cache.clear()
        await service.take_over_files(self.database, self.settings.config_dir, self.clock)
        async with self.database.transaction() as session:
            await partitions.tend(session, self.clock.now(), 25)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.database.close()

    # Events in

    async def deliver(self, *events: Event[Any]) -> None:
        """As the consumer does it: parsed from bytes, repeats dropped, one transaction."""
        async with self.database.transaction() as session:
            await self.take(session, *events)

    async def take(self, session: AsyncSession, *events: Event[Any]) -> None:
        """The same in a transaction of the test's own."""
        await self._dispatcher.handle(session, [[self._record(event) for event in events]])

    async def say(self, body: Data, client_id: UUID, source: str = "segment", **more: Any) -> Event[Any]:
        """Something happens now and is delivered."""
        happened = Event.of(
            body,
            id=more.pop("id", uuid4()),
            source=f"csl/ingest/{source}",
            subject=client_id,
            time=more.pop("at", self.clock.now()),
            **more,
        )
        await self.deliver(happened)
        return happened

    async def live_through(self, events: Iterable[Event[Any]]) -> None:
        """Let time pass and events arrive, three days' in one batch, timers fired in between.

        Sources are heard for ever, until a test says otherwise.
        """
        await self.hear(*SOURCES, every=FOR_EVER)
        for day, group in _in_groups(events):
            await self.deliver(*group)
            self.clock.set(max(self.clock.now(), day))
            await self.fire()

    async def bring_in(self, client_id: UUID, events: Sequence[Event[Any]]) -> None:
        """Import a history: its events, then `import_finished`."""
        imported = [event.model_copy(update={"origin": Origin.IMPORT}) for event in events]
        for first in range(0, len(imported), 500):
            await self.deliver(*imported[first : first + 500])
        span = {"from": min(e.time for e in events), "to": max(e.time for e in events)}
        finished = client.ImportFinished.model_validate({"import_id": uuid4(), **span})
        await self.say(finished, client_id, "import", origin=Origin.IMPORT)

    async def hear(self, *sources: str, every: float = 86400, body: type[feeds.Feed] = feeds.FeedSeen) -> None:
        """Sources talk to us now (or fall silent)."""
        for source in sources:
            said = body(source=source, last_received_at=self.clock.now(), expected_every_seconds=every)
            await self.deliver(Event.of(said, id=uuid4(), source="csl/ingest", subject=source, time=self.clock.now()))

    async def fall_silent(self, source: str, since: datetime) -> None:
        said = feeds.FeedSilent(source=source, last_received_at=since, expected_every_seconds=86400)
        await self.deliver(Event.of(said, id=uuid4(), source="csl/ingest", subject=source, time=self.clock.now()))

    def _record(self, event: Event[Any]) -> ConsumerRecord[Any, Any]:
        message = outbox.message(event)
        self._offset += 1
        headers = [(name, value.encode()) for name, value in message.headers.items()]
        return ConsumerRecord(
            message.topic, 0, self._offset, 0, 0, message.key.encode(), message.body, None, 0, 0, headers
        )

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

    # Requests in

    def http(self, *scopes: str) -> httpx.AsyncClient:
        """A client with a token; without scopes it has both of health's."""
        token = make_token(
            self.settings.jwt_secret.get_secret_value(),
            subject=MAYA,
            scopes=list(scopes or ("health:read", "health:write")),
            audience=self.settings.jwt_audience,
            clock=SystemClock(),
            hours=1,
        )
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self._app, raise_app_exceptions=False),
            base_url="http://health",
            headers={"Authorization": f"Bearer {token}"},
        )

    async def get(self, path: str, **params: Any) -> Any:
        """The body of a 200."""
        async with self.http() as http:
            answer = await http.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        async with self.http() as http:
            return await http.post(path, json=body, headers=headers)

    async def health(self, client_id: UUID) -> dict[str, Any]:
        return dict(await self.get(f"/v1/clients/{client_id}/health"))

    # What came of it

    async def rows(self, sql: str, **values: Any) -> Sequence[Any]:
        async with self.database.read() as session:
            return (await session.execute(text(sql), values)).all()

    @overload
    async def said(self) -> list[Event[Any]]: ...
    @overload
    async def said(self, of: type[D]) -> list[Event[D]]: ...
    async def said(self, of: type[Data] | None = None) -> list[Event[Any]]:
        """Events written to the outbox since the last look, of one type."""
        rows = await self.rows("SELECT seq, body FROM outbox WHERE seq > :seen ORDER BY seq", seen=self._seen)
        self._seen = max([self._seen, *(row.seq for row in rows)])
        events = [registry.parse_object(orjson.loads(row.body)) for row in rows]
        return [event for event in events if of is None or isinstance(event.data, of)]

    async def state(self, client_id: UUID) -> bytes:
        """The client's state as it stands, written down."""
        async with self.database.read() as session:
            found = await folding.read(session, FOLD, [client_id])
        return dump(next(iter(found.values())).state)


def _in_groups(events: Iterable[Event[Any]]) -> list[tuple[datetime, list[Event[Any]]]]:
    groups: dict[int, list[Event[Any]]] = {}
    for event in sorted(events, key=order):
        groups.setdefault(event.time.toordinal() // 3, []).append(event)
    return [(group[-1].time, group) for group in groups.values()]
