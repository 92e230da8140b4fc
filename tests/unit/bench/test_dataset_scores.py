"""What the check of the data sets' scores calls dishonest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from common.settings import REPOSITORY_CONFIG
from health.replay import shipped_book

from tests.bench import dataset_scores
from tests.bench.dataset_scores import CONFIDENCE, ESSENTIAL, NOTHING, Seen, faults, offline, reason_of_unknown
from tests.support.dataset_folders import MODULES, write

BOOK = shipped_book(REPOSITORY_CONFIG)
LOOP = next(model for model in BOOK.models if model.name == "loop")
NO_OUTCOME = frozenset({"outcome"})


def evaluation(score: float | None, band: str, confidence: float, usage: float | None, outcome: float | None) -> dict:
    parts = [("usage", usage), ("outcome", outcome)]
    return {
        "score": score, "band": band, "confidence": confidence, "as_of": "2024-01-01T00:00:00+00:00",
        "model": "loop", "model_version": 1,
        "components": [{"name": name, "score": own, "fresh": own is not None} for name, own in parts],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("score", "band", "confidence", "usage", "outcome"),
    [
        (None, "unknown", 0, None, None),
        (85, "green", 0.6, 85, None),
        (79.9375, "amber", 0.1, 79.9375, None),
        (85, "unknown", 0.599, 85, None),
        (0, "red", 0, 0, None),
    ],
)
def test_an_honest_evaluation_has_no_faults(score, band, confidence, usage, outcome) -> None:
    assert faults(evaluation(score, band, confidence, usage, outcome), LOOP, NO_OUTCOME) == []


@pytest.mark.parametrize(
    ("score", "band", "confidence", "usage", "outcome", "fault"),
    [
        (None, "red", 0, None, None, "no score, but band red"),
        (None, "unknown", 0, 50, None, "no score, but band unknown"),
        (85, "unknown", 0.6, 85, None, "unknown without a reason"),
        (70, "unknown", 0.1, 70, None, "unknown without a reason"),
        (79.9375, "green", 0.9, 79.9375, None, "is shown as green"),
        (85, "green", 0.5, 85, None, "green with confidence 0.5"),
        (85, "green", 0.9, 80, None, "lies outside its parts"),
        (85, "green", 0.9, 80, 90, "a score of 90 for outcome"),
    ],
)
def test_a_dishonest_one_is_found(score, band, confidence, usage, outcome, fault) -> None:
    found = faults(evaluation(score, band, confidence, usage, outcome), LOOP, NO_OUTCOME)
    assert any(fault in one for one in found), found


def test_unknown_has_a_reason() -> None:
    assert reason_of_unknown(evaluation(None, "unknown", 0, None, None), LOOP) == NOTHING
    assert reason_of_unknown(evaluation(90, "unknown", 0.3, 90, None), LOOP) == CONFIDENCE
    assert reason_of_unknown(evaluation(90, "unknown", 0.7, None, 90), LOOP) == ESSENTIAL


@pytest.mark.parametrize("data", sorted(MODULES))
def test_each_client_of_a_folder_is_scored_and_nothing_is_at_fault(data: str, tmp_path: Path) -> None:
    seen = offline(data, write(tmp_path, data), BOOK, None)
    assert seen.clients == {"fightchurn": 4, "oulad": 3, "ravenstack": 2}[data]
    assert seen.faults == []
    assert seen.unscored == []
    assert seen.evaluations >= seen.clients
    assert sum(seen.latest.values()) == seen.clients


def test_results_are_kept_data_set_by_data_set(tmp_path: Path) -> None:
    results = tmp_path / "r.json"
    dataset_scores.keep("replay", {"oulad": Seen(clients=2)}, results)
    dataset_scores.keep("replay", {"ravenstack": Seen(clients=3)}, results)
    kept = json.loads(results.read_text())["replay"]
    assert {data: seen["clients"] for data, seen in kept.items()} == {"oulad": 2, "ravenstack": 3}
