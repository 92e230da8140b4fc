"""A table that nobody here made, by `loop churn backtest --table`: `python -m tests.bench.telco_table [FOLDER]`.

IBM's Telco Customer Churn (default ../shared/data/telco), 3 × 5 folds: every row is judged by models that have seen
neither it nor how its words are spread, and each choice (candidate, calibration) is made inside the other folds.
Required: AUC at least 0.845, calibration error at most 0.03. The report goes to tests/bench/results/telco_table.json.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[3] / "shared" / "data" / "telco"
RESULTS = Path(__file__).parent / "results" / "telco_table.json"
LEAST_AUC, MOST_ECE = 0.845, 0.03
COMMAND = ("churn", "backtest", "--table", "-", "--label", "Churn", "--id", "customerID", "--json")
KEPT = (
    "n", "base_rate", "auc", "pr_auc", "lift_at_10", "log_loss", "brier", "ece", "ece_noise_floor", "folds",
    "baselines", "permuted_auc", "gate", "model", "compared", "table", "seconds",
)  # fmt: skip
Report = dict[str, Any]


def run(folder: Path) -> Report:
    """The report of the command. Raises CalledProcessError where it fails."""
    content = gzip.decompress((folder / "telco_customer_churn.csv.gz").read_bytes())
    loop = str(Path(sys.executable).parent / "loop")
    done = subprocess.run([loop, *COMMAND], input=content, stdout=subprocess.PIPE, check=True)
    told: Report = json.loads(done.stdout)
    return {name: told[name] for name in KEPT}


def reached(report: Report) -> bool:
    """Mean AUC over the folds, as tables of others state it; the calibration error is the mean of the repeats."""
    return report["folds"]["auc"]["value"] >= LEAST_AUC and report["ece"]["value"] <= MOST_ECE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=DATA)
    report = run(parser.parse_args().folder)
    RESULTS.write_text(json.dumps(report, indent=2) + "\n")
    figures = {"auc, mean of 15 folds": report["folds"]["auc"], **{name: report[name] for name in ("auc", "ece")}}
    for name, figure in figures.items():
        sys.stdout.write(f"{name:<24} {figure['value']} ({figure['low']} – {figure['high']})\n")
    if not reached(report):
        raise SystemExit(f"not reached: AUC at least {LEAST_AUC}, calibration error at most {MOST_ECE}")


if __name__ == "__main__":
    main()
