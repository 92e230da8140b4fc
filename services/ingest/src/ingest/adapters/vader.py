"""VADER with the business lexicon on top, behind `domain.reading.Mood`."""

from __future__ import annotations

from collections.abc import Mapping

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

MAX_WORDS = 80
"""VADER's own loop is quadratic in the words of a sentence; nobody's mood needs more."""


class Vader:
    """One analyser a process; loading its lexicon takes some 20 ms."""

    def __init__(self, valence: Mapping[str, float]) -> None:
        self._analyser = SentimentIntensityAnalyzer()
        self._analyser.lexicon.update(valence)

    def score(self, sentence: str) -> float:
        words = sentence.split()
        return float(self._analyser.polarity_scores(" ".join(words[:MAX_WORDS]))["compound"])
