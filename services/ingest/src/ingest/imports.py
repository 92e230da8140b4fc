"""History: NDJSON, streamed, a chunk a transaction. Repeating one, or what a crash left of it, changes nothing."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
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

from ingest import accept, metrics
from ingest.domain.history import MAX_SEQUENCE, PER_LINE, Brief, Telling, naming
from ingest.domain.plan import Circumstance, Fate, Plan
from ingest.domain.reading import Reader
from ingest.domain.shared import SharedDomains
from ingest.lines import Line, Read, parse, told
from ingest.readers import Readers
from ingest.repository import importing, loading, saving

MAX_AGE_OF_LIVE = 0.5
"""Wall seconds that live events may wait for Kafka before an import holds back."""
MAX_UNSENT = 500_000
"""Imported events that may wait for Kafka: while it is away, the disk must not fill."""
HOLD = 0.1
HOLDS = 50
LOOK_EVERY = 0.25
"""Wall seconds between two looks at what waits."""
MAX_CHUNK_BYTES = 4 << 20
READ_HERE = 2
"""Chunks of an import that are read in this process, before others are worth their start."""
AHEAD = 2
"""Chunks that are read while one is written."""
ATTEMPTS = 5
FINISH_AT_ONCE = 500
ERASED = ("skipped", "this client, or whom it names, was erased")
REPORTED = 1000
"""Refused and skipped lines in the answer; all of them are kept, see GET /v1/imports/{id}/lines."""


@dataclass(frozen=True, slots=True)
class Raw:
    """Lines as they came, numbered from `first`."""

    first: int
    lines: Sequence[bytes]

    @property
    def numbers(self) -> range:
        return range(self.first, self.first + len(self.lines))


@dataclass(slots=True)
class Chunk:
    """What became of some lines."""

    outcomes: dict[int, str] = field(default_factory=dict)
    """Of each line that is not blank: accepted, repeated, refused or skipped."""
    told: list[tuple[int, str, str]] = field(default_factory=list)
    """(line, what it is instead of accepted, reason); lines that were stored before are not told."""

    def tell(self, number: int, outcome: str, reason: str) -> None:
        self.outcomes[number] = outcome
        self.told.append((number, outcome, reason))


def overlapping(source: str) -> tuple[str, str]:
    return "skipped", f"{source} already spoke live at that time"


@dataclass(frozen=True)
class Importer:
    """Imports, one request each."""

    database: Database
    clock: Clock
    reader: Reader
    readers: Readers
    chunk_lines: int
    shared: SharedDomains | None = None

    async def run(
        self, import_id: UUID, raws: AsyncIterator[bytes], *, by: str, recreate: bool = False, first: int = 1
    ) -> importing.Report:
        """Import all lines; the report comes with the last one. A repeated line counts as repeated, nothing more.

        While a chunk is written, the next ones are read; they are written in the order of the file.
        """
        async with self.database.transaction() as session:
            await importing.begin(session, import_id, by=by, at=self.clock.now())
        async with self.readers.during_an_import():
            await self._write(_Writer(self, import_id, recreate), self._chunks(raws, first))
        await self._finish(import_id)
        async with self.database.read() as session:
            return await importing.report(session, import_id, limit=REPORTED)

    async def _write(self, writer: _Writer, chunks: AsyncIterator[Raw]) -> None:
        underway: deque[tuple[Raw, asyncio.Task[Read]]] = deque()
        nth, cut_off = 0, None
        try:
            while cut_off is None:
                try:
                    raw = await anext(chunks)
                except Exception as error:  # noqa: BLE001  (also the end of it; what has come is written before it is raised)
                    cut_off = error
                    continue
                reading = self.readers.read(raw.first, raw.lines, here=nth < READ_HERE)
                underway.append((raw, asyncio.create_task(reading)))
                nth += 1
                if len(underway) > AHEAD:
                    await writer.write(*underway.popleft())
            while underway:
                await writer.write(*underway.popleft())
        finally:
            for _, left in underway:
                left.cancel()
        if not isinstance(cut_off, StopAsyncIteration):
            raise cut_off

    async def _chunks(self, raws: AsyncIterator[bytes], first: int) -> AsyncIterator[Raw]:
        lines, size = list[bytes](), 0
        async for raw in raws:
            lines.append(raw)
            size += len(raw)
            if len(lines) >= self.chunk_lines or size >= MAX_CHUNK_BYTES:
                yield Raw(first, lines)
                first, lines, size = first + len(lines), [], 0
        if lines:
            yield Raw(first, lines)

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


@dataclass
class _Writer:
    """Writes the chunks of one import, a transaction each."""

    importer: Importer
    import_id: UUID
    recreate: bool
    known: bool = False
    """Whether lines of this import turned out to be stored before: then each chunk is looked up first."""
    looked: float = float("-inf")

    async def write(self, raw: Raw, reading: asyncio.Task[Read]) -> None:
        read = await reading
        whole = {n: parse(n, raw.lines[n - raw.first], self.importer.reader) for n in read.whole}
        await self._hold_back()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with self.importer.database.transaction() as session:
                    now = self.importer.clock.now()
                    chunk = await store(session, read, whole, now, self)
                    await importing.note(session, self.import_id, raw.numbers, chunk.outcomes, chunk.told)
                    failpoints.reach("import_chunk")
                break
            except importing.Raced:
                self.known = True
                if attempt == ATTEMPTS:
                    raise
            except Exception as error:
                if attempt == ATTEMPTS or not (is_passing(error) or isinstance(error, loading.Moved)):
                    raise
                await self.importer.clock.sleep(HOLD * attempt)
        failpoints.reach("import_stored")
        counts = Counter(chunk.outcomes.values())
        self.known = counts["repeated"] > 0
        for outcome, count in counts.items():
            metrics.IMPORTED.labels(outcome).inc(count)

    async def _hold_back(self) -> None:
        """Live events go first: wait while they wait, or while too much of ours is unsent; but not for ever."""
        clock = self.importer.clock
        if clock.monotonic() - self.looked < LOOK_EVERY:
            return
        for _ in range(HOLDS):
            async with self.importer.database.read() as session:
                age = await outbox.live_age_seconds(session)
                full = await importing.unsent_reaches(session, MAX_UNSENT)
            if age < MAX_AGE_OF_LIVE and not full:
                break
            await clock.sleep(HOLD)
        self.looked = clock.monotonic()


async def store(session: AsyncSession, read: Read, whole: Mapping[int, Line], now: datetime, writer: _Writer) -> Chunk:
    """One chunk in the caller's transaction. Whether its lines are stored already is looked up where some were.

    Raises importing.Raced when it turns out that some of it was.
    """
    chunk = Chunk()
    for number, reason in read.refused:
        chunk.tell(number, "refused", reason)
    before = await _repeated(session, read, whole, chunk, writer.known)
    parts = [s for line in whole.values() if line.number not in before for s in line.statements]
    subjects = [naming(subject) for subject in read.briefs.subjects]
    plan = Plan(await loading.world(session, [*parts, *subjects], writer.importer.shared))
    telling = Telling(plan, now)
    taken: dict[str, str] = {}
    for line in _in_order(read, whole):
        if line.number in before:
            continue
        if isinstance(line, Brief):
            _tell(telling, line, chunk, taken)
        elif who := _take(plan, line, now, writer.recreate, chunk):
            taken[str(line.event_id)] = str(who)
    await accept.release(session, plan, now)
    await importing.take_ids(session, taken)
    await saving.save(session, plan, now=now, by="import")
    await importing.write(session, telling.entries)
    return chunk


def _in_order(read: Read, whole: Mapping[int, Line]) -> Iterator[Line | Brief]:
    waiting = deque(whole.values())
    for brief in read.briefs:
        while waiting and waiting[0].number < brief.number:
            yield waiting.popleft()
        yield brief
    yield from waiting


async def _repeated(
    session: AsyncSession, read: Read, whole: Mapping[int, Line], chunk: Chunk, known: bool
) -> set[int]:
    """Numbers of the lines that stand twice in this chunk or, as far as is looked, are stored already."""
    first: dict[str, int] = {}
    lines = sorted([*read.briefs.lines(), *((str(line.event_id), line.number) for line in whole.values())], key=_number)
    twice = {number for id_, number in lines if first.setdefault(id_, number) != number}
    for number in sorted(twice):
        chunk.tell(number, "repeated", "the same line stands in this import before")
    stored = {first[id_] for id_ in await importing.already(session, list(first))} if known else set()
    chunk.outcomes.update(dict.fromkeys(stored, "repeated"))
    return twice | stored


def _number(line: tuple[str, int]) -> int:
    return line[1]


def _tell(telling: Telling, brief: Brief, chunk: Chunk, taken: dict[str, str]) -> None:
    """A line's first event decides of those that follow from its words."""
    if brief.nth and brief.line not in taken:
        return
    try:
        known = telling.whose(brief)
    except Refused as refused:
        chunk.tell(brief.number, "refused", told(refused))
        return
    if known is None or (known.who.forgotten and telling.take_whole(brief) is Fate.ERASED):
        chunk.tell(brief.number, *ERASED)
    elif telling.overlaps(known, brief):
        chunk.tell(brief.number, *overlapping(brief.source))
    else:
        if not known.who.forgotten:
            telling.tell(known, brief)
        if not brief.nth:
            chunk.outcomes[brief.number] = "accepted"
            taken[brief.line] = known.key


def _take(plan: Plan, line: Line, now: datetime, recreate: bool, chunk: Chunk) -> UUID | None:
    """The client that the line was about, if it was taken."""
    assert line.event_id is not None  # noqa: S101  (only what is refused has none; for the type checker)
    fates = []
    try:
        for nth, statement in enumerate(line.statements):
            event_id = derived_id(line.event_id, nth) if nth else line.event_id
            sequence = min(line.number * PER_LINE + min(nth, PER_LINE - 1), MAX_SEQUENCE)
            how = Circumstance(line.source, event_id, sequence, now, Origin.IMPORT, recreate=recreate)
            fates.append(plan.take(statement, how))
    except Refused as refused:
        chunk.tell(line.number, "refused", told(refused))
        return None
    if Fate.ERASED in fates or Fate.OVERLAPPING in fates:
        chunk.tell(line.number, *(ERASED if Fate.ERASED in fates else overlapping(line.source)))
        return None
    chunk.outcomes[line.number] = "accepted"
    return plan.client_of(line.statements[0])
