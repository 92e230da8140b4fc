"""Typeform and Calendly: every real body, and each trap that their documentation warns of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from common.contracts import client
from ingest.domain.refs import Ref
from ingest.domain.statement import Ignored, Unreadable
from ingest.sources import VENDORS, bodies
from ingest.sources.calendly import CalendlySource
from ingest.sources.typeform import TypeformSource
from pydantic import ValidationError

from tests.support.mapped_words import PAYLOADS, SOURCES, key, said, shared, told

# The real bodies. The ids of people known by an address alone are digests of it (sha256, cut at 32 digits).
LAURA = "mail-c1d571b0b31d8cb221b46a1cf7151463"
JOHN = "mail-836f82db99121b3481011f16b49dfa5f"
JANE = "mail-86e0b9e56c17cc4d12387e1949b85053"
EXPECTED: dict[str, list[tuple[str, str, dict[str, Any]]]] = {
    "typeform/docs_form_response_full.json": [
        # the form is not listed: its opinion scale and rating tell no steps, so its words count, its numbers do not
        (f"typeform:contact:{LAURA}", "contact", {"contact_id": LAURA, "email": "laura@example.com"}),
        (f"typeform:contact:{LAURA}", "feedback_given", {"contact_id": LAURA}),
    ],
    "calendly/maton_invitee.created.json": [
        (f"calendly:contact:{JOHN}", "contact",
         {"contact_id": JOHN, "name": "John Doe", "email": "john.doe@example.com"}),
        (f"calendly:contact:{JOHN}", "meeting_scheduled",
         {"meeting_id": "00000000-0000-0000-0000-000000000002", "kind": "informal", "starts_at": "2026-06-10T06:30:00Z",
          "ends_at": "2026-06-10T07:00:00Z", "attendees": [JOHN, "support@example.com"]}),
    ],
    "calendly/maton_invitee.canceled.json": [
        # called off on 17 June at 01:40:57, for 1 July at 06:30
        (f"calendly:contact:{JANE}", "meeting_cancelled",
         {"meeting_id": "00000000-0000-0000-0000-000000000004", "by": "client", "notice_hours": 340.82}),
    ],
}  # fmt: skip


@shared
@pytest.mark.parametrize("file", EXPECTED)
def test_a_real_body_says_what_we_say_it_says(file: str) -> None:
    assert told(file.partition("/")[0], (PAYLOADS / file).read_bytes()) == EXPECTED[file]


@shared
def test_every_body_has_an_expectation() -> None:
    assert {f"{v}/{f.name}" for v in ("typeform", "calendly") for f in (PAYLOADS / v).glob("*")} == {*EXPECTED}


@shared
def test_the_words_of_a_form_are_its_long_answers() -> None:
    _, feedback = said("typeform", (PAYLOADS / "typeform/docs_form_response_full.json").read_bytes())
    assert feedback.text.startswith("It's cold right now!")
    assert "Laura" not in feedback.text, "a first name is no opinion"


@shared
def test_a_listed_form_is_a_survey_on_its_own_scale() -> None:
    body = (PAYLOADS / "typeform/docs_form_response_full.json").read_bytes()
    forms = {"lT4Z3j": [{"survey": "csat", "question": "readable_ref_rating", "scale": [1, 5], "occasion": "day_7"}]}
    [_, (_, name, data)] = told("typeform", body, forms=forms)
    assert (name, data) == (
        "survey_answered",
        {"survey": "csat", "contact_id": LAURA, "occasion": "day_7", "score": 3, "scale_min": 1, "scale_max": 5},
    )


# Typeform


def form(*asks: tuple[str, dict[str, Any], dict[str, Any]], **response: Any) -> dict[str, Any]:
    """A response to (type, further parts of the question, answer)."""
    fields = [{"id": f"q{n}", "ref": f"ref{n}", "type": kind, **more} for n, (kind, more, _) in enumerate(asks)]
    answers = [{"field": {"id": f"q{n}", "type": kind}, **answer} for n, (kind, _, answer) in enumerate(asks)]
    inner = {"form_id": "f1", "token": "tok", "submitted_at": "2026-03-02T09:00:00Z", "definition": {"fields": fields},
             "answers": answers, "hidden": {"client_ref": "hubspot:company:77", "contact_id": "1251"}}  # fmt: skip
    return {"event_id": "e1", "event_type": "form_response", "form_response": inner | response}


def number(value: Any) -> dict[str, Any]:
    return {"type": "number", "number": value}


def scores(body: Any, **options: Any) -> list[tuple[float, float, float]]:
    found = [statement.data for statement in said("typeform", body, **options)]
    return [(data.score, data.scale_min, data.scale_max) for data in found if isinstance(data, client.SurveyAnswered)]


def test_hidden_fields_say_who_answered() -> None:
    [statement] = said("typeform", form(("nps", {}, number(9))))
    assert statement.refs == (Ref("hubspot", "company", "77"), Ref("hubspot", "contact", "1251"))
    assert statement.links == (Ref("hubspot", "contact", "1251"),), "a contact that we did not know is the client's now"
    assert (statement.data.survey, statement.data.contact_id, statement.data.score) == ("nps", "1251", 9)
    ours = "0198c0de-7b1e-7c44-9f0e-3f1f2a6d9b10"
    [by_id] = said("typeform", form(("nps", {}, number(9)), hidden={"c": ours}), hidden_client="c")
    assert by_id.client_id == UUID(ours)
    contact, _ = said("typeform", form(("nps", {}, number(9)), hidden={"email": "Ada@Northwind.example"}))
    assert contact.hints == {"email": "ada@northwind.example"}
    assert contact.contact.contact_id == bodies.person_id("ada@northwind.example")


def test_nobody_is_guessed_behind_an_anonymous_answer() -> None:
    assert isinstance(said("typeform", form(("nps", {}, number(9)), hidden={}))[0], Ignored)


@pytest.mark.parametrize(
    ("kind", "properties", "scale"),
    [
        ("nps", {}, (0, 10)),
        ("opinion_scale", {"steps": 11, "start_at_one": False}, (0, 10)),
        ("opinion_scale", {"steps": 5, "start_at_one": True}, (1, 5)),
        ("opinion_scale", {"steps": 7}, (0, 6)),
        ("rating", {"steps": 5, "shape": "star"}, (1, 5)),
    ],
)
def test_a_scale_begins_and_ends_where_its_question_says(
    kind: str, properties: dict[str, Any], scale: tuple[int, int]
) -> None:
    body = form((kind, {"properties": properties}, number(3)))
    assert scores(body, forms={"f1": [{"survey": "csat", "question": "ref0"}]}) == [(3, *scale)]


@pytest.mark.parametrize("kind", ["opinion_scale", "rating", "number"])
def test_a_scale_that_nobody_states_is_not_guessed(kind: str) -> None:
    body = form((kind, {}, number(3)))
    with pytest.raises(Unreadable, match="scale"):
        said("typeform", body, forms={"f1": [{"survey": "ces", "question": "q0"}]})
    assert scores(body, forms={"f1": [{"survey": "ces", "question": "q0", "scale": [1, 7]}]}) == [(3, 1, 7)]


def test_a_choice_is_a_score_by_its_label() -> None:
    asked = {
        "survey": "csat",
        "question": "ref0",
        "scale": [1, 3],
        "choices": {"Great": 3, "Poor": 1, "yes": 3, "no": 1},
    }
    great = form(("multiple_choice", {}, {"type": "choice", "choice": {"label": "Great"}}))
    yes = form(("yes_no", {}, {"type": "boolean", "boolean": True}))
    assert scores(great, forms={"f1": [asked]}) == scores(yes, forms={"f1": [asked]}) == [(3, 1, 3)]
    other = form(("multiple_choice", {}, {"type": "choice", "choice": {"other": "meh"}}))
    with pytest.raises(Unreadable, match="no score"):
        said("typeform", other, forms={"f1": [asked]})


def test_a_score_beyond_its_scale_is_broken() -> None:
    with pytest.raises(ValidationError):
        said("typeform", form(("nps", {}, number(11))))


def test_several_scores_of_a_form_share_one_reading() -> None:
    body = form(
        ("nps", {}, number(2)), ("rating", {}, number(4)), ("long_text", {}, {"type": "text", "text": "Too slow"})
    )
    forms = {"f1": [{"survey": "nps", "question": "ref0"}, {"survey": "csat", "question": "ref1", "scale": [1, 5]}]}
    first, second = said("typeform", body, forms=forms)
    assert (first.text, second.text) == ("Too slow", None)


def test_short_answers_are_words_from_three_on_and_named_questions_never() -> None:
    def words(text: str, **options: Any) -> Any:
        [statement] = said("typeform", form(("short_text", {}, {"text": text}), ("nps", {}, number(9))), **options)
        return statement.text

    assert words("Joy Grace") is None
    assert words("not so good") == "not so good"
    assert words("Head of Sales", not_words=["ref0"]) is None


@pytest.mark.parametrize(
    "body",
    [
        {**form(("nps", {}, number(9))), "event_type": "form_response_partial"},
        form(("nps", {}, number(9)), submitted_at=None),
    ],
)
def test_an_unfinished_answer_says_nothing(body: Any) -> None:
    [ignored] = said("typeform", body)
    assert isinstance(ignored, Ignored)
    assert not ignored.unknown


def test_a_response_is_known_by_its_event_else_by_its_token() -> None:
    body = form(("nps", {}, number(9)))
    assert key("typeform", body) == "e1"
    del body["event_id"]
    assert key("typeform", body) == "form_response:tok"


def test_a_wrong_configuration_of_a_form_does_not_start() -> None:
    for wrong in ({"scale": [5, 1]}, {"choices": {"a": 1}}, {"survey": "mood"}):
        with pytest.raises(ValidationError):
            TypeformSource.model_validate(
                {"vendor": "typeform", "forms": {"f": [{"survey": "csat", "question": "q", **wrong}]}}
            )


# Calendly

EVENT: dict[str, Any] = {"uri": "https://api.calendly.com/scheduled_events/E1", "name": "Kick-off with Northwind",
         "event_type": "https://api.calendly.com/event_types/T1", "start_time": "2026-03-05T10:00:00.000000Z",
         "end_time": "2026-03-05T10:30:00.000000Z", "invitees_counter": {"total": 1, "active": 0, "limit": 1},
         "event_memberships": [{"user": "https://api.calendly.com/users/U1", "user_email": "Maya@Ours.example",
                                "user_name": "Maya"}],
         "event_guests": [{"email": "ben@northwind.example"}, {"email": "tom@ours.example"}]}  # fmt: skip
ADA = bodies.person_id("ada@northwind.example")


def invitee(kind: str, **parts: Any) -> dict[str, Any]:
    payload = {"uri": EVENT["uri"] + "/invitees/I1", "email": "Ada@Northwind.example", "name": "Ada Okafor",
               "event": EVENT["uri"], "created_at": "2026-03-02T09:00:00Z", "updated_at": "2026-03-04T10:00:00Z",
               "scheduled_event": EVENT, "rescheduled": False, "tracking": {}}  # fmt: skip
    return {"event": kind, "created_at": "2026-03-04T10:00:01Z", "payload": payload | parts}


def cancelled(**parts: Any) -> client.MeetingCancelled:
    [statement] = said("calendly", invitee("invitee.canceled", **parts))
    assert isinstance(statement.data, client.MeetingCancelled)
    return statement.data


def by(who: str, name: str = "somebody") -> dict[str, Any]:
    return {"cancellation": {"canceler_type": who, "canceled_by": name, "created_at": "2026-03-04T10:00:00Z"}}


def test_a_booking_is_a_meeting_with_its_people() -> None:
    person, meeting = said("calendly", invitee("invitee.created"), our_domains=["ours.example"])
    assert person.contact.email == "Ada@Northwind.example"
    assert meeting.data.kind == "kickoff"
    assert meeting.data.attendees == (
        ADA,
        "maya@ours.example",
        bodies.person_id("ben@northwind.example"),
        "tom@ours.example",
    )
    assert meeting.time == datetime(2026, 3, 2, 9, tzinfo=UTC)


def test_a_body_without_its_event_tells_the_person_and_not_when() -> None:
    absent: list[Any] = [{}, None]
    for none in absent:
        [person] = said("calendly", invitee("invitee.created", scheduled_event=none))
        assert person.contact is not None
        off = cancelled(scheduled_event=none, **by("invitee"))
        assert (off.meeting_id, off.by, off.notice_hours) == ("E1", "client", None)


@pytest.mark.parametrize(("who", "side"), [("host", "us"), ("invitee", "client")])
def test_who_cancelled_is_told_by_type(who: str, side: str) -> None:
    off = cancelled(**by(who))
    assert (off.by, off.notice_hours) == (side, 24.0)


def test_who_cancelled_is_told_by_name_in_older_bodies_and_never_guessed() -> None:
    def older(name: str) -> dict[str, Any]:
        return {"cancellation": {"canceled_by": name, "reason": ""}}

    assert cancelled(**older("Ada Okafor")).by == "client"
    assert cancelled(**older("Maya")).by == "us"
    with pytest.raises(Unreadable, match="who cancelled"):
        cancelled(**older("Anonymous"))


def test_a_moved_meeting_was_not_called_off_by_the_client() -> None:
    moved = cancelled(
        rescheduled=True, new_invitee="https://api.calendly.com/scheduled_events/E2/invitees/I2", **by("invitee")
    )
    assert (moved.by, moved.model_dump()["rescheduled"]) == ("us", True)
    new = {**EVENT, "uri": "https://api.calendly.com/scheduled_events/E2"}
    _, again = said("calendly", invitee("invitee.created", scheduled_event=new, old_invitee="…/E1/invitees/I1"))
    assert again.data.meeting_id == "E2"


def test_one_of_a_group_who_cancels_leaves_the_meeting_to_the_others() -> None:
    group = {**EVENT, "invitees_counter": {"total": 3, "active": 2, "limit": 10}}
    assert isinstance(said("calendly", invitee("invitee.canceled", scheduled_event=group, **by("invitee")))[0], Ignored)
    [one] = said("calendly", invitee("invitee_no_show.created", scheduled_event=group))
    assert isinstance(one.data, client.MeetingHeld)
    assert (one.data.attended, one.data.absent) == (("maya@ours.example",), (ADA,))


def test_a_client_who_does_not_come_has_called_off_too_late() -> None:
    only = {**EVENT, "invitees_counter": {"total": 1, "active": 1, "limit": 1}}
    away = {"created_at": "2026-03-05T10:15:00Z"}
    [missed] = said("calendly", invitee("invitee_no_show.created", scheduled_event=only, no_show=away))
    assert isinstance(missed.data, client.MeetingCancelled)
    assert (missed.data.by, missed.data.notice_hours) == ("client", -0.25)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Acme – Quarterly Business Review", "qbr"),
        ("Business review", "review"),
        ("Kick-off (30 min)", "kickoff"),
        ("Previewing the roadmap", "check_in"),
        ("Renewal talk", "renewal"),
        (None, "check_in"),
    ],
)
def test_the_kind_of_a_meeting_is_in_its_types_name(name: Any, kind: str) -> None:
    _, meeting = said("calendly", invitee("invitee.created", scheduled_event={**EVENT, "name": name}))
    assert meeting.data.kind == kind
    by_uri = {**SOURCES["calendly"].model_dump()["kinds"], str(EVENT["event_type"]): "executive"}
    _, meeting = said("calendly", invitee("invitee.created", scheduled_event={**EVENT, "name": name}), kinds=by_uri)
    assert meeting.data.kind == "executive"


def test_the_link_the_crm_and_the_address_say_whose_a_meeting_is() -> None:
    tracking = {"utm_content": "ref:hubspot:company:77", "salesforce_uuid": "0035g00000ABCDe"}
    person, _ = said("calendly", invitee("invitee.created", tracking=tracking))
    own = Ref("calendly", "contact", ADA)
    assert person.refs == (Ref("hubspot", "company", "77"), Ref("salesforce", "contact", "0035g00000ABCDeAAP"), own)
    assert person.links == (own,)
    assert person.hints == {"email": "ada@northwind.example"}, "a person's name is no client's"
    campaign, _ = said("calendly", invitee("invitee.created", tracking={"utm_content": "spring:mail:3"}))
    assert campaign.refs == (own,), "a campaign's label is nobody's name"


def test_colleagues_who_book_each_other_are_no_client() -> None:
    assert said("calendly", invitee("invitee.created"), our_domains=["northwind.example"]) == [
        Ignored("the invitee is one of us")
    ]


@pytest.mark.parametrize("kind", ["routing_form_submission.created", "invitee_no_show.deleted", "event_type.updated"])
def test_events_without_a_meeting_are_known_and_ignored(kind: str) -> None:
    [ignored] = said("calendly", {"event": kind, "created_at": "2026-03-02T09:00:00Z", "payload": {}})
    assert isinstance(ignored, Ignored)
    assert not ignored.unknown
    assert said("calendly", {"event": "teleport.done"})[0].unknown


def test_a_booking_and_its_cancellation_are_two_events_and_a_retry_is_none() -> None:
    made, off = invitee("invitee.created"), invitee("invitee.canceled")
    assert key("calendly", made) == key("calendly", made) != key("calendly", off)
    assert key("calendly", made) != key("calendly", {**made, "created_at": "2026-03-09T09:00:00Z"})


def test_kinds_of_meeting_are_ours() -> None:
    with pytest.raises(ValidationError):
        CalendlySource.model_validate({"vendor": "calendly", "kinds": {"chat": "chat"}})


@pytest.mark.parametrize("source", ["typeform", "calendly"])
def test_joining_what_is_left_gives_a_body_that_splits_again(source: str) -> None:
    body = {"typeform": form(("nps", {}, number(9))), "calendly": invitee("invitee.created")}[source]
    [event] = VENDORS[source].split(VENDORS[source].join([body]), {}, SOURCES[source])
    assert event.body == body
