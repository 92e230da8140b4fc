"""docs/signs.md is true: every condition is there, with its settings as shipped and a worked example that holds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from health.domain.signs import SIGNS, Kind

from tests.support.signs_world import EXAMPLES, SHIPPED

PAGE = (Path(__file__).parents[3] / "docs" / "signs.md").read_text()
SPEC = yaml.safe_load(SHIPPED)
HEADINGS = {
    Kind.EARLY_WARNING: "## Early-warning signs",
    Kind.ABOUT_US: "## Red flags about us",
    Kind.RHYTHM: "## Rhythm",
    Kind.DISAGREEMENT: "## Disagreement",
}
SETTING = re.compile(r"`(\w+)` (\d+(?:\.\d+)?)")
LINES = {line.split("`")[1]: line for line in PAGE.splitlines() if re.match(r"\| `\w+` \|", line)}

NOTES = {"usage_dip": PAGE.split("`usage_dip` is **sudden**")[1].split("\n\n")[0]}
"""What is said of a sign below its table."""


def test_every_shipped_sign_is_under_its_kind_and_no_other():
    for kind, heading in HEADINGS.items():
        section = PAGE.split(heading, 1)[1].split("\n## ", 1)[0]
        assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(SPEC[kind.value]), kind
    assert set(LINES) == set(SIGNS)


@pytest.mark.parametrize("name", sorted(SIGNS))
def test_its_settings_are_those_shipped(name):
    told = {setting: float(value) for setting, value in SETTING.findall(LINES[name] + NOTES.get(name, ""))}
    assert told == {setting: float(value) for setting, value in SPEC[SIGNS[name].kind.value][name].items()}


@pytest.mark.parametrize("name", sorted(SIGNS))
def test_its_worked_example_says_what_it_says(name):
    (finding,) = EXAMPLES[name].findings(name)
    assert LINES[name].endswith(f"→ “{finding.text}” |")


def test_the_rhythm_of_the_tiers_is_the_one_shipped():
    told = re.findall(r"^\| (strategic|core|standard) \| (\d+) \| (\d+|as needed) \|$", PAGE, re.MULTILINE)
    shipped = [(tier, str(spec["review_days"]), str(spec.get("check_in_days", "as needed")))
               for tier, spec in SPEC["tiers"].items()]  # fmt: skip
    assert told == shipped
