"""Procedures as operators write them: what is wrong is said with its place."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from escalation.adapters.sop_yaml import read_file, read_folder
from escalation.domain.hours import Working
from escalation.domain.sop import Proof, choose

SHIPPED = Path(__file__).parents[3] / "deploy" / "config" / "sop"


def write(folder: Path, old: str = "", new: str = "", name: str = "churn-risk.yaml") -> Path:
    """The shipped procedure with one thing changed."""
    content = (SHIPPED / "churn-risk.yaml").read_text()
    assert old in content
    file = folder / name
    file.write_text(content.replace(old, new, 1) if old else content)
    return file


def test_the_shipped_procedure_is_the_agreed_one():
    (spec,) = read_folder(SHIPPED)
    sop = spec.to_domain(1)
    assert [(rule.step, rule.due, rule.proof) for rule in sop.steps] == [
        ("assign", timedelta(hours=4), Proof.PEOPLE),
        ("root_cause_call", timedelta(hours=24), Proof.CALL),
        ("mitigation_plan", timedelta(hours=72), Proof.PLAN),
    ]
    assert choose([sop], "threshold", None) is sop
    assert choose([sop], "scorecard", "core") is sop
    assert choose([sop], "capacity", "core") is None


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("due_hours: 4", "due_hours: 0", "steps.0.due_hours"),
        ("due_soon_hours: 4", "due_soon_hours: 24", "steps.1"),
        ("evidence: plan", "evidence: faith", "steps.2.evidence"),
        ("rules: [threshold, scorecard]", "rules: []", "opens_for.rules"),
        ("tiers: []", "tiers: [gold]", "opens_for.tiers.0"),
        ("hours: elapsed", "hours: sometimes", "hours"),
        ("step: root_cause_call", "step: assign", "two steps"),
        ("title: A client", "titel: A client", "titel"),
    ],
)
def test_a_mistake_is_named_with_file_and_place(tmp_path: Path, old: str, new: str, place: str):
    file = write(tmp_path, old, new)
    with pytest.raises(ValueError, match=r"churn-risk\.yaml") as error:
        read_file(file)
    assert place in str(error.value)


def test_working_hours(tmp_path: Path):
    hours = '{timezone: Europe/Berlin, opens: "09:00", closes: "17:00", holidays: [2026-12-25]}'
    sop = read_file(write(tmp_path, "hours: elapsed", f"hours: {hours}")).to_domain(1)
    assert isinstance(sop.hours, Working)
    assert sop.hours.weekdays == frozenset(range(5))
    with pytest.raises(ValueError, match="no such time zone"):
        read_file(write(tmp_path, "hours: elapsed", f"hours: {hours.replace('Berlin', 'Atlantis')}"))


def test_working_hours_that_never_reach_a_deadline_are_refused(tmp_path: Path):
    hours = '{timezone: UTC, opens: "09:00", closes: "09:01", weekdays: [mon]}'
    with pytest.raises(ValueError, match="never reach"):
        read_file(write(tmp_path, "hours: elapsed", f"hours: {hours}"))


def test_two_files_of_one_procedure_are_refused(tmp_path: Path):
    write(tmp_path)
    write(tmp_path, name="copy.yaml")
    with pytest.raises(ValueError, match="two files"):
        read_folder(tmp_path)


def test_spelling_and_comments_do_not_make_a_version(tmp_path: Path):
    spelled = write(tmp_path, "tiers: []", "tiers: []  # all")
    assert read_file(spelled).sha256() == read_folder(SHIPPED)[0].sha256()
