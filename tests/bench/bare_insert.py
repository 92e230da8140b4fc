"""What the database alone can do: the rows that ingest wrote, written again in bulk, one INSERT a table, no more.

`same_rows`: dedup key, ledger line, outbox row and unsent id of each event and the raw body of each hundred, into
tables of the same columns and keys, a transaction a hundred. `one_table`: the events' JSON alone, into one table.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any
from uuid import uuid4

import asyncpg

WRITERS = 4
GROUP = 100
GROUPS = 40
TABLES = ("dedup_keys", "said", "outbox", "outbox_unsent", "raw_bodies")
_ROWS = {
    "dedup_keys": "source::text, key::bytea, seen_at::timestamptz",
    "said": "client_id::uuid, root_id::uuid, event_id::uuid, type::text, time::timestamptz, knowntime::timestamptz,"
    " sequence::int, origin::text, source::text, via::text, raw_day::date, raw_id::uuid, data::text",
    "outbox": "day::date, event_id::uuid, lane::smallint, topic::text, key::text, headers::text, body::bytea,"
    " written_at::timestamptz",
    "outbox_unsent": "seq::bigint, day::date, lane::smallint, written_at::timestamptz",
    "raw_bodies": "day::date, id::uuid, source::text, received_at::timestamptz, headers::text, body::bytea",
}


async def measure(owner_url: str, seconds: float) -> dict[str, int]:
    """Events a second of both; the rows are those that ingest has just written."""
    connection = await asyncpg.connect(owner_url)
    try:
        await connection.execute("DROP SCHEMA IF EXISTS bare CASCADE; CREATE SCHEMA bare")
        for table, columns in _ROWS.items():
            names = ", ".join(part.split("::")[0].strip() for part in columns.split(","))
            await connection.execute(f"CREATE TABLE bare.{table} (LIKE ingest.{table} INCLUDING ALL)")
            if table == "raw_bodies":
                await connection.execute("ALTER TABLE bare.raw_bodies ALTER client_ids DROP NOT NULL")
            if table == "outbox_unsent":
                continue
            if not await connection.fetchval(f"SELECT count(*) FROM (SELECT {names} FROM ingest.{table} LIMIT 1) x"):
                raise RuntimeError(f"{table} is empty: run ingest first")
        await connection.execute("CREATE TABLE bare.events (id uuid PRIMARY KEY, body bytea NOT NULL)")
        samples = {table: await _sample(connection, table) for table in TABLES if table != "outbox_unsent"}
    finally:
        await connection.close()
    same = await _race(owner_url, seconds, lambda n: _same_rows(samples, n))
    one, spent = await _write(owner_url, seconds, lambda n: _same_rows(samples, n), 0)
    single = await _race(owner_url, seconds, lambda n: _one_table(samples, n))
    return {"same_rows": round(same), "one_writer": round(one / spent), "one_table": round(single)}


async def _sample(connection: asyncpg.Connection[Any], table: str) -> list[tuple[Any, ...]]:
    columns = ", ".join(_ROWS[table].split(", "))
    limit = GROUP if table != "raw_bodies" else 1
    where = "WHERE octet_length(body) > 1000" if table == "raw_bodies" else ""
    rows = await connection.fetch(f"SELECT {columns} FROM ingest.{table} {where} LIMIT {limit}")
    return [tuple(row) for row in rows]


Statements = list[tuple[str, list[list[Any]]]]


def _same_rows(samples: dict[str, list[tuple[Any, ...]]], writer: int) -> list[Statements]:
    """Ready-made transactions: the sampled rows under new keys."""
    return [[_insert(t, _renewed(t, samples, n * WRITERS + writer)) for t in TABLES] for n in range(GROUPS)]


def _renewed(table: str, samples: dict[str, list[tuple[Any, ...]]], nth: int) -> list[tuple[Any, ...]]:
    if table == "outbox_unsent":
        return [
            (nth * GROUP + k + uuid4().int % 2**50 * 2**10, row[0], row[2], row[7])
            for k, row in enumerate(samples["outbox"])
        ]
    rows = samples[table]
    if table == "dedup_keys":
        return [(row[0], os.urandom(16), *row[2:]) for row in rows]
    if table == "said":
        return [(row[0], uuid4(), *row[2:]) for row in rows]
    if table == "raw_bodies":
        return [(row[0], uuid4(), *row[2:]) for row in rows]
    return rows


def _insert(table: str, rows: list[tuple[Any, ...]]) -> tuple[str, list[list[Any]]]:
    columns = [tuple(part.strip().split("::")) for part in _ROWS[table].split(",")]
    names = ", ".join(name for name, _ in columns)
    arrays = ", ".join(f"${n}::{kind}[]" for n, (_, kind) in enumerate(columns, start=1))
    picked = ", ".join(f"u.{name}::jsonb" if name == "headers" else f"u.{name}" for name, _ in columns)
    sql = f"INSERT INTO bare.{table} ({names}) SELECT {picked} FROM unnest({arrays}) AS u({names})"
    return sql, [list(column) for column in zip(*rows, strict=True)]


def _one_table(samples: dict[str, list[tuple[Any, ...]]], _writer: int) -> list[Statements]:
    bodies = [row[6] for row in samples["outbox"]]
    sql = "INSERT INTO bare.events SELECT * FROM unnest($1::uuid[], $2::bytea[])"
    return [[(sql, [[uuid4() for _ in bodies], bodies])] for _ in range(GROUPS)]


async def _race(owner_url: str, seconds: float, prepared: Any) -> float:
    """Events a second over all writers; preparing is not counted."""
    done = await asyncio.gather(*(_write(owner_url, seconds, prepared, n) for n in range(WRITERS)))
    return sum(events / spent for events, spent in done if spent)


async def _write(owner_url: str, seconds: float, prepared: Any, writer: int) -> tuple[int, float]:
    connection = await asyncpg.connect(owner_url)
    events, spent = 0, 0.0
    try:
        while spent < seconds:
            groups = prepared(writer)
            began = time.monotonic()
            for statements in groups:
                async with connection.transaction():
                    for sql, arguments in statements:
                        await connection.execute(sql, *arguments)
                events += GROUP
            spent += time.monotonic() - began
    finally:
        await connection.close()
    return events, spent
