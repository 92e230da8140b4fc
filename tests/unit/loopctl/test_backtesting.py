"""`loop health backtest --events`: one object on stdout, progress on stderr, and what cannot be read is said."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from common.contracts import client

from tests.support.health_world import CONFIG, DAY_0, event, steady

WEEKS = 20
SUBJECTS = ("ref:hubspot:company:1", "ref:hubspot:company:2", "ref:hubspot:company:3")


def lines() -> list[str]:
    """Three steady clients, of whom the first falls silent after ten weeks and leaves."""
    found = []
    for nth, subject in enumerate(SUBJECTS):
        days = 70 if nth == 0 else WEEKS * 7
        events = steady(days)
        if nth == 0:
            gone = client.ContractCancelled.model_validate({"effective_on": "2026-05-20"})
            events.append(event(gone, DAY_0 + timedelta(days=130)))
        found += [
            json.dumps(
                {
                    "type": fact.type,
                    "source": fact.source.rpartition("/")[2],
                    "subject": subject,
                    "time": fact.time.isoformat(),
                    "data": fact.data.fact(),
                }
            )
            for fact in events
        ]
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "year.ndjson"
    path.write_text("\n".join(lines()))
    return path


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "loopctl.main", "health", "backtest", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_backtest_of_a_file_prints_one_object_and_its_progress_elsewhere(file: Path):
    done = run("--model", str(CONFIG / "loop.yaml"), "--events", str(file), "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["clients"], report["refused"], report["events"]) == (3, 0, len(lines()))
    assert report["moments"] == 52
    assert report["bands"]["all"]["changed"] == 0
    gone = report["cancellations"]
    assert (gone["happened"], gone["stayed"]) == (1, 2)
    assert gone["in_force"]["worse_band"]["recall"]["value"] == 1
    assert gone["in_force"]["worse_band"]["control"]["alarmed"]["of"] == 2
    assert "3 of 3 clients" in done.stderr


def test_for_people_it_says_the_same_in_words(file: Path):
    done = run(
        "--model", str(CONFIG / "loop.yaml"), "--events", str(file), "--from", "2026-02-01", "--to", "2026-05-01"
    )
    assert done.returncode == 0, done.stderr
    assert "3 clients at 13 ends of weeks, 2026-02-02 to 2026-04-27" in done.stdout
    assert "precision" in done.stdout
    assert "control: alarmed" in done.stdout


def test_lines_that_cannot_be_read_are_told_with_their_number(file: Path):
    good = file.read_text().split("\n")
    file.write_text("\n".join([good[0], '{"type": "csl.client.logged_in.v1"}', *good[1:]]))
    done = run("--model", str(CONFIG / "loop.yaml"), "--events", str(file), "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["refused"] == 1
    assert "line 2:" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--from", "soon"), 2),
        (("--from", "2030-01-01"), 2),
        (("--model", "no-such.yaml"), 1),
        (("--events", "no-such.ndjson"), 1),
    ],
)
def test_what_cannot_be_done_is_said(file: Path, arguments: tuple[str, str], code: int):
    asked = {"--model": str(CONFIG / "loop.yaml"), "--events": str(file), arguments[0]: arguments[1]}
    done = run(*(word for pair in asked.items() for word in pair), "--json")
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_a_model_that_is_none_is_refused(file: Path, tmp_path: Path):
    (tmp_path / "broken.yaml").write_text("model: loop")
    done = run("--model", str(tmp_path / "broken.yaml"), "--events", str(file))
    assert done.returncode == 1
    assert "this is no model" in done.stderr


SLIP = {
    "type": "csl.client.logged_in.v1",
    "source": "segment",
    "subject": SUBJECTS[0],
    "time": "9999-12-31T23:59:59Z",
    "data": {},
}


def test_a_date_far_ahead_is_a_slip_and_moves_no_week(file: Path):
    file.write_text(file.read_text() + "\n" + json.dumps(SLIP))
    now = datetime.now(UTC).isoformat()
    done = run("--model", str(CONFIG / "loop.yaml"), "--events", str(file), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["to"] <= now
    command = [sys.executable, "-m", "loopctl.main", "health", "replay", "--events", str(file), "--every", "7"]
    replayed = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert replayed.returncode == 0, replayed.stderr
    assert max(json.loads(line)["time"] for line in replayed.stdout.splitlines()) <= now


def test_a_file_without_an_event_is_told_in_words(tmp_path: Path):
    empty = tmp_path / "empty.ndjson"
    empty.write_text("")
    done = run("--model", str(CONFIG / "loop.yaml"), "--events", str(empty))
    assert done.returncode == 1
    assert "there is no event in this file" in done.stderr
