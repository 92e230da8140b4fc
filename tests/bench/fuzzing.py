"""`make bench`: ten times as many fuzzed requests as the tests send; results in `tests/bench/results/fuzzing.json`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from tests.bench.replicas import running, token
from tests.support.fuzzing import fuzz
from tests.support.stack import private_stack

RESULTS = Path(__file__).parent / "results" / "fuzzing.json"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-operation", type=int, default=1_000)
    parser.add_argument("--seconds", type=int, default=1_800)
    wish = parser.parse_args()
    with private_stack() as stack, running(stack) as bench, tempfile.TemporaryDirectory() as folder:
        url = f"http://127.0.0.1:{bench.start().port}"
        found = fuzz(url, token(stack), Path(folder), per_operation=wish.per_operation, seconds=wish.seconds)
    RESULTS.write_text(json.dumps(asdict(found), indent=2) + "\n")
    sys.stdout.write(f"{found.cases} cases, {len(found.failures)} failures\n" + "\n".join(found.failures))
    return 1 if found.failures else 0


if __name__ == "__main__":
    sys.exit(main())
