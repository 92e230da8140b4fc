"""up, down, status, doctor, logs: the stack as a whole."""

from __future__ import annotations

import json
import time
from typing import Annotated

import typer

from loopctl.commands.options import Data, Json
from loopctl.console import say


def register(cli: typer.Typer) -> None:
    cli.command()(up)
    cli.command()(down)
    cli.command()(status)
    cli.command()(doctor)
    cli.command()(logs)


def up(
    data: Data = None,
    ports: Annotated[int | None, typer.Option(help="First port; services listen on BASE+1 …", metavar="BASE")] = None,
    clock: Annotated[
        str | None, typer.Option(help="Run business time SCALE times as fast, from START.", metavar="SCALE[@START]")
    ] = None,
    demo: Annotated[bool | None, typer.Option("--demo/--no-demo", help="Play the demo portfolio.")] = None,
) -> None:
    """Start what does not run, leave alone what does, and return when all of it is ready."""
    from loopctl import business_time, lifecycle, page
    from loopctl.stack import Stack

    begun = time.monotonic()
    stack = Stack.at(data, base=ports)
    wish = business_time.parse_wish(clock, lifecycle.wall()) if clock else None
    lifecycle.check_ports(stack, stack.base)
    say(f"Starting the stack in {stack.folder}")
    started = lifecycle.up(stack, clock=wish, demo=demo)
    say(page.front_page(stack, started.names, time.monotonic() - begun))


def down(data: Data = None) -> None:
    """Stop everything of this stack; its data stays."""
    from loopctl import lifecycle
    from loopctl.stack import Stack

    stack = Stack.at(data)
    stack.need_exists()
    stopped = lifecycle.down(stack)
    say(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")


def status(data: Data = None, as_json: Json = False) -> None:
    """What runs. Exit code 1 when something that should run does not."""
    from loopctl import inspection
    from loopctl.stack import Stack

    stack = Stack.at(data)
    stack.need_exists()
    parts = inspection.parts(stack)
    say(json.dumps(inspection.as_json(stack, parts)) if as_json else inspection.as_text(stack, parts))
    if not all(part.good for part in parts):
        raise typer.Exit(1)


def doctor(data: Data = None, as_json: Json = False) -> None:
    """What is wrong and what to do about it. Exit code 1 when something is."""
    from loopctl import examination
    from loopctl.stack import Stack

    findings = examination.examine(Stack.at(data))
    if as_json:
        say(json.dumps({"well": not findings, "findings": [finding.as_json() for finding in findings]}))
    else:
        say("\n".join(finding.as_text() for finding in findings) or "All is well.")
    if findings:
        raise typer.Exit(1)


def logs(
    service: Annotated[
        str, typer.Argument(help="ingest, health, churn, escalation, notify, catcher, demo, kafka or postgres.")
    ],
    data: Data = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines are written.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many of the last lines.")] = 50,
) -> None:
    """The log of one service."""
    from loopctl import reading
    from loopctl.stack import Stack

    stack = Stack.at(data)
    stack.need_exists()
    reading.show_log(stack, service, lines=lines, follow=follow)
