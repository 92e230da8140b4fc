"""Typeform webhooks (docs/sources/typeform.md): one answered form, with its questions beside the answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from common.contracts import client
from common.contracts.client import Survey
from pydantic import Field, model_validator

from ingest.config import Settled, Source
from ingest.domain.refs import Ref, parse_ref, parse_subject
from ingest.domain.statement import ContactChange, Ignored, SourceEvent, Statement, Unreadable
from ingest.domain.times import moment
from ingest.sources import bodies, signatures

NPS = (0.0, 10.0)
SHORT_WORDS = 3
"""A short answer of fewer words is a name, a town or a title more often than an opinion."""


class SurveyQuestion(Settled):
    """A question of a form whose answer is a score."""

    survey: Survey
    question: str
    """The field's ref, else its id."""
    scale: tuple[float, float] | None = None
    """Lowest and highest answer; needed unless the field is an NPS or the body says its steps."""
    choices: dict[str, float] = {}
    """Label → score, where the answers are words ("Very satisfied": 5); yes/no questions: yes, no."""
    occasion: Annotated[str, Field(min_length=1, max_length=300)] | None = None

    @model_validator(mode="after")
    def _scaled(self) -> Self:
        if self.scale is not None and not self.scale[0] < self.scale[1]:
            raise ValueError(f"{self.question}: scale is [lowest, highest]")
        if self.choices and self.scale is None:
            raise ValueError(f"{self.question}: choices need a scale")
        return self


class TypeformSource(Source):
    """What the forms ask, and which hidden fields say who answered."""

    vendor: Literal["typeform"]
    forms: dict[str, list[SurveyQuestion]] = {}
    """Form id → its scored questions; of any other form, NPS questions are surveys and words are feedback."""
    hidden_client: str = "client_ref"
    """Hidden field that holds `source:kind:id` or our own client id."""
    hidden_contact: str = "contact_id"
    hidden_email: str = "email"
    contact_kind: Annotated[str, Field(pattern="^[^:]+:[^:]+$")] = "hubspot:contact"
    """`source:kind` of the ids in `hidden_contact`."""
    not_words: list[str] = []
    """Refs of text questions whose answers are no opinion (a company's name, a job title)."""


def verify(request: signatures.Request, secret: bytes, now: datetime, config: TypeformSource) -> None:
    """`sha256=` and base64 of the HMAC over the body; no timestamp, so that repeats are caught by the dedup key."""
    given = signatures.header(request, "Typeform-Signature")
    if not signatures.same("sha256=" + signatures.sha256_base64(secret, request.body), given):
        raise signatures.Refusal("the signature does not match")


def split(body: bytes, headers: Mapping[str, str], config: Source) -> list[SourceEvent]:
    value = bodies.parse(body)
    if not isinstance(value, dict):
        raise Unreadable("expected an event object")
    kind = bodies.text(value.get("event_type"))
    if kind is None:
        raise Unreadable("an event has an event_type")
    token = bodies.identifier(bodies.mapping(value.get("form_response")).get("token"))
    key = bodies.identifier(value.get("event_id")) or (f"{kind}:{token}" if token else "sha256:" + bodies.digest(body))
    return [SourceEvent(key, kind[:200], value)]


def join(items: Sequence[Mapping[str, Any]]) -> bytes:
    return bodies.dump(items[0])


def interpret(event: SourceEvent, config: TypeformSource) -> list[Statement] | Ignored:
    if event.kind in _SILENT:
        return _SILENT[event.kind]
    if event.kind != "form_response":
        return Ignored(f"{event.kind} is not read", unknown=True)
    response = event.body.get("form_response")
    if not isinstance(response, dict):
        raise Unreadable("form_response is missing")
    at = moment(response.get("submitted_at"))
    if at is None:
        return Ignored("not submitted yet")
    who = _respondent(response, config)
    if not who.refs and who.client_id is None:
        return Ignored("anonymous: neither hidden fields nor an e-mail address")
    said = list(_said(response, config, who.contact_id))
    if not said and who.change is None:
        return Ignored("no score and no words")
    found = [_statement(who, at, contact=who.change)] if who.change else []
    words = _words(response, config)
    # the words go with the first score; one reading a response
    return found + [_statement(who, at, data=data, text=None if nth else words) for nth, data in enumerate(said)]


@dataclass(frozen=True, slots=True)
class Respondent:
    """Who answered, as far as the form tells."""

    refs: tuple[Ref, ...]
    client_id: Any
    contact_id: str | None
    change: ContactChange | None
    hints: Mapping[str, str]


def _statement(who: Respondent, at: datetime, **said: Any) -> Statement:
    own = tuple(ref for ref in who.refs if ref.kind == "contact")
    return Statement(who.refs, at, links=own, client_id=who.client_id, hints=who.hints, **said)


def _respondent(response: Mapping[str, Any], config: TypeformSource) -> Respondent:
    hidden = bodies.mapping(response.get("hidden"))
    named = bodies.text(hidden.get(config.hidden_client))
    target = (parse_subject(named) or parse_ref(named)) if named else None
    known = bodies.identifier(hidden.get(config.hidden_contact))
    email = _address(hidden.get(config.hidden_email)) or _address(_asked(response, "email"))
    source, kind = config.contact_kind.split(":")
    contact = known or (bodies.person_id(email) if email else None)
    own = (Ref(source, kind, known),) if known else (Ref(config.name, "contact", contact),) if contact else ()
    refs = ((target,) if isinstance(target, Ref) else ()) + own
    change = ContactChange(contact, email=email) if contact and email else None
    return Respondent(
        refs, None if isinstance(target, Ref) else target, contact, change, {"email": email} if email else {}
    )


def _address(value: Any) -> str | None:
    found = bodies.text(value)
    return found.lower() if found and found.count("@") == 1 and len(found) <= 300 else None


def _asked(response: Mapping[str, Any], kind: str) -> Any:
    """The answer to the form's own question of a type."""
    return next((answer.get(kind) for answer in _answers(response) if answer.get("type") == kind), None)


def _answers(response: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return bodies.objects(response.get("answers"))


def _fields(response: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The questions by id: answers name them by id, and by ref only in newer bodies."""
    fields = bodies.objects(bodies.mapping(response.get("definition")).get("fields"))
    return {known: field for field in fields if (known := bodies.identifier(field.get("id")))}


def _asks(response: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """(question, answer), the question completed by what the answer says of it."""
    fields = _fields(response)
    for answer in _answers(response):
        stated = bodies.mapping(answer.get("field"))
        yield {**fields.get(bodies.identifier(stated.get("id")) or "", {}), **stated}, answer


def _said(response: Mapping[str, Any], config: TypeformSource, contact: str | None) -> Iterator[client.ClientEvent]:
    form = bodies.identifier(response.get("form_id")) or ""
    asked = config.forms.get(form)
    scored = False
    for question, answer in _asks(response):
        wanted = _wanted(question, asked)
        if wanted is None:
            continue
        score = _score(answer, wanted)
        if score is None:
            raise Unreadable(f"form {form}: the answer to {wanted.question} is no score")
        low, high = _scale(question, wanted)
        scored = True
        yield client.SurveyAnswered(
            survey=wanted.survey, contact_id=contact, occasion=wanted.occasion, score=score, scale_min=low,
            scale_max=high,
        )  # fmt: skip
    if not scored and _words(response, config):
        yield client.FeedbackGiven(contact_id=contact)


def _wanted(question: Mapping[str, Any], asked: Sequence[SurveyQuestion] | None) -> SurveyQuestion | None:
    names = {bodies.identifier(question.get("ref")), bodies.identifier(question.get("id"))}
    if asked is not None:
        return next((wanted for wanted in asked if wanted.question in names), None)
    if question.get("type") == "nps":
        return SurveyQuestion(survey=Survey.NPS, question="nps")
    return None


def _score(answer: Mapping[str, Any], wanted: SurveyQuestion) -> float | None:
    if wanted.choices:
        label = bodies.mapping(answer.get("choice")).get("label")
        yes = answer.get("boolean")
        return wanted.choices.get(("yes" if yes else "no") if isinstance(yes, bool) else str(label))
    value = answer.get("number")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 2**53 else None


def _scale(question: Mapping[str, Any], wanted: SurveyQuestion) -> tuple[float, float]:
    """As configured, else as the body says; webhooks seldom tell a scale's steps, and to guess one is to lie."""
    if wanted.scale is not None:
        return wanted.scale
    kind, properties = question.get("type"), bodies.mapping(question.get("properties"))
    if kind == "nps":
        return NPS
    steps = bodies.integer(properties.get("steps"))
    if steps is not None and 2 <= steps <= 100 and kind in {"opinion_scale", "rating"}:
        first = 1 if kind == "rating" or properties.get("start_at_one") is True else 0
        return float(first), float(first + steps - 1)
    raise Unreadable(f"the scale of {wanted.question} is not known: set it under forms")


def _words(response: Mapping[str, Any], config: TypeformSource) -> str | None:
    """The written answers. A short one counts if it is a sentence rather than a name."""
    found = []
    for question, answer in _asks(response):
        text = bodies.text(answer.get("text"))
        if not text or bodies.identifier(question.get("ref")) in config.not_words:
            continue
        kind = question.get("type")
        if kind == "long_text" or (kind == "short_text" and len(text.split()) >= SHORT_WORDS):
            found.append(text)
    return "\n".join(found) or None


_SILENT = {
    "form_response_partial": Ignored("not finished: the finished answer comes by itself"),
}
