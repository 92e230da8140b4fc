"""What holds clients up: six kinds by name, and what can be learned from them."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from common.contracts.client import BlockerLogged, BlockerResolved
from health.domain.blockers import KINDS, Said, blockers, statistics
from hypothesis import given
from hypothesis import strategies as st

from tests.support.health_world import ADA, day

BEN = UUID(int=7)


def logged(name, at, kind="missing_assets", severity="high", who=ADA, **more):
    body = BlockerLogged.model_validate({"blocker_id": name, "kind": kind, "severity": severity, **more})
    return Said(who, at, body)


def resolved(name, at, who=ADA, **more):
    return Said(who, at, BlockerResolved.model_validate({"blocker_id": name, **more}))


def test_the_six_kinds_are_known_by_name():
    assert list(KINDS) == [
        "client_unresponsive", "missing_assets", "technical_setup", "unclear_objectives", "stakeholder_alignment",
        "client_resources",
    ]  # fmt: skip


def test_a_blocker_lasts_until_it_is_resolved_with_cause_and_prevention():
    first, second = blockers(
        [
            logged("b1", day(0), impact_days=5.0, owner_email="omar@ours.example"),
            logged("b1", day(1), severity="critical"),
            resolved("b1", day(2), root_cause="nobody owned the export", prevention="name the owner at kickoff"),
            logged("b1", day(9)),
        ]
    )
    assert (first.severity, first.opened_at, first.hours_to_resolve) == ("critical", day(0), 48.0)
    assert (first.root_cause, first.prevention) == ("nobody owned the export", "name the owner at kickoff")
    assert (second.opened_at, second.resolved_at, second.hours_to_resolve) == (day(9), None, None)


def test_a_resolution_of_nothing_is_nothing():
    assert blockers([resolved("b1", day(2))]) == []


def test_the_same_number_at_two_clients_is_two_blockers():
    found = blockers([logged("b1", day(0)), logged("b1", day(0), who=BEN), resolved("b1", day(1), who=BEN)])
    assert [(b.client_id, b.resolved_at) for b in found] == [(ADA, None), (BEN, day(1))]


def test_statistics_by_kind():
    said = []
    for n in range(10):
        said += [logged(f"m{n}", day(n), impact_days=2.0, who=ADA if n % 2 else BEN)]
        said += [resolved(f"m{n}", day(n, n + 1), ADA if n % 2 else BEN,
                          root_cause="No owner " if n < 6 else "no  OWNER" if n < 8 else "firewall")]  # fmt: skip
    said += [logged("t", day(20), "technical_setup", "critical"), logged("o", day(21), "moon_phase", "low")]
    rows = {row.kind: row for row in statistics(blockers(said))}
    assert list(rows) == ["missing_assets", "technical_setup", "client_unresponsive", "unclear_objectives",
                          "stakeholder_alignment", "client_resources", "moon_phase"]  # fmt: skip
    missing = rows["missing_assets"]
    assert (missing.count, missing.open, missing.clients, missing.impact_days) == (10, 0, 2, 20.0)
    assert (missing.median_hours, missing.p90_hours) == (5.5, 9.0)
    assert missing.root_causes == (("No owner", 8), ("firewall", 2))
    assert (rows["technical_setup"].open, rows["technical_setup"].critical) == (1, 1)
    assert rows["technical_setup"].median_hours is None
    assert (rows["moon_phase"].title, rows["moon_phase"].known) == ("moon phase", False)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.sampled_from([ADA, BEN])), max_size=30))
def test_every_blocker_counts_once(steps):
    said = [
        logged(name, day(0) + timedelta(hours=n), who=who) if begins else resolved(name, day(0, n), who)
        for n, (name, begins, who) in enumerate(steps)
    ]
    found = blockers(said)
    assert len({(b.client_id, b.blocker_id) for b in found if b.resolved_at is None}) == sum(
        b.resolved_at is None for b in found
    )
    assert sum(row.count for row in statistics(found)) == len(found)
    assert all(b.hours_to_resolve is None or b.hours_to_resolve > 0 for b in found)
