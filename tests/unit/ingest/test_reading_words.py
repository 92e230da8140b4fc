"""What a text says, as numbers and topics."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from common.contracts import client
from common.settings import REPOSITORY_CONFIG
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest.adapters.html import visible
from ingest.adapters.langid import Langid
from ingest.config import load_lexicon
from ingest.domain.own_words import bare
from ingest.domain.phrases import Phrases, pattern
from ingest.domain.reading import remarks, with_reading
from ingest.domain.refs import Ref
from ingest.domain.statement import Statement
from ingest.reading import make_reader

from tests.bench.sentiment import shown

READER = make_reader(REPOSITORY_CONFIG)
ROOT = Path(__file__).parents[3]


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


TOPICS: list[tuple[str, set[str]]] = [
    # cancel_intent
    ("We want to cancel our subscription.", {"cancel_intent"}),
    ("Please cancel\nour current annual plan as of 31 May.", {"cancel_intent"}),
    ("How do we cancel? And please export all our data.", {"cancel_intent"}),
    ("We need a copy of our data: please hand over all of our data.", {"cancel_intent"}),
    ("We've decided not to renew.", {"cancel_intent"}),
    ("I\u2019m afraid we won\u2019t be renewing in June.", {"cancel_intent"}),
    ("This is our formal notice of termination.", {"cancel_intent"}),
    ("We intend to switch vendors this summer.", {"cancel_intent"}),
    ("We are moving to another provider.", {"cancel_intent"}),
    ("We are looking for an alternative.", {"cancel_intent"}),
    ("Management wants us to phase out your platform.", {"cancel_intent"}),
    ("Frankly, we may take our business elsewhere.", {"cancel_intent"}),
    ("Please close my account.", {"cancel_intent"}),
    ("We'll let the contract expire.", {"cancel_intent"}),
    # competitor
    ("We are evaluating other vendors this month.", {"competitor"}),
    ("One of your competitors showed us the same for less.", {"competitor"}),
    ("We had a demo from another vendor.", {"competitor"}),
    ("Procurement sends out an RFP.", {"competitor"}),
    ("There is a cheaper alternative.", {"competitor"}),
    # budget
    ("There is a hiring freeze and a budget freeze.", {"budget_freeze"}),
    ("All new spending is on hold.", {"budget_freeze"}),
    ("There is no budget left for this.", {"budget_freeze"}),
    ("We must cut costs, so fewer seats.", {"budget_down"}),
    ("Your tool is too expensive for us.", {"budget_down"}),
    ("We have to downgrade to a cheaper plan.", {"budget_down"}),
    ("The renewal price is far too high.", {"budget_down"}),
    ("We got additional budget and want to add more seats.", {"budget_up"}),
    ("Our budget has been approved.", {"budget_up"}),
    ("We'd like to upgrade to the enterprise plan.", {"budget_up"}),
    # legal, urgency, still_broken
    ("Our lawyers will look at the breach of contract.", {"legal"}),
    ("We will take legal action.", {"legal"}),
    ("We claim damages.", {"legal"}),
    ("This violates our SLA.", {"legal"}),
    ("Production is down, we need this ASAP.", {"urgency"}),
    ("Please call me immediately.", {"urgency"}),
    ("We are losing customers over this.", {"urgency"}),
    ("It is still not working, third time this week.", {"still_broken"}),
    ("Two weeks and no reply from your support.", {"still_broken"}),
    ("The sync keeps failing.", {"still_broken"}),
    ("This has never been fixed.", {"still_broken"}),
    # praise, planning, referral, organisation
    ("Great work, we love the new editor!", {"praise"}),
    ("It works like a charm, kudos to the team.", {"praise"}),
    ("Next quarter we plan to expand to France.", {"planning"}),
    ("Could you share your roadmap?", {"planning"}),
    ("We would definitely recommend your product.", {"referral"}),
    ("Happy to be a reference customer.", {"referral"}),
    ("I told our partners about you.", {"referral"}),
    ("There is a new CTO since the merger.", {"organisation"}),
    ("We are being acquired.", {"organisation"}),
    ("Ben is leaving the company, Friday is his last day here.", {"organisation"}),
    ("After the layoffs we are half as many.", {"organisation"}),
    ("We have a new head of support.", {"organisation"}),
]
FALSE_FRIENDS = [
    "We would never cancel our plan.",
    "We are not going to cancel our contract.",
    "Please cancel the meeting on Friday.",
    "Can you cancel my call with Tom?",
    "How do I cancel a scheduled report?",
    "I pressed cancel and the dialog stayed open.",
    "Our customers cancel their subscription in your portal: how do we show that?",
    "The cancel subscription button is green.",
    "The end of the contract is on the invoice.",
    "How do I export our data to Excel?",
    "The certificate does not renew by itself.",
    "Please give us notice before the maintenance.",
    "We use the competitor analysis report every week.",
    "Our competitors have nothing like it.",
    "The tool helps us cut costs every month.",
    "This is an expensive query.",
    "The budget field is empty.",
    "How do I freeze panes in the sheet?",
    "Our legal name has changed, please update the invoice.",
    "Monday is a legal holiday here.",
    "Sue from accounting will send the form.",
    "It's not urgent at all.",
    "Where do I set the urgent flag?",
    "The chart shows values immediately.",
    "Right now we use version 4.",
    "The second time zone is wrong.",
    "We are still open to suggestions.",
    "How do I add users to a project?",
    "I upgraded to the latest version.",
    "Which permissions has the new manager role?",
    "We restructured the folders of the project.",
    "We look at customer acquisition by channel.",
    "The branch was merged by Alice.",
    "I would not recommend it to anyone.",
    "I recommend you to restart the server.",
    "I am not very happy with this.",
    "We would love the export to be faster.",
    "They left the company field blank.",
]


@pytest.mark.parametrize(("text", "topics"), TOPICS)
def test_topics_are_phrases_of_business(text: str, topics: set[str]) -> None:
    assert set(READER.read(text).topics) == topics


@pytest.mark.parametrize("text", FALSE_FRIENDS)
def test_a_false_friend_is_no_topic(text: str) -> None:
    reading = READER.read(text)
    assert reading.language in {"en", None}, "it was read"
    assert reading.topics == ()


def test_a_true_phrase_counts_beside_a_false_friend() -> None:
    text = "Cancel the meeting, please: we will cancel our contract."
    assert READER.read(text).topics == ("cancel_intent",)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Wir haben das Problem noch immer und es ist nicht gelöst.", "de"),
        ("Bitte kündigen Sie unseren Vertrag.", "de"),
        ("Sehr schlechter Service, wir sind enttäuscht!", "de"),
        ("Bonjour, nous avons un problème avec le rapport et il ne marche pas.", "fr"),
        ("Excellent travail, merci beaucoup", "fr"),
        ("C'est urgent, le service est indisponible", "fr"),
        ("Hola, tenemos un problema con el informe y no funciona.", "es"),
        ("Excelente trabajo, muchas gracias", "es"),
        ("Buongiorno, la fattura non è corretta.", "it"),
        ("We kunnen sinds vanochtend niet inloggen", "nl"),
        ("Não conseguimos entrar desde hoje de manhã", "pt"),
        ("Vi kan inte logga in sedan i morse", "sv"),
        ("Nie możemy się zalogować od rana", "pl"),
        ("Haluamme irtisanoa sopimuksen", "fi"),
        ("Bugün hiç kimse giriş yapamıyor", "tr"),
        ("お世話になっております。まだ動きません。", "ja"),
        ("Это всё ещё не работает", "ru"),
        ("请取消我们的合同", "zh"),
    ],
)
def test_what_is_not_english_has_no_mood_rather_than_a_neutral_one(text: str, language: str) -> None:
    reading = READER.read(text)
    assert (reading.sentiment, reading.topics, reading.language) == (None, (), language)


@pytest.mark.parametrize(
    "text",
    [
        "Still broken!", "Not happy.", "Thanks a lot", "Any news?", "Login fails again", "Invoice 4711 is wrong",
        "Awful.", "ok great", "Unacceptable!!", "API returns 500", "Good job", "Hi Maya, call me pls", "lgtm, thanks",
    ],
)  # fmt: skip
def test_a_few_english_words_are_english(text: str) -> None:
    reading = READER.read(text)
    assert reading.language in {"en", None}
    assert reading.sentiment is not None


@pytest.mark.parametrize("text", ["", "12345", "??", "👍", "`code()`", "> only a quote"])
def test_no_words_have_no_mood(text: str) -> None:
    reading = READER.read(text)
    assert (reading.sentiment, reading.words, reading.topics) == (None, 0, ())


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


OWN = "Could you check the invoice?"
QUOTED = "This is terrible. Our lawyers will cancel the contract."


@pytest.mark.parametrize(
    "drag",
    [
        f"On Mon, 2 Mar 2026 at 09:00, Maya wrote:\n> {QUOTED}",
        f"On Mon, 2 Mar 2026 at 09:00, Maya Somebody-With-A-Long-Name\n<maya@ours.example> wrote:\n\n{QUOTED}",
        f"Am 02.03.2026 um 09:00 schrieb Maya:\n{QUOTED}",
        f"Le lun. 2 mars 2026 à 09:00, Maya a écrit :\n{QUOTED}",
        f"-----Original Message-----\n{QUOTED}",
        f"From: Maya <maya@ours.example>\nSent: Monday\nTo: Ada\nSubject: Invoice\n\n{QUOTED}",
        f"*From:* Maya\n*Date:* Monday\n{QUOTED}",
        f"Begin forwarded message:\n{QUOTED}",
        f"________________________________\n{QUOTED}",
        f"> {QUOTED}",
        f"-- \n{QUOTED}",
        "Best regards,\nGrace Joy\nHead of Legal Action",
        "Many thanks\nGrace Joy",
        "Sent from my iPhone",
        f"CONFIDENTIALITY NOTICE: {QUOTED}",
        f"This e-mail and any attachments are confidential and legally privileged. {QUOTED}",
    ],
)
def test_what_mail_drags_along_is_not_the_writers(drag: str) -> None:
    assert bare(f"{OWN}\n\n{drag}") == OWN


@pytest.mark.parametrize(
    "text",
    [
        "Thanks,\nit works again.",
        "From: my point of view it is fine.",
        "Hi Maya,\n\nthanks\n" + "\n".join(f"point {n} is open" for n in range(12)),
        "On Monday Tom wrote: nothing.",
    ],
)
def test_what_only_looks_like_an_end_is_the_writers(text: str) -> None:
    assert bare(text) == text


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
    assert pattern("cancel (our|the)? plan") == r"\bcancel(?:[\s-]+(?:our|the))?[\s-]+plan(?![\w])"
    phrases = Phrases({"move": ["(go|move) .. (road map|elsewhere)"]}, ["never"], ["go to the road map"])
    for text in ("go elsewhere", "We go\nRoad-Map", "move it right elsewhere.", "I move our things elsewhere"):
        assert phrases.found(text) == ("move",), text
    for text in (
        "forgo elsewhere",
        "go elsewheres",
        "move all of it elsewhere",
        "never go elsewhere",
        "go to the road map",
    ):
        assert phrases.found(text) == (), text


@pytest.mark.parametrize("phrase", [".. plan", "(a)? plan", "! plan", "(a (b|c)) plan"])
def test_a_phrase_that_cannot_be_read_is_refused(phrase: str) -> None:
    with pytest.raises(ValueError, match=r"begins with|brackets"):
        Phrases({"x": [phrase]})


TOLD = client.TicketUpdated(ticket_id="1", author=client.Author.CLIENT)


def test_what_a_client_says_may_amount_to_an_event() -> None:
    assert [type(body) for body in remarks(TOLD, ["competitor", "budget_down", "urgency"])] == [
        client.CompetitorMentioned,
        client.BudgetDiscussed,
    ]
    ours = TOLD.model_copy(update={"author": client.Author.US})
    assert remarks(ours, ["competitor"]) == []
    assert remarks(client.CompetitorMentioned(), ["competitor"]) == []
    assert [type(body) for body in remarks(client.FeedbackGiven(), ["competitor"])] == [client.CompetitorMentioned]


def test_a_statement_carries_its_reading_and_what_follows() -> None:
    ref = Ref("zendesk", "organization", "1")
    said, followed = with_reading(Statement((ref,), None, TOLD, text="Your competitor is cheaper."), READER)
    assert said.data is not None
    assert said.data.model_dump()["reading"]["topics"] == ("competitor",)
    assert isinstance(followed.data, client.CompetitorMentioned)
    assert followed.refs == (ref,)


def test_the_page_about_reading_shows_the_figures_that_were_measured() -> None:
    measured = json.loads((ROOT / "tests" / "bench" / "results" / "sentiment.json").read_text())
    page = (ROOT / "docs" / "reading.md").read_text()
    for line in shown(measured).splitlines():
        assert line in page
    assert measured["model"] == READER.model, "the lexicon was changed: measure anew"
    assert READER.model in page
    missing = [topic for topic in load_lexicon(REPOSITORY_CONFIG).topics if topic not in page]
    assert missing == []


def test_the_model_that_knows_languages_is_loaded_once_a_process() -> None:
    one, other = (make_reader(REPOSITORY_CONFIG).language for _ in range(2))
    assert isinstance(one, Langid)
    assert isinstance(other, Langid)
    assert one._identifier is other._identifier, "some 90 MB each"
