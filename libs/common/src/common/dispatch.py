"""From Kafka records to a service's handlers: parse, drop what is known, keep the order, bury what cannot be read."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, TypeAlias
from uuid import UUID

from aiokafka import ConsumerRecord
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from common import folding, inbox, metrics, outbox, tracing
from common.clock import Clock
from common.contracts import client, registry
from common.contracts.base import Data, Event, Unknown
from common.contracts.ids import derived_id


@dataclass(frozen=True)
class Batch:
    """Fresh events for one handler, each client's in the order they were published."""

    events: Sequence[Event[Any]]
    now: datetime
    """Business time of the batch: one moment for all its decisions."""

    @cached_property
    def client_ids(self) -> list[UUID]:
        """The clients concerned, once each, in id order (the order in which rows are locked)."""
        return sorted({event.client_id for event in self.events})


Handler = Callable[[Batch, AsyncSession], Awaitable[None]]
Erase = Callable[[AsyncSession, Sequence[UUID]], Awaitable[None]]
Subscriptions = Mapping[type[Data], Handler]
Record: TypeAlias = "ConsumerRecord[Any, Any]"


class Dispatcher:
    """What a consumer does inside its transaction."""

    def __init__(
        self,
        service: str,
        clock: Clock,
        subscriptions: Subscriptions,
        keep: Collection[type[Data]],
        erase: Erase | None,
    ) -> None:
        self._service = service
        self._clock = clock
        self._keep = frozenset(keep)
        self._erase = erase
        self.subscriptions: dict[type[Data], Handler] = dict(subscriptions)
        self.subscriptions[client.ClientErased] = self._on_client_erased
        self.subscriptions.setdefault(client.ContactErased, self._on_contact_erased)
        if Unknown in self._keep:
            self.subscriptions[Unknown] = self._on_unknown
        self._types = {body.TYPE: body for body in self.subscriptions}
        self._client_topic_kept = Unknown in self._keep

    async def handle(self, session: AsyncSession, partitions: Sequence[Sequence[Record]]) -> None:
        """Handle the records of several partitions: per partition in order, together where that allows it."""
        now = self._clock.now()
        runs = [_runs(await self._parse(session, records), self.subscriptions) for records in partitions]
        for wave in itertools.zip_longest(*runs):
            by_handler: dict[Handler, list[Event[Any]]] = {}
            for run in wave:
                if run is not None:
                    by_handler.setdefault(run[0], []).extend(run[1])
            for handler, events in by_handler.items():
                fresh = await inbox.take(session, events, keep=self._keep)
                self._count(events, fresh)
                if fresh:
                    with tracing.span(f"handle {handler.__name__}", fresh[0].traceparent, events=len(fresh)):
                        await handler(Batch(fresh, now), session)

    async def _parse(self, session: AsyncSession, records: Sequence[Record]) -> list[Event[Any]]:
        events = []
        skipped = 0
        for record in records:
            type_ = _header(record, "ce_type")
            if type_ not in self._types and not self._keeps_unread(record, type_):
                skipped += 1
                continue
            try:
                events.append(registry.parse(record.value or b"", type_))
            except ValidationError as error:
                await self.bury(session, record, error)
        if skipped:
            metrics.EVENTS_CONSUMED.labels(self._service, records[0].topic, "skipped").inc(skipped)
        return events

    def _keeps_unread(self, record: Record, type_: str) -> bool:
        """A client event of a type that a later release may know is stored now and folded then."""
        return (
            self._client_topic_kept
            and record.topic == client.ClientErased.TOPIC
            and registry.body(type_) is Unknown
            and bool(type_)
        )

    async def bury(self, session: AsyncSession, record: Record, error: Exception) -> None:
        """To the service's dead letters, as it came, with why and from where (through the outbox)."""
        metrics.DEAD_LETTERS.labels(self._service, record.topic).inc()
        metrics.EVENTS_CONSUMED.labels(self._service, record.topic, "dead").inc()
        type_ = _header(record, "ce_type")
        handler = self.subscriptions.get(self._types[type_]) if type_ in self._types else None
        await outbox.add_messages(
            session,
            [
                outbox.Message(
                    event_id=derived_id("dead", self._service, record.topic, record.partition, record.offset),
                    topic=f"csl.{self._service}.dlq",
                    key=(record.key or b"").decode(errors="replace"),
                    headers={
                        "ce_type": type_,
                        "csl_reason": f"{type(error).__name__}: {error}"[:2000],
                        "csl_topic": record.topic,
                        "csl_partition": str(record.partition),
                        "csl_offset": str(record.offset),
                        "csl_handler": getattr(handler, "__name__", ""),
                    },
                    body=record.value or b"",
                )
            ],
        )

    async def _on_client_erased(self, batch: Batch, session: AsyncSession) -> None:
        await inbox.erase(session, batch.client_ids, at=batch.now)
        if self._erase is not None:
            await self._erase(session, batch.client_ids)

    async def _on_contact_erased(self, batch: Batch, session: AsyncSession) -> None:
        """For services whose states know no people: facts may name one all the same (who agreed to a plan)."""
        for event in batch.events:
            family = await folding.family_of(session, event.client_id)
            await inbox.forget_contact(session, family, event.data.contact_id, inbox.pseudonym(event))

    async def _on_unknown(self, batch: Batch, session: AsyncSession) -> None:
        """Stored by the inbox; nothing else is known about it."""

    def _count(self, events: Sequence[Event[Any]], fresh: Sequence[Event[Any]]) -> None:
        topic = events[0].data.TOPIC or client.ClientErased.TOPIC
        metrics.EVENTS_CONSUMED.labels(self._service, topic, "handled").inc(len(fresh))
        metrics.EVENTS_CONSUMED.labels(self._service, topic, "repeated").inc(len(events) - len(fresh))


def _runs(
    events: Sequence[Event[Any]], subscriptions: Mapping[type[Data], Handler]
) -> list[tuple[Handler, list[Event[Any]]]]:
    """Neighbours with the same handler go together; a change of handler keeps the order."""
    return [
        (handler, list(run))
        for handler, run in itertools.groupby(events, key=lambda event: subscriptions[type(event.data)])
    ]


def _header(record: Record, name: str) -> str:
    for key, value in record.headers:
        if key == name:
            return str(value.decode(errors="replace"))
    return ""
