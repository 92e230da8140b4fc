"""sources list, rotate, try: who talks to ingest, with which secret, and what we make of what they say."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loopctl.commands.options import Data, Json
from loopctl.console import say

if TYPE_CHECKING:
    from loopctl.stack import Stack


def register(cli: typer.Typer) -> None:
    sources = typer.Typer(help="Outside systems that send to ingest.", no_args_is_help=True)
    sources.command("list")(list_sources)
    sources.command("rotate")(rotate_secret)
    sources.command("try")(try_file)
    cli.add_typer(sources, name="sources")


def list_sources(data: Data = None, as_json: Json = False) -> None:
    """Each source: does it talk, what became of what it said, why posts were refused, what is missing."""
    from loopctl import sources
    from loopctl.stack import Stack

    stack = Stack.at(data)
    stack.need_exists()
    found = sources.listed(stack)
    if as_json:
        say(json.dumps({"items": found}))
    else:
        say("\n".join(sources.as_line(source) for source in found) or "No source is configured.")


def try_file(
    name: Annotated[str, typer.Argument(help="A file in deploy/config/sources, e.g. paddle.")],
    file: Annotated[
        Path,
        typer.Argument(help="A body as the vendor sends it (`_headers`/`_body` is unwrapped), or a CSV.",
                       exists=True, dir_okay=False),
    ],
) -> None:  # fmt: skip
    """Say what today's file of a source makes of a body or a CSV. Stores nothing, needs no running stack."""
    from loopctl import trying
    from loopctl.paths import REPOSITORY

    config_dir = REPOSITORY / "deploy" / "config"
    table = file.suffix.lower() in {".csv", ".tsv"}
    tried = trying.table(config_dir, name, file) if table else trying.body(config_dir, name, file)
    say(tried.text)
    if not tried.readable:
        raise typer.Exit(1)


def rotate_secret(
    name: Annotated[str, typer.Argument(help="A configured source, e.g. hubspot.")],
    secret: Annotated[
        str | None, typer.Option(help="The new secret; - reads it from stdin. Default: one is made, or asked for.")
    ] = None,
    finish: Annotated[bool, typer.Option("--finish", help="Retire the old one.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Put a new signing secret in force beside the old one; with --finish, end the old one."""
    from loopctl import sources
    from loopctl.errors import WrongUsage
    from loopctl.stack import Stack

    if finish and secret is not None:
        raise WrongUsage("Say either --secret or --finish")
    stack = Stack.at(data)
    stack.need_exists()
    known = sources.need(stack, name)
    shown: dict[str, str] = {}
    if finish:
        done = sources.finish(stack, name)
    else:
        new, made = _secret(stack, name, str(known["vendor"]), secret)
        done = sources.rotate(stack, name, new)
        shown = {"secret": new} if made else {}
    if as_json:
        say(json.dumps(done.as_json() | shown))
        return
    if shown:
        say(f"Give this to {name}: {shown['secret']}")
    say(done.as_text())


def _secret(stack: Stack, name: str, vendor: str, given: str | None) -> tuple[str, bool]:
    """The new secret, and whether it was made here.

    Who issues it himself is asked for it; on a local stack without a terminal nobody is there to ask, and the vendor is
    `loop send`.
    """
    from loopctl import secrets, sources
    from loopctl.errors import WrongUsage

    if given == "-":
        return sys.stdin.readline().strip(), False
    if given is not None:
        return given, False
    issued = bool({name, vendor} & sources.ISSUERS)
    if issued and sys.stdin.isatty():
        asked: str = typer.prompt(f"The new secret that {name} shows", hide_input=True)
        return asked.strip(), False
    if issued and stack.production:
        raise WrongUsage(f"{name} issues its secrets itself: give the new one with --secret")
    return secrets.generate(name), True
