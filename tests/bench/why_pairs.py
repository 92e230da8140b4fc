"""`…/why` over random pairs of moments of third-party clients: do its causes sum exactly, and how long does one take?

Facts in import form (the converters in `tests/bench/datasets`) become client events; each pair is answered by the
service's own code (`explaining.answered`). So that every kind of cause occurs, one fact in a hundred is known only up
to 30 days after it happened, and another version of every model comes into force half-way. Both scores are worked out
again from nothing and compared. Results go to `tests/bench/results/why_pairs.json`; exit code 1: a pair does not sum.

    .venv/bin/python -m tests.bench.why_pairs [--pairs 10000] [--clients 150] [--data ../shared/data]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

import orjson
from common.contracts import registry
from common.contracts.base import Event, Origin
from health import definitions
from health.book import Book
from health.domain.evaluate import evaluate
from health.domain.fold import fold
from health.domain.model import POINT
from health.domain.moments import seconds_of
from health.explaining import answered, as_known
from health.replay import shipped_book
from health.served import Served

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "why_pairs.json"
CONFIG = HERE.parents[1] / "deploy" / "config"
DATASETS = {"ravenstack": 3, "fightchurn": 1}
"""Shares of the pairs: an account of fightchurn has twenty times as much to walk through."""
LATE_OF_HUNDRED, LATE_BY_DAYS = 1, 30
SEED = 5


@dataclass
class Found:
    """What came of some pairs."""

    pairs: int = 0
    wrong: list[str] = field(default_factory=list)
    without_a_score: int = 0
    causes: Counter[str] = field(default_factory=Counter)
    sixteenths: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    def add(self, other: Found) -> None:
        """Take over another part."""
        self.pairs += other.pairs
        self.wrong += other.wrong
        self.without_a_score += other.without_a_score
        self.causes += other.causes
        self.sixteenths += other.sixteenths
        self.seconds += other.seconds


def events(lines: Iterator[bytes]) -> dict[UUID, list[Event[Any]]]:
    """Client events by client, each in the order of the contracts."""
    clients: dict[UUID, list[Event[Any]]] = {}
    for number, line in enumerate(lines):
        raw = orjson.loads(line)
        client_id = uuid5(NAMESPACE_OID, raw["subject"])
        at = datetime.fromisoformat(raw["time"])
        mark = uuid5(client_id, f"{number}")
        late = timedelta(hours=mark.int % (24 * LATE_BY_DAYS)) if mark.int % 100 < LATE_OF_HUNDRED else timedelta()
        event = Event.of(
            registry.body(raw["type"]).model_validate(raw["data"]), id=mark, source=f"csl/ingest/{raw['source']}",
            subject=client_id, time=at, knowntime=at + late, sequence=raw.get("sequence", 0), origin=Origin.IMPORT,
        )  # fmt: skip
        clients.setdefault(client_id, []).append(event)
    return {client_id: sorted(facts, key=lambda e: e.order) for client_id, facts in clients.items()}


def two_versions(half_way: int) -> Served:
    """The shipped models, and from half-way on the same with their first two components weighing 5 more and less."""
    first = shipped_book(CONFIG)
    models = []
    for text in definitions.shipped(CONFIG / "health")[0]:
        spec = definitions.model_from(text)
        (one, a), (other, b), *rest = spec.components.items()
        moved = {
            one: a.model_copy(update={"weight": a.weight + 5}),
            other: b.model_copy(update={"weight": b.weight - 5}),
        }
        models.append(spec.model_copy(update={"components": {**moved, **dict(rest)}, "weights": []}).compiled(2))
    return Served((0, half_way), (first, Book(tuple(models), first.journeys)))


def ask(facts: Sequence[Event[Any]], pairs: Sequence[tuple[datetime, datetime]], served: Served) -> Found:
    """Every pair of one client, proven."""
    found = Found()
    client_id = facts[0].client_id
    for start, end in pairs:
        began = time.perf_counter()
        answer = answered(facts, client_id, start, end, served)
        found.seconds.append(time.perf_counter() - began)
        found.pairs += 1
        scores = [_from_nothing(facts, client_id, moment, served) for moment in (start, end)]
        found.without_a_score += None in scores
        told = sum(move.delta / POINT for move in answer.moves)  # as a reader of the JSON adds them up
        difference = (scores[1] or 0) / POINT - (scores[0] or 0) / POINT
        if told != difference or scores != [answer.score_from, answer.score_to]:
            found.wrong.append(f"{client_id} {start} {end}: {scores}, told {told}")
        for move in answer.moves:
            found.causes[move.kind.value] += 1
            found.sixteenths[move.kind.value] += abs(move.delta)
    return found


def _from_nothing(facts: Sequence[Event[Any]], client_id: UUID, moment: datetime, served: Served) -> int | None:
    state = fold(as_known(facts, client_id, moment))
    second = max(seconds_of(moment), state.last)
    model, template = served.choose(state, second)
    return evaluate(model, state, second, None, template).score


def of_data_set(name: str, folder: Path, clients: int, pairs: int) -> tuple[Found, dict[str, int]]:
    """Random clients, and random pairs of moments from 30 days before the first fact to 60 days after the last."""
    command = [sys.executable, str(HERE / "datasets" / f"{name}.py"), str(folder / name), "--clients", str(clients)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as converter:
        if converter.stdout is None:
            raise RuntimeError("the converter has no output")
        known = events(iter(converter.stdout))
    times = sorted(fact.time for facts in known.values() for fact in (facts[0], facts[-1]))
    first, last = times[0] - timedelta(days=30), times[-1] + timedelta(days=60)
    served = two_versions(seconds_of(first + (last - first) / 2))
    dice = random.Random(SEED)
    by_client: dict[UUID, list[tuple[datetime, datetime]]] = {}
    for _ in range(pairs):
        moments = sorted(
            first + timedelta(minutes=dice.randrange(int((last - first).total_seconds() // 60))) for _ in "ab"
        )
        by_client.setdefault(dice.choice(sorted(known)), []).append((moments[0], moments[1]))
    found = Found()
    for client_id, asked in by_client.items():
        found.add(ask(known[client_id], asked, served))
    sizes = {
        "clients": len(known),
        "facts": sum(map(len, known.values())),
        "most_facts_of_one": max(map(len, known.values())),
    }
    return found, sizes


def main() -> int:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=HERE.parents[2] / "shared" / "data", help="folder of the data sets"
    )
    parser.add_argument("--pairs", type=int, default=10_000, help="over both data sets")
    parser.add_argument("--clients", type=int, default=150, help="of each data set")
    asked = parser.parse_args()
    load = os.getloadavg()[0]
    share = asked.pairs // sum(DATASETS.values())
    result: dict[str, Any] = {"pairs": 0, "not_exact": 0}
    wrong: list[str] = []
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        parts = [pool.submit(of_data_set, name, asked.data, asked.clients, share * n) for name, n in DATASETS.items()]
        for name, part in zip(DATASETS, parts, strict=True):
            found, sizes = part.result()
            wrong += found.wrong
            result[name] = sizes | told(found)
            result["pairs"] += found.pairs
            result["not_exact"] += len(found.wrong)
    result |= {"cores": os.cpu_count(), "python": sys.version.split()[0], "load_before": round(load, 1)}
    print(json.dumps(result, indent=2))
    for line in wrong[:20]:
        print(line, file=sys.stderr)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    return 1 if wrong else 0


def told(found: Found) -> dict[str, Any]:
    """Figures of one data set."""
    cuts = statistics.quantiles(found.seconds, n=100)
    return {
        "pairs": found.pairs,
        "not_exact": len(found.wrong),
        "pairs_with_a_moment_without_score": found.without_a_score,
        "causes_by_kind": dict(sorted(found.causes.items())),
        "points_moved_by_kind": {kind: round(n / POINT) for kind, n in sorted(found.sixteenths.items())},
        "milliseconds": {
            "p50": round(1000 * cuts[49], 1), "p95": round(1000 * cuts[94], 1), "p99": round(1000 * cuts[98], 1),
            "most": round(1000 * max(found.seconds), 1),
        },
    }  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
