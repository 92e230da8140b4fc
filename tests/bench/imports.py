"""`make bench`: lines of history stored a second, by `loop import`, while webhooks go on; on a stack of its own.

Twice: with all services following on the same cores, and with ingest, PostgreSQL and Kafka alone, as where the others
have a machine of their own. Beside it, in the same run, a bare COPY of the same bytes into one table without index,
committed as often. Memory of ingest is looked at all the while; so is what each process costs a line.
Results: `tests/bench/results/imports.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import psutil
from loopctl import importing, programs
from loopctl.stack import Stack

from tests.bench import load, machine, table
from tests.bench.signal_to_score import Bench, own_stack, quantiles, tell

RESULTS = Path(__file__).parent / "results" / "imports.json"
LINES, WORDY_LINES, WORDS_SHARE = 300_000, 10_000, 0.02
COPIED_AT_ONCE = 1000
LIVE_RATE, LIVE_SECONDS, LIVE_CLIENTS = 50, 5, 100
LOOK_EVERY = 0.5
MILLION = 1_000_000
SAID = (
    "Thanks, the new reports work well and the team is happy with them.",
    "This is still broken and costs us time every day. Please have a look.",
    "We may cancel our plan if the export does not work by next week.",
    "Could you tell me how to add a user to the second workspace?",
)


def history(lines: int, *, words: float, name: str) -> Iterator[bytes]:
    """Registrations, then usage, logins, tickets, invoices and contacts, at random over a year."""
    chance = random.Random(name)
    clients = max(50, lines // 1000)
    now = datetime.now(UTC)
    for nth in range(lines):
        who = nth if nth < clients else chance.randrange(clients)
        at = now - timedelta(days=400 if nth < clients else 0, seconds=chance.randrange(1, 365 * 86400))
        yield orjson.dumps(_line(nth, who, at, name, clients, words, chance), option=orjson.OPT_APPEND_NEWLINE)


def _line(
    nth: int, who: int, at: datetime, name: str, clients: int, words: float, chance: random.Random
) -> dict[str, Any]:
    group = f"{name}-g{who}"
    base = {"source": "warehouse", "subject": f"ref:segment:group:{group}", "time": at.isoformat()}
    contact, roll = f"u{chance.randrange(20)}", chance.random()
    if nth < clients:
        refs = [{"source": "segment", "kind": "group", "id": group}]
        return {**base, "type": "client_registered", "data": {"name": f"Client {who}", "tier": "core", "refs": refs}}
    if roll < words:
        text = f"{chance.choice(SAID)} (no {nth})"
        return {**base, "type": "ticket_opened", "text": text, "data": {"ticket_id": f"t{nth}", "priority": "high"}}
    if roll < 0.45:
        used = {"feature": chance.choice(("reports", "export", "alerts")), "quantity": chance.randrange(1, 50)}
        return {**base, "type": "usage_recorded", "data": used}
    if roll < 0.75:
        return {**base, "type": "logged_in", "data": {"contact_id": contact, "count": 1}}
    if roll < 0.87:
        return {**base, "type": "ticket_resolved", "data": {"ticket_id": f"t{nth}"}}
    if roll < 0.98:
        amount = {"amount": chance.randrange(100, 10**6), "currency": "USD"}
        return {**base, "type": "invoice_paid", "data": {"invoice_id": f"in-{nth}", "amount": amount}}
    return {**base, "type": "contact_added", "data": {"contact_id": contact, "name": f"Person {nth}", "role": "user"}}


@dataclass(frozen=True)
class Live:
    """Webhooks sent meanwhile: from due to answered, in milliseconds."""

    rate: int
    sent: int
    refused: int
    p50: float
    p95: float
    p99: float
    longest: float


@dataclass
class Memory:
    """Megabytes that ingest holds, its helpers included, in order of time."""

    seen: list[float] = field(default_factory=list)

    def at(self, share: float) -> float:
        return round(self.seen[min(len(self.seen) - 1, int(share * len(self.seen)))], 1) if self.seen else 0.0


@dataclass(frozen=True)
class Imported:
    """One file, stored."""

    lines: int
    megabytes: float
    seconds: float
    lines_per_second: int
    copied_per_second: int
    ratio: float
    """Of the bare COPY's lines a second."""
    accepted: int
    refused: int
    memory_start_mb: float
    memory_middle_mb: float
    memory_end_mb: float
    memory_most_mb: float
    cpu_microseconds_a_line: dict[str, float]
    """By process, while it was stored: also what consumers do with what is published meanwhile."""
    live: Live | None


async def copied(stack: Stack, content: bytes) -> float:
    """Seconds that a bare COPY of the same lines takes, a transaction each so many."""
    connection = await asyncpg.connect(stack.owner_url)
    try:
        await connection.execute("CREATE TABLE IF NOT EXISTS public.bench_copy (line text)")
        lines = content.replace(b"\\", b"\\\\").splitlines(keepends=True)
        began = time.monotonic()
        for start in range(0, len(lines), COPIED_AT_ONCE):
            source = _once(b"".join(lines[start : start + COPIED_AT_ONCE]))
            await connection.copy_to_table("bench_copy", schema_name="public", source=source, format="text")
        took = time.monotonic() - began
        await connection.execute("DROP TABLE public.bench_copy")
        return took
    finally:
        await connection.close()


async def _once(block: bytes) -> AsyncIterator[bytes]:
    yield block


async def unsent(stack: Stack) -> int:
    """Imported events that wait for Kafka."""
    connection = await asyncpg.connect(stack.owner_url)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM ingest.outbox_unsent"))
    finally:
        await connection.close()


class Run:
    """One import in a thread, and what goes on meanwhile."""

    def __init__(self, stack: Stack, bench: Bench, file: Path) -> None:
        self.stack, self.bench, self.file = stack, bench, file
        self.memory = Memory()
        self._outcome: importing.Outcome | None = None

    def measure(self, lines: int, *, live: bool) -> Imported:
        copy_seconds = asyncio.run(copied(self.stack, self.file.read_bytes()))
        before = machine.cpu_seconds(self.stack)
        thread = threading.Thread(target=self._bring)
        looking = threading.Thread(target=self._look, args=(thread,))
        thread.start()
        looking.start()
        told = self._live(thread) if live else None
        thread.join()
        after = machine.cpu_seconds(self.stack)
        looking.join()
        if self._outcome is None:
            raise RuntimeError("the import was not stored")
        seconds = self._outcome.seconds
        cpu = {n: round(MILLION * (after[n] - used) / lines, 1) for n, used in sorted(before.items()) if n in after}
        size = self.file.stat().st_size
        return Imported(
            lines=lines,
            megabytes=round(size / 2**20, 1),
            seconds=round(seconds, 2),
            lines_per_second=round(lines / seconds),
            copied_per_second=round(lines / copy_seconds),
            ratio=round(copy_seconds / seconds, 3),
            accepted=self._outcome.counts["accepted"],
            refused=self._outcome.counts["refused"],
            memory_start_mb=self.memory.at(0),
            memory_middle_mb=self.memory.at(0.5),
            memory_end_mb=self.memory.at(1),
            memory_most_mb=round(max(self.memory.seen, default=0.0), 1),
            cpu_microseconds_a_line=cpu,
            live=told,
        )

    def _bring(self) -> None:
        self._outcome = importing.run(self.stack, self.file, quiet=True)

    def _look(self, importing_thread: threading.Thread) -> None:
        ingest = next(p for p in programs.all_programs(self.stack) if p.name == "ingest").process()
        while importing_thread.is_alive() and ingest is not None:
            held = 0
            for one in (ingest, *ingest.children(recursive=True)):
                try:
                    held += one.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.memory.seen.append(held / 2**20)
            time.sleep(LOOK_EVERY)

    def _live(self, importing_thread: threading.Thread) -> Live:
        waits, refused, sent = list[float](), 0, 0
        while importing_thread.is_alive():
            count = LIVE_RATE * LIVE_SECONDS
            wanted = load.requests(self.stack, self.bench.groups, self.bench.take(count), count, LIVE_RATE)
            found = asyncio.run(load.stream(self.stack, wanted, LIVE_RATE))
            waits += [(at - found.due[number]) / MILLION for number, at in found.accepted.items()]
            refused, sent = refused + len(found.refused), sent + count
        p50, p95, p99, longest = quantiles(waits)
        return Live(LIVE_RATE, sent, refused, p50, p95, p99, longest)


def measured(stack: Stack, bench: Bench, lines: int, *, words: float, name: str, live: bool) -> Imported:
    """Write a file of history and import it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "history.ndjson"
        with file.open("wb") as out:
            out.writelines(history(lines, words=words, name=name))
        result = Run(stack, bench, file).measure(lines, live=live)
    tell(json.dumps(asdict(result)))
    return result


def published(stack: Stack) -> float:
    """Seconds until all history is on Kafka, too."""
    began = time.monotonic()
    while asyncio.run(unsent(stack)):
        time.sleep(LOOK_EVERY)
    return round(time.monotonic() - began, 1)


@contextmanager
def only_ingest(stack: Stack) -> Iterator[None]:
    """The other services stand still meanwhile; what is published waits for them on Kafka."""
    others = [program for program in programs.all_programs(stack) if program.name != "ingest"]
    for program in others:
        program.stop()
    try:
        yield
    finally:
        for program in others:
            program.start()


MEANT = {
    "alone": "ingest, PostgreSQL and Kafka alone",
    "mixed": "all services following on the same cores",
    "wordy": "the same, every line with words",
}


def rendered(content: dict[str, Any]) -> str:
    """Markdown."""
    rows = [
        "| running | lines | lines/s | bare COPY/s | CPU a line, µs | memory MB start, middle, end | live p95 ms |",
        "|---|---:|---:|---:|---|---:|---:|",
    ]
    for name, running in MEANT.items():
        one = content[name]
        held = f"{one['memory_start_mb']:.0f}, {one['memory_middle_mb']:.0f}, {one['memory_end_mb']:.0f}"
        live = f"{one['live']['p95']:,.0f}" if one["live"] else "–"
        rows.append(
            f"| {running} | {one['lines']:,} | {one['lines_per_second']:,} | {one['copied_per_second']:,} "
            f"| {_costs(one['cpu_microseconds_a_line'])} | {held} | {live} |"
        )
    waited, share = content["published_after_seconds"], content["words_share"]
    told = (
        f"Of the lines, {share:.0%} carry words that are read. History goes to Kafka slowly while it comes in, so that "
        f"live events pass it; with all services following it was there {waited:g} s after the import had ended."
    )
    return "\n".join([*rows, "", told])


def _costs(microseconds: dict[str, float]) -> str:
    """The two that import, Kafka, and all others together."""
    own = {name: microseconds.get(name, 0.0) for name in ("ingest", "postgres", "kafka")}
    others = sum(value for name, value in microseconds.items() if name not in {*own, "load"})
    return ", ".join(f"{name} {value:.0f}" for name, value in ({**own, "others": others}).items() if value >= 1)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=LINES)
    parser.add_argument("--words", type=int, default=WORDY_LINES, help="lines that all carry words")
    wish = parser.parse_args(arguments)
    with own_stack() as stack:
        about = asyncio.run(machine.facts(stack))
        bench = Bench(stack, LIVE_CLIENTS)
        bench.prepare()
        mixed = measured(stack, bench, wish.lines, words=WORDS_SHARE, name="mixed", live=True)
        waited = published(stack)
        wordy = measured(stack, bench, wish.words, words=1.0, name="wordy", live=False)
        with only_ingest(stack):
            alone = measured(stack, bench, wish.lines, words=WORDS_SHARE, name="alone", live=True)
    content = {
        "machine": about,
        "words_share": WORDS_SHARE,
        "mixed": asdict(mixed),
        "published_after_seconds": waited,
        "wordy": asdict(wordy),
        "alone": asdict(alone),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(content, indent=2) + "\n")
    table.into_readme("imports", f"{rendered(content)}\n\n{table.on(about)}")
    tell(rendered(content))
    return 0 if all(one.accepted == one.lines for one in (mixed, wordy, alone)) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
