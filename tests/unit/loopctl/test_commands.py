"""The command line: exit codes and what is said."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jwt
import pytest
from loopctl.paths import SERVICES
from loopctl.stack import Stack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A stack that was started once and does not run."""
    stack = Stack(tmp_path / "stack", base=29_000)
    stack.remember()
    return stack.folder


def loop(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "loopctl.main", *arguments], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["up", "--clock", "0.5"],
        ["clock", "advance", "soon"],
        ["logs", "nobody"],
        ["republish", "health", "--since", "30d"],
        ["republish", "nobody", "--since", "1h"],
        ["dlq", "replay"],
        ["quarantine", "replay"],
        ["send", "nobody", __file__],
        ["token"],
    ],
)
def test_wrong_usage_is_exit_code_2(folder: Path, arguments: list[str]):
    done = loop(*arguments, "--data", str(folder))
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [["status"], ["down"], ["verify"], ["token", "--scope", "health:read"], ["clock"]])
def test_where_there_is_no_stack_it_says_how_to_start_one(tmp_path: Path, command: list[str]):
    done = loop(*command, "--data", str(tmp_path / "nothing"))
    assert done.returncode == 1
    assert "start one with `loop up`" in done.stderr


def test_a_token_carries_subject_and_scopes_for_the_services(folder: Path):
    done = loop("token", "--scope", "health:read", "--scope", "churn:read", "--subject", "maya", "--data", str(folder))
    claims = jwt.decode(
        done.stdout.strip(), Stack.at(folder).secrets.jwt, algorithms=["HS256"], audience="client-success-loop"
    )
    assert (claims["sub"], claims["scope"]) == ("maya", "health:read churn:read")


def test_a_stopped_stack_is_told_part_by_part(folder: Path):
    done = loop("status", "--json", "--data", str(folder))
    assert done.returncode == 1
    states = {part["name"]: part["state"] for part in json.loads(done.stdout)["parts"]}
    assert states["postgres"] == states["kafka"] == states["catcher"] == "stopped"


def test_the_doctor_says_what_to_do(folder: Path):
    done = loop("doctor", "--json", "--data", str(folder))
    assert done.returncode == 1
    findings = json.loads(done.stdout)["findings"]
    assert {
        "what": "kafka does not run",
        "remedy": "`loop up` starts it; `loop logs kafka` says why it ended",
    } in findings


def test_endpoints_are_where_the_contract_says(folder: Path):
    endpoints = json.loads((folder / "endpoints.json").read_text())
    assert endpoints["services"]["ingest"] == "http://127.0.0.1:29001"
    assert endpoints["kafka"] == "127.0.0.1:29092"
    assert endpoints["catcher"] == "http://127.0.0.1:29010"
    assert endpoints["postgres"].startswith("postgresql://")


def test_services_on_hosts_of_their_own_are_found_by_their_urls(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LOOP_INGEST_URL", "http://ingest:8101/")
    assert Stack.at(folder).url("ingest") == "http://ingest:8101"
    assert Stack.at(folder).url("health") == "http://127.0.0.1:29002"


def test_services_in_containers_are_away_or_running_and_never_ours_to_start(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    for service in SERVICES:
        monkeypatch.setenv(f"LOOP_{service.upper()}_URL", f"http://127.0.0.1:9/{service}")
    parts = json.loads(loop("status", "--json", "--data", str(folder)).stdout)["parts"]
    assert {part["name"]: part["state"] for part in parts if part["name"] in {*SERVICES, "catcher", "demo"}} == (
        dict.fromkeys(SERVICES, "away")
    )
    findings = json.loads(loop("doctor", "--json", "--data", str(folder)).stdout)["findings"]
    said = next(finding for finding in findings if finding["what"].startswith("ingest"))
    assert said == {
        "what": "ingest is away: it does not answer yet",
        "remedy": "start your server, or mend its address",
    }


def test_clock_in_json_is_one_object(folder: Path):
    told = json.loads(loop("clock", "--json", "--data", str(folder)).stdout)
    assert set(told) == {"business", "wall", "scale", "lag_seconds"}
