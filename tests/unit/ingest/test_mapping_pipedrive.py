"""Pipedrive: the real body, both generations, and each trap that its documentation warns of."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from common.contracts import client
from common.settings import REPOSITORY_CONFIG
from ingest.domain.refs import Ref
from ingest.domain.statement import Ignored, Statement, Unreadable
from ingest.sources import load_sources, pipedrive
from ingest.sources.pipedrive import PipedriveSource
from ingest.sources.salesforce import SalesforceSource
from pydantic import ValidationError

from tests.support.crm_bodies import CUSTOM, PLAIN, WRAPPED, activity, v1, v2
from tests.support.mapped_words import PAYLOADS, said, shared, told

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
PIPEDRIVE = PipedriveSource.model_validate(load_sources(REPOSITORY_CONFIG)["pipedrive"].model_dump())


@shared
def test_the_real_body_is_an_open_deal_that_means_nothing_to_us_until_its_stage_does() -> None:
    assert [file.name for file in (PAYLOADS / "pipedrive").glob("*")] == ["pipedream_v2_deal_updated.json"]
    body = (PAYLOADS / "pipedrive" / "pipedream_v2_deal_updated.json").read_bytes()
    [ignored] = said("pipedrive", body)
    assert isinstance(ignored, Ignored)
    assert not ignored.unknown
    assert told("pipedrive", body, deal_stages={"2": "expansion_requested"}) == [
        ("pipedrive:organization:1", "expansion_requested", {})
    ]


def one(source: str, body: Any, **options: Any) -> Statement:
    [statement] = said(source, body, **options)
    assert isinstance(statement, Statement), statement
    return statement


def pd_key(body: Any) -> str:
    [event] = pipedrive.split(json.dumps(body).encode(), {}, PIPEDRIVE)
    return event.key


@pytest.mark.parametrize(
    "body",
    [
        v2("organization", "create", {"id": 7, "name": "Acme", "website": "https://acme.example", "custom_fields": {}}),
        v1("organization", "added", {"id": 7, "name": "Acme", "website": "https://acme.example"}),
    ],
)
def test_both_generations_create_a_client_at_the_same_moment(body: dict[str, Any]) -> None:
    created = one("pipedrive", body)
    assert created.creates
    assert created.time == NOW, "meta.timestamp is ISO in v2, seconds in v1"
    refs = [{"source": "pipedrive", "kind": "organization", "id": "7"}]
    assert told("pipedrive", body) == [
        ("pipedrive:organization:7", "client_registered", {"name": "Acme", "domain": "acme.example", "refs": refs})
    ]


def test_microseconds_tell_more_than_seconds() -> None:
    body = v1("organization", "added", {"id": 7}, timestamp_micro=1772442000500000)
    assert one("pipedrive", body).time == datetime(2026, 3, 2, 9, 0, 0, 500000, tzinfo=UTC)


def test_in_v1_the_id_is_the_objects_so_that_content_tells_events_apart() -> None:
    first = v1("deal", "updated", {"id": 7, "stage_id": 1}, {"stage_id": 0})
    second = v1("deal", "updated", {"id": 7, "stage_id": 2}, {"stage_id": 1})
    assert pd_key(first) != pd_key(second)
    assert pd_key(first) == pd_key({**first, "retry": 2}), "a retry is the same event"
    assert pd_key(v2("deal", "change", {"id": 7})) == "9f6c-1" == pd_key(v2("deal", "change", {"id": 7}, attempt=3))


def test_custom_fields_are_read_in_both_forms() -> None:
    updated = {"mrr": {"amount": 20000, "currency": "EUR"}, "seats": 12, "tier": "strategic"}
    new = v2("organization", "change", {"id": 7, "name": "Acme", "custom_fields": WRAPPED},
             {"custom_fields": dict.fromkeys(WRAPPED)})  # fmt: skip
    assert told("pipedrive", new, **CUSTOM) == [
        ("pipedrive:organization:7", "client_updated", {**updated, "key_features": ["reports", "automation"]})
    ]
    assert said("pipedrive", new, **CUSTOM)[-1].links == (Ref("stripe", "customer", "cus_9"),)
    old = v1(
        "organization", "updated", {"id": 7, "name": "Acme", **PLAIN}, {"id": 7, "name": "Acme", **dict.fromkeys(PLAIN)}
    )
    assert told("pipedrive", old, **CUSTOM)[0][2] == {**updated, "key_features": ["reports"]}


def test_only_what_changed_is_said() -> None:
    for body in (
        v2("organization", "change", {"id": 7, "name": "Acme"}, {"label": 1}),
        v1("organization", "updated", {"id": 7, "name": "Acme", "label": 2}, {"id": 7, "name": "Acme", "label": 1}),
    ):
        assert isinstance(said("pipedrive", body)[0], Ignored)


def test_a_property_that_cannot_be_read_does_not_hold_up_the_client() -> None:
    config = PipedriveSource.model_validate({**PIPEDRIVE.model_dump(), **CUSTOM})
    odd = {"a1": {"id": 99, "type": "enum"}, "d4": {"value": "many"}}
    for body in (v2("organization", "create", {"id": 7, "name": "Acme", "custom_fields": odd}),
                 v1("organization", "added", {"id": 7, "name": "Acme", "a1": 99, "d4": "many"})):  # fmt: skip
        events = pipedrive.split(json.dumps(body).encode(), {}, config)
        assert [event.kind for event in events] == ["organization.create", "organization.change", "organization.change"]
        created = pipedrive.interpret(events[0], config)
        assert isinstance(created, list)
        assert created[0].creates
        for event in events[1:]:
            with pytest.raises(Unreadable):
                pipedrive.interpret(event, config)
        mended = config.model_copy(update={"options": {"a1": {"99": "Core"}}})
        replayed = pipedrive.interpret(events[1], mended)
        assert isinstance(replayed, list)
        assert replayed[0].data == client.ClientUpdated(tier=client.Tier.CORE)
        again = pipedrive.split(pipedrive.join([event.body for event in events]), {}, config)
        assert [event.key for event in again] == [event.key for event in events]


def test_our_own_write_back_is_dropped_but_not_what_the_same_person_types() -> None:
    for source, gone in (("api", True), ("app", False)):
        body = v2("organization", "change", {"id": 7, "name": "Acme"}, {"name": "A"}, change_source=source)
        assert isinstance(said("pipedrive", body, own_user_id="77")[0], Ignored) is gone


def test_people_belong_to_their_organisation_and_leave_the_old_one() -> None:
    data = {"id": 8, "name": "Ada Okafor", "first_name": "Ada", "last_name": "Okafor", "org_id": 7,
            "emails": [{"value": "x@acme.example"}, {"value": "ada@acme.example", "primary": True}]}  # fmt: skip
    added = one("pipedrive", v2("person", "create", data))
    assert added.refs == (Ref("pipedrive", "organization", "7"), Ref("pipedrive", "person", "8"))
    assert added.contact is not None
    assert (added.contact.contact_id, added.contact.email) == ("8", "ada@acme.example")
    left, joined = said("pipedrive", v2("person", "change", data, {"org_id": 6}))
    assert (left.refs[0].id, left.contact.left) == ("6", True)
    assert (joined.refs[0].id, joined.contact.left, joined.moves) == ("7", False, True)
    [gone] = said("pipedrive", v2("person", "change", {**data, "org_id": None}, {"org_id": 7}))
    assert (gone.refs[0].id, gone.contact.left) == ("7", True)
    deleted = one("pipedrive", v2("person", "delete", None, data))
    assert deleted.contact is not None
    assert (deleted.refs[0].id, deleted.contact.left) == ("7", True)
    whole = {**data, "org_id": {"name": "Acme", "value": 7}, "email": [{"value": "", "primary": True}], "emails": None}
    old = one("pipedrive", v1("person", "added", whole))
    assert old.contact is not None
    assert (old.refs[0].id, old.contact.email) == ("7", None)
    assert isinstance(said("pipedrive", v2("person", "change", data, {"label": 1}))[0], Ignored)


def test_won_and_lost_deals_mean_what_their_pipeline_says() -> None:
    stages = {
        "won": "contract_signed",
        "won@2": "contract_renewed",
        "lost@2": "contract_cancelled",
        "9": "expansion_requested",
    }
    deal = {"id": 5, "org_id": 7, "person_id": 8, "pipeline_id": 1, "stage_id": 3, "status": "won", "value": 900,
            "currency": "EUR", "won_time": "2026-03-01T23:30:00Z", "lost_time": None, "lost_reason": None}  # fmt: skip

    def what(data: dict[str, Any], previous: Any) -> Any:
        return said(
            "pipedrive", v2("deal", "change", data, previous), deal_stages=stages, deal_fields={"value": "mrr"}
        )[0]

    signed = what(deal, {"status": "open"})
    assert signed.refs[0] == Ref("pipedrive", "organization", "7")
    assert signed.data.model_dump(mode="json", exclude_none=True) == {
        "contract_id": "5", "starts_on": "2026-03-01", "mrr": {"amount": 90000, "currency": "EUR"}
    }  # fmt: skip
    assert isinstance(what({**deal, "pipeline_id": 2}, {"status": "open"}).data, client.ContractRenewed)
    lost = {**deal, "pipeline_id": 2, "status": "lost", "lost_time": "2026-03-02T08:00:00Z", "lost_reason": "budget"}
    assert what(lost, {"status": "open"}).data == client.ContractCancelled.model_validate(
        {"contract_id": "5", "effective_on": "2026-03-02", "reason": "budget"}
    )
    assert isinstance(what({**lost, "pipeline_id": 1}, {"status": "open"}), Ignored)
    assert isinstance(what({**deal, "status": "open", "stage_id": 9}, {"stage_id": 3}).data, client.ExpansionRequested)
    assert isinstance(what(deal, {"title": "Deal 1"}), Ignored), "a won deal that is renamed is not won again"
    old = v1("deal", "updated", deal, {**deal, "status": "open"})
    assert isinstance(one("pipedrive", old).data, client.ContractSigned)


def test_activities_of_listed_types_are_meetings() -> None:
    owners = {"77": "maya@ours.example"}
    scheduled = one("pipedrive", v2("activity", "create", activity()), owners=owners).data
    assert scheduled == client.MeetingScheduled(
        meeting_id="2", kind=client.MeetingKind.CHECK_IN, starts_at=datetime(2026, 3, 5, 14, 30, tzinfo=UTC),
        ends_at=datetime(2026, 3, 5, 15, 15, tzinfo=UTC), attendees=("8", "maya@ours.example"),
    )  # fmt: skip
    timed = activity(due_time={"value": "14:30:00", "timezone_id": None}, duration={"value": "00:45:00"})
    assert one("pipedrive", v2("activity", "create", timed), owners=owners).data == scheduled
    whole = one("pipedrive", v2("activity", "create", activity(due_time=None, duration={"value": ""}))).data
    assert isinstance(whole, client.MeetingScheduled)
    assert (whole.starts_at, whole.ends_at) == (datetime(2026, 3, 5, tzinfo=UTC), None)
    held = one("pipedrive", v2("activity", "change", activity(due_date="2026-03-01", done=True), {"done": False}))
    assert held.time == datetime(2026, 3, 1, 14, 30, tzinfo=UTC)
    assert held.data == client.MeetingHeld(
        meeting_id="2", kind=client.MeetingKind.CHECK_IN, attended=("8",), minutes=45
    )
    gone = one("pipedrive", v2("activity", "delete", None, activity())).data
    assert gone == client.MeetingCancelled(meeting_id="2", by="us", notice_hours=77.5)
    for body in (
        v2("activity", "create", activity(type="task")),
        v2("activity", "change", activity(), {"subject": "Call"}),
        v2("activity", "create", activity(org_id=None, person_id=None)),
        v2("activity", "delete", None, activity(done=1)),
    ):
        assert isinstance(said("pipedrive", body)[0], Ignored), body


def test_what_is_not_read_is_known_and_what_is_new_to_us_unknown() -> None:
    assert not said("pipedrive", v2("lead", "create", {"id": "x"}))[0].unknown
    assert not said("pipedrive", v1("organization", "deleted", None, {"id": 7}))[0].unknown
    assert said("pipedrive", v2("spaceship", "create", {"id": 1}))[0].unknown


def test_a_configuration_that_cannot_be_meant_is_refused() -> None:
    for vendor, settings in (("salesforce", SalesforceSource), ("pipedrive", PipedriveSource)):
        for wrong in ({"company_properties": {"a": "nonsense"}}, {"company_refs": {"a": "stripe"}}, {"unheard": 1},
                      {"deal_stages": {"won": "party"}}, {"meeting_types": {"call": "gossip"}}):  # fmt: skip
            with pytest.raises(ValidationError):
                settings.model_validate({"vendor": vendor, **wrong})
