"""What a text says, as numbers and topics."""

from __future__ import annotations

import pytest
from common.contracts import client
from common.settings import REPOSITORY_CONFIG
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest.adapters.html import visible
from ingest.domain.reading import bare, pattern, remarks, with_reading
from ingest.domain.refs import Ref
from ingest.domain.statement import Statement
from ingest.reading import make_reader

READER = make_reader(REPOSITORY_CONFIG)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("This is awful. We are fed up and nobody answers!", -1, -0.3),
        ("Great work, the new report saved us hours. Thank you!", 0.3, 1),
        ("Please find the support ticket attached.", -0.1, 0.1),
        ("The export crashes again and the dashboard is still broken.", -1, -0.3),
    ],
)
def test_mood_is_between_minus_one_and_one(text: str, low: float, high: float) -> None:
    sentiment = READER.read(text).sentiment
    assert sentiment is not None
    assert low <= sentiment <= high


@pytest.mark.parametrize(
    ("text", "topics"),
    [
        ("We want to cancel our subscription.", {"cancel_intent"}),
        ("How do we cancel? And please export all our data.", {"cancel_intent"}),
        ("We would never cancel our plan.", set()),
        ("We are evaluating other vendors this month.", {"competitor"}),
        ("There is a hiring freeze and a budget freeze.", {"budget_freeze"}),
        ("We must cut costs, so fewer seats.", {"budget_down"}),
        ("We got additional budget and want to add more seats.", {"budget_up"}),
        ("Our lawyers will look at the breach of contract.", {"legal"}),
        ("Production is down, we need this ASAP.", {"urgency"}),
        ("It is still not working, third time this week.", {"still_broken"}),
        ("Next quarter we plan to expand to France.", {"planning"}),
        ("I would recommend you to colleagues.", {"referral"}),
        ("There is a new CTO since the merger.", {"organisation"}),
    ],
)
def test_topics_are_phrases_of_business(text: str, topics: set[str]) -> None:
    assert set(READER.read(text).topics) == topics


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Wir haben das Problem noch immer und es ist nicht gelöst.", "de"),
        ("Bonjour, nous avons un problème avec le rapport et il ne marche pas.", "fr"),
        ("Hola, tenemos un problema con el informe y no funciona.", "es"),
        ("お世話になっております。まだ動きません。", None),
        ("Это всё ещё не работает", None),
    ],
)
def test_what_is_not_english_has_no_mood_rather_than_a_neutral_one(text: str, language: str | None) -> None:
    reading = READER.read(text)
    assert (reading.sentiment, reading.topics, reading.language) == (None, (), language)


def test_words_and_questions_are_counted_of_the_writers_own_words() -> None:
    mail = """Hi Maya,

could you check the invoice? And when do we meet??

Best regards
Ada Okafor, CFO

On Mon, 2 Mar 2026 at 09:00, Maya wrote:
> This is terrible, awful, horrible. Will you cancel?
"""
    reading = READER.read(mail)
    assert (reading.words, reading.questions) == (12, 2)
    assert reading.sentiment is not None
    assert reading.sentiment >= 0


def test_code_traces_links_and_markup_are_not_words() -> None:
    text = """It fails with this:
```
raise TerribleError("awful")
```
Traceback (most recent call last):
  File "x.py", line 3, in <module>
ValueError: bad
see https://x.example/terrible?awful=1 and `horrible()`"""
    assert bare(text).split() == ["It", "fails", "with", "this:", "see", "and"]
    html = "<div>All good now<br>thanks</div><blockquote>terrible</blockquote><pre>awful()</pre><style>p{}</style>"
    assert visible(html).split() == ["All", "good", "now", "thanks"]
    assert visible("a < b and c > d") == "a < b and c > d"


@pytest.mark.parametrize(
    "text", ["", " ", "\n\n", "??", "...", "<", "<p", "<div>" * 3000, "a" * 50_000, "```", ">" * 999]
)
def test_nothing_is_too_odd_to_read(text: str) -> None:
    reading = READER.read(text)
    assert reading.sentiment is None or -1 <= reading.sentiment <= 1


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_any_text_can_be_read(text: str) -> None:
    assert READER.read(text).words >= 0


def test_a_long_text_takes_bounded_time() -> None:
    reading = READER.read("the quick brown fox is broken and awful and bad " * 20_000)
    assert reading.words < 5000, "only so many characters are read"


def test_phrases_are_whole_words_with_alternatives() -> None:
    assert pattern("cancel (our|the)? plan") == r"\bcancel(?:\s+(?:our|the))?\s+plan\b"


TOLD = client.TicketUpdated(ticket_id="1", author=client.Author.CLIENT)


def test_what_a_client_says_may_amount_to_an_event() -> None:
    assert [type(body) for body in remarks(TOLD, ["competitor", "budget_down", "urgency"])] == [
        client.CompetitorMentioned,
        client.BudgetDiscussed,
    ]
    ours = TOLD.model_copy(update={"author": client.Author.US})
    assert remarks(ours, ["competitor"]) == []
    assert remarks(client.CompetitorMentioned(), ["competitor"]) == []


def test_a_statement_carries_its_reading_and_what_follows() -> None:
    ref = Ref("zendesk", "organization", "1")
    said, followed = with_reading(Statement((ref,), None, TOLD, text="Your competitor is cheaper."), READER)
    assert said.data is not None
    assert said.data.model_dump()["reading"]["topics"] == ("competitor",)
    assert isinstance(followed.data, client.CompetitorMentioned)
    assert followed.refs == (ref,)
