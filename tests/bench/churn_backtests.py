"""Churn on data that nobody here wrote: each converter into `loop churn backtest`, with its README's splits.

    .venv/bin/python -m tests.bench.churn_backtests [--only fightchurn,oulad,ravenstack] [--cards FOLDER]

Its test moments begin a step of the grid after the split: so do ours (125,293 rows for its 125,357 of oulad, 3,432 for
its 3,377 of fightchurn).

Held against: the best plain library of that README (AUC and lift in the riskiest tenth) and the calibration error's
noise. Exit code 1 if a figure is below what it is held against (fightchurn: below within its interval), or if
ravenstack, whose labels are near random, passes the gate. Results go to `tests/bench/results/churn_backtests.json`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
DATA = ROOT.parent / "shared" / "data"
RESULTS = HERE / "results" / "churn_backtests.json"
KEPT = (
    "n", "base_rate", "auc", "pr_auc", "lift_at_10", "log_loss", "brier", "ece", "ece_noise_floor",
    "recall_at_capacity", "lead_time_days", "permuted_auc", "grouped", "model", "compared", "rows", "leavers", "above",
    "gate", "seconds",
)  # fmt: skip
ECE_ROOM = 0.01


@dataclass(frozen=True)
class Case:
    """A data set with its split, and the best plain library's figures there."""

    name: str
    options: tuple[str, ...]
    auc: float = 0.0
    lift: float = 0.0
    within_interval: bool = False
    passes_gate: bool | None = None
    """None: either way."""


CASES = (
    Case(
        "fightchurn",
        ("--train-until", "2023-04-06", "--test-from", "2023-05-04", "--test-to", "2023-10-03", "--grid", "28"),
        auc=0.697, lift=3.7, within_interval=True,
    ),
    Case(
        "oulad",
        ("--train-until", "2014-02-01", "--test-from", "2014-02-15", "--test-to", "2014-07-01", "--grid", "14",
         "--min-tenure", "14"),
        auc=0.801, lift=3.5,
    ),
    Case("ravenstack", (), passes_gate=False),
)  # fmt: skip


def backtest(case: Case, cards: Path | None) -> dict[str, Any]:
    """The report, as the command prints it; `too_little` where it refuses."""
    converter = [sys.executable, str(HERE / "datasets" / f"{case.name}.py"), str(DATA / case.name)]
    command = [sys.executable, "-m", "loopctl.main", "churn", "backtest", "--events", "-", "--json", *case.options]
    if cards:
        command += ["--card", str(cards / f"{case.name}.html")]
    with subprocess.Popen(converter, stdout=subprocess.PIPE) as lines:
        done = subprocess.run(command, stdin=lines.stdout, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"refused": done.stderr.strip().splitlines()[-1]}
    report = json.loads(done.stdout)
    found = {name: report[name] for name in KEPT}
    found["baselines"] = {
        name: {figure: theirs[figure] for figure in ("auc", "lift_at_10", "log_loss", "ece", "log_loss_above_ours")}
        for name, theirs in report["baselines"].items()
    }
    return found


def wrong(case: Case, found: dict[str, Any]) -> Iterator[str]:
    """What does not hold."""
    if "refused" in found:
        if case.passes_gate is not False:
            yield found["refused"]
        return
    if case.passes_gate is not None and found["gate"]["passed"] != case.passes_gate:
        yield f"the gate {'passes' if found['gate']['passed'] else 'fails'} it"
    for name, least in (("auc", case.auc), ("lift_at_10", case.lift)):
        reached = found[name]["high" if case.within_interval else "value"]
        if reached < least:
            yield f"{name} {found[name]['value']} is below {least}"
    if case.auc and found["ece"]["value"] > found["ece_noise_floor"]["value"] + ECE_ROOM:
        yield f"calibration error {found['ece']['value']} is beyond its noise"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(case.name for case in CASES))
    parser.add_argument("--cards", type=Path, help="write each model's card into this folder")
    wish = parser.parse_args()
    if not DATA.exists():
        sys.stderr.write(f"there is no {DATA}: nothing to measure on\n")
        return 0
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    failed = False
    for case in (case for case in CASES if case.name in wish.only.split(",")):
        found = results[case.name] = {"options": list(case.options), **backtest(case, wish.cards)}
        held = list(wrong(case, found))
        failed = failed or bool(held)
        brief = {name: found.get(name) for name in ("n", "auc", "lift_at_10", "ece", "refused") if name in found}
        sys.stdout.write(f"{case.name}: {json.dumps(brief)}\n" + "".join(f"  WRONG: {text}\n" for text in held))
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
