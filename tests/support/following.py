"""The four services that follow ingest, on one real database: what it says reaches each as Kafka would bring it.

Kafka keeps the order of a partition, hence of a client id, and no other: so the records of different ids are dealt to
each service in an order of chance, in batches of chance.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from typing import Any, Self
from uuid import UUID

import churn.client_fold
import churn.domain.state
import churn.main
import churn.settings
import escalation.domain.client
import escalation.handlers
import escalation.service
import escalation.settings
import health.domain.fold
import health.handlers
import health.partitions
import health.service
import health.settings
import notify.domain.card
import notify.handlers
import notify.main
import notify.settings
from aiokafka import ConsumerRecord
from common import folding, inbox
from common.clock import ManualClock
from common.consumer import ConsumerSpec
from common.contracts import client
from common.contracts.base import Event
from common.db import Database
from common.dispatch import Dispatcher
from sqlalchemy import text

SAID_OF_RECORDS = (client.ClientsMerged, client.ClientsUnmerged, client.EventWithdrawn, client.ImportFinished)
"""About our records of a client, not about the client: a world in which nothing was wrong lacks them."""
NOT_COMPARED = {"last", "last_at", "pruned_day", "imported", "client_id", "known_at"}
"""When the latest fact happened, an import was complete, or a thing was known, is later where it was put right."""


@dataclass
class Follower:
    """One service's consumer, and what it makes of a client."""

    name: str
    database: Database
    dispatcher: Dispatcher
    fold: Any
    plain: Callable[[Any], dict[str, Any]]
    offset: int = 0

    async def take(self, records: Sequence[Any]) -> None:
        """One batch, a transaction."""
        async with self.database.transaction() as session:
            await self.dispatcher.handle(session, [[self._record(row) for row in records]])

    def _record(self, row: Any) -> ConsumerRecord[Any, Any]:
        self.offset += 1
        headers = [(name, str(value).encode()) for name, value in row.headers.items()]
        return ConsumerRecord(row.topic, 0, self.offset, 0, 0, row.key.encode(), bytes(row.body), None, 0, 0, headers)

    async def facts(self, client_id: UUID) -> list[Any]:
        """What counts of a client, in order: type, time, data."""
        async with self.database.read() as session:
            events = await folding.events_of(session, client_id)
        return json.loads(
            json.dumps([(e.data.type_name(), e.time.isoformat(), _named(e.data.fact())) for e in events if _counts(e)])
        )

    async def state(self, client_id: UUID) -> dict[str, Any]:
        """The client as folded, with what made each part in place of that event's id."""
        async with self.database.read() as session:
            found = await folding.read(session, self.fold, [client_id])
            family = await folding.family_of(session, client_id)
            events = await inbox.load(session, family)
        names = {str(e.id): f"{e.data.type_name()} {e.time.isoformat()}" for e in events}
        names |= {key.replace("-", ""): name for key, name in names.items()}
        plain = self.plain(next(iter(found.values())).state) if found else {}
        return dict(json.loads(json.dumps(inbox.renamed(_compared(plain), names), sort_keys=True, default=str)))


def _named(fact: dict[str, Any]) -> dict[str, Any]:
    """By which refs it was registered is told in other words where two records became one."""
    return {name: value for name, value in fact.items() if name != "refs"}


def _slots(state: Any) -> dict[str, Any]:
    return {name: getattr(state, name) for name in state.__slots__}


def _counts(event: Event[Any]) -> bool:
    only_refs = isinstance(event.data, client.ClientUpdated) and event.data.model_fields_set <= {"refs"}
    return not isinstance(event.data, SAID_OF_RECORDS) and not only_refs


def _compared(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _compared(part) for key, part in value.items() if key not in NOT_COMPARED}
    return [_compared(part) for part in value] if isinstance(value, list | tuple) else value


@dataclass
class Followers:
    """All four, and the deal of chance."""

    clock: ManualClock
    chance: random.Random
    urls: Callable[[str], str]
    services: list[Follower] = field(default_factory=list)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def __aenter__(self) -> Self:
        for make in (self._health, self._churn, self._escalation, self._notify):
            follower = await make()
            self._stack.push_async_callback(follower.database.close)
            self.services.append(follower)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def deal(self, rows: Iterable[Any]) -> None:
        """Rows of ingest's outbox, in the order in which the relay sends them."""
        listed = list(rows)
        for service in self.services:
            waiting: dict[str, list[Any]] = {}
            for row in listed:
                waiting.setdefault(row.key, []).append(row)
            while waiting:
                batch: list[Any] = []
                for _ in range(self.chance.randint(1, 6)):
                    if not waiting:
                        break
                    key = self.chance.choice(sorted(waiting))
                    batch.append(waiting[key].pop(0))
                    if not waiting[key]:
                        del waiting[key]
                await service.take(batch)

    def _follower(self, name: str, spec: ConsumerSpec, database: Database, fold: Any, plain: Any) -> Follower:
        dispatcher = Dispatcher(name, self.clock, spec.subscriptions, spec.keep, spec.erase)
        return Follower(name, database, dispatcher, fold, plain)

    def _database(self, name: str) -> tuple[str, Database]:
        url = self.urls(name)
        return url, Database(url, schema=name, pool_size=3)

    async def _health(self) -> Follower:
        url, database = self._database("health")
        settings = health.settings.Settings(database_url=url, kafka_bootstrap_servers="nowhere:1")
        await health.service.take_over_files(database, settings.config_dir, self.clock)
        async with database.transaction() as session:
            await health.partitions.tend(session, self.clock.now(), 25)
        spec = health.handlers.consumer(self.clock)
        return self._follower("health", spec, database, health.domain.fold.FOLD, _slots)

    async def _churn(self) -> Follower:
        url, database = self._database("churn")
        settings = churn.settings.Settings(database_url=url, kafka_bootstrap_servers="nowhere:1")
        spec = churn.main.wire(settings, database, self.clock).consumers[0]
        return self._follower("churn", spec, database, churn.client_fold.FOLD, churn.domain.state.to_plain)

    async def _escalation(self) -> Follower:
        url, database = self._database("escalation")
        settings = escalation.settings.Settings(database_url=url, kafka_bootstrap_servers="nowhere:1")
        await escalation.service.take_over_files(database, settings.config_dir, self.clock)
        fold = escalation.domain.client.CLIENT_FOLD
        return self._follower("escalation", escalation.handlers.CONSUMER, database, fold, asdict)

    async def _notify(self) -> Follower:
        url, database = self._database("notify")
        settings = notify.settings.Settings(database_url=url, kafka_bootstrap_servers="nowhere:1")
        desk, load_rules = notify.main.make_desk(settings, database, self.clock)
        await load_rules()
        spec = ConsumerSpec(notify.handlers.subscriptions(desk), notify.handlers.KEPT, notify.handlers.erase)
        return self._follower("notify", spec, database, notify.domain.card.CARD, asdict)

    async def everything(self) -> list[tuple[str, Any]]:
        """Every row of every table of the four: (table, row)."""
        found = []
        for service in self.services:
            async with service.database.read() as session:
                names = await session.scalars(
                    text(
                        "SELECT c.relname FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace"
                        " AND c.relkind = 'r' ORDER BY 1"
                    )
                )
                for name in names.all():
                    rows = await session.execute(text(f"SELECT * FROM {name}"))
                    found += [(f"{service.name}.{name}", row) for row in rows]
        return found
