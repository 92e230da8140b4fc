"""`loop churn train|backtest --table`: the same on a feature table that a team brings from its warehouse.

The service does not compute such columns, so a model of them is never in service: it gives the risk of each row.
"""

from __future__ import annotations

import csv
import io
import json
import math
import sys
import time as stopwatch
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loopctl.console import complain, say
from loopctl.errors import Problem, WrongUsage

if TYPE_CHECKING:
    from churn.dataset import Wish
    from churn.own_table import OwnTable
    from churn.own_training import Own

TOLD = ("auc", "pr_auc", "lift_at_10", "log_loss", "ece")

File = Annotated[str | None, typer.Option("--table", help="A feature table (CSV) instead of events, or - for stdin.")]
Label = Annotated[str | None, typer.Option("--label", help="Its column that says who left (yes or no, 1 or 0, …).")]
Time = Annotated[str | None, typer.Option("--time", help="Its column of ISO dates; without, folds test.")]
Client = Annotated[str | None, typer.Option("--id", help="Its column that names the client; else each row is one.")]
Out = Annotated[Path | None, typer.Option("--out", help="Write the risk of each row of the table here (CSV).")]


@dataclass(frozen=True, slots=True)
class TableWish:
    """What table is learned from, and where its risks go."""

    file: str
    label: str
    time: str | None = None
    client: str | None = None
    out: Path | None = None


def wanted(
    events: str | None,
    file: str | None,
    label: str | None,
    time: str | None,
    client: str | None,
    *,
    windows: bool,
    out: Path | None = None,
    scores: Path | None = None,
) -> TableWish | None:
    """The wish for a table; None where events are learned from. Raises WrongUsage for half of either."""
    if file is None:
        if events is None:
            raise WrongUsage("name what to learn from: --events FILE, or --table FILE --label COLUMN")
        if label or time or client or out:
            raise WrongUsage("--label, --time, --id and --out belong to --table")
        return None
    if events is not None:
        raise WrongUsage("--events or --table, not both")
    if label is None:
        raise WrongUsage("--table needs --label: the column that says who left")
    if scores is not None:
        raise WrongUsage("--scores belongs to --events: a table has columns of its own")
    if windows and time is None:
        raise WrongUsage("--train-until, --test-from and --test-to need --time: the column that says when a row was so")
    return TableWish(file, label, time, client, out)


def need_folders(*files: Path | None) -> None:
    """Raises Problem where something could not be written once the work is done."""
    for file in files:
        if file is not None and not file.absolute().parent.is_dir():
            raise Problem(f"there is no folder {file.parent}", remedy=f"make it, or write {file.name} elsewhere")


def learn(own: TableWish, wish: Wish, card: Path | None, as_json: bool, *, must_pass: bool) -> None:
    """Learn from the table and tell how good that is. Raises Problem where it cannot, or fails a gate it must pass."""
    from churn import card_page

    started = stopwatch.monotonic()
    table = _read(own)
    found = _learned(own, table, wish)
    if card is not None:
        text = found.trained.card
        card.write_text(text if card.suffix == ".md" else card_page.html(text), encoding="utf-8")
    told = {**found.trained.metrics, "seconds": round(stopwatch.monotonic() - started, 2)}
    if as_json:
        say(json.dumps(told))
    else:
        _tell(told)
    if must_pass and found.trained.refused:
        raise Problem("this model failed the gate; no risks were written", remedy="read what it did not show")
    if own.out is not None:
        own.out.write_text(_risks(own, table, found), encoding="utf-8")
        complain(f"the risks of {len(table):,} rows are in {own.out}")


def _read(own: TableWish) -> OwnTable:
    from churn import own_table
    from churn.adapters.csv_file import BadTableError

    try:
        content = sys.stdin.buffer.read() if own.file == "-" else Path(own.file).read_bytes()
        return own_table.read(content, own.label, own.time, own.client)
    except FileNotFoundError as error:
        raise Problem(f"there is no file {own.file}", remedy="name a CSV file") from error
    except OSError as error:
        raise Problem(f"{own.file} cannot be read ({error.strerror})", remedy="name a CSV file") from error
    except BadTableError as error:
        raise Problem(f"{own.file} cannot be learned from: {error}", remedy="mend the table") from error


def _learned(own: TableWish, table: OwnTable, wish: Wish) -> Own:
    from churn import own_training
    from churn.learning.guards import LeakError
    from churn.learning.windows import TooLittleError

    try:
        return own_training.train(table, own.label, wish)
    except TooLittleError as error:
        raise Problem(f"No model: {error}", remedy="bring more rows of clients that left") from error
    except LeakError as error:
        raise Problem(f"No model: {error}", remedy="leave that column out") from error


def _risks(own: TableWish, table: OwnTable, found: Own) -> str:
    """One line a row of the table, in its order; no risk for a row that the model learned from."""
    text = io.StringIO(newline="")
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow([own.client or "row", *([own.time] if own.time else []), own.label, "risk"])
    for nth, client in enumerate(table.clients):
        left, risk = table.left[nth], found.risks[nth]
        when = [] if table.moments is None else [_day(int(table.moments[nth]))]
        said = "" if math.isnan(left) else ("yes" if left else "no")
        lines.writerow([client, *when, said, "" if math.isnan(risk) else f"{risk:.5f}"])
    return text.getvalue()


def _day(second: int) -> str:
    from churn.domain.moments import moment_of

    return moment_of(second).date().isoformat()


def _tell(told: dict[str, Any]) -> None:
    rows, own = told["rows"], told["table"]
    say(f"read       {rows['all']:,} rows, {own['columns']} columns, {told['leavers']['all']:,} clients left")
    for name, why in own["left_out"].items():
        say(f"left out   {name}: {why}")
    if "folds" in told:
        folds = told["folds"]
        say(f"tested     by {folds['repeats']} × {folds['folds']} folds, base rate {_figure(told['base_rate'])}")
        say(f"auc        {_figure(folds['auc'])}, mean of the folds")
    else:
        say(f"tested     on {rows['test']:,} later rows, base rate {_figure(told['base_rate'])}")
    for name in TOLD:
        others = "".join(f", {rival} {theirs[name]['value']}" for rival, theirs in told["baselines"].items())
        say(f"{name:<19}{_figure(told[name])}{others}")
    say(f"ece_noise_floor    {_figure(told['ece_noise_floor'])}")
    for check in told["gate"]["checks"]:
        say(f"{'passed' if check['passed'] else 'FAILED'}   {check['text']}")
    say(f"took       {told['seconds']} s")


def _figure(figure: dict[str, float | None]) -> str:
    return f"{figure['value']} ({figure['low']} – {figure['high']})"
