"""`make bench`: how many webhooks a second ingest makes durable, beside an ordinary route that commits each.

Four measurements on one PostgreSQL (fsync on) and one Kafka: single posts, batches of 100, a long steady run with a
replica killed in the middle, and a storm of retries on two replicas. What was accepted is counted on Kafka, by id.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer
from common.contracts import client

from tests.bench import bare_insert, machine, table, volley
from tests.bench.layers import costs
from tests.bench.replicas import Bench, batches, feature, posts, running, shares
from tests.support.stack import private_stack

RESULTS = Path(__file__).parent / "results" / "accepting.json"
CONNECTIONS = 64
BATCH, BATCH_CONNECTIONS = 100, 32
"""Events in a post, and senders of such posts: enough of them that the next group is there when one is committed."""
MOST_A_SECOND = 30_000
"""Events that are prepared for a second of posts of many: nobody is to run out of them."""
POOLS = (6, 32)
"""Sizes of the baseline's connection pool: the better one counts."""
SHARE_FOR_LATENCY, SHARE_FOR_STEADY = 0.7, 0.8
MARGIN = 3


def singles(bench: Bench, seconds: float) -> dict[str, Any]:
    """The top rate of single posts, the baseline's, and the latency at 70 % of the top."""
    baseline: dict[str, Any] = {}
    for pool in POOLS:
        found = _top(bench, "tests.bench.committing_each", seconds, {"INGEST_DATABASE_POOL": str(pool)})
        if found["per_second"] > baseline.get("per_second", 0):
            baseline = {**found, "pool": pool}
    ours = _top(bench, "ingest.main", seconds)
    two, _ = _two(bench, posts("two", int(12_000 * seconds)), seconds)
    rate = ours["per_second"] * SHARE_FOR_LATENCY
    replica = _fresh(bench, "ingest.main")
    paced = volley.fire(replica.port, posts("paced", int(rate * seconds)), connections=4 * CONNECTIONS, rate=rate)
    bench.stop(replica)
    return {
        "ours": ours,
        "two_replicas": round(two, 1),
        "committing_each": baseline,
        "ratio": round(ours["per_second"] / baseline["per_second"], 2),
        "ratio_of_two": round(two / baseline["per_second"], 2),
        "at_70_percent": {"rate": round(rate), **_latency(paced), "statuses": paced.statuses},
        "microseconds_in_process": costs(),
    }


def _fresh(bench: Bench, module: str, environment: dict[str, str] | None = None) -> Any:
    bench.empty()
    replica = bench.start(module, environment=environment)
    bench.register(replica)
    volley.fire(replica.port, posts("warm", 2_000), connections=CONNECTIONS, seconds=3)
    return replica


def _top(bench: Bench, module: str, seconds: float, environment: dict[str, str] | None = None) -> dict[str, Any]:
    """Closed loop on 64 connections."""
    replica = _fresh(bench, module, environment)
    wanted = posts("top", int(6_000 * seconds))
    with volley.measured_cpu(bench.cpu_seconds) as cpu:
        answers = volley.fire(replica.port, wanted, connections=CONNECTIONS, seconds=seconds)
    bench.stop(replica)
    return {
        "per_second": round(answers.rate, 1),
        **_latency(answers),
        "statuses": answers.statuses,
        "cpu_microseconds_per_post": _each(cpu, len(answers.answered)),
    }


def _two(
    bench: Bench, wanted: list[bytes], seconds: float, connections: int = CONNECTIONS
) -> tuple[float, dict[str, float]]:
    """Good answers a second of two replicas, half of the connections to each; CPU microseconds an answer."""
    first, second = _fresh(bench, "ingest.main"), bench.start()
    found: list[volley.Answers] = []

    def half(port: int, dealt: list[bytes]) -> None:
        found.append(volley.fire(port, dealt, connections=connections // 2, seconds=seconds))

    pairs = zip((first.port, second.port), shares(wanted, 2), strict=True)
    threads = [threading.Thread(target=half, args=pair) for pair in pairs]
    with volley.measured_cpu(bench.cpu_seconds) as cpu:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for replica in (first, second):
        bench.stop(replica)
    return sum(answers.rate for answers in found), _each(cpu, sum(len(answers.answered) for answers in found))


def _latency(answers: volley.Answers) -> dict[str, float]:
    return {f"p{q}_ms": round(answers.quantile(q / 100) * 1e3, 1) for q in (50, 95, 99)}


def in_batches(bench: Bench, seconds: float) -> dict[str, Any]:
    """Rows a second of posts of 100 events, beside the same rows inserted in bulk with nothing else done."""
    replica = _fresh(bench, "ingest.main")
    wanted = batches("batch", int(MOST_A_SECOND / BATCH * seconds), BATCH)
    with volley.measured_cpu(bench.cpu_seconds) as cpu:
        answers = volley.fire(replica.port, wanted, connections=BATCH_CONNECTIONS, seconds=seconds)
    bench.stop(replica)
    wanted = batches("two-batch", len(wanted), BATCH)
    two, cpu_of_two = _two(bench, wanted, seconds, connections=BATCH_CONNECTIONS)
    bare = asyncio.run(bare_insert.measure(bench.stack.owner_url, seconds / 2))
    events = len(answers.answered) * BATCH / answers.seconds
    return {
        "connections": BATCH_CONNECTIONS,
        "events_per_second": round(events),
        "two_replicas": round(two * BATCH),
        "statuses": answers.statuses,
        "cpu_microseconds_per_event": _each(cpu, len(answers.answered) * BATCH),
        "cpu_microseconds_per_event_of_two": {name: round(used / BATCH, 1) for name, used in cpu_of_two.items()},
        "bare_insert_events_per_second": bare,
        "ratio": round(events / bare["same_rows"], 2),
        "ratio_of_two": round(two * BATCH / bare["same_rows"], 2),
        "ratio_to_one_writer": round(events / bare["one_writer"], 2),
    }


def _each(seconds: dict[str, float], count: int) -> dict[str, float]:
    """Microseconds."""
    return {name: round(used / count * 1e6, 1) for name, used in seconds.items()}


def steady(bench: Bench, rate: float, minutes: float) -> dict[str, Any]:
    """Two replicas at 80 % of the top rate; in the middle one is killed (SIGKILL) and started anew."""
    bench.empty()
    first, second = bench.start(), bench.start()
    bench.register(first)
    count = int(rate * minutes * 60)
    tag = f"steady-{time.time():.0f}"
    halves = shares(posts(tag, count), 2)
    memory: list[tuple[float, float]] = []
    found: list[volley.Answers] = [volley.Answers(), volley.Answers()]

    def half(nth: int, port: int) -> None:
        found[nth] = volley.fire(port, halves[nth], connections=CONNECTIONS * 2, rate=rate / 2)

    began = time.monotonic()
    threads = [threading.Thread(target=half, args=(n, r.port)) for n, r in enumerate((first, second))]
    for thread in threads:
        thread.start()
    killed = False
    while any(thread.is_alive() for thread in threads):
        time.sleep(1)
        elapsed = time.monotonic() - began
        memory.append((elapsed, sum(r.memory_mb for r in bench.replicas if r.process.poll() is None)))
        if not killed and elapsed > minutes * 30:
            killed = True
            second.kill()
            bench.replicas.remove(second)
            bench.start(environment={"INGEST_PORT": str(second.port)})
    accepted = [halves_position * 2 + nth for nth, answers in enumerate(found) for halves_position in answers.answered]
    heard = asyncio.run(_counted(bench.stack.kafka_servers, tag))
    return {
        "rate": round(rate),
        "minutes": minutes,
        "sent": count,
        "accepted": len(accepted),
        "statuses": dict(sum((Counter(a.statuses) for a in found), Counter())),
        **_kafka(accepted, heard),
        "latency_by_fifth": _fifths(found),
        "memory_mb_by_fifth": _memory_fifths(memory),
    }


def _fifths(found: Iterable[volley.Answers]) -> list[dict[str, float]]:
    """p50 and p99 of each fifth of the run, in ms."""
    pairs = sorted((at, wait) for answers in found for at, wait in zip(answers.finished, answers.waits, strict=True))
    size = len(pairs) // 5 or 1
    parts = [sorted(wait for _, wait in pairs[n * size : (n + 1) * size]) for n in range(5)]
    return [
        {"p50_ms": round(p[len(p) // 2] * 1e3, 1), "p99_ms": round(p[int(len(p) * 0.99)] * 1e3, 1)} for p in parts if p
    ]


def _memory_fifths(memory: list[tuple[float, float]]) -> list[float]:
    size = len(memory) // 5 or 1
    return [round(max(mb for _, mb in memory[n * size : (n + 1) * size]), 1) for n in range(5) if memory[n * size :]]


def storm(bench: Bench, count: int) -> dict[str, Any]:
    """Every body three times, at once, to two replicas."""
    bench.empty()
    first, second = bench.start(), bench.start()
    bench.register(first)
    tag = f"storm-{time.time():.0f}"
    wanted = posts(tag, count)
    found: list[volley.Answers] = []

    def fire(port: int) -> None:
        found.append(volley.fire(port, wanted, connections=CONNECTIONS))

    threads = [threading.Thread(target=fire, args=(port,)) for port in (first.port, second.port, first.port)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    accepted = [position for answers in found for position in answers.answered]
    heard = asyncio.run(_counted(bench.stack.kafka_servers, tag))
    for replica in (first, second):
        bench.stop(replica)
    return {"bodies": count, "posts_answered": len(accepted), **_kafka(accepted, heard)}


def _kafka(accepted: Iterable[int], heard: dict[str, Counter[Any]]) -> dict[str, int]:
    """Lost: accepted, not on Kafka. Doubled: said under two ids. Repeated: the same record again (at least once)."""
    events, repeats = heard["events"], heard["records"]
    return {
        "lost": len(set(accepted) - events.keys()),
        "doubled": sum(n - 1 for n in events.values()),
        "repeated_records": sum(n - 1 for n in repeats.values()),
    }


async def _counted(servers: str, tag: str) -> dict[str, Counter[Any]]:
    """By number of the post: under how many ids it is on Kafka; by id: in how many records. Ends when it is quiet."""
    wanted = feature(tag)
    consumer = AIOKafkaConsumer(
        client.TOPIC, bootstrap_servers=servers, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    ids: dict[int, set[str]] = {}
    records: Counter[Any] = Counter()
    quiet = 0
    try:
        while quiet < MARGIN:
            got = await consumer.getmany(timeout_ms=2_000, max_records=20_000)
            quiet = 0 if got else quiet + 1
            for batch in got.values():
                for record in batch:
                    event = orjson.loads(record.value)
                    if event["data"].get("feature") == wanted:
                        number = int(event["data"]["quantity"])
                        ids.setdefault(number, set()).add(event["id"])
                        records[event["id"]] += 1
    finally:
        await consumer.stop()
    return {"events": Counter({n: len(known) for n, known in ids.items()}), "records": records}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--only", choices=["singles", "batches", "steady", "storm"], action="append")
    wish = parser.parse_args()
    only = wish.only or ["singles", "batches", "steady", "storm"]
    content = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    with private_stack() as stack, running(stack) as bench:
        content["machine"] = asyncio.run(machine.facts(stack.stack))
        if "singles" in only:
            content["singles"] = singles(bench, wish.seconds)
            _show(content["singles"])
        if "batches" in only:
            content["batches"] = in_batches(bench, wish.seconds)
            _show(content["batches"])
        if "storm" in only:
            content["storm"] = storm(bench, 5_000)
            _show(content["storm"])
        if "steady" in only:
            content["steady"] = steady(bench, content["singles"]["ours"]["per_second"] * SHARE_FOR_STEADY, wish.minutes)
            _show(content["steady"])
    RESULTS.write_text(json.dumps(content, indent=2) + "\n")
    if {"singles", "batches", "steady", "storm"} <= content.keys():
        table.into_readme("accepting", rendered(content))
    return 0


def rendered(content: dict[str, Any]) -> str:
    """Markdown for the README."""
    single, batch, steady, storm = (content[part] for part in ("singles", "batches", "steady", "storm"))
    ours, theirs, paced = single["ours"], single["committing_each"], single["at_70_percent"]
    latency, memory = steady["latency_by_fifth"], steady["memory_mb_by_fifth"]
    bare = batch["bare_insert_events_per_second"]
    rows = {
        "single posts, one process, 64 connections": f"{ours['per_second']:,.0f}/s",
        f"the same application, committing each (pool of {theirs['pool']})": f"{theirs['per_second']:,.0f}/s",
        "two replicas of it": f"{single['two_replicas']:,.0f}/s",
        "ratios": f"{single['ratio']}, with two replicas {single['ratio_of_two']}",
        "CPU a post": _costs(ours["cpu_microseconds_per_post"]),
        "CPU a post, committing each": _costs(theirs["cpu_microseconds_per_post"]),
        f"at 70 % of the top rate ({paced['rate']:,}/s)": _three(paced),
        f"posts of {BATCH} events, {batch['connections']} connections": (
            f"{batch['events_per_second']:,} events/s, with two replicas {batch['two_replicas']:,} events/s"
        ),
        "CPU an event of them": _costs(batch["cpu_microseconds_per_event"]),
        "the same rows, inserted in bulk by four writers and nothing else": (
            f"{bare['same_rows']:,} events/s; ratios {batch['ratio']}, with two replicas {batch['ratio_of_two']}"
        ),
        "… inserted by one writer": (
            f"{bare['one_writer']:,} events/s; ratio of one process {batch['ratio_to_one_writer']}"
        ),
        f"{steady['minutes']:g} minutes at {steady['rate']:,}/s, two replicas, one killed in the middle": (
            f"{steady['accepted']:,} accepted, {steady['lost']} lost, {steady['doubled']} doubled"
        ),
        "… its first and last fifth": (
            f"p50 {latency[0]['p50_ms']} and {latency[-1]['p50_ms']} ms, p99 {latency[0]['p99_ms']} and "
            f"{latency[-1]['p99_ms']} ms, memory {memory[0]:.0f} and {memory[-1]:.0f} MB"
        ),
        f"{storm['bodies']:,} bodies, each three times at once, two replicas": (
            f"{storm['lost']} lost, {storm['doubled']} doubled"
        ),
    }
    lines = ["| | measured |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]
    return "\n".join([*lines, "", table.on(content["machine"])])


def _three(latency: dict[str, Any]) -> str:
    return ", ".join(f"p{q} {latency[f'p{q}_ms']} ms" for q in (50, 95, 99))


def _costs(microseconds: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.0f} µs" for name, value in microseconds.items())


def _show(part: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(part, indent=1) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
