"""What time costs: clients looked at because a day began, bands crossed by silence, and how large a client is."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from common.contracts import client
from common.contracts.base import Event
from common.db import Database
from common.timers import BATCH
from health import definitions_repository, repository
from health.domain.evaluate import evaluate
from health.domain.fold import FOLD, apply
from health.domain.moments import seconds_of
from health.domain.state import ClientState, load
from sqlalchemy import text

from tests.bench import health_events
from tests.support.stack import TestStack

ROUNDS = 20
CROSSINGS_A_SECOND, CROSSING_SECONDS = 200, 10
SIZES = (1_000, 10_000, 100_000)
TABLES = ("states", "clients", "facts", "evaluations", "timers")
DRAINED_WITHIN = 600.0


def score(stack: TestStack) -> dict[str, Any]:
    """CPU microseconds of one more event and a score, on the states that recompute left; without a database."""
    return asyncio.run(_score(stack))


async def _score(stack: TestStack) -> dict[str, Any]:
    database = Database(stack.url("health"), schema="health")
    async with database.read() as session:
        book = await definitions_repository.book(session)
        feeds = await repository.feeds(session)
        bodies = list(await session.scalars(text("SELECT body FROM states WHERE last_id IS NOT NULL")))
    await database.close()
    now = datetime.now(UTC)
    use = Event.of(
        client.UsageRecorded(feature="reports", quantity=3.0), id=health_events.client_id("one", 1),
        source="csl/ingest/segment", subject=health_events.client_id("one", 0), time=now,
    )  # fmt: skip
    states = [load(body) for body in bodies]
    second = seconds_of(now)

    def score(state: ClientState) -> str:
        model, template = book.choice(state)
        evaluate(model, state, second, feeds, template)
        return model.name

    return {
        "clients": len(states),
        "models": dict(Counter(map(score, states))),
        "fold_microseconds": _microseconds(lambda state: apply(state, use), states),
        "score_microseconds": _microseconds(score, states),
        "reading_and_writing_the_row_microseconds": _microseconds(lambda body: FOLD.dump(FOLD.load(body)), bodies),
        "state_bytes": round(sum(map(len, bodies)) / len(bodies)),
    }


def _microseconds(work: Callable[[Any], object], things: Sequence[Any]) -> float:
    """CPU of one, over several rounds of all."""
    began = time.process_time()
    for _ in range(ROUNDS):
        for one in things:
            work(one)
    return round((time.process_time() - began) / ROUNDS / len(things) * 1e6, 1)


def looks(stack: TestStack, most: int) -> dict[str, Any]:
    """So many clients whose day begins at once; then bands crossed by silence at a steady rate."""
    from tests.bench.health_speed import running, serves

    own = stack.new_database("looks")
    own.service_database("health")
    asyncio.run(_first_clients(own))
    found: dict[str, Any] = {"sizes": []}
    for clients in (size for size in SIZES if size <= most):
        asyncio.run(_multiplied(own, clients))
        with running(own, "health.main", "all") as worker:
            asyncio.run(serves(worker.port))
            drained = asyncio.run(_all_at_once(own, clients))
        found["sizes"].append({"clients": clients, **drained, **asyncio.run(_sizes(own, clients))})
    with running(own, "health.main", "all") as worker:
        asyncio.run(serves(worker.port))
        found["crossings"] = asyncio.run(_crossings(own))
    return found


async def _first_clients(stack: TestStack) -> None:
    """A hundred clients with states of their own, as the consumer would have left them."""
    from common import inbox
    from common.clock import SystemClock
    from common.dispatch import Batch
    from health import handlers
    from health import service as health_service
    from health.settings import Settings

    database = Database(stack.url("health"), schema="health")
    clock = SystemClock()
    folder = Settings(database_url="", kafka_bootstrap_servers="").config_dir
    await health_service.take_over_files(database, folder, clock)
    events = list(health_events.lives("looks", clients=100, events=8_000, until=datetime.now(UTC)))
    for first in range(0, len(events), 1_000):
        async with database.transaction() as session:
            fresh = await inbox.take(session, events[first : first + 1_000], keep=handlers.consumer(clock).keep)
            await handlers.client_events(Batch(fresh, clock.now()), session)
    await database.close()


async def _multiplied(stack: TestStack, clients: int) -> None:
    """Copies of them under new ids: states and rows, without their facts; nothing is due yet."""
    connection = await asyncpg.connect(stack.owner_url)
    await connection.execute("SET search_path = health")
    await connection.execute("DELETE FROM timers")
    have = await connection.fetchval("SELECT count(*) FROM clients")
    columns = await connection.fetch(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'health' AND table_name = 'clients'"
        " AND column_name <> 'client_id' ORDER BY ordinal_position"
    )
    names = ", ".join(row["column_name"] for row in columns)
    await connection.execute(
        "CREATE TEMP TABLE twins AS SELECT gen_random_uuid() AS twin, c.client_id"  # columns of our own
        " FROM (SELECT client_id FROM clients ORDER BY client_id LIMIT 100) c,"
        f" generate_series(1, {max(0, clients - have) // 100})"
    )
    await connection.execute(
        f"INSERT INTO clients (client_id, {names}) SELECT t.twin, {names} FROM twins t JOIN clients USING (client_id)"
    )
    await connection.execute(
        "INSERT INTO states SELECT t.twin, s.fold_version, s.last_time, s.last_knowntime, s.last_sequence, s.last_id,"
        " s.body FROM twins t JOIN states s USING (client_id)"
    )
    await connection.execute("DROP TABLE twins; ANALYZE states; ANALYZE clients")
    await connection.close()


async def _all_at_once(stack: TestStack, clients: int) -> dict[str, Any]:
    """Every client's next look is due now, as at midnight; a former day's, so that each is told anew."""
    connection = await asyncpg.connect(stack.owner_url)
    await connection.execute("SET search_path = health")
    await connection.execute(
        "UPDATE clients SET generation = generation + 1, as_of = as_of - interval '1 day'; DELETE FROM timers"
    )
    began = time.monotonic()
    await connection.execute(
        "INSERT INTO timers (kind, owner, generation, due_at)"
        " SELECT 'look', client_id::text, generation, now() FROM clients"
    )
    waited = 0.0
    due = "SELECT count(*) FROM timers WHERE kind = 'look' AND due_at <= now()"
    while await connection.fetchval(due):
        await asyncio.sleep(0.2)
        waited = time.monotonic() - began
        if waited > DRAINED_WITHIN:
            raise RuntimeError("the looks are not drained")
    await connection.close()
    return {"looked_at_per_second": round(clients / waited), "seconds": round(waited, 1), "timers_a_batch": BATCH}


async def _sizes(stack: TestStack, clients: int) -> dict[str, Any]:
    connection = await asyncpg.connect(stack.owner_url)
    sizes = {
        table: await connection.fetchval(
            "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relnamespace = 'health'::regnamespace"
            " AND relkind IN ('r', 'p') AND (relname = $1 OR relname LIKE $1 || '\\_%')",
            table,
        )
        for table in TABLES
    }
    body = await connection.fetchval("SELECT avg(octet_length(body)) FROM health.states WHERE last_id IS NOT NULL")
    await connection.close()
    return {
        "state_bytes": round(body),
        "kilobytes_a_client": {
            name: round(int(size) / clients / 1024, 1) for name, size in sizes.items() if name in {"states", "clients"}
        },
    }


async def _crossings(stack: TestStack) -> dict[str, Any]:
    """Clients whose band is crossed without any event, 200 a second: from that instant to the written event.

    What stands in their rows is moved a band up, so that the look at its instant finds them in a worse one.
    """
    connection = await asyncpg.connect(stack.owner_url)
    await connection.execute("SET search_path = health")
    last = await connection.fetchval("SELECT coalesce(max(seq), 0) FROM outbox")
    begin = datetime.now(UTC) + timedelta(seconds=3)
    for statement in _MOVED_UP:
        await connection.execute(statement)
    await connection.execute(_DUE_IN_TURN, begin, CROSSINGS_A_SECOND)
    due = {row["owner"]: row["due_at"] for row in await connection.fetch("SELECT owner, due_at FROM timers")}
    await asyncio.sleep(CROSSING_SECONDS + 6)
    rows = await connection.fetch(_CROSSED, last)
    await connection.close()
    late = sorted((row["at"] - due[row["key"]]).total_seconds() for row in rows if row["key"] in due)
    if not late:
        raise RuntimeError("no band was crossed")
    return {
        "crossings": len(late),
        "wanted": len(due),
        "per_second": CROSSINGS_A_SECOND,
        "written_after_p50_seconds": round(late[len(late) // 2], 2),
        "written_after_p99_seconds": round(late[int(len(late) * 0.99)], 2),
        "longest_seconds": round(late[-1], 2),
    }


_MOVED_UP = (
    "DELETE FROM timers",
    (
        "CREATE TEMP TABLE picked AS SELECT client_id, row_number() OVER () - 1 AS nth FROM clients"
        f" WHERE band IN ('red', 'amber') LIMIT {CROSSINGS_A_SECOND * CROSSING_SECONDS}"
    ),
    (
        "UPDATE clients c SET generation = c.generation + 1, (band, known_band) ="
        " (SELECT better, better FROM (SELECT CASE WHEN c.band = 'red' THEN 'amber' ELSE 'green' END AS better) b)"
        " FROM picked WHERE c.client_id = picked.client_id"
    ),
)
_DUE_IN_TURN = (
    "INSERT INTO timers (kind, owner, generation, due_at) SELECT 'look', client_id::text, generation,"
    " $1::timestamptz + nth * interval '1 second' / $2 FROM clients JOIN picked USING (client_id)"
)
_CROSSED = (
    "SELECT key, min(written_at) AS at FROM outbox WHERE seq > $1"
    " AND convert_from(body, 'UTF8') LIKE '%band_changed%' GROUP BY key"
)
