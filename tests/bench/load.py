"""A steady stream of signed webhooks, cheap enough to leave the machine to what is measured.

Raw HTTP/1.1 over kept connections; requests are built and signed before the clock starts. Open loop: each is sent at
its own moment, whether or not earlier ones were answered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import orjson
from loopctl.signing import SIGNERS
from loopctl.stack import Stack

CONNECTIONS = 128
SOURCE = "segment"
ACCEPTED = 202
NANO = 1_000_000_000


@dataclass(slots=True)
class Sent:
    """What became of a stream: monotonic nanoseconds by number of the event."""

    due: dict[int, int] = field(default_factory=dict)
    accepted: dict[int, int] = field(default_factory=dict)
    refused: dict[int, int] = field(default_factory=dict)
    """HTTP status of what was not accepted (0: no answer)."""


def requests(stack: Stack, groups: Sequence[str], first: int, count: int, rate: float) -> list[tuple[int, bytes]]:
    """Numbered, signed requests, going round the clients; the number travels as the used quantity.

    Each happened when it is to be sent, a moment more or less (they are signed before the stream begins).
    """
    url = f"{stack.url('ingest')}/v1/webhooks/{SOURCE}"
    secret, sign = stack.secrets.webhooks[SOURCE], SIGNERS[SOURCE]
    host, path = urlsplit(url).netloc, urlsplit(url).path
    wall = datetime.now(UTC)
    found = []
    for number in range(first, first + count):
        at = (wall + timedelta(seconds=(number - first) / rate)).isoformat()
        body = orjson.dumps(
            {
                "type": "track",
                "event": "reports",
                "messageId": f"bench-{wall.timestamp():.0f}-{number}",
                "anonymousId": "bench",
                "properties": {"quantity": number},
                "context": {"groupId": groups[number % len(groups)]},
                "timestamp": at,
            }
        )
        headers = sign(secret, url, body, wall) | {"Host": host, "Content-Type": "application/json"}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST {path} HTTP/1.1\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
        found.append((number, head.encode() + body))
    return found


async def stream(stack: Stack, wanted: Sequence[tuple[int, bytes]], rate: float) -> Sent:
    """Send all at `rate` a second; returns when every answer is there."""
    sent = Sent()
    queue: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue()
    workers = [asyncio.create_task(_connection(stack, queue, sent)) for _ in range(CONNECTIONS)]
    began = time.monotonic_ns() + NANO // 10
    for nth, (number, request) in enumerate(wanted):
        due = began + int(nth * NANO / rate)
        await asyncio.sleep(max(0, due - time.monotonic_ns()) / NANO)
        sent.due[number] = due
        queue.put_nowait((number, request))
    for _ in workers:
        queue.put_nowait(None)
    await asyncio.gather(*workers)
    return sent


async def _connection(stack: Stack, queue: asyncio.Queue[tuple[int, bytes] | None], sent: Sent) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.port("ingest"))
    while (job := await queue.get()) is not None:
        number, request = job
        try:
            writer.write(request)
            status = await _answer(reader)
        except (OSError, asyncio.IncompleteReadError):
            status = 0
            reader, writer = await asyncio.open_connection("127.0.0.1", stack.port("ingest"))
        if status == ACCEPTED:
            sent.accepted[number] = time.monotonic_ns()
        else:
            sent.refused[number] = status
    writer.close()


async def _answer(reader: asyncio.StreamReader) -> int:
    """Status of the next response, its body read away."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        if line[:15].lower() == b"content-length:":
            length = int(line[15:])
    await reader.readexactly(length)
    return int(head[9:12])
