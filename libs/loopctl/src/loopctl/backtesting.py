"""`loop health backtest`: a candidate model on the past, of the running service or of a file."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

import typer

from loopctl.commands.options import Data, Json
from loopctl.console import complain, say
from loopctl.errors import Problem, WrongUsage

SCOPES = ("health:read", "health:write")
LOOK_EVERY = 0.5
TELL_EVERY = 1.0
SHOWN_REFUSALS = 5
OVER = ("done", "failed", "canceled")


def backtest(
    model: Annotated[Path, typer.Option("--model", help="The candidate: a health model as YAML.")],
    events: Annotated[
        str | None,
        typer.Option("--events", help="On client events in import form (NDJSON; - for stdin), not on the service's."),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", help="First day looked at; else 52 weeks before the end.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", help="Last day looked at; else now, or the end of the file.")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", help="With --events: folder with health/*.yaml.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Try a model on the past, as it was known then, beside what is in force."""
    if config is not None and events is None:
        raise WrongUsage("--config goes with --events: the service knows what is in force")
    span = {"from": _day(since, "--from"), "to": _day(until, "--to")}
    text = _text(model)
    found, refused = _of_file(events, text, span, config) if events is not None else (_of_service(data, text, span), 0)
    from loopctl.past_file import summary

    say(json.dumps(found) if as_json else summary(found))
    if refused:
        complain(f"{refused} lines could not be read; the rest was looked at")
        raise typer.Exit(1)


def _day(day: str | None, option: str) -> datetime | None:
    if day is None:
        return None
    try:
        moment = datetime.fromisoformat(day)
    except ValueError as error:
        raise WrongUsage(f"{option} takes a day like 2026-03-01, not {day!r}") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _text(model: Path) -> str:
    try:
        return model.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError, UnicodeDecodeError) as error:
        raise Problem(
            f"there is no model in {model}", remedy="name a file like deploy/config/health/loop.yaml"
        ) from error


def _progress() -> Callable[[int, int], None]:
    """Tells on stderr how many clients are done: a line now and then, and the last."""
    told = [0.0]
    started = time.monotonic()

    def tell(done: int, of: int) -> None:
        if time.monotonic() - told[0] >= TELL_EVERY or done == of:
            told[0] = time.monotonic()
            sys.stderr.write(f"  {done:,} of {of:,} clients, {time.monotonic() - started:.0f} s\n")
            sys.stderr.flush()

    return tell


def _of_file(
    events: str, text: str, span: dict[str, datetime | None], config: Path | None
) -> tuple[dict[str, Any], int]:
    from common.errors import Refused
    from health import backtest as backtests
    from health import definitions, publishing
    from health.domain.backtest import report

    from loopctl import past_file
    from loopctl.health_commands import book_of, lines_of

    book = book_of(config)
    try:
        candidate = definitions.model_from(text).compiled(0)
        compared = backtests.Comparison(book, publishing.with_model(book, candidate))
    except Refused as error:
        raise Problem(f"this is no model: {error.detail}", remedy="docs/health.md says how one is written") from error
    past = past_file.PastFile.of(lines_of(events))
    try:
        grid = backtests.grid(span["from"], span["to"], past.known_until())
    except Refused as error:
        raise WrongUsage(error.detail) from error
    found = past_file.tracks(past, compared, grid, _progress())
    for refusal in found.refusals[:SHOWN_REFUSALS]:
        complain(f"refused  {refusal}")
    told = {
        "candidate": candidate.name,
        "in_force": [f"{model.name} {model.version}" for model in book.models],
        "events": found.read,
        "refused": found.refused,
        **backtests.with_moments(report(found.tracks, grid), grid),
    }
    return told, found.refused


def _of_service(data: Path | None, text: str, span: dict[str, datetime | None]) -> dict[str, Any]:
    from loopctl.api import Api, reason
    from loopctl.stack import Stack

    stack = Stack.at(data)
    stack.need_exists()
    api = Api(stack, "health", SCOPES)
    wish = {"definition": text, **{name: at.isoformat() for name, at in span.items() if at is not None}}
    answer = api.call("POST", "/v1/backtests", json=wish)
    if answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY:
        raise Problem(
            f"health does not try this: {reason(answer)}",
            remedy="docs/health.md says how a model is written, docs/what-if.md what is tried",
        )
    found = api.good(answer).json()
    tell = _progress()
    while found["state"] not in OVER:
        time.sleep(LOOK_EVERY)
        found = api.get(f"/v1/backtests/{found['id']}")
        if found["state"] == "running":
            tell(found["clients_done"], found["clients"])
    if found["state"] != "done":
        raise Problem(
            f"the backtest {found['id']} is {found['state']}" + (f" ({found['error']})" if found["error"] else ""),
            remedy="look at `loop logs health`",
        )
    report: dict[str, Any] = {"id": found["id"], **found["report"]}
    return report
