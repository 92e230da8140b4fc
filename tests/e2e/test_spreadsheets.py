"""What teams have first: a table of clients and one of usage go in from the shell and show a score."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.loop_stack import LoopStack, eventually


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


def test_a_table_of_clients_goes_in_and_wrong_rows_are_told_by_number(loop: LoopStack, folder: Path):
    table = folder / "clients.csv"
    names = "Client ID;Name;Contract start;MRR;Currency;Tier;Key features\n"
    rows = names + "1001;Northwind;2026-01-05;1,250.50;EUR;core;reports\n"
    table.write_text(rows + "1002;Odd;2026-01-05;;;gold;\n", encoding="utf-16")
    done = loop.run("import", "--source", "clients-csv", str(table), check=False)
    assert done.returncode == 1
    assert "2 rows" in done.stdout
    assert "row 3 refused: client_registered: tier: 'gold' is none of strategic, core, standard" in done.stdout
    table.write_text(rows, encoding="utf-16")
    again = json.loads(loop.run("import", "--source", "clients-csv", str(table), "--json").stdout)
    assert (again["complete"], again["rows"], again["repeated"]) == (True, 1, 1)


def test_a_table_of_usage_shows_a_score(loop: LoopStack, folder: Path):
    today = datetime.fromisoformat(loop.now()).date()
    days = [(today - timedelta(days=n)).isoformat() for n in range(90, 0, -1)]
    table = folder / "usage.csv"
    table.write_text(
        "Date,Client ID,Feature,Quantity,Active users,Logins\n"
        + "".join(f"{day},1001,Reports,9,4,\n{day},1001,,,,3\n" for day in days)
    )
    tried = loop.run("sources", "try", "usage-csv", str(table))
    assert "180 rows, 0 refused" in tried.stdout
    told = json.loads(loop.run("import", "--source", "usage-csv", str(table), "--json").stdout)
    assert (told["complete"], told["rows"], told["accepted"]) == (True, 180, 180)
    client = loop.get("ingest", "/v1/clients/by-ref/csv/company/1001")["client_id"]

    def scored() -> Any:
        found = loop.get("health", f"/v1/clients/{client}/health")
        usage = next((c for c in found["components"] if c["name"] == "usage"), None) if found else None
        return found if usage and usage["score"] is not None else None

    found = eventually(scored, "a score that knows the usage")
    assert found["score"] is not None
    assert found["band"] == "unknown", "usage and contract alone are too little to call a client green"
    assert "Northwind" in loop.run("portfolio").stdout
