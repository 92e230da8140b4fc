"""A closed or open loop of ready-made HTTP requests, at a few microseconds each.

`top`: so many connections, each sends the next request when its answer is there; `paced`: each request has a moment
of its own. Runs in a process of its own, so that its work is not the server's.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

NANO = 1_000_000_000


@dataclass
class Answers:
    """What came back. Times are seconds from the moment a request was due (or, in a closed loop, sent)."""

    seconds: float = 0.0
    statuses: dict[int, int] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)
    answered: list[int] = field(default_factory=list)
    """Positions of the requests that were answered 202 or 200."""
    finished: list[float] = field(default_factory=list)
    """When each of these was, in seconds since the beginning."""

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return len(self.answered) / self.seconds if self.seconds else 0.0

    def quantile(self, share: float) -> float:
        """Seconds within which that share of requests was answered."""
        ordered = sorted(self.waits)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


class _Connection(asyncio.Protocol):
    """One kept connection; asks for its next request whenever it is free."""

    def __init__(self, volley: _Volley) -> None:
        self._volley = volley
        self._rest = b""
        self.position: int | None = None
        self.due = 0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self._volley.free(self)

    def fire(self, position: int, request: bytes, due: int) -> None:
        self.position, self.due = position, due
        assert self.transport is not None
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self._rest = data
            return
        start = data.lower().find(b"content-length:", 0, end)
        length = int(data[start + 15 : data.index(b"\r\n", start)]) if start >= 0 else 0
        if len(data) < end + 4 + length:
            self._rest = data
            return
        self._rest = b""
        self._volley.answered(self, int(data[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._volley.lost(self)


class _Volley:
    def __init__(self, port: int, requests: Sequence[bytes], seconds: float, rate: float | None) -> None:
        self._port, self._requests, self._rate = port, requests, rate
        self._until = seconds
        self._next = 0
        self._idle: list[_Connection] = []
        self._open = 0
        self.answers = Answers()
        self._began = 0
        self._done = asyncio.Event()
        self._again_task: asyncio.Task[None] | None = None

    async def run(self, connections: int) -> Answers:
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self._port)
        self._open = connections
        self._began = time.monotonic_ns()
        if self._rate is None:
            idle, self._idle = self._idle, []
            for connection in idle:
                self._fire(connection, self._began)
        else:
            await self._pace()
        await self._done.wait()
        self.answers.seconds = (time.monotonic_ns() - self._began) / NANO
        return self.answers

    async def _pace(self) -> None:
        assert self._rate is not None
        total = min(len(self._requests), int(self._until * self._rate))
        for nth in range(total):
            due = self._began + int(nth * NANO / self._rate)
            ahead = (due - time.monotonic_ns()) / NANO
            if ahead > 0.0005:
                await asyncio.sleep(ahead)
            while not self._idle:  # noqa: ASYNC110  (a free connection is milliseconds away; an Event would cost each answer)
                await asyncio.sleep(0.001)
            self._fire(self._idle.pop(), due)
        self._requests = self._requests[: self._next]
        self._look()

    def _look(self) -> None:
        """Over, once everything was sent and every connection is free again."""
        if self._next >= len(self._requests) and len(self._idle) >= self._open:
            self._done.set()

    def _fire(self, connection: _Connection, due: int) -> None:
        over = self._rate is None and time.monotonic_ns() - self._began > self._until * NANO
        if self._next >= len(self._requests) or over:
            self._open -= 1
            if self._open == 0:
                self._done.set()
            return
        position, self._next = self._next, self._next + 1
        connection.fire(position, self._requests[position], due)

    def free(self, connection: _Connection) -> None:
        self._idle.append(connection)

    def answered(self, connection: _Connection, status: int) -> None:
        now = time.monotonic_ns()
        answers = self.answers
        answers.statuses[status] = answers.statuses.get(status, 0) + 1
        assert connection.position is not None
        if status in (200, 202):
            answers.answered.append(connection.position)
            answers.waits.append((now - connection.due) / NANO)
            answers.finished.append((now - self._began) / NANO)
        connection.position = None
        if self._rate is None:
            self._fire(connection, now)
        else:
            self._idle.append(connection)
            self._look()

    def lost(self, connection: _Connection) -> None:
        """The server went away: the request is unanswered, another connection takes its place."""
        if connection.position is not None:
            self.answers.statuses[0] = self.answers.statuses.get(0, 0) + 1
            connection.position = None
        if connection in self._idle:
            self._idle.remove(connection)
        if not self._done.is_set():
            self._again_task = asyncio.get_running_loop().create_task(self._again())

    async def _again(self) -> None:
        while not self._done.is_set():
            with contextlib.suppress(OSError):
                await asyncio.get_running_loop().create_connection(lambda: _Connection(self), "127.0.0.1", self._port)
                if self._rate is None and self._idle:
                    self._fire(self._idle.pop(), time.monotonic_ns())
                self._look()
                return
            await asyncio.sleep(0.05)


def fire(
    port: int, requests: Sequence[bytes], *, connections: int = 64, seconds: float = 1e9, rate: float | None = None
) -> Answers:
    """Send in a process of its own until `seconds` are over or nothing is left; `rate` None: as fast as answered."""
    here, there = multiprocessing.get_context("fork").Pipe()
    child = multiprocessing.get_context("fork").Process(
        target=_child, args=(there, port, requests, connections, seconds, rate)
    )
    child.start()
    there.close()
    answers: Answers = here.recv()
    child.join()
    return answers


def _child(
    pipe: multiprocessing.connection.Connection,
    port: int,
    requests: Sequence[bytes],
    connections: int,
    seconds: float,
    rate: float | None,
) -> None:
    import uvloop

    async def run() -> Answers:
        return await _Volley(port, requests, seconds, rate).run(connections)

    pipe.send(uvloop.run(run()))
    pipe.close()


@contextlib.contextmanager
def measured_cpu(of: Callable[[], dict[str, float]]) -> Iterator[dict[str, float]]:
    """CPU seconds that each process used inside the block, by name."""
    before, used = of(), dict[str, float]()
    yield used
    for name, value in of().items():
        used[name] = value - before.get(name, 0.0)
