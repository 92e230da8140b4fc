"""Long imports, into a real process: killed in the middle, its helpers killed, and no more memory for more lines."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import psutil
import pytest
from common.auth import make_token
from common.clock import SystemClock
from common.db import server_settings

from tests.support.chaos import ROOT, free_port
from tests.support.stack import TestStack

CHUNK = 200
LATEST = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CLIENTS = 20
GROWTH_MB = 30
PATIENCE = 60.0


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


@dataclass
class Process:
    """`python -m ingest.main`, and what one asks it."""

    stack: TestStack
    log: Path
    port: int = field(default_factory=free_port)
    popen: subprocess.Popen[bytes] | None = None

    async def start(self, *, kill_at: str = "") -> None:
        environment = {
            **self.stack.environment("ingest"),
            "INGEST_PORT": str(self.port),
            "INGEST_KILL_AT": kill_at,
            "INGEST_IMPORT_CHUNK_LINES": str(CHUNK),
        }
        await asyncio.to_thread(self._spawn, environment)
        await asyncio.wait_for(self._ready(), PATIENCE)

    def _spawn(self, environment: dict[str, str]) -> None:
        with self.log.open("ab") as out:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "ingest.main"], cwd=ROOT, env=environment, stdout=out, stderr=out
            )

    async def _ready(self) -> None:
        async with httpx.AsyncClient() as http:
            while True:
                try:
                    if (await http.get(f"http://127.0.0.1:{self.port}/healthz")).is_success:
                        return
                except httpx.TransportError:
                    await asyncio.sleep(0.05)

    async def bring(self, import_id: str, lines: Iterator[bytes], first: int = 1) -> dict[str, Any]:
        async def blocks() -> AsyncIterator[bytes]:
            while block := b"".join(islice(lines, CHUNK)):
                yield block

        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=PATIENCE * 2) as http:
            answer = await http.post(
                "/v1/imports",
                params={"import_id": import_id, "first_line": first},
                content=blocks(),
                headers=self._headers(),
            )
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def report(self, import_id: str) -> dict[str, Any]:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=PATIENCE) as http:
            found: dict[str, Any] = (await http.get(f"/v1/imports/{import_id}", headers=self._headers())).json()
        return found

    def _headers(self) -> dict[str, str]:
        token = make_token(
            self.stack.stack.secrets.jwt,
            subject="maya",
            scopes=["ingest:import", "ingest:read"],
            audience="client-success-loop",
            clock=SystemClock(),
            hours=1,
        )
        return {"Authorization": f"Bearer {token}"}

    @property
    def process(self) -> psutil.Process:
        assert self.popen is not None
        return psutil.Process(self.popen.pid)

    async def helpers(self) -> list[psutil.Process]:
        """The processes that read lines, once there are any."""
        while True:
            if found := [child for child in self.process.children() if "ingest.lines" in child.cmdline()]:
                return found
            await asyncio.sleep(0.01)

    def stop(self) -> None:
        if self.popen is not None and self.popen.poll() is None:
            self.popen.terminate()
            self.popen.wait(20)


@pytest.fixture
async def process(stack: TestStack, tmp_path: Path) -> AsyncIterator[Process]:
    await asyncio.to_thread(stack.service_database, "ingest")
    made = Process(stack, tmp_path / "ingest.log")
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

    again = await process.bring(import_id, history(lines))
    assert (again["accepted"], again["repeated"]) == (lines, lines)
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
