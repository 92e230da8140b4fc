"""Which language a text is in, by py3langid: offline, deterministic, some 60 µs a message; behind `domain.reading`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

ENGLISH = "en"
MAX_CHARS = 500
"""What a text is in shows in its beginning."""
HANDICAP = 4.0
"""How much likelier (natural logarithm) another language must be than English: short English is easily taken for
something else ("unacceptable!!"), and a handful of letters says little."""
NOTHING_KNOWN = -1e30
"""Scores below say that the model has seen nothing it knows."""


@cache
def _identifier(languages: tuple[str, ...]) -> LanguageIdentifier:
    """One a process: loading the model takes half a second and some 90 MB, numpy included."""
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=False)
    identifier.set_languages([*languages])
    return identifier


class Langid:
    """Recognises the given languages."""

    def __init__(self, languages: Sequence[str]) -> None:
        self._identifier = _identifier(tuple(languages))

    def __call__(self, text: str) -> str | None:
        """ISO 639-1 code; None where nothing tells, as in numbers and names."""
        ranked = self._identifier.rank(text[:MAX_CHARS].lower())
        best, score = ranked[0]
        if score < NOTHING_KNOWN:
            return None
        if score - dict(ranked)[ENGLISH] <= HANDICAP:
            return ENGLISH
        return str(best)
