"""The reader of texts, wired: also what loopctl uses, so that a training file reads words as the live stream does."""

from __future__ import annotations

from pathlib import Path

from ingest.adapters.html import visible
from ingest.adapters.langid import Langid
from ingest.adapters.vader import Vader
from ingest.config import load_lexicon
from ingest.domain.phrases import Phrases
from ingest.domain.reading import Reader


def make_reader(config_dir: Path) -> Reader:
    """Raises pydantic.ValidationError for a lexicon that breaks its own form."""
    lexicon = load_lexicon(config_dir)
    return Reader(
        mood=Vader(lexicon.valence),
        phrases=Phrases(lexicon.topics, lexicon.negations, lexicon.false_friends),
        language=Langid(lexicon.languages),
        model=f"vader+lexicon-{lexicon.version}",
        visible=visible,
    )
