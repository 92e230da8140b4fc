"""`loop doctor`: what is wrong with a stack, each with what to do about it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import asyncpg
from common.clock import SystemClock

from loopctl import business_time, inspection, letters, programs, provision
from loopctl.api import Api
from loopctl.errors import Problem
from loopctl.local.java import find_java
from loopctl.local.processes import need_free_space
from loopctl.stack import Stack

OLDEST_PYTHON = (3, 11)
WARN_MB = 2048
OUTBOX_SECONDS = 30
"""An unsent row older than this means that the relay is stuck or Kafka is away."""
REFUSED_REMEDY = "another one speaks until it is mended: docs/runbooks/model-refused.md"
TIMER_SECONDS = 60
"""Business seconds by which a timer may be late before the doctor says so; scaled clocks make more of them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    what: str
    remedy: str

    def as_text(self) -> str:
        return f"✗ {self.what}\n  → {self.remedy}"

    def as_json(self) -> dict[str, str]:
        return {"what": self.what, "remedy": self.remedy}


def examine(stack: Stack) -> list[Finding]:
    """Look at the machine, then at the processes, then at what they hold."""
    findings = list(_machine(stack))
    if not stack.exists():
        return [*findings, Finding(f"There is no stack in {stack.folder}", "start one with `loop up`")]
    running = list(_processes(stack))
    findings += running
    if all(part.good for part in inspection.parts(stack)[:2]):
        findings += list(_guarded(lambda: provision.run(_database(stack))))
        findings += list(_guarded(lambda: _dead_letters(stack)))
        findings += list(_clock(stack))
        if "churn" in programs.installed_services() and not any(one.what.startswith("churn ") for one in running):
            findings += list(_guarded(lambda: _model(stack)))
    return findings


def _guarded(look: Callable[[], list[Finding]]) -> list[Finding]:
    """What cannot be looked at is a finding, too."""
    try:
        return look()
    except Problem as problem:
        return [Finding(problem.what, problem.remedy)]


def _machine(stack: Stack) -> Iterator[Finding]:
    if sys.version_info < OLDEST_PYTHON:
        yield Finding(f"Python {sys.version.split()[0]} is too old", "install Python 3.11 or newer, then `make up`")
    place = stack.folder if stack.folder.exists() else stack.folder.parent
    checks: list[Callable[[], Any]] = [lambda: need_free_space(place, megabytes=WARN_MB)]
    if stack.embedded_kafka:
        checks.append(find_java)
    for check in checks:
        try:
            check()
        except Problem as problem:
            yield Finding(problem.what, problem.remedy)
    secrets = stack.folder / "secrets.json"
    if secrets.exists() and secrets.stat().st_mode & 0o077:
        yield Finding(f"{secrets} may be read by others", f"chmod 600 {secrets}")
    if hasattr(os, "getloadavg") and os.getloadavg()[0] > 4 * (os.cpu_count() or 1):
        yield Finding(f"The machine is overloaded (load {os.getloadavg()[0]:.0f})", "expect everything to be late")


def _processes(stack: Stack) -> Iterator[Finding]:
    for part in inspection.parts(stack):
        if part.good:
            continue
        if part.elsewhere:
            yield Finding(f"{part.name} is away: {part.waits_for}", "start your server, or mend its address")
        elif part.process is None:
            yield Finding(
                f"{part.name} does not run", f"`loop up` starts it; `loop logs {part.name}` says why it ended"
            )
        else:
            yield Finding(f"{part.name} is not ready: {part.waits_for}", f"look at `loop logs {part.name}`")


async def _database(stack: Stack) -> list[Finding]:
    connection = await provision.connect(stack.owner_url)
    findings: list[Finding] = []
    try:
        for service in programs.installed_services():
            if await connection.fetchval("SELECT to_regclass($1)", f"{service}.timers") is None:
                findings.append(Finding(f"{service} has no tables", "`loop migrate` makes them"))
            else:
                findings += await _plumbing(stack, connection, service)
        if "ingest" in programs.installed_services():
            findings += await _ingest(connection)
    except asyncpg.UndefinedTableError as error:
        findings.append(Finding(f"A table is missing ({error})", "`loop migrate` makes it"))
    finally:
        await connection.close()
    return findings


async def _plumbing(stack: Stack, connection: Any, service: str) -> list[Finding]:
    findings = []
    oldest = await connection.fetchval(f"SELECT min(written_at) FROM {service}.outbox_unsent WHERE lane = 0")  # noqa: S608  (a service's name of ours; values are parameters)
    if oldest is not None and (age := (SystemClock().wall() - oldest).total_seconds()) > OUTBOX_SECONDS:
        findings.append(
            Finding(f"{service} has events that are not on Kafka since {age:.0f} s",
                    f"see whether Kafka runs (`loop status`), then `loop logs {service}`")
        )  # fmt: skip
    parked = await connection.fetchval(f"SELECT count(*) FROM {service}.outbox_parked")  # noqa: S608  (a service's name of ours; values are parameters)
    if parked:
        findings.append(
            Finding(f"{service} has {parked} events that Kafka can never take (table outbox_parked says why)",
                    "they are larger than a record may be: find who writes them")
        )  # fmt: skip
    late, stuck = await connection.fetchrow(
        f"SELECT count(*) FILTER (WHERE parked_at IS NULL AND due_at < $1),"  # noqa: S608  (a service's name of ours; values are parameters)
        f" count(*) FILTER (WHERE parked_at IS NOT NULL) FROM {service}.timers",
        business_time.now(stack) - _patience(stack),
    )
    if late:
        findings.append(Finding(f"{late} timers of {service} are late", f"look at `loop logs {service}`"))
    if stuck:
        findings.append(
            Finding(f"{stuck} timers of {service} failed again and again and wait (table timers, last_error)",
                    "mend the cause, then set parked_at and attempts back")
        )  # fmt: skip
    return findings


def _patience(stack: Stack) -> Any:
    from datetime import timedelta

    course = business_time.read(stack)
    scale = course.scale if course and business_time.lag(stack) else 1.0
    return timedelta(seconds=TIMER_SECONDS * max(1.0, scale / 10))


_UNFETCHED = """
SELECT source, count(*) AS objects, max(failure) AS failure FROM ingest.enrichments
WHERE (fetched_at IS NULL OR failed_at > fetched_at)
  AND (state = 'failed' OR (state = 'waiting' AND failure LIKE 'the token is refused%'))
GROUP BY source ORDER BY source
"""


async def _ingest(connection: Any) -> list[Finding]:
    findings = []
    waiting = await connection.fetchval("SELECT count(*) FROM ingest.quarantine WHERE resolved_at IS NULL")
    if waiting:
        findings.append(
            Finding(f"{waiting} webhooks could not be read", "`loop quarantine list` says why; mend, then replay them")
        )
    unmatched = await connection.fetchval("SELECT count(*) FROM ingest.unmatched")
    if unmatched:
        findings.append(
            Finding(f"{unmatched} references match no client; their events wait",
                    "GET /v1/unmatched of ingest lists them; assign each to a client")
        )  # fmt: skip
    findings += [
        Finding(f"{row['objects']} objects of {row['source']} cannot be fetched ({row['failure']})",
                "mend the token or its rights (INGEST_ENRICHMENT_TOKENS, docs/sources); see `loop sources list`")
        for row in await connection.fetch(_UNFETCHED)
    ]  # fmt: skip
    return findings


def _clock(stack: Stack) -> Iterator[Finding]:
    """A clock that stands still in the past lets no deadline pass."""
    course = business_time.read(stack)
    if course is None or not business_time.lag(stack) or programs.demo(stack).process() is not None:
        return
    now = business_time.now(stack)
    if course.scale == 0 or (course.until is not None and now >= course.until):
        yield Finding(
            f"Business time stands still at {now:%Y-%m-%d %H:%M} UTC, and the demo that drove it does not play",
            "`loop up --demo` goes on with it, `loop demo --remove` ends it and returns to wall time",
        )


def _dead_letters(stack: Stack) -> list[Finding]:
    waiting = [letter for letter in letters.read(stack) if not letter.handled]
    if not waiting:
        return []
    services = sorted({letter.service for letter in waiting})
    return [
        Finding(f"{len(waiting)} events were given up by {', '.join(services)}",
                "`loop dlq list` says why; mend the cause, then `loop dlq replay --all`")
    ]  # fmt: skip


def _model(stack: Stack) -> list[Finding]:
    """A model that was put into service and cannot be loaded is replaced quietly: somebody should know."""
    refused = Api(stack, "churn", ["churn:read"]).get("/v1/models", limit=1).get("refused")
    return [Finding(f"Churn's model cannot be loaded: {refused}", REFUSED_REMEDY)] if refused else []
