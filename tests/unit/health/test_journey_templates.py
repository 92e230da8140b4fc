"""Journey maps for segments: which one a client is on, and what is wrong with a bad one."""

from __future__ import annotations

import shutil

import pytest
from common.contracts import client
from common.contracts.health import PhaseReason
from common.errors import Refused
from health import definitions
from health.book import Book
from health.domain import hits, journey
from health.domain.blockers import KINDS
from health.domain.fold import fold
from health.domain.journey import EMPTY, PHASES
from health.domain.moments import moment_of
from health.domain.onboardings import METRICS

from tests.support.health_world import CONFIG, day, event, order, registered

FILES = ("journey.yaml", "journey-enterprise.yaml", "journey-self-serve.yaml")
MAPS = {name: definitions.journey_from((CONFIG / name).read_text(), name=name).compiled(1) for name in FILES}
BOOK = Book((), tuple(MAPS.values()))
TEXT = (CONFIG / "journey-enterprise.yaml").read_text()


@pytest.mark.parametrize(
    ("segment", "name"),
    [
        (None, "standard"), ("mid-market", "standard"), ("Enterprise", "enterprise"),
        ("strategic", "enterprise"), ("Self-Serve", "self_serve"), ("self serve", "self_serve"), ("SMB", "self_serve"),
    ],
)  # fmt: skip
def test_a_client_is_on_the_map_of_its_segment_else_on_the_one_for_all(segment, name):
    assert BOOK.journey_for(fold([registered(segment=segment)])).name == name


def test_without_any_map_there_is_no_milestone():
    assert Book((), ()).journey_for(fold([registered()])) is EMPTY


@pytest.mark.parametrize("name", FILES)
def test_every_shipped_map_has_the_five_phases_and_milestones_with_owner_kpi_and_due_time(name):
    template = MAPS[name]
    assert tuple(phase.name for phase in template.phases) == PHASES
    state = fold([registered(csm_email=None)])
    plan = journey.plan(state, template)
    assert {item.name for item in plan} == template.names
    assert all(item.owner.endswith("success@example.com") and item.kpi and item.due for item in plan)


def test_the_standard_map_ships_the_due_times_of_the_domain():
    due = {m.name: (m.from_start, m.before_renewal) for m in MAPS["journey.yaml"].milestones}
    assert due["kickoff_meeting"] == (3, None)
    assert due["access_provisioned"] == (5, None)
    assert due["data_import_complete"] == (6, None)
    assert due["first_automation_live"] == (13, None)
    assert due["core_training_complete"] == (21, None)
    assert due["hand_off"] == (30, None)
    assert due["key_features_60"] == (45, None)
    assert due["kpi_target_met"] == (90, None)
    assert due["value_review"] == (None, 60)
    assert due["renewal_signed"] == (None, 0)
    assert MAPS["journey.yaml"].steps == (-1, 0, 3, 7)


def test_a_client_that_changes_its_segment_midway_keeps_what_it_completed():
    done = [
        event(client.MilestoneCompleted(milestone="data_import_complete"), day(4), "csm"),
        event(client.LoggedIn(), day(1)),
    ]
    grown = event(client.ClientUpdated(segment="enterprise"), day(10), "hubspot")
    state = fold(sorted([registered(segment="smb"), *done, grown], key=order))
    template = BOOK.journey_for(state)
    plan = {item.name: item for item in journey.plan(state, template)}
    assert template.name == "enterprise"
    assert moment_of(plan["data_import_complete"].done) == day(4)
    assert moment_of(plan["access_provisioned"].done) == day(1)
    assert journey.current_phase(state, template, plan.values()) == "first_value"


@pytest.mark.parametrize(
    ("was", "now", "place", "says"),
    [
        ("ends_with: access_provisioned", "ends_with: take_off", "ends_with: take_off", "no milestone 'take_off'"),
        ("ends_when: { features_used: 60 }", "ends_when: { moon: 60 }", "ends_when: { moon", "no rule is called"),
        ("    ends_when: { features_used: 60 }\n", "", "adoption:", "only the last phase has no end"),
        ("ends_with: access_provisioned", "ends_with: access_provisioned\n    ends_when: { kpi_met: true }",
         "kickoff:", "say one of them"),
        ("  expansion:\n    title: Expansion, advocacy\n", "", "phase: expansion", "no phase 'expansion' here"),
        ("  owner: csm", "  owner: somebody", "owner: somebody", "owner"),
        ("days_after_start: 5 }", "days_after_start: 5, days_before_renewal: 3 }", "due: { days_after_start: 5,",
         "say one of them"),
    ],
)  # fmt: skip
def test_a_bad_map_is_refused_with_file_line_and_rule(was, now, place, says):
    assert was in TEXT
    bad = TEXT.replace(was, now, 1)
    with pytest.raises(Refused) as refused:
        definitions.journey_from(bad, name="enterprise.yaml")
    line = bad[: bad.index(place)].count("\n") + 1
    assert refused.value.detail.startswith(f"enterprise.yaml, line {line}: ")
    assert says in refused.value.detail


def test_one_segment_belongs_to_one_map(tmp_path):
    for name in FILES:
        shutil.copy(CONFIG / name, tmp_path)
    (tmp_path / "journey-late.yaml").write_text(
        TEXT.replace("journey: enterprise", "journey: late").replace(
            "[enterprise, strategic, large]", "[tiny, Self-Serve]"
        )
    )
    with pytest.raises(Refused, match=r"journey-self-serve.yaml, line 4: segments.0: .*belong to journey-late.yaml"):
        definitions.shipped(tmp_path)


def test_one_map_is_for_all_others(tmp_path):
    for name in FILES:
        shutil.copy(CONFIG / name, tmp_path)
    assert len(definitions.shipped(tmp_path)[1]) == 3
    (tmp_path / "second.yaml").write_text(TEXT.replace("segments: [enterprise, strategic, large]", "segments: []"))
    with pytest.raises(Refused, match=r"second.yaml, line 3: journey: .*belong to journey.yaml already"):
        definitions.shipped(tmp_path)
    for name in ("journey.yaml", "second.yaml"):
        (tmp_path / name).unlink()
    with pytest.raises(Refused, match="one journey map must be for all other clients"):
        definitions.shipped(tmp_path)


def test_the_page_names_every_rule_kind_of_blocker_map_and_metric():
    page = (CONFIG.parents[2] / "docs" / "journey.md").read_text()
    names = [*hits.RULES, *KINDS, *METRICS, *PHASES, *(template.name for template in MAPS.values()), *PhaseReason]
    assert [name for name in names if name not in page] == []
