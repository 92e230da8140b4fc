"""docs/health.md is true: every shipped signal is there, with its weight and a worked example that holds.

The example is a story (`worked_examples`): what happened, what the fact says of it, and what the curve makes of that.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from health import definitions
from health.domain.facts import FACTS, At
from health.domain.model import POINT
from health.domain.moments import DAY, seconds_of
from health.domain.variants import serving

from tests.support.health_world import CONFIG, JOURNEY, day
from tests.support.project_world import MODELS
from tests.support.worked_examples import STORIES

PAGE = (Path(__file__).parents[3] / "docs" / "health.md").read_text()
LINE = re.compile(r"^\| `(\w+)`( °)? \| (\d+) \| .* \| (.+) → (\S+) → (\S+) \| (.+) \|$", re.MULTILINE)
SIGNALS = [(name, nth) for name, model in MODELS.items() for nth in range(len(model.signals))]


def section(name: str) -> str:
    return PAGE.split(f"## The model `{name}`")[1].split("\n## ")[0]


@pytest.mark.parametrize("name", MODELS)
def test_every_signal_of_a_model_is_told_in_its_order(name):
    assert [found[0] for found in LINE.findall(section(name))] == [signal.name for signal in MODELS[name].signals]
    weights = re.findall(r"^\*\*(\w+)\*\* \(weight (\d+)(, essential)?\)", section(name), re.MULTILINE)
    assert [(part, int(weight), bool(essential)) for part, weight, essential in weights] == [
        (part.name, part.weight, part.essential) for part in MODELS[name].components
    ]


@pytest.mark.parametrize(("name", "nth"), SIGNALS, ids=[f"{n}-{MODELS[n].signals[k].name}" for n, k in SIGNALS])
def test_the_worked_example_holds(name, nth):
    signal = MODELS[name].signals[nth]
    _, optional, weight, _, fact, score, fresh = LINE.findall(section(name))[nth]
    assert (bool(optional), int(weight)) == (signal.optional, signal.weight)
    assert (f"{signal.within_days} days" in fresh) == (signal.within_days is not None)
    story = STORIES[signal.fact.name]
    second = seconds_of(day(story.at))
    measure = signal.fact.measure(story.state(), At(second, second // DAY, JOURNEY), signal.params)
    assert measure is not None
    assert measure.value / signal.fact.scale == float(fact.replace("−", "-"))
    assert signal.curve(measure.value) / POINT == float(score)
    assert any(mark is not None for mark in measure.marks)


def test_there_is_a_story_for_every_fact():
    assert set(STORIES) == set(FACTS)


def test_the_page_s_own_weights_and_priors_are_taken():
    weights, priors = (next(part for part in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if part.startswith(word))
                       for word in ("weights:", "nps:"))  # fmt: skip
    text = (CONFIG / "loop.yaml").read_text()
    model = yaml.safe_load(text)
    model["components"]["relationship"]["signals"]["nps"] |= yaml.safe_load(priors)["nps"]
    compiled = definitions.model_from(yaml.safe_dump({**model, **yaml.safe_load(weights)}, sort_keys=False)).compiled(1)
    strategic = serving(compiled, {"segment": "enterprise", "tier": "strategic"})
    assert [part.weight for part in strategic.components] == [30, 25, 30, 15]
    nps = next(signal for signal in strategic.signals if signal.name == "nps")
    assert (nps.weight, nps.params["prior"]) == (10, 790)
