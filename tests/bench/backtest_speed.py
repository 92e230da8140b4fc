"""How long a backtest takes: `python -m tests.bench.backtest_speed [--clients 10000] [--skip-service]`.

A year of so many generated clients, 52 weekly moments: once from a file by `loop health backtest --events`, as a whole
(start, reading, both models, report), and once by the service's job from a real PostgreSQL. Wall seconds, and the CPU
that all its processes used. Results go to tests/bench/results/backtest_speed.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from common.clock import ManualClock
from common.contracts.ids import derived_id
from common.db import Database
from common.ids import new_id
from common.settings import REPOSITORY_CONFIG
from health import backtests, backtests_repository, definitions_repository, service
from health.backtests_repository import Backtest
from health.domain.blast import Limits

from tests.bench import machine
from tests.support.stack import TestStack, private_stack

RESULTS = Path(__file__).parent / "results" / "backtest_speed.json"
END = datetime(2026, 3, 2, tzinfo=UTC)
WEEKS = 52
DAYS = (WEEKS + 1) * 7
FEATURES = ("reports", "automation", "export", "alerts", "api")
FIRST = UUID(int=0)
FACTS = ("client_id", "event_id", "type", "time", "knowntime", "sequence", "origin", "source", "replaces", "data")

Said = tuple[float, str, str, dict[str, Any]]
"""Day of the year, kind of event, source, body."""


def life(nth: int) -> list[Said]:
    """A year of one client: one in ten fades for three months and leaves."""
    random = Random(nth)
    leaves = random.uniform(120, DAYS - 10) if nth % 10 == 0 else None
    end = leaves if leaves is not None else float(DAYS)
    said: list[Said] = [(0.0, "client_registered", "hubspot", _profile(nth))]
    said += [(0.1, "contact_added", "hubspot", {"contact_id": f"p{n}", "role": role})
             for n, role in enumerate(("sponsor", "champion"))]  # fmt: skip
    target = {"kpi": "hours", "unit": "h", "direction": "up", "baseline": 0.0, "target": 10.0}
    said.append((0.2, "kpi_target_set", "csm", target))
    for day in range(1, int(end)):
        fading = leaves is not None and day > leaves - 90
        if random.random() < (0.05 if fading else 0.2):
            said.append((day + 0.3, "logged_in", "segment", {"contact_id": f"u{random.randrange(9)}"}))
        if random.random() < (0.03 if fading else 0.12):
            used = {"feature": random.choice(FEATURES), "quantity": float(random.randrange(1, 20))}
            said.append((day + 0.4, "usage_recorded", "segment", used))
        if day % 30 == 7:
            said += _month(random, nth, day, fading=fading)
    if leaves is not None:
        gone = {"effective_on": (END - timedelta(days=DAYS - leaves)).date().isoformat(), "reason": "no use"}
        said.append((leaves, "contract_cancelled", "stripe", gone))
    return sorted(said, key=lambda each: each[0])


def _profile(nth: int) -> dict[str, Any]:
    started = (END - timedelta(days=DAYS + 200)).date().isoformat()
    return {"name": f"Client {nth}", "tier": "core", "segment": "smb", "seats": 10, "key_features": list(FEATURES),
            "contract_started_on": started, "mrr": {"amount": 90_000, "currency": "USD"}, "refs": []}  # fmt: skip


def _month(random: Random, nth: int, day: int, *, fading: bool) -> Iterator[Said]:
    invoice = {"invoice_id": f"i{day}", "amount": {"amount": 9900, "currency": "USD"},
               "due_on": (END - timedelta(days=DAYS - day - 14)).date().isoformat()}  # fmt: skip
    mood = {"sentiment": -0.4 if fading else 0.3, "words": 40}
    yield day + 0.5, "invoice_issued", "stripe", invoice
    yield day + (20 if fading else 5) + 0.5, "invoice_paid", "stripe", {"invoice_id": f"i{day}"}
    yield day + 0.6, "kpi_reported", "csm", {"kpi": "hours", "value": float(3 if fading else 9)}
    yield day + 0.7, "ticket_opened", "zendesk", {"ticket_id": f"t{day}", "priority": "normal", "reading": mood}
    yield day + 2.7, "ticket_resolved", "zendesk", {"ticket_id": f"t{day}", "csat": {"score": 4.0, "scale_max": 5.0}}
    mail = {"message_id": f"m{day}", "channel": "email", "direction": "inbound", "contact_id": "p0", "reading": mood}
    yield day + 3.5, "message_exchanged", "hubspot", mail
    if day % 90 == 7:
        score = {"survey": "nps", "score": float(random.randrange(4, 11)), "scale_min": 0.0, "scale_max": 10.0}
        yield day + 4.5, "survey_answered", "delighted", {**score, "contact_id": f"u{nth % 9}"}


def at(day: float) -> datetime:
    return END - timedelta(days=DAYS - min(day, DAYS - 0.01))


def client_of(nth: int) -> UUID:
    return derived_id("backtest client", nth)


def write_file(path: Path, clients: int) -> int:
    """The year in import form; returns how many events."""
    count = 0
    with path.open("wb") as file:
        for nth in range(clients):
            subject = str(client_of(nth))
            for day, kind, source, data in life(nth):
                line = {"type": f"csl.client.{kind}.v1", "source": source, "subject": subject, "time": at(day),
                        "data": data}  # fmt: skip
                file.write(orjson.dumps(line) + b"\n")
                count += 1
    return count


def candidate() -> str:
    """The shipped model, with a lower bar for green."""
    return (REPOSITORY_CONFIG / "health" / "loop.yaml").read_text().replace("green: 80", "green: 75")


def of_file(folder: Path, clients: int) -> dict[str, Any]:
    """`loop health backtest --events`, start to end."""
    events = write_file(folder / "year.ndjson", clients)
    model = folder / "candidate.yaml"
    model.write_text(candidate())
    command = [str(Path(sys.executable).parent / "loop"), "health", "backtest", "--model", str(model), "--events",
               str(folder / "year.ndjson"), "--from", (END - timedelta(days=DAYS)).isoformat(), "--to",
               END.isoformat(), "--json"]  # fmt: skip
    before, started = _children(), time.monotonic()
    done = subprocess.run(command, capture_output=True, check=True)
    seconds = time.monotonic() - started
    return {"events": events, **_figures(json.loads(done.stdout), seconds, _children() - before)}


async def of_service(stack: TestStack, clients: int) -> dict[str, Any]:
    """The service's job on a database that holds the same year, each event known a second after it happened."""
    database = Database(stack.service_database("health"), schema="health")
    clock = ManualClock(END)
    await service.take_over_files(database, REPOSITORY_CONFIG, clock)
    events = await _fill(stack, clients)
    async with database.transaction() as session:
        asked = Backtest(
            id=new_id(), state="waiting", text=candidate(), model="loop", since=END - timedelta(weeks=WEEKS), until=END,
            book=await definitions_repository.in_force(session), asked_at=END, asked_by="bench", clients=clients,
            clients_done=0, after=FIRST, attempts=0,
        )  # fmt: skip
        await backtests_repository.ask(session, asked)
    before, started = _children(), time.monotonic()
    await backtests.run(database, clock, limits=Limits())
    seconds = time.monotonic() - started
    async with database.read() as session:
        done = await backtests_repository.backtest(session, asked.id)
    await database.close()
    if done.report is None:
        raise RuntimeError(f"the backtest is {done.state}: {done.error}")
    return {"events": events, **_figures(done.report, seconds, _children() - before)}


async def _fill(stack: TestStack, clients: int) -> int:
    connection = await asyncpg.connect(stack.owner_url, server_settings={"search_path": "health"})
    count = 0
    try:
        for first in range(0, clients, 500):
            chosen = range(first, min(first + 500, clients))
            rows = [row for nth in chosen for row in _facts(nth)]
            count += len(rows)
            await connection.copy_records_to_table("facts", records=rows, columns=FACTS, schema_name="health")
            await connection.executemany(
                "INSERT INTO clients (client_id, test, ended, mrr, sources, confidence, baseline_due, late_told_until,"
                " generation) VALUES ($1, false, false, 0, '{}', 0, false, $2, 0)",
                [(client_of(nth), END) for nth in chosen],
            )
        await connection.execute("ANALYZE")
    finally:
        await connection.close()
    return count


def _facts(nth: int) -> Iterator[tuple[Any, ...]]:
    who = client_of(nth)
    for place, (day, kind, source, data) in enumerate(life(nth)):
        moment = at(day)
        event_id = derived_id("backtest event", nth, place)
        known = min(moment + timedelta(seconds=1), END)
        yield (who, event_id, f"csl.client.{kind}.v1", moment, known, 0, "live", f"csl/ingest/{source}", None,
               orjson.dumps(data).decode())  # fmt: skip


def _figures(report: dict[str, Any], seconds: float, cpu: float) -> dict[str, Any]:
    return {
        "clients": report["clients"],
        "moments": report["moments"],
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "changed_of_all_weeks": report["bands"]["all"]["changed"],
        "compared": report["bands"]["all"]["compared"],
        "cancellations": report["cancellations"]["happened"],
    }


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=10_000)
    parser.add_argument("--skip-service", action="store_true")
    given = parser.parse_args()
    found: dict[str, Any] = {"load_before": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory(prefix="csl-bench-") as folder:
        found["file"] = of_file(Path(folder), given.clients)
    print(json.dumps(found["file"]), flush=True)
    if not given.skip_service:
        with private_stack() as stack:
            found["machine"] = asyncio.run(machine.facts(stack.stack))
            found["service"] = asyncio.run(of_service(stack, given.clients))
        print(json.dumps(found["service"]), flush=True)
    found["machine"] = {**found.get("machine", {}), "load_before": found.pop("load_before")}
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
