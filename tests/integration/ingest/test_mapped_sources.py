"""Sources that are one file each, over HTTP: proved, told apart, said, parked, quarantined, erased as any other."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import pytest
from ingest.sources import mapped
from loopctl.paths import REPOSITORY
from loopctl.spreadsheets import Spreadsheet

from tests.conftest import START
from tests.integration.ingest.conftest import PAYLOADS, Ingest

SOURCES = REPOSITORY / "deploy" / "config" / "sources"
CLIENTS = (
    "Client ID,Name,Contract start,MRR,Currency,Tier,Stripe customer ID\n"
    '7,"Northwind, Labs",2026-01-05,"1,250.50",EUR,core,cus_7\n'
    "8,Odd,2026-01-05,,,gold,\n"
    "9,Acme,2026-02-01,900,USD,,\n"
)


async def bring(ingest: Ingest, tmp_path: Path, source: str, content: str) -> tuple[dict[str, Any], Spreadsheet]:
    file = tmp_path / f"{source}.csv"
    file.write_text(content)
    sheet = Spreadsheet(file, SOURCES / f"{source}.yaml")
    body = b"".join(block for block, _ in sheet.blocks(0))
    answer = await ingest.call("POST", "/v1/imports", content=body)
    assert answer.status_code == 200, answer.text
    report: dict[str, Any] = answer.json()
    return report, sheet


def paddle(event_id: str, **data: Any) -> dict[str, Any]:
    return {"event_id": event_id, "event_type": "transaction.past_due", "occurred_at": START.isoformat(),
            "data": {"id": "txn_1", "customer_id": "ctm_1", "currency_code": "USD",
                     "details": {"totals": {"grand_total": "4900"}}, **data}}  # fmt: skip


async def test_rows_of_clients_and_of_usage_become_history(ingest: Ingest, tmp_path: Path) -> None:
    report, sheet = await bring(ingest, tmp_path, "clients-csv", CLIENTS)
    assert (report["accepted"], report["refused"]) == (2, 0)
    assert [(told["row"], told["outcome"]) for told in sheet.report.told] == [(3, "refused")]
    usage = "Date,Client ID,Feature,Quantity,Logins\n2026-02-20,7,Report Exported,3,2\n2026-02-21,99,reports,1,\n"
    report, sheet = await bring(ingest, tmp_path, "usage-csv", usage)
    assert (report["accepted"], report["refused"]) == (2, 1)
    assert [sheet.row_of(told["line"]) for told in report["not_taken"]] == [3], "told by the row of the spreadsheet"
    said = [(name, data) for name, data in await ingest.said() if name != "import_finished"]
    assert [name for name, _ in said] == ["client_registered", "client_registered", "usage_recorded", "logged_in"]
    assert said[0][1]["mrr"] == {"amount": 125050, "currency": "EUR"}
    assert said[2][1] == {"feature": "report_exported", "quantity": 3.0}
    found = await ingest.call("GET", "/v1/clients/by-ref/stripe/customer/cus_7")
    assert found.json()["profile"]["name"] == "Northwind, Labs"


async def test_the_same_table_again_counts_once(ingest: Ingest, tmp_path: Path) -> None:
    await bring(ingest, tmp_path, "clients-csv", CLIENTS)
    report, _ = await bring(
        ingest, tmp_path, "clients-csv", CLIENTS.replace("8,Odd,2026-01-05,,,gold,", "8,Odd,2026-01-05,,,core,")
    )
    assert (report["accepted"], report["repeated"]) == (1, 2)


@pytest.mark.skipif(not PAYLOADS.exists(), reason="the shared payloads are not beside this checkout")
@pytest.mark.parametrize("source", ["freshdesk", "delighted", "posthog"])
async def test_a_real_body_is_taken_with_its_own_proof_and_once(ingest: Ingest, source: str) -> None:
    [file] = (PAYLOADS / source).glob("*.json")
    first = await ingest.webhook(source, file.read_bytes())
    assert (first.status_code, first.json()) == (202, {"accepted": 1, "duplicates": 0})
    again = await ingest.webhook(source, file.read_bytes())
    assert again.json() == {"accepted": 0, "duplicates": 1}
    assert await ingest.count("parked") > 0, "nobody said whose it is"
    forged = await ingest.http.post(f"/v1/webhooks/{source}", content=file.read_bytes())
    assert forged.status_code == 401


async def test_what_waits_for_a_customer_is_said_once_its_custom_field_names_the_client(
    ingest: Ingest, tmp_path: Path
) -> None:
    await bring(ingest, tmp_path, "clients-csv", CLIENTS)
    await ingest.webhook("paddle", paddle("evt_1"))
    assert await ingest.count("parked") == 1
    named = {"event_id": "evt_2", "event_type": "customer.updated", "occurred_at": START.isoformat(),
             "data": {"id": "ctm_1", "custom_data": {"client_ref": "csv:company:9"}}}  # fmt: skip
    await ingest.webhook("paddle", named)
    assert await ingest.count("parked") == 0
    assert ("invoice_overdue", {"invoice_id": "txn_1", "amount": {"amount": 4900, "currency": "USD"}}) in (
        await ingest.said()
    )


async def test_a_value_that_the_map_does_not_know_is_quarantined_with_its_rule(ingest: Ingest) -> None:
    await ingest.webhook("paddle", paddle("evt_1", currency_code="dollars"))
    [held] = (await ingest.call("GET", "/v1/quarantine")).json()["items"]
    assert held["reason"] == "invoice_overdue: amount: 'dollars' is no currency"
    again = await ingest.call("POST", f"/v1/quarantine/{held['id']}/replay")
    assert again.status_code == 422, "still unreadable under the same map"


async def test_unknown_kinds_are_counted_and_kept(ingest: Ingest) -> None:
    answer = await ingest.webhook("paddle", {"event_id": "e", "event_type": "brand.new", "data": {}})
    assert answer.status_code == 202
    assert await ingest.count("raw_bodies") == 1


async def test_our_own_words_come_by_standard_webhooks(ingest: Ingest, tmp_path: Path) -> None:
    await bring(ingest, tmp_path, "clients-csv", CLIENTS)
    body = {"type": "csl.client.logged_in.v1", "timestamp": START.isoformat(), "subject": "ref:csv:company:7",
            "data": {"count": 2}}  # fmt: skip
    assert (await ingest.webhook("standardwebhooks", body)).json() == {"accepted": 1, "duplicates": 0}
    assert (await ingest.webhook("standardwebhooks", body)).json() == {"accepted": 0, "duplicates": 1}
    assert ("logged_in", {"count": 2}) in await ingest.said()
    assert (await ingest.webhook("standardwebhooks", {**body, "type": "csl.client.nonsense.v1"})).status_code == 202
    assert await ingest.count("quarantine") == 1


async def test_a_source_of_files_takes_no_posts(ingest: Ingest) -> None:
    answer = await ingest.http.post("/v1/webhooks/clients-csv", content=b"{}", auth=("x", "local-clients-csv-secret"))
    assert answer.status_code == 401


async def test_erasing_a_client_leaves_what_the_same_body_says_of_others(ingest: Ingest, tmp_path: Path) -> None:
    await bring(ingest, tmp_path, "clients-csv", CLIENTS)
    two = [
        {"event_id": f"evt_{n}", "event_type": "customer.updated", "occurred_at": START.isoformat(),
         "data": {"id": f"ctm_{n}", "custom_data": {"client_ref": f"csv:company:{n}"}}}
        for n in (7, 9)
    ]  # fmt: skip
    assert (await ingest.webhook("paddle", two)).json() == {"accepted": 2, "duplicates": 0}
    seven = (await ingest.call("GET", "/v1/clients/by-ref/paddle/customer/ctm_7")).json()["client_id"]
    assert (await ingest.call("DELETE", f"/v1/clients/{seven}")).status_code in {200, 202, 204}
    [row] = await ingest.rows("SELECT body FROM raw_bodies")
    left = zlib.decompress(row.body)
    assert (b"ctm_7" in left, b"ctm_9" in left) == (False, True)
    config = ingest.service.app.state.ingest.sources["paddle"]
    [event] = mapped.split(left, {}, config)
    assert (event.key, event.kind) == ("evt_9", "customer.updated"), "what is left can be replayed as it came"
