"""Weights and priors for a segment and a tier: which count, what is refused, and that results name them."""

from __future__ import annotations

from functools import partial

import pytest
import yaml
from common.contracts import client
from common.contracts.health import Cause, Mode
from common.errors import Refused
from health import definitions, telling
from health.book import Book
from health.domain.decision import band_change, stand
from health.domain.evaluate import evaluate
from health.domain.fold import fold
from health.domain.model import POINT
from health.domain.moments import seconds_of
from health.domain.variants import MOST_CACHED, of_name, serving
from health.domain.why import Question, known_by, why
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.health_world import ADA, CONFIG, JOURNEY, LOOP, day, event, order, registered, steady
from tests.support.project_world import MODELS, projects

TEXT = (CONFIG / "loop.yaml").read_text()
WEIGHTS = """
weights:
  - for: { tier: strategic }
    components: { usage: 25, relationship: 35 }
  - for: { segment: smb }
    components: { usage: 45, outcome: 15 }
    signals: { relationship: { nps: 10, sentiment: 30 } }
  - for: { segment: smb, tier: strategic }
    components: { usage: 5, relationship: 55 }
"""
PRIORS = TEXT.replace("        prior: 7 #", "        priors: { smb: 6.8 }\n        prior: 7 #")


def model(text: str):
    return definitions.model_from(text, name="loop.yaml").compiled(3)


WHOLE = model(TEXT + WEIGHTS)


def components(found) -> list[int]:
    return [component.weight for component in found.components]


@pytest.mark.parametrize(
    ("segment", "tier", "weights", "variant"),
    [
        (None, None, [35, 25, 25, 15], None),
        ("enterprise", "core", [35, 25, 25, 15], None),
        ("enterprise", "strategic", [25, 25, 35, 15], "/strategic"),
        ("smb", "core", [45, 15, 25, 15], "smb/"),
        ("smb", None, [45, 15, 25, 15], "smb/"),
        ("smb", "strategic", [5, 25, 55, 15], "smb/strategic"),
    ],
)
def test_the_most_specific_weights_count_alone(segment, tier, weights, variant):
    whole = model(TEXT + WEIGHTS)
    found = serving(whole, {"segment": segment, "tier": tier})
    assert (components(found), found.variant) == (weights, variant)
    assert (found.name, found.version, found.bands) == (whole.name, 3, whole.bands)
    assert [s.name for s in found.signals] == [s.name for s in whole.signals]
    assert of_name(whole, found.variant) == found
    assert serving(whole, {"segment": segment, "tier": tier}) is found


def test_signals_have_weights_of_their_own_within_a_component():
    found = serving(model(TEXT + WEIGHTS), {"segment": "smb"})
    weights = {signal.name: signal.weight for signal in found.components[2].signals}
    assert (weights["nps"], weights["sentiment"], weights["csat"], sum(weights.values())) == (10, 30, 10, 100)


def test_a_prior_is_said_in_the_unit_of_its_fact_and_counts_in_its_segment_only():
    nps = [s for segment in (None, "smb", "else") for s in serving(model(PRIORS), {"segment": segment}).signals
           if s.name == "nps"]  # fmt: skip
    assert [signal.params["prior"] for signal in nps] == [700, 680, 700]
    sentiment = next(signal for signal in LOOP.signals if signal.name == "sentiment")
    assert sentiment.params["prior"] == 100


@given(st.lists(st.text(min_size=1, max_size=3), min_size=1, max_size=20))
def test_segments_that_no_model_names_share_one_model(segments):
    assert all(serving(WHOLE, {"segment": s}) is WHOLE for s in segments if s != "smb")


def test_a_segment_a_client_does_not_fill_the_memory():
    whole = model(TEXT + WEIGHTS)
    for number in range(3 * MOST_CACHED):
        serving(whole, {"segment": f"s{number}"})
    assert len(whole.variants) <= MOST_CACHED + 1


@pytest.mark.parametrize(
    ("weights", "at", "says"),
    [
        ("- for: { segment: smb }\n    components: { usage: 36 }", "components", "sum to 101, not to 100"),
        ("- for: { segment: smb }\n    signals: { usage: { seat_use: 16 } }", "signals", "sum to 101, not to 100"),
        ("- for: { segment: smb }\n    components: { use: 35 }", "components", "there is no use; there are usage"),
        ("- for: { segment: smb }\n    signals: { usage: { nps: 5 } }", "signals", "there is no nps"),
        ("- for: {}\n    components: { usage: 35 }", "for", "say for which segment or tier"),
        ("- for: { tier: gold }\n    components: { usage: 35 }", "for", "'strategic', 'core' or 'standard'"),
        ("- for: { tier: core }\n    components: { usage: 0 }", "components", "greater than 0"),
        ("- for: { tier: core }\n  - for: { tier: core }", "for", "weights twice"),
    ],
)
def test_wrong_weights_are_refused_with_file_line_and_rule(weights, at, says):
    text = f"{TEXT}weights:\n  {weights}\n"
    with pytest.raises(Refused) as refusal:
        model(text)
    message = str(refusal.value)
    assert says in message
    line = int(message.split("line ")[1].split(":")[0])
    assert message.startswith("loop.yaml, line ")
    assert at in text.splitlines()[line - 1]


@pytest.mark.parametrize(
    ("here", "instead", "says"),
    [
        ("curve: [[0, 0], [0.3, 45], [0.6, 80]", "prior: 3\n        curve: [[0, 0], [0.3, 45], [0.6, 80]",
         "counted in full: it has no prior"),
        ("params: { window: 180, weight: 1 }", "params: { window: 180, weight: 1, prior: 700 }", "say the prior once"),
        ("        prior: 7 #", "        priors: { smb: many }\n        prior: 7 #", "valid number"),
    ],
)  # fmt: skip
def test_wrong_priors_are_refused_with_their_line(here, instead, says):
    assert here in TEXT
    with pytest.raises(Refused) as refusal:
        model(TEXT.replace(here, instead))
    assert says in str(refusal.value)
    line = int(str(refusal.value).split("line ")[1].split(":")[0])
    assert "prior" in TEXT.replace(here, instead).splitlines()[line - 1]


def test_priors_of_earlier_releases_are_still_read():
    old = TEXT.replace("params: { window: 180, weight: 1 }", "params: { window: 180, weight: 1, prior: 650 }")
    old = "\n".join(line for line in old.splitlines() if not line.strip().startswith("prior: 7 #"))
    nps = next(signal for signal in model(old).signals if signal.name == "nps")
    assert nps.params == {"window": 180, "weight": 1, "prior": 650}


def test_a_client_that_changes_its_segment_is_scored_by_other_weights_and_the_model_is_the_cause():
    """Nothing that the client did: `band_changed` says `model`, and alerts nobody."""
    smb = {"usage": 5, "outcome": 85, "relationship": 5, "financial": 5}
    text = TEXT + yaml.safe_dump({"weights": [{"for": {"segment": "smb"}, "components": smb}]})
    book = Book((model(text),), (JOURNEY,))
    life = [e for e in steady(100) if e.data.type_name() not in {"kpi_reported", "milestone_completed"}]
    life.append(event(client.KpiReported(kpi="hours_saved", value=1.0), day(99), "csm"))
    known = sorted(life, key=order)
    moved = event(client.ClientUpdated(segment="smb"), day(100), "hubspot")
    now = seconds_of(day(100))
    before, after = (
        evaluate(book.model_for(state), state, now, None, JOURNEY) for state in (fold(known), fold([*known, moved]))
    )
    assert (before.model.variant, after.model.variant) == (None, "smb/")
    assert before.measures == after.measures
    assert before.band != after.band
    change = band_change(stand(None, before), after, before, late=False)
    assert change is not None
    assert change.cause is Cause.MODEL
    row = telling.kept(ADA, after, Mode.LIVE)
    assert (row.model, row.model_version, row.variant) == ("loop", 3, "smb/")
    assert after.score is not None
    assert after.score < before.score - POINT
    assert sum(after.contributions()) == after.score


@settings(max_examples=30, deadline=None)  # two walks over a life in each example
@given(life=projects(most=20), segments=st.lists(st.sampled_from(["smb", "enterprise"]), min_size=1, max_size=4))
def test_why_sums_exactly_over_changes_of_segment(life, segments):
    book = Book((WHOLE, MODELS["onboarding"], MODELS["experience"]), (JOURNEY,))
    moves = [
        event(client.ClientUpdated(segment=segment), day(40 * nth + 20), "hubspot", nth=nth)
        for nth, segment in enumerate(segments)
    ]
    facts = sorted([*life, *moves], key=order)
    start, end = day(10), day(210)
    choose = partial(_chosen, book)
    answer = why(Question(known_by(facts, start), known_by(facts, end), start, end, choose))
    difference = (answer.score_to or 0) - (answer.score_from or 0)
    assert sum(move.delta for move in answer.moves) == difference


def _chosen(book: Book, state, second):
    return book.choice(state)


def test_registered_clients_of_any_segment_are_served():
    state = fold([registered(segment="a segment with/a slash", tier="standard")])
    assert Book((LOOP,), (JOURNEY,)).model_for(state) is LOOP
