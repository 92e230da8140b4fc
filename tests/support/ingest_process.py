"""A real process of ingest, to be killed, and what one asks it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import psutil
from common.auth import make_token
from common.clock import SystemClock

from tests.support.chaos import ROOT, free_port
from tests.support.stack import TestStack

PATIENCE = 60.0
AT_ONCE = 200
"""Lines a block."""


@dataclass
class Process:
    """`python -m ingest.main`, and what one asks it."""

    stack: TestStack
    log: Path
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    popen: subprocess.Popen[bytes] | None = None

    async def start(self, *, kill_at: str = "") -> None:
        environment = {
            **self.stack.environment("ingest"),
            "INGEST_PORT": str(self.port),
            "INGEST_KILL_AT": kill_at,
            **self.settings,
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
            while block := b"".join(islice(lines, AT_ONCE)):
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
            scopes=["ingest:import", "ingest:read", "ingest:write"],
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
