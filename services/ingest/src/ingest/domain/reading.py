"""What a text says, as numbers and topics: made once here, so that the words themselves need not travel."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from common.contracts import client
from common.contracts.base import Data

from ingest.domain.own_words import bare
from ingest.domain.phrases import Phrases
from ingest.domain.statement import Statement

SCORED_SENTENCES = 40
ENGLISH = "en"
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_SENTENCE = re.compile(r"(?<=[.!?…])\s+|\n+")
_QUESTION = re.compile(r"\?+")


class Mood(Protocol):
    """Scores English."""

    def score(self, sentence: str) -> float:
        """−1 (bad) … 1 (good)."""


@dataclass(frozen=True)
class Reader:
    """Reads texts. `read` is pure and takes up to some milliseconds for a long one."""

    mood: Mood
    phrases: Phrases
    language: Callable[[str], str | None]
    """Tells a text's language; None where nothing tells."""
    model: str
    visible: Callable[[str], str]
    """Takes markup off."""

    def read(self, text: str) -> client.Reading:
        own = bare(self.visible(text))
        words = len(_WORD.findall(own))
        told = self.language(own) if words else None
        # a word or two without a tell ("ok, Ada") are taken for English, of which the lexicon is made
        english = words > 0 and told in {ENGLISH, None}
        return client.Reading(
            sentiment=self._sentiment(own) if english else None,
            words=words,
            questions=len(_QUESTION.findall(own)),
            topics=self.phrases.found(own) if english else (),
            language=told,
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

_SAYS_SO_ITSELF: tuple[type[Data], ...] = (
    *REMARKS.values(),
    client.BudgetDiscussed,
    client.CsmSentimentGiven,
    client.BlockerLogged,
)
"""What a person entered as such a thing, or the words of one of us."""


def with_reading(statement: Statement, reader: Reader) -> list[Statement]:
    """The statement with its text read, and what follows from the topics of a client's own words."""
    if statement.text is None:
        return [statement]
    if not statement.text or statement.data is None or "reading" not in type(statement.data).model_fields:
        return [replace(statement, text=None)]
    reading = reader.read(statement.text)
    said = replace(statement, data=statement.data.model_copy(update={"reading": reading}))
    return [said, *(_inferred(statement, body) for body in remarks(statement.data, reading.topics))]


def remarks(data: Data, topics: Iterable[str]) -> list[Data]:
    """Events that topics amount to; only from what the client said, and never of the event's own kind."""
    if getattr(data, "author", None) in {"us", "system"} or getattr(data, "direction", None) == "outbound":
        return []
    if isinstance(data, _SAYS_SO_ITSELF):
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
