"""The `loop` command: runs a stack, looks into it, and repairs it. `loop --help` lists what it can do."""

from __future__ import annotations

import sys

import typer

from loopctl import churn_commands, health_commands
from loopctl.commands import acting, repairing, running, sourcing
from loopctl.console import complain
from loopctl.demo import commands as demo_commands
from loopctl.errors import Problem, WrongUsage

cli = typer.Typer(
    name="loop",
    help="Client Success Loop: run a stack, look into it, repair it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
running.register(cli)
acting.register(cli)
repairing.register(cli)
sourcing.register(cli)
health_commands.register(cli)
churn_commands.register(cli)
demo_commands.register(cli)


def app() -> None:
    """Entry point. Exit codes: 0 done, 1 found wrong, 2 wrong usage."""
    try:
        cli()
    except Problem as problem:
        complain(f"{problem.what}: {problem.remedy}.")
        sys.exit(1)
    except WrongUsage as wrong:
        complain(f"{wrong}.")
        sys.exit(2)
    except OSError as error:
        complain(_system_said(error))
        sys.exit(1)


def _system_said(error: OSError) -> str:
    """Full disks and missing rights happen anywhere; they are said the same way everywhere."""
    import errno

    place = f" ({error.filename})" if error.filename else ""
    if error.errno == errno.ENOSPC:
        return f"The disk is full{place}: free some space, or choose another place with --data DIR."
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"No right to do that{place}: run as the user who started the stack, or choose another --data DIR."
    return f"The system refused: {error}. Look at `loop doctor`."


if __name__ == "__main__":
    app()
