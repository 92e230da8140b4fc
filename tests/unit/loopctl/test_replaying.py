"""`loop replay`: the summary first, nothing is published before somebody agrees; ingest is faked as it answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from loopctl import replaying
from loopctl.errors import WrongUsage
from loopctl.main import cli
from loopctl.stack import Stack
from typer.testing import CliRunner

BASE = "http://127.0.0.1:29101"


class Ingest:
    """A replay that finds `counts`, read in two looks."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {"bodies": 3, "events": 4, "unchanged": 2, "corrected": 2}
        self.state = "previewing"
        self.asked: list[dict[str, Any]] = []
        self.published = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and request.url.path == "/v1/replays":
            self.asked.append(json.loads(request.content))
        elif request.method == "POST":
            self.published += 1
            self.state = "publishing"
        answer = httpx.Response(200, json=self.replay())
        self.state = {"previewing": "previewed", "publishing": "done"}.get(self.state, self.state)
        return answer

    def replay(self) -> dict[str, Any]:
        return {
            "id": "r1", "source": "segment", "since": "2026-03-01T00:00:00Z", "until": "2026-03-02T00:00:00Z",
            "state": self.state, "counts": self.counts, "types": {"corrected": {"usage_recorded": 2}},
            "samples": [{"what": "corrected", "type": "usage_recorded", "client_id": "c", "time": "2026-03-01",
                         "before": {"feature": "Report Made"}, "after": {"feature": "reports"}}],
        }  # fmt: skip


@pytest.fixture
def ingest(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ingest]:
    monkeypatch.setattr(replaying, "LOOK_EVERY", 0)
    fake = Ingest()
    with respx.mock(assert_all_called=False) as router:
        router.route(url__startswith=BASE).mock(side_effect=fake)
        yield fake


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    made = Stack(tmp_path / "stack", base=29_100)
    made.remember()
    assert made.secrets.webhooks
    return made


def loop(stack: Stack, *words: str, typed: str = "") -> Any:
    asked = ["replay", "--source", "segment", *words, "--data", str(stack.folder)]
    return CliRunner().invoke(cli, asked, input=typed)


def test_the_summary_comes_first_and_no_is_no(stack: Stack, ingest: Ingest) -> None:
    told = loop(stack, "--since", "2026-03-01", typed="n\n")
    assert "2 corrected: 2 usage_recorded" in told.output
    assert "{'feature': 'Report Made'}" in told.output
    assert "Nothing is published" in told.output
    assert (told.exit_code, ingest.published) == (0, 0)
    [asked] = ingest.asked
    assert (asked["source"], asked["since"], asked["dry_run"], asked["readings"]) == (
        "segment", "2026-03-01T00:00:00+00:00", True, True,
    )  # fmt: skip


def test_yes_publishes_what_was_shown(stack: Stack, ingest: Ingest) -> None:
    told = loop(stack, "--since", "3d", typed="y\n")
    assert told.output.rstrip().endswith("Published.")
    assert (told.exit_code, ingest.published) == (0, 1)


def test_a_dry_run_asks_nobody(stack: Stack, ingest: Ingest) -> None:
    told = loop(stack, "--since", "3d", "--dry-run", "--no-readings", "--json")
    assert json.loads(told.output)["state"] == "previewed"
    assert (ingest.published, ingest.asked[0]["readings"]) == (0, False)


def test_json_publishes_with_yes_only(stack: Stack, ingest: Ingest) -> None:
    assert isinstance(loop(stack, "--since", "3d", "--json").exception, WrongUsage)
    assert ingest.asked == []
    assert json.loads(loop(stack, "--since", "3d", "--json", "--yes").output)["state"] == "done"


def test_what_ingest_does_not_know_is_wrong_usage(stack: Stack) -> None:
    with respx.mock() as router:
        problem = {"status": 422, "detail": "no such source is configured"}
        router.post(f"{BASE}/v1/replays").mock(return_value=httpx.Response(422, json=problem))
        found = loop(stack, "--since", "2026-03-01")
    assert isinstance(found.exception, WrongUsage)
    assert "no such source is configured" in str(found.exception)


def test_where_nothing_differs_nothing_is_asked(stack: Stack, ingest: Ingest) -> None:
    ingest.counts = {"bodies": 3, "events": 4, "unchanged": 4}
    told = loop(stack, "--since", "3d")
    assert "there is nothing to publish" in told.output
    assert (told.exit_code, ingest.published) == (0, 0)
