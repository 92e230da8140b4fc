"""Long imports, into a real process: killed in the middle, its helpers killed, and no more memory for more lines."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import psutil
import pytest
from common.db import server_settings

from tests.support.ingest_process import PATIENCE, Process
from tests.support.stack import TestStack

CHUNK = 200
LATEST = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CLIENTS = 20
GROWTH_MB = 30


def history(lines: int) -> Iterator[bytes]:
    """Registrations, then usage, logins and tickets in turn."""
    for nth in range(lines):
        yield json.dumps(_line(nth)).encode() + b"\n"


def _line(nth: int) -> dict[str, Any]:
    subject = f"ref:crm:company:{nth % CLIENTS}"
    at = (LATEST - timedelta(seconds=1_000_000 - nth)).isoformat()
    said = {"source": "warehouse", "subject": subject, "time": at}
    if nth < CLIENTS:
        return {**said, "type": "client_registered", "data": {"name": f"Client {nth}"}}
    if nth % 50 == 0:
        return {
            **said,
            "type": "ticket_opened",
            "text": f"Still broken, no {nth}!",
            "data": {"ticket_id": f"t{nth}", "priority": "low"},
        }
    if nth % 2:
        return {**said, "type": "logged_in", "data": {"contact_id": "c", "count": 1 + nth % 7}}
    return {**said, "type": "usage_recorded", "data": {"feature": "reports", "quantity": nth}}


@pytest.fixture
async def process(stack: TestStack, tmp_path: Path) -> AsyncIterator[Process]:
    await asyncio.to_thread(stack.service_database, "ingest")
    made = Process(stack, tmp_path / "ingest.log", {"INGEST_IMPORT_CHUNK_LINES": str(CHUNK)})
    try:
        yield made
    finally:
        await asyncio.to_thread(made.stop)


async def count(stack: TestStack, what: str) -> int:
    connection = await asyncpg.connect(
        stack.url("ingest").replace("+asyncpg", ""), server_settings=server_settings("ingest", "test")
    )
    try:
        return int(await connection.fetchval(f"SELECT {what}"))
    finally:
        await connection.close()


async def is_stored_once(stack: TestStack, lines: int) -> None:
    """Each line is taken; no event of them is said twice."""
    assert await count(stack, "count(*) FROM imported_ids") == lines
    live = "lane = 1 AND body NOT LIKE '%import_finished%'::bytea"
    assert await count(stack, f"count(*) - count(DISTINCT event_id) FROM outbox WHERE {live}") == 0
    assert await count(stack, "count(*) FROM said WHERE type <> 'csl.client.import_finished.v1'") == await count(
        stack, f"count(DISTINCT event_id) FROM outbox WHERE {live}"
    )


@pytest.mark.parametrize("point", ["import_chunk:5", "import_stored:5"])
async def test_an_import_killed_in_the_middle_goes_on_where_it_was(
    process: Process, stack: TestStack, point: str
) -> None:
    import_id, lines = str(uuid4()), 10 * CHUNK
    await process.start(kill_at=point)
    with pytest.raises(httpx.TransportError):
        await process.bring(import_id, history(lines))
    assert process.popen is not None
    assert await asyncio.to_thread(process.popen.wait, PATIENCE) == -signal.SIGKILL

    await process.start()
    known = await process.report(import_id)
    stored = known["lines"]
    assert (0 < stored < lines, known["finished_at"]) == (True, None)
    rest = list(history(lines))[stored:]
    report = await process.bring(import_id, iter(rest), first=stored + 1)
    assert (report["lines"], report["accepted"], report["repeated"], report["refused"]) == (lines, lines, 0, 0)
    await is_stored_once(stack, lines)

    same = await process.bring(import_id, history(lines))
    assert (same["lines"], same["accepted"], same["repeated"]) == (lines, lines, 0)
    again = await process.bring(str(uuid4()), history(lines))
    assert (again["lines"], again["accepted"], again["repeated"]) == (lines, 0, lines)
    await is_stored_once(stack, lines)


async def test_helpers_that_die_are_done_without(process: Process, stack: TestStack) -> None:
    lines = 20 * CHUNK
    await process.start()
    bringing = asyncio.create_task(process.bring(str(uuid4()), history(lines)))
    for helper in await asyncio.wait_for(process.helpers(), PATIENCE):
        helper.kill()
    report = await bringing
    assert (report["accepted"], report["refused"]) == (lines, 0)
    await is_stored_once(stack, lines)


async def test_helpers_end_with_the_process_that_was_killed(process: Process) -> None:
    await process.start()
    bringing = asyncio.create_task(process.bring(str(uuid4()), history(1000 * CHUNK)))
    helpers = await asyncio.wait_for(process.helpers(), PATIENCE)
    os.kill(process.process.pid, signal.SIGKILL)
    with pytest.raises(httpx.TransportError):
        await bringing
    _, alive = await asyncio.to_thread(psutil.wait_procs, helpers, PATIENCE)
    assert alive == []


async def test_ten_times_the_lines_take_no_more_memory(process: Process) -> None:
    few = 10 * CHUNK
    await process.start()
    await process.bring(str(uuid4()), history(few))
    before = process.process.memory_info().rss
    report = await process.bring(str(uuid4()), history(10 * few))
    grown = (process.process.memory_info().rss - before) / 2**20
    assert report["accepted"] == 9 * few
    assert grown < GROWTH_MB, f"{grown:.0f} MB more"
