"""The portfolio's trend of a score."""

from __future__ import annotations

from loopctl.demo.overview import trend


def items(*scores: tuple[float | None, str]):
    return [{"score": score, "model": model} for score, model in scores]


def test_a_trend_is_the_latest_score_against_the_earliest():
    assert trend(items((70.0, "loop"), (75.0, "loop"), (82.5, "loop"))) == -12.5
    assert trend(items((70.0, "loop"))) is None
    assert trend([]) is None


def test_a_trend_never_spans_models():
    assert trend(items((70.0, "loop"), (75.0, "loop"), (95.0, "onboarding"))) == -5
    assert trend(items((70.0, "loop"), (95.0, "onboarding"))) is None


def test_moments_at_which_nothing_was_known_are_left_out():
    assert trend(items((None, "loop"), (70.0, "loop"), (None, "loop"), (80.0, "loop"))) == -10
