"""Processes of ingest on servers of their own, and the signed posts that are fired at them."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
import orjson
import psutil
from common.auth import make_token
from common.clock import SystemClock
from common.settings import ServiceSettings
from ingest.sources.segment import slug
from loopctl.local import ports

from tests.support.stack import TestStack

SOURCE, SECRET = "segment", "the-bench-s-own-secret"
CLIENTS = 500
STARTS_WITHIN = 60.0
STOPS_WITHIN = 15.0


@dataclass
class Replica:
    """One process of ingest (or of the baseline), serving."""

    module: str
    port: int
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def memory_mb(self) -> float:
        return psutil.Process(self.process.pid).memory_info().rss / 2**20


@dataclass
class Bench:
    """Servers, and the replicas that run on them."""

    stack: TestStack
    replicas: list[Replica] = field(default_factory=list)

    def start(self, module: str = "ingest.main", *, environment: dict[str, str] | None = None) -> Replica:
        """Start a process and wait until it serves."""
        port = ports.free_base(1)
        process = subprocess.Popen(
            [sys.executable, "-m", module, "all"],
            env={
                **self.stack.environment("ingest"),
                "INGEST_PORT": str(port),
                "INGEST_WEBHOOK_SECRETS": orjson.dumps({SOURCE: [SECRET]}).decode(),
                "INGEST_LOG_LEVEL": "error",
                **(environment or {}),
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        replica = Replica(module, port, process)
        self.replicas.append(replica)
        deadline = time.monotonic() + STARTS_WITHIN
        while not _serves(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{module} does not start")
            time.sleep(0.1)
        return replica

    def stop(self, replica: Replica) -> None:
        replica.stop()
        self.replicas.remove(replica)

    def empty(self) -> None:
        """All tables empty, the clients registered anew; needs a running replica."""
        self.stack.service_database("ingest")

    def register(self, replica: Replica) -> None:
        """The clients that the posts speak of."""
        answer = httpx.post(
            f"http://127.0.0.1:{replica.port}/v1/events",
            json=[
                {"type": "client_registered", "subject": f"ref:{SOURCE}:group:{group(n)}", "data": {"name": f"c{n}"}}
                for n in range(CLIENTS)
            ],
            headers={"Authorization": f"Bearer {token(self.stack)}"},
            timeout=60,
            trust_env=False,
        )
        answer.raise_for_status()

    def cpu_seconds(self) -> dict[str, float]:
        """CPU used so far, by what it was used for."""
        kafka, postgres = self.stack.stack.kafka.process(), self.stack.stack.postgres.process()
        used = {"ingest": sum(_used(psutil.Process(r.process.pid)) for r in self.replicas if r.process.poll() is None)}
        used |= {n: _used(p) for n, p in (("kafka", kafka), ("postgres", postgres)) if p is not None}
        return used | {"load": sum(os.times()[2:4])}  # of the processes that have ended: the volleys


def _used(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.NoSuchProcess):
        return sum(
            times.user + times.system
            for one in (process, *process.children(recursive=True))
            for times in (one.cpu_times(),)
        )
    return 0.0


def _serves(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=1, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


@contextlib.contextmanager
def running(stack: TestStack) -> Iterator[Bench]:
    """A bench whose processes end with the block."""
    bench = Bench(stack)
    stack.service_database("ingest")
    try:
        yield bench
    finally:
        for replica in list(bench.replicas):
            bench.stop(replica)


def token(stack: TestStack) -> str:
    """A bearer token with every scope of ingest."""
    return make_token(
        stack.environment("ingest")["INGEST_JWT_SECRET"],
        subject="bench",
        scopes=[f"ingest:{name}" for name in ("read", "write", "import", "erase", "admin")],
        audience=ServiceSettings.model_fields["jwt_audience"].default,
        clock=SystemClock(),
        hours=2,
    )


def group(number: int) -> str:
    return f"group-{number}"


def posts(tag: str, count: int) -> list[bytes]:
    """Single tracked events, ready to be written to a socket."""
    return [_post(orjson.dumps(_event(tag, n))) for n in range(count)]


def batches(tag: str, count: int, size: int) -> list[bytes]:
    """Posts of `size` events."""
    found = []
    for n in range(count):
        events = [_event(tag, n * size + k) for k in range(size)]
        found.append(_post(orjson.dumps({"batch": events}), signed=orjson.dumps(events[0])))
    return found


def feature(tag: str) -> str:
    """What the posts of a tag count as; their number travels as the quantity."""
    return slug(tag)


def _event(tag: str, number: int) -> dict[str, object]:
    return {
        "type": "track",
        "event": tag,
        "messageId": f"{tag}-{number}",
        "anonymousId": "bench",
        "properties": {"quantity": number},
        "context": {"groupId": group(number % CLIENTS)},
        "timestamp": datetime.now(UTC).isoformat(),
    }


def _post(body: bytes, signed: bytes | None = None) -> bytes:
    signature = hmac.new(SECRET.encode(), signed or body, hashlib.sha1).hexdigest()
    head = (
        f"POST /v1/webhooks/{SOURCE} HTTP/1.1\r\nHost: ingest.bench\r\nX-Signature: {signature}\r\n"
        f"X-CSL-Secret: {SECRET}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def shares(requests: Sequence[bytes], among: int) -> list[list[bytes]]:
    """Dealt out in turn."""
    return [list(requests[nth::among]) for nth in range(among)]
