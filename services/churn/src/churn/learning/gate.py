"""What a model must show on the test window before it may speak: pure decisions over a report of `evaluating`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ECE_ROOM = 0.01
"""How far the calibration error may lie above that of perfectly calibrated probabilities."""
PERMUTED_ROOM = 2.0
"""Half-widths of its 95 % interval: with one, the gate would keep out every twentieth good model."""
RIVALS = {
    "logistic": "a plain logistic regression",
    "rule": "the two-signal rule",
    "in_service": "the model in service",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to show, whether it was shown, and in words what was found."""

    name: str
    passed: bool
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """All checks; the model may be promoted if every one passed."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def failed(self) -> tuple[str, ...]:
        """What was not shown, in words."""
        return tuple(check.text for check in self.checks if not check.passed)

    def to_json(self) -> dict[str, Any]:
        checks = [{"name": c.name, "passed": c.passed, "text": c.text} for c in self.checks]
        return {"passed": self.passed, "checks": checks}


def judge(report: Mapping[str, Any]) -> Verdict:
    """Every check, also after one has failed: who trains wants to know all that is missing."""
    baselines = report["baselines"]
    beaten = [_beats(name, words, baselines[name]) for name, words in RIVALS.items() if name in baselines]
    return Verdict((*beaten, _surely(baselines["rule"]), _calibrated(report), _permuted(report), _segments(report)))


def _beats(name: str, words: str, rival: Mapping[str, Any]) -> Check:
    gain = rival["log_loss_above_ours"]["value"]
    better = gain is not None and gain > 0
    than = "below" if better else "not below"
    return Check(f"beats_{name}", better, f"log-loss is {than} that of {words} (difference {_signed(gain)})")


def _surely(rule: Mapping[str, Any]) -> Check:
    gain = rule["log_loss_above_ours"]
    sure = gain["low"] is not None and gain["low"] > 0
    words = "surely" if sure else "not surely"
    span = f"95 % of draws of clients between {_signed(gain['low'])} and {_signed(gain['high'])}"
    return Check("surely_beats_rule", sure, f"{words} better than {RIVALS['rule']}: {span}")


def _calibrated(report: Mapping[str, Any]) -> Check:
    error, most = report["ece"]["value"], report["ece_noise_floor"]["value"] + ECE_ROOM
    within = error <= most
    words = "within" if within else "beyond"
    text = f"calibration error {error:.4f} is {words} its noise and {ECE_ROOM} ({most:.4f})"
    return Check("calibrated", within, text)


def _permuted(report: Mapping[str, Any]) -> Check:
    found = report["permuted_auc"]
    nothing = abs(found["value"] - 0.5) <= PERMUTED_ROOM * (found["high"] - found["low"]) / 2
    words = "nothing is found" if nothing else "something is found"
    span = f"AUC {found['value']:.3f}, {found['low']:.3f} to {found['high']:.3f}"
    return Check("permuted_fails", nothing, f"{words} in shuffled outcomes ({span})")


def _segments(report: Mapping[str, Any]) -> Check:
    off = [s for s in report["segments"] if not _around_zero(s["difference"])]
    if not off:
        return Check("segments", True, f"none of {len(report['segments'])} segments is off by more than its interval")
    told = ", ".join(f"{s['kind']} {s['name']} (said {s['said']:.1%}, came {s['came']:.1%})" for s in off)
    return Check("segments", False, f"off by more than their interval: {told}")


def _around_zero(difference: Mapping[str, Any]) -> bool:
    low, high = difference["low"], difference["high"]
    return low is None or low <= 0 <= high


def _signed(value: float | None) -> str:
    return "unknown" if value is None else f"{value:+.5f}"
