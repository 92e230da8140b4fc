"""`loop import`: a file of history, streamed to ingest, going on where an interrupted run stopped."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

import httpx

from loopctl.api import Api, make_token, reason
from loopctl.console import say
from loopctl.errors import Problem, WrongUsage
from loopctl.paths import REPOSITORY
from loopctl.stack import Stack

SCOPES = ("ingest:import", "ingest:read")
TIMEOUT = httpx.Timeout(connect=5.0, read=900.0, write=120.0, pool=5.0)
"""The answer comes when the last line is stored; while live events wait, ingest reads more slowly."""
BLOCK = 1 << 16
GIVE_UP_AFTER = 60.0
"""Wall seconds without a line stored after which the import is left to be gone on with later."""
RETRY_AFTER = 2.0
TELL_EVERY = 5.0
SHOWN = 20
WORDS = {"accepted": "stored", "repeated": "stored before", "skipped": "skipped", "refused": "refused"}
RETRIED = (429, 502, 503, 504)


class Content(Protocol):
    """Lines to be imported, wherever they come from. The same content is the same import."""

    unit: str
    size: int

    @property
    def id(self) -> UUID: ...

    def holds_anything(self) -> bool:
        """Whether there is anything to say of it, if only that none of it can be taken."""

    def blocks(self, after: int) -> Iterator[tuple[bytes, int]]:
        """The bytes behind the first `after` lines, and how far into `size` they reach."""

    def row_of(self, line: int) -> int:
        """What the sender counts, by the number of its line."""


class Lines:
    """A file of NDJSON."""

    unit = "line"

    def __init__(self, file: Path) -> None:
        self._file = file
        self.size = max(1, file.stat().st_size)

    @cached_property
    def id(self) -> UUID:
        with self._file.open("rb") as content:
            return uuid5(NAMESPACE_OID, hashlib.file_digest(content, "sha256").hexdigest())

    def holds_anything(self) -> bool:
        return any(block.strip() for block, _ in self.blocks(0))

    def blocks(self, after: int) -> Iterator[tuple[bytes, int]]:
        with self._file.open("rb") as file:
            for _ in range(after):
                file.readline()
            while block := file.read(BLOCK):
                yield block, file.tell()

    def row_of(self, line: int) -> int:
        return line


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the lines of the file."""

    import_id: str
    finished: bool
    counts: dict[str, int]
    lines: int
    seconds: float
    not_taken: list[dict[str, Any]] = field(default_factory=list)
    unit: str = "line"
    """What is counted: lines, or the rows of a spreadsheet, of which one may say several events."""
    blank: int = 0

    @property
    def complete(self) -> bool:
        """All of it is stored, or rightly left out."""
        return self.finished and self.counts["refused"] == 0

    @property
    def text(self) -> str:
        counts = self.counts
        became = ", ".join(f"{counts[name]} {word}" for name, word in WORDS.items())
        became += f", {self.blank} blank" if self.blank else ""
        events = sum(counts.values())
        whole = f"{self.lines} {self.unit}s" + (f" ({events} events)" if events + self.blank != self.lines else "")
        lines = [f"{whole} in {self.seconds:.1f} s: {became} (import {self.import_id})"]
        told = [entry for entry in self.not_taken if entry["outcome"] != "repeated"]
        lines += [f"  {self.unit} {entry[self.unit]} {entry['outcome']}: {entry['reason']}" for entry in told[:SHOWN]]
        more = counts["skipped"] + counts["refused"] - min(len(told), SHOWN)
        if more > 0:
            lines.append(f"  … and {more} more: GET /v1/imports/{self.import_id}/lines")
        if counts["refused"]:
            lines.append(f"Refused {self.unit}s are not stored: mend them and import the file again.")
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        return {
            "import_id": self.import_id,
            "complete": self.complete,
            f"{self.unit}s": self.lines,
            **self.counts,
            **({"blank": self.blank} if self.unit == "line" else {}),
            "seconds": round(self.seconds, 3),
            "not_taken": self.not_taken,
        }


class Import:
    """One file on its way."""

    def __init__(self, stack: Stack, content: Content, *, quiet: bool) -> None:
        self._stack = stack
        self._content = content
        self._quiet = quiet
        self._api = Api(stack, "ingest", SCOPES)
        self._told = self._began = time.monotonic()
        self._id = content.id

    def run(self) -> Outcome:
        """Send until all is stored. Raises WrongUsage for no lines, Problem when nothing is stored for a minute."""
        if not self._content.holds_anything():
            raise WrongUsage(f"nothing to import: the file holds no {self._content.unit}s")
        known = self._known()
        if known is not None and known["finished_at"]:
            self._id, known = uuid4(), None  # imported before: again as a whole, to count what is there
        stored = int(known["lines"]) if known else 0
        if stored and not self._quiet:
            say(f"  goes on after {self._where(stored)} of the interrupted import {self._id}")
        deadline = time.monotonic() + GIVE_UP_AFTER
        while True:
            report = self._send(after=stored)
            if report is not None:
                return self._outcome(report)
            time.sleep(RETRY_AFTER)
            known = self._known(patient=True)
            if known is not None and int(known["lines"]) > stored:
                stored, deadline = int(known["lines"]), time.monotonic() + GIVE_UP_AFTER
            if time.monotonic() > deadline:
                raise Problem(
                    f"ingest stores nothing more since {self._where(stored)}",
                    remedy="look at `loop doctor`, then run the same command again: it goes on from there",
                )

    def _send(self, *, after: int) -> dict[str, Any] | None:
        """Stream what is left; None when the connection broke or ingest asked to come back later."""
        try:
            response = httpx.post(
                f"{self._stack.url('ingest')}/v1/imports",
                params={"import_id": str(self._id), "first_line": after + 1},
                content=self._bytes_after(after),
                headers={
                    "authorization": f"Bearer {make_token(self._stack, SCOPES, hours=24)}",
                    "content-type": "application/x-ndjson",
                },
                timeout=TIMEOUT,
                trust_env=False,
            )
        except httpx.TransportError as error:
            self._tell_sometimes(f"interrupted ({type(error).__name__}), trying again")
            return None
        if response.status_code in RETRIED:
            self._tell_sometimes(f"ingest answered {response.status_code}, trying again")
            return None
        if not response.is_success:
            raise Problem(
                f"ingest answered {response.status_code} ({reason(response)})",
                remedy="mend what it names, or look at `loop logs ingest`; then run the same command again",
            )
        report: dict[str, Any] = response.json()
        return report

    def _bytes_after(self, line: int) -> Iterator[bytes]:
        for block, reached in self._content.blocks(line):
            yield block
            self._tell_sometimes(f"{100 * reached // self._content.size} % sent")

    def _where(self, line: int) -> str:
        return f"{self._content.unit} {self._content.row_of(line)}"

    def _tell_sometimes(self, what: str) -> None:
        now = time.monotonic()
        if not self._quiet and now - self._told >= TELL_EVERY:
            self._told = now
            say(f"  {now - self._began:4.0f} s  {what}")

    def _known(self, *, patient: bool = False) -> dict[str, Any] | None:
        """What ingest knows of this import; None when nothing (or, if patient, when it does not answer)."""
        try:
            response = self._api.call("GET", f"/v1/imports/{self._id}")
        except Problem:
            if patient:
                return None
            raise
        if response.status_code == 404 or (patient and not response.is_success):
            return None
        known: dict[str, Any] = self._api.good(response).json()
        return known

    def _outcome(self, report: dict[str, Any]) -> Outcome:
        return Outcome(
            import_id=str(report["import_id"]),
            finished=bool(report["finished_at"]),
            counts={name: int(report[name]) for name in ("accepted", "repeated", "skipped", "refused")},
            lines=int(report["lines"]),
            seconds=time.monotonic() - self._began,
            not_taken=list(report["not_taken"]),
            blank=int(report["blank"]),
        )


def run(stack: Stack, file: Path, *, quiet: bool = False) -> Outcome:
    """Import a file of NDJSON. Raises Problem when ingest is away for long."""
    return Import(stack, Lines(file), quiet=quiet).run()


def run_rows(stack: Stack, source: str, file: Path, *, quiet: bool = False) -> Outcome:
    """Import a CSV by the map of its source; what is told is told by row. Raises Problem, WrongUsage."""
    from loopctl.spreadsheets import Spreadsheet

    sheet = Spreadsheet(file, REPOSITORY / "deploy" / "config" / "sources" / f"{source}.yaml")
    outcome = Import(stack, sheet, quiet=quiet).run()
    counts = {
        **outcome.counts,
        "refused": outcome.counts["refused"] + sheet.report.refused,
        "skipped": outcome.counts["skipped"] + sheet.report.skipped,
    }
    stored = [
        {"row": sheet.row_of(entry["line"]), "outcome": entry["outcome"], "reason": entry["reason"]}
        for entry in outcome.not_taken
    ]
    told = sorted([*stored, *sheet.report.told], key=lambda entry: int(entry["row"]))
    return replace(outcome, counts=counts, not_taken=told, lines=sheet.rows, unit=sheet.unit, blank=0)
