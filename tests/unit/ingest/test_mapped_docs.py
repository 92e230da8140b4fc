"""The pages of mapped sources say what their files do, and the reference names everything that a file may hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from common.settings import REPOSITORY_CONFIG
from ingest.located import Faults
from ingest.sources import load_sources
from ingest.sources.mapped import MappedSource, amounts, schemes, values
from ingest.sources.mapped.rules import Rule
from ingest.sources.mapped.settings import Csv, Formats
from pydantic import BaseModel

DOCS = Path(__file__).parents[3] / "docs" / "sources"
MAPPED = {n: s for n, s in load_sources(REPOSITORY_CONFIG).items() if isinstance(s, MappedSource)}
POSTED = sorted(name for name, source in MAPPED.items() if source.signature is not None)
CODE = re.compile(r"`([^`]+)`")


def rows(page: str) -> list[tuple[list[str], set[str]]]:
    """(their kinds, our events) of the table under "What it says"."""
    table = page.split("## What it says")[1]
    found = []
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 3 and cells[0] != "theirs":
            found.append((CODE.findall(cells[0]), {part.strip() for part in cells[1].split(",")}))
    return found


def said(rule: Rule) -> str:
    if rule.contact:
        return "contact_added" if rule.contact == "known" else "contact_left"
    return rule.say or "–"


@pytest.mark.parametrize("name", POSTED)
def test_the_table_of_a_source_is_its_file(name: str) -> None:
    source, table = MAPPED[name], rows((DOCS / f"{name}.md").read_text())
    documented = {kind: ours for kinds, ours in table for kind in kinds}
    mapped = {kind: {said(rule) for rule in rules} for kind, rules in source.kinds.items()}
    assert {kind: ours for kind, ours in documented.items() if ours != {"–"} or kind in mapped} == mapped
    known = {*source.ignore, *mapped}
    assert documented.keys() <= known, "the table names kinds that the file does not know"


@pytest.mark.parametrize("name", POSTED)
def test_a_page_names_how_posts_are_proved_and_told_apart(name: str) -> None:
    page, source = (DOCS / f"{name}.md").read_text(), MAPPED[name]
    assert f"/v1/webhooks/{name}" in page
    assert f'{{"{name}": ["' in page, "where the secret goes"
    assert "Dedup key" in page
    if isinstance(source.signature, schemes.Hmac):
        assert source.signature.header in page


def test_the_reference_names_every_key_of_a_file() -> None:
    page = (DOCS / "mapped.md").read_text()
    models: list[type[BaseModel]] = [
        MappedSource, Rule, Formats, Csv, schemes.Hmac, schemes.Stamp, schemes.Parts, schemes.StandardWebhooks,
        schemes.Shared, values.Taken, values.Sum, values.Per,
    ]  # fmt: skip
    keys = {field.alias or name for model in models for name, field in model.model_fields.items()}
    missing = sorted(key for key in keys - {"name", "vendor"} if not re.search(rf"\b{key}\b", page))
    assert missing == []
    for unit in (*amounts.SECONDS, "minor", "major", "hundredths", "seconds", "milliseconds", "iso"):
        assert unit in page


def test_every_file_in_the_reference_can_be_used_as_it_stands() -> None:
    blocks = re.findall(r"^ *```yaml\n(.*?)^ *```", (DOCS / "mapped.md").read_text(), re.DOTALL | re.MULTILINE)
    files = [yaml.safe_load(block) for block in blocks]
    whole = [file for file in files if "vendor" in file]
    assert whole
    for file in whole:
        MappedSource.model_validate({**file, "name": "acme"})


def test_the_mistake_that_the_reference_shows_is_told_as_it_says() -> None:
    page = (DOCS / "mapped.md").read_text()
    [block] = re.findall(r"^ *```yaml\n(.*?)^ *```", page, re.DOTALL | re.MULTILINE)
    file = yaml.safe_load(block.replace("priority:", "prioritty:"))
    with pytest.raises(Faults, match="ticket_opened has no such field: did you mean priority") as faults:
        MappedSource.model_validate({**file, "name": "acme"})
    [(at, why)] = faults.value.found
    line = 1 + next(n for n, text in enumerate(block.splitlines()) if "priority:" in text)
    assert at == ("kinds", "ticket.created", 0, "fields", "prioritty")
    assert f"acme.yaml:{line}: kinds.ticket.created[1].fields.prioritty: {why}" in page


@pytest.mark.parametrize("name", ["clients-csv", "usage-csv"])
def test_the_page_of_spreadsheets_names_every_column_that_is_read(name: str) -> None:
    page = (DOCS / "csv.md").read_text().lower()
    source = MAPPED[name]
    paths = [path for rule in source.kinds["event"] for path in rule.fields.values()]
    columns = {path if isinstance(path, str) else path.get("path") or path.get("money") for path in paths}
    refs = {ref["id"] for ref in (*source.refs, *source.links)}
    for column in {*columns, *refs}:
        words = re.sub(r"slug\((.*)\)", r"\1", column).replace("_", " ")
        assert words in page, f"the column {words} is not documented"
