"""Scores worked out from files are those that live clients get."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from churn.domain.history import Happened
from common.contracts import client
from common.settings import REPOSITORY_CONFIG
from health.domain import past
from health.domain.moments import moment_of, seconds_of
from health.replay import EPOCH, replay, scored, shipped_book
from hypothesis import given
from loopctl.health_commands import training_replay

from tests.support.health_world import ADA, day, event, lives, order, registered, steady

BOOK = shipped_book(REPOSITORY_CONFIG)
MICRO = 1_000_000


def happened(fact):
    time, known = (int(at.timestamp()) * MICRO + at.microsecond for at in (fact.time, fact.knowntime))
    replaces = str(fact.replaces) if fact.replaces else None
    return Happened(time, known, fact.sequence, str(fact.id), fact.data.type_name(), fact.data.fact(), replaces)


def by_file(facts, until, every=7):
    return [
        found.data
        for found in replay(
            [happened(f) for f in facts], BOOK, str(ADA), until=seconds_of(until) - EPOCH, every_days=every
        )
    ]


def by_facts(facts, until, every=7):
    moments = past.day_ends(seconds_of(facts[0].time), seconds_of(until), every)
    found = past.evaluations(facts, moments, BOOK.choice)
    return [scored(str(ADA), result) for state, result in found if not past.ended(state, result.now)]


@given(lives())
def test_a_file_gives_the_scores_that_facts_give(life):
    assert by_file(life, day(220)) == by_facts(life, day(220))


def test_a_client_that_takes_its_cancellation_back_after_its_end_is_scored_again():
    notice = client.ContractCancelled.model_validate({"effective_on": "2026-02-01"})
    life = [registered(), event(notice, day(10), "hubspot"), event(client.CancellationWithdrawn(), day(40), "hubspot")]
    found = by_file(life, day(60))
    assert found == by_facts(life, day(60))
    scored_on = [datetime.fromisoformat(data["as_of"]).date().isoformat() for data in found]
    assert [when for when in scored_on if "2026-01-26" <= when <= "2026-02-23"] == [
        "2026-01-26",
        "2026-02-16",
        "2026-02-23",
    ]


def test_scores_fall_on_the_ends_of_sundays():
    found = by_file(steady(60), day(60))
    assert len(found) == 8
    moments = [datetime.fromisoformat(data["as_of"]) for data in found]
    assert all((m.weekday(), m.hour) == (0, 0) for m in moments)


def test_nothing_is_scored_after_the_end_nor_known_before_its_time():
    notice = event(client.ContractCancelled.model_validate({"effective_on": "2026-03-01"}), day(40), "hubspot")
    facts = sorted([*steady(40), notice], key=order)
    assert max(data["as_of"] for data in by_file(facts, day(120))) <= "2026-03-02T00:00:00+00:00"
    late = event(client.PaymentFailed(invoice_id="x"), day(20), "stripe", knowntime=day(33))
    with_late = by_file(sorted([*steady(40), late], key=order), day(40))
    without = by_file(steady(40), day(40))
    differing = [a["as_of"] for a, b in zip(with_late, without, strict=True) if a["score"] != b["score"]]
    assert differing == ["2026-02-09T00:00:00+00:00"]  # known on 7 February


def test_churn_is_given_the_same_scores():
    facts = [happened(f) for f in steady(60)]
    until = max(f.known for f in facts) // MICRO
    found = list(training_replay()(str(ADA), facts, until))
    assert [s.data for s in found] == by_file(steady(60), moment_of(EPOCH + until))
    assert all(s.known == int(datetime.fromisoformat(s.data["as_of"]).timestamp()) * MICRO for s in found)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file in import form: refs for subjects, words in place of readings, one line that nobody can read."""
    lines = []
    for fact in [registered(), *steady(45)[1:]]:
        line = {"type": fact.type, "source": "csv", "subject": "ref:csv:row:1", "time": fact.time.isoformat()}
        data = fact.data.fact()
        if fact.data.type_name() == "client_registered":
            data["refs"] = [{"source": "csv", "kind": "row", "id": "1"}]
        if "reading" in data:
            data.pop("reading")
            line["text"] = "This is great, we love it. Thank you!"
        lines.append(json.dumps({**line, "data": data}))
    path = tmp_path / "past.ndjson"
    path.write_text("\n".join([*lines, "{broken"]))
    return path


def test_the_command_prints_scored_events_and_says_what_it_could_not_read(file: Path):
    command = [sys.executable, "-m", "loopctl.main", "health", "replay", "--events", str(file), "--every", "7"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "1 lines could not be read" in done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [e["type"] for e in events] == ["csl.health.scored.v1"] * 6
    assert {e["subject"] for e in events} == {"ref:csv:row:1"}
    assert events[-1]["data"]["score"] > 80
    assert datetime.fromisoformat(events[-1]["time"]).tzinfo == UTC
    relationship = events[-1]["data"]["components"][2]
    assert relationship["score"] > 80
