"""Options that many commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path | None,
    typer.Option("--data", envvar="LOOP_DATA", help="The stack's folder (default: .loop).", metavar="DIR"),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
