"""The worker's job of replays: old posts run through today's mapping, what differs from what was said is published.

A durable job of the worker: a few posts a transaction, its position among them, so that it goes on after any end.
Live accepts go first. A dry run does the same and takes it back; it tells what would be published.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from common import failpoints, logging, outbox
from common.clock import Clock
from common.db import Database
from common.errors import Refused
from common.faults import is_passing
from sqlalchemy.ext.asyncio import AsyncSession

from ingest import interpret, service
from ingest.accept import Moments
from ingest.config import Source
from ingest.domain.arrival import Arrival
from ingest.domain.reading import Reader
from ingest.domain.shared import SharedDomains
from ingest.replay_chunk import Found, Reread, Rereading
from ingest.repository import loading, replays
from ingest.repository.replays import Body, Replay

log = logging.get(__name__)

LOOK_EVERY = 1.0
"""Wall seconds between looks for a replay that was asked for."""
MAX_AGE_OF_LIVE = 0.5
HOLD, HOLDS = 0.1, 50
ATTEMPTS = 5
SAMPLES = 20
QUARANTINED_AT_ONCE = 50
BY = "replay"


@dataclass
class Tally:
    """What a replay has found so far."""

    counts: Counter[str] = field(default_factory=Counter)
    types: dict[str, Counter[str]] = field(default_factory=dict)
    samples: list[Mapping[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, replay: Replay) -> Tally:
        types = {kind: Counter(found) for kind, found in replay.types.items()}
        return cls(Counter(replay.counts), types, list(replay.samples))

    def add(self, found: Found) -> None:
        self.counts.update(found.counts)
        for kind, type_ in found.types:
            self.types.setdefault(kind, Counter())[type_] += 1
        self.samples += found.samples[: max(0, SAMPLES - len(self.samples))]


@dataclass(frozen=True)
class Replayer:
    """The worker that does them, one at a time."""

    database: Database
    clock: Clock
    sources: Mapping[str, Source]
    reader: Reader
    shared: SharedDomains

    async def run(self) -> None:
        """For ever."""
        while True:
            if not await self.step():
                await self.clock.sleep(LOOK_EVERY)

    async def step(self) -> bool:
        """Do the next few posts of the oldest replay; False when none is under way."""
        async with self.database.read() as session:
            asked = await replays.running(session)
            bodies = await replays.bodies(session, asked) if asked else []
        if asked is None:
            return False
        if not bodies:
            await self._end(asked)
            return True
        source = self.sources[asked.source]
        reread = await asyncio.to_thread(lambda: [_read(source, body, self.reader) for body in bodies])
        await self._hold_back()
        try:
            await self._patiently(asked, bodies, reread)
        except Exception as error:
            if is_passing(error) or len(bodies) == 1:
                raise
            log.warning("replayed_one_by_one", replay=str(asked.id), error=repr(error))
            await self._alone(asked, bodies[0], reread[0])
        return True

    async def _alone(self, asked: Replay, body: Body, reread: Reread) -> None:
        """One post by itself; where even that fails it is left as it was, and counted."""
        try:
            await self._patiently(asked, [body], [reread])
        except Exception as error:
            if is_passing(error):
                raise
            log.error("replay_is_poison", replay=str(asked.id), raw=str(body.id), exc_info=error)
            async with self.database.transaction() as session:
                held = await replays.running(session, lock=asked.id)
                if held is not None and held.at == asked.at:
                    tally = Tally.of(held)
                    tally.counts["failed"] += 1
                    await _note(session, held, body, tally)

    async def _patiently(self, asked: Replay, bodies: Sequence[Body], reread: Sequence[Reread]) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self._chunk(asked, bodies, reread)
                return
            except Exception as error:
                if attempt == ATTEMPTS or not (is_passing(error) or isinstance(error, loading.Moved)):
                    raise
                await self.clock.sleep(HOLD * attempt)

    async def _chunk(self, asked: Replay, bodies: Sequence[Body], reread: Sequence[Reread]) -> None:
        async with self.database.transaction() as session:
            held = await replays.running(session, lock=asked.id)
            if held is None or held.at != asked.at:
                return  # another worker was here
            dry = held.state == replays.PREVIEWING
            at = Moments(self.clock.now(), self.clock.wall())
            async with session.begin_nested() if dry else nullcontext() as savepoint:
                found = await Rereading(session, self.shared, at, held).publish(reread)
                if savepoint is not None:
                    await savepoint.rollback()
            tally = Tally.of(held)
            tally.add(found)
            await _note(session, held, bodies[-1], tally)
            failpoints.reach("replay_chunk")
        failpoints.reach("replayed")

    async def _end(self, asked: Replay) -> None:
        """After the posts those that nobody could read at all; then it is over."""
        dry = asked.state == replays.PREVIEWING
        await self._quarantined(asked, dry=dry)
        async with self.database.transaction() as session:
            held = await replays.running(session, lock=asked.id)
            if held is not None and held.at == asked.at:
                state = replays.PREVIEWED if dry else replays.DONE
                await replays.end(session, held.id, state=state, at=self.clock.now())

    async def _quarantined(self, asked: Replay, *, dry: bool) -> None:
        """Whole posts in quarantine: what can be read today is accepted as if it came then."""
        after = UUID(int=0)
        while True:
            async with self.database.read() as session:
                waiting = await replays.quarantined(session, asked, after, QUARANTINED_AT_ONCE)
            for quarantine_id in waiting:
                await self._hold_back()
                await self._one_quarantined(asked, quarantine_id, dry=dry)
                after = quarantine_id
            if len(waiting) < QUARANTINED_AT_ONCE:
                return

    async def _one_quarantined(self, asked: Replay, quarantine_id: UUID, *, dry: bool) -> None:
        async with self.database.transaction() as session:
            held = await replays.running(session, lock=asked.id)
            if held is None or held.at != asked.at:
                return
            tally = Tally.of(held)
            moments = Moments(self.clock.now(), self.clock.wall())
            nested = await session.begin_nested()
            try:
                await service.replay(session, quarantine_id, self.sources, self.reader, moments)
                tally.counts["readable"] += 1
            except Refused:
                tally.counts["unreadable"] += 1
                dry = True
            if dry:
                await nested.rollback()
            await replays.keep_tally(session, held.id, tally.counts, tally.types, tally.samples)

    async def _hold_back(self) -> None:
        """Live events go first: wait while they wait for Kafka; but not for ever."""
        for _ in range(HOLDS):
            async with self.database.read() as session:
                if await outbox.live_age_seconds(session) < MAX_AGE_OF_LIVE:
                    return
            await self.clock.sleep(HOLD)


async def _note(session: AsyncSession, held: Replay, last: Body, tally: Tally) -> None:
    await replays.note(session, held.id, (last.day, last.id))
    await replays.keep_tally(session, held.id, tally.counts, tally.types, tally.samples)


def _read(source: Source, body: Body, reader: Reader) -> Reread:
    """A post as today's mapping reads it, under its own id and moment of receipt."""
    arrival: Arrival = interpret.arrival(source, body.body, body.headers, body.received_at, reader)
    arrival.raw_id = body.id
    return Reread(body.day, arrival)
