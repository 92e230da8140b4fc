"""The converters of third-party data say what the folders say: the right thing, at the moment it was known."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pytest
from ingest import forms

from tests.bench.datasets import tables
from tests.bench.datasets.lines import Left
from tests.bench.datasets.tables import DataError
from tests.support.dataset_folders import CONTENT, MODULES, TABLES, events, lines, told, write

EVERY = sorted(MODULES)
ROOT = Path(__file__).resolve().parents[3]


def usd(amount: int) -> dict:
    return {"amount": amount, "currency": "USD"}


@pytest.mark.parametrize("data", EVERY)
def test_each_event_is_one_that_ingest_takes_and_follows_its_clients_registration(data: str, tmp_path: Path) -> None:
    printed = events(data, write(tmp_path, data))
    registered = set()
    for event in printed:
        form = forms.read(event, imported=True)
        assert form.source == data
        if form.statement.creates:
            registered.add(event["subject"])
        assert event["subject"] in registered
    assert len(registered) == len(CONTENT[data]["accounts" if "accounts" in CONTENT[data] else "subscriptions"])


@pytest.mark.parametrize("data", EVERY)
def test_events_are_in_the_order_of_time_and_no_two_lines_are_alike(data: str, tmp_path: Path) -> None:
    printed = list(lines(data, write(tmp_path, data)))
    times = [e["time"] for e in map(json.loads, printed) if "client_registered" not in e["type"]]
    assert times == sorted(times)
    assert len(set(printed)) == len(printed)


@pytest.mark.parametrize("data", EVERY)
def test_plain_files_and_packed_ones_give_the_same_bytes(data: str, tmp_path: Path) -> None:
    packed = write(tmp_path / "packed", data)
    plain = write(tmp_path / "plain", data, packed=False)
    assert list(lines(data, packed)) == list(lines(data, plain)) == list(lines(data, packed))


@pytest.mark.parametrize("data", EVERY)
def test_rows_in_any_order_give_the_same_events(data: str, tmp_path: Path, monkeypatch) -> None:
    """Also where more rows than memory takes are sorted through files."""
    monkeypatch.setattr(tables, "SORTED_AT_ONCE", 2)
    turned = {table: rows[::-1] for table, rows in CONTENT[data].items() if table not in ("accounts", "subscriptions")}
    here, there = write(tmp_path / "here", data), write(tmp_path / "there", data, turned)
    assert sorted(events(data, here), key=without_users) == sorted(events(data, there), key=without_users)


def without_users(event: dict) -> str:
    """Which of a day's uses carries its active users is the file's order."""
    event["data"].pop("active_users", None)
    return json.dumps(event)


@pytest.mark.parametrize(
    ("data", "until"), [("fightchurn", "2023-02-20"), ("oulad", "2013-12-15"), ("ravenstack", "2023-06-15")]
)
def test_a_folder_cut_off_at_a_day_tells_the_same_until_then(data: str, until: str, tmp_path: Path) -> None:
    """Nothing that comes later is known before."""
    whole, cut = write(tmp_path / "whole", data), write(tmp_path / "cut", data, CUT[data]())
    expected = list(lines(data, whole, until=until))
    assert expected == list(lines(data, cut, until=until))
    assert all(json.loads(line)["time"] <= f"{until}T00:00:00Z" for line in expected)


def cut_fightchurn() -> dict:
    """As it would be exported on 2023-02-20."""
    content = deepcopy(dict(CONTENT["fightchurn"]))
    content["subscriptions"] = [row for row in content["subscriptions"] if row[2] <= "2023-02-20"]
    content["churn_labels"] = [[1, "2023-01-01", "2023-03-01", 0, ""], *content["churn_labels"][1:]]
    content["usage_daily"] = [row for row in content["usage_daily"] if row[1] < "2023-02-20"]
    return content


def cut_oulad() -> dict:
    content = deepcopy(dict(CONTENT["oulad"]))
    content["subscriptions"][0][6], content["subscriptions"][0][9] = "", 0
    content["events"] = [row for row in content["events"] if row[1] < "2013-12-15"]
    return content


def cut_ravenstack() -> dict:
    content = deepcopy(dict(CONTENT["ravenstack"]))
    content["subscriptions"] = [row for row in content["subscriptions"] if row[2] <= "2023-06-15"]
    content["churn_events"] = content["churn_events"][:1]
    return content


CUT = {"fightchurn": cut_fightchurn, "oulad": cut_oulad, "ravenstack": cut_ravenstack}


def test_fightchurn_tells_a_clients_life_by_its_terms(tmp_path: Path) -> None:
    printed = events("fightchurn", write(tmp_path, "fightchurn"))
    assert [happened for happened in told(printed, "1") if happened[1] != "usage_recorded"] == [
        ("2023-01-01T00:00:00Z", "client_registered", {
            "name": "Account 1", "segment": "web", "renewal_on": "2023-02-01",
            "refs": [{"source": "fightchurn", "kind": "account", "id": "1"}]}),
        ("2023-01-01T00:00:00Z", "subscription_changed", {
            "subscription_id": "1:users", "status": "active", "mrr_after": usd(10000), "seats": 5}),
        ("2023-02-01T00:00:00Z", "contract_renewed", {"starts_on": "2023-02-01", "ends_on": "2023-03-01"}),
        ("2023-02-01T00:00:00Z", "subscription_changed", {
            "subscription_id": "1:users", "status": "active", "mrr_before": usd(10000), "mrr_after": usd(50000),
            "seats": 25}),
        ("2023-03-03T00:00:00Z", "contract_renewed", {"starts_on": "2023-03-03", "ends_on": "2023-04-03"}),
        ("2023-04-03T00:00:00Z", "contract_cancelled", {"effective_on": "2023-04-03", "reason": "not renewed"}),
        ("2023-04-03T00:00:00Z", "subscription_changed", {
            "subscription_id": "1:users", "status": "canceled", "mrr_before": usd(50000), "mrr_after": usd(0)}),
    ]  # fmt: skip
    assert [e["sequence"] for e in printed if e["time"] == "2023-04-03T00:00:00Z" and "sequence" in e] == [1]


def test_fightchurn_tells_a_dropped_add_on_and_nothing_behind_what_its_labels_know(tmp_path: Path) -> None:
    printed = events("fightchurn", write(tmp_path, "fightchurn"))
    dropped = told(printed, "3", "subscription_changed")[-1]
    assert dropped[0] == "2023-02-10T00:00:00Z"
    assert dropped[2]["subscription_id"] == "3:schedule_meeting"
    assert dropped[2]["mrr_after"] == usd(0)
    assert told(printed, "2", "contract_cancelled") == []
    assert [at for at, _, _ in told(printed, "2", "usage_recorded")] == ["2023-04-02T23:59:59Z"]
    assert max(e["time"] for e in printed) == "2023-04-03T00:00:00Z"
    assert printed == events("fightchurn", tmp_path, until="2023-06-01")


def test_fightchurn_counts_a_days_people_once(tmp_path: Path) -> None:
    printed = events("fightchurn", write(tmp_path, "fightchurn"))
    assert told(printed, "1", "usage_recorded") == [
        ("2023-01-01T23:59:59Z", "usage_recorded", {"feature": "search", "quantity": 7, "active_users": 3}),
        ("2023-01-01T23:59:59Z", "usage_recorded", {"feature": "quote", "quantity": 2}),
        ("2023-03-31T23:59:59Z", "usage_recorded", {"feature": "search", "quantity": 3}),
    ]


def test_fightchurn_raw_tells_each_use_at_its_time(tmp_path: Path) -> None:
    printed = events("fightchurn", write(tmp_path, "fightchurn"), raw=True)
    assert told(printed, "3", "usage_recorded") == [
        ("2023-01-10T08:00:00Z", "usage_recorded", {"feature": "search", "quantity": 1}),
        ("2023-01-10T08:00:00Z", "usage_recorded", {"feature": "search", "quantity": 1}),
        ("2023-01-10T21:30:05Z", "usage_recorded", {"feature": "quote", "quantity": 1, "active_users": 1}),
    ]
    assert {e["subject"] for e in printed} == {"ref:fightchurn:account:3"}


def test_fightchurn_a_client_that_comes_back_after_months_had_left(tmp_path: Path) -> None:
    content = deepcopy(dict(CONTENT["fightchurn"]))
    content["subscriptions"][2][2:4] = ["2023-04-03", "2023-05-03"]
    content["churn_labels"][0] = [1, "2023-01-01", "2023-05-03", 0, ""]
    printed = events("fightchurn", write(tmp_path, "fightchurn", content))
    assert [(at, kind) for at, kind, _ in told(printed, "1", "contract_cancelled", "contract_renewed")][1:] == [
        ("2023-03-01T00:00:00Z", "contract_cancelled"),
        ("2023-04-03T00:00:00Z", "contract_renewed"),
    ]
    assert told(printed, "1", "subscription_changed")[-1][2]["mrr_after"] == usd(50000)


def test_oulad_plans_what_is_still_due_and_tells_submissions_with_their_scores(tmp_path: Path) -> None:
    printed = events("oulad", write(tmp_path, "oulad"))
    planned = told(printed, "M-2013J-11", "milestone_planned")
    assert [(at, d["milestone"], d["phase"], d["due_at"]) for at, _, d in planned] == [
        ("2013-10-01T00:00:00Z", "tma_101", "first_value", "2013-10-20T23:59:59Z"),
        ("2013-10-01T00:00:00Z", "cma_102", "adoption", "2013-12-01T23:59:59Z"),
    ]
    assert [d["milestone"] for _, _, d in told(printed, "M-2013J-12", "milestone_planned")] == ["cma_102"]
    assert [d["milestone"] for _, _, d in told(printed, "M-2014B-13", "milestone_planned")] == ["tma_201"]
    done = [told(printed, f"M-{who}", "milestone_completed") for who in ("2013J-11", "2013J-12", "2014B-13")]
    assert done == [
        [("2013-10-19T23:59:59Z", "milestone_completed", {"milestone": "tma_101", "kpi_value": 81.5})],
        [("2014-01-08T23:59:59Z", "milestone_completed", {"milestone": "cma_102"})],
        [("2014-02-01T00:00:01Z", "milestone_completed", {"milestone": "tma_201", "kpi_value": 70.0})],
    ]


def test_oulad_tells_who_withdrew_from_who_finished(tmp_path: Path) -> None:
    printed = events("oulad", write(tmp_path, "oulad"))
    assert told(printed, "M-2013J-11")[-1] == (
        "2014-01-09T23:59:59Z", "contract_cancelled", {"effective_on": "2014-01-09", "reason": "withdrawn"},
    )  # fmt: skip
    assert told(printed, "M-2013J-12")[-1] == (
        "2014-06-26T00:00:00Z", "contract_cancelled", {"effective_on": "2014-06-26", "reason": "completed"},
    )  # fmt: skip
    assert told(printed, "M-2013J-12")[0][0] == "2013-11-05T00:00:00Z"


def test_oulad_of_one_presentation(tmp_path: Path) -> None:
    printed = events("oulad", write(tmp_path, "oulad"), presentation=["2014B"])
    assert {e["subject"] for e in printed} == {"ref:oulad:account:M-2014B-13"}


def test_ravenstack_tells_subscriptions_departures_and_returns(tmp_path: Path) -> None:
    printed = events("ravenstack", write(tmp_path, "ravenstack"))
    life = told(printed, "A-1", "subscription_changed", "contract_cancelled", "contract_renewed", "feedback_given")
    assert [(at, kind) for at, kind, _ in life] == [
        ("2023-02-03T00:00:00Z", "subscription_changed"),
        ("2023-04-30T23:59:59Z", "subscription_changed"),
        ("2023-05-02T23:59:59Z", "contract_cancelled"),
        ("2023-05-02T23:59:59Z", "feedback_given"),
        ("2023-08-01T00:00:00Z", "contract_renewed"),
        ("2023-08-01T00:00:00Z", "subscription_changed"),
        ("2023-09-09T23:59:59Z", "contract_cancelled"),
    ]
    assert life[0][2] == {"subscription_id": "S-1", "status": "active", "mrr_after": usd(12000), "seats": 9}
    assert life[1][2]["mrr_after"] == usd(0)
    assert life[2][2] == {"effective_on": "2023-05-02", "reason": "pricing"}
    assert [e["text"] for e in printed if "text" in e] == ["too expensive"]
    assert told(printed, "A-2", "subscription_changed")[0][2]["status"] == "trialing"


def test_ravenstack_tells_tickets_step_by_step_and_each_use(tmp_path: Path) -> None:
    printed = events("ravenstack", write(tmp_path, "ravenstack"))
    assert told(printed, "A-1", "ticket_opened", "ticket_updated", "ticket_resolved") == [
        ("2023-03-01T00:00:00Z", "ticket_opened", {"ticket_id": "T-1", "priority": "normal"}),
        ("2023-03-01T00:30:00Z", "ticket_updated", {"ticket_id": "T-1", "author": "us"}),
        ("2023-03-02T00:00:00Z", "ticket_opened", {"ticket_id": "T-2", "priority": "urgent"}),
        ("2023-03-02T05:00:00Z", "ticket_resolved", {"ticket_id": "T-2", "status": "closed"}),
        ("2023-03-03T00:00:00Z", "ticket_updated", {"ticket_id": "T-2", "author": "us"}),
        ("2023-03-05T03:00:00Z", "ticket_resolved", {
            "ticket_id": "T-1", "status": "closed", "csat": {"score": 4.0, "scale_max": 5}}),
    ]  # fmt: skip
    assert [at for at, _, _ in told(printed, "A-1", "usage_recorded")] == ["2023-02-05T23:59:59Z"] * 2
    assert told(printed, "A-2", "usage_recorded")[0][0] == "2023-05-20T23:59:59Z"


def test_ravenstack_ends_with_the_last_day_of_which_departures_are_known(tmp_path: Path) -> None:
    later = [*CONTENT["ravenstack"]["feature_usage"], ["U-9", "S-3", "2023-09-10", "feature_2", 4, 100, 0, "False"]]
    printed = events("ravenstack", write(tmp_path, "ravenstack", {"feature_usage": later}))
    assert max(e["time"] for e in printed) == "2023-09-09T23:59:59Z"


@pytest.mark.parametrize("data", EVERY)
def test_some_clients_are_told_as_among_all(data: str, tmp_path: Path) -> None:
    folder = write(tmp_path, data)
    first = list(lines(data, folder, clients=1))
    subject = json.loads(first[0])["subject"]
    assert first == [line for line in lines(data, folder) if json.loads(line)["subject"] == subject]


@pytest.mark.parametrize("data", EVERY)
def test_a_missing_file_is_named(data: str, tmp_path: Path) -> None:
    for table in TABLES[data]:
        folder = write(tmp_path / table, data)
        (folder / f"{table}.csv.gz").unlink()
        with pytest.raises(DataError, match=rf"{table} has neither {table}\.csv\.gz nor {table}\.csv"):
            list(lines(data, folder, raw=table == "events_small"))


NEEDED = [
    ("fightchurn", "accounts", "channel"), ("fightchurn", "subscriptions", "mrr"),
    ("fightchurn", "churn_labels", "churned"), ("fightchurn", "usage_daily", "count"),
    ("fightchurn", "active_users_daily", "users"), ("fightchurn", "events_small", "event_time"),
    ("oulad", "subscriptions", "term_end"), ("oulad", "milestones", "due_date"), ("oulad", "events", "score"),
    ("ravenstack", "accounts", "signup_date"), ("ravenstack", "subscriptions", "mrr_amount"),
    ("ravenstack", "feature_usage", "usage_count"), ("ravenstack", "support_tickets", "closed_at"),
    ("ravenstack", "churn_events", "reason_code"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "table", "column"), NEEDED)
def test_a_missing_column_is_named(data: str, table: str, column: str, tmp_path: Path) -> None:
    folder = write(tmp_path, data)
    broken = ",".join("renamed" if name == column else name for name in TABLES[data][table].split(","))
    (folder / f"{table}.csv.gz").write_bytes(gzip.compress(broken.encode() + b"\n"))
    with pytest.raises(DataError, match=rf"{table}\.csv\.gz, line 1: there is no column {column}"):
        list(lines(data, folder, raw=table == "events_small"))


CLOSED = "2023-03-03 10:00:00"
FC, RS = "fightchurn", "ravenstack"
ODD = [
    (FC, "subscriptions", 2, [1, "basic", "2023-02-30", "2023-03-03", 1, 1, "users", 1, 0], "day is out of range"),
    (FC, "subscriptions", 2, [1, "basic", "2023-02-03", "2023-02-03", 1, 1, "users", 1, 0], "before it began"),
    (FC, "subscriptions", 1, [1, "basic", "2023-02-03", "2023-03-03", -1, 1, "users", 1, 0], "'-1' is no amount"),
    (FC, "usage_daily", 3, [1, "2023-03-31", "search", 2.5, ""], "'2.5' is no count"),
    (FC, "usage_daily", 3, [1, "31.3.2023", "search", 2, ""], "'31.3.2023' is no day"),
    (FC, "usage_daily", 0, [1, "2023-01-01", "", 2, ""], "a feature without a name"),
    (FC, "usage_daily", 4, [1, "2023-04-02"], "2 fields where the header has 5"),
    (FC, "active_users_daily", 0, [1, "2023-01-01", "many"], "'many' is no count"),
    (FC, "churn_labels", 0, [1, "2023-01-01", "2023-06-03", 1, "2023-06-03"], "but its terms are not"),
    (FC, "churn_labels", 1, [2, "2023-01-01", "2023-04-15", 1, "2023-04-03"], "left on 2023-04-03, but is paid"),
    (FC, "accounts", 1, [1, "web", ""], "account 1 stands there before"),
    ("oulad", "subscriptions", 1, ["S-1", "M", "2013J", "", "2013-10-01", "2014-06-26", "", 0, 60, 1], "churned is 1"),
    ("oulad", "subscriptions", 2, ["S", "M", "2013J", "", "2013-10-01", "2013-06-26", "", 0, 60, 0], "before it began"),
    ("oulad", "milestones", 0, ["M", "2013J", 101, "TMA", "ten", "2013-10-20"], "'ten' is no number"),
    ("oulad", "events", 0, ["M-2013J-11", "2013-10-19", 101, "TMA", 10, "", "A+", ""], r"'A\+' is no number"),
    (RS, "support_tickets", 0, ["T", "A-1", "2023-01-01", "", 9, "minor", 3, "", ""], "'minor' is none of low"),
    (RS, "support_tickets", 1, ["T", "A-1", "2023-03-02", CLOSED, 9, "low", 3, 9.0, ""], "not on the scale"),
    (RS, "subscriptions", 0, ["S", "A-1", "2023-01-01", "", "Pro", 9, 1, 1, "maybe", *"abcde"], "'maybe' is none"),
    (RS, "churn_events", 1, ["C", "A-1", "soon", "x", 0, "", "", "", ""], "'soon' is no day"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "table", "place", "row", "why"), ODD)
def test_an_odd_row_is_told_with_file_line_and_reason(data, table, place, row, why, tmp_path: Path) -> None:
    rows = [*CONTENT[data][table]]
    rows[place] = row
    folder = write(tmp_path, data, {table: rows})
    with pytest.raises(DataError, match=rf"{table}\.csv\.gz, line {place + 2}: .*{why}"):
        list(lines(data, folder))


def test_fightchurn_labels_and_terms_must_agree_who_stayed(tmp_path: Path) -> None:
    terms = [*CONTENT["fightchurn"]["subscriptions"][:4], [3, "basic", "2023-01-10", "2023-04-01", 1, 1, "users", 1, 0]]
    labels = [*CONTENT["fightchurn"]["churn_labels"][:2], [3, "2023-01-10", "2023-04-01", 0, ""]]
    folder = write(tmp_path, "fightchurn", {"subscriptions": terms, "churn_labels": labels})
    with pytest.raises(DataError, match="line 4: account 3 has not left, but is paid only until 2023-04-01"):
        list(lines("fightchurn", folder))


def test_a_file_that_was_cut_off_is_told(tmp_path: Path) -> None:
    folder = write(tmp_path, "fightchurn")
    file = folder / "usage_daily.csv.gz"
    file.write_bytes(file.read_bytes()[:-12])
    with pytest.raises(DataError, match=r"usage_daily\.csv\.gz, line \d+: "):
        list(lines("fightchurn", folder))


@pytest.mark.parametrize("data", EVERY)
def test_rows_of_clients_that_the_folder_lacks_are_left_out_and_counted(data: str, tmp_path: Path) -> None:
    table = "accounts" if "accounts" in TABLES[data] else "subscriptions"
    left = Left()
    kept = list(lines(data, write(tmp_path, data, {table: CONTENT[data][table][1:]}), left))
    assert kept
    assert left.told()
    assert all("left out" in told and "(first: line" in told for told in left.told())


def command(*arguments: str, module: bool = False) -> subprocess.CompletedProcess[bytes]:
    start = ["-m", "tests.bench.datasets.fightchurn"] if module else ["tests/bench/datasets/fightchurn.py"]
    return subprocess.run([sys.executable, *start, *arguments], capture_output=True, cwd=ROOT, timeout=60, check=False)


def test_the_command_prints_lines_as_a_file_and_as_a_module(tmp_path: Path) -> None:
    folder = write(tmp_path, "fightchurn")
    expected = list(lines("fightchurn", folder, clients=2))
    for module in (False, True):
        ran = command(str(folder), "--clients", "2", module=module)
        assert (ran.returncode, ran.stderr) == (0, b"")
        assert ran.stdout.decode().splitlines() == expected


def test_the_command_says_what_is_wrong_and_how_it_ended(tmp_path: Path) -> None:
    ran = command(str(tmp_path))
    assert (ran.returncode, ran.stdout) == (1, b"")
    assert b"has neither accounts.csv.gz nor accounts.csv" in ran.stderr
    assert b"Traceback" not in ran.stderr
    assert command(str(tmp_path), "--until", "tomorrow").returncode == 2
    assert command(str(tmp_path), "--clients", "0").returncode == 2


def test_the_command_ends_quietly_when_nobody_reads_on(tmp_path: Path) -> None:
    many = [[1, f"2023-01-{1 + n // 400:02}", f"feature {n}", 1, ""] for n in range(10_000)]
    folder = write(tmp_path, "fightchurn", {"usage_daily": many})
    with subprocess.Popen(
        [sys.executable, "tests/bench/datasets/fightchurn.py", str(folder)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT,
    ) as ran:  # fmt: skip
        assert ran.stdout.readline()
        ran.stdout.close()
        assert ran.stderr.read() == b""
    assert ran.returncode == 0
