"""The simulated past becomes a model of the churn service, marked as trained on simulated data."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from loopctl.demo import history
from loopctl.demo.population import past
from loopctl.paths import REPOSITORY
from loopctl.stack import Stack

FILE = "simulated-past.ndjson"


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
    """The training file of a world: the same every time."""
    file = folder / FILE
    if not file.exists():
        history.write(file, history.training_lines(past(world, until), reader()))
    return file


def demote(stack: Stack) -> bool:
    """Take a model that was trained on simulated data out of service; whether there was one."""
    return False


def train(folder: Path, file: Path) -> subprocess.CompletedProcess[str]:
    """`loop churn train` on it, as an operator would call it."""
    command = [sys.executable, "-m", "loopctl.main", "churn", "train", "--events", str(file), "--simulated", "--json"]
    return subprocess.run([*command, "--data", str(folder)], capture_output=True, text=True, check=False)
