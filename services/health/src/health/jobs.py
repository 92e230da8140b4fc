"""Timed use cases of health: time passes, imported spans are worked out, late facts restate the past, sweeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from common import folding, outbox, timers
from common.clock import Clock
from common.contracts.base import Origin
from common.contracts.client import ImportFinished
from common.contracts.health import Mode
from common.db import Database
from common.process import Periodic
from common.timers import Timer, TimerHandler
from sqlalchemy.ext.asyncio import AsyncSession

from health import definitions_repository, metrics, partitions, repository, telling
from health.book import Book
from health.domain import past
from health.domain.fold import FOLD
from health.domain.moments import DAY, seconds_of
from health.scoring import HISTORY, LOOK, RESTATE, SWEEP, Scoring
from health.settings import Settings

SPANS_AT_ONCE = 20
SWEPT_AT_ONCE = 100
SWEEP_PAUSE = timedelta(seconds=1)
"""A hundred clients a second follow a silent feed or a new model: nobody downstream is flooded."""
COUNT_EVERY = 15.0
PARTITIONS_EVERY = 3600.0


async def look(fired: Sequence[Timer], now: datetime, session: AsyncSession) -> None:
    """A UTC day began, silence crossed a band, or a milestone became late. Stale generations do nothing."""
    wanted = {(UUID(timer.owner), timer.generation) for timer in fired}
    states = await folding.lock(session, FOLD, {client_id for client_id, _ in wanted})
    scoring = await Scoring.begin(session, list(states), now)
    due = {
        client_id: folded
        for client_id, folded in states.items()
        if client_id in scoring.clients and (client_id, scoring.clients[client_id].generation) in wanted
    }
    for folded in due.values():
        scoring.look(folded, trigger="time")
    await folding.save(session, FOLD, [folded for folded in due.values() if folded.refolded])
    await scoring.write(session)


async def history(fired: Sequence[Timer], now: datetime, session: AsyncSession) -> None:
    """The days of an imported span: kept as historic, and its weeks published as such."""
    book = await definitions_repository.book(session)
    for timer in fired[:SPANS_AT_ONCE]:
        await _work_out_span(session, timer, book, now)
    # Long imports must not hold up the clients that are due: the rest queues again behind them.
    rest = fired[SPANS_AT_ONCE:]
    await timers.schedule(session, [replace(timer, generation=timer.generation + 1, due_at=now) for timer in rest])


async def _work_out_span(session: AsyncSession, timer: Timer, book: Book, now: datetime) -> None:
    client_id = UUID(timer.owner.split(":")[0])
    events = await folding.events_of(session, client_id)
    start, end = (datetime.fromisoformat(timer.payload[word]) for word in ("from", "to"))
    lived = (e.time for e in events if e.origin is Origin.LIVE and not isinstance(e.data, ImportFinished))
    until = min(seconds_of(end) + DAY, seconds_of(min(lived, default=now)), seconds_of(now))
    moments = past.day_ends(seconds_of(start), until)
    results = [result for _, result in past.evaluations(events, moments, book.choice)]
    await repository.store_evaluations(session, [telling.kept(client_id, r, Mode.HISTORIC) for r in results])
    asked = str(timer.payload["import_id"])
    weeks = [result for result in results if past.is_week_end(result.now)]
    await outbox.add(
        session,
        [telling.scored(client_id, r, Mode.HISTORIC, (), asked) for r in weeks],
    )
    metrics.EVALUATIONS.labels("history").inc(len(results))


async def restate(fired: Sequence[Timer], now: datetime, session: AsyncSession) -> None:
    """Day ends since the earliest late fact, as they read today: kept beside what was known, not published."""
    book = await definitions_repository.book(session)
    locked = await folding.lock(session, FOLD, [UUID(timer.owner) for timer in fired])
    rows = await repository.clients(session, locked)
    for row in rows.values():
        if row.restate_from is None:
            continue
        events = await folding.events_of(session, row.client_id)
        moments = past.day_ends(seconds_of(row.restate_from), seconds_of(now))
        results = [result for _, result in past.evaluations(events, moments, book.choice)]
        await repository.store_evaluations(session, [telling.kept(row.client_id, r, Mode.RESTATED) for r in results])
        row.restate_from = None
        metrics.EVALUATIONS.labels("restate").inc(len(results))
    await repository.save_clients(session, rows.values())


async def sweep(fired: Sequence[Timer], now: datetime, session: AsyncSession) -> None:
    """The next clients of a feed that turned, or of all when a model was published; then the next ones."""
    for timer in fired:
        source = timer.payload.get("source")
        ids = await repository.ids_after(session, UUID(timer.payload["after"]), SWEPT_AT_ONCE, source=source)
        if not ids:
            continue
        states = await folding.lock(session, FOLD, ids)
        scoring = await Scoring.begin(session, list(states), now)
        for client_id, folded in states.items():
            if client_id in scoring.clients:
                scoring.look(folded, trigger="feed" if source else "model")
        await scoring.write(session)
        following = Timer(
            SWEEP, timer.owner, timer.generation + 1, now + SWEEP_PAUSE, {**timer.payload, "after": str(ids[-1])}
        )
        await timers.schedule(session, [following])


TIMERS: dict[str, TimerHandler] = {LOOK: look, HISTORY: history, RESTATE: restate, SWEEP: sweep}


async def count(database: Database, clock: Clock) -> None:
    """Bring the gauges up to date."""
    async with database.read() as session:
        bands = await repository.count_bands(session)
        feeds = await repository.feeds(session)
    for band in metrics.BANDS:
        metrics.CLIENTS.labels(band).set(bands.get(band, 0))
    now = seconds_of(clock.now())
    for source, heard in feeds.items():
        metrics.FEED_AGE.labels(source).set(max(0, now - heard.last))
    metrics.FEEDS_SILENT.set(sum(now > heard.last + heard.every for heard in feeds.values()))


async def tend_partitions(database: Database, clock: Clock, *, months_kept: int) -> None:
    """Make the months ahead, drop those nobody asks for any more."""
    async with database.transaction() as session:
        await partitions.tend(session, clock.now(), months_kept)


def jobs(settings: Settings) -> list[Periodic]:
    """All periodic jobs."""
    return [
        Periodic("count", COUNT_EVERY, count),
        Periodic("tend_partitions", PARTITIONS_EVERY, partial(tend_partitions, months_kept=settings.history_months)),
    ]
