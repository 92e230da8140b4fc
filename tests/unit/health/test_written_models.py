"""Models as people really write them: pasted twice, misspelled, with figures that are none. Refused with the line."""

from __future__ import annotations

import pytest
from common.errors import Refused
from health import definitions
from health.domain.variants import serving

from tests.support.health_world import CONFIG

TEXT = (CONFIG / "loop.yaml").read_text()
BANDS = "  green: 80\n  amber: 60\n  red: 0\n"
WINDOW = "params: { window: 30, weight: 3 }"


@pytest.mark.parametrize(
    ("here", "instead", "says"),
    [
        ("[[0, 100], [3, 95]", "[[.nan, 100], [3, 95]", "finite number"),
        ("[14, 40], [30, 0]]", "[14, 40], [.inf, 0]]", "finite number"),
        ("[14, 40], [30, 0]]", "[14, 40], [1.0e+300, 0]]", "less than or equal to"),
        (WINDOW, "params: { window: .nan, weight: 3 }", "finite number"),
        (WINDOW, "params: { window: .inf, weight: 3 }", "finite number"),
        ("prior: 7 #", "prior: .nan #", "finite number"),
        ("prior: 7 #", "priors: { smb: -.inf }\n        prior: 7 #", "finite number"),
        ("title: After onboarding", "title: 2026-02-30", "not readable as YAML"),
        ("    weight: 35", "    weight: !!int many", "not readable as YAML"),
        ("    weight: 35", f"    weight: {'9' * 5000}", "not readable as YAML"),
        ("    weight: 35", f"    weight: {'[' * 3000}{']' * 3000}", "not readable as YAML"),
    ],
)
def test_what_is_no_figure_is_refused(here, instead, says):
    assert here in TEXT
    with pytest.raises(Refused) as refusal:
        definitions.model_from(TEXT.replace(here, instead, 1), name="loop.yaml")
    assert says in str(refusal.value)
    assert "loop.yaml" in str(refusal.value)


def test_a_signal_that_was_pasted_and_not_renamed_is_not_lost_in_silence():
    pasted = TEXT.replace("      seat_use:\n", "      feature_depth:\n")
    line = next(nth for nth, each in enumerate(pasted.splitlines(), 1) if each == "      feature_depth:")
    second = next(nth for nth, each in enumerate(pasted.splitlines(), 1) if nth > line and "feature_depth:" in each)
    with pytest.raises(Refused, match=f"line {second}: 'feature_depth' is written twice"):
        definitions.model_from(pasted, name="loop.yaml")


@pytest.mark.parametrize(
    "bands",
    [
        "  red: 80\n  amber: 60\n  green: 0\n",
        "  healthy: 80\n  amber: 60\n  red: 0\n",
        "  green: 80\n  amber: 60\n  critical: 0\n",
    ],
)
def test_bands_are_of_one_scale_the_best_first(bands):
    assert BANDS in TEXT
    with pytest.raises(Refused, match="green, amber, red, or healthy, stable, at_risk, critical"):
        definitions.model_from(TEXT.replace(BANDS, bands))


def test_fewer_bands_of_a_scale_will_do():
    model = definitions.model_from(TEXT.replace(BANDS, "  green: 70\n  red: 0\n")).compiled(1)
    assert [name for name, _ in model.bands] == ["green", "red"]


@pytest.mark.parametrize(
    ("window", "says"), [(90, "looks back 35 days at most"), (0, "a window is a day or more"), (35, None)]
)
def test_a_window_reaches_no_further_than_what_is_kept(window, says):
    """Moods are kept by day for 35 days: 90 would be said and 35 be measured."""
    text = TEXT.replace(WINDOW, f"params: {{ window: {window}, weight: 3 }}")
    assert WINDOW in TEXT
    if says is None:
        definitions.model_from(text)
        return
    with pytest.raises(Refused, match=says) as refusal:
        definitions.model_from(text, name="loop.yaml")
    line = int(str(refusal.value).split("line ")[1].split(":")[0])
    assert "window" in text.splitlines()[line - 1]


WEIGHTS = """
weights:
  - for: { segment: self_serve }
    components: { usage: 45, outcome: 15 }
"""


@pytest.mark.parametrize("segment", ["self_serve", "Self-Serve", "SELF SERVE"])
def test_a_segment_counts_however_its_crm_spells_it(segment):
    priors = "priors: { Self-serve: 6.8 }\n        prior: 7 #"
    model = definitions.model_from(TEXT.replace("prior: 7 #", priors) + WEIGHTS).compiled(1)
    found = serving(model, {"segment": segment})
    assert [component.weight for component in found.components] == [45, 15, 25, 15]
    assert next(s for s in found.signals if s.name == "nps").params["prior"] == 680
    assert serving(model, {"segment": "enterprise"}) is model
    assert found.variant == "self_serve/"


def test_a_segment_has_weights_once_however_it_is_spelled():
    again = "  - for: { segment: Self-Serve }\n    components: { usage: 40, outcome: 20 }\n"
    with pytest.raises(Refused, match="weights twice"):
        definitions.model_from(TEXT + WEIGHTS + again)


def test_a_segment_has_one_prior_however_it_is_spelled():
    priors = "priors: { smb: 6.8, SMB: 7.1 }\n        prior: 7 #"
    with pytest.raises(Refused, match="one prior"):
        definitions.model_from(TEXT.replace("prior: 7 #", priors))


@pytest.mark.parametrize(
    ("prior", "says"),
    [
        ("prior: 70 #", "70 is far from its points \\(0 to 10\\)"),
        ("priors: { smb: 40 }\n        prior: 7 #", "40 is far from its points"),
        ("prior: -11 #", "far from its points"),
        ("prior: 10.5 #", None),
    ],
)
def test_a_prior_in_another_unit_is_refused(prior: str, says: str | None):
    """NPS as people quote it runs from -100 to 100; answers run from 0 to 10."""
    text = TEXT.replace("prior: 7 #", prior)
    if says is None:
        definitions.model_from(text)
        return
    with pytest.raises(Refused, match=says) as refusal:
        definitions.model_from(text, name="loop.yaml")
    line = int(str(refusal.value).split("line ")[1].split(":")[0])
    assert "prior" in text.splitlines()[line - 1]
