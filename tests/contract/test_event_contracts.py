"""The events on the wire. A golden is never edited: whoever has to change one breaks somebody's program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_structured_event
from cloudevents.core.formats.json import JSONFormat
from common.contracts import EVENTS, client, registry
from common.contracts.base import Data, Event, Unknown
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # ships no types
from pydantic import ValidationError

GOLDEN = Path(__file__).parent / "golden"
SCHEMAS = Path(__file__).parents[2] / "docs" / "events" / "schemas"
TYPES = sorted(registry.bodies())
WRITTEN = sorted(path.stem for path in GOLDEN.glob("*.json"))
"""`<type>.json`; what a later release adds is shown by one more, `<type>+<what>.json`."""


def golden(name: str) -> str:
    return (GOLDEN / f"{name}.json").read_text(encoding="utf-8")


def type_of(name: str) -> str:
    return name.split("+")[0]


def pretty(raw: bytes) -> str:
    return json.dumps(json.loads(raw), indent=2, ensure_ascii=False) + "\n"


def test_every_type_has_a_golden_and_every_golden_a_type() -> None:
    assert sorted({type_of(name) for name in WRITTEN}) == TYPES


@pytest.mark.parametrize("name", WRITTEN)
def test_a_golden_parses_and_is_written_back_byte_for_byte(name: str) -> None:
    event = registry.parse(golden(name), type_of(name))
    assert event.type == type_of(name)
    assert type(event.data) is registry.body(type_of(name))
    assert pretty(event.to_json()) == golden(name)
    assert registry.parse_object(json.loads(golden(name))).to_json() == event.to_json()


@pytest.mark.parametrize("type_", TYPES)
def test_the_goldens_of_a_type_show_every_field_of_its_class(type_: str) -> None:
    shown = {key for name in WRITTEN if type_of(name) == type_ for key in json.loads(golden(name))["data"]}
    assert shown == {field.alias or name for name, field in registry.body(type_).model_fields.items()}


@pytest.mark.parametrize("type_", TYPES)
def test_the_cncf_sdk_reads_our_events_from_kafka(type_: str) -> None:
    event = registry.parse(golden(type_), type_)
    message = KafkaMessage(
        headers={"content-type": b"application/cloudevents+json; charset=UTF-8"},
        key=event.subject.encode(),
        value=event.to_json(),
    )
    theirs = from_structured_event(message, JSONFormat())
    assert theirs.get_type() == type_
    assert theirs.get_id() == str(event.id)
    assert theirs.get_subject() == event.subject
    assert theirs.get_time() == event.time
    assert theirs.get_extension("knowntime") == json.loads(golden(type_))["knowntime"]
    assert theirs.get_data() == json.loads(golden(type_))["data"]


@pytest.mark.parametrize("name", WRITTEN)
def test_a_golden_is_valid_under_the_published_schema(name: str) -> None:
    schema = json.loads((SCHEMAS / f"{type_of(name)}.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    assert not list(validator.iter_errors(json.loads(golden(name))["data"]))


@pytest.mark.parametrize("type_", TYPES)
def test_what_a_newer_producer_adds_is_kept(type_: str) -> None:
    newer = json.loads(golden(type_))
    newer["data"]["added_in_a_later_release"] = {"by": ["somebody", 1, None]}
    newer["laterattribute"] = "x"
    again = json.loads(registry.parse(json.dumps(newer), type_).to_json())
    assert again["data"]["added_in_a_later_release"]["by"][:2] == ["somebody", 1]
    assert again["laterattribute"] == "x"


@pytest.mark.parametrize("type_", TYPES)
def test_an_older_producer_may_leave_out_what_is_optional_and_nothing_else(type_: str) -> None:
    whole = json.loads(golden(type_))
    for name, field in registry.body(type_).model_fields.items():
        partial = json.loads(golden(type_))
        partial["data"] = {k: v for k, v in whole["data"].items() if k != (field.alias or name)}
        if field.is_required():
            with pytest.raises(ValidationError):
                registry.parse(json.dumps(partial), type_)
        else:
            registry.parse(json.dumps(partial), type_)


def wrong(value: Any) -> list[Any]:
    """Values of other JSON types than this one's."""
    if isinstance(value, bool):
        return ["true", 1, {}, []]
    if isinstance(value, int | float):
        return [str(value), True, {}, [value]]
    if isinstance(value, str):
        return [17, 1.5, True, {}, [value]]
    if isinstance(value, list):
        return ["x", 17, {}]
    return ["x", 17, [value]]


@pytest.mark.parametrize("type_", TYPES)
def test_a_value_of_a_wrong_type_is_refused(type_: str) -> None:
    whole = json.loads(golden(type_))
    accepted = []
    for name, value in whole["data"].items():
        for bad in wrong(value):
            raw = json.dumps({**whole, "data": {**whole["data"], name: bad}})
            try:
                registry.parse(raw, type_)
            except ValidationError:
                continue
            accepted.append((name, bad))
    assert not accepted


@pytest.mark.parametrize("type_", TYPES)
def test_parsing_a_fact_gives_the_same_fact(type_: str) -> None:
    body = registry.parse(golden(type_), type_).data
    fact = body.fact()
    assert not body.personal_fields() & set(fact)
    assert type(body).model_validate(fact).fact() == fact


def test_only_contact_events_carry_addresses_of_client_people() -> None:
    personal = {body for body in EVENTS if body.personal_fields()}
    assert personal == {client.ContactAdded, client.ContactUpdated}


def test_an_unknown_type_is_kept_as_it_came() -> None:
    later = json.loads(golden("csl.client.logged_in.v1")) | {"type": "csl.client.danced.v1"}
    event = registry.parse(json.dumps(later), later["type"])
    assert isinstance(event.data, Unknown)
    assert json.loads(event.to_json()) == later


@pytest.mark.parametrize(
    "time", ["2026-03-02T09:30:00", 1772443800, "1772443800", "yesterday", "0001-01-01T00:00:00+14:00", None]
)
def test_a_moment_must_be_iso_text_with_an_offset(time: object) -> None:
    raw = json.loads(golden("csl.client.logged_in.v1")) | {"time": time}
    with pytest.raises(ValidationError):
        registry.parse(json.dumps(raw), raw["type"])


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e400", "-1"])
def test_a_quantity_is_finite_and_not_negative(number: str) -> None:
    raw = golden("csl.client.usage_recorded.v1").replace("17.5", number)
    with pytest.raises(ValidationError):
        registry.parse(raw, "csl.client.usage_recorded.v1")


def test_text_that_postgres_cannot_keep_is_refused() -> None:
    raw = golden("csl.client.usage_recorded.v1").replace('"reports"', '"re\\u0000ports"')
    with pytest.raises(ValidationError):
        registry.parse(raw, "csl.client.usage_recorded.v1")


def test_an_answer_lies_on_its_scale() -> None:
    raw = golden("csl.client.survey_answered.v1").replace('"score": 9.0', '"score": 11')
    with pytest.raises(ValidationError, match="outside"):
        registry.parse(raw, "csl.client.survey_answered.v1")


def test_two_bodies_cannot_share_a_type() -> None:
    class Impostor(Data):
        TYPE = "csl.client.logged_in.v1"

    with pytest.raises(ValueError, match="two bodies"):
        registry.add(Impostor)


def test_order_is_time_then_knowntime_then_sequence_then_id() -> None:
    first = registry.parse(golden("csl.client.logged_in.v1"), "csl.client.logged_in.v1")
    events: list[Event[Any]] = [
        first.model_copy(update={"sequence": 9}),
        first.model_copy(update={"sequence": 2}),
    ]
    assert [event.order.sequence for event in sorted(events, key=lambda event: event.order)] == [2, 9]
