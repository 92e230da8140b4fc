"""The committed schemas and the AsyncAPI document say what the classes say."""

from __future__ import annotations

import json
from pathlib import Path

from common.contracts import EVENTS
from common.contracts.export import documents, main

FOLDER = Path(__file__).parents[2] / "docs" / "events"
HOW = "stale: run `python -m common.contracts.export docs/events` and commit"


def files_under(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_committed_documents_are_fresh() -> None:
    written = {str(p.relative_to(FOLDER)): p.read_text(encoding="utf-8") for p in FOLDER.rglob("*") if p.is_file()}
    expected = dict(documents())
    assert sorted(written) == sorted(expected), HOW
    assert [name for name in expected if written[name] != expected[name]] == [], HOW


def test_export_writes_them_and_removes_what_is_no_more(tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "csl.client.danced.v1.json").write_text("{}")
    main([str(tmp_path)])
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()) == sorted(documents())


def test_asyncapi_names_every_topic_and_every_type() -> None:
    document = json.loads((FOLDER / "asyncapi.json").read_text(encoding="utf-8"))
    assert document["asyncapi"].startswith("3.")
    assert {body.TOPIC for body in EVENTS} <= set(document["channels"])
    for body in EVENTS:
        assert body.TYPE in document["channels"][body.TOPIC]["messages"]
        payload = document["components"]["messages"][body.TYPE]["payload"]["allOf"][1]
        assert (FOLDER / payload["properties"]["data"]["$ref"]).is_file()
