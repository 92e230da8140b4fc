"""The bench counts right: what is lost, what is doubled, and what stands in the README."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.bench import load, table
from tests.bench.hearing import Heard
from tests.bench.signal_to_score import Result, measured, quantiles

MS = 1_000_000


def result(sent: load.Sent, heard: Heard) -> Result:
    return measured(100, 4, sent, heard, {"health": 0.5}, 2.0)


def test_what_no_score_names_is_lost_and_what_two_name_is_doubled() -> None:
    sent = load.Sent(due=dict.fromkeys(range(4), 0), accepted=dict.fromkeys(range(4), 2 * MS))
    heard = Heard(
        number_of={"a": 0, "b": 1, "c": 2, "d": 3},
        scored={"a": [12 * MS], "b": [22 * MS, 40 * MS], "c": [32 * MS]},
        scores=4,
    )
    found = result(sent, heard)
    assert (found.lost, found.doubled, found.accepted) == (1, 1, 4)
    assert (found.p50, found.longest) == (20.0, 30.0)
    assert found.accept_p99 == 2.0
    assert found.cpu_percent == {"health": 25}


def test_events_of_other_streams_are_not_counted() -> None:
    sent = load.Sent(due={7: 0}, accepted={7: 0})
    heard = Heard(number_of={"a": 7, "z": 1}, scored={"a": [5 * MS], "z": [9 * MS, 9 * MS]})
    found = result(sent, heard)
    assert (found.lost, found.doubled) == (0, 0)


def test_a_bench_that_heard_nothing_says_so() -> None:
    with pytest.raises(ValueError, match="nothing of 1 accepted"):
        result(load.Sent(due={1: 0}, accepted={1: 0}, refused={2: 503}), Heard())


def test_quantiles_are_of_the_values_themselves() -> None:
    assert quantiles([float(n) for n in range(1, 101)]) == (51.0, 96.0, 100.0, 100.0)


def test_the_readmes_table_is_replaced_between_its_markers(tmp_path: Path) -> None:
    sent = load.Sent(due={1: 0}, accepted={1: 0})
    steady = asdict(result(sent, Heard(number_of={"a": 1}, scored={"a": [1234 * MS]}, scores=1)))
    about = {
        "cores": 2, "processor": "P", "memory_gb": 8.0, "kafka": "4.1.1", "load_before": 0.5,
        "measured_at": "2026-03-02T09:00:00+00:00", "postgres": {"server_version": "18.0", "fsync": "on"},
    }  # fmt: skip
    content = {"machine": about, "clients": 500, "steady": steady, "rise": [steady], "highest_rate": 100}
    results, readme = tmp_path / "r.json", tmp_path / "README.md"
    results.write_text(json.dumps(content))
    readme.write_text(f"before\n<!-- bench:one -->\nold\n{table.END}\nafter\n")
    for _ in range(2):
        table.into_readme("one", table.rendered(results), readme)
    text = readme.read_text()
    assert "old" not in text
    assert "1,234" in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    with pytest.raises(ValueError, match="lacks"):
        table.into_readme("other", "text", readme)
