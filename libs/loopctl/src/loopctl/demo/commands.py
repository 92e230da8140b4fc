"""`loop demo` and `loop portfolio`."""

from __future__ import annotations

from typing import Annotated

import typer

from loopctl.commands.options import Data
from loopctl.console import say


def register(cli: typer.Typer) -> None:
    cli.command()(demo)
    cli.command()(portfolio)


def demo(
    data: Data = None,
    clients: Annotated[int, typer.Option(help="How many clients the portfolio has.", min=5, max=400)] = 40,
    remove: Annotated[bool, typer.Option("--remove", help="Erase the demo's clients from every service.")] = False,
) -> None:
    """Play the simulated portfolio through the public webhooks, and tell the story as it happens."""
    from loopctl.stack import Stack

    stack = Stack.at(data)
    stack.need_exists()
    if remove:
        from loopctl.demo import removing

        erased = removing.remove(stack)
        say(f"{erased} simulated clients are erased from every service; business time is wall time.")
        return
    from loopctl.demo import watching

    watching.play_and_follow(stack, clients=clients)


def portfolio(
    data: Data = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")] = False,
) -> None:
    """Clients by MRR at risk: band, trend, risk, reason, open case, owner."""
    from loopctl.demo import overview
    from loopctl.stack import Stack

    stack = Stack.at(data)
    stack.need_exists()
    rows = overview.rows(stack)
    say(overview.as_csv(rows)) if csv else overview.show(rows)
