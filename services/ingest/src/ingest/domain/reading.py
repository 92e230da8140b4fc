"""What a text says, as numbers and topics: made once here, so that the words themselves need not travel."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

from common.contracts import client
from common.contracts.base import Data

from ingest.domain.statement import Statement

MAX_CHARS = 20_000
"""More is a log file, not a message."""
SCORED_SENTENCES = 40
ENGLISH = "en"
_QUOTE_HEAD = re.compile(
    r"^\s*(?:On .{4,200} wrote:|Am .{4,200} schrieb .{0,100}:|Le .{4,200} a écrit ?:|"
    r"-{2,} ?(?:Original|Forwarded) [Mm]essage ?-{2,}.*|_{10,}|From: .+|Von: .+|##- .* -##)\s*$"
)
_SIGNATURE = re.compile(
    r"^\s*(?:--|—|Sent from my \w+.*|Get Outlook for .*|(?:Best|Kind|Warm)(?: regards| wishes)?,?|Regards,?|Cheers,?"
    r"|Sincerely,?|Thanks,|Many thanks,|Mit freundlichen Grüßen,?|Viele Grüße,?|Cordialement,?)\s*$",
    re.IGNORECASE,
)
_FENCED = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_INLINE = re.compile(r"`[^`\n]{1,200}`")
_URL = re.compile(r"(?:https?://|www\.)\S+")
_TRACE = re.compile(
    r"^(?:\s*at \S+\(.*|Traceback \(.*|\s*File \".*\", line \d+.*|\s*[\w.]+(?:Error|Exception)\b.*|\s{4,}\S.*)$"
)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_SENTENCE = re.compile(r"(?<=[.!?…])\s+|\n+")
_QUESTION = re.compile(r"\?+")


class Mood(Protocol):
    """Scores English."""

    def score(self, sentence: str) -> float:
        """−1 (bad) … 1 (good)."""


@dataclass(frozen=True)
class Phrases:
    """Business phrases by topic, compiled once."""

    topics: Mapping[str, Sequence[str]]
    negations: Sequence[str] = ()

    @cached_property
    def _patterns(self) -> Mapping[str, re.Pattern[str]]:
        return {
            topic: re.compile("|".join(map(pattern, phrases)), re.IGNORECASE) for topic, phrases in self.topics.items()
        }

    @cached_property
    def _negated(self) -> re.Pattern[str] | None:
        words = "|".join(map(re.escape, self.negations))
        return re.compile(rf"\b(?:{words})\s+(?:\w+\s+){{0,3}}$", re.IGNORECASE) if words else None

    def found(self, text: str) -> tuple[str, ...]:
        """Topics with at least one phrase that is not denied by the words before it."""
        return tuple(topic for topic, known in self._patterns.items() if self._meant(known, text))

    def _meant(self, known: re.Pattern[str], text: str) -> bool:
        return any(
            self._negated is None or not self._negated.search(text, max(0, hit.start() - 60), hit.start())
            for hit in known.finditer(text)
        )


def pattern(phrase: str) -> str:
    """`cancel (our|the)? plan` → a regular expression on whole words. It begins with a word that must be there."""
    first, *rest = (_word(token) for token in re.findall(r"\([^)]*\)\??|[^\s()]+", phrase))
    return (
        rf"\b{first[0]}" + "".join(rf"(?:\s+{word})?" if optional else rf"\s+{word}" for word, optional in rest) + r"\b"
    )


def _word(token: str) -> tuple[str, bool]:
    if not token.startswith("("):
        return re.escape(token), False
    choices = (r"\s+".join(map(re.escape, choice.split())) for choice in token.rstrip("?").strip("()").split("|"))
    return f"(?:{'|'.join(choices)})", token.endswith("?")


def bare(text: str) -> str:
    """The writer's own new words: without quoted replies, signature, code and links."""
    text = _INLINE.sub(" ", _FENCED.sub("\n", text[:MAX_CHARS].replace("\r\n", "\n")))
    kept: list[str] = []
    for line in text.split("\n"):
        if _QUOTE_HEAD.match(line) or (kept and _SIGNATURE.match(line)):
            break
        if not line.lstrip().startswith(">") and not _TRACE.match(line):
            kept.append(line)
    return _URL.sub(" ", "\n".join(kept)).strip()


def language(words: Sequence[str], stopwords: Mapping[str, frozenset[str]]) -> str | None:
    """The language whose small words are the most; None where too few tell, or the script is another one."""
    letters = "".join(words)
    if letters and sum(char < "\u0250" for char in letters) < 0.7 * len(letters):
        return "other"
    hits = {code: sum(word in small for word in words) for code, small in stopwords.items()}
    best = max(hits, key=lambda code: hits[code], default=None)
    if best is None or hits[best] == 0:
        return None
    rival = max((count for code, count in hits.items() if code != best), default=0)
    return best if hits[best] > rival else None


@dataclass(frozen=True)
class Reader:
    """Reads texts. `read` is pure and takes up to some milliseconds for a long one."""

    mood: Mood
    phrases: Phrases
    stopwords: Mapping[str, frozenset[str]]
    model: str
    visible: Callable[[str], str]
    """Takes markup off."""

    def read(self, text: str) -> client.Reading:
        own = bare(self.visible(text))
        words = [word.lower() for word in _WORD.findall(own)]
        told = language(words, self.stopwords)
        # a few words without a tell ("still broken!") are taken for English, of which most of the lexicon is made
        english = told == ENGLISH or (told is None and len(words) > 0)
        return client.Reading(
            sentiment=self._sentiment(own) if english else None,
            words=len(words),
            questions=len(_QUESTION.findall(own)),
            topics=self.phrases.found(own) if english else (),
            language=told if told != "other" else None,
            model=self.model,
        )

    def _sentiment(self, text: str) -> float:
        """Mean over the sentences that have any mood, so that a long polite mail is not all joy."""
        scores = [
            self.mood.score(sentence) for sentence in _SENTENCE.split(text)[:SCORED_SENTENCES] if sentence.strip()
        ]
        telling = [score for score in scores if score != 0]
        return round(sum(telling) / len(telling), 4) if telling else 0.0


REMARKS: Mapping[str, type[client.Remark]] = {
    "competitor": client.CompetitorMentioned,
    "legal": client.LegalInvolved,
    "planning": client.PlanningDiscussed,
    "organisation": client.OrganisationChanged,
}
BUDGET = {
    "budget_up": client.BudgetDirection.INCREASE,
    "budget_down": client.BudgetDirection.DECREASE,
    "budget_freeze": client.BudgetDirection.FREEZE,
}


def with_reading(statement: Statement, reader: Reader) -> list[Statement]:
    """The statement with its text read, and what follows from the topics of a client's own words."""
    if not statement.text or statement.data is None or "reading" not in type(statement.data).model_fields:
        return [replace(statement, text=None)]
    reading = reader.read(statement.text)
    said = replace(statement, data=statement.data.model_copy(update={"reading": reading}))
    return [said, *(_inferred(statement, body) for body in remarks(statement.data, reading.topics))]


def remarks(data: Data, topics: Iterable[str]) -> list[Data]:
    """Events that topics amount to; only from what the client said, and never of the event's own kind."""
    if getattr(data, "author", None) in {"us", "system"} or getattr(data, "direction", None) == "outbound":
        return []
    if isinstance(data, client.Remark | client.BudgetDiscussed | client.CsmSentimentGiven | client.BlockerLogged):
        return []
    contact = getattr(data, "contact_id", None)
    found: list[Data] = []
    for topic in topics:
        if topic in REMARKS:
            found.append(REMARKS[topic](contact_id=contact, inferred=True))
        elif topic in BUDGET:
            found.append(client.BudgetDiscussed(direction=BUDGET[topic], contact_id=contact, inferred=True))
    return found


def _inferred(statement: Statement, body: Data) -> Statement:
    return Statement(statement.refs, statement.time, body, client_id=statement.client_id)
