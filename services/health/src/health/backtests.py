"""The job that works out backtests: some clients at a time by two processes, its position in the database, so that a
restart goes on where it was."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from common import failpoints, logging
from common.clock import Clock
from common.db import Database
from common.errors import Refused
from common.faults import is_passing

from health import backtest, backtests_repository, definitions_repository
from health.backtest_worker import URL
from health.backtests_repository import DONE, FAILED, RUNNING, UNDER_WAY, Backtest
from health.domain.backtest import Grid, report
from health.domain.blast import Limits

log = logging.get(__name__)

WORKERS = 2
CLIENTS_AT_ONCE = 100
ATTEMPTS = 3
KEPT = timedelta(days=90)
LONGEST_LINE = 64 << 20


class WorkerLostError(Exception):
    """A process of ours ended in the middle of its work."""


class Crew:
    """Processes that work out tracks; each takes one request at a time."""

    def __init__(self, processes: Sequence[asyncio.subprocess.Process]) -> None:
        self._processes = processes

    async def tracks(self, chunks: Sequence[Sequence[UUID]]) -> list[list[Any]]:
        """One answer for each chunk, in order; as many chunks as there are processes at most."""
        return list(await asyncio.gather(*(self._ask(p, c) for p, c in zip(self._processes, chunks, strict=False))))

    async def _ask(self, process: asyncio.subprocess.Process, ids: Sequence[UUID]) -> list[Any]:
        if process.stdin is None or process.stdout is None:
            raise WorkerLostError("it has no pipes")
        process.stdin.write(orjson.dumps([str(each) for each in ids]) + b"\n")
        await process.stdin.drain()
        line = await process.stdout.readline()
        if not line:
            raise WorkerLostError(f"a backtest's process ended with {await process.wait()}")
        answer: list[Any] = orjson.loads(line)
        return answer


@asynccontextmanager
async def crew(database: Database, task: dict[str, Any]) -> AsyncIterator[Crew]:
    """Processes that end with the block, or with us."""
    environment = {**os.environ, URL: database.url.render_as_string(hide_password=False)}
    processes: list[asyncio.subprocess.Process] = []
    try:
        for _ in range(WORKERS):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "health.backtest_worker", stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE, env=environment, limit=LONGEST_LINE,
            )  # fmt: skip
            processes.append(process)
            if process.stdin is not None:
                process.stdin.write(orjson.dumps(task) + b"\n")
        yield Crew(processes)
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def run(database: Database, clock: Clock, *, limits: Limits) -> None:
    """Work through what was asked for, oldest first, until nothing waits."""
    while True:
        async with database.read() as session:
            asked = await backtests_repository.oldest(session)
        if asked is None:
            break
        try:
            await _one(database, clock, asked, limits)
        except Refused as error:
            await _fail(database, clock, asked, error)
        except Exception as error:
            if is_passing(error):
                raise
            log.error("backtest_failed", backtest=str(asked.id), attempt=asked.attempts + 1, exc_info=error)
            if asked.attempts + 1 >= ATTEMPTS:
                await _fail(database, clock, asked, error)
            else:
                async with database.transaction() as session:
                    await backtests_repository.change(session, asked.id, attempts=asked.attempts + 1)
    async with database.transaction() as session:
        await backtests_repository.forget(session, clock.now() - KEPT)


async def _fail(database: Database, clock: Clock, asked: Backtest, error: Exception) -> None:
    async with database.transaction() as session:
        await backtests_repository.change(
            session, asked.id, state=FAILED, error=str(error)[:2000], finished_at=clock.now()
        )
        await backtests_repository.drop_parts(session, asked.id)


async def _one(database: Database, clock: Clock, asked: Backtest, limits: Limits) -> None:
    grid = backtest.grid(asked.since, asked.until, asked.asked_at)
    async with database.read() as session:
        in_force = [await definitions_repository.read(session, each) for each in asked.book]
    task = {
        "in_force": [{"kind": d.kind, "version": d.version, "text": text} for d, text in in_force],
        "candidate": asked.text,
        "moments": list(grid.moments),
        "until": asked.asked_at.isoformat(),
        "schema": database.schema,
    }
    async with crew(database, task) as workers:
        while await _step(database, workers, asked.id):
            failpoints.reach("backtest_step")
    await _end(database, clock, asked.id, grid, limits, [d for d, _ in in_force])


async def _step(database: Database, workers: Crew, backtest_id: UUID) -> bool:
    """The next clients; False when there are none, or it was canceled."""
    async with database.read() as session:
        asked = await backtests_repository.backtest(session, backtest_id)
        ids = await backtests_repository.clients_after(session, asked.after, WORKERS * CLIENTS_AT_ONCE)
    if asked.state not in UNDER_WAY or not ids:
        return False
    chunks = [ids[first : first + CLIENTS_AT_ONCE] for first in range(0, len(ids), CLIENTS_AT_ONCE)]
    tracks = [track for answer in await workers.tracks(chunks) for track in answer]
    async with database.transaction() as session:
        held = await backtests_repository.backtest(session, backtest_id, lock=True)
        if held.state not in UNDER_WAY or held.after != asked.after:
            return False
        await backtests_repository.add_part(session, backtest_id, held.clients_done, orjson.dumps(tracks))
        done = held.clients_done + len(ids)
        await backtests_repository.change(
            session, backtest_id, state=RUNNING, after=ids[-1], clients_done=done, clients=max(held.clients, done)
        )
    return True


async def _end(
    database: Database,
    clock: Clock,
    backtest_id: UUID,
    grid: Grid,
    limits: Limits,
    in_force: Sequence[definitions_repository.Definition],
) -> None:
    async with database.read() as session:
        parts = await backtests_repository.parts(session, backtest_id)

    def conclude() -> dict[str, Any]:
        tracks = backtest.unpacked(row for part in parts for row in orjson.loads(part))
        return backtest.with_moments(report(tracks, grid, limits), grid)

    found = await asyncio.to_thread(conclude)
    async with database.transaction() as session:
        held = await backtests_repository.backtest(session, backtest_id, lock=True)
        if held.state in UNDER_WAY:
            names = [f"{d.name} {d.version}" for d in in_force if d.kind == definitions_repository.MODEL]
            await backtests_repository.change(
                session,
                backtest_id,
                state=DONE,
                finished_at=clock.now(),
                report={"candidate": held.model, "in_force": names, **found},
            )
        await backtests_repository.drop_parts(session, backtest_id)
