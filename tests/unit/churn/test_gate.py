"""Every check of the gate keeps a model out by itself, and says why in figures."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from churn.learning import gate


def figure(value: float, low: float | None = None, high: float | None = None) -> dict[str, float]:
    return {"value": value, "low": value if low is None else low, "high": value if high is None else high}


def good() -> dict[str, Any]:
    return {
        "ece": figure(0.011),
        "ece_noise_floor": figure(0.004),
        "permuted_auc": figure(0.52, 0.49, 0.55),
        "baselines": {
            "logistic": {"log_loss_above_ours": figure(0.001, -0.001, 0.003)},
            "rule": {"log_loss_above_ours": figure(0.004, 0.002, 0.006)},
            "in_service": {"log_loss_above_ours": figure(0.0005, -0.001, 0.002)},
        },
        "segments": [
            {"kind": "segment", "name": "smb", "said": 0.05, "came": 0.06, "difference": figure(-0.01, -0.02, 0.003)}
        ],
    }


def test_a_model_that_shows_everything_passes():
    verdict = gate.judge(good())
    assert (verdict.passed, verdict.failed) == (True, ())
    assert len(verdict.to_json()["checks"]) == 7


@pytest.mark.parametrize(
    ("path", "value", "name"),
    [
        (("baselines", "logistic", "log_loss_above_ours"), figure(-0.0001, -0.002, 0.002), "beats_logistic"),
        (("baselines", "rule", "log_loss_above_ours"), figure(0.004, -0.0001, 0.008), "surely_beats_rule"),
        (("baselines", "in_service", "log_loss_above_ours"), figure(0.0, -0.001, 0.001), "beats_in_service"),
        (("ece",), figure(0.0141), "calibrated"),
        (("permuted_auc",), figure(0.57, 0.54, 0.60), "permuted_fails"),
        (("segments", 0, "difference"), figure(-0.01, -0.02, -0.001), "segments"),
    ],
)
def test_one_thing_not_shown_keeps_it_out(path: tuple[Any, ...], value: dict[str, float], name: str):
    report = deepcopy(good())
    inner: Any = report
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    verdict = gate.judge(report)
    assert [check.name for check in verdict.checks if not check.passed] == [name]
    assert len(verdict.failed) == 1


def test_without_a_model_in_service_there_is_one_rival_less():
    report = good()
    del report["baselines"]["in_service"]
    assert "beats_in_service" not in {check.name for check in gate.judge(report).checks}


def test_a_segment_that_is_off_is_named_with_what_was_said_and_what_came():
    report = good()
    report["segments"][0]["difference"] = figure(-0.01, -0.02, -0.001)
    assert gate.judge(report).failed == ("off by more than their interval: segment smb (said 5.0%, came 6.0%)",)
