"""Nothing counts as done without what proves it; what is missing is named."""

from __future__ import annotations

from typing import Any

import pytest
from common.contracts.errors import Refused
from escalation.domain.evidence import Terms, check, for_publication, without_contact
from escalation.domain.sop import Proof

from tests.support.escalation_world import MAYA, MONDAY, OMAR, PEOPLE, PLAN, call_evidence, hours

TERMS = Terms(MONDAY)


def without(evidence: Any, name: str) -> dict[str, Any]:
    return {key: value for key, value in evidence.items() if key != name}


@pytest.mark.parametrize(
    ("proof", "given", "field"),
    [
        (Proof.PEOPLE, without(PEOPLE, "csm"), "evidence.csm"),
        (Proof.PEOPLE, without(PEOPLE, "executive_sponsor"), "evidence.executive_sponsor"),
        (Proof.PEOPLE, {**PEOPLE, "csm": "Maya"}, "evidence.csm"),
        (Proof.CALL, without(call_evidence(), "time"), "evidence.time"),
        (Proof.CALL, without(call_evidence(), "attendees"), "evidence.attendees"),
        (Proof.CALL, without(call_evidence(), "invitation"), "evidence.invitation"),
        (Proof.CALL, {**call_evidence(), "attendees": []}, "evidence.attendees"),
        (Proof.CALL, {**call_evidence(), "attendees": ["a", " "]}, "evidence.attendees.1"),
        (Proof.CALL, {**call_evidence(), "attendees": "Maya"}, "evidence.attendees"),
        (Proof.CALL, {**call_evidence(), "time": "2026-03-04T09:00:00"}, "evidence.time"),
        (Proof.CALL, {**call_evidence(), "time": "soon"}, "evidence.time"),
        (Proof.CALL, call_evidence(MONDAY - hours(1)), "evidence.time"),
        (Proof.CALL, {**call_evidence(), "invitation": "\x00"}, "evidence.invitation"),
        (Proof.PLAN, without(PLAN, "actions"), "evidence.actions"),
        (Proof.PLAN, {**PLAN, "actions": []}, "evidence.actions"),
        (Proof.PLAN, {**PLAN, "actions": ["do it"]}, "evidence.actions.0"),
        (Proof.PLAN, {**PLAN, "actions": [without(PLAN["actions"][0], "action")]}, "evidence.actions.0.action"),
        (Proof.PLAN, {**PLAN, "actions": [without(PLAN["actions"][0], "owner")]}, "evidence.actions.0.owner"),
        (Proof.PLAN, {**PLAN, "actions": [without(PLAN["actions"][0], "due_on")]}, "evidence.actions.0.due_on"),
        (Proof.PLAN, without(PLAN, "tracking_item"), "evidence.tracking_item"),
        (Proof.NOTE, {}, "evidence.note"),
    ],
)
def test_a_missing_or_bent_part_is_refused_by_name(proof, given, field):
    with pytest.raises(Refused) as refused:
        check(proof, given, TERMS)
    assert refused.value.field == field


def test_whole_evidence_is_kept_in_one_form():
    assert check(Proof.PEOPLE, {"csm": " Maya@Ours.example ", "executive_sponsor": OMAR}, TERMS) == PEOPLE
    kept = check(Proof.CALL, {**call_evidence(), "time": "2026-03-03T16:00:00+01:00"}, TERMS)
    assert kept["time"] == "2026-03-03T15:00:00+00:00"
    assert check(Proof.PLAN, {**PLAN, "colour": "red"}, TERMS) == PLAN
    assert check(Proof.NOTE, {"note": " called "}, TERMS) == {"note": "called"}


def test_an_address_of_a_client_person_is_refused_where_our_domains_are_known():
    given = {**call_evidence(), "attendees": ["cto@client.example"]}
    with pytest.raises(Refused) as refused:
        check(Proof.CALL, given, Terms(MONDAY, frozenset({"ours.example"})))
    assert refused.value.field == "evidence.attendees.0"


def test_the_bus_carries_no_address_that_could_be_a_client_persons():
    call = {**call_evidence(), "attendees": ["contact-7", MAYA, "cto@client.example"]}
    assert for_publication(call, [OMAR])["attendees"] == ["contact-7", MAYA, "withheld"]
    assert for_publication(PLAN, [])["actions"][0]["owner"] == "withheld"
    assert for_publication(PLAN, [OMAR]) == PLAN


def test_an_erased_contact_is_gone_from_evidence():
    assert without_contact(call_evidence(), "contact-7")["attendees"] == [MAYA]
    plan = {**PLAN, "actions": [{**PLAN["actions"][0], "owner": "contact-7"}]}
    assert without_contact(plan, "contact-7")["actions"][0]["owner"] == "erased"
