"""A what-if on third-party data: `python -m tests.bench.what_if_oulad [FOLDER]` (default ../shared/data/oulad).

The converter's events through `loop health backtest --events`, with a candidate that takes missed milestones less to
heart; the span is that of the presentations. The report goes to tests/bench/results/what_if_oulad.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from common.settings import REPOSITORY_CONFIG

DATA = Path(__file__).parents[3] / "shared" / "data" / "oulad"
RESULTS = Path(__file__).parent / "results" / "what_if_oulad.json"
CONVERTER = Path(__file__).parent / "datasets" / "oulad.py"
SHIPPED = "[[0, 0], [0.5, 40], [0.7, 65], [0.85, 85], [1.0, 100]]"
MILDER = "[[0, 0], [0.3, 40], [0.5, 65], [0.75, 85], [1.0, 100]]"
SPAN = ("--from", "2013-02-01", "--to", "2014-05-31")


def candidate() -> str:
    """The shipped model with a milder curve of `milestones_on_time`."""
    text = (REPOSITORY_CONFIG / "health" / "loop.yaml").read_text()
    if SHIPPED not in text:
        raise SystemExit("the shipped curve of milestones_on_time is another now: change SHIPPED")
    return text.replace(SHIPPED, MILDER)


def run(folder: Path) -> dict[str, Any]:
    """The report. Raises CalledProcessError where the converter or the command fails."""
    with tempfile.TemporaryDirectory(prefix="csl-what-if-") as scratch:
        events, model = Path(scratch) / "oulad.ndjson", Path(scratch) / "candidate.yaml"
        model.write_text(candidate())
        with events.open("wb") as file:
            subprocess.run([sys.executable, str(CONVERTER), str(folder)], stdout=file, check=True)
        loop = str(Path(sys.executable).parent / "loop")
        command = [loop, "health", "backtest", "--model", str(model), "--events", str(events), *SPAN, "--json"]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=DATA)
    report = run(parser.parse_args().folder)
    for side in report["alerts_per_week"].values():
        del side["weeks"]  # a line a week: whoever wants them runs it
    RESULTS.write_text(json.dumps(report, indent=2) + "\n")
    from loopctl.past_file import summary

    sys.stdout.write(summary(report) + "\n")


if __name__ == "__main__":
    main()
