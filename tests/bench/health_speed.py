"""`make bench`: how fast health is, beside a FastStream consumer that does the same; and what a client costs.

Parts (`--only recompute,rebuild,score,reads,looks`): events from Kafka to written scores, ours and the baseline's ·
states and day ends from facts · fold and score of one client · `GET …/health` at a steady rate · clients looked at
because time passes, and bands crossed by silence. Results go to `tests/bench/results/health_speed.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil
from common.auth import make_token
from common.clock import SystemClock
from common.settings import ServiceSettings
from loopctl import rebuilding
from loopctl.local import ports

from tests.bench import health_events, health_looks, machine, table
from tests.support.stack import TestStack, private_stack

RESULTS = Path(__file__).parent / "results" / "health_speed.json"
PARTS = ("recompute", "rebuild", "score", "reads", "looks")
CLIENTS = 500
PATIENCE = 300.0
EVENTS = 120_000
READS_A_SECOND, READ_SECONDS, CONNECTIONS = 200, 20, 16


@dataclass
class Running:
    """A process under test."""

    process: subprocess.Popen[bytes]
    port: int

    def cpu(self) -> float:
        used = psutil.Process(self.process.pid).cpu_times()
        return used.user + used.system


@contextlib.contextmanager
def running(stack: TestStack, module: str, mode: str, *, service: str = "health") -> Iterator[Running]:
    """Start it; stop it with the block."""
    port = ports.free_base(1)
    prefix = service.upper()
    process = subprocess.Popen(
        [sys.executable, "-m", module, mode],
        env={**stack.environment(service), f"{prefix}_PORT": str(port), f"{prefix}_LOG_LEVEL": "error"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Running(process, port)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def ask(stack: TestStack, sql: str, *values: Any) -> Any:
    """One value, as the owner."""
    connection = await asyncpg.connect(stack.owner_url)
    try:
        return await connection.fetchval(sql, *values)
    finally:
        await connection.close()


def recompute(stack: TestStack, *, baseline: bool) -> dict[str, Any]:
    """A backlog on Kafka, taken in by a consumer that has just started; a database for each.

    Without `baseline` only ours, since what it leaves is what other parts measure on; then nothing is returned.
    """
    now = datetime.now(UTC)
    lives = health_events.lives("recompute", clients=CLIENTS, events=EVENTS, until=now)
    said = asyncio.run(health_events.publish(stack.kafka_servers, lives))
    found: dict[str, Any] = {"events_on_kafka": said, "clients": CLIENTS}
    found["health"] = _drained(stack, "health.main", "worker", said)
    if not baseline:
        return {}
    for mode, most in (("each", 1_500), ("batch", 3_000), ("ours", said)):
        own = stack.new_database(mode)
        own.service_database("health")
        _publish_models(own)
        found[f"faststream_{mode}"] = _drained(own, "tests.bench.faststream_baseline", mode, most)
    rate = found["health"]["per_second"]
    for mode in ("each", "batch", "ours"):
        found[f"ratio_to_{mode}"] = round(rate / found[f"faststream_{mode}"]["per_second"], 1)
    return found


def _publish_models(stack: TestStack) -> None:
    """The baseline scores by the same shipped models."""
    from common.db import Database
    from health import service
    from health.settings import Settings

    async def take_over() -> None:
        database = Database(stack.url("health"), schema="health")
        folder = Settings(database_url="", kafka_bootstrap_servers="").config_dir
        await service.take_over_files(database, folder, SystemClock())
        await database.close()

    asyncio.run(take_over())


def _drained(stack: TestStack, module: str, mode: str, events: int) -> dict[str, Any]:
    """Facts a second, from the first that is there to the last; and whose CPU it took."""
    with running(stack, module, mode) as consumer:
        began = _when_facts(stack, 1)
        first, at = asyncio.run(_facts(stack)), time.monotonic()
        before = _cpu(stack, consumer)
        _when_facts(stack, events)
        last, until = asyncio.run(_facts(stack)), time.monotonic()
        after = _cpu(stack, consumer)
    taken = last - first
    return {
        "facts": taken,
        "per_second": round(taken / (until - at)),
        "cpu_microseconds_a_fact": {name: round((after[name] - before[name]) / taken * 1e6) for name in after},
        "waited_for_first_seconds": round(began, 1),
    }


def _when_facts(stack: TestStack, wanted: int) -> float:
    began = time.monotonic()
    while asyncio.run(_facts(stack)) < wanted:
        if time.monotonic() - began > PATIENCE:
            raise RuntimeError(f"no {wanted} facts within {PATIENCE:.0f} s")
        time.sleep(0.2)
    return time.monotonic() - began


async def _facts(stack: TestStack) -> int:
    return int(await ask(stack, "SELECT count(*) FROM health.facts"))


def _cpu(stack: TestStack, consumer: Running) -> dict[str, float]:
    servers = {"postgres": stack.stack.postgres.process(), "kafka": stack.stack.kafka.process()}
    used = {"consumer": consumer.cpu()}
    for name, process in servers.items():
        if process is not None:
            each = [one.cpu_times() for one in (process, *process.children(recursive=True))]
            used[name] = sum(times.user + times.system for times in each)
    return used


def rebuild(stack: TestStack) -> dict[str, Any]:
    """All that `loop health rebuild` does with what recompute left, by its two processes."""
    now = datetime.now(UTC)
    asyncio.run(ask(stack, f"CREATE SCHEMA {rebuilding.SHADOW} AUTHORIZATION health"))
    job = rebuilding.Job(stack.url("health"), rebuilding.SHADOW, now - 25 * rebuilding.MONTH, now)
    began = time.monotonic()
    found = rebuilding._run(job, quiet=True)
    seconds = time.monotonic() - began
    return {
        "clients": found.clients,
        "facts": found.facts,
        "day_ends": found.day_ends,
        "differences": len(found.differences),
        "seconds": round(seconds, 1),
        "facts_per_second": round(found.facts / seconds),
    }


def reads(stack: TestStack) -> dict[str, Any]:
    """`GET /v1/clients/{id}/health` at a steady rate, whether or not the one before has been answered."""
    with running(stack, "health.main", "api") as api:
        return asyncio.run(_read(stack, api.port))


async def _read(stack: TestStack, port: int) -> dict[str, Any]:
    secret = stack.environment("health")["HEALTH_JWT_SECRET"]
    token = make_token(secret, subject="bench", scopes=["health:read"], clock=SystemClock(), hours=1,
                       audience=ServiceSettings.model_fields["jwt_audience"].default)  # fmt: skip
    await serves(port)
    gc.freeze()  # pauses of the load itself are not health's
    gc.disable()
    readers = [await Reader.connected(port, token) for _ in range(CONNECTIONS)]
    await _at_a_rate(readers, 5 * READS_A_SECOND)
    took, statuses = await _at_a_rate(readers, READS_A_SECOND * READ_SECONDS)
    gc.enable()
    ordered = sorted(took)
    figures = {f"p{q}_ms": ordered[min(len(ordered) - 1, int(q / 100 * len(ordered)))] * 1e3 for q in (50, 95, 99)}
    return {
        "per_second": READS_A_SECOND,
        "requests": len(ordered),
        "statuses": statuses,
        **{name: round(value, 1) for name, value in figures.items()},
    }


async def _at_a_rate(readers: Sequence[Reader], count: int) -> tuple[list[float], dict[int, int]]:
    """Each at its own moment, on the next free connection; the wait for one counts."""
    free: asyncio.Queue[Reader] = asyncio.Queue()
    for reader in readers:
        free.put_nowait(reader)
    took: list[float] = []
    statuses: dict[int, int] = {}
    begin = time.monotonic() + 0.5

    async def one(nth: int) -> None:
        due = begin + nth / READS_A_SECOND
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        reader = await free.get()
        status = await reader.get(f"/v1/clients/{health_events.client_id('recompute', nth % CLIENTS)}/health")
        free.put_nowait(reader)
        statuses[status] = statuses.get(status, 0) + 1
        took.append(time.monotonic() - due)

    await asyncio.gather(*(one(nth) for nth in range(count)))
    return took, statuses


@dataclass
class Reader:
    """One kept connection; as little work as can be beside what is measured."""

    token: str
    incoming: asyncio.StreamReader
    outgoing: asyncio.StreamWriter

    @classmethod
    async def connected(cls, port: int, token: str) -> Reader:
        return cls(token, *await asyncio.open_connection("127.0.0.1", port))

    async def get(self, path: str) -> int:
        """The status; the body is read away."""
        self.outgoing.write(f"GET {path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {self.token}\r\n\r\n".encode())
        head = (await self.incoming.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        await self.incoming.readexactly(length)
        return int(head[9:12])


async def serves(port: int) -> None:
    """Until it is ready."""
    deadline = time.monotonic() + 60
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                if (await http.get("/readyz")).status_code == httpx.codes.OK:
                    return
            await asyncio.sleep(0.1)
    raise RuntimeError("health does not serve")


def rendered(found: dict[str, Any]) -> str:
    """Markdown: what each part came to."""
    taken, rebuilt, reading, one = (found[name] for name in ("recompute", "rebuild", "reads", "score"))
    cpu = taken["health"]["cpu_microseconds_a_fact"]
    crossed = found["looks"]["crossings"]
    microseconds = one["fold_microseconds"] + one["score_microseconds"]
    rows = [
        (
            "events from Kafka to written scores, one process",
            f"{taken['health']['per_second']:,}/s",
            f"µs of CPU an event: health {cpu['consumer']}, PostgreSQL {cpu['postgres']}, Kafka {cpu['kafka']}",
        )
    ]
    baselines = {"each": "an event a transaction", "batch": "a batch a transaction", "ours": "… by our own handler"}
    rows += [
        (f"a FastStream consumer, {name}", f"{taken[f'faststream_{mode}']['per_second']:,}/s",
         f"ours is {taken[f'ratio_to_{mode}']} × that") for mode, name in baselines.items()
    ]  # fmt: skip
    rows += [
        ("states and day ends from facts, two processes", f"{rebuilt['facts_per_second']:,} facts/s",
         f"{rebuilt['facts']:,} facts, {rebuilt['day_ends']:,} day ends, {rebuilt['differences']} differences"),
        ("fold + score of one client", f"{microseconds:.0f} µs",
         f"its row: {one['reading_and_writing_the_row_microseconds']:.0f} µs, {one['state_bytes']:,} bytes"),
        (f"`GET …/health` at {reading['per_second']}/s", f"p99 {reading['p99_ms']} ms", f"p50 {reading['p50_ms']} ms"),
    ]  # fmt: skip
    rows += [
        (f"{size['clients']:,} clients whose day begins at once", f"{size['looked_at_per_second']:,}/s",
         f"all within {size['seconds']} s") for size in found["looks"]["sizes"]
    ]  # fmt: skip
    rows.append((f"bands crossed by silence, {crossed['per_second']}/s",
                 f"p99 {crossed['written_after_p99_seconds']} s",
                 f"{crossed['crossings']:,} crossings, longest {crossed['longest_seconds']} s"))  # fmt: skip
    return "\n".join(["| what | figure | beside it |", "|---|---:|---|", *(f"| {' | '.join(row)} |" for row in rows)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    parser.add_argument("--most-clients", type=int, default=100_000, help="of the looks")
    wish = parser.parse_args()
    parts = wish.only.split(",")
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    with private_stack() as stack:
        found["machine"] = asyncio.run(machine.facts(stack.stack))
        stack.service_database("health")
        if {"recompute", "rebuild", "score", "reads"} & set(parts):
            _keep(found, "recompute", recompute(stack, baseline="recompute" in parts))
        for name, part in (("rebuild", rebuild), ("score", health_looks.score), ("reads", reads)):
            if name in parts:
                _keep(found, name, part(stack))
        if "looks" in parts:
            _keep(found, "looks", health_looks.looks(stack, wish.most_clients))
    if set(PARTS) <= set(found):
        table.into_readme("health_speed", f"{rendered(found)}\n\n{table.on(found['machine'])}")
    return 0


def _keep(found: dict[str, Any], name: str, part: dict[str, Any]) -> None:
    """Each part as soon as it is known; of a run without the baseline nothing is kept of recomputing."""
    if part:
        found[name] = part
        RESULTS.write_text(json.dumps(found, indent=2) + "\n")
        sys.stdout.write(f"{name}: {json.dumps(part, indent=2)}\n")


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    sys.exit(main())
