"""Models: curves, weights, bands, and what is refused when one is loaded."""

from __future__ import annotations

import pytest
from common.errors import Refused
from health import definitions
from health.domain.evaluate import combine, contributions
from health.domain.model import POINT, TOP, Curve, Serves, choose
from hypothesis import given
from hypothesis import strategies as st

from tests.support.health_world import CONFIG, JOURNEY, LOOP
from tests.support.project_world import MODELS

SCORES = st.lists(st.none() | st.integers(0, TOP), min_size=len(LOOP.signals), max_size=len(LOOP.signals)).map(tuple)


@st.composite
def curves(draw):
    xs = sorted(draw(st.sets(st.integers(-2000, 2000), min_size=2, max_size=6)))
    ys = draw(st.lists(st.floats(0, 100), min_size=len(xs), max_size=len(xs)))
    return Curve.of(list(zip(xs, ys, strict=True)), 1)


@given(curves(), st.integers(-3000, 3000))
def test_a_curve_stays_between_its_points_and_rises_or_falls_as_they_do(curve, value):
    here, there = curve(value), curve(value + 1)
    assert 0 <= here <= TOP
    assert min(curve.ys) <= here <= max(curve.ys)
    inside = [y for x, y in zip(curve.xs, curve.ys, strict=True)]
    if inside == sorted(inside):
        assert here <= there
    if inside == sorted(inside, reverse=True):
        assert here >= there


def test_a_curve_goes_through_its_points_and_is_flat_beyond():
    curve = Curve.of([(0, 100), (7, 75), (30, 0)], 1)
    assert [curve(x) / POINT for x in (-5, 0, 7, 30, 99)] == [100, 100, 75, 0, 0]


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_every_shipped_curve_only_rises_or_only_falls(model):
    for signal in model.signals:
        ys = list(signal.curve.ys)
        assert ys == sorted(ys) or ys == sorted(ys, reverse=True), signal.name


@pytest.mark.parametrize(
    ("name", "weights", "bands", "serves"),
    [
        ("loop", {"usage": 35, "outcome": 25, "relationship": 25, "financial": 15},
         {"green": 80, "amber": 60, "red": 0}, Serves()),
        ("onboarding", {"milestones": 40, "engagement": 30, "satisfaction": 20, "responsiveness": 10},
         {"green": 80, "amber": 60, "red": 0}, Serves(onboarding=True)),
        ("experience", {"engagement": 30, "project": 30, "business": 25, "relationship": 15},
         {"healthy": 80, "stable": 60, "at_risk": 40, "critical": 0}, Serves(frozenset({"project"}))),
    ],
)  # fmt: skip
def test_the_shipped_models_are_those_of_the_domain(name, weights, bands, serves):
    model = MODELS[name]
    assert {component.name: component.weight for component in model.components} == weights
    assert {band: lowest / POINT for band, lowest in model.bands} == bands
    assert (model.serves, model.least_confidence) == (serves, 600)
    for component in model.components:
        assert sum(signal.weight for signal in component.signals) == 100, component.name


@given(SCORES)
def test_the_parts_of_a_score_sum_to_it_exactly(scores):
    present = sum(1 << n for n, s in enumerate(scores) if s is not None)
    total = combine(LOOP, scores, present)
    if total is None:
        assert not present
    else:
        assert sum(contributions(LOOP, scores)) == total
        assert 0 <= total <= TOP
        there = [s for s in scores if s is not None]
        assert min(there) - 1 <= total <= max(there)


@given(SCORES, st.integers(0, len(LOOP.signals) - 1), st.integers(0, TOP))
def test_a_better_signal_never_makes_a_worse_score(scores, nth, better):
    if scores[nth] is None or better < scores[nth]:
        return
    present = sum(1 << n for n, s in enumerate(scores) if s is not None)
    assert combine(LOOP, (*scores[:nth], better, *scores[nth + 1 :]), present) >= combine(LOOP, scores, present)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_all_signals_at_the_top_make_100(model):
    everything = (1 << len(model.signals)) - 1
    assert combine(model, (TOP,) * len(model.signals), everything) == TOP
    assert all(len(component.signals) >= 2 for component in model.components)


def test_what_the_best_band_must_rest_on():
    essential = {name: [c.name for c in model.components if c.essential] for name, model in MODELS.items()}
    assert essential == {"loop": ["usage"], "onboarding": ["milestones"], "experience": ["engagement", "project"]}


def test_bands_hold_for_real_numbers():
    assert LOOP.band(80 * POINT) == "green"
    assert LOOP.band(80 * POINT - 1) == "amber"  # 79.9375
    assert LOOP.band(60 * POINT) == "amber"
    assert LOOP.band(60 * POINT - 1) == "red"
    assert LOOP.band(0) == "red"


def test_four_bands_are_as_good_as_three():
    model = MODELS["experience"]
    assert [model.band(score * POINT) for score in (95, 70, 45, 12)] == ["healthy", "stable", "at_risk", "critical"]
    assert model.best_band == "healthy"


def test_the_more_particular_model_serves():
    models = list(MODELS.values())

    def name(engagement, onboarding):
        return choose(models, engagement=engagement, onboarding=onboarding).name

    assert name(None, False) == "loop"
    assert name("product", True) == "onboarding"
    assert name("project", False) == "experience"
    assert name("project", True) == "experience"


@pytest.mark.parametrize(
    ("here", "instead", "line", "says"),
    [
        ("weight: 35", "weight: 30", 13, "sum to 95"),
        ("[[0, 100], [7, 75], [30, 35]", "[[9, 100], [7, 75], [30, 35]", None, "left to right"),
        ("params: { talk: 120 }", "params: { tlk: 120 }", None, "no setting tlk"),
        ("fact: active_days_ratio", "fact: moon_phase", None, "no fact is called 'moon_phase'"),
        ("    weight: 35", "    wight: 35", 14, "usage.weight: Field required"),
        ("amber: 60", "amber: 90", 7, "from the best down"),
        ("    essential: true # without", "    essential: false # without", None, "essential"),
        ("model: loop", "model: [loop", None, "not readable as YAML"),
        ("[7, 75], [14, 40], [30, 0]]", "[7, 175], [14, 40], [30, 0]]", None, "between 0 and 100"),
    ],
)
def test_a_wrong_model_is_refused_with_file_line_and_rule(here, instead, line, says):
    text = (CONFIG / "loop.yaml").read_text()
    assert here in text
    with pytest.raises(Refused) as refusal:
        definitions.model_from(text.replace(here, instead), name="loop.yaml")
    assert says in str(refusal.value)
    assert "loop.yaml" in str(refusal.value)
    if line is not None:
        assert f"line {line}:" in str(refusal.value)


def test_the_shipped_journey_has_owner_kpi_and_due_time_for_each_milestone():
    assert [phase.name for phase in JOURNEY.phases] == [
        "kickoff",
        "first_value",
        "adoption",
        "value_validation",
        "expansion",
    ]
    for milestone in JOURNEY.milestones:
        assert milestone.owner
        assert milestone.kpi
        assert milestone.from_start is not None or milestone.before_renewal is not None
    assert {m.name: m.from_start for m in JOURNEY.milestones if m.name in {"kickoff_meeting", "hand_off"}} == {
        "kickoff_meeting": 3,
        "hand_off": 30,
    }
