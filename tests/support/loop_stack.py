"""A whole stack as `loop up` starts it, on a folder and ports of its own, and a few words to live with it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
from aiokafka import AIOKafkaProducer
from common import outbox
from common.contracts.base import Event
from loopctl import programs, provision
from loopctl.api import make_token
from loopctl.local import ports
from loopctl.paths import REPOSITORY, SERVICES
from loopctl.sending import post, signer_of
from loopctl.stack import PORT_SPAN, Stack

T = TypeVar("T")
OUTSIDE = ("DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "LOOP_", "CSL_", *(f"{name.upper()}_" for name in SERVICES))
"""Beginnings of names: settings of the developer's own shell that would lead the stack elsewhere."""
PATIENCE = 45.0
"""Wall seconds in which the loop must have got to somewhere; it takes a second or two on an idle machine."""


class LoopStack:
    """One running stack, seen from outside: the command line, HTTP, and what people would have received."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def stack(self) -> Stack:
        return Stack.at(self.folder)

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`loop …` on this stack."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(OUTSIDE)}
        done = subprocess.run(
            [sys.executable, "-m", "loopctl.main", *arguments],
            env=environment | {"LOOP_DATA": str(self.folder), "LOOP_ENV_FILE": os.devnull},
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert not check or done.returncode == 0, f"loop {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"
        return done

    def now(self) -> str:
        """Business time, ISO 8601."""
        return str(json.loads(self.run("clock", "--json").stdout)["business"])

    def advance(self, duration: str) -> None:
        """Move business time on."""
        self.run("clock", "advance", duration)

    def webhook(self, source: str, body: Any) -> None:
        """Post a body as the vendor would: signed."""
        raw = json.dumps(body).encode()
        sent = post(self.stack, source, self.stack.secrets.webhooks[source], raw)
        assert sent.accepted, sent.text

    def signed(self, source: str, body: bytes, *, secret: str) -> httpx.Response:
        """The same with a secret of the test's choice."""
        from datetime import UTC, datetime

        url = f"{self.stack.url('ingest')}/v1/webhooks/{source}"
        headers = signer_of(source)(secret, url, body, datetime.now(UTC))
        return httpx.post(url, content=body, headers={"content-type": "application/json", **headers}, trust_env=False)

    def http(self, service: str, *scopes: str, subject: str = "maya@ours.example") -> httpx.Client:
        """A caller of one service, with a token for these scopes."""
        token = make_token(self.stack, scopes, subject=subject)
        return httpx.Client(
            base_url=self.stack.url(service),
            headers={"authorization": f"Bearer {token}"},
            timeout=20,
            trust_env=False,
        )

    def get(self, service: str, path: str, **parameters: Any) -> Any:
        """JSON of a GET; None for what is not there (yet)."""
        with self.http(service, f"{service}:read") as http:
            answer = http.get(path, params=parameters)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        assert answer.is_success, f"GET {service}{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def post(self, service: str, path: str, body: Any, *, scope: str = "write", **headers: str) -> Any:
        """JSON of a POST that must succeed."""
        with self.http(service, f"{service}:{scope}") as http:
            answer = http.post(path, json=body, headers=headers)
        assert answer.is_success, f"POST {service}{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def messages(self, **filters: str) -> list[dict[str, Any]]:
        """What people have received, oldest first (`channel`, `inbox`, `client_id`, `case_id`)."""
        parameters = {**filters, "limit": "1000"}
        answer = httpx.get(f"{self.stack.url('catcher')}/api/messages", params=parameters, trust_env=False)
        return list(answer.raise_for_status().json()["items"])

    def tables_that_say(self, words: str) -> list[str]:
        """Tables of services with a row that holds these words; outboxes are copies of what Kafka holds, too."""
        return provision.run(_tables_that_say(self.stack.owner_url, words))

    def publish(self, event: Event[Any]) -> None:
        """Put an event on Kafka by hand, as its producer's relay would."""
        provision.run(_publish(self.stack.bootstrap_servers, outbox.message(event)))

    def sql(self, *statements: str) -> None:
        """Meddle with the database, as its owner."""
        provision.run(_execute(self.stack.owner_url, statements))

    def kill(self, service: str) -> None:
        """SIGKILL to one service."""
        process = programs.service(self.stack, service).process()
        assert process is not None, f"{service} does not run"
        process.kill()
        process.wait(10)

    def logs(self) -> str:
        """The last lines of every log, for a failure's message."""
        told = []
        for file in sorted(self.stack.logs.glob("*.log")):
            lines = file.read_text(errors="replace").splitlines()
            loud = [line for line in lines if '"error"' in line or "rror" in line or "Traceback" in line]
            told.append(f"── {file.name}\n" + "\n".join(loud[-12:]))
        return "\n".join(told)


async def _tables_that_say(url: str, words: str) -> list[str]:
    connection = await provision.connect(url)
    tables = await connection.fetch(
        "SELECT schemaname || '.' || tablename AS name FROM pg_tables WHERE schemaname = ANY($1)"
        " AND tablename NOT LIKE 'outbox%' ORDER BY 1",
        list(SERVICES),
    )
    found = [
        table["name"]
        for table in tables
        if await connection.fetchval(
            f"SELECT EXISTS (SELECT 1 FROM {table['name']} t WHERE t::text ILIKE $1)", f"%{words}%"
        )
    ]
    await connection.close()
    return found


async def _publish(servers: str, message: outbox.Message) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=servers)
    await producer.start()
    try:
        headers = [(name, value.encode()) for name, value in message.headers.items()]
        await producer.send_and_wait(message.topic, message.body, key=message.key.encode(), headers=headers)
    finally:
        await producer.stop()


async def _execute(url: str, statements: Sequence[str]) -> None:
    connection = await provision.connect(url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


def eventually(look: Callable[[], T], what: str, *, seconds: float = PATIENCE) -> T:
    """The first true answer; a failure says what was waited for, and what was seen last."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s; last seen: {seen!r}"
        time.sleep(0.2)


@contextmanager
def loop_stack(*up: str) -> Iterator[LoopStack]:
    """`loop up --no-demo …` in a temporary folder; all of it is stopped and removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="csl-e2e-"))
    folder.chmod(0o711)  # PostgreSQL runs as another user when we are root
    own = LoopStack(folder / "loop")
    try:
        own.run("up", "--ports", str(ports.free_base(PORT_SPAN)), "--no-demo", *up)
        yield own
    finally:
        own.run("down", check=False)
        shutil.rmtree(folder, ignore_errors=True)
