"""docs/health.md is true: every shipped signal is there, with its weight and a worked example that holds."""

from __future__ import annotations

import re
from pathlib import Path

from health.domain.model import POINT

from tests.support.health_world import LOOP

PAGE = (Path(__file__).parents[3] / "docs" / "health.md").read_text()
LINE = re.compile(r"^\| `(\w+)`( °)? \| (\d+) \| .* \| (\S+) → (\S+) \| (.+) \|$", re.MULTILINE)


def test_every_signal_has_its_weight_its_freshness_and_a_worked_example():
    told = {found[0]: found[1:] for found in LINE.findall(PAGE)}
    assert list(told) == [signal.name for signal in LOOP.signals]
    for signal in LOOP.signals:
        optional, weight, fact, score, fresh = told[signal.name]
        assert (bool(optional), int(weight)) == (signal.optional, signal.weight), signal.name
        value = round(float(fact.replace("−", "-")) * signal.fact.scale)
        assert signal.curve(value) / POINT == float(score), signal.name
        assert (f"{signal.within_days} days" in fresh) == (signal.within_days is not None), signal.name


def test_components_have_their_weights():
    found = {name: int(weight) for name, weight in re.findall(r"^\*\*(\w+)\*\* \(weight (\d+)", PAGE, re.MULTILINE)}
    assert found == {component.name: component.weight for component in LOOP.components}
