"""Two tiny services on the shared machinery, run as real processes that tests kill, freeze and multiply.

`emit` takes numbered events over HTTP and sends them through its outbox; `fold` counts them per client, answers each
batch with one `scored` event a client that names its causes, and sets one timer a client.
Run: `python -m tests.support.probe emit|fold` with PROBE_… settings.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import orjson
from common import folding, outbox, timers
from common.consumer import ConsumerSpec
from common.contracts import client, health
from common.contracts.base import Event
from common.contracts.ids import derived_id
from common.db import SessionDep
from common.dispatch import Batch
from common.process import Service, make_clock, make_database, run
from common.settings import ServiceSettings
from common.timers import Timer
from fastapi import FastAPI
from pydantic import BaseModel
from pydantic_settings import SettingsConfigDict
from sqlalchemy.ext.asyncio import AsyncSession

SOURCE = "csl/probe"
TIMER_AFTER = timedelta(seconds=1)


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="PROBE_", extra="ignore", frozen=True)
    group: str = "probe"


def event_id(client_id: UUID, number: int) -> UUID:
    return derived_id("probe", client_id, number)


class Emission(BaseModel):
    clients: list[UUID]
    first: int
    count: int


def emitter(settings: Settings) -> Service:
    """Accepts numbered events: client × number, each a login."""
    database, clock = make_database(settings, "emit"), make_clock(settings)
    app = _app(database)

    @app.post("/emit", status_code=202)
    async def emit(emission: Emission, session: SessionDep) -> dict[str, int]:
        now = clock.now()
        events = [
            Event.of(
                client.LoggedIn(count=1),
                id=event_id(client_id, number),
                source=SOURCE,
                subject=client_id,
                time=now + timedelta(microseconds=number),
                sequence=number,
            )
            for number in range(emission.first, emission.first + emission.count)
            for client_id in sorted(emission.clients)
        ]
        await outbox.add(session, events)
        return {"accepted": len(events)}

    return Service("emit", settings, database, clock, app)


class Count:
    """State: how many events, and the numbers' sum, so that a repeat or a loss shows."""

    version = 1

    def empty(self, client_id: UUID) -> dict[str, int]:
        return {"events": 0, "sum": 0}

    def apply(self, state: dict[str, int], event: Event[Any]) -> dict[str, int]:
        return {"events": state["events"] + 1, "sum": state["sum"] + event.sequence}

    def dump(self, state: dict[str, int]) -> bytes:
        return orjson.dumps(state)

    def load(self, raw: bytes) -> dict[str, int]:
        loaded: dict[str, int] = orjson.loads(raw)
        return loaded


FOLD = Count()


async def on_events(batch: Batch, session: AsyncSession) -> None:
    folded = await folding.advance(session, FOLD, batch.events)
    await folding.save(session, FOLD, folded.values())
    await outbox.add(session, [_scored(f, batch.now) for f in folded.values()])
    await timers.schedule(
        session,
        [Timer("probe", str(f.client_id), 1, batch.now + TIMER_AFTER) for f in folded.values() if f.previous is None],
    )


def _scored(folded: folding.Folded[dict[str, int]], now: datetime) -> Event[Any]:
    ids = [event.id for event in folded.events]
    body = health.Scored(
        client_id=folded.client_id,
        mode="live",
        model="probe",
        model_version=1,
        score=50.0,
        band="green",
        confidence=1.0,
        components=[],
        as_of=now,
        caused_by=ids,
    )
    return Event.of(
        body, id=derived_id("scored", folded.client_id, *ids), source=SOURCE, subject=folded.client_id, time=now
    )


async def on_timer(due: Sequence[Timer], now: datetime, session: AsyncSession) -> None:
    await outbox.add(
        session,
        [
            Event.of(
                health.SignStarted(
                    client_id=UUID(t.owner), sign="probe", text="the timer fired", started_at=now, as_of=now
                ),
                id=derived_id("timer", t.owner, t.generation),
                source=SOURCE,
                subject=t.owner,
                time=now,
            )
            for t in due
        ],
    )


def folder(settings: Settings) -> Service:
    database, clock = make_database(settings, "fold"), make_clock(settings)
    spec = ConsumerSpec({client.LoggedIn: on_events}, keep=frozenset({client.LoggedIn}), group=settings.group)
    return Service("fold", settings, database, clock, _app(database), consumers=[spec], timers={"probe": on_timer})


def _app(database: Any) -> FastAPI:
    app = FastAPI()
    app.state.database = database
    app.state.readiness = SimpleNamespace(checks={})

    @app.get("/readyz")
    async def readyz() -> dict[str, Any]:
        return {name: check() for name, check in app.state.readiness.checks.items()}

    return app


if __name__ == "__main__":
    role = sys.argv.pop(1)
    run({"emit": emitter, "fold": folder}[role], Settings)
