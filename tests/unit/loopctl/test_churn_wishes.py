"""What `loop churn` is asked for is checked before the work, and what it is given is refused in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from loopctl import churn_commands, churn_tables, churn_training
from loopctl.errors import Problem, WrongUsage

FILE = "events.ndjson"


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"train_until": "2026-03-01", "test_from": "2026-02-01"}, "--test-from lies before --train-until"),
        ({"test_from": "2026-03-01", "test_to": "2026-02-01"}, "--test-to lies before the first moment"),
        ({"train_until": "2026-03-01", "test_to": "2026-02-01"}, "--test-to lies before the first moment"),
        ({"train_until": "March"}, "takes a day like 2026-03-01"),
        ({"rolling": 2, "card": Path("card.html")}, "no card"),
        ({"table": "t.csv", "label": "gone", "events": None, "scores": Path("s.ndjson")}, "--scores belongs to"),
    ],
)
def test_wishes_that_contradict_themselves_are_refused_before_the_file_is_read(wish: dict[str, Any], words: str):
    with pytest.raises(WrongUsage, match=words):
        churn_training.backtest(**{"events": FILE, **wish})


def test_a_card_that_cannot_be_written_is_said_before_the_work(tmp_path: Path):
    with pytest.raises(Problem, match=r"there is no folder .*nowhere"):
        churn_training.backtest(events=FILE, card=tmp_path / "nowhere" / "card.html")
    churn_tables.need_folders(tmp_path / "card.html", None, Path("card.html"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty: give it client events"),
        (b"\n \n", "is empty"),
        (b'{"type": "csl', "gives nothing to learn from .line 1"),
    ],
)
def test_a_file_without_events_is_refused(tmp_path: Path, content: bytes, words: str):
    file = tmp_path / FILE
    file.write_bytes(content)
    with pytest.raises(Problem, match=words):
        churn_training.backtest(events=str(file))


def test_what_is_no_file_is_said_to_be_none(tmp_path: Path):
    with pytest.raises(Problem, match=r"cannot be read .Is a directory"):
        churn_training.backtest(events=str(tmp_path))
    with pytest.raises(Problem, match=r"cannot be read .Is a directory"):
        churn_training.backtest(table=str(tmp_path), label="gone")


class Refusing:
    """Churn, as it answers a decision that it does not take."""

    def call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        return httpx.Response(409, json={"detail": "model 2.1 has not passed the gate: too dark"})


def test_a_refused_promotion_says_why_and_sends_nobody_into_logs():
    with pytest.raises(Problem) as told:
        churn_commands.decided(Refusing(), "/v1/models/x/promote", "try it")  # type: ignore[arg-type]  # a stand-in for it
    assert "has not passed the gate: too dark" in str(told.value)
    assert "logs" not in str(told.value)
