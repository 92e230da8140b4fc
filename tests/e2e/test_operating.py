"""What an operator does to a stack, and what a crash does: `loop up` heals, nothing is lost, commands say so.

One stack for the whole module; the tests build on each other in the order in which they stand.
"""

from __future__ import annotations

import json
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiokafka import AIOKafkaProducer
from loopctl import business_time, inspection, provision
from loopctl.stack import Stack

from tests.support.loop_stack import LoopStack, eventually

SOURCE = {"source": "hubspot", "time": "2026-05-01T08:00:00Z", "subject": "ref:hubspot:company:4711"}
REGISTERED = {
    **SOURCE,
    "type": "csl.client.client_registered.v1",
    "data": {"name": "Fjordkraft", "refs": [{"source": "hubspot", "kind": "company", "id": "4711"}]},
}


def logged_in(day: int) -> dict[str, Any]:
    event = {**SOURCE, "source": "segment", "time": f"2026-05-{day:02}T09:00:00Z", "data": {"count": day}}
    return {**event, "type": "csl.client.logged_in.v1"}


def pids(stack: Stack) -> dict[str, int | None]:
    return {part.name: part.process.pid if part.process else None for part in inspection.parts(stack)}


def write(file: Path, *lines: Any) -> str:
    file.write_text("".join(json.dumps(line) + "\n" if not isinstance(line, str) else line for line in lines))
    return str(file)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


def test_a_second_up_changes_nothing_that_runs(loop: LoopStack):
    before = pids(loop.stack)
    assert "all of it ran already" in loop.run("up").stdout
    assert pids(loop.stack) == before
    assert loop.run("status").returncode == 0


def test_a_second_stack_on_the_same_ports_is_told_who_has_them(loop: LoopStack, folder: Path):
    other = LoopStack(folder / "other")
    done = other.run("up", "--ports", str(loop.stack.base), "--no-demo", check=False)
    assert done.returncode == 1
    assert "is taken by" in done.stderr
    assert "--ports" in done.stderr


def test_history_is_imported_once_however_often_it_is_sent(loop: LoopStack, folder: Path):
    file = write(folder / "history.ndjson", REGISTERED, *[logged_in(day) for day in range(2, 30)])
    first = json.loads(loop.run("import", file, "--json").stdout)
    again = json.loads(loop.run("import", file, "--json").stdout)
    assert (first["complete"], first["accepted"]) == (True, 29)
    assert (again["complete"], again["accepted"], again["repeated"]) == (True, 0, 29)
    assert loop.messages(channel="slack") == []
    assert loop.messages(channel="email") == []


def test_a_line_that_cannot_be_stored_is_named_and_fails_the_import(loop: LoopStack, folder: Path):
    file = write(folder / "broken.ndjson", logged_in(30), {"type": "csl.client.logged_in.v1"}, "not json\n")
    done = loop.run("import", file, "--json", check=False)
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert (told["accepted"], told["refused"]) == (1, 2)
    assert [line["line"] for line in told["not_taken"]] == [2, 3]


def test_whatever_is_killed_runs_again_after_up_and_nothing_is_missing(loop: LoopStack, folder: Path):
    before = pids(loop.stack)
    for pid in before.values():
        assert pid is not None
        psutil.Process(pid).kill()
    down = loop.run("doctor", "--json", check=False)
    assert down.returncode == 1
    assert {"postgres does not run", "kafka does not run", "health does not run"} <= {
        finding["what"] for finding in json.loads(down.stdout)["findings"]
    }
    loop.run("up")
    assert not set(before.values()) & set(pids(loop.stack).values())
    loop.run("import", write(folder / "more.ndjson", logged_in(31)))
    assert json.loads(loop.run("verify", "--json").stdout)["differences"] == []


def test_one_that_hangs_is_started_anew(loop: LoopStack):
    before = pids(loop.stack)
    notify = psutil.Process(before["notify"])
    notify.send_signal(signal.SIGSTOP)
    assert "notify runs but does not answer" in loop.run("up").stdout
    after = pids(loop.stack)
    assert after.pop("notify") != before.pop("notify")
    assert after == before


async def publish(servers: str, topic: str, body: bytes, type_: str, key: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=servers)
    await producer.start()
    try:
        await producer.send_and_wait(topic, body, key=key.encode(), headers=[("ce_type", type_.encode())])
    finally:
        await producer.stop()


def test_what_a_service_cannot_read_is_a_dead_letter_that_can_be_put_back(loop: LoopStack):
    broken = json.dumps({"id": "0190f5fe-7c00-7a00-8000-000000000001", "nonsense": True}).encode()
    topic, type_ = "csl.client.events.v1", "csl.client.logged_in.v1"
    provision.run(publish(loop.stack.bootstrap_servers, topic, broken, type_, "somebody"))

    def letters() -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = json.loads(loop.run("dlq", "list", "--service", "health", "--json").stdout)[
            "items"
        ]
        return items

    first = eventually(letters, "health gives it up")[0]
    assert first["type"] == type_
    assert first["from"]["topic"] == topic
    assert "ValidationError" in first["reason"]
    assert json.loads(loop.run("dlq", "show", first["id"]).stdout)["body"]["nonsense"] is True
    loop.run("dlq", "replay", first["id"])
    eventually(lambda: len(letters()) == 2, "it fails again, since nobody mended it")
    assert "dlq replay" in loop.run("doctor", check=False).stdout


def test_an_unreadable_webhook_waits_in_quarantine(loop: LoopStack):
    answer = loop.signed("hubspot", b"{not json", secret=loop.stack.secrets.webhooks["hubspot"])
    assert answer.status_code == 202
    items = json.loads(loop.run("quarantine", "list", "--json").stdout)["items"]
    assert [item["source"] for item in items] == ["hubspot"]
    assert json.loads(loop.run("quarantine", "show", items[0]["id"]).stdout)["body"]
    assert loop.run("quarantine", "replay", "--all", check=False).returncode == 1
    assert loop.run("quarantine", "show", "0190f5fe-7c00-7a00-8000-000000000001", check=False).returncode == 2


def test_republishing_sends_the_same_ids_and_changes_nothing(loop: LoopStack):
    def said() -> int:
        return int(json.loads(loop.run("verify", "--json").stdout)["events"])

    before = said()
    assert " events of ingest since " in loop.run("republish", "ingest", "--since", "2h").stdout
    assert said() == before


def test_business_time_and_data_survive_down_and_up(loop: LoopStack):
    path = "/v1/clients/by-ref/hubspot/company/4711"
    client = loop.get("ingest", path)
    loop.run("down")
    assert all(part.process is None for part in inspection.parts(loop.stack))
    stood_at = business_time.now(loop.stack)
    assert business_time.now(loop.stack) == stood_at
    loop.run("up")
    assert business_time.now(loop.stack) - stood_at < timedelta(minutes=10)
    assert loop.get("ingest", path) == client
    assert loop.run("verify").returncode == 0
