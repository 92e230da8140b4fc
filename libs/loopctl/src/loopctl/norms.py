"""`loop health norms`: what is usual among today's clients, to be pasted into a model."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from loopctl.commands.options import Data, Json
from loopctl.console import say
from loopctl.errors import Problem


def norms(
    model: Annotated[str, typer.Option(help="Name of the model.")] = "loop",
    least: Annotated[int, typer.Option(help="Leave out segments with fewer clients than this.", min=1)] = 20,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Print the means by segment towards which small counts are shrunk, as they are today.

    They are YAML to be pasted into the model; nothing changes until it is published.
    """
    from loopctl.api import Api
    from loopctl.stack import Stack

    stack = Stack.at(data)
    stack.need_exists()
    api = Api(stack, "health", ["health:read"])
    known = list(api.items("/v1/models"))
    found = next((item for item in known if item["model"] == model and item["active"]), None)
    if found is None:
        names = ", ".join(sorted({item["model"] for item in known if item["active"]}))
        raise Problem(f"no model {model} is in force", remedy=f"name one of {names}")
    answer = api.get(f"/v1/models/{found['id']}/norms", least_clients=least)
    say(json.dumps(answer) if as_json else answer["definition"].rstrip("\n"))
