"""`loop sources`: which talk to us, and how their secrets are rotated; ingest's API is faked as it answers."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from loopctl import secrets, signing, sources
from loopctl.main import cli
from loopctl.stack import Stack
from typer.testing import CliRunner

BASE = "http://127.0.0.1:29001"
NEW = "a-secret-of-the-operators-choice"


class Ingest:
    """GET /v1/sources and the secrets of each, as the service has them."""

    def __init__(self) -> None:
        self.secrets: dict[str, list[dict[str, Any]]] = {}
        self.given: list[str] = []

    def source(self, name: str, vendor: str) -> dict[str, Any]:
        return {
            "name": name, "vendor": vendor, "connected": True, "secrets": 1, "state": "live",
            "last_accepted_at": "2026-03-02T09:00:00Z", "counts": {"posts": 3, "mapped": 2, "parked": 1, "refused": 4},
            "last_refused_at": "2026-03-02T08:00:00Z", "last_refusal": "the signature does not match",
            "mapping_failures": {"count": 2, "open": 1, "last_at": None, "last": "track: no event"},
            "unknown_types": [{"type": "teleport", "count": 5, "last_at": "2026-03-02T08:00:00Z"}],
            "enrichment": {"token": False, "missing": {"company": 12}, "gone": {}, "failed": {}, "failure": None},
        }  # fmt: skip

    def __call__(self, request: httpx.Request) -> httpx.Response:
        parts = request.url.path.split("/")
        if request.url.path == "/v1/sources":
            known = [("segment", "segment"), ("standardwebhooks", "mapped"), ("stripe", "stripe")]
            return httpx.Response(200, json={"items": [self.source(*one) for one in known], "next": None})
        rows = self.secrets.setdefault(parts[3], [])
        if request.method == "POST":
            secret = json.loads(request.content)["secret"]
            if len(secret) < 8:
                return httpx.Response(422, json={"detail": "too short"})
            self.given.append(secret)
            rows.insert(0, {"id": f"s{len(rows)}", "retired_at": None})
            return httpx.Response(200, json={"added": True, "secrets": rows})
        if request.method == "DELETE":
            next(row for row in rows if row["id"] == parts[5])["retired_at"] = "2026-03-02T09:00:00Z"
        return httpx.Response(200, json={"items": rows, "next": None})


@pytest.fixture
def ingest() -> Iterator[Ingest]:
    known = Ingest()
    with respx.mock(assert_all_called=False) as router:
        router.route(url__startswith=BASE).mock(side_effect=known)
        yield known


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    monkeypatch.setenv("LOOP_ENV_FILE", str(tmp_path / "none.env"))
    (tmp_path / "none.env").touch()
    made = Stack(tmp_path / "stack", base=29_000)
    made.remember()
    assert made.secrets.webhooks["stripe"]
    return made


def loop(stack: Stack, *words: str, typed: str = "") -> Any:
    return CliRunner().invoke(cli, [*words, "--data", str(stack.folder)], input=typed)


def kept(stack: Stack) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((stack.folder / "secrets.json").read_text())
    return found


def test_the_list_says_what_runs_and_what_is_wrong(stack: Stack, ingest: Ingest) -> None:
    told = loop(stack, "sources", "list").output
    assert "2 mapped, 1 parked" in told
    assert "refused 4, last 2026-03-02T08:00:00: the signature does not match" in told
    assert "unreadable 2 (1 open): track: no event" in told
    assert "unknown types: teleport (5)" in told
    assert "not fetched: 12 company (no token: INGEST_ENRICHMENT_TOKENS)" in told
    as_json = json.loads(loop(stack, "sources", "list", "--json").output)
    assert [source["name"] for source in as_json["items"]] == ["segment", "standardwebhooks", "stripe"]


def test_a_rotation_keeps_the_stack_in_step_and_is_finished_later(stack: Stack, ingest: Ingest) -> None:
    ingest.secrets["segment"] = [{"id": "old", "retired_at": None}]
    told = loop(stack, "sources", "rotate", "segment", "--secret", NEW).output
    assert "--finish" in told
    assert NEW not in told
    assert ingest.given == [NEW]
    assert kept(stack)["webhooks"]["segment"] == NEW
    assert kept(stack)["rotated"] == ["segment"]
    done = json.loads(loop(stack, "sources", "rotate", "segment", "--finish", "--json").output)
    assert done == {"source": "segment", "active": 1, "added": False, "retired": 1}
    assert [row["retired_at"] is None for row in ingest.secrets["segment"]] == [True, False]


def test_where_the_operator_chooses_one_is_made_and_shown_once(stack: Stack, ingest: Ingest) -> None:
    told = loop(stack, "sources", "rotate", "segment").output
    assert f"Give this to segment: {ingest.given[0]}" in told
    assert len(ingest.given[0]) >= 32
    shown = json.loads(loop(stack, "sources", "rotate", "standardwebhooks", "--json").output)
    assert shown["secret"] == ingest.given[1]
    assert len(base64.b64decode(shown["secret"].removeprefix("whsec_"))) == 24


def test_where_the_vendor_issues_it_production_asks_for_it(
    stack: Stack, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert loop(stack, "sources", "rotate", "stripe").exit_code == 0, "a local stack's vendor is `loop send`"
    monkeypatch.setenv("LOOP_ENVIRONMENT", "production")
    refused = loop(stack, "sources", "rotate", "stripe")
    assert "give the new one with --secret" in str(refused.exception)
    assert loop(stack, "sources", "rotate", "stripe", "--secret", "-", typed="whsec_typed_in\n").exit_code == 0
    assert ingest.given[-1] == "whsec_typed_in"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["nobody"], "no configured source"),
        (["segment", "--secret", "short"], "too short"),
        (["segment", "--secret", NEW, "--finish"], "either"),
    ],
)
def test_wrong_usage_is_told(stack: Stack, ingest: Ingest, words: list[str], why: str) -> None:
    assert why in str(loop(stack, "sources", "rotate", *words).exception)


def test_a_source_that_was_never_rotated_has_nothing_to_finish(stack: Stack, ingest: Ingest) -> None:
    assert "never rotated" in str(loop(stack, "sources", "rotate", "segment", "--finish").exception)


def test_what_was_rotated_here_is_not_taken_from_the_environment_again(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INGEST_WEBHOOK_SECRETS", '{"stripe": ["of-the-environment"], "segment": ["too"]}')
    file = stack.folder / "secrets.json"
    secrets.remember_rotation(file, "stripe", NEW)
    loaded = secrets.Secrets.load(file, ["segment", "stripe"])
    assert (loaded.webhooks["stripe"], loaded.webhooks["segment"]) == (NEW, "too")
    assert file.stat().st_mode & 0o077 == 0


async def test_the_demo_goes_on_with_the_new_secret(stack: Stack) -> None:
    from loopctl.demo.courier import Courier
    from loopctl.demo.vendors import Post

    async def no_patience(why: str) -> None:
        pytest.fail(why)

    body = b'{"type":"page"}'
    good = signing.segment(NEW, "", body, datetime(2026, 3, 2, tzinfo=UTC))["X-Signature"]
    with respx.mock() as router:
        route = router.post(f"{BASE}/v1/webhooks/segment").mock(
            side_effect=lambda request: httpx.Response(202 if request.headers["x-signature"] == good else 401)
        )
        courier = Courier(stack, no_patience)
        secrets.remember_rotation(stack.folder / "secrets.json", "segment", NEW)
        await courier.deliver(Post("segment", body))
        await courier.close()
    assert route.call_count == 2


def test_each_stack_has_a_key_of_its_own_for_stored_secrets(stack: Stack) -> None:
    from ingest.adapters.sealing import read_keys
    from loopctl import programs

    key = programs.service_environment(stack, "ingest")["INGEST_SECRETS_KEY"]
    assert len(read_keys(key)[0]) == 32
    assert kept(stack)["ingest_secrets_key"] == key


def test_enrichment_that_works_is_not_mentioned() -> None:
    quiet = {**Ingest().source("x", "stripe"), "enrichment": None, "unknown_types": [], "last_refusal": None}
    quiet["mapping_failures"] = {"count": 0, "open": 0, "last_at": None, "last": None}
    assert "\n" not in sources.as_line(quiet)
