"""A team's own table is read as it is meant, wrong cells are named, and no test row shapes how rows are read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from churn import own_table
from churn.adapters import csv_file
from churn.adapters.csv_file import BadTableError
from churn.learning import guards
from churn.own_table import Numbers, OwnTable, Words
from hypothesis import given
from hypothesis import strategies as st

SMALL = b"id,seats,plan,gone\na,3,basic,yes\nb,,pro,no\nc, 5 ,basic,\n"


def many(rows: int = 400, seed: int = 1) -> OwnTable:
    """Pro clients with many seats stay; noise beside it."""
    rng = np.random.default_rng(seed)
    seats, plan = rng.integers(1, 50, rows), rng.choice(["basic", "pro", "trial"], rows)
    margin = 1.0 - 0.08 * seats - 1.0 * (plan == "pro")
    gone = rng.random(rows) < 1 / (1 + np.exp(-margin))
    lines = [f"c{n},{seats[n]},{plan[n]},{'yes' if gone[n] else 'no'}" for n in range(rows)]
    return own_table.read("\n".join(["id,seats,plan,gone", *lines]).encode(), "gone", client="id")


def test_numbers_stay_numbers_words_stay_words_and_nothing_stays_nothing():
    own = own_table.read(SMALL, "gone", client="id")
    seats, plan = own.columns
    assert isinstance(seats, Numbers)
    assert isinstance(plan, Words)
    assert np.array_equal(seats.values, [3, np.nan, 5], equal_nan=True)
    assert plan.cells.tolist() == ["basic", "pro", "basic"]
    assert own.clients.tolist() == ["a", "b", "c"]
    assert own.known.tolist() == [True, True, False], "an outcome that is not known yet is neither yes nor no"


@pytest.mark.parametrize("empty", ["", " ", "NA", "null", "NaN", "n/a"])
def test_whatever_a_warehouse_writes_for_nothing_is_missing(empty: str):
    own = own_table.read(f"a,b,gone\n1,x,yes\n{empty},y,no\n2,{empty},no\n".encode(), "gone")
    assert np.isnan(own.columns[0].values[1])  # type: ignore[union-attr]  # a column of numbers
    assert own.columns[1].cells[2] == ""  # type: ignore[union-attr]  # a column of words


def test_spreadsheets_of_europe_are_read():
    own = own_table.read('﻿id;fee;note;gone\r\na;29,85;"one; two";yes\r\nb;7;"say ""no""";no\r\n'.encode(), "gone")
    fee = next(column for column in own.columns if column.name == "fee")
    assert isinstance(fee, Numbers)
    assert fee.values.tolist() == [29.85, 7.0]
    notes = next(column for column in own.columns if column.name == "note")
    assert notes.cells.tolist() == ["one; two", 'say "no"']  # type: ignore[union-attr]  # a column of words


@pytest.mark.parametrize(("yes", "no"), [("Yes", "No"), ("1", "0"), ("TRUE", "false"), ("churned", "retained")])
def test_labels_are_said_in_many_ways(yes: str, no: str):
    own = own_table.read(f"a,gone\n1,{yes}\n2,{no}\n".encode(), "gone")
    assert own.left.tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"a,gone\n", "no row"),
        (b"gone\nyes\n", "line 1: one column only"),
        (b"a,,gone\n1,2,yes\n", "line 1, column 2: it has no name"),
        (b"a,a,gone\n1,2,yes\n", "'a' is there twice"),
        (b"a,gone\n1,yes\n1,2,no\n", "line 3: 3 cells, but the header has 2"),
        (b'a,gone\n"1"2,yes\n', "line 2"),
        (b"a,gone\n1,y\xe9s\n", "line 2: not UTF-8"),
        (b"a,gone\n1,perhaps\n", "line 2, column 'gone': 'perhaps' does not say"),
        (b"a,gone\n1,yes\n2,yes\n", "every row says that the client left"),
        (b"a,gone\n1,\n2,\n", "no row says whether the client left"),
        (b"a,left\n1,yes\n2,no\n", "there is no column 'gone'; there are a, left"),
        (b"a,gone\n1,yes\n1,no\n", "no column holds anything"),
        (("a,gone\n" + "1,yes\n2,no\n" * 20 + "x3,no\n").encode(), "line 42, column 'a': 'x3' is no number, but 40"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_place(content: bytes, words: str):
    with pytest.raises(BadTableError) as refused:
        own_table.read(content, "gone")
    assert words in str(refused.value)


def test_times_and_clients_are_told_or_refused_with_their_place():
    own = own_table.read(b"id,day,a,gone\nx,2026-03-01,1,yes\nx,2026-04-01,2,no\n", "gone", "day", "id")
    assert own.moments is not None
    assert np.diff(own.moments).tolist() == [31 * 86_400]
    assert [column.name for column in own.columns] == ["a"]
    with pytest.raises(BadTableError, match=r"line 2, column 'day': '1\.3\.26' is no date"):
        own_table.read(b"id,day,a,gone\nx,1.3.26,1,yes\ny,2.3.26,1,no\n", "gone", "day")
    with pytest.raises(BadTableError, match="line 3, column 'id': no client is named"):
        own_table.read(b"id,a,gone\nx,1,yes\n,2,no\n", "gone", client="id")
    with pytest.raises(BadTableError, match="columns of their own"):
        own_table.read(b"id,a,gone\nx,1,yes\ny,2,no\n", "gone", client="gone")


def test_columns_that_tell_nothing_are_left_out_and_it_is_said_why():
    rows = [f"{n},n{n},same,2026-01-{n % 28 + 1:02},,{'yes' if n % 2 else 'no'}" for n in range(60)]
    own = own_table.read("\n".join(["a,name,constant,since,void,gone", *rows]).encode(), "gone")
    assert [column.name for column in own.columns] == ["a"]
    assert set(own.left_out) == {"name", "constant", "since", "void"}
    assert "text of its own" in own.left_out["name"]
    assert "dates" in own.left_out["since"]


def test_rare_levels_go_together_and_a_level_never_seen_goes_with_them():
    plans = ["basic"] * 60 + ["pro"] * 40 + ["odd", "odder"] + ["new"]
    own = OwnTable(
        np.arange(103).astype(str), np.tile([0.0, 1.0], 52)[:103], (Words("plan", np.array([*plans[:102], "new"])),)
    )
    learned = np.arange(103) < 102
    code = own_table.encoding(own, learned)
    assert code.levels == {"plan": ("basic", "pro", "other")}
    table = code.table(own)
    assert [column.name for column in table.columns] == ["plan = basic", "plan = pro", "plan = other"]
    assert {column.reason for column in table.columns} == {"plan"}
    assert table.features[102].tolist() == [0, 0, 1]
    assert table.features.sum(axis=1).tolist() == [1] * 103


def test_a_missing_word_is_missing_in_all_its_columns():
    own = OwnTable(np.array(list("ab")), np.array([0.0, 1.0]), (Words("plan", np.array(["pro", ""])),))
    code = own_table.encoding(own, np.array([True, True]))
    assert np.isnan(code.table(own).features[1]).all()


words = st.lists(st.sampled_from(["a", "b", "c", "", "other", "zz"]), min_size=1, max_size=80)


@given(words, st.randoms(use_true_random=False))
def test_rows_not_learned_from_change_nothing_of_how_rows_are_read(cells: list[str], random):
    half = len(cells) // 2 + 1
    learned = np.arange(len(cells)) < half
    others = cells[half:]
    random.shuffle(others)
    changed = [*cells[:half], *(["unheard of"] * len(others))]
    tables = [
        own_table.encoding(own, learned).table(own).features[learned]
        for own in (
            OwnTable(np.arange(len(cells)).astype(str), np.zeros(len(cells)), (Words("w", np.array(c, dtype=np.str_)),))
            for c in (cells, [*cells[:half], *others], changed)
        )
    ]
    assert np.array_equal(tables[0], tables[1], equal_nan=True)
    assert np.array_equal(tables[0], tables[2], equal_nan=True)


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8), min_size=3,
                         max_size=3), min_size=1, max_size=8))  # fmt: skip
def test_what_a_csv_writer_writes_is_read_back(rows: list[list[str]]):
    import csv
    import io

    file = io.StringIO(newline="")
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows([["a", "b", "c"], *rows])
    cells = csv_file.read(file.getvalue().encode())
    told = [tuple("" if cell.strip().lower() in csv_file.MISSING else cell.strip() for cell in row) for row in rows]
    assert list(cells.rows) == told


def test_every_row_is_judged_once_a_repeat_by_what_has_not_seen_its_client():
    own = many()
    own = replace(own, clients=np.array([f"c{n // 2}" for n in range(len(own))]))  # two rows a client
    found = list(own_table.dealt(own, folds=4, repeats=2))
    assert np.bincount(np.concatenate([fold.rows for fold in found])).tolist() == [2] * len(own)
    for fold in found:
        assert not set(fold.learned.clients) & set(fold.test.clients)
        assert fold.test.clients.tolist() == own.clients[fold.rows].tolist()
        assert fold.test.columns == fold.learned.columns
    shares = [fold.test.left.mean() for fold in found]
    assert max(shares) - min(shares) < 0.1, "leavers are dealt evenly"
    assert set(found[0].rows) != set(found[4].rows), "another deal each repeat"


def test_rows_whose_label_is_not_known_are_neither_learned_from_nor_judged():
    own = many()
    own = replace(own, left=np.where(np.arange(len(own)) < 50, np.nan, own.left))
    for fold in own_table.dealt(own, folds=3, repeats=1):
        assert fold.rows.min() >= 50
        assert not np.isnan(fold.learned.left).any()


def test_a_column_of_words_that_gives_the_label_away_is_told_by_its_levels_together():
    own = many()
    reasons = np.where(own.left > 0, "price", "")
    codes = np.array([f"{'x' if left else 'y'}{n % 9}" for n, left in enumerate(own.left)])
    for name, cells in (("cancel_reason", reasons), ("status_code", codes)):
        given_away = replace(own, columns=(*own.columns, Words(name, cells)))
        with pytest.raises(guards.LeakError, match=name):
            guards.no_telltale(own_table.alone(given_away))
    guards.no_telltale(own_table.alone(own))


def test_a_level_of_one_row_knows_nothing_of_its_own_label():
    own = many()
    own = replace(own, columns=(Words("name", np.array([f"n{n}" for n in range(len(own))])),))
    guards.no_telltale(own_table.alone(own))
