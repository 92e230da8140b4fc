"""POST /v1/imports: history in any number of pieces, once."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.conftest import START
from tests.integration.ingest.conftest import Ingest

REF = "ref:hubspot:company:1"


def line(name: str, days_ago: float, data: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    at = (START - timedelta(days=days_ago)).isoformat()
    return {
        "type": f"csl.client.{name}.v1",
        "source": "hubspot",
        "subject": REF,
        "time": at,
        "data": data or {},
        **more,
    }


HISTORY = [
    line(
        "client_registered", 100, {"name": "Old Friend", "refs": [{"source": "segment", "kind": "group", "id": "g1"}]}
    ),
    line("contact_added", 90, {"contact_id": "c1", "role": "champion"}),
    line("logged_in", 10, {"count": 3}, source="segment"),
    line(
        "ticket_opened", 5, {"ticket_id": "t1", "priority": "high"}, source="zendesk", text="This is broken and awful!"
    ),
]


async def bring(ingest: Ingest, lines: Iterable[Any], **query: Any) -> dict[str, Any]:
    body = b"".join((item if isinstance(item, bytes) else json.dumps(item).encode()) + b"\n" for item in lines)
    answer = await ingest.call("POST", "/v1/imports", content=body, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def taken(report: dict[str, Any]) -> tuple[int, int, int, int]:
    return report["accepted"], report["repeated"], report["skipped"], report["refused"]


async def test_history_is_said_with_its_own_times_and_ends_with_import_finished(ingest: Ingest) -> None:
    report = await bring(ingest, HISTORY)
    assert taken(report) == (4, 0, 0, 0)
    events = await ingest.published()
    names = [event.type.split(".")[2] for event in events]
    assert names == ["client_registered", "contact_added", "logged_in", "ticket_opened", "import_finished"]
    assert all(event.time == event.knowntime and event.origin == "import" for event in events)
    assert events[3].data.reading.sentiment < 0
    finished = events[-1].data
    assert (finished.from_, finished.to) == (events[0].time, events[3].time)


async def test_repeating_an_import_has_no_effect(ingest: Ingest) -> None:
    await bring(ingest, HISTORY)
    again = await bring(ingest, [*HISTORY, HISTORY[2]])
    assert taken(again) == (0, 5, 0, 0)
    assert len(await ingest.published()) == 5


async def test_wrong_lines_are_reported_and_the_rest_is_taken(ingest: Ingest) -> None:
    lines = [HISTORY[0], b"nonsense", line("logged_in", 3, {"count": -1}), line("logged_in", 2, subject="ref:a:b:c"),
             {**HISTORY[1], "source": None}, {**HISTORY[1], "time": None}, b"", HISTORY[1]]  # fmt: skip
    report = await bring(ingest, lines)
    assert taken(report) == (2, 0, 0, 5)
    assert [entry["line"] for entry in report["not_taken"]] == [2, 3, 4, 5, 6]
    reasons = [entry["reason"] for entry in report["not_taken"]]
    assert "not JSON" in reasons[0]
    assert reasons[1].startswith("data.count")
    assert "register it first" in reasons[2]
    assert reasons[3].startswith("source")
    assert reasons[4].startswith("time")
    page = (await ingest.call("GET", f"/v1/imports/{report['import_id']}/lines?limit=2")).json()
    assert [entry["line"] for entry in page["items"]] == [2, 3]
    # once the client is there, the same file brings what was refused
    fixed = await bring(ingest, [line("client_registered", 50, subject="ref:a:b:c"), *lines])
    assert taken(fixed) == (2, 2, 0, 4)


async def test_additive_history_ends_where_the_live_feed_of_that_source_began(ingest: Ingest) -> None:
    await bring(ingest, HISTORY)
    live = {"type": "track", "event": "Signed In", "messageId": "m1", "context": {"groupId": "g1"},
            "timestamp": START.isoformat()}  # fmt: skip
    ingest.clock.advance(hours=1)
    await ingest.webhook("segment", live)
    ingest.clock.advance(days=1)
    report = await bring(ingest, [
        line("logged_in", -0.02, {"count": 1}, source="segment"),
        line("logged_in", 4, {"count": 1}, source="segment"),
        line("logged_in", -0.03, {"count": 1}, source="warehouse"),
    ])  # fmt: skip
    assert taken(report) == (2, 0, 1, 0)
    after = (await ingest.published())[-2]
    assert after.knowntime == ingest.clock.now(), "later than the first live event: known only now"


async def test_a_cut_off_import_is_finished_by_the_next(ingest: Ingest) -> None:
    import_id = str(uuid4())
    importer = ingest.service.app.state.ingest.importer

    async def broken() -> Any:
        for item in HISTORY[:2]:
            yield json.dumps(item).encode()
        raise ConnectionError("the sender is gone")

    with contextlib.suppress(ConnectionError):
        await replace(importer, chunk_lines=1).run(UUID(import_id), broken(), by="maya")
    progress = (await ingest.call("GET", f"/v1/imports/{import_id}")).json()
    assert (progress["lines"], progress["finished_at"]) == (2, None)
    report = await bring(ingest, HISTORY, import_id=import_id)
    assert taken(report) == (4, 0, 0, 0), "each line counts once, however often it is sent"
    names = [event.type.split(".")[2] for event in await ingest.published()]
    assert names.count("import_finished") == 1
    assert len(names) == 5


def every(report: dict[str, Any]) -> int:
    return sum(taken(report)) + report["blank"]


@pytest.mark.parametrize("again_from", [1, 2, 3, 4, 6])
async def test_a_resumed_import_accounts_for_every_line_once(ingest: Ingest, again_from: int) -> None:
    """As `loop import` does when it was stopped: what was stored after it looked comes once more."""
    lines = [HISTORY[0], b"", b"no json", *HISTORY[1:], HISTORY[1]]
    import_id = str(uuid4())
    before = await bring(ingest, lines[:5], import_id=import_id)
    assert (before["lines"], taken(before), before["blank"]) == (5, (3, 0, 0, 1), 1)
    report = await bring(ingest, lines[again_from - 1 :], import_id=import_id, first_line=again_from)
    assert every(report) == report["lines"] == len(lines)
    assert (taken(report), report["blank"]) == ((4, 1, 0, 1), 1)
    assert [told["line"] for told in report["not_taken"] if told["outcome"] == "refused"] == [3]


async def test_a_line_that_was_mended_counts_as_what_it_is_now(ingest: Ingest) -> None:
    import_id = str(uuid4())
    lines = [HISTORY[0], b"no json", line("logged_in", 3, {"count": 1}, subject="ref:segment:group:later")]
    report = await bring(ingest, lines, import_id=import_id)
    assert taken(report) == (1, 0, 0, 2)
    later = {**HISTORY[0], "subject": "ref:segment:group:later", "data": {"name": "Later"}}
    await bring(ingest, [later])
    report = await bring(ingest, [HISTORY[0], HISTORY[1], lines[2]], import_id=import_id)
    assert (taken(report), report["not_taken"]) == ((3, 0, 0, 0), [])
    assert every(report) == report["lines"] == 3


async def test_what_is_sent_twice_at_once_is_counted_once(ingest: Ingest) -> None:
    """A sender that was cut off comes again while ingest still stores what it had sent."""
    import_id = str(uuid4())
    reports = await asyncio.gather(*(bring(ingest, HISTORY, import_id=import_id) for _ in range(3)))
    report = (await ingest.call("GET", f"/v1/imports/{import_id}")).json()
    assert (taken(report), every(report)) == ((4, 0, 0, 0), 4)
    assert all(every(one) <= 4 for one in reports)


async def test_a_client_may_be_named_by_our_own_id(ingest: Ingest) -> None:
    own = str(uuid4())
    registered = {**HISTORY[0], "subject": own}
    report = await bring(
        ingest, [registered, {**HISTORY[1], "subject": own}, {**HISTORY[2], "subject": "ref:segment:group:g1"}]
    )
    assert taken(report) == (3, 0, 0, 0)
    assert {str(event.client_id) for event in await ingest.published()} == {own}


async def test_an_erased_client_comes_back_only_if_that_is_meant(ingest: Ingest) -> None:
    await bring(ingest, HISTORY)
    client = (await ingest.published())[0].client_id
    await ingest.call("DELETE", f"/v1/clients/{client}")
    assert taken(await bring(ingest, HISTORY)) == (0, 0, 4, 0)
    assert (await ingest.call("GET", "/v1/clients")).json()["items"] == []
    assert taken(await bring(ingest, HISTORY, recreate=True)) == (4, 0, 0, 0)
    assert (await ingest.published())[-1].client_id != client


async def test_lines_of_the_same_instant_keep_their_order(ingest: Ingest) -> None:
    await bring(ingest, [HISTORY[0], *(line("kpi_reported", 1, {"kpi": "roi", "value": n}) for n in range(30))])
    told = [event for event in await ingest.published() if "kpi" in event.type]
    assert [event.data.value for event in sorted(told, key=lambda event: event.order)] == list(range(30))


async def test_erased_people_do_not_come_back_with_history(ingest: Ingest) -> None:
    await bring(ingest, HISTORY)
    client = (await ingest.published())[0].client_id
    gone = await ingest.call("DELETE", "/v1/contacts/c1", params={"client_id": str(client)})
    assert gone.is_success, gone.text
    ingest.clock.advance(days=1)
    old = line("logged_in", 8, {"contact_id": "c1", "count": 2}, source="warehouse")
    new = line("logged_in", -0.5, {"contact_id": "c1", "count": 4}, source="warehouse")
    other = line("logged_in", 8, {"contact_id": "c2", "count": 1}, source="warehouse")
    report = await bring(ingest, [old, new, other])
    assert taken(report) == (2, 0, 1, 0)
    told = [event.data for event in (await ingest.published())[-3:-1]]
    assert sorted((one.contact_id or "", one.count) for one in told) == [("", 4), ("c2", 1)]


async def test_a_first_line_beyond_any_file_is_refused(ingest: Ingest) -> None:
    answer = await ingest.call("POST", "/v1/imports", content=b"nonsense", params={"first_line": 2**81})
    assert answer.status_code == 422
    assert "first_line" in answer.text
