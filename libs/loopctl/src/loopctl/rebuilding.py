"""`loop health rebuild`: states and day ends worked out again from the facts, compared with what is live, swapped in.

Two processes work through the clients while the services go on; each chunk is compared in one snapshot.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loopctl.commands.options import Data, Json
from loopctl.console import complain, say
from loopctl.errors import Problem, WrongUsage

if TYPE_CHECKING:
    from health.rebuild import Family, Found

    from loopctl.stack import Stack

SHADOW = "health_rebuild"
"""The schema of a rebuild that nobody named; it goes when the rebuild is done."""
OURS = "a rebuild of health: loop health rebuild makes and drops it"
NAME = re.compile(r"[a-z][a-z0-9_]{0,50}")
WORKERS = 2
SHOWN = 20
TOLD_EVERY = 2.0
MONTH = timedelta(days=31)


@dataclass(frozen=True)
class Job:
    """What each worker process is told."""

    url: str
    into: str
    since: datetime
    now: datetime


def rebuild(
    into: Annotated[str, typer.Option("--into", help="Keep the shadow in this schema.", metavar="SCHEMA")] = "",
    only_verify: Annotated[
        bool, typer.Option("--verify", help="Compare, change nothing; exit 1 if differing.")
    ] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Work out every state and day end again from the facts, list what is kept otherwise, and put it right.

    The services go on meanwhile. With --verify nothing is changed, and the exit code says whether all is the same.
    """
    from loopctl import business_time
    from loopctl.stack import Stack

    if into and not NAME.fullmatch(into):
        raise WrongUsage(f"--into {into}: a schema's name is small letters, digits and _, such as health_shadow")
    stack = Stack.at(data)
    stack.need_exists()
    now = business_time.now(stack)
    began = time.monotonic()
    with alone(stack.owner_url), _shadow(stack, into or SHADOW, keep=bool(into)):
        job = Job(stack.service_database_url("health"), into or SHADOW, now - _months() * MONTH, now)
        found = _run(job, quiet=as_json)
        seconds = time.monotonic() - began
        swapped = 0 if only_verify or not found.differences else _swap(job, found)
    say(json.dumps(_told(found, seconds, swapped)) if as_json else _as_text(found, seconds, swapped))
    if only_verify and found.differences:
        raise typer.Exit(1)


def _months() -> int:
    from health.settings import Settings

    return int(os.environ.get("HEALTH_HISTORY_MONTHS") or Settings.model_fields["history_months"].default)


@contextmanager
def alone(url: str) -> Iterator[None]:
    """Two rebuilds at once would drop each other's tables. The lock ends with its connection, also if we are killed.

    Raises Problem while another one runs.
    """
    from loopctl import provision

    with ThreadPoolExecutor(1) as thread:  # a loop of its own, which lives between two questions
        runner = asyncio.Runner()
        connection = thread.submit(runner.run, provision.connect(url)).result()
        try:
            locked = connection.fetchval("SELECT pg_try_advisory_lock(hashtext('health rebuild'))")
            if not thread.submit(runner.run, locked).result():
                raise Problem("another rebuild of health is running", remedy="wait until it is done, and try again")
            yield
        finally:
            thread.submit(runner.run, connection.close()).result()
            thread.submit(runner.close).result()


@contextmanager
def _shadow(stack: Stack, name: str, *, keep: bool) -> Iterator[None]:
    """A schema that belongs to the role `health`; one that somebody else made is not touched."""
    from loopctl import provision

    provision.run(_make_schema(stack.owner_url, name))
    try:
        yield
    finally:
        if not keep:
            provision.run(_execute(stack.owner_url, f"DROP SCHEMA {name} CASCADE"))


async def _make_schema(url: str, name: str) -> None:
    from loopctl import provision

    connection = await provision.connect(url)
    try:
        known = await connection.fetchrow(
            "SELECT obj_description(oid, 'pg_namespace') AS comment FROM pg_namespace WHERE nspname = $1", name
        )
        if known is not None and known["comment"] != OURS:
            raise Problem(f"there is a schema {name} that no rebuild made", remedy="name another one with --into")
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {name} AUTHORIZATION health")
        await connection.execute(f"COMMENT ON SCHEMA {name} IS '{OURS}'")
    finally:
        await connection.close()


async def _execute(url: str, statement: str) -> None:
    from loopctl import provision

    connection = await provision.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _run(job: Job, *, quiet: bool) -> Found:
    """All chunks, by two processes; tells how far it is."""
    from health.rebuild import Found

    chunks = asyncio.run(_prepared(job))
    clients = sum(len(chunk) for chunk in chunks)
    found, told = Found(), time.monotonic()
    with multiprocessing.get_context("spawn").Pool(WORKERS, _begin, (job,)) as pool:
        for part in pool.imap_unordered(_work, chunks):
            found.add(part)
            if not quiet and time.monotonic() - told >= TOLD_EVERY:
                told = time.monotonic()
                complain(f"  {found.clients:,} of {clients:,} clients, {found.facts:,} facts")
    return found


async def _prepared(job: Job) -> list[list[Family]]:
    from health import rebuild as rebuilding

    async with _database(job) as database:
        await rebuilding.prepare(database, job.into)
        return await rebuilding.chunks(database)


_JOB: list[Job] = []
"""What this worker process was told."""


def _begin(job: Job) -> None:
    _JOB.append(job)


def _work(chunk: list[Family]) -> Found:
    return asyncio.run(_worked(_JOB[0], chunk))


async def _worked(job: Job, chunk: list[Family]) -> Found:
    from health import rebuild as rebuilding

    async with _database(job) as database:
        return await rebuilding.work(database, job.into, chunk, job.since, job.now)


def _swap(job: Job, found: Found) -> int:
    async def swap() -> int:
        from health import rebuild as rebuilding

        async with _database(job) as database:
            return await rebuilding.swap(database, job.into, found.differences, job.now)

    return asyncio.run(swap())


def _database(job: Job) -> Any:
    from contextlib import asynccontextmanager

    from common.db import Database

    @asynccontextmanager
    async def opened() -> Any:
        database = Database(job.url, schema="health", pool_size=1)
        try:
            yield database
        finally:
            await database.close()

    return opened()


def _told(found: Found, seconds: float, swapped: int) -> dict[str, Any]:
    from health.domain.rebuilt import together
    from health.rebuild import hash_of

    return {
        "clients": found.clients,
        "facts": found.facts,
        "day_ends": found.day_ends,
        "day_ends_compared": found.compared,
        "outdated": found.outdated,
        "waiting": found.waiting,
        "hash": hash_of(found),
        "hash_live": together(found.live),
        "hash_rebuilt": together(found.rebuilt),
        "swapped": swapped,
        "seconds": round(seconds, 1),
        "differences": [
            {"client_id": str(d.client_id), "of": "state" if d.day is None else "day_end", "what": d.what}
            for d in found.differences
        ],
    }


def _as_text(found: Found, seconds: float, swapped: int) -> str:
    told = _told(found, seconds, swapped)
    lines = [
        f"{found.clients:,} clients, {found.facts:,} facts, {found.day_ends:,} day ends in {seconds:.1f} s",
        f"facts say   {told['hash']}  (states and all day ends)",
        f"live        {told['hash_live']}  (states and the {found.compared:,} day ends that were kept)",
        f"from facts  {told['hash_rebuilt']}  (the same ones)",
    ]
    lines += [f"{found.outdated:,} states of an older release fold again when touched"] if found.outdated else []
    lines += [f"{found.waiting:,} clients are about to be restated: ask again in a minute"] if found.waiting else []
    lines += [f"✗ {d.client_id}: {d.what}" for d in found.differences[:SHOWN]]
    lines += [f"  … and {len(found.differences) - SHOWN:,} more"] if len(found.differences) > SHOWN else []
    lines += [f"{swapped:,} clients were put right."] if swapped else []
    return "\n".join(lines if found.differences else [*lines, "Everything is as the facts say."])
