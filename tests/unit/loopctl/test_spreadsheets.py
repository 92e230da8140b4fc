"""A CSV becomes the lines of an import by the map of its source, row by row."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from ingest import forms
from loopctl.errors import WrongUsage
from loopctl.paths import REPOSITORY
from loopctl.spreadsheets import Spreadsheet

SHIPPED = REPOSITORY / "deploy" / "config" / "sources"
CLIENTS = "Client ID,Name,Contract start,MRR\n"
MAP = """
vendor: mapped
csv: {}
time: day
refs: [{ source: csv, kind: company, id: client }]
kinds:
  event:
    - say: usage_recorded
      when: feature
      fields: { feature: feature, quantity: n }
    - say: logged_in
      when: logins
      fields: { count: logins }
"""
HEAD = "Client,Day,Feature,N,Logins\n"


def sheet(tmp_path: Path, content: str | bytes, *, mapping: str | Path = MAP) -> Spreadsheet:
    file, map_file = tmp_path / "rows.csv", tmp_path / "rows-csv.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    if isinstance(mapping, Path):
        return Spreadsheet(file, mapping)
    map_file.write_text(mapping)
    return Spreadsheet(file, map_file)


def lines(found: Spreadsheet, after: int = 0) -> list[dict[str, Any]]:
    raw = b"".join(block for block, _ in found.blocks(after))
    return [json.loads(line) for line in raw.split(b"\n") if line.strip()]


def clients(tmp_path: Path, content: str | bytes) -> list[dict[str, Any]]:
    return [line["data"] for line in lines(sheet(tmp_path, content, mapping=SHIPPED / "clients-csv.yaml"))]


def test_a_row_becomes_lines_that_an_import_takes(tmp_path: Path):
    found = lines(sheet(tmp_path, HEAD + "7,2026-03-02,reports,3,\n8,2026-03-02,,,2\n"))
    assert found == [
        {"type": "csl.client.usage_recorded.v1", "source": "rows-csv", "subject": "ref:csv:company:7",
         "time": "2026-03-02T00:00:00+00:00", "data": {"feature": "reports", "quantity": 3.0}},
        {"type": "csl.client.logged_in.v1", "source": "rows-csv", "subject": "ref:csv:company:8",
         "time": "2026-03-02T00:00:00+00:00", "data": {"count": 2}},
    ]  # fmt: skip
    for line in found:
        forms.read(line, imported=True)


def test_the_shipped_map_of_clients_registers_them_with_their_names_elsewhere(tmp_path: Path):
    content = (
        "\ufeffClient ID;Name;Domain;Tier;CSM;Contract start;Renewal;MRR;Currency;Seats;Key features;"
        "HubSpot company ID\r\n"
        '7;"Northwind; Labs";northwind.example;Core;maya@ours.example;2026-01-05;2027-01-05;"1,250.50";EUR;40;'
        '"reports; exports";18412397\r\n'
    )
    found = sheet(tmp_path, content, mapping=SHIPPED / "clients-csv.yaml")
    [line] = lines(found)
    assert (line["type"], line["time"]) == ("csl.client.client_registered.v1", "2026-01-05T00:00:00+00:00")
    assert line["data"] == {
        "name": "Northwind; Labs", "domain": "northwind.example", "tier": "core", "csm_email": "maya@ours.example",
        "contract_started_on": "2026-01-05", "renewal_on": "2027-01-05", "mrr": {"amount": 125050, "currency": "EUR"},
        "seats": 40, "key_features": ["reports", "exports"],
        "refs": [{"source": "csv", "kind": "company", "id": "7"},
                 {"source": "hubspot", "kind": "company", "id": "18412397"}],
    }  # fmt: skip
    assert forms.read(line, imported=True).statement.creates


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_every_encoding_that_spreadsheets_write_is_read(tmp_path: Path, encoding: str):
    content = (CLIENTS + "7,Café Größe – GmbH,2026-01-05,9\n").encode(encoding)
    assert clients(tmp_path, content)[0]["name"] == "Café Größe – GmbH"


def test_a_byte_that_its_encoding_has_not_is_told_by_row(tmp_path: Path):
    found = sheet(tmp_path, b"Client,Day,Logins\n7,2026-03-02,1\n\x81\xe9,2026-03-02,1\n9,2026-03-02,1\n")
    assert len(lines(found)) == 2
    assert [(told["row"], told["outcome"]) for told in found.report.told] == [(3, "refused")]
    assert "no cp1252" in found.report.told[0]["reason"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_told_by_the_names(tmp_path: Path, delimiter: str):
    content = (CLIENTS + '7,"A, B",2026-01-05,9\n').replace(",", delimiter)
    assert clients(tmp_path, content)[0]["name"] == f"A{delimiter} B"
    assert clients(tmp_path, f"sep={delimiter}\r\n{content}")[0]["name"] == f"A{delimiter} B"


def test_a_cell_may_hold_lines_and_quotes(tmp_path: Path):
    content = CLIENTS + '7,"two\nlines ""quoted""",2026-01-05,9\n8,Acme,2026-01-05,9\n'
    found = sheet(tmp_path, content, mapping=SHIPPED / "clients-csv.yaml")
    assert [line["data"]["name"] for line in lines(found)] == ['two\nlines "quoted"', "Acme"]
    assert found.rows == 2


def test_empty_cells_are_absent_and_numbers_are_written_as_the_map_says(tmp_path: Path):
    german = (SHIPPED / "clients-csv.yaml").read_text().replace(
        'formats: { decimal: ".", thousands: ",", dates: [] }',
        'formats: { decimal: ",", thousands: ".", dates: ["%d.%m.%Y"] }',
    )  # fmt: skip
    content = "Client ID;Name;Contract start;MRR;Currency\n7;;05.01.2026;1.250,50 €;EUR\n"
    [line] = lines(sheet(tmp_path, content, mapping=german))
    assert line["data"]["mrr"] == {"amount": 125050, "currency": "EUR"}
    assert line["data"]["contract_started_on"] == "2026-01-05"
    assert "name" not in line["data"]


def test_wrong_rows_are_told_by_their_number_in_the_spreadsheet(tmp_path: Path):
    content = (
        HEAD
        + "7,2026-03-02,reports,3,1\n"
        + '7,2026-03-02,"a\nb",3,\n'  # one row on two lines
        + "\n"
        + "7,someday,reports,3,\n"
        + "7,2026-03-02,reports,many,\n"
        + ",2026-03-02,reports,3,\n"
        + "7,2026-03-02,,,\n"
        + "7,2026-03-02,reports,3,1,extra\n"
    )
    found = sheet(tmp_path, content)
    assert len(lines(found)) == 3
    assert [(told["row"], told["outcome"], told["reason"]) for told in found.report.told] == [
        (5, "refused", "it has no time that can be read: Day holds 'someday'"),
        (6, "refused", "usage_recorded: quantity: 'many' is no number"),
        (7, "refused", "usage_recorded: nothing in it names a client"),
        (8, "skipped", "event: nothing in it is read"),
        (9, "refused", "it has 6 cells, and there are 5 columns"),
    ]
    assert (found.rows, found.report.refused, found.report.skipped) == (7, 4, 1)


@pytest.mark.parametrize(
    ("head", "row", "told"),
    [
        ("Client ID,Registered on,Contract start", "7,,", "Registered on is empty; Contract start is empty"),
        ("Client ID,Registered on,Contract start", "7,soon,", "Registered on holds 'soon'; Contract start is empty"),
        ("Client ID,Contract start", "7,", "there is no column registered_on; Contract start is empty"),
        ("Client ID,Name", "7,Acme", "there is no column registered_on; there is no column contract_start"),
    ],
)
def test_a_row_without_a_time_is_told_which_columns_could_have_held_it(tmp_path: Path, head: str, row: str, told: str):
    found = sheet(tmp_path, f"{head}\n{row}\n", mapping=SHIPPED / "clients-csv.yaml")
    assert lines(found) == []
    assert found.report.told[0]["reason"] == f"it has no time that can be read: {told}"


def test_a_map_that_names_no_time_says_so(tmp_path: Path):
    found = sheet(tmp_path, HEAD + "7,2026-03-02,reports,3,\n", mapping=MAP.replace("time: day\n", ""))
    assert lines(found) == []
    assert found.report.told[0]["reason"].endswith("the map says of no column that it holds one")


@pytest.mark.parametrize(
    ("amount", "currency", "told"),
    [
        ("1500.50", "JPY", "'1500.50' is no amount of JPY, which has no decimals"),
        ("0.4", "KRW", "'0.4' is no amount of KRW, which has no decimals"),
        ("19.999", "USD", "'19.999' is no amount of USD, which has 2 decimals"),
        ("1.5005", "KWD", "'1.5005' is no amount of KWD, which has 3 decimals"),
    ],
)
def test_an_amount_with_more_decimals_than_its_currency_has_refuses_its_row(
    tmp_path: Path, amount: str, currency: str, told: str
):
    content = f"Client ID,Contract start,MRR,Currency\n7,2026-01-05,{amount},{currency}\n"
    found = sheet(tmp_path, content, mapping=SHIPPED / "clients-csv.yaml")
    assert lines(found) == []
    assert found.report.told[0]["reason"] == f"client_registered: mrr: {told}"


def test_zeros_behind_the_point_are_no_decimals(tmp_path: Path):
    [told] = clients(tmp_path, "Client ID,Contract start,MRR,Currency\n7,2026-01-05,1500.00,JPY\n")
    assert told["mrr"] == {"amount": 1500, "currency": "JPY"}


def test_a_lines_number_tells_its_row_however_much_a_row_says(tmp_path: Path):
    found = sheet(tmp_path, HEAD + "7,2026-03-02,reports,3,1\n7,2026-03-03,,,2\n7,2026-03-04,exports,1,\n")
    raw = b"".join(block for block, _ in found.blocks(0)).split(b"\n")[:-1]
    told = [(found.row_of(number), json.loads(line)["time"][8:10]) for number, line in enumerate(raw, 1) if line]
    assert told == [(2, "02"), (2, "02"), (3, "03"), (4, "04")]


def test_an_interrupted_import_goes_on_behind_the_last_stored_line(tmp_path: Path):
    content = HEAD + "".join(f"{n},2026-03-02,reports,3,1\n" for n in range(1, 50)) + "x,never,reports,1,\n"
    found = sheet(tmp_path, content)
    whole = b"".join(block for block, _ in found.blocks(0))
    for after in (0, 1, 2, 3, 50, 98, 200):
        rest = b"".join(block for block, _ in found.blocks(after))
        assert rest == b"".join(whole.splitlines(keepends=True)[after:])
        assert found.report.refused == 1


def test_the_same_rows_under_the_same_map_are_the_same_import(tmp_path: Path):
    first = sheet(tmp_path, HEAD + "7,2026-03-02,reports,3,1\n").id
    assert sheet(tmp_path, HEAD + "7,2026-03-02,reports,3,1\n").id == first
    assert sheet(tmp_path, HEAD + "7,2026-03-02,reports,4,1\n").id != first
    assert sheet(tmp_path, HEAD + "7,2026-03-02,reports,3,1\n", mapping=MAP + "# mended\n").id != first


def test_a_key_makes_equal_rows_two_events(tmp_path: Path):
    content = "Client,Day,Feature,N,Logins,Row\n7,2026-03-02,reports,3,,a\n7,2026-03-02,reports,3,,b\n"
    assert [line.get("id") for line in lines(sheet(tmp_path, content))] == [None, None]
    assert [line["id"] for line in lines(sheet(tmp_path, content, mapping=MAP + "key: row\n"))] == ["a:0", "b:0"]


def test_people_and_links_have_an_import_form_too(tmp_path: Path):
    mapping = """
vendor: mapped
csv: {}
time: day
refs: [{ company: client }]
kinds:
  event:
    - contact: known
      when: mail
      fields: { contact_id: person_id(mail), first_name: first, last_name: last, email: mail }
    - links: [{ source: stripe, kind: customer, id: stripe }]
      when: stripe
"""
    content = "Client,Day,First,Last,Mail,Stripe\n7,2026-03-02,Ada,Okafor,ada@x.example,\n7,2026-03-02,,,,cus_1\n"
    [person, link] = lines(sheet(tmp_path, content, mapping=mapping))
    assert person["type"] == "csl.client.contact_added.v1"
    assert {name: person["data"][name] for name in ("name", "email", "role")} == {
        "name": "Ada Okafor", "email": "ada@x.example", "role": "user",
    }  # fmt: skip
    assert (link["type"], link["data"]) == (
        "csl.client.client_updated.v1", {"refs": [{"source": "stripe", "kind": "customer", "id": "cus_1"}]},
    )  # fmt: skip
    for line in (person, link):
        forms.read(line, imported=True)


@pytest.mark.parametrize(
    ("content", "mapping", "why"),
    [
        ("Client,client\n1,2\n", MAP, "several columns are called client"),
        (HEAD, SHIPPED / "stripe.yaml", "has no `csv:`"),
        (HEAD, SHIPPED / "nowhere.yaml", "there are clients-csv, usage-csv"),
        (HEAD, MAP + "nonsense: 1\n", r"rows-csv\.yaml:14: nonsense"),
    ],
)
def test_what_cannot_be_a_table_is_said_before_anything_is_sent(
    tmp_path: Path, content: str, mapping: str | Path, why: str
):
    with pytest.raises(WrongUsage, match=why):
        lines(sheet(tmp_path, content, mapping=mapping))


def test_an_open_quote_is_told_and_what_stood_before_it_is_sent(tmp_path: Path):
    found = sheet(tmp_path, HEAD + '7,2026-03-02,reports,3,1\n8,2026-03-02,"never closed,3,1\n9,2026-03-02,x,1,1\n')
    assert len(lines(found)) == 2
    assert [(told["row"], told["outcome"]) for told in found.report.told] == [(3, "refused")]


def test_a_long_file_takes_no_more_memory_than_a_short_one(tmp_path: Path):
    found = sheet(tmp_path, HEAD + "7,2026-03-02,reports,3,1\n" * 5_000)
    tracemalloc.start()
    sent = sum(len(block) for block, _ in found.blocks(0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sent > 1_500_000
    assert peak < 1_000_000


@pytest.mark.parametrize("rows", [b"\x00C\x00", CLIENTS.encode("utf-16-be") + "1,Ü".encode("utf-16-be")[:-1]])
def test_a_file_cut_off_within_a_character_is_refused_and_not_a_fault_of_ours(tmp_path: Path, rows: bytes) -> None:
    found = sheet(tmp_path, b"\xfe\xff" + rows, mapping=SHIPPED / "clients-csv.yaml")
    assert lines(found) == []
    [told] = found.report.told
    assert told["outcome"] == "refused"
    assert told["reason"].startswith("it cannot be read, nor can what follows")
