"""`loop churn train` and `loop churn backtest`: from a file of client events to a model that may speak, or why not."""

from __future__ import annotations

import base64
import json
import sys
import time as stopwatch
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from datetime import time as clock_time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loopctl import churn_tables
from loopctl.commands.options import Data, Json
from loopctl.console import complain, say
from loopctl.errors import Problem, WrongUsage

if TYPE_CHECKING:
    from churn.dataset import Table, Wish
    from churn.learning.windows import Windows
    from churn.training import InService, Trained

    from loopctl.api import Api

SHOWN_REFUSALS = 5
SCORES_EVERY = 10
"""Days between the health scores that are worked out on the way: enough for a slope over a month."""
SIMULATED_MARK = "[simulated data]"
TOLD = ("auc", "pr_auc", "lift_at_10", "log_loss", "ece", "recall_at_capacity")

Events = Annotated[str | None, typer.Option("--events", help="Client events in import form (NDJSON), or - for stdin.")]
Scores = Annotated[
    Path | None, typer.Option(help="Historic scores, as `loop health replay` prints them; else worked out here.")
]
TrainUntil = Annotated[
    str | None, typer.Option("--train-until", help="Day by which all that is learned from is known (YYYY-MM-DD).")
]
TestFrom = Annotated[
    str | None, typer.Option("--test-from", help="First moment that tests; else the last part of the file does.")
]
TestTo = Annotated[str | None, typer.Option("--test-to", help="Last moment that tests.")]
Horizon = Annotated[int, typer.Option(help="Days within which a client leaves.", min=7, max=365)]
Grid = Annotated[int, typer.Option(help="Days between moments.", min=1, max=90)]
MinTenure = Annotated[int, typer.Option("--min-tenure", help="Days before a client is learned from.", min=0)]
Simulated = Annotated[
    bool, typer.Option("--simulated", help="Mark the model as trained on simulated data, wherever it shows.")
]
Card = Annotated[Path | None, typer.Option("--card", help="Write the model's card here (.html or .md).")]


def train(
    events: Events = None,
    scores: Scores = None,
    train_until: TrainUntil = None,
    test_from: TestFrom = None,
    test_to: TestTo = None,
    horizon: Horizon = 90,
    grid: Grid = 7,
    min_tenure: MinTenure = 30,
    simulated: Simulated = False,
    store: Annotated[bool, typer.Option("--store/--dry-run", help="Store and promote it in the running stack.")] = True,
    promotion: Annotated[bool, typer.Option("--promote/--no-promote", help="Put it in service once stored.")] = True,
    table: churn_tables.File = None,
    label: churn_tables.Label = None,
    time: churn_tables.Time = None,
    client: churn_tables.Client = None,
    out: churn_tables.Out = None,
    card: Card = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Train a churn model and test it on later moments; if it passes the gate, store it and put it in service.

    With --table it learns from columns of your own, which the service does not compute: nothing is stored then, and
    --out takes the risk of each row.
    """
    windows = bool(train_until or test_from or test_to)
    own = churn_tables.wanted(events, table, label, time, client, windows=windows, out=out, scores=scores)
    wish = _wish(train_until, test_from, test_to, horizon, grid, min_tenure)
    churn_tables.need_folders(card, out)
    if own is not None:
        churn_tables.learn(own, wish, card, as_json, must_pass=True)
    elif events is not None:
        _train(events, scores, wish, Storing(simulated, store, promotion), card, data, as_json)


@dataclass(frozen=True, slots=True)
class Storing:
    """What becomes of a model that passes the gate."""

    simulated: bool
    store: bool
    promote: bool


def _train(
    events: str, scores: Path | None, wish: Wish, then: Storing, card: Path | None, data: Path | None, as_json: bool
) -> None:
    api = _api(data) if then.store else None  # a stack that is not there is said before the work, not after
    in_service = _in_service(api) if api is not None else None
    started = stopwatch.monotonic()
    table = _table(events, scores, wish)
    trained = _trained(table, wish, then.simulated, in_service)
    _write_card(card, trained.card)
    told: dict[str, Any] = {**trained.metrics, "trained_on": trained.trained_on}
    if api is not None and not trained.refused:
        told |= _stored(api, trained, then.promote)
    told["seconds"] = round(stopwatch.monotonic() - started, 2)
    _say(told, table, as_json)
    if trained.refused:
        raise Problem(
            "the gate keeps this model out of service; nothing was changed",
            remedy="what it did not show is said above, and with --card FILE on its card",
        )


def backtest(
    events: Events = None,
    scores: Scores = None,
    train_until: TrainUntil = None,
    test_from: TestFrom = None,
    test_to: TestTo = None,
    horizon: Horizon = 90,
    grid: Grid = 7,
    min_tenure: MinTenure = 30,
    rolling: Annotated[
        int, typer.Option(help="Test from so many origins, one after the other, instead of once.", min=0, max=12)
    ] = 0,
    table: churn_tables.File = None,
    label: churn_tables.Label = None,
    time: churn_tables.Time = None,
    client: churn_tables.Client = None,
    card: Card = None,
    as_json: Json = False,
) -> None:
    """Train on what was known by a day, test on the moments after it, and say how good that would have been.

    Every figure has the 95 % interval of drawing clients with replacement. Nothing is stored.
    """
    windows = bool(train_until or test_from or test_to)
    if rolling and (windows or table):
        raise WrongUsage(
            "--rolling chooses windows of events: leave --train-until, --test-from, --test-to, --table out"
        )
    if rolling and card:
        raise WrongUsage("--rolling makes a model an origin, and no card: leave --card out")
    own = churn_tables.wanted(events, table, label, time, client, windows=windows, scores=scores)
    wish = _wish(train_until, test_from, test_to, horizon, grid, min_tenure)
    churn_tables.need_folders(card)
    if own is not None:
        churn_tables.learn(own, wish, card, as_json, must_pass=False)
    elif events is not None:
        _backtest(events, scores, wish, rolling, card, as_json)


def _backtest(events: str, scores: Path | None, wish: Wish, rolling: int, card: Path | None, as_json: bool) -> None:
    started = stopwatch.monotonic()
    table = _table(events, scores, wish)
    if rolling:
        _say_rolling(table, wish, rolling, as_json)
        return
    trained = _trained(table, wish, simulated=False, in_service=None)
    _write_card(card, trained.card)
    _say({**trained.metrics, "seconds": round(stopwatch.monotonic() - started, 2)}, table, as_json)


def _api(data: Path | None) -> Api:
    from loopctl.churn_commands import churn_api

    return churn_api(data)


def _in_service(api: Api) -> InService | None:
    """The model to beat. One that cannot be used here is no rival: it could not be put in service either."""
    from churn.adapters import risk_model
    from churn.adapters.stored_model import BadModelError, StoredModel
    from churn.training import InService

    served = next((m for m in api.items("/v1/models") if m["in_service"]), None)
    if served is None:
        return None
    kept = api.get(f"/v1/models/{served['model_id']}/content")
    content = base64.b64decode(kept["content_base64"])
    stored = StoredModel(
        content, kept["sha256"], tuple(kept["features"]), kept["calibration"], kept["libraries"], kept["kind"]
    )
    try:
        model = risk_model.unpack(stored)
    except BadModelError as error:
        complain(f"the model in service is not compared with: {error}")
        return None
    return InService(served["version"], model, int(served["metrics"].get("known_until", 0)))


def _wish(
    train_until: str | None, test_from: str | None, test_to: str | None, horizon: int, grid: int, min_tenure: int
) -> Wish:
    from churn.adapters.policy_files import load_policy
    from churn.dataset import Wish
    from common.settings import REPOSITORY_CONFIG

    rules = replace(load_policy(REPOSITORY_CONFIG).rules, horizon_days=horizon, min_tenure_days=min_tenure)
    known, first, last = (
        _second(train_until, "--train-until"), _second(test_from, "--test-from"), _second(test_to, "--test-to")
    )  # fmt: skip
    if known is not None and first is not None and first < known:
        raise WrongUsage(
            "--test-from lies before --train-until: a test begins once all that was learned from was known"
        )
    if last is not None and last < (first or known or last):
        raise WrongUsage("--test-to lies before the first moment of the test")
    return Wish(rules, grid, train_until=known, test_from=first, test_to=last)


def _second(text: str | None, option: str) -> int | None:
    """The midnight UTC with which a day begins."""
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise WrongUsage(f"{option} takes a day like 2026-03-01, not {text!r}") from error
    return int(datetime.combine(day, clock_time(), UTC).timestamp())


def _table(events: str, scores: Path | None, wish: Wish) -> Table:
    from churn import dataset
    from churn.learning.guards import LeakError
    from common.settings import REPOSITORY_CONFIG

    from loopctl.health_commands import training_replay
    from loopctl.words import words_of

    content = sys.stdin.buffer.read() if events == "-" else _bytes(Path(events))
    given = _bytes(scores) if scores else None
    try:
        table = dataset.build(content, given, wish, training_replay(SCORES_EVERY), words_of(REPOSITORY_CONFIG))
    except LeakError as error:
        raise Problem(f"No model: {error}", remedy="mend what is computed from the future") from error
    if not len(table):
        where = "standard input" if events == "-" else events
        if not content.strip():
            raise Problem(f"{where} is empty", remedy="give it client events in import form, one a line")
        why = table.refusals[0] if table.refusals else "no client with an outcome that is known"
        raise Problem(
            f"{where} gives nothing to learn from ({why})", remedy="docs/events says what a line of import form holds"
        )
    return table


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError as error:
        raise Problem(f"there is no file {file}", remedy="look at its name") from error
    except OSError as error:
        raise Problem(f"{file} cannot be read ({error.strerror})", remedy="name a file that you may read") from error


def _windows(table: Table, wish: Wish) -> Windows:
    from churn.learning import windows

    return windows.chosen(table, train_until=wish.train_until, test_from=wish.test_from, test_to=wish.test_to)


def _trained(table: Table, wish: Wish, simulated: bool, in_service: InService | None) -> Trained:
    from churn import training
    from churn.learning.guards import LeakError
    from churn.learning.windows import TooLittleError

    trained_on = training.SIMULATED if simulated else training.OWN
    try:
        return training.train(table, wish, trained_on, _windows(table, wish), in_service)
    except TooLittleError as error:
        raise Problem(f"No model: {error}", remedy="bring a longer history, or more clients") from error
    except LeakError as error:
        raise Problem(f"No model: {error}", remedy="take out what knows the future") from error


def _stored(api: Api, trained: Trained, promotion: bool) -> dict[str, Any]:
    from churn.training import offer

    from loopctl.churn_commands import decided

    model = api.good(api.call("POST", "/v1/models", json=offer(trained))).json()
    if promotion:
        reason = f"trained by `loop churn train` on {trained.trained_on} data"
        model = decided(api, f"/v1/models/{model['model_id']}/promote", reason)
    return {"model_id": model["model_id"], "version": model["version"], "promoted": promotion}


def _write_card(file: Path | None, card: str) -> None:
    if file is None:
        return
    from churn import card_page

    file.write_text(card if file.suffix == ".md" else card_page.html(card), encoding="utf-8")


def _say(told: dict[str, Any], table: Table, as_json: bool) -> None:
    if as_json:
        say(json.dumps(told))
        return
    for refusal in table.refusals[:SHOWN_REFUSALS]:
        complain(f"refused  {refusal}")
    _tell(told)


def _tell(told: dict[str, Any]) -> None:
    rows, leavers = told["rows"], told["leavers"]
    mark = f" {SIMULATED_MARK}" if told.get("trained_on") == "simulated" else ""
    say(f"read       {told['lines']:,} events, {told['refused']} refused")
    say(f"clients    {told['clients']:,}, {leavers['all']} of them left")
    say(f"learned    from {rows['fit']:,} moments ({leavers['fit']} leavers) by {told['model']}{mark}")
    say(
        f"tested     on {rows['test']:,} later ones ({leavers['test']} leavers), base rate {_figure(told['base_rate'])}"
    )
    for name in TOLD:
        beside = {rival: f"{theirs[name]['value']}" for rival, theirs in told["baselines"].items() if name in theirs}
        others = "".join(f", {rival} {value}" for rival, value in beside.items())
        say(f"{name:<19}{_figure(told[name])}{others}")
    say(f"ece_noise_floor    {_figure(told['ece_noise_floor'])}")
    say(f"permuted_auc       {_figure(told['permuted_auc'])}")
    lead = told["lead_time_days"]
    say(f"lead time          {_figure(lead['median'])} days (median)")
    say(f"14 days ahead      {_figure(lead['share_14d'])} of those who left")
    say(f"                   {_figure(lead['control_share_14d'])} of those who stayed")
    high = told["above"]["0.6"]
    if high["rows"]:
        say(f"p ≥ 0.6            {high['rows']} moments, {high['precision']:.0%} of them left")
    for check in told["gate"]["checks"]:
        say(f"{'passed' if check['passed'] else 'FAILED'}   {check['text']}")
    if "version" in told:
        say(f"model      {told['version']} {'is in service' if told['promoted'] else 'is stored'}{mark}")
    say(f"took       {told['seconds']} s")


def _figure(figure: dict[str, float | None]) -> str:
    return f"{figure['value']} ({figure['low']} – {figure['high']})"


def _say_rolling(table: Table, wish: Wish, origins: int, as_json: bool) -> None:
    from churn import training
    from churn.learning.guards import LeakError
    from churn.learning.windows import TooLittleError

    try:
        reports = training.rolling(table, wish, origins)
    except (TooLittleError, LeakError) as error:
        raise Problem(f"No backtest: {error}", remedy="bring a longer history, or ask for fewer origins") from error
    if as_json:
        say(json.dumps({"origins": reports}))
        return
    for report in reports:
        day = datetime.fromtimestamp(report["test_from"], UTC).date()
        if "too_little" in report:
            say(f"{day}  {report['too_little']}")
            continue
        figures = "  ".join(f"{name} {_figure(report[name])}" for name in ("auc", "lift_at_10", "ece"))
        say(f"{day}  n {report['n']:,}  {figures}  gate {'passed' if report['gate']['passed'] else 'failed'}")
