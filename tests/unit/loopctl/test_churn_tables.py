"""`loop churn train|backtest --table` takes a table or says what is wrong with the wish or the file."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from churn.dataset import Wish
from loopctl import churn_tables
from loopctl.churn_tables import TableWish
from loopctl.errors import Problem, WrongUsage


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({}, "--events FILE, or --table FILE --label COLUMN"),
        ({"file": "t.csv"}, "--table needs --label"),
        ({"file": "t.csv", "label": "gone", "events": "e.ndjson"}, "not both"),
        ({"events": "e.ndjson", "label": "gone"}, "belong to --table"),
        ({"events": "e.ndjson", "out": Path("risks.csv")}, "belong to --table"),
        ({"file": "t.csv", "label": "gone", "windows": True}, "need --time"),
    ],
)
def test_half_a_wish_is_refused(wish: dict[str, Any], words: str):
    given = {"events": None, "file": None, "label": None, "time": None, "client": None, "windows": False, **wish}
    with pytest.raises(WrongUsage, match=words):
        churn_tables.wanted(**given)


def test_events_alone_are_no_wish_for_a_table():
    assert churn_tables.wanted("e.ndjson", None, None, None, None, windows=True) is None


def table(folder: Path, *, signal: float = 1.0) -> Path:
    rng = np.random.default_rng(5)
    seats = rng.integers(1, 60, 300)
    gone = rng.random(300) < 1 / (1 + np.exp(signal * (2 - ((seats - 30) / 15) ** 2)))  # no line tells that
    file = folder / "clients.csv"
    lines = [f"c{n};{seats[n]};{'' if n < 20 else 'yes' if gone[n] else 'no'}" for n in range(300)]
    file.write_text("\n".join(["client;seats;gone", *lines]), encoding="utf-8-sig")
    return file


def test_figures_card_and_risks_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    card, out = tmp_path / "card.html", tmp_path / "risks.csv"
    own = TableWish(str(table(tmp_path)), "gone", client="client", out=out)
    churn_tables.learn(own, Wish(), card, True, must_pass=False)
    told = json.loads(capsys.readouterr().out)
    assert told["folds"]["number"] == 15
    assert set(told["auc"]) == {"value", "low", "high"}
    assert "<img" in card.read_text()
    rows = list(csv.reader(out.open()))
    assert rows[0] == ["client", "gone", "risk"]
    assert len(rows) == 301
    assert rows[1][:2] == ["c0", ""], "not known yet, and given a risk"
    assert all(0 < float(row[2]) < 1 for row in rows[1:])


def test_a_model_that_fails_the_gate_writes_no_risks(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "risks.csv"
    own = TableWish(str(table(tmp_path, signal=0.0)), "gone", client="client", out=out)
    with pytest.raises(Problem, match="failed the gate"):
        churn_tables.learn(own, Wish(), None, False, must_pass=True)
    assert not out.exists()
    assert "FAILED" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "there is no file"), (b"client;gone\na;perhaps\n", "line 2, column 'gone'"), (b"", "the file is empty")],
)
def test_what_is_wrong_with_the_file_is_said(tmp_path: Path, content: bytes | None, words: str):
    file = tmp_path / "t.csv"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(Problem, match=words):
        churn_tables.learn(TableWish(str(file), "gone"), Wish(), None, True, must_pass=True)


def test_too_few_leavers_are_said_to_be_too_few(tmp_path: Path):
    file = tmp_path / "t.csv"
    file.write_text("a,gone\n" + "1,yes\n2,no\n1,no\n2,yes\n" * 10)
    with pytest.raises(Problem, match="50 are needed"):
        churn_tables.learn(TableWish(str(file), "gone"), Wish(), None, True, must_pass=True)
