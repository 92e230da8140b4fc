"""token, clock, send, import: what one does with a running stack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from common.clock import SystemClock

from loopctl.commands.options import Data, Json
from loopctl.console import say


def register(cli: typer.Typer) -> None:
    cli.command()(token)
    clock = typer.Typer(help="Show or move business time.", invoke_without_command=True)
    clock.callback()(show_clock)
    clock.command("advance")(advance)
    cli.add_typer(clock, name="clock")
    cli.command()(send)
    cli.command("import")(import_file)


def token(
    scope: Annotated[list[str], typer.Option(help="A scope that it carries, e.g. health:read; repeatable.")],
    data: Data = None,
    subject: Annotated[str, typer.Option(help="Who it is for.")] = "operator",
    hours: Annotated[float, typer.Option(help="How long it is good for.", min=0.01, max=24 * 30)] = 12.0,
) -> None:
    """Print a bearer token for the local stack."""
    from loopctl.api import SCOPES, make_token
    from loopctl.errors import WrongUsage
    from loopctl.stack import Stack

    scopes = [name for given in scope for name in given.replace(",", " ").split()]
    if unknown := [name for name in scopes if name not in SCOPES] or ([] if scopes else scope):
        raise WrongUsage(f"no route asks for {', '.join(map(repr, unknown))}; there are {', '.join(SCOPES)}")
    stack = Stack.at(data)
    stack.need_exists()
    say(make_token(stack, scopes, subject=subject, hours=hours))


def show_clock(context: typer.Context, data: Data = None, as_json: Json = False) -> None:
    """Business time, and how it runs."""
    if context.invoked_subcommand is not None:
        return
    from loopctl import business_time
    from loopctl.stack import Stack

    stack = Stack.at(data)
    stack.need_exists()
    course, lag = business_time.read(stack), business_time.lag(stack)
    now, wall = business_time.now(stack), SystemClock().wall()
    scale = course.scale if course and lag else 1.0
    if as_json:
        told = {
            "business": now.isoformat(),
            "wall": wall.isoformat(),
            "scale": scale,
            "lag_seconds": lag.total_seconds(),
        }
        say(json.dumps(told))
    elif not lag:
        say(f"{now:%Y-%m-%d %H:%M:%S} UTC: wall time")
    else:
        how = "stands still" if scale == 0 else f"runs {scale:g} times as fast"
        say(f"{now:%Y-%m-%d %H:%M:%S} UTC: {str(lag).split('.')[0]} behind wall time, {how}")


def advance(duration: Annotated[str, typer.Argument(help="e.g. 90s, 15m, 4h, 2d, 1d12h")], data: Data = None) -> None:
    """Move business time on, at most up to now."""
    from loopctl import business_time
    from loopctl.stack import Stack

    stack = Stack.at(data)
    by = business_time.parse_duration(duration)
    stack.need_exists()
    say(f"{business_time.advance(stack, by):%Y-%m-%d %H:%M:%S} UTC")


def send(
    source: Annotated[str, typer.Argument(help="A configured source, e.g. hubspot.")],
    file: Annotated[
        Path, typer.Argument(help="The webhook's body (`_headers`/`_body` is unwrapped).", exists=True, dir_okay=False)
    ],
    data: Data = None,
) -> None:
    """Post FILE to the webhook of SOURCE, signed as the vendor signs."""
    from loopctl import sending
    from loopctl.stack import Stack

    stack = Stack.at(data)
    stack.need_exists()
    sent = sending.send(stack, source, file)
    say(sent.text)
    for hint in sent.hints:
        say(hint)
    if not sent.accepted:
        raise typer.Exit(1)


def import_file(
    file: Annotated[
        Path,
        typer.Argument(help="NDJSON: one client event a line; with --source a CSV.", exists=True, dir_okay=False),
    ],
    source: Annotated[
        str | None, typer.Option(help="The mapped source by whose file a CSV is read, e.g. clients-csv.")
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Import history. Goes on where an interrupted import stopped; exit code 0 only when all of it is stored."""
    from loopctl import importing
    from loopctl.errors import WrongUsage
    from loopctl.stack import Stack

    if source is None and file.suffix.lower() in {".csv", ".tsv"}:
        raise WrongUsage(f"a table needs a source that says what its columns mean: `loop import --source NAME {file}`")
    stack = Stack.at(data)
    stack.need_exists()
    if source is None:
        outcome = importing.run(stack, file, quiet=as_json)
    else:
        outcome = importing.run_rows(stack, source, file, quiet=as_json)
    say(json.dumps(outcome.as_json()) if as_json else outcome.text)
    if not outcome.complete:
        raise typer.Exit(1)
