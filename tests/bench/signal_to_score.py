"""`make bench`: from the accepted webhook to the score on Kafka, at a steady rate, on a stack of its own.

Lost: an accepted event that no score names as its cause. Doubled: one that two scores name. Results go to
`tests/bench/results/signal_to_score.json`, and from there into the README's table.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
from loopctl import lifecycle
from loopctl.api import Api
from loopctl.local import ports
from loopctl.stack import PORT_SPAN, Stack

from tests.bench import load, machine, table
from tests.bench.hearing import Ear, Heard

RESULTS = Path(__file__).parent / "results" / "signal_to_score.json"
RATE, SECONDS, CLIENTS = 500, 60, 500
WARM_UP_SECONDS, STEP_SECONDS, REST_SECONDS = 10, 20, 3
STEPS = (750, 1_000, 1_250, 1_500, 1_750, 2_000, 2_500, 3_000)
GOOD_P95_MS = 1_000
MILLION = 1_000_000


@dataclass(frozen=True)
class Result:
    """One stream at one rate; times in milliseconds."""

    rate: int
    seconds: float
    events: int
    accepted: int
    refused: int
    lost: int
    doubled: int
    scores: int
    p50: float
    p95: float
    p99: float
    longest: float
    accept_p50: float
    accept_p95: float
    accept_p99: float
    cpu_percent: dict[str, float]
    """Of one core, by process, while it streamed."""


def measured(rate: int, wanted: int, sent: load.Sent, heard: Heard, cpu: dict[str, float], seconds: float) -> Result:
    """Put what was sent beside what was heard. Raises ValueError when nothing came through."""
    waits: list[float] = []
    named: dict[int, int] = {}
    for event, number in heard.number_of.items():
        arrivals = heard.scored.get(event, [])
        if number in sent.accepted and arrivals:
            named[number] = named.get(number, 0) + len(arrivals)
            waits.append((min(arrivals) - sent.accepted[number]) / MILLION)
    if not waits:
        raise ValueError(
            f"nothing of {len(sent.accepted)} accepted events was scored: {dict(list(sent.refused.items())[:3])}"
        )
    accepts = [(at - sent.due[number]) / MILLION for number, at in sent.accepted.items()]
    return Result(
        rate=rate,
        seconds=round(seconds, 1),
        events=wanted,
        accepted=len(sent.accepted),
        refused=len(sent.refused),
        lost=sum(number not in named for number in sent.accepted),
        doubled=sum(count > 1 for count in named.values()),
        scores=heard.scores,
        **dict(zip(("p50", "p95", "p99", "longest"), quantiles(waits), strict=True)),
        **dict(zip(("accept_p50", "accept_p95", "accept_p99"), quantiles(accepts), strict=False)),
        cpu_percent={name: round(100 * used / seconds) for name, used in sorted(cpu.items())},
    )


def quantiles(values: Sequence[float]) -> tuple[float, float, float, float]:
    """p50, p95, p99 and the longest."""
    ordered = sorted(values)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)

    return at(0.50), at(0.95), at(0.99), round(ordered[-1], 1)


class Bench:
    """One stack with its clients, and streams on it."""

    def __init__(self, stack: Stack, clients: int) -> None:
        self.stack = stack
        self.groups = [f"bench-{uuid4().hex[:12]}" for _ in range(clients)]
        self._next = 1

    def prepare(self) -> None:
        """Make the clients known, and let everything warm up."""
        started = (datetime.now(UTC) - timedelta(days=200)).isoformat()
        lines = b"".join(_registered(group, started) for group in self.groups)
        ingest = Api(self.stack, "ingest", ["ingest:import"])
        ingest.good(ingest.call("POST", "/v1/imports", content=lines, timeout=300))
        self.stream(100, WARM_UP_SECONDS)

    def take(self, count: int) -> int:
        """The first of so many numbers that nobody has sent."""
        first, self._next = self._next, self._next + count
        return first

    def stream(self, rate: int, seconds: float) -> Result:
        count = int(rate * seconds)
        wanted = load.requests(self.stack, self.groups, self.take(count), count, rate)
        ear = Ear(self.stack.bootstrap_servers)
        before, began = machine.cpu_seconds(self.stack), time.monotonic()
        sent = asyncio.run(load.stream(self.stack, wanted, rate))
        took = time.monotonic() - began
        after = machine.cpu_seconds(self.stack)
        heard = ear.heard()
        cpu = {name: after[name] - used for name, used in before.items() if name in after}
        result = measured(rate, count, sent, heard, cpu, took)
        tell(f"{rate:>6}/s  {json.dumps(asdict(result) | {'cpu_percent': None})}")
        time.sleep(REST_SECONDS)
        return result


def _registered(group: str, started: str) -> bytes:
    body = {
        "type": "csl.client.client_registered.v1",
        "source": "bench",
        "subject": f"ref:segment:group:{group}",
        "time": started,
        "data": {
            "name": group,
            "key_features": ["reports"],
            "seats": 20,
            "refs": [{"source": "segment", "kind": "group", "id": group}],
        },
    }
    return orjson.dumps(body, option=orjson.OPT_APPEND_NEWLINE)


def highest(bench: Bench, steps: Sequence[int]) -> list[Result]:
    """Rise until p95 passes a second, something is refused, or the stream itself cannot keep its rate."""
    found: list[Result] = []
    for rate in steps:
        result = bench.stream(rate, STEP_SECONDS)
        found.append(result)
        if not is_good(result):
            break
    return found


def is_good(result: Result) -> bool:
    """Whether the rate was kept, nothing was lost or doubled, and p95 stayed below a second."""
    kept_up = result.accepted == result.events and result.seconds <= 1.1 * result.events / result.rate
    return result.p95 < GOOD_P95_MS and not result.refused and not result.lost and not result.doubled and kept_up


@contextmanager
def own_stack() -> Iterator[Stack]:
    """A stack in a temporary folder, without demo, on ports of its own."""
    folder = Path(tempfile.mkdtemp(prefix="csl-bench-"))
    folder.chmod(0o711)  # PostgreSQL runs as another user when we are root
    stack = Stack.at(folder, base=ports.free_base(PORT_SPAN))
    try:
        lifecycle.up(stack, demo=False)
        yield stack
    finally:
        lifecycle.down(stack)
        shutil.rmtree(folder, ignore_errors=True)


def tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=RATE)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    parser.add_argument("--clients", type=int, default=CLIENTS)
    parser.add_argument("--no-rise", action="store_true", help="only the steady stream")
    wish = parser.parse_args()
    with own_stack() as stack:
        bench = Bench(stack, wish.clients)
        about: dict[str, Any] = asyncio.run(machine.facts(stack))
        bench.prepare()
        steady = bench.stream(wish.rate, wish.seconds)
        rise = [] if wish.no_rise else highest(bench, STEPS)
    good = [result.rate for result in (steady, *rise) if is_good(result)]
    content = {
        "machine": about,
        "clients": wish.clients,
        "steady": asdict(steady),
        "rise": [asdict(result) for result in rise],
        "highest_rate": max(good, default=0),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(content, indent=2) + "\n")
    table.into_readme("signal_to_score", table.rendered())
    tell(table.rendered())
    return 0 if not steady.lost and not steady.doubled else 1


if __name__ == "__main__":
    sys.exit(main())
