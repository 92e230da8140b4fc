"""`loop churn …`: train and test models, and decide which of them is in service."""

from __future__ import annotations

import json
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loopctl import churn_training
from loopctl.churn_training import SIMULATED_MARK
from loopctl.commands.options import Data, Json
from loopctl.console import say
from loopctl.errors import Problem

if TYPE_CHECKING:
    from loopctl.api import Api
    from loopctl.stack import Stack

SCOPES = ("churn:read", "churn:admin")
DECISIONS = 5
"""How many of the last are shown."""
ACTIONS = {"promoted": "promoted", "rolled_back": "rolled back to", "fell_back": "fell back to"}


def register(cli: typer.Typer) -> None:
    churn = typer.Typer(help="Train churn models, and decide which is in service.", no_args_is_help=True)
    churn.command()(churn_training.train)
    churn.command()(churn_training.backtest)
    churn.command()(models)
    churn.command()(promote)
    churn.command()(rollback)
    cli.add_typer(churn, name="churn")


def models(data: Data = None, as_json: Json = False) -> None:
    """List the models of the registry, who put what in service lately, and what data is still lacking for one."""
    page = churn_api(data).get("/v1/models", limit=100)
    if as_json:
        say(json.dumps(page))
        return
    say(f"in service: {page['in_service']}" + (f" ({page['refused']})" if page["refused"] else ""))
    for model in page["items"]:
        mark = f" {SIMULATED_MARK}" if model["trained_on"] == "simulated" else ""
        auc = (model["metrics"].get("auc") or {}).get("value", "not known")
        star = "*" if model["in_service"] else " "
        say(f"{star} {model['version']:<14} {model['model_id']}  AUC {auc}  by {model['created_by']}{mark}")
    _tell_decisions(page)
    for lack in page["data"]["lacks"]:
        say(f"lacking: {lack}")


def _tell_decisions(page: dict[str, Any]) -> None:
    versions = {model["model_id"]: model["version"] for model in page["items"]}
    for made in page["decisions"][:DECISIONS]:
        what = versions.get(made["model_id"], made["model_id"]) or "scorecard"
        action = ACTIONS.get(made["action"], made["action"])
        say(f"{made['at'][:16].replace('T', ' ')}  {action} {what}  by {made['by']}: {made['reason']}")


def promote(
    model: Annotated[str, typer.Argument(help="Version or id of a model, as `loop churn models` shows it.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept with the decision.")] = "promoted by the operator",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Put a model in service; the running service takes it up with its next batch."""
    api = churn_api(data)
    known = [m for m in api.items("/v1/models") if model in (m["version"], m["model_id"])]
    if not known:
        raise Problem(f"there is no model {model}", remedy="look at `loop churn models`")
    answer = decided(api, f"/v1/models/{known[0]['model_id']}/promote", reason)
    say(json.dumps(answer) if as_json else f"in service: {answer['version']}")


def rollback(
    reason: Annotated[str, typer.Option(help="Why; it is kept with the decision.")] = "rolled back by the operator",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Back to the model that was in service before this one, or to the scorecard."""
    api = churn_api(data)
    answer = decided(api, "/v1/models/rollback", reason)
    say(json.dumps(answer) if as_json else f"in service: {answer['version']}")


def decided(api: Api, path: str, reason: str) -> dict[str, Any]:
    """A decision about models. Raises Problem with churn's reason where it refuses."""
    from loopctl import api as calls

    response = api.call("POST", path, json={"reason": reason})
    if response.status_code == HTTPStatus.CONFLICT:
        raise Problem(
            f"nothing was changed: {calls.reason(response)}",
            remedy="`loop churn models` says what is in service, and who decided so",
        )
    answer: dict[str, Any] = api.good(response).json()
    return answer


def churn_api(data: Path | None) -> Api:
    """The API of the running stack's churn service, as an administrator of models."""
    from loopctl.api import Api
    from loopctl.stack import Stack

    stack: Stack = Stack.at(data)
    stack.need_exists()
    return Api(stack, "churn", SCOPES)
