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

from health import (
    backtests,
    breaker,
    definitions_repository,
    holds_repository,
    metrics,
    partitions,
    repository,
    signs_cases,
    signs_repository,
    telling,
)
from health.book import Book
from health.breaker import RELEASE
from health.domain import blast, past
from health.domain.blast import WINDOW, Limits
from health.domain.evaluate import Evaluation
from health.domain.fold import FOLD
from health.domain.moments import DAY, moment_of, seconds_of
from health.scoring import HISTORY, LIMITS, LOOK, RESTATE, SWEEP, Scoring
from health.settings import Settings

SPANS_AT_ONCE = 20
SWEPT_AT_ONCE = 100
SWEEP_PAUSE = timedelta(seconds=1)
"""A hundred clients a second follow a silent feed or a new model: nobody downstream is flooded."""
COUNT_EVERY = 15.0
FORGET_EVERY = 600.0
BACKTESTS_EVERY = 2.0
PARTITIONS_EVERY = 3600.0


async def look(fired: Sequence[Timer], now: datetime, session: AsyncSession, *, limits: Limits = LIMITS) -> None:
    """A UTC day began, silence crossed a band, or a milestone became late. Stale generations do nothing."""
    wanted = {(UUID(timer.owner), timer.generation) for timer in fired}
    states = await folding.lock(session, FOLD, {client_id for client_id, _ in wanted})
    scoring = await Scoring.begin(session, list(states), now, limits)
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
    weeks: dict[UUID, list[Evaluation]] = {}
    for timer in fired[:SPANS_AT_ONCE]:
        client_id, span = await _work_out_span(session, timer, book, now)
        weeks.setdefault(client_id, []).extend(span)
    await signs_cases.after_history(session, weeks, now)
    # Long imports must not hold up the clients that are due: the rest queues again behind them.
    rest = fired[SPANS_AT_ONCE:]
    await timers.schedule(session, [replace(timer, generation=timer.generation + 1, due_at=now) for timer in rest])


async def _work_out_span(
    session: AsyncSession, timer: Timer, book: Book, now: datetime
) -> tuple[UUID, list[Evaluation]]:
    """Returns the client and its scores at the ends of weeks."""
    client_id = UUID(timer.owner.split(":")[0])
    events = await folding.events_of(session, client_id)
    start, end = (datetime.fromisoformat(timer.payload[word]) for word in ("from", "to"))
    lived = (e.time for e in events if e.origin is Origin.LIVE and not isinstance(e.data, ImportFinished))
    worked_out = await repository.last_historic(session, client_id)  # by an import of later days: these read anew
    last = max(seconds_of(end) + DAY, seconds_of(worked_out) if worked_out else 0)
    until = min(last, seconds_of(min(lived, default=now)), seconds_of(now))
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
    return client_id, weeks


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
        known_from = moment_of(results[0].now) if results else now
        await repository.forget_restated(session, row.client_id, row.restate_from, known_from)
        await repository.store_evaluations(session, [telling.kept(row.client_id, r, Mode.RESTATED) for r in results])
        row.restate_from = None
        metrics.EVALUATIONS.labels("restate").inc(len(results))
    await repository.save_clients(session, rows.values())


async def sweep(fired: Sequence[Timer], now: datetime, session: AsyncSession, *, limits: Limits = LIMITS) -> None:
    """The next clients of a feed that turned, or of all when a model was published; then the next ones."""
    for timer in fired:
        source = timer.payload.get("source")
        swept = blast.feed(source) if source else ":".join(timer.owner.split(":")[:2])
        ids = await repository.ids_after(session, UUID(timer.payload["after"]), SWEPT_AT_ONCE, source=source)
        states = await folding.lock(session, FOLD, ids)
        scoring = await Scoring.begin(session, list(states), now, limits)
        for client_id, folded in states.items():
            if client_id in scoring.clients:
                scoring.look(folded, trigger="feed" if source else "model", swept=swept)
        await scoring.write(session)
        if len(ids) < SWEPT_AT_ONCE:
            await timers.schedule(session, await breaker.weighed(session, swept, now))
            continue
        following = Timer(
            SWEEP, timer.owner, timer.generation + 1, now + SWEEP_PAUSE, {**timer.payload, "after": str(ids[-1])}
        )
        await timers.schedule(session, [following])


async def release(fired: Sequence[Timer], now: datetime, session: AsyncSession, *, limits: Limits = LIMITS) -> None:
    """The next clients of a hold that was released: their changes are said, with the causes that they had."""
    for timer in fired:
        hold_id, after = UUID(timer.payload["hold"]), UUID(timer.payload["after"])
        held = await holds_repository.held_under(session, hold_id, after, SWEPT_AT_ONCE)
        states = await folding.lock(session, FOLD, [each.client_id for each in held])
        scoring = await Scoring.begin(session, list(states), now, limits)
        for client_id, folded in states.items():
            if client_id in scoring.clients and scoring.breaker.is_held(client_id):
                scoring.look(folded, trigger=RELEASE)
        await scoring.write(session)
        if len(held) == SWEPT_AT_ONCE:
            following = breaker.release_timer(
                hold_id, now + SWEEP_PAUSE, generation=timer.generation + 1, after=held[-1].client_id
            )
            await timers.schedule(session, [following])


TIMERS: dict[str, TimerHandler] = {LOOK: look, HISTORY: history, RESTATE: restate, SWEEP: sweep, RELEASE: release}


def timer_handlers(limits: Limits) -> dict[str, TimerHandler]:
    """The same with the breaker's own limits."""
    return {
        **TIMERS,
        LOOK: partial(look, limits=limits),
        SWEEP: partial(sweep, limits=limits),
        RELEASE: partial(release, limits=limits),
    }


async def count(database: Database, clock: Clock) -> None:
    """Bring the gauges up to date."""
    async with database.read() as session:
        bands = await repository.count_bands(session)
        feeds = await repository.feeds(session)
        open_holds, held = await holds_repository.count_open(session)
    metrics.OPEN_HOLDS.set(open_holds)
    metrics.HELD_CLIENTS.set(held)
    for band in metrics.BANDS:
        metrics.CLIENTS.labels(band).set(bands.get(band, 0))
    now = seconds_of(clock.now())
    rhythmic = {source: heard for source, heard in feeds.items() if heard.every}
    for source, heard in rhythmic.items():
        metrics.FEED_AGE.labels(source).set(max(0, now - heard.last))
    metrics.FEEDS_SILENT.set(sum(now >= heard.last + heard.every for heard in rhythmic.values()))


async def forget_worsened(database: Database, clock: Clock) -> None:
    """Moves that the breaker counts no more."""
    async with database.transaction() as session:
        await holds_repository.forget_worsened(session, clock.now() - 2 * WINDOW)


async def tend_partitions(database: Database, clock: Clock, *, months_kept: int) -> None:
    """Make the months ahead, drop those nobody asks for any more; ended signs are kept as long."""
    async with database.transaction() as session:
        await partitions.tend(session, clock.now(), months_kept)
        await signs_repository.forget(session, clock.now() - timedelta(days=31 * months_kept))


def jobs(settings: Settings) -> list[Periodic]:
    """All periodic jobs."""
    return [
        Periodic("count", COUNT_EVERY, count),
        Periodic("backtests", BACKTESTS_EVERY, partial(backtests.run, limits=settings.limits)),
        Periodic("forget_worsened", FORGET_EVERY, forget_worsened),
        Periodic("tend_partitions", PARTITIONS_EVERY, partial(tend_partitions, months_kept=settings.history_months)),
    ]
