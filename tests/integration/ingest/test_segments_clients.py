"""Segment's own libraries, pointed at our tracking API over a real socket: retries and duplicates included."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from segment.analytics.client import Client
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.integration.ingest.conftest import SECRET, Ingest

NODE = Path(__file__).parents[2] / "support" / "analytics_node"
PATH = "/v1/tracking/segment"


@dataclass
class Wire:
    """The way between library and service: the first answers to come are lost, after the work was done."""

    app: ASGIApp
    lost: int = 0
    statuses: list[int] = field(default_factory=list)
    encodings: set[str] = field(default_factory=set)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.encodings |= {value.decode() for name, value in scope["headers"] if name == b"content-encoding"}
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        await self.app(scope, receive, keep)
        if self.lost:
            self.lost -= 1
            answer = [
                {"type": "http.response.start", "status": 500, "headers": [(b"content-length", b"0")]},
                {"type": "http.response.body", "body": b""},
            ]
        self.statuses.append(answer[0]["status"])
        for message in answer:
            await send(message)


@dataclass
class Served:
    """An ingest that is reached over TCP."""

    ingest: Ingest
    wire: Wire
    url: str

    async def used(self) -> Counter[str]:
        """Events of usage by who said them; an event that counted twice shows as 2."""
        await self.ingest.flush_feeds()
        return Counter(str(e.id) for e in await self.ingest.published() if e.type == "csl.client.usage_recorded.v1")

    async def names(self) -> list[str]:
        return [name for name, _ in await self.ingest.said()]


@pytest.fixture
async def served(ingest: Ingest) -> AsyncIterator[Served]:
    await ingest.register("segment:group:g1", name="Northwind")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        wire = Wire(ingest.service.app)
        server = uvicorn.Server(uvicorn.Config(wire, log_config=None, lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield Served(ingest, wire, f"http://127.0.0.1:{listening.getsockname()[1]}")
        finally:
            server.should_exit = True
            await serving


def speak(url: str, key: str, times: int, *, gzip: bool, errors: list[Any]) -> None:
    """What an instrumented product does; returns when the library has delivered or given up."""
    client = Client(
        key, host=url + PATH, gzip=gzip, max_retries=5, upload_size=4, on_error=lambda *told: errors.append(told)
    )
    group = {"groupId": "g1"}
    client.identify("u1", traits={"name": "Ada", "email": "ada@northwind.example"}, context=group)
    client.group("u1", "g1", traits={"name": "Northwind"})
    client.page("u1", name="Home")
    for n in range(times):
        client.track("u1", "Report Exported", {"n": n}, context=group)
    client.shutdown()


@pytest.mark.parametrize("gzip", [False, True])
async def test_the_python_library_delivers(served: Served, *, gzip: bool) -> None:
    errors: list[Any] = []
    await asyncio.to_thread(speak, served.url, SECRET, 7, gzip=gzip, errors=errors)
    assert errors == []
    assert set(served.wire.statuses) == {200}
    assert served.wire.encodings == ({"gzip"} if gzip else set())
    assert list((await served.used()).values()) == [1] * 7
    assert (await served.names()).count("contact_added") == 1


async def test_the_python_librarys_retries_count_once(served: Served) -> None:
    served.wire.lost = 2
    errors: list[Any] = []
    await asyncio.to_thread(speak, served.url, SECRET, 7, gzip=True, errors=errors)
    assert errors == []
    assert served.wire.statuses.count(500) == 2
    assert list((await served.used()).values()) == [1] * 7
    assert (await served.names()).count("contact_added") == 1


async def test_the_python_library_is_told_that_its_key_is_wrong(served: Served) -> None:
    errors: list[Any] = []
    await asyncio.to_thread(speak, served.url, "not-the-key", 1, gzip=False, errors=errors)
    assert set(served.wire.statuses) == {401}
    assert errors
    assert await served.used() == Counter()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Segment's client for Node, from the committed lock."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not on this machine")
    folder = tmp_path_factory.mktemp("analytics_node")
    for file in NODE.iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=180)
    if any(away in done.stderr for away in ("ENOTFOUND", "ECONNREFUSED", "ETIMEDOUT", "EAI_AGAIN")):
        pytest.skip("the npm registry cannot be reached from this machine")
    assert done.returncode == 0, done.stderr
    return folder


async def say_from_node(folder: Path, served: Served, key: str, times: int) -> dict[str, Any]:
    own = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    process = await asyncio.create_subprocess_exec(
        "node", "say.mjs", served.url, f"{PATH}/v1/batch", key, str(times),
        cwd=folder, env=own, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, complaint = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, complaint.decode()
    said: dict[str, Any] = json.loads(out)
    return said


async def test_the_node_library_delivers(served: Served, node: Path) -> None:
    said = await say_from_node(node, served, SECRET, 7)
    assert said["errors"] == []
    assert len(set(said["ids"])) == 10
    assert set(served.wire.statuses) == {200}
    assert list((await served.used()).values()) == [1] * 7
    assert (await served.names()).count("contact_added") == 1


async def test_the_node_librarys_retries_count_once(served: Served, node: Path) -> None:
    served.wire.lost = 2
    said = await say_from_node(node, served, SECRET, 7)
    assert said["errors"] == []
    assert served.wire.statuses.count(500) == 2
    assert list((await served.used()).values()) == [1] * 7


async def test_the_node_library_is_told_that_its_key_is_wrong(served: Served, node: Path) -> None:
    said = await say_from_node(node, served, "not-the-key", 1)
    assert said["errors"]
    assert set(served.wire.statuses) == {401}
    assert await served.used() == Counter()
