"""What messages say, and that nothing written by others can break out of them."""

from __future__ import annotations

from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
import yaml
from common.settings import REPOSITORY_CONFIG
from hypothesis import given
from hypothesis import strategies as st
from loopctl.catcher.slack_limits import broken_blocks
from notify.adapters import rules_file
from notify.adapters.mail import compose as compose_mail
from notify.adapters.mail import html_of, text_of
from notify.adapters.slack_blocks import blocks, escape, fallback
from notify.domain.card import CARD, Card
from notify.domain.message import Message, money, number, one_line, span
from notify.domain.occasion import occasion_of
from notify.domain.wording import Context, compose
from notify.domain.wording.scores import SIGN_TITLES
from notify.repository.queue import Claimed

from tests.support import notify_world as world
from tests.support.notify_world import MAYA, NOW

CLIENT = UUID(int=1)
POLICY, _ = rules_file.load(REPOSITORY_CONFIG / "notify" / "rules.yaml")
EVIL = "<script>alert(1)</script> <!channel> & *bold* <https://evil.example|click>"
BODIES = {
    "band_changed": world.band_changed(CLIENT),
    "flag_raised": world.flag_raised(CLIENT),
    "scorecard": world.scorecard_flag(CLIENT),
    "among_riskiest": world.capacity_flag(CLIENT),
    "case_opened": world.case_opened(CLIENT),
    "case_assigned": world.case_assigned(CLIENT, MAYA, world.SAM),
    "step_due": world.step_due(CLIENT),
    "step_breached": world.step_breached(CLIENT),
    "case_closed": world.case_closed(CLIENT),
    "blocker": world.blocker(),
    "milestone_late": world.milestone_late(CLIENT),
    "milestone_due": world.milestone_due(CLIENT),
    "milestone_reached": world.milestone_reached(CLIENT),
    "phase_changed": world.phase_changed(CLIENT),
    "sign_started": world.sign_started(CLIENT),
}


def card(**profile: Any) -> Card:
    return CARD.apply(CARD.empty(CLIENT), world.event(world.registered(CLIENT, **profile), CLIENT))


def worded(body: Any, *, name: str = "Northwind Labs", tz: str | None = None) -> Message:
    occasion = occasion_of(world.event(body, CLIENT))
    assert occasion is not None
    rule = POLICY.match(occasion)
    assert rule is not None
    zone = ZoneInfo(tz) if tz else None
    return compose(rule, occasion, Context(card(name=name), NOW, "https://loop.example", zone))


def claimed(recipient: str = MAYA) -> Claimed:
    return Claimed(
        claim=uuid4(), delivery_id=UUID(int=5), happened_at=NOW, queued_at=NOW, attempts=1, first_attempt_at=NOW,
        look_first=False, event_id=UUID(int=6), client_id=CLIENT, case_id=None, subject=str(CLIENT), kind="flag_raised",
        rule="likely_churn", rules_version=1, channel="email", recipient=recipient, bounded=True, message={},
        traceparent=None, correlation=None, signal_wall=NOW,
    )  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_every_message_says_what_to_do_and_where_to_look(name: str) -> None:
    message = worded(BODIES[name])
    assert message.title.startswith(("Northwind Labs", "Case opened", "You are on", "Deadline missed"))
    assert message.next
    assert message.links[-1].url == f"https://loop.example/clients/{CLIENT}"
    for line in (message.title, *message.changed, *message.why, *message.next):
        assert line in text_of(message)


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("client", ["Northwind Labs", EVIL, "x" * 500])
def test_slack_takes_every_message(name: str, client: str) -> None:
    assert broken_blocks(blocks(worded(BODIES[name], name=client), str(uuid4()))) == []


def test_a_calibrated_risk_is_a_percentage_with_its_threshold() -> None:
    message = worded(world.flag_raised(CLIENT))
    assert message.title == "Northwind Labs is likely to leave: 72% within 90 days"
    assert message.changed[0] == "Risk 72%; a flag is raised from 60%."
    assert message.why == ("Logins fell from 34 to 9 a week since 3 Feb", "The sponsor left on 12 Feb")
    assert message.against == ("Every invoice was paid on time",)
    assert message.notes == ()


def test_no_client_is_certain_to_leave_or_to_stay() -> None:
    message = worded(world.flag_raised(CLIENT, probability=0.9999))
    assert message.title == "Northwind Labs is likely to leave: over 99% within 90 days"
    assert message.changed[0] == "Risk over 99%; a flag is raised from 60%."
    assert worded(world.capacity_flag(CLIENT, probability=0.0021)).title.endswith("this week: under 1% within 90 days")


def test_one_of_the_riskiest_is_not_said_to_be_likely_to_leave() -> None:
    message = worded(world.capacity_flag(CLIENT))
    assert message.title == "Northwind Labs is among the 3 riskiest of your clients this week: 14% within 90 days"
    assert message.changed[0] == ("Place 2 of 41 by risk; the average of all clients is 3.1%. Most who are named stay.")
    nobodys = {"place": 1, "named": 1, "clients": 4, "average": 0.12}
    message = worded(world.capacity_flag(CLIENT, ranking=nobodys, episode=3))
    assert message.title.startswith("Northwind Labs is among the riskiest of clients without a CSM this week: ")
    assert message.changed == (
        "Place 1 of 4 by risk; the average of all clients is 12%. Most who are named stay.",
        "This is flag 3 of this client.",
    )


@pytest.mark.parametrize(
    ("because", "words"),
    [
        ("expired", "has run out"),
        ("withdrawn", "was taken back"),
        ("risk_rose", "ended early"),
        ("reached_threshold", "has reached the threshold"),
    ],
)
def test_a_flag_that_is_raised_again_says_why(because: str, words: str) -> None:
    message = worded(world.flag_raised(CLIENT, because=because, episode=2))
    assert message.title.startswith("Northwind Labs is likely to leave")
    assert words in message.changed[1]


def test_a_named_client_whose_override_ended_is_not_ranked_anew() -> None:
    message = worded(world.capacity_flag(CLIENT, ranking=None, because="expired", episode=2))
    assert message.title == "Northwind Labs is still one of your riskier clients: 14% within 90 days"


def test_a_milestone_that_was_moved_says_so_and_when_it_was_due_at_first() -> None:
    first = world.NOW - timedelta(days=10)
    message = worded(world.milestone_late(CLIENT, 3, rescheduled=2, due_at_first=first))
    assert message.title == "Northwind Labs: first automation live is 3 days late"
    assert message.changed[1].startswith("It was moved 2 times; first it was due ")


def test_a_reached_milestone_names_the_next_one_its_owner_and_its_due_time() -> None:
    message = worded(world.milestone_reached(CLIENT))
    assert message.title == "Northwind Labs: first automation live is done; next is core training complete"
    assert message.changed[1].startswith("Next: “core training complete”, due ")
    assert ("Owner of it", "olga@ours.example") in [(fact.label, fact.value) for fact in message.facts]


def test_a_phase_says_from_where_why_and_who() -> None:
    message = worded(world.phase_changed(CLIENT))
    assert message.title == "Northwind Labs is back in first value"
    assert message.changed[0].startswith("Phase: adoption → first value, since ")
    assert message.changed[1:] == ("We start over with them.", f"{world.MAYA} said so.")


def test_a_sign_is_told_with_its_sentence_and_since_when() -> None:
    message = worded(world.sign_started(CLIENT))
    assert message.title == "Northwind Labs: no answer since we asked"
    assert message.changed == ("No word from them since we asked on 28 Feb, 09:00 UTC.",)
    assert message.facts[0].label == "Since"
    assert worded(world.sign_started(CLIENT, "feedback_stopped")).title == "Northwind Labs: feedback stopped"


def test_every_title_of_a_sign_belongs_to_a_shipped_sign() -> None:
    """Read from the file that names them: notify knows nothing of health's code."""
    shipped = yaml.safe_load((REPOSITORY_CONFIG / "health" / "signs.yaml").read_text())
    kinds = ("early_warning", "about_us", "rhythm", "disagreement")
    assert set(SIGN_TITLES) <= {name for kind in kinds for name in shipped[kind]}


def test_uncalibrated_risk_is_signs_and_never_a_percentage() -> None:
    message = worded(world.scorecard_flag(CLIENT))
    assert message.title == "Northwind Labs shows risk signs"
    assert "%" not in text_of(message)
    assert "not a calibrated probability" in message.notes[0]


@pytest.mark.parametrize("body", [world.flag_raised(CLIENT, simulated=True), world.case_opened(CLIENT, simulated=True)])
def test_a_model_of_simulated_data_is_marked_everywhere(body: Any) -> None:
    message = worded(body)
    for shown in (text_of(message), html_of(message), str(blocks(message, "x"))):
        assert "trained on simulated data" in shown


def test_late_and_thin_data_are_said() -> None:
    message = worded(world.band_changed(CLIENT, cause="late_data", confidence=0.4))
    assert any("arrived after the fact" in note for note in message.notes)
    assert any("Confidence is low (40%)" in note for note in message.notes)
    assert "stale" in text_of(message)


def test_without_moves_the_weakest_components_explain() -> None:
    message = worded(world.band_changed(CLIENT, moves=[]))
    assert message.why == ("Usage stands at 31.5", "Relationship stands at 44.5")


def test_times_are_the_readers() -> None:
    assert "11:00 UTC" in worded(world.step_due(CLIENT)).changed[0]
    assert "20:00 JST" in worded(world.step_due(CLIENT), tz="Asia/Tokyo").changed[0]


def test_a_message_survives_its_storage() -> None:
    import json

    message = worded(world.band_changed(CLIENT))
    assert Message.from_mapping(json.loads(message.to_json())) == message


# What others wrote is data


def test_slack_gets_no_commands_from_a_name() -> None:
    message = worded(world.band_changed(CLIENT), name=EVIL)
    for block in blocks(message, "x"):
        for text in texts(block):
            if text["type"] == "mrkdwn":
                assert "<" not in text["text"]
                assert text["verbatim"] is True
    assert "<" not in fallback(message)


def texts(value: Any) -> list[dict[str, Any]]:
    """Every text object inside a block."""
    if isinstance(value, dict):
        own = [value] if value.get("type") in ("mrkdwn", "plain_text") and isinstance(value.get("text"), str) else []
        return own + [found for item in value.values() for found in texts(item)]
    return [found for item in value for found in texts(item)] if isinstance(value, list) else []


def test_html_gets_no_tags_from_a_name() -> None:
    html = html_of(worded(world.band_changed(CLIENT), name=EVIL))
    assert "<script" not in html
    assert "&lt;script&gt;" in html


@given(st.text(min_size=1, max_size=200))
def test_nothing_breaks_out_of_a_header(name: str) -> None:
    clean = name.replace("\x00", "") or "x"
    message = worded(world.flag_raised(CLIENT), name=clean)
    mail = compose_mail(claimed(), message, sender="Loop <loop@ours.example>", at=NOW)
    parsed = message_from_bytes(mail.as_bytes(), policy=policy.default)
    assert parsed["To"] == MAYA
    assert parsed["X-CSL-Delivery"] == str(UUID(int=5))
    assert parsed["Bcc"] is None
    assert "\n" not in str(parsed["Subject"])


@pytest.mark.parametrize("name", ["a\r\nBcc: all@evil.example", "a\nX-Evil: 1\n\nbody", "a\x0bb\u2028c"])
def test_a_name_with_line_breaks_stays_one_line(name: str) -> None:
    mail = compose_mail(claimed(), worded(world.flag_raised(CLIENT), name=name), sender="loop@ours.example", at=NOW)
    assert mail["Bcc"] is None
    assert mail["X-Evil"] is None


def test_a_recipient_with_line_breaks_is_no_recipient() -> None:
    with pytest.raises(ValueError, match="linefeed"):
        compose_mail(claimed("a@b\r\nBcc: c@d"), worded(world.flag_raised(CLIENT)), sender="loop@ours.example", at=NOW)


def test_a_mail_has_text_and_html_and_a_stable_id() -> None:
    one = compose_mail(claimed(), worded(world.flag_raised(CLIENT)), sender="Loop <loop@ours.example>", at=NOW)
    two = compose_mail(claimed(), worded(world.flag_raised(CLIENT)), sender="Loop <loop@ours.example>", at=NOW)
    assert one["Message-ID"] == two["Message-ID"] == f"<{UUID(int=5)}@ours.example>"
    assert [part.get_content_type() for part in one.iter_parts()] == ["text/plain", "text/html"]


# Small words


@pytest.mark.parametrize(
    ("delta", "expected"),
    [
        (timedelta(seconds=20), "under a minute"),
        (timedelta(minutes=5), "5 min"),
        (timedelta(hours=2), "2 h"),
        (timedelta(hours=2, minutes=5), "2 h 5 min"),
        (timedelta(days=3, hours=5), "3 days"),
    ],
)
def test_spans_are_spoken(delta: timedelta, expected: str) -> None:
    assert span(delta) == span(-delta) == expected


def test_numbers_and_money() -> None:
    assert (number(-6.25), number(80.0), number(71.375)) == ("−6.2", "80", "71.4")
    assert (money(420000, "EUR"), money(420000, "JPY")) == ("EUR 4,200", "JPY 420,000")
    assert one_line("a\n b\tc" + "x" * 200).startswith("a b cx")
    assert escape("a & <b>") == "a &amp; &lt;b&gt;"
