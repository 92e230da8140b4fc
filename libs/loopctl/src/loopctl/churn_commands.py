"""`loop churn …`: train a model from a file of client events, put models in and out of service."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, date, datetime
from datetime import time as clock_time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loopctl.commands.options import Data, Json
from loopctl.console import complain, say
from loopctl.errors import Problem, WrongUsage

if TYPE_CHECKING:
    from churn.dataset import Table, Wish
    from churn.training import Trained

    from loopctl.api import Api
    from loopctl.stack import Stack

SCOPES = ("churn:read", "churn:admin")
SHOWN_REFUSALS = 5
SCORES_EVERY = 10
"""Days between the health scores that are worked out on the way: enough for a slope over a month."""
SIMULATED_MARK = "[simulated data]"

Events = Annotated[str, typer.Option("--events", help="Client events in import form (NDJSON), or - for stdin.")]


def register(cli: typer.Typer) -> None:
    churn = typer.Typer(help="Train churn models, and decide which is in service.", no_args_is_help=True)
    churn.command()(train)
    churn.command()(models)
    churn.command()(promote)
    churn.command()(rollback)
    cli.add_typer(churn, name="churn")


def train(
    events: Events,
    scores: Annotated[
        Path | None, typer.Option(help="Historic scores, as `loop health replay` prints them; else worked out here.")
    ] = None,
    train_until: Annotated[
        str | None, typer.Option("--train-until", help="Use nothing known after this day (YYYY-MM-DD).")
    ] = None,
    horizon: Annotated[int, typer.Option(help="Days within which a client leaves.", min=7, max=365)] = 90,
    grid: Annotated[int, typer.Option(help="Days between the moments learned from.", min=1, max=90)] = 28,
    min_tenure: Annotated[int, typer.Option("--min-tenure", help="Days before a client is learned from.", min=0)] = 30,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="Mark the model as trained on simulated data, wherever it shows.")
    ] = False,
    store: Annotated[bool, typer.Option("--store/--dry-run", help="Store and promote it in the running stack.")] = True,
    promotion: Annotated[bool, typer.Option("--promote/--no-promote", help="Put it in service once stored.")] = True,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Train a churn model, store it in the registry of the running stack, and put it in service."""
    api = _api(data) if store else None  # a stack that is not there is said before the work, not after
    if api is not None:
        api.get("/v1/models", limit=1)
    wish = _wish(train_until, horizon, grid, min_tenure)
    started = time.monotonic()
    table = _table(events, scores, wish)
    trained = _trained(table, wish, simulated)
    seconds = time.monotonic() - started
    told: dict[str, Any] = {**trained.metrics, "trained_on": trained.trained_on, "seconds": round(seconds, 2)}
    if api is not None:
        told |= _stored(api, trained, promotion)
    if as_json:
        say(json.dumps(told))
        return
    for refusal in table.refusals[:SHOWN_REFUSALS]:
        complain(f"refused  {refusal}")
    _tell(told)


def models(data: Data = None, as_json: Json = False) -> None:
    """List the models of the registry, newest first."""
    page = _api(data).get("/v1/models", limit=100)
    if as_json:
        say(json.dumps(page))
        return
    say(f"in service: {page['in_service']}" + (f" ({page['refused']})" if page["refused"] else ""))
    for model in page["items"]:
        mark = f" {SIMULATED_MARK}" if model["trained_on"] == "simulated" else ""
        auc = (model["metrics"].get("auc") or {}).get("value")
        star = "*" if model["in_service"] else " "
        say(f"{star} {model['version']:<14} {model['model_id']}  AUC {auc}  by {model['created_by']}{mark}")


def promote(
    model: Annotated[str, typer.Argument(help="Version or id of a model, as `loop churn models` shows it.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept with the decision.")] = "promoted by the operator",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Put a model in service; the running service takes it up with its next batch."""
    api = _api(data)
    known = [m for m in api.items("/v1/models") if model in (m["version"], m["model_id"])]
    if not known:
        raise Problem(f"there is no model {model}", remedy="look at `loop churn models`")
    answer = api.good(api.call("POST", f"/v1/models/{known[0]['model_id']}/promote", json={"reason": reason})).json()
    say(json.dumps(answer) if as_json else f"in service: {answer['version']}")


def rollback(
    reason: Annotated[str, typer.Option(help="Why; it is kept with the decision.")] = "rolled back by the operator",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Back to the model that was in service before this one, or to the scorecard."""
    api = _api(data)
    answer = api.good(api.call("POST", "/v1/models/rollback", json={"reason": reason})).json()
    say(json.dumps(answer) if as_json else f"in service: {answer['version']}")


def _api(data: Path | None) -> Api:
    from loopctl.api import Api
    from loopctl.stack import Stack

    stack: Stack = Stack.at(data)
    stack.need_exists()
    return Api(stack, "churn", SCOPES)


def _wish(train_until: str | None, horizon: int, grid: int, min_tenure: int) -> Wish:
    from churn.adapters.policy_files import load_policy
    from churn.dataset import Wish
    from churn.domain.history import MICRO
    from churn.domain.labels import Rules
    from common.settings import REPOSITORY_CONFIG

    until = None
    if train_until is not None:
        try:
            day = date.fromisoformat(train_until)
        except ValueError as error:
            raise WrongUsage(f"--train-until takes a day like 2026-03-01, not {train_until!r}") from error
        until = int(datetime.combine(day, clock_time(), UTC).timestamp()) * MICRO
    grace = load_policy(REPOSITORY_CONFIG).grace_days
    return Wish(Rules(horizon, min_tenure, grace), grid, until)


def _table(events: str, scores: Path | None, wish: Wish) -> Table:
    from churn import dataset

    from loopctl.health_commands import training_replay

    content = sys.stdin.buffer.read() if events == "-" else _bytes(Path(events))
    table = dataset.build(content, _bytes(scores) if scores else None, wish, training_replay(SCORES_EVERY))
    if not len(table):
        why = table.refusals[0] if table.refusals else "no client with an outcome that is known"
        raise Problem(f"{events} gives nothing to learn from ({why})", remedy="check it with `loop import --help`")
    return table


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError as error:
        raise Problem(f"there is no file {file}", remedy="name one in import form (NDJSON)") from error


def _trained(table: Table, wish: Wish, simulated: bool) -> Trained:
    from churn import training
    from churn.learning.windows import TooLittleError

    try:
        return training.train(table, wish, training.SIMULATED if simulated else training.OWN)
    except TooLittleError as error:
        raise Problem(f"No model: {error}", remedy="bring a longer history, or more clients") from error


def _stored(api: Api, trained: Trained, promotion: bool) -> dict[str, Any]:
    from churn.training import offer

    model = api.good(api.call("POST", "/v1/models", json=offer(trained))).json()
    if promotion:
        reason = {"reason": f"trained by `loop churn train` on {trained.trained_on} data"}
        model = api.good(api.call("POST", f"/v1/models/{model['model_id']}/promote", json=reason)).json()
    return {"model_id": model["model_id"], "version": model["version"], "promoted": promotion}


def _tell(told: dict[str, Any]) -> None:
    rows, leavers = told["rows"], told["leavers"]
    mark = f" {SIMULATED_MARK}" if told["trained_on"] == "simulated" else ""
    say(f"read       {told['lines']:,} events, {told['refused']} refused")
    say(f"clients    {told['clients']:,}, {leavers['all']} of them left")
    say(f"learned    from {rows['fit']:,} moments; tested on {rows['test']:,} later ones{mark}")
    for name in ("auc", "lift_at_10", "ece"):
        figure = told[name]
        say(f"{name:<10} {figure['value']} ({figure['low']} – {figure['high']})")
    high = told["above"]["0.6"]
    if high["rows"]:
        say(f"p ≥ 0.6    {high['rows']} moments, {high['precision']:.0%} of them left")
    if "version" in told:
        say(f"model      {told['version']} {'is in service' if told['promoted'] else 'is stored'}{mark}")
    say(f"took       {told['seconds']} s")
