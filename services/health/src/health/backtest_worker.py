"""`python -m health.backtest_worker`: works out tracks for a backtest of the service, in a process of its own.

Requests and answers are lines of JSON on stdin and stdout; the first says what is compared. It ends with its parent:
when stdin does. It gives way to the service on the same machine.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from common.db import Database

from health import backtest, backtests_repository, definitions, publishing
from health.book import Book

NICENESS = 10
"""Live events go first."""
URL = "HEALTH_BACKTEST_DATABASE_URL"


def comparison(in_force: list[dict[str, Any]], candidate: str) -> backtest.Comparison:
    """Of definitions as they are written. Raises Refused for a candidate that would leave clients without a model."""
    book = Book(
        tuple(definitions.model_from(d["text"]).compiled(d["version"]) for d in in_force if d["kind"] == "model"),
        tuple(definitions.journey_from(d["text"]).compiled(d["version"]) for d in in_force if d["kind"] == "journey"),
    )
    return backtest.Comparison(book, publishing.with_model(book, definitions.model_from(candidate).compiled(0)))


async def serve() -> None:
    """Until stdin ends."""
    task = orjson.loads(sys.stdin.buffer.readline() or b"null")
    if task is None:
        return
    compared = comparison(task["in_force"], task["candidate"])
    until = datetime.fromisoformat(task["until"])
    database = Database(os.environ[URL], schema=task["schema"], pool_size=1)
    while line := sys.stdin.buffer.readline():
        ids = [UUID(each) for each in orjson.loads(line)]
        async with database.read() as session:
            found = await backtests_repository.facts(session, ids, until)
        tracks = (compared.track(client, events, task["moments"]) for client, events in found.items())
        answer = backtest.packed(track for track in tracks if track is not None)
        sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
        sys.stdout.buffer.flush()
    await database.close()


if __name__ == "__main__":
    os.nice(NICENESS)
    gc.set_threshold(100_000, 50, 50)
    asyncio.run(serve())
