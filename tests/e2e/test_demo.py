"""The demo, from the empty stack to the empty stack: its story ends well though what tells it is killed meanwhile."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from loopctl import playing, programs

from tests.support.loop_stack import LoopStack, eventually, loop_stack

CLIENTS = 6
STORY_SECONDS = 420.0
"""It takes two minutes on an idle machine; training alone may take as long on a busy one."""


@pytest.fixture(scope="module")
def loop() -> Iterator[LoopStack]:
    """A stack of its own: the demo needs an empty one, and drives its clock."""
    with loop_stack() as own:
        yield own


def story(loop: LoopStack) -> str:
    log: Path = programs.demo(loop.stack).log
    return log.read_text() if log.exists() else ""


def says(loop: LoopStack, word: str) -> bool:
    return word in story(loop)


def told(loop: LoopStack, *words: str) -> None:
    """Wait until the story says so."""
    for word in words:
        eventually(partial(says, loop, word), f"the story says {word!r}", seconds=STORY_SECONDS)


def holds_none(loop: LoopStack, service: str, what: str) -> bool:
    return not loop.get(service, f"/v1/{what}")["items"]


def kinds(loop: LoopStack) -> dict[str, int]:
    """Messages that people received, by rule."""
    found: dict[str, int] = {}
    for item in loop.get("notify", "/v1/deliveries", limit=200)["items"]:
        if item["channel"] in ("slack", "email"):
            found[item["rule"]] = found.get(item["rule"], 0) + 1
    return found


def test_it_begins_in_the_past_and_imports_in_silence(loop: LoopStack) -> None:
    threading.Thread(
        target=lambda: loop.run("demo", "--clients", str(CLIENTS), check=False), daemon=True
    ).start()  # follows the story; ends with the process that it follows
    told(loop, "events of the past", "will drift away")
    assert json.loads(loop.run("clock", "--json").stdout)["lag_seconds"] > 14 * 86_400
    assert not loop.messages(channel="email")


def test_the_client_goes_amber_and_red_and_is_flagged_with_reasons(loop: LoopStack) -> None:
    told(loop, "is AMBER", "is in service", "FLAG: Bluepeak Analytics is likely to leave", "case     opened for")
    flag = story(loop).partition("FLAG: Bluepeak")[2]
    assert "sponsor left on" in flag.partition("case ")[0]
    assert "model trained on simulated data" in flag.partition("\n")[0]


def test_whoever_is_killed_the_case_ends_as_saved(loop: LoopStack) -> None:
    driver = programs.demo(loop.stack).process()
    assert driver is not None
    driver.kill()
    driver.wait(10)
    loop.kill("escalation")
    stood = loop.now()
    loop.kill("churn")
    assert loop.now() <= stood[:11] + "99", "nobody drives the clock: it stands still"
    loop.run("up")
    told(
        loop, "BREACH: root_cause_call", "root_cause_call is done (late, after its breach)", "closed: SAVED", "the end"
    )
    eventually(lambda: playing.state(loop.stack).get("state") == playing.DONE, "the play is over")


def test_every_step_every_breach_and_every_message_was_there_once(loop: LoopStack) -> None:
    (case,) = loop.get("escalation", "/v1/cases")["items"]
    assert case["outcome"] == "saved"
    assert [step["state"] for step in case["steps"]] == ["done", "done", "done"]
    lines = re.findall(r"BREACH: root_cause_call|mitigation_plan is done|closed: SAVED", story(loop))
    assert sorted(lines) == sorted(set(lines)), "told once, also after the restart"
    assert {"likely_churn", "case_opened", "step_breached"} <= kinds(loop).keys()
    assert loop.run("verify").returncode == 0


def test_the_portfolio_and_its_model_say_that_they_are_simulated(loop: LoopStack) -> None:
    lines = loop.run("portfolio", "--csv").stdout.splitlines()
    assert len(lines) == CLIENTS + 1
    assert lines[0].startswith("client,client_id,tier,mrr")
    models: list[dict[str, Any]] = json.loads(loop.run("churn", "models", "--json").stdout)["items"]
    assert [model["trained_on"] for model in models] == ["simulated"]


def test_it_is_played_once_and_removed_without_a_trace(loop: LoopStack) -> None:
    again = loop.run("demo", check=False)
    assert again.returncode == 1
    assert "has been played" in again.stderr
    loop.run("demo", "--remove")
    for service, what in (("ingest", "clients"), ("health", "clients"), ("churn", "risks"), ("escalation", "cases")):
        eventually(partial(holds_none, loop, service, what), f"{service} holds no {what}")
    assert json.loads(loop.run("churn", "models", "--json").stdout)["in_service"] == "scorecard"
    assert json.loads(loop.run("clock", "--json").stdout)["lag_seconds"] == 0
