"""Commands say what is wrong instead of going on as if nothing were; ingest is faked as it answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import respx
from loopctl.errors import WrongUsage
from loopctl.importing import Outcome
from loopctl.main import cli
from loopctl.stack import Stack
from typer.testing import CliRunner

BASE = "http://127.0.0.1:29301"


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    made = Stack(tmp_path / "stack", base=29_300)
    made.remember()
    assert made.secrets.webhooks
    return made


@pytest.fixture
def ingest() -> Iterator[respx.MockRouter]:
    with respx.mock(base_url=BASE, assert_all_called=False) as router:
        yield router


def loop(stack: Stack, *words: str) -> Any:
    return CliRunner().invoke(cli, [*words, "--data", str(stack.folder)])


@pytest.mark.parametrize("scope", ["bogus", "ingest", "ingest:readd", "health:read bogus", ""])
def test_no_token_is_made_for_a_scope_that_no_route_asks_for(stack: Stack, scope: str) -> None:
    told = loop(stack, "token", "--scope", scope)
    assert isinstance(told.exception, WrongUsage)
    assert "there are ingest:read, ingest:write" in str(told.exception)
    assert told.output == ""


def test_several_scopes_may_stand_together(stack: Stack) -> None:
    assert loop(stack, "token", "--scope", "ingest:read,health:read churn:read").exit_code == 0


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(404, json={"title": "Not Found"}), "nothing in quarantine has this id"),
        (httpx.Response(409, json={"detail": "this was replayed already"}), "this was replayed already"),
        (httpx.Response(422, json={"detail": "still unreadable: no JSON"}), "still unreadable: no JSON"),
    ],
)
def test_what_cannot_be_replayed_is_told_and_is_exit_code_1(
    stack: Stack, ingest: respx.MockRouter, answer: httpx.Response, said: str
) -> None:
    id_ = str(uuid4())
    ingest.post(f"/v1/quarantine/{id_}/replay").mock(return_value=answer)
    told = loop(stack, "quarantine", "replay", id_)
    assert told.exit_code == 1
    assert told.output.splitlines()[0] == "0 of 1 read."
    assert f"{id_}: {said}" in told.output


def test_an_id_that_is_none_is_not_asked_for(stack: Stack, ingest: respx.MockRouter) -> None:
    told = loop(stack, "quarantine", "replay", "nope")
    assert told.exit_code == 1
    assert "nope: nothing in quarantine has this id; see `loop quarantine list`" in told.output
    assert isinstance(loop(stack, "quarantine", "show", "../sources").exception, WrongUsage)
    assert not ingest.calls


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("empty.ndjson", "", ()),
        ("blank.ndjson", "\n \n\n", ()),
        ("empty.csv", "", ("--source", "clients-csv")),
        ("names.csv", "Client ID,Name,Contract start\n", ("--source", "clients-csv")),
        ("blank.csv", "Client ID,Name,Contract start\n,,\n", ("--source", "clients-csv")),
    ],
)
def test_a_file_without_anything_in_it_is_wrong_usage(
    stack: Stack, ingest: respx.MockRouter, tmp_path: Path, name: str, content: str, options: tuple[str, ...]
) -> None:
    file = tmp_path / name
    file.write_text(content)
    told = loop(stack, "import", str(file), *options)
    assert isinstance(told.exception, WrongUsage)
    assert str(told.exception).startswith("nothing to import: the file holds no ")
    assert not ingest.calls


def body(tmp_path: Path) -> str:
    file = tmp_path / "body.json"
    file.write_text('{"odd": true}')
    return str(file)


def test_what_was_sent_and_could_not_be_read_is_told_with_where_to_look(
    stack: Stack, ingest: respx.MockRouter, tmp_path: Path
) -> None:
    ingest.post("/v1/webhooks/segment").respond(202, json={"accepted": 1, "duplicates": 0})
    held = ingest.get("/v1/quarantine").respond(
        json={"items": [{"id": "q-1", "source": "segment", "reason": "it does not say its type"}], "next": None}
    )
    told = loop(stack, "send", "segment", body(tmp_path))
    assert told.exit_code == 0
    assert told.output.splitlines() == [
        '202 {"accepted":1,"duplicates":0}',
        "Quarantined, not counted: it does not say its type",
        "See `loop quarantine show q-1`; mend, then replay it.",
    ]
    asked = held.calls.last.request.url.params
    assert asked["source"] == "segment"
    age = datetime.now(UTC) - datetime.fromisoformat(asked["since"])
    assert timedelta(0) < age < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("answer", "held", "lines"),
    [
        (202, httpx.Response(200, json={"items": [], "next": None}), ["202 {}"]),
        (202, httpx.Response(503, json={"title": "starting"}),
         ["202 {}", "Whether it could be read is not known: ingest answered 503 (starting)."]),
        (401, httpx.Response(200, json={"items": [{"id": "q"}], "next": None}), ["401 {}"]),
    ],
)  # fmt: skip
def test_nothing_is_told_where_there_is_nothing_to_tell(
    stack: Stack, ingest: respx.MockRouter, tmp_path: Path, answer: int, held: httpx.Response, lines: list[str]
) -> None:
    ingest.post("/v1/webhooks/segment").respond(answer, content=json.dumps({}))
    ingest.get("/v1/quarantine").mock(return_value=held)
    told = loop(stack, "send", "segment", body(tmp_path))
    assert told.output.splitlines() == lines
    assert told.exit_code == (0 if answer == 202 else 1)


def outcome(**known: Any) -> Outcome:
    counts = {"accepted": 3, "repeated": 1, "skipped": 0, "refused": 1}
    return Outcome("i-1", finished=True, counts=counts, seconds=0.1, **known)


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({"lines": 5}, "5 lines in 0.1 s: 3 stored, 1 stored before, 0 skipped, 1 refused (import i-1)"),
        ({"lines": 7, "blank": 2}, "7 lines in 0.1 s: 3 stored, 1 stored before, 0 skipped, 1 refused, 2 blank"),
        ({"lines": 4, "unit": "row"}, "4 rows (5 events) in 0.1 s: 3 stored, 1 stored before, 0 skipped, 1 refused"),
    ],
)
def test_what_is_told_of_an_import_adds_up(known: dict[str, Any], said: str) -> None:
    told = outcome(**known)
    assert told.text.startswith(said)
    if told.unit == "line":
        shown = told.as_json()
        assert shown["lines"] == sum(shown[name] for name in ("accepted", "repeated", "skipped", "refused", "blank"))
