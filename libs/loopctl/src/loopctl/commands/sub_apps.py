"""`loop health …`, `loop churn …`, `loop demo`, `loop portfolio`: written beside their services' subjects."""

from __future__ import annotations

import importlib
import importlib.util

import typer

MODULES = ("loopctl.health_commands", "loopctl.churn_commands", "loopctl.demo.commands")


def register(cli: typer.Typer) -> None:
    """Each module has `register(cli)`; one that this checkout does not have is left out."""
    for name in MODULES:
        if importlib.util.find_spec(name) is not None:
            importlib.import_module(name).register(cli)
