"""`loop sources try` says what today's file of a source makes of a body."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from loopctl import trying
from loopctl.errors import WrongUsage
from loopctl.paths import REPOSITORY

CONFIG = REPOSITORY / "deploy" / "config"
REFERENCE = (REPOSITORY / "docs" / "sources" / "mapped.md").read_text()


def block(kind: str) -> str:
    """The first block of its kind in the reference, without the indent of its list."""
    lines = REFERENCE.split(f"```{kind}\n")[1].split("```")[0].splitlines()
    return "\n".join(line.removeprefix("   ") for line in lines)


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    """A configuration whose only source is the one of the reference's walkthrough."""
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "acme.yaml").write_text(block("yaml"))
    shutil.copy(CONFIG / "lexicon.yaml", tmp_path / "lexicon.yaml")
    return tmp_path


def file(tmp_path: Path, value: Any) -> Path:
    found = tmp_path / "body.json"
    found.write_text(value if isinstance(value, str) else json.dumps(value))
    return found


def test_the_walkthrough_of_the_reference_says_what_it_says_there(acme: Path):
    tried = trying.body(acme, "acme", file(acme, block("json")))
    assert tried.readable
    shown = block("text").splitlines()
    assert len(shown) == len(tried.lines)
    for promised, told in zip(shown, tried.lines, strict=True):
        assert told.startswith(promised.split('"sentiment"')[0]), "the figure of the mood is the lexicon's to change"


def test_what_is_ignored_unknown_or_broken_is_said(acme: Path):
    def lines(body: Any) -> tuple[list[str], bool]:
        tried = trying.body(acme, "acme", file(acme, body))
        return tried.lines, tried.readable

    assert lines({"id": 1, "event": "ticket.viewed"}) == (
        ["ticket.viewed (key 1): ignored: ticket.viewed is not read"], True,
    )  # fmt: skip
    assert lines({"id": 1, "event": "ticket.eaten"})[0] == [
        "ticket.eaten (key 1): UNKNOWN kind: ticket.eaten is not read"
    ]
    wrong = {"id": 1, "event": "ticket.created", "ticket": {"id": 1, "org_id": 7, "urgency": "P9"}}
    assert lines(wrong) == (
        ["ticket.created (key 1): quarantined: ticket_opened: priority: 'P9' is not in its map"], False,
    )  # fmt: skip
    assert lines("{") == (["quarantined: not JSON: " + lines("{")[0][0].split("JSON: ")[1]], False)


def test_headers_of_the_file_are_read(acme: Path):
    source = acme / "sources" / "acme.yaml"
    source.write_text(source.read_text().replace("kind: event ", "kind: { header: X-Topic } "))
    body = {"_headers": {"X-Topic": "ticket.viewed", "X-Acme-Signature": "old"}, "_body": {"id": 1}}
    assert trying.body(acme, "acme", file(acme, body)).lines == [
        "ticket.viewed (key 1): ignored: ticket.viewed is not read"
    ]


def test_a_wrong_file_is_told_by_line(acme: Path):
    source = acme / "sources" / "acme.yaml"
    source.write_text(source.read_text().replace("priority:", "prioritty:"))
    with pytest.raises(WrongUsage) as wrong:
        trying.body(acme, "acme", file(acme, {}))
    assert str(wrong.value).splitlines()[0] in REFERENCE
    with pytest.raises(WrongUsage, match=r"there is no nothing\.yaml"):
        trying.body(acme, "nothing", file(acme, {}))


def test_a_table_is_shown_as_lines_with_the_rows_that_are_wrong(tmp_path: Path):
    rows = tmp_path / "clients.csv"
    rows.write_text("Client ID,Name,Contract start,Tier\n7,Acme,2026-01-05,core\n8,Odd,2026-01-05,gold\n")
    tried = trying.table(CONFIG, "clients-csv", rows)
    assert json.loads(tried.lines[0])["data"]["name"] == "Acme"
    assert tried.lines[1:] == [
        "row 3 refused: client_registered: tier: 'gold' is none of strategic, core, standard",
        "2 rows, 1 refused, 0 skipped",
    ]
    assert not tried.readable
