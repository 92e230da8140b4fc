"""The simulated past becomes a model of the churn service, marked as trained on simulated data."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from loopctl.api import Api
from loopctl.demo import history
from loopctl.demo.population import past
from loopctl.local.locking import exclusive
from loopctl.local.processes import spawn
from loopctl.paths import REPOSITORY
from loopctl.stack import Stack

FILE = "simulated-past.ndjson"
GRID = "28"
"""Days between moments: enough to learn from, and a quarter of the time that weekly ones take."""
MOST_MODELS = 20
"""More rollbacks than this are not tried: two simulated models could follow each other for ever."""


def reader() -> Callable[[str], history.Read]:
    """Ingest's own reading of tickets, so that simulated words are read as live ones are."""
    from common.contracts import client
    from ingest.domain.reading import remarks
    from ingest.reading import make_reader

    ingest = make_reader(REPOSITORY / "deploy" / "config")
    ticket = client.TicketOpened(ticket_id="any", priority=client.Priority.NORMAL)

    def read(text: str) -> history.Read:
        reading = ingest.read(text)
        inferred = tuple(
            (body.TYPE.split(".")[2], body.model_dump(mode="json", exclude_none=True))
            for body in remarks(ticket, reading.topics)
        )
        return history.Read(_plain(reading), inferred)

    return read


def _plain(body: BaseModel) -> dict[str, Any]:
    return body.model_dump(mode="json", exclude_none=True)


def write_past(folder: Path, world: str, until: datetime) -> Path:
    """The training file of a world: the same every time. Who asks while it is being written waits."""
    file = folder / FILE
    with exclusive(folder / "simulated-past.lock"):
        if not file.exists():
            history.write(file, history.training_lines(past(world, until), reader()))
    return file


def begin(stack: Stack) -> None:
    """Let the training file be written by a process of its own, while the servers start."""
    command = [sys.executable, "-m", "loopctl.demo", "past", "--data", str(stack.folder)]
    spawn(command, log=stack.logs / "demo-past.log", env=dict(os.environ), cwd=REPOSITORY)


def demote(stack: Stack) -> bool:
    """Take models that were trained on simulated data out of service, by going back; whether there were any."""
    churn = Api(stack, "churn", ["churn:read", "churn:admin"])
    reason = {"reason": "`loop demo --remove`: it learned from simulated clients"}
    for step in range(MOST_MODELS):
        served = next((m for m in churn.get("/v1/models", limit=100)["items"] if m["in_service"]), None)
        if served is None or served["trained_on"] != "simulated":
            return step > 0
        churn.good(churn.call("POST", "/v1/models/rollback", json=reason))
    return True


def train(folder: Path, file: Path) -> subprocess.CompletedProcess[str]:
    """`loop churn train` on it, as an operator would call it."""
    command = [
        sys.executable,
        "-m",
        "loopctl.main",
        "churn",
        "train",
        "--events",
        str(file),
        "--grid",
        "28",
        "--simulated",
        "--json",
    ]
    return subprocess.run([*command, "--data", str(folder)], capture_output=True, text=True, check=False)
