"""History: NDJSON, streamed, a chunk a transaction. Repeating one, or what a crash left of it, changes nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from common import failpoints, outbox
from common.clock import Clock
from common.contracts import client
from common.contracts.base import Event, Origin
from common.contracts.errors import Refused
from common.contracts.ids import derived_id
from common.db import Database
from common.faults import is_passing
from sqlalchemy.ext.asyncio import AsyncSession

from ingest import accept, forms, metrics
from ingest.domain.plan import Circumstance, Fate, Plan
from ingest.domain.reading import Reader, with_reading
from ingest.domain.statement import Statement, Unreadable
from ingest.repository import importing, loading, saving
from ingest.sources import bodies

MAX_LINE = 1 << 20
MAX_AGE_OF_LIVE = 0.5
"""Wall seconds that live events may wait for Kafka before an import holds back."""
MAX_UNSENT = 20_000
"""Imported events that may wait for Kafka: beyond it the disk would fill for nothing."""
PER_LINE = 8
"""Room in `sequence` for a line and what is inferred from its words: lines of equal time keep their order."""
MAX_SEQUENCE = 2**31 - 1
HOLD = 0.1
HOLDS = 50
ATTEMPTS = 5
FINISH_AT_ONCE = 500
REPORTED = 1000
"""Refused and skipped lines in the answer; all of them are kept, see GET /v1/imports/{id}/lines."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line, parsed; `refused` says why not."""

    number: int
    source: str = ""
    event_id: UUID | None = None
    statements: tuple[Statement, ...] = ()
    refused: str | None = None


@dataclass(slots=True)
class Chunk:
    """What became of some lines."""

    counts: Counter[str] = field(default_factory=Counter)
    told: list[tuple[int, str, str]] = field(default_factory=list)
    """(line, refused or skipped, reason)"""

    def tell(self, number: int, outcome: str, reason: str) -> None:
        self.counts[outcome] += 1
        self.told.append((number, outcome, reason))


@dataclass(frozen=True)
class Importer:
    """Imports, one request each."""

    database: Database
    clock: Clock
    reader: Reader
    chunk_lines: int

    async def run(
        self, import_id: UUID, lines: AsyncIterator[bytes], *, by: str, recreate: bool = False, first: int = 1
    ) -> importing.Report:
        """Import all lines; the report comes with the last one. A repeated line counts as repeated, nothing more."""
        async with self.database.transaction() as session:
            await importing.begin(session, import_id, by=by, at=self.clock.now())
        number, batch = first - 1, list[tuple[int, bytes]]()
        async for raw in lines:
            number += 1
            if raw.strip():
                batch.append((number, raw))
            if len(batch) >= self.chunk_lines:
                await self._chunk(import_id, batch, recreate)
                batch = []
        if batch:
            await self._chunk(import_id, batch, recreate)
        await self._finish(import_id)
        async with self.database.read() as session:
            return await importing.report(session, import_id, limit=REPORTED)

    async def _chunk(self, import_id: UUID, batch: Sequence[tuple[int, bytes]], recreate: bool) -> None:
        lines = await asyncio.to_thread(lambda: [self.parse(number, raw) for number, raw in batch])
        await self._hold_back()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with self.database.transaction() as session:
                    chunk = await store(session, lines, self.clock.now(), recreate)
                    await importing.note(session, import_id, batch[-1][0], chunk.counts, chunk.told)
                    failpoints.reach("import_chunk")
                break
            except Exception as error:
                if attempt == ATTEMPTS or not (is_passing(error) or isinstance(error, importing.Raced | loading.Moved)):
                    raise
                await self.clock.sleep(HOLD * attempt)
        for outcome, count in chunk.counts.items():
            metrics.IMPORTED.labels(outcome).inc(count)

    def parse(self, number: int, raw: bytes) -> Line:
        """One line; whatever is wrong with it is said, not raised."""
        if len(raw) > MAX_LINE:
            return Line(number, refused=f"the line is over {MAX_LINE} bytes")
        try:
            value = bodies.parse(raw)
            form = forms.read(value, imported=True)
        except Unreadable as unreadable:
            return Line(number, refused=unreadable.reason)
        except Refused as refused:
            return Line(number, refused=f"{refused.field}: {refused.detail}" if refused.field else refused.detail)
        except RecursionError:
            return Line(number, refused="nested too deep")
        given = form.id or "sha256:" + bodies.digest(bodies.canonical(value))
        read = tuple(with_reading(form.statement, self.reader))
        return Line(number, form.source, forms.event_id(given, form.source), read)

    async def _hold_back(self) -> None:
        """Live events go first: wait while they wait, or while too much of ours is unsent; but not for ever."""
        for _ in range(HOLDS):
            async with self.database.read() as session:
                age = await outbox.live_age_seconds(session)
                full = await importing.unsent_reaches(session, MAX_UNSENT)
            if age < MAX_AGE_OF_LIVE and not full:
                return
            await self.clock.sleep(HOLD)

    async def _finish(self, import_id: UUID) -> None:
        """Say for each client touched, also by an import that was cut off, that its history is in."""
        while True:
            async with self.database.transaction() as session:
                now = self.clock.now()
                spans = await importing.take_spans(session, FINISH_AT_ONCE)
                await outbox.add(session, [_finished(import_id, span, now) for span in spans])
                if len(spans) < FINISH_AT_ONCE:
                    await importing.end(session, import_id, at=now)
                    return


def _finished(import_id: UUID, span: importing.Span, now: datetime) -> Event[client.ImportFinished]:
    body = client.ImportFinished.model_validate({"import_id": import_id, "from": span.starts_at, "to": span.ends_at})
    return Event.of(
        body,
        id=derived_id("import_finished", import_id, span.client_id, now),
        source="csl/ingest",
        subject=span.client_id,
        time=now,
        origin=Origin.IMPORT,
    )


async def store(session: AsyncSession, lines: Sequence[Line], now: datetime, recreate: bool) -> Chunk:
    """One chunk in the caller's transaction. Raises importing.Raced when another import took some of the same lines."""
    chunk = Chunk()
    for line in lines:
        if line.refused is not None:
            chunk.tell(line.number, "refused", line.refused)
    good = _once([line for line in lines if line.event_id is not None], chunk)
    before = await importing.already(session, [line.event_id for line in good if line.event_id])
    fresh = [line for line in good if line.event_id not in before]
    chunk.counts["repeated"] += len(good) - len(fresh)
    plan = Plan(await loading.world(session, [s for line in fresh for s in line.statements]))
    taken = [
        (line.event_id, who) for line in fresh if line.event_id and (who := _take(plan, line, now, recreate, chunk))
    ]
    await accept.release(session, plan, now)
    await importing.take_ids(session, taken)
    await saving.save(session, plan, now=now, by="import")
    return chunk


def _once(lines: Sequence[Line], chunk: Chunk) -> list[Line]:
    seen: set[UUID | None] = set()
    kept = []
    for line in lines:
        if line.event_id in seen:
            chunk.tell(line.number, "repeated", "the same line stands in this import before")
        else:
            seen.add(line.event_id)
            kept.append(line)
    return kept


def _take(plan: Plan, line: Line, now: datetime, recreate: bool, chunk: Chunk) -> UUID | None:
    """The client that the line was about, if it was taken."""
    assert line.event_id is not None  # noqa: S101  (the caller's filter; for the type checker)
    outcomes = []
    try:
        for nth, statement in enumerate(line.statements):
            event_id = derived_id(line.event_id, nth) if nth else line.event_id
            sequence = min(line.number * PER_LINE + min(nth, PER_LINE - 1), MAX_SEQUENCE)
            how = Circumstance(line.source, event_id, sequence, now, Origin.IMPORT, recreate=recreate)
            outcomes.append(plan.take(statement, how))
    except Refused as refused:
        chunk.tell(line.number, "refused", f"{refused.field}: {refused.detail}" if refused.field else refused.detail)
        return None
    if Fate.ERASED in outcomes:
        chunk.tell(line.number, "skipped", "this client was erased")
        return None
    if Fate.OVERLAPPING in outcomes:
        chunk.tell(line.number, "skipped", f"{line.source} already spoke live at that time")
        return None
    chunk.counts["accepted"] += 1
    return plan.client_of(line.statements[0])
