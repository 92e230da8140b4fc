"""Phrases of business by topic: written as people write them, found as whole words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

_TOKEN = re.compile(r"\([^)]*\)\??|[^\s()]+")
_START = re.compile(r"[^\W_]+")
BETWEEN = r"[\s-]+"
"""What parts two words of a phrase: mail is wrapped anywhere, and people write road-map, too."""
GAP = ".."
_ANY = r"[\w'/]+"
REACH = 60
"""How far before a phrase a denial may stand, in characters."""


class Phrases:
    """Topics, compiled once. What is found costs a look-up a word, however many phrases there are."""

    def __init__(
        self, topics: Mapping[str, Sequence[str]], negations: Sequence[str] = (), false_friends: Sequence[str] = ()
    ) -> None:
        """`false_friends` look like a topic and are none: what overlaps one is not meant. Raises ValueError."""
        self._topics = tuple(topics)
        self._index = _indexed(topics)
        self._friends = _indexed({"": false_friends})
        words = "|".join(map(re.escape, negations))
        self._negated = re.compile(rf"\b(?:{words})\s+(?:[\w']+\s+){{0,3}}$", re.IGNORECASE) if words else None

    def found(self, text: str) -> tuple[str, ...]:
        """Topics with at least one phrase that is neither denied by the words before it nor a false friend."""
        text = text.replace("\u2019", "'")
        masked: list[tuple[int, int]] | None = None
        hits: set[str] = set()
        for topic, start, end in self._hits(self._index, text):
            if topic in hits or self._denied(text, start):
                continue
            if masked is None:
                masked = [(first, last) for _, first, last in self._hits(self._friends, text)]
            if not any(first < end and start < last for first, last in masked):
                hits.add(topic)
        return tuple(topic for topic in self._topics if topic in hits)

    @staticmethod
    def _hits(index: _Index, text: str) -> Iterator[tuple[str, int, int]]:
        for word in _START.finditer(text):
            for topic, phrase in index.get(word[0].lower(), ()):
                hit = phrase.match(text, word.start())
                if hit:
                    yield topic, hit.start(), hit.end()

    def _denied(self, text: str, start: int) -> bool:
        return self._negated is not None and bool(self._negated.search(text, max(0, start - REACH), start))


_Index = Mapping[str, Sequence[tuple[str, re.Pattern[str]]]]
"""A phrase's first word → (topic, the phrase)."""


def _indexed(topics: Mapping[str, Sequence[str]]) -> _Index:
    index: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for topic, phrases in topics.items():
        for phrase in phrases:
            compiled = re.compile(pattern(phrase), re.IGNORECASE)
            for first in dict.fromkeys(_firsts(phrase)):
                index.setdefault(first, []).append((topic, compiled))
    return index


def _firsts(phrase: str) -> Iterator[str]:
    """The words that a phrase may begin with; its first token must be there."""
    token = _TOKEN.findall(phrase)[0]
    if token == GAP or token.endswith(")?"):
        raise ValueError(f"{phrase!r}: a phrase begins with a word that must be there")
    for choice in token.strip("()").split("|"):
        first = _START.search(choice)
        if first is None:
            raise ValueError(f"{phrase!r}: a phrase begins with a letter")
        yield first[0].lower()


def pattern(phrase: str) -> str:
    """`cancel (our|the)? plan` → a regular expression on whole words. Raises ValueError."""
    if re.search(r"\([^)]*\(|^[^(]*\)", phrase):
        raise ValueError(f"{phrase!r}: brackets are not put into brackets")
    made = ""
    for token in _TOKEN.findall(phrase):
        if token == GAP:
            made += rf"(?:{BETWEEN}{_ANY}){{0,2}}"
            continue
        part, lead = _word(token), BETWEEN if made else r"\b"
        made += rf"(?:{lead}{part})?" if token.endswith(")?") else lead + part
    return made + r"(?![\w])"


def _word(token: str) -> str:
    if not token.startswith("("):
        return re.escape(token)
    choices = (BETWEEN.join(map(re.escape, choice.split())) for choice in token.rstrip("?").strip("()").split("|"))
    return f"(?:{'|'.join(choices)})"
