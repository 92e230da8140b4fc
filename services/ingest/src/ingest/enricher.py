"""Fetches what webhooks only name, and says what it learnt as further events of the same source.

The queue is a table written by accepts (`enrichments`): what is asked for thrice in a minute is fetched once, several
workers share it, and what a worker dies with is taken up by another. Nothing is fetched inside a transaction.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Protocol

from common import logging
from common.clock import Clock
from common.db import Database
from common.errors import Unavailable
from common.faults import is_passing
from pydantic import ValidationError

from ingest import accept, metrics
from ingest.adapters.vendor_api import Failed, Gone, Patience, Refused, TokenRefused
from ingest.config import Source
from ingest.domain.arrival import Arrival, Item
from ingest.domain.reading import Reader, with_reading
from ingest.domain.shared import SharedDomains
from ingest.domain.statement import Statement, Unreadable, dump
from ingest.enrichment import ENRICHED
from ingest.repository import enriching
from ingest.repository.enriching import Wanted
from ingest.sources import bodies

log = logging.get(__name__)

POLL = 1.0
"""Wall seconds between looks at the queue."""
AT_ONCE = 10
LEASE = timedelta(minutes=2)
"""Longer than the slowest look-up with its retries."""
MOST_ATTEMPTS = 10
FIRST_RETRY, LONGEST_RETRY = timedelta(seconds=5), timedelta(hours=1)
OPENS_AFTER = 5
"""Failures in a row after which a vendor is left alone."""
OPEN_FOR, REFUSED_FOR = 60.0, 600.0
"""Wall seconds: a vendor that is down; a token that only a person can mend."""


class Api(Protocol):
    """A vendor's API, as adapters/ has it."""

    async def fetch(self, kind: str, id_: str) -> Mapping[str, Any]:
        """The object. Raises what ingest.adapters.vendor_api names."""

    async def close(self) -> None:
        """Let connections go."""


@dataclass(slots=True)
class Circuit:
    """Whether a vendor is to be asked at all. After its time it is tried with one object."""

    failures: int = 0
    closed_from: float = 0.0

    def room(self, now: float) -> int:
        """How many may be asked for at once."""
        if now < self.closed_from:
            return 0
        return 1 if self.failures >= OPENS_AFTER else AT_ONCE

    def worked(self) -> None:
        self.failures = 0

    def failed(self, now: float) -> None:
        self.failures += 1
        if self.failures >= OPENS_AFTER:
            self.closed_from = now + OPEN_FOR

    def rest(self, until: float) -> None:
        """Ask nothing before then, whoever is to blame."""
        self.closed_from = max(self.closed_from, until)


class Enricher:
    """One a worker process."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        sources: Mapping[str, Source],
        apis: Mapping[str, Api],
        reader: Reader,
        shared: SharedDomains,
    ) -> None:
        self._database = database
        self._clock = clock
        self._sources = sources
        self._apis = apis
        self._reader = reader
        self._shared = shared
        self._circuits = {name: Circuit() for name in apis}

    async def run(self) -> None:
        """Fetch for ever, each source at its own pace: one that hangs holds up no other. Without tokens: nothing."""
        await asyncio.gather(*(self._serve(name) for name in self._apis))

    async def work(self) -> int:
        """Fetch what is due of every source; returns how many objects were taken up."""
        return sum(await asyncio.gather(*(self._turn(name) for name in self._apis)))

    async def close(self) -> None:
        for api in self._apis.values():
            await api.close()

    async def _serve(self, name: str) -> None:
        while True:
            try:
                taken = await self._turn(name)
            except Exception as error:
                if not is_passing(error):
                    raise
                log.warning("enrichment_interrupted", source=name, error=repr(error))
                taken = 0
            if not taken:
                await self._clock.sleep(POLL)

    async def _turn(self, name: str) -> int:
        room = self._circuits[name].room(self._clock.monotonic())
        if not room:
            return 0
        async with self._database.transaction() as session:
            taken = await enriching.claim(session, name, self._clock.wall(), lease=LEASE, limit=room)
        await asyncio.gather(*(self._one(wanted) for wanted in taken))
        return len(taken)

    async def _one(self, wanted: Wanted) -> None:
        """Whatever becomes of one object holds up no other; what is left as it is comes back when its lease ends."""
        try:
            await self._fetch(wanted)
        except Exception as error:
            passing = is_passing(error) or isinstance(error, Unavailable)
            log.error("enrichment_failed", source=wanted.source, kind=wanted.kind, passing=passing, exc_info=error)
            if not passing:
                await self._put_off(wanted, _back_off(wanted.attempts), type(error).__name__, "refused")

    async def _fetch(self, wanted: Wanted) -> None:
        circuit = self._circuits[wanted.source]
        try:
            found = await self._apis[wanted.source].fetch(wanted.kind, wanted.id)
            said = self._learnt(wanted, found)
        except Gone:
            circuit.worked()
            await self._done(wanted, enriching.GONE, "gone")
        except Patience as patience:
            circuit.rest(self._clock.monotonic() + patience.seconds)
            await self._put_off(wanted, timedelta(seconds=patience.seconds), str(patience), "patience", counts=False)
        except TokenRefused as refused:
            circuit.rest(self._clock.monotonic() + REFUSED_FOR)
            await self._put_off(wanted, timedelta(seconds=REFUSED_FOR), str(refused), "token", counts=False)
        except Failed as failed:
            circuit.failed(self._clock.monotonic())
            await self._put_off(wanted, _back_off(wanted.attempts), str(failed), "failed")
        except (Refused, Unreadable, ValidationError) as refused:
            circuit.worked()
            await self._put_off(wanted, _back_off(wanted.attempts), _told(refused), "refused", give_up=True)
        else:
            circuit.worked()
            await self._say(wanted, found, said)

    def _learnt(self, wanted: Wanted, found: Mapping[str, Any]) -> list[Statement]:
        source = self._sources[wanted.source]
        said = ENRICHED[source.vendor].learnt(wanted.kind, found, source, self._clock.now())
        return [part for statement in said for part in with_reading(statement, self._reader)]

    async def _say(self, wanted: Wanted, found: Mapping[str, Any], said: list[Statement]) -> None:
        """What is new of it, and that it was fetched, in one transaction; the key makes a repeat say nothing."""
        digest = _digest(said)
        if not said or digest == wanted.learnt:
            await self._done(wanted, enriching.DONE, "same", digest)
            return
        at = accept.Moments(self._clock.now(), self._clock.wall())
        key = f"enriched:{wanted.kind}:{wanted.id}:{wanted.asked}"
        item = Item(key, f"enriched.{wanted.kind}", 0, bodies.mapping(found), tuple(said))
        async with self._database.transaction() as session:
            await accept.store(
                session, [Arrival(wanted.source, at.now, items=[item])], at, by="enrichment", shared=self._shared
            )
            await enriching.fetched(session, wanted, at.wall, state=enriching.DONE, learnt=digest)
        metrics.ENRICHED.labels(wanted.source, "learnt").inc()

    async def _done(self, wanted: Wanted, state: str, outcome: str, digest: bytes | None = None) -> None:
        async with self._database.transaction() as session:
            await enriching.fetched(session, wanted, self._clock.wall(), state=state, learnt=digest)
        metrics.ENRICHED.labels(wanted.source, outcome).inc()

    async def _put_off(
        self,
        wanted: Wanted,
        wait: timedelta,
        failure: str,
        outcome: str,
        *,
        counts: bool = True,
        give_up: bool = False,
    ) -> None:
        """`counts`: whether it was the object's own attempt, and not the vendor asking everybody to wait."""
        now = self._clock.wall()
        over = give_up or (counts and wanted.attempts >= MOST_ATTEMPTS)
        attempts = wanted.attempts if counts else max(0, wanted.attempts - 1)
        state = enriching.FAILED if over else enriching.WAITING
        async with self._database.transaction() as session:
            await enriching.put_off(
                session, wanted, now, due=now + wait, failure=failure, state=state, attempts=attempts
            )
        metrics.ENRICHED.labels(wanted.source, outcome).inc()
        log.warning("enrichment_put_off", source=wanted.source, kind=wanted.kind, failure=failure, given_up=over)


def _back_off(attempts: int) -> timedelta:
    """Twice as long each time."""
    wait: timedelta = FIRST_RETRY * 2 ** min(attempts - 1, 20)
    return min(wait, LONGEST_RETRY)


def _told(error: Exception) -> str:
    """Without the values, which may name people."""
    if isinstance(error, ValidationError):
        return "; ".join(".".join(str(part) for part in one["loc"]) + ": " + one["msg"] for one in error.errors())
    return error.reason if isinstance(error, Unreadable) else str(error)


def _digest(said: list[Statement]) -> bytes:
    """Of what is said, whenever it is said."""
    timeless = [dump(replace(statement, time=None)) for statement in said]
    return hashlib.sha256(bodies.canonical(timeless)).digest()
