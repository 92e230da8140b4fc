"""A flag's life over HTTP on the test clock: raised, overridden, expired, raised again with a new case, and its end.

One stack, one client, one story, without a model: the scorecard's risk signs go the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support import northwind
from tests.support.loop_stack import LoopStack, eventually, loop_stack
from tests.support.northwind import MAYA


class Story:
    """What the tests have learned so far."""

    client_id = ""
    flag_id = ""
    first_case = ""


@pytest.fixture(scope="module")
def loop() -> Iterator[LoopStack]:
    """Far enough in the past for a horizon of 90 days to pass."""
    with loop_stack("--clock", "1@-200d") as own:
        yield own


@pytest.fixture(scope="module")
def story() -> Story:
    return Story()


def now(loop: LoopStack) -> datetime:
    return datetime.fromisoformat(loop.now())


def risk(loop: LoopStack, story: Story) -> dict[str, Any]:
    return loop.get("churn", f"/v1/clients/{story.client_id}/risk") or {}


def flags(loop: LoopStack, story: Story) -> dict[int, dict[str, Any]]:
    """By episode."""
    return {flag["episode"]: flag for flag in loop.get("churn", "/v1/flags", client_id=story.client_id)["items"]}


def cases(loop: LoopStack, story: Story) -> dict[str, dict[str, Any]]:
    return {case["case_id"]: case for case in loop.get("escalation", "/v1/cases", client_id=story.client_id)["items"]}


def lacking(loop: LoopStack) -> dict[str, Any]:
    """What data there is to learn from. An import shows in it once it is over."""
    return dict(loop.get("churn", "/v1/models")["data"])


def subjects(loop: LoopStack, story: Story) -> list[str]:
    return [m["subject"] for m in loop.messages(client_id=story.client_id, inbox=MAYA, channel="email")]


def test_a_flag_is_raised_and_opens_a_case(loop: LoopStack, story: Story, tmp_path: Path):
    loop.webhook("hubspot", northwind.company_created(now(loop)))
    found = eventually(
        lambda: loop.get("ingest", f"/v1/clients/by-ref/hubspot/company/{northwind.COMPANY}"), "the client"
    )
    story.client_id = str(found["client_id"])
    loop.webhook("hubspot", northwind.contacts(now(loop)))
    file = tmp_path / "history.ndjson"
    file.write_text(northwind.history(story.client_id, now(loop)))
    loop.run("import", str(file))
    eventually(lambda: lacking(loop)["months"] > 5, "the baseline after the import")
    assert risk(loop, story)["flag"] is None
    loop.webhook("hubspot", northwind.sponsor_left(now(loop)))
    loop.advance("22d")
    loop.webhook("zendesk", northwind.angry_ticket(now(loop)))
    flag = eventually(lambda: risk(loop, story)["flag"], "the flag")
    story.flag_id = flag["flag_id"]
    assert (flag["episode"], flag["rule"]) == (1, "scorecard")
    (story.first_case,) = eventually(lambda: cases(loop, story), "its case")
    assert any("shows risk signs" in subject for subject in eventually(lambda: subjects(loop, story), "a message"))


def test_what_raised_it_can_be_summed_up_and_looked_up(loop: LoopStack, story: Story):
    def moved() -> set[str]:
        history = loop.get("churn", f"/v1/clients/{story.client_id}/risk/history")["items"]
        return {change["code"] for item in history for change in item.get("changes") or ()}

    eventually(lambda: {"cancel_talk", "sponsor"} <= moved(), "what moved: a sponsor, and then angry words")
    said = risk(loop, story)
    assert said["margin"] == said["base"] + sum(group["contribution"] for group in said["groups"]) == said["points"]
    named = [event for reason in said["reasons"] for event in reason.get("events") or ()]
    assert named, "single events behind the reasons are named"


def test_a_person_overrides_it_and_the_case_is_closed(loop: LoopStack, story: Story):
    wish = {
        "reason_code": "known_context",
        "note": "Their office is closed for three weeks; ben confirmed the renewal.",
        "until": (now(loop) + timedelta(days=20)).isoformat(),
    }
    answer = loop.post("churn", f"/v1/clients/{story.client_id}/overrides", wish, scope="override")
    assert answer["override"]["by"] == MAYA
    assert answer["points"] >= answer["threshold"], "the scorecard's own number stays visible"
    eventually(lambda: cases(loop, story)[story.first_case]["outcome"] == "overridden", "the case to be closed")


def test_when_the_override_has_run_out_the_same_flag_is_raised_again_with_a_new_case(loop: LoopStack, story: Story):
    loop.advance("19d")
    assert risk(loop, story)["override"], "it holds to its day"
    loop.advance("25h")
    again = eventually(
        lambda: (risk(loop, story)["flag"] or {}).get("episode") == 2 and risk(loop, story), "the next episode"
    )
    assert again["flag"]["flag_id"] == story.flag_id
    assert again["override"] is None
    (second,) = eventually(lambda: set(cases(loop, story)) - {story.first_case}, "a new case")
    assert cases(loop, story)[second]["state"] == "open"
    (log,) = loop.get("churn", f"/v1/clients/{story.client_id}/overrides")["items"]
    assert log["ended_because"] == "expired"


def test_the_client_leaves_and_both_episodes_get_their_outcome(loop: LoopStack, story: Story):
    loop.advance("10d")
    notice = {"type": "csl.client.contract_cancelled.v1", "subject": story.client_id}
    loop.post("ingest", "/v1/events", {**notice, "data": {"effective_on": "2030-01-31"}})
    eventually(lambda: risk(loop, story)["flag"] is None and risk(loop, story)["ended"], "the end to be known")
    assert {flag["outcome"] for flag in flags(loop, story).values()} == {None}, "a horizon is ninety days"
    loop.advance("62d")
    eventually(lambda: flags(loop, story)[1]["outcome"] == "left", "the first outcome")
    assert flags(loop, story)[2]["outcome"] is None
    loop.advance("21d")
    eventually(lambda: flags(loop, story)[2]["outcome"] == "left", "the second outcome")
    report = loop.get("churn", "/v1/overrides/report")
    assert [(t["name"], t["left"]["count"], t["left"]["of"]) for t in report["by_person"]] == [(MAYA, 1, 1)]


def test_a_notice_that_is_taken_back_corrects_what_was_known(loop: LoopStack, story: Story):
    back = {"type": "csl.client.cancellation_withdrawn.v1", "subject": story.client_id, "data": {}}
    loop.post("ingest", "/v1/events", back)
    eventually(lambda: flags(loop, story)[2]["outcome"] == "stayed_after_case", "the corrected outcome")
    assert flags(loop, story)[1]["outcome"] == "stayed_after_case"
    assert loop.get("churn", "/v1/overrides/report")["all"]["left"]["count"] == 0


def test_the_models_route_and_loop_say_what_data_is_lacking(loop: LoopStack):
    eventually(lambda: lacking(loop)["leavers"] == 0, "the client that stayed after all to be assessed")
    assert lacking(loop)["leavers_needed"] == 50
    told = loop.run("churn", "models").stdout
    assert "in service: scorecard" in told
    assert "lacking: 0 of 50 leavers seen" in told


def test_every_timer_and_event_is_accounted_for(loop: LoopStack):
    audit = loop.run("verify", check=False)
    assert audit.returncode == 0, audit.stdout
