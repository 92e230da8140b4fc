"""Schemathesis against a running service: what its OpenAPI document promises holds for whatever anybody sends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
)
SEED = 20260302
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Fuzzed:
    """How many cases were sent, and what was wrong."""

    cases: int
    failures: list[str]


def fuzz(url: str, token: str, folder: Path, *, per_operation: int, seconds: int) -> Fuzzed:
    """Every operation, positive and negative cases, a fixed seed. `seconds` bounds the whole."""
    report = folder / "fuzz.json"
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "schemathesis"), "run", f"{url}/openapi.json",
            "--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing",
            "--max-examples", str(per_operation), "--seed", str(SEED), "--no-shrink", "--continue-on-failure",
            "--suppress-health-check", "all",
            "--header", f"Authorization: Bearer {token}", "--warnings", "off", "--request-timeout", "30",
            "--report", "json", "--report-json-path", str(report),
        ],
        env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.support.schemathesis_hooks", "PYTHONPATH": str(ROOT)},
        cwd=folder, capture_output=True, text=True, timeout=seconds, check=False,
    )  # fmt: skip
    if not report.exists():
        raise RuntimeError(f"schemathesis made no report: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return _read(json.loads(report.read_text()))


def _read(report: dict[str, Any]) -> Fuzzed:
    wrong = [f"{f['title']} at {', '.join(map(str, f['operations']))}" for f in report["failures"]]
    wrong += [str(error) for error in report["errors"]]
    wrong += [] if report["complete"] else [f"it stopped early: {report['stop_reason']}"]
    return Fuzzed(report["test_cases"]["generated"], wrong)
