"""`loop health …`: scores of the past, worked out from a file of client events."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from loopctl import backtesting, deciding, norms, rebuilding
from loopctl.console import complain
from loopctl.errors import Problem, WrongUsage

if TYPE_CHECKING:
    from churn.domain.history import Happened, Scored
    from health.book import Book

WORKERS = 2
SHOWN_REFUSALS = 5
WEEK = 7
MICRO = 1_000_000


def register(cli: typer.Typer) -> None:
    health = typer.Typer(help="Scores: replay, rebuild and try them.", no_args_is_help=True)
    health.callback()(_health)
    health.command()(replay)
    health.command()(backtesting.backtest)
    deciding.register(health)
    health.command()(rebuilding.rebuild)
    health.command()(norms.norms)
    cli.add_typer(health, name="health")


def _health() -> None:
    """Scores: replay, rebuild and try them."""


def replay(
    events: Annotated[str, typer.Option("--events", help="Client events in import form (NDJSON), or - for stdin.")],
    every: Annotated[int, typer.Option("--every", help="Days between scores; 7: the ends of Sundays.", min=1)] = WEEK,
    until: Annotated[str | None, typer.Option("--until", help="Last day scored (YYYY-MM-DD).")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="Folder with health/*.yaml.")] = None,
) -> None:
    """Print the historic `scored` events of every client in a file, one JSON object a line.

    Each score uses what was known at its moment. `loop churn train --scores FILE` learns from them.
    """
    last = _second(until) if until else None
    lines = lines_of(events)
    jobs = [(part, lines, every, last, config) for part in range(WORKERS)]
    refused = 0
    if "fork" in multiprocessing.get_all_start_methods():
        _SHARED.append(jobs)
        with multiprocessing.get_context("fork").Pool(WORKERS) as pool:
            for output, refusals in pool.imap(_shared_part, range(WORKERS)):
                sys.stdout.buffer.write(output)
                refused += _tell(refusals)
        _SHARED.clear()
    else:
        for job in jobs:
            output, refusals = _part(*job)
            sys.stdout.buffer.write(output)
            refused += _tell(refusals)
    sys.stdout.flush()
    if refused:
        raise Problem(f"{refused} lines could not be read", remedy="mend them; the rest was scored")


def training_replay(
    every: int = WEEK, config: Path | None = None
) -> Callable[[str, Sequence[Happened], int], Iterator[Scored]]:
    """The scores of a client whose events are read already, up to a second, as `churn.dataset` takes them."""
    from churn.domain.history import Scored
    from health.replay import replay as of_client

    book = book_of(config)

    def scores(key: str, events: Sequence[Happened], until: int) -> Iterator[Scored]:
        for second, data in of_client(events, book, key, until=until, every_days=every):
            yield Scored(second * MICRO, data)

    return scores


_SHARED: list[Any] = []
"""What forked workers see without it being copied to them."""


def _shared_part(part: int) -> tuple[bytes, list[str]]:
    return _part(*_SHARED[0][part])


def _part(
    part: int, lines: Sequence[bytes], every: int, last: int | None, config: Path | None
) -> tuple[bytes, list[str]]:
    """The scores of one half of the clients, and what could not be read."""
    from churn.adapters import event_file
    from churn.domain.history import in_order
    from common.clock import SystemClock

    who = event_file.identities(lines)
    found = event_file.read(lines, who, part=part, parts=WORKERS)
    now = int(SystemClock().wall().timestamp())  # a date far ahead is a slip: nothing is known of what is to come
    until = min(found.newest // MICRO, now) if last is None else last
    book = book_of(config)
    clients = ((key, in_order(events)) for key, events in sorted(found.clients.items()))
    return b"".join(_printed(clients, book, until, every)), found.refusals


def _printed(clients: Iterator[tuple[str, list[Happened]]], book: Book, until: int, every: int) -> Iterator[bytes]:
    import orjson
    from common.contracts.health import Scored
    from common.contracts.ids import derived_id
    from health.replay import replay as of_client

    for key, events in clients:
        client_id = str(_client_id(key))
        for _, data in of_client(events, book, client_id, until=until, every_days=every):
            yield (
                orjson.dumps(
                    {
                        "specversion": "1.0",
                        "id": str(derived_id("replayed", client_id, data["as_of"], data["model"])),
                        "source": "csl/health",
                        "type": Scored.TYPE,
                        "subject": client_id if client_id == key else key,
                        "time": data["as_of"],
                        "datacontenttype": "application/json",
                        "knowntime": data["as_of"],
                        "origin": "import",
                        "sequence": 0,
                        "data": data,
                    }
                )
                + b"\n"
            )


def _client_id(key: str) -> UUID:
    """A client of a file may go by a ref: it gets the id that it would keep among these scores."""
    from common.contracts.ids import derived_id

    try:
        return UUID(key)
    except ValueError:
        return derived_id("client of a file", key)


def book_of(config: Path | None) -> Book:
    """What a configuration folder puts in force. Raises Problem where there is no model."""
    from common.settings import REPOSITORY_CONFIG
    from health.replay import shipped_book

    book = shipped_book(config or REPOSITORY_CONFIG)
    if not book.models:
        raise Problem(f"there is no health model under {config or REPOSITORY_CONFIG}", remedy="name a --config folder")
    return book


def lines_of(events: str) -> list[bytes]:
    """The lines of a file, or of stdin (-), with their words read. Raises Problem."""
    from common.settings import REPOSITORY_CONFIG

    from loopctl.words import with_readings

    try:
        content = sys.stdin.buffer.read() if events == "-" else Path(events).read_bytes()
    except FileNotFoundError as error:
        raise Problem(f"there is no file {events}", remedy="name one in import form (NDJSON)") from error
    return list(with_readings(content.split(b"\n"), REPOSITORY_CONFIG))


def _second(day: str) -> int:
    try:
        return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())
    except ValueError as error:
        raise WrongUsage(f"--until takes a day like 2026-03-01, not {day!r}") from error


def _tell(refusals: Sequence[str]) -> int:
    for refusal in refusals[:SHOWN_REFUSALS]:
        complain(f"refused  {refusal}")
    return len(refusals)
