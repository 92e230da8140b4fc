"""Health under kill −9: itself, Kafka and PostgreSQL in turn while events come; then what is left is audited.

Repeats, late, withdrawn and corrected events, over a whole stack. In the end `loop verify` and `loop health rebuild
--verify` must exit 0. Results go to `tests/bench/results/health_chaos.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Self
from uuid import UUID, uuid4

import httpx
from loopctl import programs
from loopctl.api import Api
from loopctl.errors import Problem
from loopctl.local.processes import kill
from loopctl.stack import Stack

from tests.bench import machine
from tests.bench.signal_to_score import own_stack

RESULTS = Path(__file__).parent / "results" / "health_chaos.json"
LOOP = Path(sys.executable).parent / "loop"
VICTIMS = ("health", "kafka", "postgres")
CLIENTS = 60
POST = 20
"""Events a post."""
READY_WITHIN = 90.0
SETTLED_WITHIN = 300.0


class Load:
    """Posts events until told to stop; one that was not answered is sent again as it is, until it is accepted."""

    def __init__(self, stack: Stack, seed: int) -> None:
        self._api = Api(stack, "ingest", ["ingest:write"])
        self._random = Random(seed)
        self._said: list[tuple[str, UUID]] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.accepted = self.again = 0

    def __enter__(self) -> Self:
        self._post([_registered(nth) for nth in range(CLIENTS)])
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(0.1):
            self._post([self._event() for _ in range(POST)])

    def _post(self, events: list[dict[str, Any]]) -> None:
        key = str(uuid4())
        while True:
            try:
                answer = self._api.call("POST", "/v1/events", json=events, headers={"Idempotency-Key": key})
            except Problem:
                answer = None
            if answer is not None and answer.status_code == httpx.codes.ACCEPTED:
                break
            if answer is not None and answer.status_code < 500:
                raise RuntimeError(f"refused: {answer.text[:300]}")
            self.again += 1
            time.sleep(0.2)
        self.accepted += len(events)
        if self._random.random() < 0.1:
            self._api.call("POST", "/v1/events", json=events, headers={"Idempotency-Key": key})

    def _event(self) -> dict[str, Any]:
        random = self._random
        subject = f"ref:chaos:company:{random.randrange(CLIENTS)}"
        late = timedelta(days=9 * random.random()) if random.random() < 0.15 else timedelta(0)
        event = {"id": str(uuid4()), "subject": subject, "time": (datetime.now(UTC) - late).isoformat()}
        if self._said and random.random() < 0.05:
            subject, gone = random.choice(self._said)
            return event | {"type": "event_withdrawn", "subject": subject, "data": {"event_id": str(gone)}}
        self._said.append((subject, UUID(event["id"])))
        return event | _something(random)


def _registered(nth: int) -> dict[str, Any]:
    data = {"name": f"Client {nth}", "seats": 10, "key_features": ["reports", "export"], "tier": "core"}
    return {"type": "client_registered", "subject": f"ref:chaos:company:{nth}", "data": data}


def _something(random: Random) -> dict[str, Any]:
    number = random.randrange(1_000)
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("usage_recorded", {"feature": random.choice(["reports", "export", "api"]), "quantity": 1 + number % 9}),
        ("logged_in", {"contact_id": f"p{number % 8}"}),
        ("ticket_opened", {"ticket_id": f"t{number}", "priority": random.choice(["low", "urgent"])}),
        ("ticket_resolved", {"ticket_id": f"t{number}", "csat": {"score": 1 + number % 5, "scale_max": 5}}),
        ("kpi_reported", {"kpi": "hours", "value": number}),
        ("contact_added", {"contact_id": f"p{number % 8}", "role": random.choice(["sponsor", "user", "champion"])}),
    ]
    name, data = random.choice(kinds)
    return {"type": name, "data": data}


def strike(stack: Stack, victim: str) -> float:
    """Kill −9 and start again; returns the seconds until health is ready."""
    began = time.monotonic()
    if victim == "kafka":
        stack.kafka.kill()
        stack.kafka.start()
    elif victim == "postgres":
        stack.postgres.kill()
        stack.postgres.start()
    else:
        process = programs.service(stack, victim).process()
        if process is not None:
            kill(process)
        programs.service(stack, victim).start()
    health = programs.service(stack, "health")
    while not health.ready():
        if time.monotonic() - began > READY_WITHIN:
            raise RuntimeError(f"after {victim} was killed health is not ready: {health.waits_for()}")
        time.sleep(0.1)
    return time.monotonic() - began


def loop(stack: Stack, *words: str) -> tuple[int, str]:
    """Exit code and output of a command on this stack."""
    done = subprocess.run([LOOP, *words, "--data", stack.folder], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def audited(stack: Stack) -> dict[str, Any]:
    """Both audits; what waits for its minute (restated days) is given time."""
    deadline = time.monotonic() + SETTLED_WITHIN
    while True:
        code, told = loop(stack, "health", "rebuild", "--verify", "--json")
        rebuilt = json.loads(told) if told.startswith("{") else {"error": told}
        if (code == 0 and not rebuilt.get("waiting")) or time.monotonic() > deadline:
            break
        time.sleep(5)
    verified, text = loop(stack, "verify")
    return {"rebuild_exit": code, "rebuild": rebuilt, "verify_exit": verified, "verify": text.strip().splitlines()[-3:]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=20260504)
    wish = parser.parse_args()
    random = Random(wish.seed)
    with own_stack() as stack:
        about = asyncio.run(machine.facts(stack))
        killed: Counter[str] = Counter()
        ready: list[float] = []
        with Load(stack, wish.seed) as load:
            for nth in range(wish.kills):
                time.sleep(1 + 2 * random.random())
                victim = VICTIMS[nth % len(VICTIMS)]
                ready.append(strike(stack, victim))
                killed[victim] += 1
                sys.stdout.write(f"{nth + 1}: {victim}, ready after {ready[-1]:.1f} s; {load.accepted} accepted\n")
                sys.stdout.flush()
        found = {
            "machine": about,
            "kills": dict(killed),
            "events_accepted": load.accepted,
            "posts_sent_again": load.again,
            "ready_after_median_seconds": round(sorted(ready)[len(ready) // 2], 1),
            "ready_after_longest_seconds": round(max(ready), 1),
            **audited(stack),
        }
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return 0 if found["rebuild_exit"] == found["verify_exit"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
